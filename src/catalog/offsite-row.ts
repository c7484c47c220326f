import { storableText } from '../audit/storable';
import { ModosuError, type ErrorSummary } from '../contracts/errors';
import { newId } from '../contracts/ids';
import type {
  MadeCopy,
  OffsiteRepositoryView,
  OffsiteState,
  RecoveryPointCopy,
  TransferInput,
  TransferKind,
  TransferOutcome,
  TransferPoint,
  TransferView,
} from '../contracts/offsite-copies';
import type { RecoveryPointView } from '../contracts/recovery-point';
import { quoted } from '../contracts/text';
import type { OffsitePolicy } from '../contracts/policy';
import { waitsForCopy, type OffsitePoint } from '../domain/offsite/copies';
import { afterStop, isDamagedCopy } from '../domain/offsite/stopped-copies';
import { partToRead } from '../domain/verification/verification';
import type { OffsiteCopyRow, OffsiteRepositoryRow, OffsiteTransferRow, RecoveryPointRow } from './entities';
import type { KnownToRetention } from './port/retention';
import { askedFor, queuedWorkView } from './queued-work';
import { retentionPoint, type RetentionColumns } from './retention-facts';
import { iso, recoveryPointView } from './views';
import { storableError } from './storable-error';

/** Off-site repositories, copies and transfers between the rules and their tables. Pure. */

/** Who copies what a policy asks for, and lets copies go. */
export const OFFSITE = 'offsite';

export const stateOfLook = (problem: ErrorSummary | null): OffsiteState =>
  problem === null ? 'here' : problem.code === 'OFFSITE_OFFLINE' ? 'offline' : 'unreachable';

/** The columns of an off-site repository after a look. */
export const looked = (
  row: OffsiteRepositoryRow,
  problem: ErrorSummary | null,
  now: Date,
): Pick<OffsiteRepositoryRow, 'state' | 'seenAt' | 'lookedAt' | 'askedSince' | 'problem'> => ({
  state: stateOfLook(problem),
  seenAt: problem === null ? now : row.seenAt,
  lookedAt: now,
  askedSince: problem === null ? null : row.askedSince,
  problem: problem === null ? null : { code: problem.code, message: storableText(problem.message) },
});

export const offsiteView = (row: OffsiteRepositoryRow, copies: readonly OffsiteCopyRow[]): OffsiteRepositoryView => {
  const whole = copies.filter(({ offsite, state }) => offsite === row.name && state === 'copied');
  return {
    name: row.name,
    location: row.location,
    media: row.media,
    state: row.state,
    seenAt: iso(row.seenAt),
    lookedAt: iso(row.lookedAt),
    askedForSince: iso(row.askedSince),
    problem: row.problem,
    copies: whole.length,
    bytes: whole.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0),
    damaged: copies.filter((copy) => copy.offsite === row.name && isDamagedCopy(copy)).length,
  };
};

export const copyView = (row: OffsiteCopyRow): RecoveryPointCopy => ({
  offsite: row.offsite,
  state: row.state,
  copiedAt: iso(row.copiedAt),
  sizeBytes: row.sizeBytes,
  verifiedAt: iso(row.verifiedAt),
  problem: row.problem,
  nextAttemptAt: iso(row.nextAttemptAt),
});

export const withCopies = (row: RecoveryPointRow, copies: readonly OffsiteCopyRow[]): RecoveryPointView => ({
  ...recoveryPointView(row),
  copies: copies.filter(({ recoveryPointId }) => recoveryPointId === row.id).map(copyView),
});

/** Of one that nobody has tried to make yet. */
export const newCopy = (recoveryPointId: string, offsite: string): OffsiteCopyRow => ({
  recoveryPointId,
  offsite,
  state: 'waiting',
  attempts: 0,
  nextAttemptAt: null,
  copiedAt: null,
  sizeBytes: null,
  snapshotIds: [],
  verifiedAt: null,
  deletedAt: null,
  removedAt: null,
  problem: null,
});

export const copyBegun = (known: OffsiteCopyRow | null, recoveryPointId: string, offsite: string): OffsiteCopyRow => ({
  ...(known ?? newCopy(recoveryPointId, offsite)),
  state: 'copying',
  deletedAt: null,
  removedAt: null,
  nextAttemptAt: null,
});

export const copyMade = (row: OffsiteCopyRow, { snapshotIds, copiedAt, sizeBytes }: MadeCopy): OffsiteCopyRow => ({
  ...row,
  state: 'copied',
  attempts: 0,
  nextAttemptAt: null,
  copiedAt: new Date(copiedAt),
  sizeBytes,
  snapshotIds,
  verifiedAt: null,
  deletedAt: null,
  removedAt: null,
  problem: null,
});

/** What becomes of one whose transfer has ended before it was whole. */
export const copyStopped = (row: OffsiteCopyRow, error: ErrorSummary | null, now: Date): OffsiteCopyRow => ({
  ...row,
  ...afterStop(row, error === null ? null : { code: error.code, message: storableText(error.message) }, now),
});

export const copyDamaged = (row: OffsiteCopyRow, why: { readonly code: string; readonly message: string }): OffsiteCopyRow => ({
  ...row,
  state: 'damaged',
  verifiedAt: null,
  problem: { code: why.code, message: storableText(why.message) },
});

/** What a transfer is made of that somebody, or a policy, asks for. */
export interface WantedTransfer {
  readonly kind: TransferKind;
  readonly offsite: string;
  readonly serverId: string | null;
  readonly recoveryPointId: string | null;
  readonly points: readonly string[];
  readonly hypervisor: string;
  /** Checking: those before it that were carried out, and in how many days all bytes are read. */
  readonly check?: { readonly readBefore: number; readonly everyDays: number };
}

export function newTransfer(wanted: WantedTransfer, asked: { readonly actor: string; readonly reason: string }, now: Date): OffsiteTransferRow {
  const { check, kind, offsite, serverId, recoveryPointId, points, hypervisor } = wanted;
  const part = check === undefined ? null : partToRead(check.readBefore, check.everyDays);
  return {
    id: newId('trf', now.getTime()),
    kind,
    offsite,
    serverId,
    recoveryPointId,
    points,
    hypervisor,
    part: part?.number ?? null,
    parts: part?.of ?? null,
    ...askedFor({ requestedBy: asked.actor, reason: asked.reason }, now),
  };
}

export const transferView = (row: OffsiteTransferRow, serverName: string | null): TransferView => ({
  id: row.id,
  kind: row.kind,
  offsite: row.offsite,
  serverId: row.serverId,
  serverName,
  recoveryPointId: row.recoveryPointId,
  state: row.state,
  ...queuedWorkView(row),
});

export const transferInput = (row: OffsiteTransferRow, find: (id: string) => RecoveryPointRow | undefined): TransferInput => ({
  transferId: row.id,
  kind: row.kind,
  offsite: row.offsite,
  hypervisor: row.hypervisor,
  serverId: row.serverId,
  points: row.points.flatMap((id) => {
    const point = find(id);
    return point === undefined ? [] : [transferPoint(point)];
  }),
  part: row.part === null || row.parts === null ? null : { number: row.part, of: row.parts },
});

const transferPoint = ({ id, serverId, kind, repository, sizeBytes, state, damageOrigin }: RecoveryPointRow): TransferPoint => ({
  recoveryPointId: id,
  serverId,
  kind,
  repository,
  sizeBytes,
  // One that is damaged only because of what it builds on may be whole itself.
  isLost: state === 'deleted' || (state === 'damaged' && damageOrigin === null),
});

export const storedTransferOutcome = ({ state, error }: TransferOutcome): Pick<OffsiteTransferRow, 'state' | 'error'> => ({
  state,
  error: error === null ? null : storableError(error),
});

export const transferDetails = ({ id, kind, offsite, recoveryPointId, points }: OffsiteTransferRow): Readonly<Record<string, unknown>> => ({
  transferId: id,
  kind,
  offsite,
  ...(recoveryPointId === null ? {} : { recoveryPointId }),
  ...(points.length > 1 ? { recoveryPoints: points.length } : {}),
});

/** How a transfer ends that was cancelled before it began. */
export const transferCancelledBefore = (actor: string, reason: string): TransferOutcome => ({
  state: 'cancelled',
  error: new ModosuError('RUN_CANCELLED', `Cancelled by ${storableText(actor, 256)} before it began: ${storableText(reason)}`).summary(),
});

/** Why no rule lets a recovery point go that an open transfer moves. */
export const transferUses = (open: readonly Pick<OffsiteTransferRow, 'id' | 'kind' | 'offsite' | 'points'>[]): ReadonlyMap<string, string> =>
  new Map(
    open
      .filter(({ kind }) => kind !== 'forget')
      .flatMap(({ id, kind, offsite, points }) =>
        points.map((point) => [point, kind === 'copy' ? `transfer ${id} copies it to ${offsite}` : `transfer ${id} fetches it from ${offsite}`] as const),
      ),
  );

/** Recovery points of a server as the rules of copies see them, in the off-site repository that its policy names. */
export function offsitePoints(
  rows: readonly RetentionColumns[],
  copies: readonly OffsiteCopyRow[],
  offsite: string,
  uses: ReadonlyMap<string, string> = new Map(),
): readonly OffsitePoint[] {
  const copyOf = new Map(copies.filter((copy) => copy.offsite === offsite).map((copy) => [copy.recoveryPointId, copy]));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return rows
    .filter((row) => row.state !== 'deleted' || copyOf.has(row.id))
    .map((row) => ({
      ...retentionPoint(row, uses, new Map(), (id) => byId.get(id)),
      state: row.state,
      publishedAt: row.publishedAt,
      copy: copyOf.get(row.id) ?? null,
    }));
}

/** What is still to be copied is in use by that, where nothing else uses it. */
export function keptForCopy(
  known: readonly KnownToRetention[],
  points: readonly OffsitePoint[],
  policy: { readonly offsite: OffsitePolicy | null; readonly timeZone: string } | null,
  now: Date,
): readonly KnownToRetention[] {
  if (policy === null || policy.offsite === null) return known;
  const { offsite, timeZone } = policy;
  const waits = waitsForCopy(points, { offsite, timeZone, now });
  return known.map((point) => (point.inUseBy === null && waits.has(point.id) ? { ...point, inUseBy: `it is not copied to ${offsite.repository} yet` } : point));
}

export const transferNotFound = (id: string): ModosuError =>
  new ModosuError('TRANSFER_NOT_FOUND', `There is no transfer ${quoted(id)} in the catalogue.`, { context: { transferId: id.slice(0, 128) } });

export const transferFinished = ({ id, state }: Pick<OffsiteTransferRow, 'id' | 'state'>): ModosuError =>
  new ModosuError('TRANSFER_FINISHED', `Transfer ${id} has ended (${state}). Nothing was changed.`, { context: { transferId: id } });
