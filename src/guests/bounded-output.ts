import { isModosuError, ModosuError } from '../contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from './guest-agent';
import { programMissing, runInGuest, starting, type GuestRunOptions } from './guest-process';

/**
 * Fixed scripts for a POSIX shell of a guest. Parameters: how many bytes, what separates the words, and the words themselves, which are no part of the script and are read by no
 * shell: they are split where the separator stands, and nothing else of them is looked at. They come in octal digits, so that a program that looks for a command line
 * (`pgrep -f`) finds the program, and not what runs it. The program is looked for in the PATH, as an agent does: a busybox that is the shell would take its own program
 * of that name. What it prints passes two readers on its way, its exit code goes round them; nothing of them is open in the program, and what the shell itself says of
 * its end is not heard.
 */
const script = (reader: string): string => `n=$1; IFS=$(printf '%b' "$2"); set -f; set -- $(printf '%b' "$3"); set +f
p=$1; shift; f=$p
case $p in */*) ;; *) f=; IFS=:; for d in $PATH; do if [ -f "$d/$p" ] && [ -x "$d/$p" ]; then f=$d/$p; break; fi; done ;; esac
unset IFS; if [ ! -e "$f" ]; then printf 'sh: %s: not found\n' "$p" >&2; exit 127; fi
exec 3>&1 4>&2
s=$({ { { (exec "$f" "$@" 2>&6 3>&- 4>&- 5>&- 6>&-); echo "$?" >&5; } 2>/dev/null | ${reader} >&3; } 6>&1 | ${reader} >&4; } 5>&1)
exit "\${s:-255}"`;

/** What becomes of a program that prints more: it is ended by SIGPIPE when it goes on printing, or goes on and nobody hears it. */
export type WhenTooMuch = 'end' | 'drop';

const SCRIPTS: Readonly<Record<WhenTooMuch, string>> = {
  end: script('head -c "$n"'),
  drop: script('{ head -c "$n"; exec cat >/dev/null; }'),
};

/** Of the script that does not find what it should start. */
const NOT_FOUND = /^sh: ([\w./+-]{1,100}): not found$/m;
const NOT_FOUND_CODE = 127;
/** Bytes that hardly ever stand in a word, and are no white space for a shell. */
const SEPARATORS = [0x1f, 0x1e, 0x1d, 0x1c, 0x01, 0x02, 0x03, 0x04];
const SHELL_MISSING = /No such file or directory|cannot find the file/i;

/**
 * What runs a program in a guest with no more than `maxBytes` of its standard output and of its standard error, whatever it prints. libvirt gives an agent up, until
 * the guest is started again, whose one answer is larger than 10 MiB (its QEMU_AGENT_MAX_RESPONSE), and the agent itself keeps 16 MiB: a program that prints without
 * end would cost a server its agent (measured). Needs `sh`, `head -c` and (`drop`) `cat` in the guest: the exit code is 127 where the program is not there, and the
 * script says which one. The program is not the first of its session any more, as it is of an agent: one that ends its own process group ends what runs it, too.
 */
export function boundedOutput(argv: GuestProgram['argv'], maxBytes: number, whenTooMuch: WhenTooMuch): readonly [string, ...string[]] {
  const words = argv.map((word) => Buffer.from(word));
  const separator = SEPARATORS.find((byte) => words.every((word) => !word.includes(byte)));
  if (separator === undefined) throw new ModosuError('INTERNAL', `The arguments of ${argv[0]} leave no byte that could separate them.`);
  const end = Buffer.of(separator);
  return ['sh', '-c', SCRIPTS[whenTooMuch], 'sh', String(maxBytes), inOctal(end), inOctal(Buffer.concat(words.flatMap((word) => [word, end])))];
}

/** As `printf %b` reads it. */
const inOctal = (bytes: Buffer): string => [...bytes].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');

/**
 * Runs a program that somebody else has chosen (a health check, a hook, a step): as `GuestAgent.exec`, and what is too much of its output is dropped in the guest. Where
 * the guest has no `sh`, as on Windows, it is run as it is, and what it prints is bounded by the agent alone. A program that is not there is `GUEST_PROGRAM_MISSING`.
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
  options: GuestRunOptions & { readonly maxOutputBytes: number },
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
    if (saysNoShell(error)) return run(argv);
    throw isModosuError(error) && error.code === 'AGENT_COMMAND_FAILED' ? named(argv[0], error) : error;
  }
  if (result.exitCode === NOT_FOUND_CODE && notFoundByShell(result.stderr) === argv[0]) throw programMissing(argv[0]);
  return result;
}

/** An agent speaks of what it has started. */
const named = (program: string, { code, message, hint, context, cause }: ModosuError): ModosuError =>
  new ModosuError(code, message.replace(/^sh had/, `${program} had`), { hint, context, cause });

/** Whether what goes through `boundedOutput` could not be begun, because the guest has no `sh`: Windows. */
export const saysNoShell = (error: unknown): boolean =>
  isModosuError(error) &&
  error.code === 'GUEST_PROGRAM_MISSING' &&
  error.context['program'] === 'sh' &&
  error.cause instanceof Error &&
  SHELL_MISSING.test(error.cause.message);

/** What the script of `boundedOutput` has not found. */
export const notFoundByShell = (stderr: string): string | null => NOT_FOUND.exec(stderr)?.[1] ?? null;
