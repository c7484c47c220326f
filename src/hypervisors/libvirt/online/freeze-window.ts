import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { QuiesceHooks } from '../../../contracts/protection';
import type { GuestAgent } from '../../../guests/guest-agent';
import { FROZEN_BY_OTHERS_HINT } from './freezable';
import { elapsedMs, FREEZE_WINDOW_MS, monotonicMs, type GuardFiles } from './guard-state';
import { runAfterHook, runBeforeHook } from './quiesce-hooks';
import type { WorkerWord } from './worker-word';

const FREEZE_MS = 5_000;
const THAW_MS = 3_000;
const STATUS_MS = 2_000;
/** Kept of the window for the thaw. */
const THAW_SHARE_MS = 2_000;
/** Beyond the window the guard thaws too; so long the worker waits for its success. */
const THAW_DEADLINE_MS = 40_000;
const POLL_MS = 250;
const NOT_THE_AGENTS_FAULT = ['HYPERVISOR_UNREACHABLE', 'SERVER_GONE'];

/** What came of one freeze. */
export interface WindowResult {
  /** Every file system stayed frozen from before the job was begun until after. */
  readonly held: boolean;
  readonly frozenMs: number | null;
  readonly pointInTime: string;
  /** The guest stood still for longer than it ever should: it is not to be frozen again. */
  readonly tooLong: boolean;
  /** Why it did not hold. */
  readonly note: string | null;
}

/** The agent could not, or would not, freeze. */
export class FreezeRefused extends Error {
  constructor(
    message: string,
    readonly hint: string | undefined,
  ) {
    super(message);
  }
}

/**
 * Freezes, begins, thaws. `begin` is given the milliseconds it may take; when it throws, the guest is thawed first and the error passes on. Throws
 * `FreezeRefused` when nothing could be frozen (thawed all the same, unless it was somebody else who had), `QUIESCE_FAILED` when the guest could not be thawed:
 * the guard goes on trying.
 */
export async function insideFreeze(
  tools: { readonly name: string; readonly agent: GuestAgent; readonly word: WorkerWord; readonly files: GuardFiles },
  begin: (timeoutMs: number) => Promise<void>,
): Promise<WindowResult> {
  const { agent, files, name, word } = tools;
  await requireThawed(agent);
  const askedAtMs = monotonicMs();
  await word.freezing(askedAtMs);
  let count: number;
  try {
    count = await agent.freeze(FREEZE_MS);
    await word.freezeAnswered(askedAtMs);
  } catch (error) {
    if (!isModosuError(error) || NOT_THE_AGENTS_FAULT.includes(error.code)) {
      await thaw(tools, askedAtMs, FREEZE_WINDOW_MS);
      throw error;
    }
    if (error.code === 'GUEST_COMMAND_FORBIDDEN' || error.context['refused'] === true) await word.freezeAnswered(askedAtMs);
    // Where it stays silent, the guard goes on: the freeze may be carried out yet.
    const isSure = (await thaw(tools, askedAtMs, FREEZE_WINDOW_MS)) !== null;
    throw new FreezeRefused(
      isSure ? error.message : `${error.message} It is not certain that nothing is frozen; the guard of this backup looks after it for two minutes.`,
      isSure
        ? error.code === 'GUEST_COMMAND_FORBIDDEN'
          ? error.hint
          : undefined
        : 'Look at the guest. If it stands still: `virsh domfsthaw DOMAIN`, or restart it.',
    );
  }

  let failure: { readonly error: unknown } | null = null;
  let stillFrozen = false;
  let pointInTime = '';
  try {
    await begin(askedAtMs + FREEZE_WINDOW_MS - THAW_SHARE_MS - monotonicMs());
    pointInTime = new Date().toISOString();
    stillFrozen = await agent.isFrozen(STATUS_MS).catch(() => false);
  } catch (error) {
    failure = { error };
  }
  const thawed = await thaw(tools, askedAtMs, THAW_DEADLINE_MS);
  if (thawed === null) {
    throw new ModosuError(
      'QUIESCE_FAILED',
      `The guest agent of ${name} does not say that its file systems are thawed; the guard of this backup goes on trying.`,
      {
        hint: 'Look at the guest. If it stands still: `virsh domfsthaw DOMAIN`, or restart it.',
        cause: failure?.error,
      },
    );
  }
  if (failure !== null) throw failure.error;
  const frozenMs = elapsedMs(askedAtMs);
  const byGuard = (await files.readState())?.thawed.includes(askedAtMs) ?? false;
  const doubt =
    count === 0
      ? 'the guest agent froze no file system'
      : byGuard
        ? 'thawing took longer than the window, and the guard stepped in'
        : !stillFrozen
          ? 'the file systems were not frozen any more when the job had begun'
          : thawed === 0
            ? 'somebody else thawed the file systems meanwhile'
            : frozenMs > FREEZE_WINDOW_MS
              ? 'the file systems were frozen for longer than the window'
              : null;
  return {
    held: doubt === null,
    tooLong: byGuard || frozenMs > FREEZE_WINDOW_MS,
    frozenMs,
    pointInTime,
    note: doubt === null ? null : `The file systems of ${name} were frozen, but ${doubt}.`,
  };
}

/** What somebody else has frozen is theirs to thaw: their own point in time hangs on it. */
async function requireThawed(agent: GuestAgent): Promise<void> {
  let isFrozen: boolean;
  try {
    isFrozen = await agent.isFrozen(STATUS_MS);
  } catch (error) {
    if (!isModosuError(error) || NOT_THE_AGENTS_FAULT.includes(error.code)) throw error;
    throw new FreezeRefused(error.message, error.hint);
  }
  if (isFrozen) throw new FreezeRefused('somebody else has frozen them meanwhile.', FROZEN_BY_OTHERS_HINT);
}

/**
 * Until the agent itself says that nothing is frozen. Returns how many file systems were thawed, as far as the agent has told; null: it has not said it within
 * `deadlineMs` of the freeze.
 */
async function thaw({ agent, word }: { readonly agent: GuestAgent; readonly word: WorkerWord }, askedAtMs: number, deadlineMs: number): Promise<number | null> {
  let count = 0;
  for (;;) {
    try {
      count = Math.max(count, await agent.thaw(THAW_MS));
      if (!(await agent.isFrozen(STATUS_MS))) {
        await word.thawed(askedAtMs);
        return count;
      }
    } catch (error) {
      if (!isModosuError(error)) throw error;
      if (error.code === 'SERVER_GONE') return count;
      if (error.code === 'FENCED_OFF') throw error;
    }
    if (elapsedMs(askedAtMs) > deadlineMs) return null;
    await delay(POLL_MS);
  }
}

/** Runs the hook before the freeze; its counterpart is owed from here on. Null: it ended well, or there is none. */
export async function before(agent: GuestAgent, hooks: QuiesceHooks, word: WorkerWord): Promise<string | null> {
  if (hooks.after !== null) await word.owesAfterHook(true);
  return hooks.before === null ? null : runBeforeHook(agent, hooks.before);
}

/** Runs the hook after the thaw. What it says is only noted: the point in time is taken. */
export async function after(agent: GuestAgent, hooks: QuiesceHooks, word: WorkerWord): Promise<string | null> {
  if (hooks.after === null) return null;
  const said = await runAfterHook(agent, hooks.after);
  await word.owesAfterHook(false);
  return said === null ? null : `The hook after the freeze failed: ${said}`;
}
