import type { Catalog, Page, ServerRecord } from '../../catalog/catalog';
import type { RebuildReport, FoundProblem } from '../../contracts/catalog-copy';
import { toModosuError } from '../../contracts/errors';
import type { RecoveryPointView } from '../../contracts/recovery-point';

export type Found = Pick<RebuildReport, 'servers' | 'recoveryPoints' | 'copiesAdded' | 'offsiteOnly' | 'missing' | 'orphans' | 'notLooked' | 'away'>;

/** What a comparison of repositories with the catalogue has found so far. */
export class Findings {
  readonly missing: FoundProblem[] = [];
  readonly orphans: FoundProblem[] = [];
  readonly notLooked: FoundProblem[] = [];
  readonly offsiteOnly: FoundProblem[] = [];
  readonly away: FoundProblem[] = [];
  readonly serversAdded = new Map<string, Pick<ServerRecord, 'id' | 'name' | 'repository'>>();
  readonly serversFound = new Set<string>();
  known = 0;
  copiesAdded = 0;
  /** Also those that would be, if it were not only looked. */
  readonly added = new Set<string>();
  /** What lies in its repository, in whatever state. */
  readonly here = new Set<string>();
  /** Servers whose data was looked for: what was not found is not there. */
  readonly dataLooked = new Set<string>();
  allImagesLooked = true;

  constructor(private readonly catalog: Pick<Catalog, 'listServers'>) {}

  found = (): Found => ({
    servers: { found: this.serversFound.size, added: [...this.serversAdded.values()].map(({ name }) => name) },
    recoveryPoints: { known: this.known, added: this.added.size },
    copiesAdded: this.copiesAdded,
    offsiteOnly: this.offsiteOnly,
    missing: this.missing,
    orphans: this.orphans,
    notLooked: this.notLooked,
    away: this.away,
  });

  /** With those that would be added. */
  servers = async (): Promise<readonly Pick<ServerRecord, 'id' | 'name' | 'repository'>[]> => {
    const known = await this.catalog.listServers();
    return [...known, ...[...this.serversAdded.values()].filter(({ id }) => !known.some((server) => server.id === id))];
  };

  /** What goes wrong with one thing is said in the report, and keeps nothing from the others. False: it went wrong. */
  async attempt(to: FoundProblem[], where: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      const { code, message, retry } = toModosuError(thrown);
      // A catalogue that is away is no matter of what was found.
      if (code === 'CATALOG_UNAVAILABLE') throw thrown;
      // A medium that is away by design, be it since a moment: nobody can say what lies there.
      if (code === 'OFFSITE_OFFLINE') {
        this.away.push({ where, what: message });
        return false;
      }
      // What is not declared, or cannot be read now, says nothing about what lies there.
      const of = code === 'HYPERVISOR_NOT_CONFIGURED' || code === 'REPOSITORY_NOT_CONFIGURED' || retry === 'later' ? this.notLooked : to;
      of.push({ where, what: `${code}: ${message}` });
      return false;
    }
  }
}

/** Those that are given up, too: what is still there of them nobody has lost. */
export async function allRecoveryPoints(catalog: Pick<Catalog, 'listRecoveryPoints'>): Promise<readonly RecoveryPointView[]> {
  const points: RecoveryPointView[] = [];
  for (const filter of [{}, { state: 'deleted' }] as const) {
    let cursor: string | null = null;
    do {
      const page: Page<RecoveryPointView> = await catalog.listRecoveryPoints(filter, { limit: 500, cursor });
      points.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
  return points;
}
