import type { AppliedChange } from '../src/contracts/activities/relations';
import { isModosuError } from '../src/contracts/errors';
import type { StepProgram } from '../src/contracts/reading';
import { cleanWords } from '../src/contracts/text';
import { runBoundedInGuest } from '../src/guests/bounded-output';
import type { GuestAgent } from '../src/guests/guest-agent';
import { waitUntilNoneRuns } from '../src/guests/guest-process';

const EVIDENCE_CHARACTERS = 500;

/**
 * Runs a program of a plan in a guest, once as far as that can be told, and says what came of it. What it does or says throws nothing: what it has not done is for people.
 * Throws what keeps anything from being run there and may pass.
 */
export async function programInGuest(agent: GuestAgent, { argv, timeoutSeconds }: StepProgram, signal: AbortSignal): Promise<AppliedChange> {
  const inTime = AbortSignal.timeout(timeoutSeconds * 1000);
  const work = { signal: AbortSignal.any([signal, inTime]), maxOutputBytes: 64 * 1024 };
  try {
    // Whoever has begun it may have died; the program lives on, and two of them at once may harm each other.
    await waitUntilNoneRuns(agent, argv, work);
    const { exitCode, stdout, stderr } = await runBoundedInGuest(agent, { argv }, work);
    const said = cleanWords(stderr.trim() === '' ? stdout : stderr, EVIDENCE_CHARACTERS, { keep: 'end' });
    return { isApplied: exitCode === 0, evidence: `exit code ${exitCode}${said === '' ? '' : `: ${said}`}` };
  } catch (error) {
    if (signal.aborted) throw error;
    if (inTime.aborted) return { isApplied: false, evidence: `it had not ended after ${timeoutSeconds} s and was told to end` };
    // Whatever the agent says is for people, not for another attempt at the same program.
    if (isModosuError(error) && (error.retry === 'never' || error.code === 'AGENT_SILENT')) {
      return { isApplied: false, evidence: `${error.code}: ${error.message}` };
    }
    throw error;
  }
}
