import { isModosuError } from '../contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from './guest-agent';
import { programMissing, runInGuest, starting, type RunOptions } from './guest-process';

/**
 * Fixed scripts for a POSIX shell of a guest; the program and its arguments are parameters and are no part of them. What the program prints passes two `head`s
 * on its way, its exit code goes round them. Nothing of them is open in the program. It is looked for in the PATH, as an agent does: a busybox that is the shell
 * would take its own program of that name.
 */
const script = (reader: string): string => `n=$1; shift; p=$1; IFS=:
for d in $PATH; do if [ -f "$d/$p" ] && [ -x "$d/$p" ]; then shift; set -- "$d/$p" "$@"; break; fi; done
unset IFS; exec 3>&1 4>&2
s=$({ { { "$@" 3>&- 4>&- 5>&-; echo "$?" >&5; } 2>&6 6>&- | ${reader} >&3; } 6>&1 | ${reader} >&4; } 5>&1)
exit "\${s:-255}"`;

/** What becomes of a program that prints more: it is ended by SIGPIPE when it goes on printing, or goes on and nobody hears it. */
export type WhenTooMuch = 'end' | 'drop';

const SCRIPTS: Readonly<Record<WhenTooMuch, string>> = {
  end: script('head -c "$n"'),
  drop: script('{ head -c "$n"; exec cat >/dev/null; }'),
};

/** Of a shell that does not find what it should start. */
const NOT_FOUND = /^sh: (?:(?:line )?\d+: )?([\w./+-]{1,100}): (?:command )?not found/m;
const NOT_FOUND_CODE = 127;

/**
 * What runs a program in a guest with no more than `maxBytes` of its standard output and of its standard error, whatever it prints. libvirt gives an agent up, until
 * the guest is started again, whose one answer is larger than 10 MiB (its QEMU_AGENT_MAX_RESPONSE), and the agent itself keeps 16 MiB: a program that prints without
 * end would cost a server its agent (measured). Needs `sh` and `head -c` in the guest: the exit code is 127 where the program is not there, and the shell says
 * which one.
 */
export const boundedOutput = (argv: GuestProgram['argv'], maxBytes: number, whenTooMuch: WhenTooMuch): readonly [string, ...string[]] => [
  'sh',
  '-c',
  SCRIPTS[whenTooMuch],
  'sh',
  String(maxBytes),
  ...argv,
];

/**
 * Runs a program that somebody else has chosen (a health check, a hook, a step): as `GuestAgent.exec`, and what is too much of its output is
 * dropped in the guest. Where the guest has no `sh`, as on Windows, it is
 * run as it is, and what it prints is bounded by the agent alone. A program that is not there is `GUEST_PROGRAM_MISSING`.
 */
export function execBounded(
  agent: Pick<GuestAgent, 'exec'>,
  argv: GuestProgram['argv'],
  options: Parameters<GuestAgent['exec']>[1] & { readonly maxOutputBytes: number },
): Promise<CommandResult> {
  return throughShell(argv, options.maxOutputBytes, (whole) => starting(whole[0], () => agent.exec(whole, options)));
}

/** As `runInGuest`, and otherwise as `execBounded`. */
export function runBoundedInGuest(
  agent: GuestAgent,
  { argv, ...given }: GuestProgram,
  options: RunOptions & { readonly maxOutputBytes: number },
): Promise<CommandResult> {
  return throughShell(argv, options.maxOutputBytes, (whole) => runInGuest(agent, { argv: whole, ...given }, options));
}

async function throughShell(
  argv: GuestProgram['argv'],
  maxOutputBytes: number,
  run: (argv: GuestProgram['argv']) => Promise<CommandResult>,
): Promise<CommandResult> {
  let result: CommandResult;
  try {
    // One byte more: what has just as many is whole.
    result = await run(boundedOutput(argv, maxOutputBytes + 1, 'drop'));
  } catch (error) {
    if (!isWithoutShell(error)) throw error;
    return run(argv);
  }
  if (result.exitCode === NOT_FOUND_CODE && notFoundByShell(result.stderr) === argv[0]) throw programMissing(argv[0]);
  return result;
}

/** Whether what goes through `boundedOutput` could not be begun, because the guest has no `sh`: Windows. */
export const isWithoutShell = (error: unknown): boolean =>
  isModosuError(error) && error.code === 'GUEST_PROGRAM_MISSING' && error.context?.['program'] === 'sh';

/** What the shell of `boundedOutput` has not found. */
export const notFoundByShell = (stderr: string): string | null => NOT_FOUND.exec(stderr)?.[1] ?? null;
