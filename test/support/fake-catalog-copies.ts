import type { AuditEntryView } from '../../src/contracts/run';
import { COPY_AT_LEAST_EVERY_MS } from '../../src/catalog/catalog-copy-store';
import type { Catalog } from '../../src/catalog/catalog';
import type { CatalogCopyRow } from '../../src/catalog/entities';
import type { RepositoryDeclaration } from '../../src/contracts/api/estate';

interface Surroundings {
  now(): Date;
  repositories(): readonly RepositoryDeclaration[];
  entries(): readonly AuditEntryView[];
}

/** How far the copies of the catalogue in memory are. */
export class FakeCatalogCopies {
  private readonly rows = new Map<string, CatalogCopyRow>();

  constructor(private readonly around: Surroundings) {}

  takeTurn: Catalog['takeCatalogCopyTurn'] = async (everyMs, reachable) => {
    const at = this.around.now();
    const head = this.around.entries().at(-1)?.seq ?? 0;
    const due = this.around.repositories().find(({ name }) => {
      if (!reachable.includes(name)) return false;
      const row = this.rows.get(name);
      if (row === undefined) return true;
      if (Math.abs(at.getTime() - row.triedAt.getTime()) < everyMs) return false;
      if (row.copiedAt === null || row.problem !== null || (row.auditSeq ?? 0) < head) return true;
      return Math.abs(at.getTime() - row.copiedAt.getTime()) >= COPY_AT_LEAST_EVERY_MS;
    });
    if (due === undefined) return null;
    const before = this.rows.get(due.name) ?? { copiedAt: null, auditSeq: null, problem: null };
    this.rows.set(due.name, { ...before, repository: due.name, triedAt: at });
    return due;
  };

  record: Catalog['recordCatalogCopy'] = async (repository, outcome) => {
    const row = this.rows.get(repository);
    if (row !== undefined) this.rows.set(repository, { ...row, problem: null, ...outcome });
  };

  list: Catalog['catalogCopies'] = async () =>
    this.around.repositories().map(({ name }) => {
      const row = this.rows.get(name);
      const behind = this.around.entries().find(({ seq }) => seq > (row?.auditSeq ?? 0));
      return {
        repository: name,
        copiedAt: row?.copiedAt?.toISOString() ?? null,
        auditSeq: row?.auditSeq ?? null,
        behindSince: behind?.at ?? null,
        problem: row === undefined || row.problem === null ? null : { ...row.problem, at: row.triedAt.toISOString() },
      };
    });
}
