import { ModosuError, isModosuError } from '../../../contracts/errors';
import type { GuestAgent } from '../../../guests/guest-agent';

const HOOK_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 4_096;

/** Runs a declared program in the guest. Null: it ended well; else what it said, for people. Throws only what is not the guest's fault. */
async function runHook(agent: GuestAgent, argv: readonly [string, ...string[]]): Promise<string | null> {
  try {
    const { exitCode, stdout, stderr } = await agent.exec(argv, { timeoutMs: HOOK_TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES });
    if (exitCode === 0) return null;
    const said = printable(stderr) || printable(stdout);
    return `${argv[0]} ended with exit code ${exitCode}${said === '' ? '' : `: ${said}`}`;
  } catch (error) {
    if (isModosuError(error) && ['AGENT_SILENT', 'AGENT_ABSENT', 'AGENT_COMMAND_FAILED', 'GUEST_COMMAND_FORBIDDEN'].includes(error.code)) return error.message;
    throw error;
  }
}

/** The hook before the freeze. Null: it ended well. */
export const runBeforeHook = runHook;

/** The hook after the thaw; none declared: null. */
export async function runAfterHook(agent: GuestAgent, argv: readonly string[] | null): Promise<string | null> {
  const [program, ...args] = argv ?? [];
  return program === undefined ? null : runHook(agent, [program, ...args]);
}

export const quiesceFailed = (message: string, hint?: string): ModosuError => new ModosuError('QUIESCE_FAILED', message, { hint });

const printable = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').trim().slice(0, 300);
