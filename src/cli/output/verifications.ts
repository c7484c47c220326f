import { formatDuration } from '../../contracts/format';
import type { BootResult, RecoveryPointBoot, RecoveryPointVerification, VerificationView } from '../../contracts/verification';
import { errorFields, progressOf, requestFields } from './queued-work';
import { fields, table, utc } from './text';

export const verificationTable = (verifications: readonly VerificationView[]): string =>
  table(
    ['ID', 'SERVER', 'WHAT', 'HOW', 'STATE', 'REQUESTED', 'BY', 'RESULT'],
    verifications.map((one) => [one.id, one.serverName, whatIsRead(one), one.method, one.state, utc(one.requestedAt), one.requestedBy, resultOf(one)]),
  );

export function verificationText(one: VerificationView): string {
  const { boot } = one;
  const progress = progressOf(one);
  const card = fields(
    [
      ['server', `${one.serverName} (${one.serverId})`],
      ['what', whatIsRead(one)],
      ['how', one.method],
      ['state', one.state],
      ...requestFields(one),
      ...(progress === null ? [] : [['read', progress] as const]),
      ...(boot === null ? [] : bootFields(boot)),
      ...errorFields(one),
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
