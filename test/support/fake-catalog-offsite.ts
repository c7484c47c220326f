import type { AuditEvent } from '../../src/audit/append-audit';
import type { Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import type { OffsiteCopyRow, OffsiteRepositoryRow, OffsiteTransferRow, PolicyRow, RecoveryPointRow } from '../../src/catalog/entities';
import { offsiteView, transferView } from '../../src/catalog/offsite-row';
import { fetchedColumns } from '../../src/catalog/offsite-store';
import {
  adoptCopy,
  cancelTransfer,
  finishTransfer,
  inputOf,
  newestCopied,
  recordCopied,
  recordCopyDamaged,
  recordFetched,
  recordLook,
  requestTransfer,
  requireTransfer,
  retireCopies,
  startNextTransfer,
  viewOf,
  wasCarriedOut,
  type OffsiteTables,
} from '../../src/catalog/offsite-transfers';
import { offsitePlace } from '../../src/catalog/protection-store';
import { policyRecord } from '../../src/catalog/policy-row';
import type { OffsiteDeclaration } from '../../src/contracts/estate';
import type { FakeChains } from './fake-catalog-chains';

/** What the rest of the catalogue in memory offers. */
export interface OffsiteSurroundings {
  readonly chains: FakeChains;
  now(): Date;
  declared(): readonly OffsiteDeclaration[];
  server(serverId: string): ServerRecord;
  servers(): readonly ServerRecord[];
  policies(): ReadonlyMap<string, PolicyRow>;
  find(id: string): RecoveryPointRow | undefined;
  points(): readonly RecoveryPointRow[];
  setPoint(row: RecoveryPointRow): void;
  page<Item>(rows: readonly OffsiteTransferRow[], page: PageRequest, view: (row: OffsiteTransferRow) => Item): Page<Item>;
  append(event: AuditEvent): void;
}

/** Off-site repositories, copies and transfers, in memory. The same rules work on it as on the tables. */
export class FakeOffsite {
  private readonly seen = new Map<string, OffsiteRepositoryRow>();
  private readonly copies = new Map<string, OffsiteCopyRow>();
  private readonly transfers = new Map<string, OffsiteTransferRow>();
  private readonly tables: OffsiteTables;

  constructor(private readonly around: OffsiteSurroundings) {
    this.tables = this.tablesOf();
  }

  allTransfers(): readonly OffsiteTransferRow[] {
    return [...this.transfers.values()];
  }

  allCopies(): readonly OffsiteCopyRow[] {
    return [...this.copies.values()];
  }

  places(): ReturnType<typeof offsitePlace>[] {
    return this.rows().map((row) => offsitePlace(offsiteView(row, [])));
  }

  repositories: Catalog['offsiteRepositories'] = async () => this.rows().map((row) => offsiteView(row, this.allCopies()));
  look: Catalog['recordOffsiteLook'] = (name, problem) => recordLook(this.tables, name, problem, this.around.now());
  request: Catalog['requestTransfer'] = (request) => requestTransfer(this.tables, request);
  cancel: Catalog['cancelTransfer'] = (request) => cancelTransfer(this.tables, request);
  startNext: Catalog['startNextTransfer'] = (which) => startNextTransfer(this.tables, which);
  adopt: Catalog['adoptOffsiteCopy'] = (...given) => adoptCopy(this.tables, ...given);
  copied: Catalog['recordCopied'] = (...given) => recordCopied(this.tables, ...given);
  fetched: Catalog['recordFetched'] = (...given) => recordFetched(this.tables, ...given);
  damaged: Catalog['recordCopyDamaged'] = (...given) => recordCopyDamaged(this.tables, ...given);
  finish: Catalog['finishTransfer'] = (...given) => finishTransfer(this.tables, ...given);
  retire: Catalog['retireCopies'] = () => retireCopies(this.tables);
  newestCopied: Catalog['newestCopied'] = (...given) => newestCopied(this.tables, ...given);
  get: Catalog['getTransfer'] = async (id) => viewOf(this.tables, await requireTransfer(this.tables, id));

  copiesIn: Catalog['copiesIn'] = async (offsite) =>
    this.allCopies()
      .filter((copy) => copy.offsite === offsite && copy.state === 'copied')
      .map(({ recoveryPointId }) => recoveryPointId)
      .sort();

  listRunning: Catalog['listRunningTransfers'] = async (olderThan) =>
    Promise.all(
      this.allTransfers()
        .filter(({ state, startedAt }) => state === 'running' && startedAt !== null && startedAt < olderThan)
        .map(async (row) => ({ input: await inputOf(this.tables, row), cancelRequested: row.cancelRequested })),
    );

  recordProgress: Catalog['recordTransferProgress'] = async (id, doneBytes, totalBytes) => {
    const row = this.transfers.get(id);
    if (row?.state === 'running') this.transfers.set(id, { ...row, doneBytes, totalBytes });
  };

  list: Catalog['listTransfers'] = async ({ serverId, state, offsite }, page) =>
    this.around.page(
      this.allTransfers().filter(
        (row) =>
          (serverId === undefined || row.serverId === serverId) &&
          (state === undefined || row.state === state) &&
          (offsite === undefined || row.offsite === offsite),
      ),
      page,
      (row) => transferView(row, row.serverId === null ? null : this.around.server(row.serverId).name),
    );

  private rows(): readonly OffsiteRepositoryRow[] {
    return this.around.declared().map((declared) => ({
      state: 'unknown' as const,
      seenAt: null,
      lookedAt: null,
      askedSince: null,
      problem: null,
      ...this.seen.get(declared.name),
      ...declared,
    }));
  }

  private tablesOf(): OffsiteTables {
    const { around, copies, transfers } = this;
    const byTime = (a: OffsiteTransferRow, b: OffsiteTransferRow): number => a.requestedAt.getTime() - b.requestedAt.getTime() || (a.id < b.id ? -1 : 1);
    return {
      now: async () => around.now(),
      repositories: async () => this.rows(),
      saveRepository: async (row) => void this.seen.set(row.name, row),
      copies: async ({ offsite, recoveryPointIds }) =>
        [...copies.values()]
          .filter(
            (copy) =>
              (offsite === undefined || copy.offsite === offsite) && (recoveryPointIds === undefined || recoveryPointIds.includes(copy.recoveryPointId)),
          )
          .toSorted((a, b) => (a.recoveryPointId < b.recoveryPointId ? -1 : 1)),
      saveCopy: async (row) => void copies.set(`${row.offsite} ${row.recoveryPointId}`, row),
      openTransfers: async () => [...transfers.values()].filter(({ finishedAt }) => finishedAt === null).toSorted(byTime),
      checks: async (offsite) => {
        const ended = [...transfers.values()].filter((row) => row.offsite === offsite && row.kind === 'check' && row.finishedAt !== null);
        const [last] = ended.toSorted((a, b) => (b.finishedAt?.getTime() ?? 0) - (a.finishedAt?.getTime() ?? 0));
        return { last: last ?? null, carriedOut: ended.filter(wasCarriedOut).length };
      },
      transfer: async (id) => transfers.get(id) ?? null,
      addTransfer: async (row) => void transfers.set(row.id, row),
      saveTransfer: async (row) => void transfers.set(row.id, row),
      points: async (ids) => ids.flatMap((id) => around.find(id) ?? []),
      pointsOf: async (serverId) => around.points().filter((point) => point.serverId === serverId),
      chainOf: async (id) => around.chains.of([id]),
      server: async (id) => around.server(id),
      policyOf: async ({ policy }) => {
        const row = around.policies().get(policy ?? '');
        return row === undefined ? null : policyRecord(row);
      },
      protectedServers: async () =>
        around.servers().flatMap((server) => {
          const row = around.policies().get(server.policy ?? '');
          return row === undefined || row.offsite === null || server.decommissioned !== null ? [] : [{ server, policy: policyRecord(row) }];
        }),
      setFetched: async (row, fetched, hold, at) => {
        const back = { ...row, ...fetchedColumns(row, fetched, hold, at) };
        around.setPoint(back);
        around.chains.setFetched(back, at);
      },
      audit: (event) => around.append(event),
    };
  }
}
