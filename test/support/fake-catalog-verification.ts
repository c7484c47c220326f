import type { AuditEvent } from '../../src/audit/append-audit';
import type { Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import { SCHEDULE } from '../../src/catalog/due-backup-row';
import type { PolicyRow, RecoveryPointRow, RunRow, VerificationRow } from '../../src/catalog/entities';
import { stateDetails, stateFound, WORKER } from '../../src/catalog/recovery-point-store';
import {
  dataSubject,
  endedDetails,
  isDataDue,
  ofData,
  ofRecoveryPoint,
  placeOf,
  storedOutcome,
  verificationInput,
  verificationNotFound,
  verificationView,
  whyNoneBegins,
} from '../../src/catalog/verification-row';
import { isFinal } from '../../src/contracts/run';
import type { VerificationInput } from '../../src/contracts/verification';
import { isDueForVerification } from '../../src/domain/verification/verification';

/** What the rest of the catalogue in memory offers. */
export interface VerificationSurroundings {
  now(): Date;
  server(serverId: string): ServerRecord;
  servers(): readonly ServerRecord[];
  policies(): ReadonlyMap<string, PolicyRow>;
  runs(): readonly RunRow[];
  point(id: string): RecoveryPointRow;
  points(): readonly RecoveryPointRow[];
  setPoint(row: RecoveryPointRow): void;
  page<Item>(rows: readonly VerificationRow[], page: PageRequest, view: (row: VerificationRow) => Item): Page<Item>;
  append(event: AuditEvent): void;
}

/** Verifications, in memory. */
export class FakeVerifications {
  private readonly rows = new Map<string, VerificationRow>();

  constructor(private readonly around: VerificationSurroundings) {}

  request: Catalog['requestVerification'] = async ({ actor, recoveryPointId, reason }) => {
    const { around } = this;
    const point = around.point(recoveryPointId);
    const open = this.all().find((row) => row.subject === recoveryPointId && row.finishedAt === null);
    if (open !== undefined) return this.view(open);
    const row = ofRecoveryPoint(point, { requestedBy: actor, reason }, around.now());
    this.rows.set(row.id, row);
    around.append({
      actor,
      action: 'verification.requested',
      serverId: row.serverId,
      details: { verificationId: row.id, recoveryPointId, reason: row.reason },
    });
    return this.view(row);
  };

  startNext: Catalog['startNextVerification'] = async () => {
    const waiting = this.all()
      .filter(({ state }) => state === 'waiting')
      .sort((a, b) => a.requestedAt.getTime() - b.requestedAt.getTime() || (a.id < b.id ? -1 : 1));
    const blocked = whyNoneBegins(this.around.runs().filter(({ state }) => !isFinal(state)));
    if (blocked !== null) {
      for (const row of waiting) this.rows.set(row.id, { ...row, waitsFor: blocked });
      return null;
    }
    const busy = new Map(
      this.all()
        .filter(({ state }) => state === 'running')
        .map((row) => [this.place(row), row.id]),
    );
    for (const row of waiting) {
      const holder = busy.get(this.place(row));
      if (holder === undefined) return this.begin(row);
      this.rows.set(row.id, { ...row, waitsFor: `verification ${holder} reads the same repository` });
    }
    const due = this.dueImage(busy) ?? (busy.has(placeOf('data', null)) ? null : this.dueData());
    return due === null ? null : this.begin(due);
  };

  listRunning: Catalog['listRunningVerifications'] = async (olderThan) =>
    this.all()
      .filter(({ state, startedAt }) => state === 'running' && startedAt !== null && startedAt < olderThan)
      .map((row) => this.input(row));

  recordProgress: Catalog['recordVerificationProgress'] = async (id, doneBytes, totalBytes) => {
    const row = this.rows.get(id);
    if (row?.state === 'running') this.rows.set(id, { ...row, doneBytes, totalBytes });
  };

  recordVerdict: Catalog['recordVerdict'] = async (verificationId, recoveryPointId, damage) => {
    this.require(verificationId);
    const row = this.around.point(recoveryPointId);
    const at = this.around.now();
    if (damage !== null) {
      this.setState(row, 'damaged', damage, at);
      return;
    }
    if (row.state === 'damaged') this.setState(row, 'usable', 'all its bytes were read again, and are what was written', at);
    this.around.setPoint({ ...this.around.point(recoveryPointId), verifiedAt: at, verifiedBy: 'checksums', checkedAt: at, checkProblem: null });
  };

  finish: Catalog['finishVerification'] = async (id, outcome) => {
    const row = this.require(id);
    if (row.finishedAt !== null) return;
    const at = this.around.now();
    this.rows.set(id, { ...row, ...storedOutcome(outcome), finishedAt: at, waitsFor: null });
    const { startedAt } = row;
    if (startedAt !== null) {
      for (const point of this.around.points()) {
        const isMeant =
          row.recoveryPointId === null
            ? point.serverId === row.serverId && point.kind === 'data' && point.state === 'usable' && point.publishedAt <= startedAt
            : point.id === row.recoveryPointId;
        if (!isMeant) continue;
        if (outcome.state === 'not-run' && outcome.error !== null) {
          this.around.setPoint({ ...point, checkedAt: at, checkProblem: { code: outcome.error.code, message: outcome.error.message } });
        }
        if (outcome.state === 'passed' && row.recoveryPointId === null) {
          this.around.setPoint({ ...point, verifiedAt: at, verifiedBy: 'structure', checkedAt: at, checkProblem: null });
        }
      }
    }
    this.around.append({ actor: WORKER, action: `verification.${outcome.state}`, serverId: row.serverId, details: endedDetails(row, outcome) });
  };

  get: Catalog['getVerification'] = async (id) => this.view(this.require(id));

  list: Catalog['listVerifications'] = async ({ serverId, state }, page) =>
    this.around.page(
      this.all().filter((row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || row.state === state)),
      page,
      (row) => this.view(row),
    );

  private all(): readonly VerificationRow[] {
    return [...this.rows.values()];
  }

  private require(id: string): VerificationRow {
    const row = this.rows.get(id);
    if (row === undefined) throw verificationNotFound(id);
    return row;
  }

  private view(row: VerificationRow) {
    return verificationView(row, this.around.server(row.serverId).name);
  }

  private repository({ recoveryPointId }: VerificationRow): string | null {
    return recoveryPointId === null ? null : this.around.point(recoveryPointId).repository;
  }

  private place(row: VerificationRow): string {
    return placeOf(row.kind, this.repository(row));
  }

  private input(row: VerificationRow): VerificationInput {
    return verificationInput(row, this.around.server(row.serverId), this.repository(row));
  }

  private begin(row: VerificationRow): VerificationInput {
    const { id, recoveryPointId, method, requestedBy, serverId } = row;
    this.rows.set(id, { ...row, state: 'running', startedAt: this.around.now(), waitsFor: null });
    this.around.append({ actor: requestedBy, action: 'verification.started', serverId, details: { verificationId: id, recoveryPointId, method } });
    return this.input(row);
  }

  private policyOf(serverId: string): PolicyRow | null {
    return this.around.policies().get(this.around.server(serverId).policy ?? '') ?? null;
  }

  private dueImage(busy: ReadonlyMap<string, string>): VerificationRow | null {
    const now = this.around.now();
    const [found] = this.around
      .points()
      .filter(({ kind, state }) => kind === 'image' && state === 'usable')
      .filter((point) => isDueForVerification(point, this.policyOf(point.serverId)?.verification?.everyDays ?? Infinity, now))
      .filter((point) => (this.policyOf(point.serverId)?.verification ?? null) !== null && !busy.has(placeOf('image', point.repository)))
      .filter(({ id }) => !this.all().some((row) => row.subject === id && row.finishedAt === null))
      .sort(
        (a, b) =>
          (a.verifiedAt?.getTime() ?? 0) - (b.verifiedAt?.getTime() ?? 0) || b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? -1 : 1),
      );
    if (found === undefined) return null;
    return ofRecoveryPoint(found, { requestedBy: SCHEDULE, reason: `policy ${this.policyOf(found.serverId)?.name ?? ''}` }, now);
  }

  private dueData(): VerificationRow | null {
    const now = this.around.now();
    const due = this.around.servers().flatMap(({ id }) => {
      const policy = this.policyOf(id);
      const has = this.around.points().some((point) => point.serverId === id && point.kind === 'data' && point.state === 'usable');
      const own = this.all().filter(({ subject }) => subject === dataSubject(id));
      if (policy === null || policy.verification === null || !has || own.some(({ finishedAt }) => finishedAt === null)) return [];
      const [last] = own.toSorted((a, b) => (b.finishedAt?.getTime() ?? 0) - (a.finishedAt?.getTime() ?? 0));
      const passed = own.filter(({ state }) => state === 'passed').length;
      const asked = { requestedBy: SCHEDULE, reason: `policy ${policy.name}` };
      return isDataDue(last ?? null, now)
        ? [{ lastMs: last?.finishedAt?.getTime() ?? 0, row: ofData(id, passed, policy.verification.everyDays, asked, now) }]
        : [];
    });
    return due.toSorted((a, b) => a.lastMs - b.lastMs || (a.row.serverId < b.row.serverId ? -1 : 1))[0]?.row ?? null;
  }

  private setState(row: RecoveryPointRow, state: RecoveryPointRow['state'], why: string, at: Date): void {
    if (row.state === state) return;
    this.around.setPoint({ ...row, ...stateFound(state, why, at) });
    this.around.append({ actor: WORKER, action: `recovery-point.${state}`, runId: row.runId, serverId: row.serverId, details: stateDetails(row, why) });
  }
}
