import { isModosuError, ModosuError } from '../contracts/errors';
import { MAX_MARKER_BYTES } from '../domain/consistency/markers';
import { accountIn, askAccount, runningAs, type Account } from '../guests/account';
import { boundedOutput, notFoundByShell, saysNoShell } from '../guests/bounded-output';
import type { CommandResult, GuestAgent, GuestProgram } from '../guests/guest-agent';
import { programMissing, runInGuest, starting } from '../guests/guest-process';
import { timedOut } from './deadline';
import { probeFailed, type Asked } from './transport';

/** A program that is ended by `timeout` is seen this much later. */
const ENDED_WITHIN_MS = 1_500;
/** How long after its time a probe in a guest may still be answered: the agent's own word about its silence is more telling than ours. */
export const GUEST_GRACE_MS = ENDED_WITHIN_MS + 2_000;
/** Of `timeout`, as GNU's and busybox's end when they have killed, and of whatever else kills. */
const KILLED = new Set([124, 137]);
/** The clocks of guest and worker do not run alike. */
const CLOCK_MS = 250;
/** Of `timeout` and `setpriv` when what they should start is not there; they say which it is. */
const NOT_RUN = new Set([126, 127]);
const NOT_FOUND = /(?:failed to (?:run command|execute)|can't execute) ['‘]?([\w./+-]{1,100})/;
const REFUSED = /^setpriv: (?!failed to execute|can't execute)/;

/**
 * Runs one program in the guest of the one that is asked, and waits for its end, whatever its exit code. It is ended in the guest when its time is over, by
 * `timeout` there: nothing that has it for a parent is left running.
 *
 * Of what it prints, 64 KiB are taken; more is `PROBE_OUTPUT_TOO_LARGE`, and goes no further than the guest's own shell: `boundedOutput`. A guest without one, as
 * Windows is, runs it as it is; there the agent ends it, and only a program that prints little is safe to ask. Throws `PROBE_TIMED_OUT`, `PROBE_FAILED` for a program that something else has killed or that may not run as that account,
 * `GUEST_PROGRAM_MISSING`, `AGENT_ABSENT`, and what the agent throws.
 *
 * @param account whom it runs as; null: as the agent's own
 * @param program made for the seconds that are left to it, rounded up: `timeout` of busybox counts whole ones
 */
export async function runProgram(asked: Asked, account: Account | null, program: (seconds: number) => GuestProgram): Promise<CommandResult> {
  const { agent } = asked.target;
  if (agent === null) throw new ModosuError('AGENT_ABSENT', 'The probe runs a program in the guest, and no agent there is known.');
  asked.signal.throwIfAborted();
  const startedAt = performance.now();
  const leftMs = asked.endsAt - startedAt;
  const seconds = Math.max(1, Math.ceil(leftMs / 1000));
  const { argv, ...given } = program(seconds);
  // One byte more: what has just as many is whole.
  const maxOutputBytes = MAX_MARKER_BYTES + 1;
  const bounded = boundedOutput(['timeout', '-s', 'KILL', String(seconds), ...runningAs(account), ...argv], maxOutputBytes, 'end');
  const options = { timeoutMs: Math.max(leftMs, seconds * 1000) + ENDED_WITHIN_MS, maxOutputBytes, ...given };
  let result: CommandResult;
  try {
    result = await starting('sh', () => agent.exec(bounded, options));
  } catch (error) {
    // What it has started holds its output, or the guest is too busy to tell its end.
    if (isModosuError(error) && error.code === 'AGENT_COMMAND_FAILED' && performance.now() - startedAt >= seconds * 1000) throw timedOut(seconds * 1000);
    if (account !== null || !saysNoShell(error)) throw error;
    return whole(await runAsItIs(asked, { argv, ...given }), argv[0]);
  }
  const { exitCode, stderr } = result;
  if (KILLED.has(exitCode)) {
    if (performance.now() - startedAt >= seconds * 1000 - CLOCK_MS) throw timedOut(seconds * 1000);
    throw probeFailed(`${argv[0]} in the guest was killed, not by its time: the guest may be short of memory`, stderr);
  }
  if (NOT_RUN.has(exitCode)) {
    if (account !== null && REFUSED.test(stderr)) throw probeFailed(`${argv[0]} in the guest may not run as that account`, stderr);
    throw programMissing(NOT_FOUND.exec(stderr)?.[1] ?? notFoundByShell(stderr) ?? argv[0]);
  }
  return whole(result, argv[0]);
}

/** In a guest without a shell, as Windows is: nothing there ends the program or bounds what it prints but the agent. */
async function runAsItIs({ target, signal, endsAt }: Asked, program: GuestProgram): Promise<CommandResult> {
  const leftMs = Math.max(1, Math.round(endsAt - performance.now()));
  const inTime = AbortSignal.timeout(leftMs);
  try {
    return await runInGuest(target.agent as GuestAgent, program, { signal: AbortSignal.any([signal, inTime]), maxOutputBytes: MAX_MARKER_BYTES + 1 });
  } catch (error) {
    if (inTime.aborted && !signal.aborted) throw timedOut(leftMs);
    throw error;
  }
}

function whole(result: CommandResult, program: string): CommandResult {
  if (!result.truncated && Buffer.byteLength(result.stdout) <= MAX_MARKER_BYTES) return result;
  throw new ModosuError('PROBE_OUTPUT_TOO_LARGE', `${program} in the guest has printed more than ${MAX_MARKER_BYTES / 1024} KiB.`);
}

/** `PROBE_FAILED`, with the end of the program's words. */
export const endedBadly = (program: string, { exitCode, stdout, stderr }: CommandResult): ModosuError =>
  probeFailed(`${program} in the guest ended with exit code ${exitCode}`, stderr.trim() === '' ? stdout : stderr);

/** Null: the guest has no account of that name. */
export const accountNamed = async (asked: Asked, name: string): Promise<Account | null> =>
  accountIn(await runProgram(asked, null, () => ({ argv: askAccount(name) })));
