import { formatBytes, formatDuration } from '../../contracts/format';
import type { BootResult, RecoveryPointBoot, RecoveryPointVerification, VerificationView } from '../../contracts/verification';
import { fields, table, utc } from './text';

export const verificationTable = (verifications: readonly VerificationView[]): string =>
  table(
    ['ID', 'SERVER', 'WHAT', 'HOW', 'STATE', 'REQUESTED', 'BY', 'RESULT'],
    verifications.map((one) => [one.id, one.serverName, whatIsRead(one), one.method, one.state, utc(one.requestedAt), one.requestedBy, resultOf(one)]),
  );

export function verificationText(one: VerificationView): string {
  const { startedAt, finishedAt, error, boot } = one;
  const card = fields(
    [
      ['server', `${one.serverName} (${one.serverId})`],
      ['what', whatIsRead(one)],
      ['how', one.method],
      ['state', one.state],
      ...(one.waitsFor === null ? [] : [['waits for', one.waitsFor] as const]),
      ['requested', `${utc(one.requestedAt)} by ${one.requestedBy}`],
      ['reason', one.reason],
      ['started', utc(startedAt)],
      ['finished', utc(finishedAt)],
      ...(startedAt === null || finishedAt === null ? [] : [['took', formatDuration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)] as const]),
      ...(progressOf(one) === null ? [] : [['read', progressOf(one) ?? ''] as const]),
      ...(boot === null ? [] : bootFields(boot)),
      ...(error === null ? [] : [['why', `${error.code}: ${error.message}`] as const, ['next', error.hint] as const]),
    ],
    '  ',
  );
  return `Verification ${one.id}\n${card}`;
}

const bootFields = ({ seconds, checks, notMade }: BootResult): readonly (readonly [string, string])[] => [
  ['came up in', formatDuration(seconds)],
  ...checks.map(({ name, evidence }) => [`check ${name}`, evidence] as const),
  ...(notMade.length === 0 ? [] : [['not checked', `${notMade.join(', ')}: not possible without a network`] as const]),
];

/** Null: nobody says. */
export const progressOf = ({ doneBytes, totalBytes }: Pick<VerificationView, 'doneBytes' | 'totalBytes'>): string | null =>
  doneBytes === null || totalBytes === null ? null : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;

/** One line of a recovery point's card. */
export function verifiedText({ state, method, at, problem }: RecoveryPointVerification): string {
  const passed = at === null ? '' : ` at ${utc(at)} by ${method ?? ''}`;
  const why = problem === null ? '' : ` (${problem.at === null ? '' : `${utc(problem.at)}: `}${problem.code}: ${problem.message})`;
  return state === 'verified' ? `verified${passed}${why}` : `${state}${passed === '' ? '' : `, last passed${passed}`}${why}`;
}

/** The line of a card about its boots. */
export function bootedText(boot: RecoveryPointBoot | null): string {
  if (boot === null) return 'never';
  const { state, at, seconds, problem } = boot;
  if (state === 'passed') return `came up in ${formatDuration(seconds ?? 0)} at ${utc(at)}`;
  return `DID NOT COME UP at ${utc(at)} (${problem?.code ?? ''}: ${problem?.message ?? ''})`;
}

const whatIsRead = ({ kind, recoveryPointId }: VerificationView): string => (recoveryPointId === null ? 'all data' : `${kind} ${recoveryPointId}`);

const resultOf = ({ state, waitsFor, error, ...one }: VerificationView): string => {
  if (error !== null) return `${error.code}: ${error.message}`;
  if (one.boot !== null) return `came up in ${formatDuration(one.boot.seconds)}`;
  if (state === 'waiting') return waitsFor ?? '-';
  return state === 'running' ? (progressOf(one) ?? '-') : '-';
};
