/**
 * A fixed script for a POSIX shell of a guest; the program and its arguments are its parameters and are no part of it. What the program prints passes two `head`s
 * on its way, its exit code goes round them. Nothing of them is open in the program. It is ended by SIGPIPE when it goes on printing. It is looked for in the PATH,
 * as an agent does: a busybox that is the shell would take its own program of that name.
 */
const SCRIPT = `n=$1; shift; p=$1; IFS=:
for d in $PATH; do if [ -f "$d/$p" ] && [ -x "$d/$p" ]; then shift; set -- "$d/$p" "$@"; break; fi; done
unset IFS; exec 3>&1 4>&2
s=$({ { { "$@" 3>&- 4>&- 5>&-; echo "$?" >&5; } 2>&6 6>&- | head -c "$n" >&3; } 6>&1 | head -c "$n" >&4; } 5>&1)
exit "\${s:-255}"`;

/**
 * What runs a program in a guest with no more than `maxBytes` of its standard output and of its standard error, whatever it prints. libvirt gives an agent up, until
 * the guest is started again, whose one answer is larger than 10 MiB (its QEMU_AGENT_MAX_RESPONSE), and the agent itself keeps 16 MiB: a program that prints without
 * end would cost a server its agent (measured). Needs `sh` and `head -c` in the guest: the exit code is 127 where the program is not there, and the shell says
 * which one.
 */
export const boundedOutput = (argv: readonly [string, ...string[]], maxBytes: number): readonly [string, ...string[]] => [
  'sh',
  '-c',
  SCRIPT,
  'sh',
  String(maxBytes),
  ...argv,
];
