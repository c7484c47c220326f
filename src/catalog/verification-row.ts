import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import { quoted } from '../contracts/text';
import type { VerificationInput, VerificationOutcome, VerificationView } from '../contracts/verification';
import { isAway, partToRead } from '../domain/verification/verification';
import type { ServerRecord } from './catalog';
import type { RecoveryPointRow, RunRow, VerificationRow } from './entities';
import { storableError } from './storable-error';

/** Verifications between the rules and their table. Pure. */

export const dataSubject = (serverId: string): string => `data of ${serverId}`;

/** Where images of a repository lie, and where all data does. */
export const imagePlace = (repository: string): string => `repository ${repository}`;
export const DATA_PLACE = 'data';
/** More at once would only make each other slow; of data two, so that a server whose reading takes days keeps nobody waiting. */
const roomOf = (place: string): number => (place === DATA_PLACE ? 2 : 1);

type Asked = Pick<VerificationRow, 'requestedBy' | 'reason'>;

/** Of one recovery point: all its bytes are read. */
export const ofRecoveryPoint = ({ id, serverId, kind, repository }: RecoveryPointRow, asked: Asked, now: Date): VerificationRow => {
  const place = kind === 'image' ? imagePlace(repository ?? '') : DATA_PLACE;
  return waiting({ serverId, kind, recoveryPointId: id, subject: id, place, method: 'checksums', part: null, parts: null }, asked, now);
};

/** Of all data of a server: its structure, and a part of the bytes; `everyDays` 1: all of them. */
export const ofData = (serverId: string, readBefore: number, everyDays: number, asked: Asked, now: Date): VerificationRow => {
  const { number, of } = partToRead(readBefore, everyDays);
  const what = { serverId, kind: 'data', recoveryPointId: null, subject: dataSubject(serverId), place: DATA_PLACE, method: 'structure' } as const;
  return waiting({ ...what, part: number, parts: of }, asked, now);
};

const waiting = (
  what: Pick<VerificationRow, 'serverId' | 'kind' | 'recoveryPointId' | 'subject' | 'place' | 'method' | 'part' | 'parts'>,
  { requestedBy, reason }: Asked,
  now: Date,
): VerificationRow => ({
  id: newId('vrf', now.getTime()),
  ...what,
  state: 'waiting',
  waitsFor: null,
  cancelRequested: false,
  requestedBy: storableText(requestedBy, 256),
  reason: storableText(reason),
  requestedAt: now,
  startedAt: null,
  finishedAt: null,
  doneBytes: null,
  totalBytes: null,
  error: null,
});

export const verificationView = (row: VerificationRow, serverName: string): VerificationView => ({
  id: row.id,
  serverId: row.serverId,
  serverName,
  kind: row.kind,
  recoveryPointId: row.recoveryPointId,
  method: row.method,
  state: row.state,
  waitsFor: row.waitsFor,
  requestedBy: row.requestedBy,
  reason: row.reason,
  requestedAt: row.requestedAt.toISOString(),
  startedAt: row.startedAt?.toISOString() ?? null,
  finishedAt: row.finishedAt?.toISOString() ?? null,
  doneBytes: row.doneBytes,
  totalBytes: row.totalBytes,
  error: row.error,
});

/** @param last the last one of the same that has ended; null: there is none */
export const verificationInput = (
  { id, serverId, kind, recoveryPointId, part, parts }: VerificationRow,
  server: Pick<ServerRecord, 'name' | 'hypervisor'>,
  repository: string | null,
  last: Pick<VerificationRow, 'state' | 'error'> | null,
): VerificationInput => ({
  verificationId: id,
  serverId,
  serverName: server.name,
  hypervisor: server.hypervisor,
  kind,
  recoveryPointId,
  repository,
  part: part === null || parts === null ? null : { number: part, of: parts },
  knownDamage: last?.state === 'failed' ? (last.error?.message ?? null) : null,
});

/** What the audit says of one that has ended. */
export const endedDetails = ({ id, recoveryPointId, method, part, parts }: VerificationRow, { state, error }: VerificationOutcome) => ({
  verificationId: id,
  recoveryPointId,
  method,
  ...(part === null ? {} : { part: `${part} of ${parts}` }),
  state,
  ...(error === null ? {} : { code: error.code, message: error.message }),
});

/** What ends a verification: nothing is said of one that passed. */
export const storedOutcome = ({ state, error }: VerificationOutcome): Pick<VerificationRow, 'state' | 'error'> => ({
  state,
  error: error === null ? null : storableError(error),
});

/**
 * Places that are a restore's alone, and why. One that waits for somebody's word reads nothing, and may wait for days.
 *
 * @param openRuns that have not ended
 * @param repositoryOf of an image; null for data
 */
export function placesOfRestores(
  openRuns: readonly Pick<RunRow, 'id' | 'kind' | 'waitingFor' | 'recoveryPointId'>[],
  repositoryOf: (recoveryPointId: string) => string | null,
): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const { id, kind, waitingFor, recoveryPointId } of openRuns) {
    if ((kind !== 'restore-server' && kind !== 'restore-data') || waitingFor !== null) continue;
    const repository = recoveryPointId === null ? null : repositoryOf(recoveryPointId);
    // Data comes after the image.
    for (const place of [DATA_PLACE, ...(repository === null ? [] : [imagePlace(repository)])]) places.set(place, `run ${id} restores`);
  }
  return places;
}

export interface Turn {
  /** Whose turn it is; null: nobody's. */
  readonly begin: VerificationRow | null;
  /** Why the others wait, by id. */
  readonly waitsFor: ReadonlyMap<string, string>;
  /** Places where nothing may begin now. */
  readonly taken: ReadonlySet<string>;
}

/** @param asked those that wait, in their order */
export function nextTurn(asked: readonly VerificationRow[], running: readonly VerificationRow[], restores: ReadonlyMap<string, string>): Turn {
  const why = (place: string): string | null => {
    const readers = running.filter((row) => row.place === place);
    const isFull = readers.length >= roomOf(place);
    return restores.get(place) ?? (isFull ? `verification ${readers[0]?.id ?? ''} reads the same repository` : null);
  };
  const places = new Set([...running.map(({ place }) => place), ...restores.keys()]);
  return {
    begin: asked.find(({ place }) => why(place) === null) ?? null,
    waitsFor: new Map(asked.flatMap(({ id, place }) => (why(place) === null ? [] : [[id, why(place) ?? '']]))),
    taken: new Set([...places].filter((place) => why(place) !== null)),
  };
}

/** Places that the last look has found away: policies leave them alone for a while. In the order in which they have ended, or in none. */
export function placesFoundAway(ended: readonly VerificationRow[]): readonly string[] {
  const last = new Map<string, VerificationRow>();
  for (const row of [...ended].sort((a, b) => (a.finishedAt?.getTime() ?? 0) - (b.finishedAt?.getTime() ?? 0))) last.set(row.place, row);
  return [...last.values()].filter(({ state, error }) => state === 'not-run' && error !== null && isAway(error)).map(({ place }) => place);
}

export const verificationNotFound = (id: string): ModosuError =>
  new ModosuError('VERIFICATION_NOT_FOUND', `There is no verification ${quoted(id)} in the catalogue.`, { context: { verificationId: id.slice(0, 128) } });

export const verificationFinished = ({ id, state }: Pick<VerificationRow, 'id' | 'state'>): ModosuError =>
  new ModosuError('VERIFICATION_FINISHED', `Verification ${id} has ended (${state}). Nothing was changed.`, { context: { verificationId: id } });

/** How one ends that was cancelled before it began. */
export const cancelledBefore = (actor: string, reason: string): VerificationOutcome => ({
  state: 'not-run',
  error: new ModosuError('RUN_CANCELLED', `Cancelled by ${storableText(actor, 256)} before it began: ${storableText(reason)}`).summary(),
});

/** What a verdict says about a recovery point that was found damaged meanwhile, by somebody else who has read it: nothing. */
export const isOutdated = (point: Pick<RecoveryPointRow, 'state' | 'checkedAt'>, { startedAt }: Pick<VerificationRow, 'startedAt'>): boolean =>
  point.state === 'damaged' && point.checkedAt !== null && startedAt !== null && point.checkedAt > startedAt;

export const WELL_AGAIN = 'all its bytes were read again, and are what was written';
