import { storableText } from '../audit/storable';
import { ModosuError } from '../contracts/errors';
import { newId } from '../contracts/ids';
import { quoted } from '../contracts/text';
import type { VerificationInput, VerificationOutcome, VerificationView } from '../contracts/verification';
import { bootPlace, DATA_PLACE, imagePlace } from '../domain/verification/turns';
import { partToRead } from '../domain/verification/verification';
import type { ServerRecord } from './catalog';
import type { RecoveryPointRow, VerificationRow } from './entities';
import { askedFor, queuedWorkView } from './queued-work';
import { storableError } from './storable-error';
import { imageView } from './views';

/** Verifications between the rules and their table. Pure. */

export const dataSubject = (serverId: string): string => `data of ${serverId}`;

/** All boots of one image. */
const bootSubject = (recoveryPointId: string): string => `boot of ${recoveryPointId}`;

type Asked = Pick<VerificationRow, 'requestedBy' | 'reason'>;

/** Of one recovery point: all its bytes are read. Throws `RECOVERY_POINT_NOT_USABLE` for one that has expired. */
export const ofRecoveryPoint = ({ id, serverId, kind, repository, state }: RecoveryPointRow, asked: Asked, now: Date): VerificationRow => {
  if (state === 'expired' || state === 'deleted') {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${id} is ${state}: no rule keeps it.`, {
      hint: `What has only expired is had back by a hold: \`modosu recovery-point hold ${id} --reason TEXT\`.`,
      context: { recoveryPointId: id },
    });
  }
  const place = kind === 'image' ? imagePlace(repository ?? '') : DATA_PLACE;
  return waiting({ serverId, kind, recoveryPointId: id, subject: id, place, method: 'checksums', part: null, parts: null }, asked, now);
};

/** An image is booted near its server. Throws `RECOVERY_POINT_NOT_USABLE` for one of data, or that is damaged. */
export function ofBoot(row: RecoveryPointRow, { hypervisor }: Pick<ServerRecord, 'hypervisor'>, ofNewest: boolean, asked: Asked, now: Date): VerificationRow {
  const { id, serverId, state } = row;
  const { kind } = imageView(row);
  if (state !== 'usable') {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${id} is ${state}: it is not booted.`, { context: { recoveryPointId: id } });
  }
  const what = { serverId, kind, recoveryPointId: id, subject: bootSubject(id), place: bootPlace(hypervisor), method: 'boot' } as const;
  return { ...waiting({ ...what, part: null, parts: null }, asked, now), ofNewest };
}

/** Of all data of a server: its structure, and a part of the bytes; `everyDays` 1: all of them. */
export const ofData = (serverId: string, readBefore: number, everyDays: number, asked: Asked, now: Date): VerificationRow => {
  const { number, of } = partToRead(readBefore, everyDays);
  const what = { serverId, kind: 'data', recoveryPointId: null, subject: dataSubject(serverId), place: DATA_PLACE, method: 'structure' } as const;
  return waiting({ ...what, part: number, parts: of }, asked, now);
};

const waiting = (
  what: Pick<VerificationRow, 'serverId' | 'kind' | 'recoveryPointId' | 'subject' | 'place' | 'method' | 'part' | 'parts'>,
  asked: Asked,
  now: Date,
): VerificationRow => ({
  id: newId('vrf', now.getTime()),
  ...what,
  ...askedFor(asked, now),
  boot: null,
  ofNewest: null,
});

export const verificationView = (row: VerificationRow, serverName: string): VerificationView => ({
  id: row.id,
  serverId: row.serverId,
  serverName,
  kind: row.kind,
  recoveryPointId: row.recoveryPointId,
  method: row.method,
  state: row.state,
  ...queuedWorkView(row),
  boot: row.boot,
});

/** @param last the last one of the same that has ended; null: there is none */
export const verificationInput = (
  { id, serverId, kind, method, recoveryPointId, part, parts }: VerificationRow,
  server: Pick<ServerRecord, 'name' | 'hypervisor' | 'agentTimeoutSeconds'>,
  repository: string | null,
  last: Pick<VerificationRow, 'state' | 'error'> | null,
): VerificationInput => ({
  verificationId: id,
  serverId,
  serverName: server.name,
  hypervisor: server.hypervisor,
  kind,
  method,
  recoveryPointId,
  repository,
  part: part === null || parts === null ? null : { number: part, of: parts },
  knownDamage: last?.state === 'failed' ? (last.error?.message ?? null) : null,
  agentTimeoutSeconds: server.agentTimeoutSeconds,
});

/** What the audit says of one that has ended. */
export const endedDetails = ({ id, recoveryPointId, method, part, parts }: VerificationRow, { state, error, boot }: VerificationOutcome) => ({
  verificationId: id,
  recoveryPointId,
  method,
  ...(part === null ? {} : { part: `${part} of ${parts}` }),
  state,
  ...(boot === undefined ? {} : { seconds: boot.seconds }),
  ...(error === null ? {} : { code: error.code, message: error.message }),
});

/** What ends a verification: nothing is said of one that passed, but what a boot has shown. */
export const storedOutcome = ({ state, error, boot }: VerificationOutcome): Pick<VerificationRow, 'state' | 'error' | 'boot'> => ({
  state,
  error: error === null ? null : storableError(error),
  boot: boot === undefined ? null : { ...boot, checks: boot.checks.map(({ name, evidence }) => ({ name, evidence: storableText(evidence) })) },
});

/** What a boot that was carried out says of its recovery point. */
export const bootColumns = ({ error, boot }: VerificationOutcome, at: Date): Pick<RecoveryPointRow, 'bootAt' | 'bootSeconds' | 'bootProblem'> => ({
  bootAt: at,
  bootSeconds: boot?.seconds ?? null,
  bootProblem: error === null ? null : { code: error.code, message: storableText(error.message) },
});

export const verificationNotFound = (id: string): ModosuError =>
  new ModosuError('VERIFICATION_NOT_FOUND', `There is no verification ${quoted(id)} in the catalogue.`, { context: { verificationId: id.slice(0, 128) } });

export const verificationFinished = ({ id, state }: Pick<VerificationRow, 'id' | 'state'>): ModosuError =>
  new ModosuError('VERIFICATION_FINISHED', `Verification ${id} has ended (${state}). Nothing was changed.`, { context: { verificationId: id } });

/** How one ends that was cancelled before it began. */
export const cancelledBefore = (actor: string, reason: string): VerificationOutcome => ({
  state: 'not-run',
  error: new ModosuError('RUN_CANCELLED', `Cancelled by ${storableText(actor, 256)} before it began: ${storableText(reason)}`).summary(),
});

export const WELL_AGAIN = 'all its bytes were read again, and are what was written';
