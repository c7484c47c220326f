import { setTimeout as delay } from 'node:timers/promises';
import type { Catalog } from '../../catalog/catalog';
import type { Log } from '../../config/log';
import type { RepositoryDeclaration } from '../../contracts/api/estate';
import { toModosuError } from '../../contracts/errors';
import type { CatalogueArchive } from '../../repositories/catalogue/catalogue-archive';
import { makeCopy, removeLeftovers, type CopyParts } from '../catalogue/copy';
import { Attempts } from './attempts';

/**
 * Keeps an encrypted copy of the catalogue and of the secrets in each image repository that this machine reaches: what the restore system itself is rebuilt
 * from when its machine is lost.
 */
export interface CatalogueKeeperDependencies extends CopyParts {
  readonly catalog: Pick<Catalog, 'listRepositories' | 'takeCatalogCopyTurn' | 'recordCatalogCopy'>;
  readonly isReachable: (repository: RepositoryDeclaration) => Promise<boolean>;
  readonly archive: (repository: RepositoryDeclaration) => Promise<CatalogueArchive>;
  readonly everyMs: number;
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
  async keepOne(signal?: AbortSignal): Promise<boolean> {
    const { catalog, isReachable, everyMs } = this.dependencies;
    const reachable: string[] = [];
    for (const repository of await catalog.listRepositories()) if (await isReachable(repository)) reachable.push(repository.name);
    const repository = await catalog.takeCatalogCopyTurn(everyMs, reachable);
    if (repository === null) return false;
    await this.copyInto(repository, signal);
    return true;
  }

  private async copyInto(repository: RepositoryDeclaration, signal: AbortSignal | undefined): Promise<void> {
    const { catalog, archive: archiveOf, log } = this.dependencies;
    const { name } = repository;
    const archive = await archiveOf(repository);
    const isCopied = await this.attempts.attempt(`copying the catalogue into ${name}`, async () => {
      try {
        const { id, header } = await makeCopy(this.dependencies, archive, signal);
        await catalog.recordCatalogCopy(name, { auditSeq: header.audit.seq, copiedAt: new Date(header.madeAt) });
        log.debug({ repository: name, copy: id }, 'copied the catalogue');
      } catch (thrown) {
        if (signal?.aborted === true) return;
        const { code, message } = toModosuError(thrown);
        await catalog.recordCatalogCopy(name, { problem: { code, message } });
        throw thrown;
      }
    });
    if (isCopied && signal?.aborted !== true) {
      await this.attempts.attempt(`giving up old copies of the catalogue in ${name}`, () => this.thin(name, archive, signal));
    }
  }

  /** After the first copy of this process, too: one that is started again each day would never come to it. */
  private async thin(name: string, archive: CatalogueArchive, signal: AbortSignal | undefined): Promise<void> {
    const now = this.dependencies.nowMs();
    if (now - (this.thinnedAt.get(name) ?? Number.NEGATIVE_INFINITY) < THIN_EVERY_MS) return;
    await archive.thin(signal);
    this.thinnedAt.set(name, now);
  }
}

/** Until the signal aborts. */
export async function keepCatalogueUntil(signal: AbortSignal, dependencies: CatalogueKeeperDependencies, intervalMs = INTERVAL_MS): Promise<void> {
  const keeper = new CatalogueKeeper(dependencies);
  await removeLeftovers(dependencies.scratch).catch(() => undefined);
  const attempts = new Attempts(dependencies.log);
  while (!signal.aborted) {
    await attempts.attempt('looking whether the catalogue is to be copied', async () => {
      while (!signal.aborted && (await keeper.keepOne(signal)));
    });
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
