import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../../activities/dependencies';
import { recordDue } from '../../../activities/record-due';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError } from '../../contracts/errors';
import type { Policy } from '../../contracts/policy';
import { canonicalJson } from '../../domain/canonical-json';
import type { RunDispatcher } from '../../temporal/run-starter';
import type { SchedulesReport } from '../../temporal/schedules';
import { Attempts } from './attempts';

/**
 * Backups that nobody has to ask for. Keeps Temporal's schedules those of the policies, writes down what is due (also what came due while nothing ran), and
 * begins what has a place; has recovery points read again, and judged beside the peers of their servers; measures how full repositories are. All of it may be done by several workers at once.
 */
export interface SchedulerDependencies {
  readonly catalog: Pick<
    Catalog,
    | 'listPolicies'
    | 'recordDueBackups'
    | 'startNextDueBackup'
    | 'startNextVerification'
    | 'askForNightly'
    | 'getDispatchable'
    | 'listRepositories'
    | 'recordRepositoryRoom'
  >;
  readonly imageRepository: ActivityDependencies['imageRepository'];
  readonly runs: Pick<RunDispatcher, 'startRun' | 'startVerification' | 'startJudging'>;
  readonly syncSchedules: (policies: readonly Policy[]) => Promise<SchedulesReport>;
  readonly log: Log;
  readonly maxDataBackups: number;
  /** Of a day, in UTC: from when on its newest images are judged. */
  readonly judgeHourUtc: number;
  /** Of a clock that only goes on. */
  readonly nowMs: () => number;
}

const INTERVAL_MS = 2_000;
/** Temporal's schedules knock when a time has come; this finds what they have not told. */
const LOOK_MS = 30_000;
const MEASURE_MS = 10 * 60_000;
/** A mount that hangs must not keep what is due from beginning. */
const MEASURE_DEADLINE_MS = 20_000;
/** Somebody may have changed or deleted schedules in Temporal. */
const SYNC_AGAIN_MS = 10 * 60_000;

/** Keeps what one pass leaves to the next. */
export class Scheduler {
  private synced: { readonly policies: string; readonly atMs: number } | null = null;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private lookedForDueMs = Number.NEGATIVE_INFINITY;
  private askedForNightlyMs = Number.NEGATIVE_INFINITY;
  private measuredAtMs = Number.NEGATIVE_INFINITY;
  private readonly attempts: Attempts;

  constructor(private readonly dependencies: SchedulerDependencies) {
    this.attempts = new Attempts(dependencies.log);
  }

  /** One pass. A part that fails keeps none of the others from being done; what failed is tried again in the next pass, and told once. */
  async pass(): Promise<void> {
    await this.attempts.attempt('schedules in Temporal', () => this.sync());
    await this.attempts.attempt('backups that are due', () => this.look());
    await this.attempts.attempt('beginning backups that are due', () => this.begin());
    await this.attempts.attempt('beginning verifications', () => this.verify());
    await this.attempts.attempt('judging newest images', () => this.judge());
    await this.attempts.attempt('measuring repositories', () => this.measure());
  }

  private async sync(): Promise<void> {
    const { catalog, syncSchedules, log, nowMs } = this.dependencies;
    const policies = await catalog.listPolicies();
    const text = canonicalJson(policies);
    if (this.synced?.policies === text && nowMs() - this.synced.atMs < SYNC_AGAIN_MS) return;
    const { created, updated, deleted, met, refused } = await syncSchedules(policies);
    if (refused.length > 0) log.error({ refused }, 'Temporal refuses schedules; what is due is found without them');
    // What another worker has made in the same moment is compared in the next pass.
    this.synced = met.length > 0 ? null : { policies: text, atMs: nowMs() };
    if (created.length + updated.length + deleted.length > 0) log.info({ created, updated, deleted }, 'schedules in Temporal follow the policies');
  }

  private async look(): Promise<void> {
    const { nowMs } = this.dependencies;
    if (nowMs() - this.lookedAtMs < LOOK_MS) return;
    await recordDue(this.dependencies);
    this.lookedAtMs = nowMs();
  }

  private async begin(): Promise<void> {
    const { catalog, runs, log, maxDataBackups } = this.dependencies;
    const next = (): ReturnType<Catalog['startNextDueBackup']> => catalog.startNextDueBackup(maxDataBackups);
    for (let accepted = await next(); accepted !== null; accepted = await next()) {
      const { runId } = accepted;
      log.info({ runId }, 'a backup that was due has begun');
      // It is accepted: a start that fails now is made up for by the reconciler.
      await this.attempts.attempt('starting a run that is accepted', async () => runs.startRun(await catalog.getDispatchable(runId)));
    }
  }

  private async verify(): Promise<void> {
    const { catalog, runs, log, nowMs } = this.dependencies;
    const which = nowMs() - this.lookedForDueMs >= LOOK_MS ? 'any' : 'asked';
    for (let input = await catalog.startNextVerification(which); input !== null; input = await catalog.startNextVerification(which)) {
      const begun = input;
      const { verificationId, serverName, recoveryPointId } = begun;
      log.info({ verificationId, server: serverName, recoveryPointId }, 'a verification has begun');
      // It is written down: a start that fails now is made up for by the reconciler.
      await this.attempts.attempt('starting a verification', () => runs.startVerification(begun));
    }
    if (which === 'any') this.lookedForDueMs = nowMs();
  }

  /** One execution judges all for whom it is asked; while it runs, another one cannot begin. */
  private async judge(): Promise<void> {
    const { catalog, runs, judgeHourUtc, nowMs } = this.dependencies;
    if (nowMs() - this.askedForNightlyMs < LOOK_MS) return;
    if ((await catalog.askForNightly(judgeHourUtc)) > 0) await runs.startJudging();
    this.askedForNightlyMs = nowMs();
  }

  /** For the forecast of their room. One that does not answer keeps the others from nothing. */
  private async measure(): Promise<void> {
    const { catalog, imageRepository, nowMs } = this.dependencies;
    if (nowMs() - this.measuredAtMs < MEASURE_MS) return;
    for (const { name } of await catalog.listRepositories()) {
      await this.attempts.attempt(`measuring repository ${name}`, async () => {
        const late = (): ModosuError => new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${name} does not answer in time.`);
        const { freeBytes } = await withinDeadline((await imageRepository(name)).check(), MEASURE_DEADLINE_MS, late);
        await catalog.recordRepositoryRoom(name, freeBytes);
      });
    }
    this.measuredAtMs = nowMs();
  }
}

/** Passes until the signal aborts. */
export async function scheduleUntil(signal: AbortSignal, dependencies: SchedulerDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  const scheduler = new Scheduler(dependencies);
  while (!signal.aborted) {
    await scheduler.pass();
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
