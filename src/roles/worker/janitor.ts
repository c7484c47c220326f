import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../../activities/dependencies';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import { toModosuError } from '../../contracts/errors';
import type { ClockWatch } from '../../domain/clock-watch';
import { sha256Of } from '../../system/sha256';
import type { RunDispatcher } from '../../temporal/run-starter';

/**
 * Looks for what nobody is responsible for any more: guards whose run has ended, images that were booted for a proof that has ended, staged images of runs
 * that were ended from outside, kept volumes whose time is over. Runs themselves are put in order by `reconcile`, under their own lock; here only lies what is left when no run knows of it.
 */
export interface JanitorDependencies extends Pick<ActivityDependencies, 'hypervisor' | 'imageRepository'> {
  readonly catalog: Pick<
    Catalog,
    'listHypervisors' | 'listRepositories' | 'listOpenRuns' | 'getVerification' | 'getDispatchable' | 'listExpiredWayBacks' | 'acceptConfirm'
  >;
  readonly runs: Pick<RunDispatcher, 'startRun'>;
  readonly log: Log;
  readonly now: () => Date;
  /** When the deletion of an expired way back was last begun, by the run it belongs to: kept from sweep to sweep. */
  readonly expiryTried: Map<string, number>;
  /** Kept from sweep to sweep, too. */
  readonly clock: Pick<ClockWatch, 'isSteady'>;
}

const INTERVAL_MS = 60_000;
const FRESH_MS = 250;
/** A run that has just been accepted stages within seconds; what lay still for longer belongs to nobody in the list of open runs. */
const STAGED_FOR_MS = 10 * 60_000;
/** A guest that is off keeps what it has kept: tried every minute, it would hold the server's lock against whoever brings it back. */
const EXPIRE_AGAIN_AFTER_MS = 6 * 60 * 60_000;

/** One sweep. Idempotent; one place that does not answer does not keep the others from being looked at. */
export async function sweep(dependencies: JanitorDependencies): Promise<void> {
  const { catalog } = dependencies;
  const [hypervisors, repositories] = await Promise.all([catalog.listHypervisors(), catalog.listRepositories()]);
  for (const { name } of hypervisors) {
    await attempt(dependencies.log, { hypervisor: name }, () => sweepGuards(name, dependencies));
    await attempt(dependencies.log, { hypervisor: name }, () => sweepProofs(name, dependencies));
  }
  if (!dependencies.clock.isSteady(dependencies.now().getTime(), performance.now())) {
    dependencies.log.warn(
      { now: dependencies.now().toISOString() },
      'the time of day has jumped ahead: nothing is taken for old or expired until it is put right, or for an hour',
    );
    return;
  }
  for (const { name } of repositories) await attempt(dependencies.log, { repository: name }, () => sweepStaged(name, dependencies));
  await attempt(dependencies.log, {}, () => confirmExpired(dependencies));
}

/** Sweeps at once, because a crash may be the reason why this worker starts, and then every minute until the signal aborts. */
export async function sweepUntil(signal: AbortSignal, dependencies: JanitorDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  while (!signal.aborted) {
    await attempt(dependencies.log, {}, () => sweep(dependencies));
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

async function sweepGuards(name: string, { catalog, hypervisor, log }: JanitorDependencies): Promise<void> {
  const adapter = await hypervisor(name);
  const askedAt = performance.now();
  const open = new Set((await catalog.listOpenRuns()).map(({ runId }) => runId));
  // A run accepted after the list was made is not in it. It arms its guard after several calls to the hypervisor; an answer that came late is too old to
  // judge by.
  if (performance.now() - askedAt > FRESH_MS) return;
  for (const done of await adapter.sweepGuards(open)) log.warn({ hypervisor: name }, done);
}

/**
 * Whose verification runs is left alone: its next attempt removes what an earlier one has left. So is what this catalogue does not know: another installation
 * may use the same hypervisor.
 */
async function sweepProofs(name: string, { catalog, hypervisor, log }: JanitorDependencies): Promise<void> {
  const adapter = await hypervisor(name);
  for (const id of await adapter.listProofs()) {
    await attempt(log, { hypervisor: name, verificationId: id }, async () => {
      // Asked after what is there was listed: one that begins meanwhile is not in the list.
      if (!(await hasEnded(catalog, id))) return;
      await adapter.endProof(id);
      log.warn({ hypervisor: name, verificationId: id }, 'ended the boot of an image whose verification has ended');
    });
  }
}

async function hasEnded(catalog: Pick<Catalog, 'getVerification'>, id: string): Promise<boolean> {
  try {
    return (await catalog.getVerification(id)).finishedAt !== null;
  } catch (thrown) {
    if (toModosuError(thrown).code === 'VERIFICATION_NOT_FOUND') return false;
    throw thrown;
  }
}

async function sweepStaged(name: string, { catalog, imageRepository, log, now }: JanitorDependencies): Promise<void> {
  const repository = await imageRepository(name);
  const staged = (await repository.listStaged()).filter(({ changedAt }) => now().getTime() - changedAt.getTime() > STAGED_FOR_MS);
  if (staged.length === 0) return;
  // Asked after the staging directories were listed: a run accepted meanwhile has staged nothing that is this old.
  const wanted = new Set<string>();
  for (const { runId } of await catalog.listOpenRuns()) {
    const run = await catalog.getDispatchable(runId);
    if (run.kind === 'backup-image') wanted.add(run.input.recoveryPointId);
  }
  for (const { recoveryPointId } of staged) {
    if (wanted.has(recoveryPointId)) continue;
    await repository.discardStaged(recoveryPointId);
    log.warn({ repository: name, recoveryPointId }, 'removed a staged recovery point that no run works on');
  }
}

/** As a person would, with all its checks; a server that is busy now gets its turn in a later sweep. */
async function confirmExpired({ catalog, runs, log, now, expiryTried }: JanitorDependencies): Promise<void> {
  const expired = await catalog.listExpiredWayBacks(now());
  if (expired.length === 0) return;
  // Not even asked for: every refusal stands in the audit.
  const busy = new Set((await catalog.listOpenRuns()).map(({ serverId }) => serverId));
  const isDue = (runId: string): boolean => now().getTime() - (expiryTried.get(runId) ?? 0) >= EXPIRE_AGAIN_AFTER_MS;
  for (const runId of expiryTried.keys()) if (!expired.some((wayBack) => wayBack.runId === runId)) expiryTried.delete(runId);
  for (const wayBack of expired.filter(({ serverId, runId }) => !busy.has(serverId) && isDue(runId))) {
    await attempt(log, { runId: wayBack.runId }, async () => {
      const reason = `kept until ${wayBack.expiresAt}, and nobody has confirmed or undone it`;
      const accepted = await catalog.acceptConfirm({
        actor: 'system',
        idempotencyKey: null,
        requestDigest: sha256Of(`expire ${wayBack.runId}`),
        serverId: wayBack.serverId,
        reason,
        ofRunId: wayBack.runId,
      });
      expiryTried.set(wayBack.runId, now().getTime());
      await runs.startRun(await catalog.getDispatchable(accepted.runId));
      log.info({ runId: accepted.runId, ofRunId: wayBack.runId }, 'the time of kept volumes is over; they are deleted');
    });
  }
}

async function attempt(log: Log, fields: Readonly<Record<string, unknown>>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    const error = toModosuError(thrown);
    if (error.code === 'SERVER_BUSY') return;
    log.warn({ ...fields, code: error.code, error: thrown }, 'a sweep could not be finished; it is tried again');
  }
}
