import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../../activities/dependencies';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import { withinDeadline } from '../../contracts/deadline';
import { isModosuError, ModosuError, toModosuError } from '../../contracts/errors';
import type { OffsiteRepository } from '../../repositories/offsite/offsite-repository';
import type { RunDispatcher } from '../../temporal/run-starter';
import { Attempts } from './attempts';

/**
 * Copies elsewhere that nobody has to ask for. Looks whether off-site repositories are there (and makes those that never were), begins what is to be copied to
 * them, fetched, checked or removed, and lets copies go that no rule keeps. May be done by several workers at once.
 */
export interface OffsiteDependencies {
  readonly catalog: Pick<Catalog, 'listOffsite' | 'offsiteRepositories' | 'recordOffsiteLook' | 'startNextTransfer' | 'retireCopies'>;
  readonly runs: Pick<RunDispatcher, 'startTransfer'>;
  readonly offsiteRepository: ActivityDependencies['offsiteRepository'];
  readonly log: Log;
  /** Of a clock that only goes on. */
  readonly nowMs: () => number;
}

const INTERVAL_MS = 2_000;
/** What policies ask for; as soon as something was found, and has ended, it is asked again at once. */
const ASK_MS = 30_000;
/** A medium that is brought is to be seen soon; one that is there is looked at less often. */
const LOOK_FOR_MS = 15_000;
const LOOK_AT_MS = 10 * 60_000;
const RETIRE_MS = 10 * 60_000;
/** Storage that hangs must not keep the others from being looked at. */
const LOOK_DEADLINE_MS = 60_000;

/** Keeps what one pass leaves to the next. */
export class OffsiteKeeper {
  private readonly looks = new Map<string, { readonly dueMs: number; readonly declared: string }>();
  private readonly looking = new Set<string>();
  private readAtMs = Number.NEGATIVE_INFINITY;
  private askedAtMs = Number.NEGATIVE_INFINITY;
  private retiredAtMs = Number.NEGATIVE_INFINITY;
  private readonly attempts: Attempts;

  constructor(private readonly dependencies: OffsiteDependencies) {
    this.attempts = new Attempts(dependencies.log);
  }

  /** One pass. A part that fails keeps none of the others from being done; what failed is tried again, and told once. */
  async pass(): Promise<void> {
    await this.attempts.attempt('looking for off-site repositories', () => this.look());
    await this.attempts.attempt('beginning transfers', () => this.begin());
    await this.attempts.attempt('letting copies go', () => this.retire());
  }

  /** Until those that are looked at now have answered; for tests, and at the end. */
  async settled(): Promise<void> {
    while (this.looking.size > 0) await delay(20);
  }

  private async look(): Promise<void> {
    const { catalog, nowMs } = this.dependencies;
    const away = await this.foundAway();
    for (const declaration of await catalog.listOffsite()) {
      const { name } = declaration;
      const known = this.looks.get(name);
      const declared = JSON.stringify(declaration);
      if (this.looking.has(name) || (known?.declared === declared && nowMs() < known.dueMs && !away.has(name))) continue;
      this.looking.add(name);
      // Beside each other: one that hangs keeps none of the others waiting, and no transfer.
      void this.lookAt(name)
        .then((isHere) => this.looks.set(name, { declared, dueMs: nowMs() + (isHere ? LOOK_AT_MS : LOOK_FOR_MS) }))
        .finally(() => this.looking.delete(name));
    }
  }

  /** Those that a transfer has found away since the last look: from then on they are looked for, not only looked at. */
  private async foundAway(): Promise<ReadonlySet<string>> {
    const { catalog, nowMs } = this.dependencies;
    if (nowMs() - this.readAtMs < LOOK_FOR_MS) return new Set();
    this.readAtMs = nowMs();
    const known = await catalog.offsiteRepositories();
    return new Set(known.filter(({ state }) => state === 'offline' || state === 'unreachable').map(({ name }) => name));
  }

  private async lookAt(name: string): Promise<boolean> {
    let isHere = false;
    await this.attempts.attempt(`off-site repository ${name}`, async () => {
      const { catalog, offsiteRepository, log } = this.dependencies;
      const late = (): ModosuError => new ModosuError('OFFSITE_UNREACHABLE', `The off-site repository ${name} does not answer in time.`);
      try {
        const copies = await withinDeadline(present(await offsiteRepository(name)), LOOK_DEADLINE_MS, late);
        isHere = true;
        await catalog.recordOffsiteLook(name, null);
        log.debug({ offsite: name, copies }, 'an off-site repository is there');
      } catch (thrown) {
        const error = toModosuError(thrown);
        if (error.code === 'CATALOG_UNAVAILABLE') throw thrown;
        isHere = false;
        await catalog.recordOffsiteLook(name, error.summary());
        // That a medium was taken away is no trouble.
        if (error.code !== 'OFFSITE_OFFLINE') throw thrown;
      }
    });
    return isHere;
  }

  private async begin(): Promise<void> {
    const { catalog, runs, log, nowMs } = this.dependencies;
    const which = nowMs() - this.askedAtMs >= ASK_MS ? 'any' : 'asked';
    if (which === 'any') this.askedAtMs = nowMs();
    for (let input = await catalog.startNextTransfer(which); input !== null; input = await catalog.startNextTransfer(which)) {
      const begun = input;
      const { transferId, kind, offsite, points } = begun;
      log.info({ transferId, kind, offsite, recoveryPoints: points.length }, 'a transfer has begun');
      // When it has ended there may be more.
      if (which === 'any') this.askedAtMs = Number.NEGATIVE_INFINITY;
      // It is written down: a start that fails now is made up for by the reconciler.
      await this.attempts.attempt('starting a transfer', () => runs.startTransfer(begun));
    }
  }

  private async retire(): Promise<void> {
    const { catalog, log, nowMs } = this.dependencies;
    if (nowMs() - this.retiredAtMs < RETIRE_MS) return;
    const { expired, returned } = await catalog.retireCopies();
    this.retiredAtMs = nowMs();
    if (expired + returned > 0) log.info({ expired, returned }, 'no off-site rule keeps some copies any more, or one does again');
  }
}

/** Whole copies in it. One that was never made is made: what was there once and is gone is not (`OffsiteRepository.ensure`). */
async function present(repository: OffsiteRepository): Promise<number> {
  try {
    return (await repository.probe()).copies;
  } catch (thrown) {
    if (!isModosuError(thrown) || thrown.code !== 'OFFSITE_MISSING') throw thrown;
    await repository.ensure();
    return (await repository.probe()).copies;
  }
}

/** Passes until the signal aborts. */
export async function offsiteUntil(signal: AbortSignal, dependencies: OffsiteDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  const keeper = new OffsiteKeeper(dependencies);
  while (!signal.aborted) {
    await keeper.pass();
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
