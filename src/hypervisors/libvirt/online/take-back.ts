import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { LibvirtGuestAgent } from '../agent';
import { BackupJob } from './backup-job';
import { Checkpoints } from './checkpoints';
import { elapsedMs, markedDisks, type Freeze, type GuardFiles } from './guard-state';
import { runAfterHook } from './quiesce-hooks';
import { ServerControl } from './server-control';
import type { Virsh } from '../virsh';
import { WorkerWord } from './worker-word';

const THAW_MS = 5_000;
const THAW_DEADLINE_MS = 30_000;
/** For a freeze that the agent has never confirmed. */
const UNCONFIRMED_DEADLINE_MS = 10_000;
const POLL_MS = 500;
/** libvirt may carry out a request to begin whose sender has died. It is not slow about it: it would have answered at once. */
const LATE_BEGIN_MS = 3_000;

/**
 * Takes back what a run has begun with a server, beside or without its guard: job, pause, freeze, hook, checkpoint, in this order. Returns the freezes the run
 * has asked for. Nothing written about the run, or a server that is off: nothing to do. Throws `SERVER_FROZEN`. Idempotent; whoever was at it before is fenced off
 * (`WorkerWord`).
 */
export async function takeBack(
  virsh: Virsh,
  server: ServerRef,
  files: GuardFiles,
  options: { readonly waitForLateFreezes: boolean; readonly stateDirectory: string },
): Promise<readonly Freeze[]> {
  const [order, said] = [await files.readOrder(), await files.readWord()];
  if (order === null || said === null) return [];
  const control = new ServerControl(virsh, server);
  const job = new BackupJob(virsh, server, order.disks);
  const agent = new LibvirtGuestAgent(virsh, server);

  const mayRun = said.job !== 'none' && said.job !== 'over';
  const word = await WorkerWord.takeOver(files, { ...said, job: mayRun ? 'given-up' : said.job });
  if ((await control.standing()) === 'off') return [];
  if (mayRun) {
    await job.cancel();
    while (said.job === 'asked' && elapsedMs(said.jobAskedAtMs ?? 0) < LATE_BEGIN_MS && !(await job.cancel())) await delay(POLL_MS);
    const alreadyFreed = (await files.readState())?.pause ?? null;
    if ((await control.standing()) === 'storage' && !order.pausedBefore && alreadyFreed?.resumed !== false) await control.resumeAfterStorage();
  }
  await word.job('over');

  const isLate = (freeze: Freeze): boolean => !freeze.answered && elapsedMs(freeze.askedAtMs) < order.lateFreezeMs;
  const owed = said.freezes.filter((freeze) => !freeze.thawed);
  if (owed.length > 0) {
    const wasConfirmed = owed.some((freeze) => freeze.answered);
    const problem = await thaw(agent, control, wasConfirmed ? THAW_DEADLINE_MS : UNCONFIRMED_DEADLINE_MS);
    if (problem !== null && wasConfirmed) {
      throw new ModosuError('SERVER_FROZEN', `It is not certain that the file systems of ${server.name} are thawed: ${problem}`, {
        context: { uuid: server.uuid },
      });
    }
    if (problem === null) for (const freeze of owed) await word.thawed(freeze.askedAtMs);
  }
  if (said.afterHookOwed && (await files.readState())?.afterHookRun !== true) {
    // What it says changes nothing any more; the guest's own log has it.
    await runAfterHook(agent, order.afterHook);
    await word.owesAfterHook(false);
  }
  // Last: nobody waits for it. In a server that is off it says nothing to anybody, and goes after the next backup.
  if (order.checkpoints !== null) await new Checkpoints(virsh, server, options.stateDirectory).remove(order.checkpoints.name, markedDisks(order));
  // An agent that answered no freeze and answers nothing since cannot be waited for beyond that: the run's own error has said that somebody should look.
  while (options.waitForLateFreezes && said.freezes.some(isLate)) {
    if ((await control.standing()) === 'off') break;
    if (await isFrozenNow(agent)) await thaw(agent, control, THAW_DEADLINE_MS);
    await delay(POLL_MS * 4);
  }
  return word.said.freezes;
}

/** Null: the agent says that nothing is frozen, or the server is off. Else why that is not certain. */
async function thaw(agent: LibvirtGuestAgent, control: ServerControl, deadlineMs: number): Promise<string | null> {
  const giveUpAt = performance.now() + deadlineMs;
  let problem = 'its guest agent says that they are not.';
  for (;;) {
    try {
      await agent.thaw(THAW_MS);
      if (!(await agent.isFrozen(THAW_MS))) return null;
    } catch (error) {
      if (!isModosuError(error)) throw error;
      if ((await control.standing()) === 'off') return null;
      problem = error.message;
    }
    if (performance.now() > giveUpAt) return problem;
    await delay(POLL_MS);
  }
}

async function isFrozenNow(agent: LibvirtGuestAgent): Promise<boolean> {
  try {
    return await agent.isFrozen(THAW_MS);
  } catch (error) {
    if (isModosuError(error)) return false;
    throw error;
  }
}
