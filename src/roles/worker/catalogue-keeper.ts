import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import type { CatalogCopyPlace } from '../../contracts/catalog-copy';
import { toModosuError } from '../../contracts/errors';
import type { CatalogueArchive } from '../../repositories/catalogue/catalogue-archive';
import { makeCopy, removeLeftovers, type CopyParts } from '../catalogue/copy';
import type { CataloguePlaces } from '../catalogue/places';
import { Attempts } from './attempts';

/**
 * Keeps an encrypted copy of the catalogue and of the secrets in each image repository, and beside each off-site one, that this machine reaches: what the restore
 * system itself is rebuilt from when its machine is lost.
 */
export interface CatalogueKeeperDependencies extends CopyParts {
  readonly catalog: Pick<Catalog, 'takeCatalogCopyTurn' | 'recordCatalogCopy'>;
  readonly places: CataloguePlaces;
  readonly everyMs: Readonly<Record<CatalogCopyPlace['kind'], number>>;
  readonly log: Log;
  readonly nowMs: () => number;
}

const INTERVAL_MS = 5_000;
const THIN_EVERY_MS = 24 * 3_600_000;

export class CatalogueKeeper {
  private readonly thinnedAt = new Map<string, number>();
  private readonly attempts: Attempts;

  constructor(private readonly dependencies: CatalogueKeeperDependencies) {
    this.attempts = new Attempts(dependencies.log);
  }

  /** Makes the copy that is due next. Gives false when none is. */
  async keepOne(kind: CatalogCopyPlace['kind'], signal?: AbortSignal): Promise<boolean> {
    const { catalog, places, everyMs } = this.dependencies;
    const place = await catalog.takeCatalogCopyTurn(everyMs[kind], await places.reachable(kind));
    if (place === null) return false;
    await this.copyInto(place, signal);
    return true;
  }

  private async copyInto(place: CatalogCopyPlace, signal: AbortSignal | undefined): Promise<void> {
    const { catalog, places, log } = this.dependencies;
    const where = `${place.kind === 'offsite' ? 'the off-site repository ' : ''}${place.name}`;
    let archive: CatalogueArchive | null = null;
    await this.attempts.attempt(`copying the catalogue into ${where}`, async () => {
      try {
        const opened = await places.archive(place);
        const { id, header } = await makeCopy(this.dependencies, opened, signal);
        await catalog.recordCatalogCopy(place, { auditSeq: header.audit.seq, copiedAt: new Date(header.madeAt) });
        log.debug({ place, copy: id }, 'copied the catalogue');
        archive = opened;
      } catch (thrown) {
        if (signal?.aborted === true) return;
        const { code, message } = toModosuError(thrown);
        await catalog.recordCatalogCopy(place, { problem: { code, message } });
        throw thrown;
      }
    });
    if (archive === null || signal?.aborted === true) return;
    await this.thin(where, archive, signal);
  }

  /** After the first copy of this process, too: one that is started again each day would never come to it. */
  private async thin(where: string, archive: CatalogueArchive, signal: AbortSignal | undefined): Promise<void> {
    const now = this.dependencies.nowMs();
    if (now - (this.thinnedAt.get(where) ?? Number.NEGATIVE_INFINITY) < THIN_EVERY_MS) return;
    // Storage that lets nothing be removed is not asked with every copy.
    this.thinnedAt.set(where, now);
    await this.attempts.attempt(`giving up old copies of the catalogue in ${where}`, () => archive.thin(signal));
  }
}

/** Until the signal aborts. A line far away that is slow keeps the copies on site from nothing. */
export async function keepCatalogueUntil(signal: AbortSignal, dependencies: CatalogueKeeperDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  await removeLeftovers(dependencies.scratch).catch(() => undefined);
  const follow = async (kind: CatalogCopyPlace['kind']): Promise<void> => {
    const keeper = new CatalogueKeeper(dependencies);
    const attempts = new Attempts(dependencies.log);
    while (!signal.aborted) {
      await attempts.attempt('looking whether the catalogue is to be copied', async () => {
        while (!signal.aborted && (await keeper.keepOne(kind, signal)));
      });
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  };
  await Promise.all([follow('image'), follow('offsite')]);
}
