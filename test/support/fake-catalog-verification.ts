import type { AuditEvent } from '../../src/audit/append-audit';
import type { Catalog, Page, PageRequest, ServerRecord } from '../../src/catalog/catalog';
import { SCHEDULE } from '../../src/catalog/due-backup-row';
import type { PolicyRow, RecoveryPointRow, RunRow, VerificationRow } from '../../src/catalog/entities';
import { WORKER } from '../../src/catalog/recovery-point-store';
import {
  bootColumns,
  cancelledBefore,
  dataSubject,
  endedDetails,
  ofBoot,
  ofData,
  ofRecoveryPoint,
  storedOutcome,
  verificationFinished,
  verificationInput,
  verificationNotFound,
  verificationView,
  WELL_AGAIN,
} from '../../src/catalog/verification-row';
import { storableText } from '../../src/audit/storable';
import { isFinal } from '../../src/contracts/run';
import type { VerificationInput } from '../../src/contracts/verification';
import { isAhead } from '../../src/domain/clock-skew';
import { isBootDue } from '../../src/domain/verification/boot-proof';
import { bootPlace, DATA_PLACE, imagePlace, isOutdated, nextTurn, placesFoundAway, placesOfRestores } from '../../src/domain/verification/turns';
import { OWN_FILES } from '../../src/domain/verification/inherited-damage';
import { AGAIN_AFTER_MS, AWAY_FOR_MS, isDataDue, isDueForVerification } from '../../src/domain/verification/verification';
import type { FakeChains } from './fake-catalog-chains';

/** What the rest of the catalogue in memory offers. */
export interface VerificationSurroundings {
  readonly chains: FakeChains;
  now(): Date;
  server(serverId: string): ServerRecord;
  servers(): readonly ServerRecord[];
  policies(): ReadonlyMap<string, PolicyRow>;
  runs(): readonly RunRow[];
  point(id: string): RecoveryPointRow;
  points(): readonly RecoveryPointRow[];
  /** Since when the server's policy says what it says of it, and it has an image. */
  promisedSince(serverId: string): Date | null;
  setPoint(row: RecoveryPointRow): void;
  page<Item>(rows: readonly VerificationRow[], page: PageRequest, view: (row: VerificationRow) => Item): Page<Item>;
  append(event: AuditEvent): void;
}

type Wanted = { readonly method: 'checksums' | 'boot'; readonly recoveryPointId: string } | { readonly method: 'structure'; readonly serverId: string };

/** Verifications, in memory. */
export class FakeVerifications {
  private readonly rows = new Map<string, VerificationRow>();

  constructor(private readonly around: VerificationSurroundings) {}

  request: Catalog['requestVerification'] = async ({ actor, reason, ...what }) => {
    const { around } = this;
    const asked = { requestedBy: actor, reason };
    const row = this.requested(what, asked);
    const open = this.all().find(({ subject, finishedAt }) => subject === row.subject && finishedAt === null);
    if (open !== undefined) return this.view(open);
    this.rows.set(row.id, row);
    const { id: verificationId, serverId, recoveryPointId } = row;
    around.append({ actor, action: 'verification.requested', serverId, details: { verificationId, recoveryPointId, method: row.method, reason: row.reason } });
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
      placesOfRestores(open, ({ recoveryPointId, serverId }) => ({
        repository: recoveryPointId === null ? null : this.around.point(recoveryPointId).repository,
        hypervisor: this.around.server(serverId).hypervisor,
      })),
    );
    for (const row of asked) this.rows.set(row.id, { ...row, waitsFor: turn.waitsFor.get(row.id) ?? row.waitsFor });
    if (turn.begin !== null) return this.begin(turn.begin);
    if (which === 'asked') return null;
    const since = this.around.now().getTime() - AWAY_FOR_MS;
    const away = placesFoundAway(
      this.all().filter(({ finishedAt }) => finishedAt !== null && finishedAt.getTime() > since && !isAhead(finishedAt, this.around.now())),
    );
    const taken = new Set([...turn.taken, ...away]);
    const due = this.dueImage(taken) ?? (taken.has(DATA_PLACE) ? null : this.dueData()) ?? this.dueBoot(taken);
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
      .filter(({ state, checkProblem }) => state === 'usable' || (state === 'damaged' && checkProblem?.code === 'RECOVERY_POINT_INCOMPLETE'))
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
    const { chains } = this.around;
    if (damage !== null) {
      const { id, found } = chains.damageOfRead(recoveryPointId, damage);
      chains.setState(this.around.point(id), { state: 'damaged', why: found }, at, true);
      if (id !== recoveryPointId) this.around.setPoint({ ...this.around.point(recoveryPointId), checkedAt: at });
      return;
    }
    if (row.state === 'expired' || row.state === 'deleted' || isOutdated(row, verification)) return;
    if (!chains.setState(row, { state: 'usable', why: { code: 'RECOVERY_POINT_CORRUPT', message: WELL_AGAIN } }, at, true)) return;
    this.around.setPoint({ ...this.around.point(recoveryPointId), verifiedAt: at, verifiedBy: 'checksums', checkedAt: at, checkProblem: null });
  };

  finish: Catalog['finishVerification'] = async (id, outcome) => {
    const row = this.require(id);
    if (row.finishedAt !== null) return;
    const at = this.around.now();
    const { startedAt, serverId, recoveryPointId } = row;
    const { state, error, found = [] } = outcome;
    this.rows.set(id, { ...row, ...storedOutcome(outcome), finishedAt: at, waitsFor: null });
    this.around.append({ actor: WORKER, action: `verification.${state}`, serverId, details: endedDetails(row, outcome) });
    if (row.method === 'boot') {
      if (state !== 'not-run' && recoveryPointId !== null) this.around.setPoint({ ...this.around.point(recoveryPointId), ...bootColumns(outcome, at) });
      return;
    }
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
  };

  get: Catalog['getVerification'] = async (id) => this.view(this.require(id));

  list: Catalog['listVerifications'] = async ({ serverId, state }, page) =>
    this.around.page(
      this.all().filter((row) => (serverId === undefined || row.serverId === serverId) && (state === undefined || row.state === state)),
      page,
      (row) => this.view(row),
    );

  private requested(what: Wanted, asked: Pick<VerificationRow, 'requestedBy' | 'reason'>): VerificationRow {
    const { around } = this;
    if (what.method === 'structure') return ofData(around.server(what.serverId).id, 0, 1, asked, around.now());
    const point = around.point(what.recoveryPointId);
    if (what.method === 'checksums') return ofRecoveryPoint(point, asked, around.now());
    const isNewest = this.newestImage(point.serverId)?.id === point.id;
    return ofBoot(point, around.server(point.serverId), isNewest, asked, around.now());
  }

  all(): readonly VerificationRow[] {
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

  /** Null: nothing is verified by itself. */
  private policyOf(serverId: string): PolicyRow | null {
    const { policy, decommissioned } = this.around.server(serverId);
    return decommissioned === null ? (this.around.policies().get(policy ?? '') ?? null) : null;
  }

  private dueImage(taken: ReadonlySet<string>): VerificationRow | null {
    const now = this.around.now();
    const below = (point: RecoveryPointRow): readonly RecoveryPointRow[] => this.around.chains.of([point.id]).filter(({ id }) => id !== point.id);
    const isMissing = ({ state, checkProblem, checkedAt, parentId, damageOrigin }: RecoveryPointRow): boolean =>
      state === 'damaged' &&
      checkProblem?.code === 'RECOVERY_POINT_INCOMPLETE' &&
      damageOrigin === null &&
      !this.around.points().some((parent) => parent.id === parentId && parent.state === 'damaged' && !OWN_FILES.includes(parent.damageFile ?? '')) &&
      now.getTime() - (checkedAt?.getTime() ?? 0) >= AGAIN_AFTER_MS;
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
      .filter(
        (point) =>
          rank(point) !== 0 ||
          !below(point).some((parent) => parent.state === 'usable' && parent.verifiedAt === null && isDueForVerification(parent, Infinity, now)),
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
      const [last] = own
        .filter(({ finishedAt }) => finishedAt !== null && !isAhead(finishedAt, now))
        .toSorted((a, b) => (b.finishedAt?.getTime() ?? 0) - (a.finishedAt?.getTime() ?? 0));
      const ended = last?.finishedAt == null ? null : { startedAt: last.startedAt, finishedAt: last.finishedAt, wasCarriedOut: last.state !== 'not-run' };
      if (!isDataDue(ended, { withinHours, hasNew: usable.some(({ verifiedAt }) => verifiedAt === null) }, now)) return [];
      const read = own.filter(({ state }) => state === 'passed' || state === 'failed').length;
      const asked = { requestedBy: SCHEDULE, reason: `policy ${policy.name}` };
      return [{ lastMs: last?.finishedAt?.getTime() ?? 0, row: ofData(id, read, everyDays, asked, now) }];
    });
    return due.toSorted((a, b) => a.lastMs - b.lastMs || (a.row.serverId < b.row.serverId ? -1 : 1))[0]?.row ?? null;
  }

  private newestImage(serverId: string): RecoveryPointRow | undefined {
    const now = this.around.now();
    return this.around
      .points()
      .filter((point) => point.serverId === serverId && point.kind === 'image' && point.state === 'usable' && !isAhead(point.pointInTime, now))
      .toSorted((a, b) => b.pointInTime.getTime() - a.pointInTime.getTime() || (a.id < b.id ? 1 : -1))[0];
  }

  private dueBoot(taken: ReadonlySet<string>): VerificationRow | null {
    const now = this.around.now();
    const due = this.around.servers().flatMap(({ id, hypervisor }) => {
      const policy = this.policyOf(id);
      const schedule = policy?.verification?.boot ?? null;
      const newest = this.newestImage(id);
      if (policy === null || schedule === null || newest === undefined || taken.has(bootPlace(hypervisor))) return [];
      if (this.all().some((row) => row.serverId === id && row.method === 'boot' && row.finishedAt === null)) return [];
      const boots = this.boots(id);
      const carriedOutAt = boots.find(({ state, ofNewest }) => ofNewest === true && (state === 'passed' || state === 'failed'))?.startedAt ?? null;
      const failed = boots.find(({ state, requestedBy, error }) => state === 'not-run' && requestedBy === SCHEDULE && error?.code !== 'RUN_CANCELLED');
      const notTried = failed?.startedAt == null || failed.finishedAt === null ? null : { startedAt: failed.startedAt, finishedAt: failed.finishedAt };
      const since = this.around.promisedSince(id) ?? policy.verificationSince;
      if (!isBootDue({ carriedOutAt, notTried }, { schedule, timeZone: policy.timeZone, since }, now)) return [];
      const asked = { requestedBy: SCHEDULE, reason: `policy ${policy.name}` };
      return [{ lastMs: carriedOutAt?.getTime() ?? 0, row: ofBoot(newest, { hypervisor }, true, asked, now) }];
    });
    return due.toSorted((a, b) => a.lastMs - b.lastMs || (a.row.serverId < b.row.serverId ? -1 : 1))[0]?.row ?? null;
  }

  /** Of a server, those that ended last first; none that a wrong clock has dated into the future. */
  boots(serverId: string): readonly VerificationRow[] {
    const endedMs = ({ finishedAt }: VerificationRow): number => finishedAt?.getTime() ?? Infinity;
    return this.all()
      .filter((row) => row.serverId === serverId && row.method === 'boot' && row.finishedAt !== null && !isAhead(row.finishedAt, this.around.now()))
      .toSorted((a, b) => endedMs(b) - endedMs(a));
  }
}
