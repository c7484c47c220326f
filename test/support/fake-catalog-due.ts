import type { AuditEvent } from '../../src/audit/append-audit';
import type { AcceptedRun, Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import { DEFAULT_MAX_DATA_BACKUPS } from '../../src/contracts/due-backup';
import {
  dueBackupView,
  limitsOf,
  openBackup,
  SCHEDULE,
  scheduledServer,
  scheduleRequest,
  supersededDetails,
  whyUnwanted,
  type ChangesToImage,
  type NewestDue,
} from '../../src/catalog/due-backup-row';
import { isAhead } from '../../src/domain/clock-skew';
import type { DueBackupRow, PolicyRow, RunRow } from '../../src/catalog/entities';
import type { HypervisorDeclaration, RepositoryDeclaration } from '../../src/contracts/estate';
import { newId } from '../../src/contracts/ids';
import { isFinal } from '../../src/contracts/run';
import { dueBackups } from '../../src/domain/schedules/due';
import { DECOMMISSIONED, inTurn, judgeQueue } from '../../src/domain/schedules/queue';

/** What the rest of the catalogue in memory offers. */
export interface DueSurroundings {
  now(): Date;
  servers(): readonly ServerRecord[];
  policySince(serverId: string): Date | null;
  /** When it went live with disks of which there is no usable image. */
  restoredAt(server: ServerRecord): Date | null;
  /** Whether there was ever an image of it. */
  hasImage(serverId: string): boolean;
  /** What an image of it is due for because of changes. */
  changed(server: ServerRecord): ChangesToImage | null;
  policies(): ReadonlyMap<string, PolicyRow>;
  hypervisors(): readonly HypervisorDeclaration[];
  repositories(): readonly RepositoryDeclaration[];
  runs(): readonly RunRow[];
  start(request: NonNullable<ReturnType<typeof scheduleRequest>>): Promise<AcceptedRun>;
  page(rows: readonly DueBackupRow[], page: PageRequest, view: (row: DueBackupRow) => ReturnType<typeof dueBackupView>): Page<ReturnType<typeof dueBackupView>>;
  append(event: AuditEvent): void;
}

/** What the schedules ask for, in memory. */
export class FakeDueBackups {
  private readonly rows = new Map<string, DueBackupRow>();

  constructor(private readonly around: DueSurroundings) {}

  record: Catalog['recordDueBackups'] = async () => {
    const fresh = dueBackups(this.scheduled(), this.around.now()).map((due): DueBackupRow => ({
      id: newId('due'),
      ...due,
      state: 'waiting',
      waitsFor: null,
      runId: null,
    }));
    return fresh.flatMap((row) => this.writeDown(row)).map((row) => this.view(row));
  };

  startNext: Catalog['startNextDueBackup'] = async (maxDataBackups = DEFAULT_MAX_DATA_BACKUPS) => {
    const { around } = this;
    const waiting = [...this.rows.values()].filter(({ state }) => state === 'waiting');
    const servers = new Map(around.servers().map((server) => [server.id, server]));
    const unwanted = (row: DueBackupRow, server: ServerRecord): string | null =>
      whyUnwanted(row, server, around.changed(server), [...around.policies().values()], around.now());
    const judged = judgeQueue(
      waiting.flatMap((row) => {
        const server = servers.get(row.serverId);
        return server === undefined ? [] : [{ ...row, hypervisor: server.hypervisor, repository: server.repository, isWanted: unwanted(row, server) === null }];
      }),
      around
        .runs()
        .filter(({ state }) => !isFinal(state))
        .flatMap((run) => openBackup(run, servers.get(run.serverId)) ?? []),
      limitsOf(around.hypervisors(), around.repositories(), maxDataBackups),
      around.now(),
    );
    for (const id of judged.withdraw) {
      const row = this.row(id);
      const server = servers.get(row.serverId);
      this.withdraw(row, server === undefined ? null : unwanted(row, server));
    }
    for (const [id, waitsFor] of judged.waitsFor) this.rows.set(id, { ...this.row(id), waitsFor });
    if (judged.begin === null) return null;
    const row = this.row(judged.begin);
    const server = servers.get(row.serverId);
    const policy = row.cause === 'change' ? server?.policy : row.policy;
    const request = scheduleRequest(row, around.policies().get(policy ?? ''), server === undefined ? null : around.changed(server));
    if (request === null) return null;
    const accepted = await around.start(request);
    this.rows.set(row.id, { ...row, state: 'started', waitsFor: null, runId: accepted.runId });
    return accepted;
  };

  list: Catalog['listDueBackups'] = async ({ serverId, state }, page) => {
    const rows = [...this.rows.values()].filter((row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || row.state === state));
    return this.around.page(rows, page, (row) => this.view(row));
  };

  /** Its server is out of service. */
  withdrawAll(serverId: string): void {
    for (const row of this.rows.values()) if (row.serverId === serverId && row.state === 'waiting') this.withdraw(row, DECOMMISSIONED);
  }

  private withdraw(row: DueBackupRow, why: string | null): void {
    const { id, serverId, kind, policy, dueAt } = row;
    this.rows.set(id, { ...row, state: 'withdrawn', waitsFor: null });
    this.around.append({ actor: SCHEDULE, action: 'due-backup.withdrawn', serverId, details: { kind, policy, dueAt, why } });
  }

  /** Those that wait. */
  waiting(): readonly ReturnType<typeof dueBackupView>[] {
    return [...this.rows.values()].filter(({ state }) => state === 'waiting').map((row) => this.view(row));
  }

  /** Whether an image was asked for because of its changes, and is neither there nor to come. */
  isImageSpent(server: ServerRecord): boolean {
    const { around } = this;
    const changed = around.changed(server);
    const own = [...this.rows.values()].filter((row) => row.serverId === server.id && row.kind === 'image');
    const open = around.runs().filter(({ state }) => !isFinal(state));
    const asked = latest(own.filter(({ state, dueAt }) => state !== 'withdrawn' && !isAhead(dueAt, around.now())));
    if (changed === null || asked === null || asked.getTime() < changed.at.getTime()) return false;
    return !own.some(({ state, runId }) => state === 'waiting' || open.some(({ id }) => id === runId));
  }

  private scheduled() {
    return this.around.servers().flatMap((server) => {
      const policy = this.around.policies().get(server.policy ?? '') ?? null;
      const changed = this.around.changed(server);
      if ((policy === null && changed === null) || server.decommissioned !== null) return [];
      const newest = (kind: DueBackupRow['kind']): NewestDue => {
        const own = [...this.rows.values()].filter((row) => row.serverId === server.id && row.kind === kind && !isAhead(row.dueAt, this.around.now()));
        return { any: latest(own), answered: latest(own.filter(({ state }) => state !== 'withdrawn')) };
      };
      return [
        scheduledServer(
          server,
          this.around.policySince(server.id),
          policy,
          newest,
          this.around.restoredAt(server),
          changed,
          this.around.hasImage(server.id),
          this.around.now(),
        ),
      ];
    });
  }

  private writeDown(row: DueBackupRow): readonly DueBackupRow[] {
    const { serverId, kind, policy, dueAt, missedBefore } = row;
    const same = [...this.rows.values()].find((other) => other.serverId === serverId && other.kind === kind && other.dueAt.getTime() === dueAt.getTime());
    if (same !== undefined && same.state !== 'withdrawn') return [];
    const older = [...this.rows.values()].find((other) => other.serverId === serverId && other.kind === kind && other.state === 'waiting');
    if (older !== undefined) {
      this.rows.set(older.id, { ...older, state: 'superseded' });
      this.around.append({ actor: SCHEDULE, action: 'due-backup.superseded', serverId, details: supersededDetails(older, row) });
    }
    const written = inTurn({ ...row, id: same?.id ?? row.id }, older);
    this.rows.set(written.id, written);
    if (missedBefore > 0) {
      this.around.append({ actor: SCHEDULE, action: 'due-backup.missed', serverId, details: { kind, policy, times: missedBefore, caughtUpBy: dueAt } });
    }
    return [written];
  }

  private row(id: string): DueBackupRow {
    const row = this.rows.get(id);
    if (row === undefined) throw new Error(`no due backup ${id}`);
    return row;
  }

  private view(row: DueBackupRow) {
    return dueBackupView(row, this.around.servers().find(({ id }) => id === row.serverId)?.name ?? '');
  }
}

const latest = (rows: readonly DueBackupRow[]): Date | null => (rows.length === 0 ? null : new Date(Math.max(...rows.map(({ dueAt }) => dueAt.getTime()))));
