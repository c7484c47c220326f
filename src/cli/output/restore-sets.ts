import type { FindingSeverity, RestorePlanView } from '../../contracts/plan';
import type { RestoreSetMember, RestoreSetView, SetBasis } from '../../contracts/restore-set';
import { isFinal } from '../../contracts/run';
import { findingsText, section } from './plan-parts';
import type { Printer } from './printer';
import { fields, plain, table, utc } from './text';

export const restoreSetTable = (sets: readonly RestoreSetView[]): string =>
  table(
    ['ID', 'STATE', 'SERVERS', 'REQUESTED', 'BY', 'REASON'],
    sets.map(({ id, state, members, requestedAt, requestedBy, run }) => [
      id,
      state,
      members.map(({ serverName }) => serverName).join(', '),
      utc(requestedAt),
      requestedBy,
      run?.reason ?? '-',
    ]),
  );

/** One set on one screen: how it stands, its servers in the order in which they go live, how their recovery points were chosen, what to type next. */
export function restoreSetText(set: RestoreSetView, plans: readonly RestorePlanView[], printer: Printer): string {
  const card = fields(
    [
      ['state', `${set.state}${STATES[set.state]}`],
      ...(set.problem === null ? [] : [['problem', set.problem] as const]),
      ['agreement', BASES[set.basis]],
      ['planned', `${utc(set.requestedAt)} by ${set.requestedBy}`],
      ...(set.run === null ? [] : [['carried out', `${utc(set.run.at)} by ${set.run.by}: ${set.run.reason}`] as const]),
      ['ended', utc(set.finishedAt)],
    ],
    '  ',
  );
  const members = table(
    ['SERVER', 'RECOVERY POINT', 'POINT IN TIME', 'PLAN', 'RUN', 'STATE'],
    set.members.map((member) => [
      member.serverName,
      member.recoveryPointId ?? '-',
      member.pointInTime ?? '-',
      member.planId ?? '-',
      member.runId ?? '-',
      memberState(member),
    ]),
  );
  const problems = set.members.flatMap(({ serverName, error }) => (error === null ? [] : [`  ${plain(serverName)}: ${error.code}: ${plain(error.message)}`]));
  const findings = plans.flatMap(({ serverName, body }) =>
    body === null
      ? []
      : [
          section(
            `Findings of ${plain(serverName)}`,
            findingsText(
              body.findings.filter(({ severity }) => severity !== 'ok'),
              printer,
            ),
          ),
        ],
  );
  return [
    `Restore set ${set.id}\n${card}`,
    [section('Servers, in the order in which they go live', members), ...problems].join('\n'),
    section('How the recovery points were chosen', set.choice.map((line) => `  - ${plain(line)}`).join('\n')),
    ...findings,
    section('Next', nextLines(set, plans, printer).join('\n')),
  ].join('\n\n');
}

function memberState({ recoveryPointId, planState, runState, waitingFor, isLive }: RestoreSetMember): string {
  if (recoveryPointId === null) return 'made anew from the first server';
  if (runState === null) return `plan ${planState ?? '-'}`;
  if (isFinal(runState)) return isLive && runState !== 'succeeded' ? `${runState}, live` : runState;
  return waitingFor === null ? (isLive ? 'live' : runState) : `waits: ${waitingFor}`;
}

/** People have to do something before it goes on. */
export const setWaitsForPerson = ({ state, members }: RestoreSetView): boolean =>
  members.some(({ waitingFor }) => waitingFor !== null && (waitingFor !== 'go-live' || state === 'stopped'));

/** What people are told while they wait: one line that changes when something has. */
export const restoreSetProgress = ({ members }: RestoreSetView): string =>
  members.map((member) => `${plain(member.serverName)} ${memberState(member)}`).join(', ');

function nextLines(set: RestoreSetView, plans: readonly RestorePlanView[], printer: Printer): readonly string[] {
  const reads = plans.map(({ id }) => `  read the plan: modosu restore show ${id}`);
  switch (set.state) {
    case 'planning':
      return [`  modosu restore-set show ${set.id}, when its plans are made`];
    case 'planned':
      return [...reads, ...runLines(set, plans, printer)];
    case 'running':
    case 'stopped':
      return [
        ...set.members.flatMap(({ serverName, waitingFor, runId }) =>
          waitingFor === null || runId === null || (waitingFor === 'go-live' && set.state === 'running')
            ? []
            : [`  ${plain(serverName)} waits for you: modosu run show ${runId}`],
        ),
        ...(set.state === 'running' && !set.members.some(({ isLive }) => isLive)
          ? ['  To put everything back, cancel one of the runs: the others follow, as long as nothing is live.']
          : [`  Undo what is live with \`modosu run undo RUN\`, each by itself, the last one first.`]),
      ];
    case 'succeeded':
      return ['  Look at the servers. Each keeps its own way back: `modosu way-back list`.'];
    case 'failed':
      return ['  Mend the cause and plan a new set.'];
  }
}

function runLines(set: RestoreSetView, plans: readonly RestorePlanView[], printer: Printer): readonly string[] {
  const found = plans.flatMap(({ body }) => body?.findings ?? []);
  const of = (wanted: FindingSeverity) => found.filter(({ severity }) => severity === wanted);
  const fixed = of('block').filter(({ relation }) => relation === undefined);
  if (fixed.length > 0) return ['  This set cannot run: remove the causes of what BLOCKS and plan again.'];
  const names = set.members.flatMap(({ recoveryPointId, serverName }) => (recoveryPointId === null ? [] : [`--confirm ${plain(serverName)}`]));
  const acknowledge = of('unknown').length === 0 ? '' : ' --acknowledge-unknown';
  const command = `modosu restore run-set ${set.id} --reason "WHY" ${names.join(' ')}${acknowledge} --wait`;
  const codes = [...new Set(of('block').map(({ code }) => code))];
  return [
    ...(acknowledge === '' ? [] : ['  Something about it is not known. Find it out by hand before you acknowledge that.']),
    ...(codes.length === 0
      ? [printer.paint('bold', `  ${command}`)]
      : [`  Who knows better overrides what blocks: ${command} ${codes.map((code) => `--override ${code}`).join(' ')} --override-reason "WHY"`]),
  ];
}

const STATES = {
  planning: ': its plans are being made',
  planned: '',
  running: ': every server is stopped and replaced before the first goes live',
  stopped: ': one has failed after another was live',
  succeeded: ': all are live',
  failed: '',
} as const;

const BASES: Readonly<Record<SetBasis, string>> = {
  freeze: 'the images are of one backup set, frozen together; that nothing came in between is not proven by what was read',
  readings: 'what was read of each server before and after its point in time agrees with the others',
  reseed: 'no recovery points agree: the first server is restored, the others are made anew from it',
  unrelated: 'nothing that is judged is declared between them',
};
