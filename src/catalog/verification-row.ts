import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import { quoted } from '../contracts/text';
import type { VerificationInput, VerificationOutcome, VerificationView } from '../contracts/verification';
import { AGAIN_AFTER_MS, partToRead } from '../domain/verification/verification';
import type { ServerRecord } from './catalog';
import type { RecoveryPointRow, RunRow, VerificationRow } from './entities';
import { storableError } from './storable-error';

/** Verifications between the rules and their table. Pure. */

export const dataSubject = (serverId: string): string => `data of ${serverId}`;

type Asked = Pick<VerificationRow, 'requestedBy' | 'reason'>;

/** Of one recovery point: all its bytes are read. */
export const ofRecoveryPoint = ({ id, serverId, kind }: RecoveryPointRow, asked: Asked, now: Date): VerificationRow =>
  waiting({ serverId, kind, recoveryPointId: id, subject: id, method: 'checksums', part: null, parts: null }, asked, now);

/** Of all data of a server: its structure, and a part of the bytes. */
export const ofData = (serverId: string, passedBefore: number, everyDays: number, asked: Asked, now: Date): VerificationRow => {
  const { number, of } = partToRead(passedBefore, everyDays);
  return waiting({ serverId, kind: 'data', recoveryPointId: null, subject: dataSubject(serverId), method: 'structure', part: number, parts: of }, asked, now);
};

const waiting = (
  what: Pick<VerificationRow, 'serverId' | 'kind' | 'recoveryPointId' | 'subject' | 'method' | 'part' | 'parts'>,
  { requestedBy, reason }: Asked,
  now: Date,
): VerificationRow => ({
  id: newId('vrf', now.getTime()),
  ...what,
  state: 'waiting',
  waitsFor: null,
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

export const verificationInput = (
  { id, serverId, kind, recoveryPointId, part, parts }: VerificationRow,
  server: Pick<ServerRecord, 'name' | 'hypervisor'>,
  repository: string | null,
): VerificationInput => ({
  verificationId: id,
  serverId,
  serverName: server.name,
  hypervisor: server.hypervisor,
  kind,
  recoveryPointId,
  repository,
  part: part === null || parts === null ? null : { number: part, of: parts },
});

/** Which place is read: two at once would only make each other slow. */
export const placeOf = (kind: VerificationRow['kind'], repository: string | null): string => (kind === 'image' ? `repository ${repository ?? ''}` : 'data');

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

/** Why nothing new begins; null: it may. A restore has the repositories to itself. */
export function whyNoneBegins(openRuns: readonly Pick<RunRow, 'id' | 'kind'>[]): string | null {
  const restore = openRuns.find(({ kind }) => kind === 'restore-server' || kind === 'restore-data' || kind === 'undo');
  return restore === undefined ? null : `run ${restore.id} restores`;
}

/** Data of a server is read once a day; sooner again where that could not be carried out. */
export function isDataDue(last: Pick<VerificationRow, 'state' | 'finishedAt'> | null, now: Date): boolean {
  if (last === null || last.finishedAt === null) return true;
  const ageMs = now.getTime() - last.finishedAt.getTime();
  // A little less than a day: it must not come later each day.
  return ageMs < 0 || ageMs >= (last.state === 'not-run' ? AGAIN_AFTER_MS : 23 * 3_600_000);
}

export const verificationNotFound = (id: string): ModosuError =>
  new ModosuError('VERIFICATION_NOT_FOUND', `There is no verification ${quoted(id)} in the catalogue.`, { context: { verificationId: id.slice(0, 128) } });
