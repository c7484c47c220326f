import { formatBytes } from '../../contracts/format';
import type { OffsiteRepositoryView, RecoveryPointCopy, TransferView } from '../../contracts/offsite-copies';
import { errorFields, progressOf, requestFields } from './queued-work';
import { fields, table, utc } from './text';

export const offsiteTable = (repositories: readonly OffsiteRepositoryView[]): string =>
  table(
    ['NAME', 'LOCATION', 'MEDIA', 'STATE', 'LAST SEEN', 'ASKED FOR SINCE', 'COPIES', 'BYTES', 'PROBLEM'],
    repositories.map((one) => [
      one.name,
      one.location,
      one.media,
      one.state,
      one.seenAt === null ? 'never' : utc(one.seenAt),
      utc(one.askedForSince),
      one.damaged === 0 ? String(one.copies) : `${one.copies}, and ${one.damaged} damaged`,
      formatBytes(one.bytes),
      one.problem === null ? '-' : `${one.problem.code}: ${one.problem.message}`,
    ]),
  );

export const transferTable = (transfers: readonly TransferView[]): string =>
  table(
    ['ID', 'KIND', 'OFF-SITE', 'SERVER', 'RECOVERY POINT', 'STATE', 'REQUESTED', 'BY', 'RESULT'],
    transfers.map((one) => [
      one.id,
      one.kind,
      one.offsite,
      one.serverName ?? '-',
      one.recoveryPointId ?? '-',
      one.state,
      utc(one.requestedAt),
      one.requestedBy,
      resultOf(one),
    ]),
  );

const resultOf = (one: TransferView): string => {
  if (one.error !== null) return `${one.error.code}: ${one.error.message}`;
  if (one.state === 'waiting') return one.waitsFor ?? '-';
  return one.state === 'running' ? (progressOf(one) ?? '-') : '-';
};

export function transferText(one: TransferView): string {
  const progress = progressOf(one);
  const card = fields(
    [
      ['kind', one.kind],
      ['off-site', one.offsite],
      ...(one.serverName === null ? [] : [['server', `${one.serverName} (${one.serverId ?? ''})`] as const]),
      ...(one.recoveryPointId === null ? [] : [['recovery point', one.recoveryPointId] as const]),
      ['state', one.state],
      ...requestFields(one),
      ...(progress === null ? [] : [['moved', progress] as const]),
      ...errorFields(one),
    ],
    '  ',
  );
  return `Transfer ${one.id}\n${card}`;
}

/** Copies that count, in a column: `vault`, `disk (waiting)`. */
export const copiesShort = (copies: readonly RecoveryPointCopy[]): string => {
  const shown = copies.filter(({ state }) => state !== 'deleted').map(({ offsite, state }) => (state === 'copied' ? offsite : `${offsite} (${state})`));
  return shown.length === 0 ? '-' : shown.join(', ');
};

/** A line each, for a card. */
export const copyLines = (copies: readonly RecoveryPointCopy[]): string | readonly string[] =>
  copies.length === 0 ? 'none: on site only' : copies.map(copyLine);

function copyLine({ offsite, state, copiedAt, sizeBytes, verifiedAt, problem, nextAttemptAt }: RecoveryPointCopy): string {
  const made = copiedAt === null ? '' : `, copied at ${utc(copiedAt)}${sizeBytes === null ? '' : `, ${formatBytes(sizeBytes)}`}`;
  const checked = verifiedAt === null ? '' : `, checked at ${utc(verifiedAt)}`;
  const why = problem === null ? '' : ` (${problem.code}: ${problem.message})`;
  const again = nextAttemptAt === null ? '' : `, tried again after ${utc(nextAttemptAt)}`;
  return `${offsite}: ${state}${made}${checked}${why}${again}`;
}
