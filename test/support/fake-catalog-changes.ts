import type { AuditEvent } from '../../src/audit/append-audit';
import { storableText } from '../../src/audit/storable';
import type { Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import {
  appliedRow,
  changeDetails,
  changeNotFound,
  changeView,
  completedDetails,
  newChange,
  registeredChange,
  requireCancellable,
  requireCompletable,
  requireNoJourney,
  requireSameChange,
  requireUninterrupted,
  toImage,
} from '../../src/catalog/change-rows';
import { requireInService } from '../../src/domain/retention/decommissioning';
import type { ChangesToImage } from '../../src/catalog/due-backup-row';
import type { AppliedChangeRow, ConfigurationChangeRow, RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import type { ChangeView, GenerationChanges } from '../../src/contracts/change';
import { isModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { Policy } from '../../src/contracts/policy';
import { changesAt, NO_CHANGES } from '../../src/domain/changes/contained';

/** The rest of the catalogue in memory. */
export interface ChangeSurroundings {
  now(): Date;
  server(serverId: string): ServerRecord;
  policies(): readonly Policy[];
  /** Whether its changes asked for an image that was not taken. */
  isImageSpent(server: ServerRecord): boolean;
  points(serverId: string): readonly RecoveryPointRow[];
  /** The recovery point that a restore has begun this line with; null: nothing has. */
  beginningOf(lineageId: string): string | null;
  /** Whether a restore or an undo has left this line, or come to it. */
  isKnownLine(lineageId: string): boolean;
  /** The run that holds the server. */
  holder(serverId: string): RunRow | null;
  /** Throws where the run does not hold its server; gives the server. */
  requireHold(runId: string): string;
  earlier(request: Parameters<Catalog['openChange']>[0]): string | null;
  claim(request: Parameters<Catalog['openChange']>[0], id: string): void;
  page(
    rows: readonly (ConfigurationChangeRow & { readonly id: string })[],
    page: PageRequest,
    view: (row: ConfigurationChangeRow) => ChangeView,
  ): Page<ChangeView>;
  append(event: AuditEvent): void;
}

/** Configuration changes, in memory. */
export class FakeChanges {
  private readonly rows = new Map<string, ConfigurationChangeRow>();
  private readonly applied: AppliedChangeRow[] = [];

  constructor(private readonly around: ChangeSurroundings) {}

  open: Catalog['openChange'] = async (request) => {
    const { around } = this;
    const earlier = around.earlier(request);
    if (earlier !== null) return { change: this.view(this.row(earlier)), replayed: true };
    const server = around.server(request.serverId);
    requireInService(server);
    const row = newChange(newId('chg', around.now().getTime()), request, server, around.now());
    const known = this.of(server.id).find(({ externalId }) => externalId !== null && externalId === row.externalId);
    if (known !== undefined) {
      requireSameChange(known, row);
      around.claim(request, known.id);
      return { change: this.view(known), replayed: true };
    }
    around.claim(request, row.id);
    this.rows.set(row.id, row);
    around.append({ actor: request.actor, action: 'change.opened', serverId: server.id, details: changeDetails(row) });
    return { change: this.view(row), replayed: false };
  };

  complete: Catalog['completeChange'] = async ({ actor, id, madeAgain = false }) => {
    const { around } = this;
    try {
      const row = this.row(id);
      const server = around.server(row.serverId);
      requireInService(server);
      if (requireCompletable(row) === 'already') return this.view(row);
      const holder = around.holder(server.id);
      requireNoJourney(server, holder === null ? null : { runId: holder.id, kind: holder.kind });
      requireUninterrupted(row, server, around.isKnownLine(server.lineageId), madeAgain);
      const at = around.now();
      const done = { ...row, state: 'completed', completedAt: at, completedBy: storableText(actor, 256) } as const;
      this.rows.set(id, done);
      this.applied.push(appliedRow(id, server, around.policies(), { by: actor, runId: null, at }));
      around.append({ actor, action: 'change.completed', serverId: server.id, details: completedDetails(row, server, madeAgain) });
      return this.view(done);
    } catch (error) {
      if (isModosuError(error) && error.code !== 'CHANGE_NOT_FOUND') {
        const { code, message } = error;
        around.append({ actor, action: 'change.refused', serverId: null, details: { changeId: id, code, message } });
      }
      throw error;
    }
  };

  cancel: Catalog['cancelChange'] = async ({ actor, id, reason }) => {
    const row = this.row(id);
    if (requireCancellable(row) === 'already') return this.view(row);
    const at = this.around.now();
    const done = { ...row, state: 'cancelled', cancelledAt: at, cancelledBy: storableText(actor, 256), cancelReason: storableText(reason) } as const;
    this.rows.set(id, done);
    this.around.append({ actor, action: 'change.cancelled', serverId: row.serverId, details: { ...changeDetails(row), reason } });
    return this.view(done);
  };

  recordApplied: Catalog['recordApplied'] = async (runId, changeIds, by) => {
    const server = this.around.server(this.around.requireHold(runId));
    for (const row of this.of(server.id).filter(({ id }) => changeIds.includes(id))) {
      if (this.applied.some((one) => one.changeId === row.id && one.lineageId === server.lineageId)) continue;
      this.applied.push(appliedRow(row.id, server, this.around.policies(), { by, runId, at: this.around.now() }));
      this.around.append({ actor: by, action: 'change.applied', runId, serverId: server.id, details: { ...changeDetails(row), lineageId: server.lineageId } });
    }
  };

  appliedIn(runId: string): readonly string[] {
    return this.applied.filter((row) => row.runId === runId).map(({ changeId }) => changeId);
  }

  find: Catalog['findChange'] = async (serverId, externalId) => {
    const row = this.of(serverId).find((one) => one.externalId === externalId);
    return row === undefined ? null : this.view(row);
  };

  get: Catalog['getChange'] = async (id) => this.view(this.row(id));

  list: Catalog['listChanges'] = async ({ serverId, state }, page) => {
    const rows = [...this.rows.values()].filter((row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || row.state === state));
    return this.around.page(rows, page, (row) => this.view(row));
  };

  at: Catalog['changesAt'] = async (serverId, at, lineageId) => {
    const server = this.around.server(serverId);
    return this.held({ ...server, lineageId: lineageId ?? server.lineageId }, at === null ? this.around.now() : new Date(at));
  };

  /** What an image of this server is due for. */
  toImage({ id, lineageId }: ServerRecord): ChangesToImage | null {
    const own = new Map(this.of(id).map((row) => [row.id, row]));
    return toImage(
      this.applied
        .filter((row) => row.lineageId === lineageId && row.recoveryPointId === null && own.has(row.changeId))
        .map((row) => ({ ...row, title: own.get(row.changeId)?.title ?? '' })),
    );
  }

  /** A recovery point was recorded. */
  noteContained({ id, generation, lineageId, changes }: RecoveryPointRow): void {
    const contained = changes?.contained.map((change) => change.id) ?? [];
    this.applied.forEach((row, index) => {
      if (row.lineageId !== lineageId || row.recoveryPointId !== null || !contained.includes(row.changeId)) return;
      this.applied[index] = { ...row, recoveryPointId: id, generation };
    });
  }

  private held(server: ServerRecord, at: Date): GenerationChanges {
    const line = { lineageId: server.lineageId, base: this.baseOf(server) };
    const registered = this.of(server.id).map((row) => registeredChange(row, this.applied));
    return changesAt(line, registered, at);
  }

  private baseOf(server: ServerRecord): GenerationChanges {
    const known = this.around.points(server.id).filter(({ changes }) => changes !== null);
    const [newest] = known.filter(({ lineageId }) => lineageId === server.lineageId).sort((a, b) => (b.generation ?? 0) - (a.generation ?? 0));
    const beginning = this.around.beginningOf(server.lineageId);
    return newest?.changes ?? known.find(({ id }) => id === beginning)?.changes ?? NO_CHANGES;
  }

  private of(serverId: string): readonly ConfigurationChangeRow[] {
    return [...this.rows.values()].filter((row) => row.serverId === serverId);
  }

  private row(id: string): ConfigurationChangeRow {
    const row = this.rows.get(id);
    if (row === undefined) throw changeNotFound(id);
    return row;
  }

  private view(row: ConfigurationChangeRow): ChangeView {
    const server = this.around.server(row.serverId);
    const { around } = this;
    return changeView(row, this.applied, server, around.policies(), this.held(server, around.now()), around.isImageSpent(server));
  }
}
