import type { AuditEntryView } from '../../src/contracts/run';
import { isCopyDue } from '../../src/catalog/catalog-copy-store';
import type { Catalog } from '../../src/catalog/catalog';
import type { CatalogCopyRow } from '../../src/catalog/entities';
import type { CatalogCopyPlace } from '../../src/contracts/catalog-copy';

interface Surroundings {
  now(): Date;
  /** Image repositories, then off-site ones, by name. */
  places(): readonly CatalogCopyPlace[];
  entries(): readonly AuditEntryView[];
}

const keyOf = ({ kind, name }: CatalogCopyPlace): string => `${kind} ${name}`;

/** How far the copies of the catalogue in memory are. */
export class FakeCatalogCopies {
  private readonly rows = new Map<string, CatalogCopyRow>();

  constructor(private readonly around: Surroundings) {}

  takeTurn: Catalog['takeCatalogCopyTurn'] = async (everyMs, reachable) => {
    const at = this.around.now();
    const seq = this.around.entries().at(-1)?.seq ?? 0;
    const due = this.around
      .places()
      .find((place) => reachable.some((one) => keyOf(one) === keyOf(place)) && isCopyDue(this.rows.get(keyOf(place)), { at, everyMs, seq }));
    if (due === undefined) return null;
    const before = this.rows.get(keyOf(due)) ?? { copiedAt: null, auditSeq: null, problem: null };
    this.rows.set(keyOf(due), { ...before, kind: due.kind, repository: due.name, triedAt: at });
    return due;
  };

  record: Catalog['recordCatalogCopy'] = async (place, outcome) => {
    const row = this.rows.get(keyOf(place));
    if (row !== undefined) this.rows.set(keyOf(place), { ...row, problem: null, ...outcome });
  };

  list: Catalog['catalogCopies'] = async () =>
    this.around.places().map((place) => {
      const row = this.rows.get(keyOf(place));
      const behind = this.around.entries().find(({ seq }) => seq > (row?.auditSeq ?? 0));
      return {
        ...place,
        copiedAt: row?.copiedAt?.toISOString() ?? null,
        auditSeq: row?.auditSeq ?? null,
        behindSince: behind?.at ?? null,
        problem: row === undefined || row.problem === null ? null : { ...row.problem, at: row.triedAt.toISOString() },
      };
    });
}
