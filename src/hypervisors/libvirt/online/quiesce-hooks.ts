import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError, isModosuError } from '../../../contracts/errors';
import { cleanWords } from '../../../contracts/text';
import { execBounded } from '../../../guests/bounded-output';
import type { GuestAgent } from '../../../guests/guest-agent';

const HOOK_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4_096;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

type Argv = readonly [string, ...string[]];

/** The hook before the freeze. Null: it ended well; else what it said, for people. Throws only what is not the guest's fault. */
export async function runBeforeHook(agent: GuestAgent, argv: Argv): Promise<string | null> {
  return orSaid(() => runHook(agent, argv));
}

export interface Patience {
  /** How long an agent that does not answer is asked again. Default 20 s. */
  readonly patienceMs?: number;
  /** Nobody is left to be woken. */
  readonly isOff?: () => Promise<boolean>;
}

/**
 * The hook after the thaw; none declared: null. What was made quiet has to be woken: an agent that is busy or does not answer is asked again, so the program
 * may run twice. One that has run and failed is not.
 */
export async function runAfterHook(
  agent: GuestAgent,
  argv: readonly string[] | null,
  { patienceMs = 20_000, isOff = () => Promise.resolve(false) }: Patience = {},
): Promise<string | null> {
  const [program, ...args] = argv ?? [];
  if (program === undefined) return null;
  const giveUpAtMs = performance.now() + patienceMs;
  return orSaid(async () => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        return await runHook(agent, [program, ...args]);
      } catch (error) {
        if (!isModosuError(error) || error.code !== 'AGENT_SILENT' || performance.now() + pauseMs > giveUpAtMs || (await isOff())) throw error;
      }
      await delay(pauseMs);
    }
  });
}

async function runHook(agent: GuestAgent, argv: Argv): Promise<string | null> {
  const { exitCode, stdout, stderr } = await execBounded(agent, argv, { timeoutMs: HOOK_TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES });
  if (exitCode === 0) return null;
  const said = cleanWords(stderr) || cleanWords(stdout);
  return `${argv[0]} ended with exit code ${exitCode}${said === '' ? '' : `: ${said}`}`;
}

async function orSaid(run: () => Promise<string | null>): Promise<string | null> {
  try {
    return await run();
  } catch (error) {
    if (
      isModosuError(error) &&
      ['AGENT_SILENT', 'AGENT_ABSENT', 'AGENT_COMMAND_FAILED', 'GUEST_COMMAND_FORBIDDEN', 'GUEST_PROGRAM_MISSING'].includes(error.code)
    ) {
      return error.message;
    }
    throw error;
  }
}

export const quiesceFailed = (message: string, hint?: string): ModosuError => new ModosuError('QUIESCE_FAILED', message, { hint });
