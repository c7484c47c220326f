import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../../activities/dependencies';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import { withinDeadline } from '../../contracts/deadline';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ClockWatch } from '../../domain/clock-watch';
import { aborted } from '../shutdown';
import { unlessUsed } from './unless-used';
import { Attempts } from './attempts';

/**
 * Carries out retention: what no rule keeps expires, and some time later it is removed from where it lies. First PostgreSQL says so, then it goes: what dies in
 * between is made up for. May be done by several workers at once.
 */
export interface RetentionDependencies {
  readonly catalog: Pick<Catalog, 'retireRecoveryPoints' | 'listRemovals' | 'recordRemoved' | 'dataInUseBy' | 'forgetReadings'>;
  readonly imageRepository: ActivityDependencies['imageRepository'];
  readonly dataRepository: ActivityDependencies['dataRepository'];
  /** How long what has expired can be had back. */
  readonly keptMs: number;
  readonly log: Log;
  /** Kept from pass to pass: a clock that has jumped ahead lets nothing go. */
  readonly clock: Pick<ClockWatch, 'isSteady'>;
  /** Of a clock that only goes on. */
  readonly nowMs: () => number;
}

type Removal = Awaited<ReturnType<Catalog['listRemovals']>>[number];
type ImageRemoval = Extract<Removal, { readonly kind: 'image' }>;

const INTERVAL_MS = 60_000;

/** Files of a large image take a while to go; a mount that hangs must not keep the others waiting for ever. */
const REMOVE_DEADLINE_MS = 10 * 60_000;

/** Each attempt reads the structure of a repository: what has failed is not tried every minute. */
const DATA_AGAIN_AFTER_MS = 15 * 60_000;

/** Keeps what one pass leaves to the next. */
export class RetentionKeeper {
  private readonly attempts: Attempts;
  /** Servers whose data could not be removed, and until when they are left alone. */
  private readonly restUntilMs = new Map<string, number>();
  private isDataTold = false;
  /** Images that stay, because others in their repository build on them that the catalogue does not know. Each is told once. */
  private readonly needed = new Set<string>();

  constructor(private readonly dependencies: RetentionDependencies) {
    this.attempts = new Attempts(dependencies.log);
  }

  /** What stays, and what goes: in PostgreSQL. */
  async judge(): Promise<void> {
    await this.attempts.attempt('judging what stays', async () => {
      const { catalog, keptMs, clock, nowMs, log } = this.dependencies;
      const isTrusted = (now: Date): boolean => {
        if (clock.isSteady(now.getTime(), nowMs())) return true;
        log.warn({ now: now.toISOString() }, 'the time of day of PostgreSQL has jumped ahead: nothing expires until it is put right, or for an hour');
        return false;
      };
      const { expired, returned, deleted, failed } = await catalog.retireRecoveryPoints(keptMs, isTrusted, await this.removesData());
      if (expired + returned + deleted > 0) log.info({ expired, returned, deleted }, 'retention has judged recovery points');
      const [first] = failed;
      if (first !== undefined) throw new Error(`${failed.length} server(s) could not be judged, the first is ${first.serverId}`, { cause: first.error });
    });
  }

  /** Removes what was read of servers and their peers for plans and runs that nobody asks for any more: every copy of the catalogue would have it. */
  async forget(): Promise<void> {
    await this.attempts.attempt('removing readings that nobody asks for', async () => {
      const sides = await this.dependencies.catalog.forgetReadings();
      if (sides > 0) this.dependencies.log.info({ sides }, 'removed what was read for plans and runs that are over');
    });
  }

  /**
   * Removes files of what is deleted, until nothing is left: what others build on is given only after they are gone. A repository that is away, or hangs, keeps
   * the others from nothing; the rest of it comes in the next pass.
   */
  async remove(signal: AbortSignal): Promise<void> {
    const { catalog } = this.dependencies;
    const away = new Set<string>();
    const tried = new Set<string>();
    await this.attempts.attempt('looking for what is deleted', async () => {
      const next = async (): Promise<readonly ImageRemoval[]> =>
        (await catalog.listRemovals())
          .filter((removal) => removal.kind === 'image')
          .filter(({ recoveryPointId, repository }) => !tried.has(recoveryPointId) && !away.has(repository));
      for (let removals = await next(); removals.length > 0; removals = await next()) {
        for (const removal of removals) {
          if (signal.aborted) return;
          if (away.has(removal.repository)) continue;
          tried.add(removal.recoveryPointId);
          if (!(await this.removeOne(removal, signal))) away.add(removal.repository);
        }
      }
    });
  }

  private removeOne({ recoveryPointId, serverId, repository }: ImageRemoval, signal: AbortSignal): Promise<boolean> {
    const { catalog, imageRepository, log } = this.dependencies;
    return this.attempts.attempt(`removing from repository ${repository}`, async () => {
      const removing = (await imageRepository(repository)).remove(serverId, recoveryPointId);
      const late = (): ModosuError => new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${repository} does not answer in time.`);
      const removed = withinDeadline(removing, REMOVE_DEADLINE_MS, late).then(() => true, this.unlessNeeded(recoveryPointId));
      if ((await Promise.race([removed, aborted(signal)])) === false) return;
      // It goes on by itself, or is done again by the next worker.
      if (signal.aborted) return;
      await catalog.recordRemoved(recoveryPointId);
      log.info({ recoveryPointId, serverId, repository }, 'removed an image that no rule keeps');
    });
  }

  /** It keeps the others of its repository from nothing. False: it stays. */
  private unlessNeeded(recoveryPointId: string): (error: unknown) => boolean {
    return (error) => {
      if (!isModosuError(error) || error.code !== 'RECOVERY_POINT_NEEDED') throw error;
      if (!this.needed.has(recoveryPointId)) {
        this.dependencies.log.warn({ recoveryPointId, error }, 'an image stays in its repository: another one builds on it');
      }
      this.needed.add(recoveryPointId);
      return false;
    };
  }

  /**
   * Removes data of what is deleted: all of one server in one go, one server after the other, because each makes room in a repository in which nobody can work
   * meanwhile. Whoever wants to work there comes first: it is left alone while somebody does, and given up when somebody begins. A server that fails keeps
   * the others from nothing.
   */
  async removeData(signal: AbortSignal): Promise<void> {
    const { catalog, nowMs } = this.dependencies;
    await this.attempts.attempt('looking for data that is deleted', async () => {
      const ids = new Map<string, string[]>();
      for (const { kind, serverId, recoveryPointId } of await catalog.listRemovals()) {
        if (kind === 'data') ids.set(serverId, [...(ids.get(serverId) ?? []), recoveryPointId]);
      }
      if (ids.size === 0 || !(await this.removesData())) return;
      for (const [serverId, recoveryPointIds] of ids) {
        if (signal.aborted) return;
        if ((this.restUntilMs.get(serverId) ?? -Infinity) > nowMs()) continue;
        if (await this.attempts.attempt(`removing data of server ${serverId}`, () => this.removeDataOf(serverId, recoveryPointIds, signal))) {
          this.restUntilMs.delete(serverId);
        } else {
          this.restUntilMs.set(serverId, nowMs() + DATA_AGAIN_AFTER_MS);
        }
      }
    });
  }

  private async removeDataOf(serverId: string, recoveryPointIds: readonly string[], signal: AbortSignal): Promise<void> {
    const { catalog, dataRepository, log } = this.dependencies;
    const repository = await dataRepository();
    const use = await unlessUsed({ inUseBy: () => catalog.dataInUseBy(serverId), signal }, (unused) =>
      repository.forget(serverId, recoveryPointIds, { signal: unused }),
    ).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return 'the worker stops';
    });
    if (use !== null) {
      log.info({ serverId, use }, 'data that no rule keeps is removed later');
      return;
    }
    for (const id of recoveryPointIds) await catalog.recordRemoved(id);
    log.info({ serverId, recoveryPointIds }, 'removed data that no rule keeps');
  }

  /** No while nobody can say: then what has expired stays for now. */
  private async removesData(): Promise<boolean> {
    const { dataRepository, log } = this.dependencies;
    const repository = await dataRepository().catch(() => null);
    if (repository === null) return false;
    const removes = repository.canForget();
    if (!removes && !this.isDataTold) {
      log.info({}, 'data that no rule keeps expires and stays where it is: its server lets nothing be removed, and MODOSU_DATA_MAINTENANCE_URL is not set');
      this.isDataTold = true;
    }
    return removes;
  }
}

/** Until the signal aborts. None waits for another. */
export async function retainUntil(signal: AbortSignal, dependencies: RetentionDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  const keeper = new RetentionKeeper(dependencies);
  const again = async (work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      await work();
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  await Promise.all([again(() => keeper.judge()), again(() => keeper.forget()), again(() => keeper.remove(signal)), again(() => keeper.removeData(signal))]);
}
