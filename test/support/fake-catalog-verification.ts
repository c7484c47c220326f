import type { AuditEvent } from '../../src/audit/append-audit';
import type { Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import { SCHEDULE } from '../../src/catalog/due-backup-row';
import type { PolicyRow, RecoveryPointRow, RunRow, VerificationRow } from '../../src/catalog/entities';
import { stateDetails, stateFound, WORKER } from '../../src/catalog/recovery-point-store';
import {
  cancelledBefore,
  DATA_PLACE,
  dataSubject,
  endedDetails,
  imagePlace,
  isOutdated,
  nextTurn,
  ofData,
  ofRecoveryPoint,
  placesFoundAway,
  placesOfRestores,
  storedOutcome,
  verificationFinished,
  verificationInput,
  verificationNotFound,
  verificationView,
  WELL_AGAIN,
} from '../../src/catalog/verification-row';
import { storableText } from '../../src/audit/storable';
import { isFinal } from '../../src/contracts/run';
import type { Damage, VerificationInput } from '../../src/contracts/verification';
import { AGAIN_AFTER_MS, AWAY_FOR_MS, isDataDue, isDueForVerification } from '../../src/domain/verification/verification';

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

  request: Catalog['requestVerification'] = async ({ actor, reason, ...what }) => {
    const { around } = this;
    const asked = { requestedBy: actor, reason };
    const row =
      'recoveryPointId' in what
        ? ofRecoveryPoint(around.point(what.recoveryPointId), asked, around.now())
        : ofData(around.server(what.serverId).id, 0, 1, asked, around.now());
    const open = this.all().find(({ subject, finishedAt }) => subject === row.subject && finishedAt === null);
    if (open !== undefined) return this.view(open);
    this.rows.set(row.id, row);
    const { id: verificationId, serverId, recoveryPointId } = row;
    around.append({ actor, action: 'verification.requested', serverId, details: { verificationId, recoveryPointId, reason: row.reason } });
    return this.view(row);
  };

  cancel: Catalog['cancelVerification'] = async ({ actor, id, reason }) => {
    const row = this.require(id);
    const { serverId } = row;
    if (row.finishedAt !== null) throw verificationFinished(row);
    this.around.append({ actor, action: 'verification.cancel-requested', serverId, details: { verificationId: id, reason } });
    if (row.state === 'running') {
      this.rows.set(id, { ...row, cancelRequested: true });
    } else {
      const outcome = cancelledBefore(actor, reason);
      this.rows.set(id, { ...row, ...storedOutcome(outcome), finishedAt: this.around.now(), waitsFor: null });
      this.around.append({ actor, action: 'verification.not-run', serverId, details: endedDetails(row, outcome) });
    }
    return this.get(id);
  };

  startNext: Catalog['startNextVerification'] = async (which) => {
    const asked = this.all()
      .filter(({ state }) => state === 'waiting')
      .sort((a, b) => a.requestedAt.getTime() - b.requestedAt.getTime() || (a.id < b.id ? -1 : 1));
    const running = this.all().filter(({ state }) => state === 'running');
    const open = this.around.runs().filter(({ state }) => !isFinal(state));
    const turn = nextTurn(
      asked,
      running,
      placesOfRestores(open, (id) => this.around.point(id).repository),
    );
    for (const row of asked) this.rows.set(row.id, { ...row, waitsFor: turn.waitsFor.get(row.id) ?? row.waitsFor });
    if (turn.begin !== null) return this.begin(turn.begin);
    if (which === 'asked') return null;
    const since = this.around.now().getTime() - AWAY_FOR_MS;
    const away = placesFoundAway(this.all().filter(({ finishedAt }) => (finishedAt?.getTime() ?? 0) > since));
    const taken = new Set([...turn.taken, ...away]);
    const due = this.dueImage(taken) ?? (taken.has(DATA_PLACE) ? null : this.dueData());
    return due === null ? null : this.begin(due);
  };

  listRunning: Catalog['listRunningVerifications'] = async (olderThan) =>
    this.all()
      .filter(({ state, startedAt }) => state === 'running' && startedAt !== null && startedAt < olderThan)
      .map((row) => ({ input: this.input(row), cancelRequested: row.cancelRequested }));

  dataToVerify: Catalog['dataToVerify'] = async (serverId) =>
    this.around
      .points()
      .filter((point) => point.serverId === serverId && point.kind === 'data')
      .filter(({ state, checkProblem }) => state === 'usable' || checkProblem?.code === 'RECOVERY_POINT_INCOMPLETE')
      .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1))
      .map(({ id, snapshotId, state, verifiedBy, verifiedAt }) => ({
        recoveryPointId: id,
        snapshotId: snapshotId ?? '',
        isUsable: state === 'usable',
        readAt: verifiedBy === 'checksums' ? (verifiedAt?.toISOString() ?? null) : null,
      }));

  recordProgress: Catalog['recordVerificationProgress'] = async (id, doneBytes, totalBytes) => {
    const row = this.rows.get(id);
    if (row?.state === 'running') this.rows.set(id, { ...row, doneBytes, totalBytes });
  };

  recordVerdict: Catalog['recordVerdict'] = async (verificationId, recoveryPointId, damage) => {
    const verification = this.require(verificationId);
    if (verification.finishedAt !== null) return;
    const row = this.around.point(recoveryPointId);
    const at = this.around.now();
    if (damage !== null) {
      this.setState(row, 'damaged', damage, at);
      this.around.setPoint({ ...row, ...stateFound('damaged', damage, at) });
      return;
    }
    if (isOutdated(row, verification)) return;
    if (row.state === 'damaged') this.setState(row, 'usable', { code: 'RECOVERY_POINT_CORRUPT', message: WELL_AGAIN }, at);
    this.around.setPoint({ ...this.around.point(recoveryPointId), verifiedAt: at, verifiedBy: 'checksums', checkedAt: at, checkProblem: null });
  };

  finish: Catalog['finishVerification'] = async (id, outcome) => {
    const row = this.require(id);
    if (row.finishedAt !== null) return;
    const at = this.around.now();
    const { startedAt, serverId, recoveryPointId } = row;
    const { state, error, found = [] } = outcome;
    this.rows.set(id, { ...row, ...storedOutcome(outcome), finishedAt: at, waitsFor: null });
    for (const point of this.around.points().filter((candidate) => candidate.serverId === serverId && candidate.state === 'usable')) {
      const isMeant = recoveryPointId === null ? point.kind === 'data' : point.id === recoveryPointId;
      if (state === 'not-run' && error !== null && startedAt !== null && isMeant && !(point.checkedAt !== null && point.checkedAt >= startedAt)) {
        this.around.setPoint({ ...point, checkedAt: at, checkProblem: { code: error.code, message: storableText(error.message) } });
      }
      if (point.kind !== 'data' || !found.includes(point.id)) continue;
      const read = point.verifiedBy === 'checksums';
      this.around.setPoint({
        ...point,
        checkedAt: at,
        checkProblem: null,
        verifiedAt: read ? point.verifiedAt : at,
        verifiedBy: point.verifiedBy ?? 'structure',
      });
    }
    this.around.append({ actor: WORKER, action: `verification.${state}`, serverId, details: endedDetails(row, outcome) });
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

  private input(row: VerificationRow): VerificationInput {
    const [last = null] = this.all()
      .filter(({ subject, finishedAt }) => subject === row.subject && finishedAt !== null)
      .sort((a, b) => (b.finishedAt?.getTime() ?? 0) - (a.finishedAt?.getTime() ?? 0));
    const repository = row.recoveryPointId === null ? null : this.around.point(row.recoveryPointId).repository;
    return verificationInput(row, this.around.server(row.serverId), repository, last);
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

  private dueImage(taken: ReadonlySet<string>): VerificationRow | null {
    const now = this.around.now();
    const isMissing = ({ state, checkProblem, checkedAt }: RecoveryPointRow): boolean =>
      state === 'damaged' && checkProblem?.code === 'RECOVERY_POINT_INCOMPLETE' && now.getTime() - (checkedAt?.getTime() ?? 0) >= AGAIN_AFTER_MS;
    const rank = (point: RecoveryPointRow): number => (point.state === 'damaged' ? 1 : point.verifiedAt === null ? 0 : 2);
    const age = (point: RecoveryPointRow): number =>
      rank(point) === 0 ? -point.pointInTime.getTime() : ((rank(point) === 1 ? point.checkedAt : point.verifiedAt)?.getTime() ?? 0);
    const [found] = this.around
      .points()
      .filter(({ kind, repository }) => kind === 'image' && !taken.has(imagePlace(repository ?? '')))
      .filter(({ serverId }) => (this.policyOf(serverId)?.verification ?? null) !== null)
      .filter(
        (point) =>
          isMissing(point) ||
          (point.state === 'usable' && isDueForVerification(point, this.policyOf(point.serverId)?.verification?.everyDays ?? Infinity, now)),
      )
      .filter(({ id }) => !this.all().some((row) => row.subject === id && row.finishedAt === null))
      .sort((a, b) => rank(a) - rank(b) || age(a) - age(b) || (a.id < b.id ? -1 : 1));
    if (found === undefined) return null;
    return ofRecoveryPoint(found, { requestedBy: SCHEDULE, reason: `policy ${this.policyOf(found.serverId)?.name ?? ''}` }, now);
  }

  private dueData(): VerificationRow | null {
    const now = this.around.now();
    const due = this.around.servers().flatMap(({ id }) => {
      const policy = this.policyOf(id);
      const usable = this.around.points().filter((point) => point.serverId === id && point.kind === 'data' && point.state === 'usable');
      const own = this.all().filter(({ subject }) => subject === dataSubject(id));
      if (policy === null || policy.verification === null || usable.length === 0 || own.some(({ finishedAt }) => finishedAt === null)) return [];
      const { withinHours, everyDays } = policy.verification;
      const [last] = own.toSorted((a, b) => (b.finishedAt?.getTime() ?? 0) - (a.finishedAt?.getTime() ?? 0));
      const ended = last?.finishedAt == null ? null : { startedAt: last.startedAt, finishedAt: last.finishedAt, wasCarriedOut: last.state !== 'not-run' };
      if (!isDataDue(ended, { withinHours, hasNew: usable.some(({ verifiedAt }) => verifiedAt === null) }, now)) return [];
      const read = own.filter(({ state }) => state === 'passed' || state === 'failed').length;
      const asked = { requestedBy: SCHEDULE, reason: `policy ${policy.name}` };
      return [{ lastMs: last?.finishedAt?.getTime() ?? 0, row: ofData(id, read, everyDays, asked, now) }];
    });
    return due.toSorted((a, b) => a.lastMs - b.lastMs || (a.row.serverId < b.row.serverId ? -1 : 1))[0]?.row ?? null;
  }

  private setState(row: RecoveryPointRow, state: RecoveryPointRow['state'], why: Damage, at: Date): void {
    if (row.state === state) return;
    this.around.setPoint({ ...row, ...stateFound(state, why, at) });
    const { runId, serverId } = row;
    this.around.append({ actor: WORKER, action: `recovery-point.${state}`, runId, serverId, details: stateDetails(row, why.message) });
  }
}
