import { NO_PROTECTION } from '../contracts/protection';
import { stateBefore } from '../domain/retention/retirement';
import { bootOf } from '../domain/verification/boot-proof';
import { verificationOf } from '../domain/verification/verification';
import { ModosuError } from '../contracts/errors';
import { isFinal, type AuditEntryView, type RunStepView, type RunView, type StepProgress } from '../contracts/run';
import type { PlanBody, RestorePlanSummary, RestorePlanView } from '../contracts/plan';
import type { DataManifest } from '../contracts/data';
import type { ImageManifest, ImageRecoveryPointView, DataRecoveryPointView, RecoveryPointHold, RecoveryPointView } from '../contracts/recovery-point';
import { storedBytes } from '../domain/planning/backup-rules';
import { STALLED_AFTER_MS } from '../domain/progress-meter';
import { allowedRunActions } from '../domain/run-actions';
import { isFinalStep, type StoredStep } from '../domain/steps/step-transition';
import type { ServerRecord } from './catalog';
import { decommissioningOf } from './decommissioned-row';
import type { AuditEntryRow, RecoveryPointRow, RestorePlanRow, RunRow, ServerRow, WayBackRow } from './entities';
import { wayBackView } from './way-back-transition';

/** Rows as the contracts show them. */

export const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

/** What a program of an earlier version has written lacks what was not known then. */
export const serverRecord = ({
  createdAt: _createdAt,
  policySince: _policySince,
  decommissionedAt,
  decommissionedBy,
  decommissionReason,
  keepDays,
  protectsUntil,
  ...record
}: ServerRow): ServerRecord => ({
  ...record,
  protection: { ...NO_PROTECTION, ...record.protection },
  decommissioned: decommissioningOf({ decommissionedAt, decommissionedBy, decommissionReason, keepDays, protectsUntil }),
});

/** The database holds that a row has the columns of its kind. */
export function recoveryPointView(row: RecoveryPointRow): RecoveryPointView {
  const { id, serverId, serverName, state, pointInTime, publishedAt, sizeBytes, reason, runId } = row;
  const times = {
    pointInTime: pointInTime.toISOString(),
    publishedAt: publishedAt.toISOString(),
    expiredAt: iso(row.expiredAt),
    deletesAt: iso(row.deletesAt),
    deletedAt: iso(row.deletedAt),
  };
  const common = {
    id,
    serverId,
    serverName,
    state,
    ...times,
    sizeBytes,
    reason,
    runId,
    hold: holdOf(row),
    verification: { ...verificationOf({ ...row, state: stateBefore(row) }), boot: bootOf(row) },
    ...(row.credentials === null ? {} : { credentials: row.credentials }),
  };
  if (row.kind === 'image') {
    const { generation, lineageId, parentId, consistency, setId, repository, disks } = row;
    return { kind: 'image', ...common, generation, lineageId, parentId, consistency, setId, repository, disks } as ImageRecoveryPointView;
  }
  const { dataSet, purpose, snapshotId, addedBytes, declared, content } = row;
  return { kind: 'data', ...common, dataSet, purpose, snapshotId, addedBytes, declared, content } as DataRecoveryPointView;
}

const holdOf = ({ holdReason, heldBy, heldAt }: RecoveryPointRow): RecoveryPointHold | null =>
  holdReason === null || heldBy === null || heldAt === null ? null : { reason: holdReason, by: heldBy, at: heldAt.toISOString() };

/** For rows that were chosen by their kind. Throws `RECOVERY_POINT_NOT_USABLE` for one of data. */
export function imageView(row: RecoveryPointRow): ImageRecoveryPointView {
  const view = recoveryPointView(row);
  if (view.kind === 'image') return view;
  throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${row.id} holds data, not an image.`, { context: { recoveryPointId: row.id } });
}

/** The same for data. Throws `RECOVERY_POINT_NOT_USABLE` for an image. */
export function dataView(row: RecoveryPointRow): DataRecoveryPointView {
  const view = recoveryPointView(row);
  if (view.kind === 'data') return view;
  throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${row.id} is an image, not one of data.`, { context: { recoveryPointId: row.id } });
}

const NOT_HELD = { holdReason: null, heldBy: null, heldAt: null } as const;
const NOT_VERIFIED = {
  verifiedAt: null,
  verifiedBy: null,
  checkedAt: null,
  checkProblem: null,
  damageOrigin: null,
  damageFile: null,
  bootAt: null,
  bootSeconds: null,
  bootProblem: null,
} as const;
const NOT_EXPIRED = { expiredAt: null, deletesAt: null, deletedAt: null, removedAt: null } as const;

/** The row of a published recovery point. */
export function recoveryPointRow(manifest: ImageManifest, repository: string, manifestSha256: string | null): RecoveryPointRow {
  return {
    id: manifest.recoveryPointId,
    serverId: manifest.server.id,
    serverName: manifest.server.name,
    kind: 'image',
    generation: manifest.generation,
    lineageId: manifest.lineageId,
    parentId: manifest.parentId,
    manifestSha256,
    state: 'usable',
    stateReason: null,
    consistency: manifest.consistency,
    setId: manifest.setId ?? null,
    changes: manifest.changes ?? null,
    facts: null,
    factsSha256: null,
    credentials: manifest.credentials ?? null,
    pointInTime: new Date(manifest.pointInTime),
    publishedAt: new Date(manifest.publishedAt),
    repository,
    sizeBytes: storedBytes(manifest),
    disks: manifest.disks.map(({ target, virtualSizeBytes, image }) => ({ target, virtualSizeBytes, storedBytes: image.sizeBytes })),
    reason: manifest.reason,
    runId: manifest.runId,
    ...NOT_HELD,
    ...NOT_VERIFIED,
    ...NOT_EXPIRED,
    dataSet: null,
    purpose: null,
    snapshotId: null,
    addedBytes: null,
    declared: null,
    content: null,
  };
}

/** The row of a published data recovery point. */
export const dataRecoveryPointRow = (manifest: DataManifest): RecoveryPointRow => ({
  id: manifest.recoveryPointId,
  serverId: manifest.server.id,
  serverName: manifest.server.name,
  kind: 'data',
  generation: null,
  lineageId: null,
  parentId: null,
  manifestSha256: null,
  state: 'usable',
  stateReason: null,
  consistency: null,
  setId: null,
  changes: null,
  facts: null,
  factsSha256: null,
  credentials: manifest.credentials ?? null,
  pointInTime: new Date(manifest.pointInTime),
  publishedAt: new Date(manifest.publishedAt),
  repository: null,
  sizeBytes: manifest.totalBytes,
  disks: [],
  reason: manifest.reason,
  runId: manifest.runId,
  ...NOT_HELD,
  ...NOT_VERIFIED,
  ...NOT_EXPIRED,
  dataSet: manifest.dataSet.name,
  purpose: manifest.purpose,
  snapshotId: manifest.snapshotId,
  addedBytes: manifest.addedBytes,
  declared: manifest.dataSet,
  content: manifest.content,
});

const planHead = (row: Omit<RestorePlanRow, 'body'>, serverName: string): Omit<RestorePlanView, 'body' | 'retrying'> => ({
  id: row.id,
  state: row.state,
  serverId: row.serverId,
  serverName,
  scenario: row.scenario,
  requestedBy: row.requestedBy,
  createdAt: row.createdAt.toISOString(),
  hash: row.hash,
  error: row.error,
  runId: row.runId,
});

export const planSummary = (row: Omit<RestorePlanRow, 'body'>, serverName: string): RestorePlanSummary => ({
  ...planHead(row, serverName),
  undoesRunId: row.undoesRunId,
  restoreSetId: row.request !== null && 'set' in row.request ? (row.request.set?.id ?? null) : null,
});

export const planView = (row: RestorePlanRow, serverName: string): RestorePlanView => ({
  ...planHead(row, serverName),
  body: row.body === null ? null : (JSON.parse(row.body) as PlanBody),
  retrying: row.state === 'planning' ? row.retrying : null,
});

/** Exactly what is stored; an observation of an earlier version lacks the last three. */
export const storedProgress = ({ doneBytes, totalBytes, updatedAt, bytesPerSecond, secondsLeft, stalledSince }: StepProgress): StepProgress => ({
  doneBytes,
  totalBytes,
  updatedAt,
  bytesPerSecond: bytesPerSecond ?? null,
  secondsLeft: secondsLeft ?? null,
  stalledSince: stalledSince ?? null,
});

/**
 * Progress as it is true now. Who copied may have died since it was recorded: when nothing was seen to move for ten seconds, the step stands still, whatever
 * was said then. A step that is not being carried out has no speed.
 */
export function progressView({ state, progress }: Pick<StoredStep, 'state' | 'progress'>, now: Date): StepProgress | null {
  if (progress === null) return null;
  const stored = storedProgress(progress);
  if (isFinalStep(state)) return { ...stored, bytesPerSecond: null, secondsLeft: null, stalledSince: null };
  if (state !== 'running' || now.getTime() - Date.parse(stored.updatedAt) <= STALLED_AFTER_MS) return stored;
  return { ...stored, bytesPerSecond: null, secondsLeft: null, stalledSince: stored.updatedAt };
}

const stepView = ({ seq, key, title, state, startedAt, finishedAt, progress, detail, error }: StoredStep, now: Date): RunStepView => ({
  seq,
  key,
  title,
  state,
  startedAt: iso(startedAt),
  finishedAt: iso(finishedAt),
  progress: progressView({ state, progress }, now),
  detail,
  error,
});

/** What a run's view shows of other rows. */
export interface RunContext {
  readonly serverName: string;
  readonly wayBack: WayBackRow | null;
  /** Run with the newest open way back of the server. */
  readonly newestOpenRunId: string | null;
  /** The decision the run waits for has been written down. */
  readonly decided: boolean;
  /** It goes live with the others of its restore set, which is under way. */
  readonly goesLiveWithSet: boolean;
}

/** @param steps null: in a list, which is without them, and without what is tried again in them */
export function runView(
  { input: _input, requestedAt, startedAt, finishedAt, ...row }: RunRow,
  context: RunContext,
  steps: readonly StoredStep[] | null,
  now: Date,
): RunView {
  const { serverName, decided, goesLiveWithSet } = context;
  const wayBack = context.wayBack === null ? null : wayBackView(context.wayBack, serverName);
  return {
    ...row,
    serverName,
    requestedAt: requestedAt.toISOString(),
    startedAt: iso(startedAt),
    finishedAt: iso(finishedAt),
    allowedActions: allowedRunActions({ ...row, decided, goesLiveWithSet, wayBack, isNewestOpen: context.newestOpenRunId === row.id }),
    wayBack,
    retrying: steps === null || isFinal(row.state) ? null : row.retrying,
    steps: (steps ?? []).map((step) => stepView(step, now)),
  };
}

export const auditEntryView = ({ at, ...row }: AuditEntryRow): AuditEntryView => ({ ...row, at: at.toISOString() });
