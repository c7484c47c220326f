import { formatBytes, formatDuration } from '../../contracts/format';
import type { ErrorSummary } from '../../contracts/errors';
import { isFinal, type DecisionKind, type RunAction, type RunState, type RunStepView, type RunView } from '../../contracts/run';
import type { Printer } from './printer';
import { progressText } from './progress';
import { retryingText } from './retrying';
import { inOrderOfTheirBeginning } from './step-order';
import { fields, plain, table, utc } from './text';
import { wayBackText } from './way-backs';

/** A decision that is still open; one that was made and is about to be heard is not waited for. */
export const waitsForPerson = (run: RunView): boolean => run.waitingFor !== null && run.allowedActions.includes(actionFor(run.waitingFor));

const actionFor = (kind: DecisionKind): RunAction => (kind === 'sign-off-live' ? 'sign-off' : kind);

export const runTable = (runs: readonly RunView[]): string =>
  table(
    ['ID', 'KIND', 'SERVER', 'STATE', 'REQUESTED', 'BY', 'REASON'],
    runs.map((run) => [
      run.id,
      run.kind,
      run.serverName,
      waitsForPerson(run) ? `waits: ${run.waitingFor ?? ''}` : run.state,
      utc(run.requestedAt),
      run.requestedBy,
      run.reason,
    ]),
  );

/** One run on one screen: the state in words and the clock, what goes on now, the steps, what to type next. */
export function runText(run: RunView, printer: Printer, now: Date): string {
  const parts = [
    `Run ${run.id}`,
    fields(
      [
        ['state', `${stateWords(run)}`],
        ['kind', run.kind],
        ['server', `${run.serverName} (${run.serverId})`],
        ['reason', run.reason],
        ['requested', `${utc(run.requestedAt)} by ${run.requestedBy}`],
        ['started', utc(run.startedAt)],
        ['ended', utc(run.finishedAt)],
        ['elapsed', elapsed(run, now)],
        ...(run.recoverySeconds === null
          ? []
          : [['recovery time', `${formatDuration(run.recoverySeconds)}, measured from the request until it was back`] as const]),
        ...(run.lostSeconds === null ? [] : [['lost', `${formatDuration(run.lostSeconds)}, from the point in time to the incident`] as const]),
        ...(run.planId === null ? [] : [['plan', run.planId] as const]),
        ...(run.recoveryPointId === null ? [] : [['recovery point', run.recoveryPointId] as const]),
        ...(run.setId === null ? [] : [['backup set', run.setId] as const]),
      ],
      '  ',
    ),
    stepsText(run, printer, now),
    ...(run.wayBack === null ? [] : [wayBackText(run.wayBack, now)]),
    ...(run.error === null ? [] : [errorText(run.error, printer)]),
    ...(run.retrying == null ? [] : [retryingText(run.retrying, printer)]),
    nextText(run),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

const STATE_WORDS: Readonly<Record<RunState, string>> = {
  accepted: 'accepted, waits for its workflow to start',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
};

function stateWords(run: RunView): string {
  if (waitsForPerson(run)) return `waits for a person: ${run.waitingFor ?? ''}`;
  return run.cancelRequested && !isFinal(run.state) ? `${STATE_WORDS[run.state]}, cancel requested` : STATE_WORDS[run.state];
}

function elapsed(run: RunView, now: Date): string {
  const end = run.finishedAt === null ? now.getTime() : Date.parse(run.finishedAt);
  return formatDuration((end - Date.parse(run.requestedAt)) / 1000);
}

function stepsText(run: RunView, printer: Printer, now: Date): string {
  if (run.steps.length === 0) return isFinal(run.state) ? '' : 'Steps\n  none yet';
  const steps = inOrderOfTheirBeginning(run.steps);
  const rows = steps.map((step) => [String(step.seq), step.state, step.key, step.title, duration(step), evidence(step, now)]);
  const lines = table(['#', 'STATE', 'STEP', 'WHAT', 'TOOK', 'EVIDENCE'], rows).split('\n');
  const painted = lines.map((text, index) => {
    const state = steps[index - 1]?.state;
    if (state === 'failed') return printer.paint('red', text);
    return state === 'running' || state === 'waiting' ? printer.paint('bold', text) : text;
  });
  const failures = run.steps.flatMap((step) =>
    step.error === null ? [] : [`  ${plain(step.key)}: ${plain(step.error.code)}: ${plain(step.error.message)}`, `    hint: ${plain(step.error.hint)}`],
  );
  return ['Steps', ...painted.map((text) => `  ${text}`), ...failures].join('\n');
}

function duration(step: RunStepView): string {
  if (step.startedAt === null || step.finishedAt === null) return '';
  return formatDuration((Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000);
}

function evidence(step: RunStepView, now: Date): string {
  const progress = step.progress === null || step.state !== 'running' ? [] : [progressText(step.progress, now)];
  const facts = Object.entries(step.detail).map(([name, value]) => `${name}=${factText(name, value)}`);
  return [...progress, ...facts].join(' ');
}

const factText = (name: string, value: string | number | boolean | null): string =>
  typeof value === 'number' && name.endsWith('Bytes') ? formatBytes(value) : String(value);

export const errorText = (error: ErrorSummary, printer: Printer): string =>
  `${printer.paint('red', `error: ${plain(error.code)}: ${plain(error.message)}`)}\nhint:  ${plain(error.hint)}`;

/** Only what the server says may be done: no command here is refused. */
function nextText(run: RunView): string {
  const may = (action: RunView['allowedActions'][number]): boolean => run.allowedActions.includes(action);
  const open = !isFinal(run.state);
  const lines: (readonly [string, string])[] = [];
  if (may('sign-off')) lines.push(['sign off', signOffCommand(run.id)]);
  if (may('go-live')) lines.push(['go live', goLiveCommand(run.id)]);
  if (may('undo')) lines.push(['undo', open ? undoOpenCommand(run.id) : `modosu run undo ${run.id}`]);
  if (may('confirm')) lines.push(['confirm', `modosu run confirm ${run.id} --reason "WHY"`]);
  if (open) lines.push(['follow', `modosu run watch ${run.id}`]);
  // What waits before go-live is stopped by undoing it.
  if (may('cancel') && !may('undo')) lines.push(['stop', `modosu run cancel ${run.id}`]);
  if (!open) lines.push(['audit', `modosu audit list --run ${run.id}`]);
  return `Next\n${fields(lines, '  ')}`;
}

const signOffCommand = (runId: string): string => `modosu run sign-off ${runId} --reason "WHAT WAS DONE" --wait`;
const goLiveCommand = (runId: string): string => `modosu run go-live ${runId} --reason "WHY" --wait`;
const undoOpenCommand = (runId: string): string => `modosu run undo ${runId} --reason "WHY" --wait`;

/** Said when waiting ends because a person has to decide. */
export const waitingText = (run: RunView): string => (run.waitingFor === 'sign-off-live' ? waitingLiveText(run) : waitingBeforeText(run));

const waitingLiveText = (run: RunView): string =>
  [
    `Run ${run.id} waits for a person: ${plain(run.serverName)} is live, and its peers need something done before they work with it.`,
    ...leftForPeople(run),
    `  sign off: ${signOffCommand(run.id)}`,
    '  Then the run proves that they do.',
  ].join('\n');

/** What rules ask for in the part of the run that waits: what no program does, and what a program has not done. */
function leftForPeople({ steps, waitingFor }: RunView): readonly string[] {
  const [goLive, end] = ['go-live', 'record'].map((key) => steps.findIndex((step) => step.key === key)) as [number, number];
  // What was found to be needed only in the run stands behind the last step of its plan.
  const before = goLive === -1 ? steps : [...steps.slice(0, goLive), ...(end === -1 ? [] : steps.slice(end + 1))];
  const ofThisPart = waitingFor === 'sign-off-live' ? steps.slice(goLive + 1) : before;
  return ofThisPart
    .filter(({ key, state, detail }) => key.startsWith('rule:') && detail['signedOffBy'] === undefined && (state === 'pending' || detail['applied'] === false))
    .map(
      ({ title, detail }) =>
        `  - ${plain(title)}${detail['applied'] === false ? ` (its program has not done it: ${plain(String(detail['evidence'] ?? ''))})` : ''}`,
    );
}

const waitingBeforeText = (run: RunView): string =>
  [
    `Run ${run.id} waits for a person: ${run.waitingFor ?? ''}. The production network of ${plain(run.serverName)} is down until then; the run goes on waiting by itself.`,
    ...(run.waitingFor === 'sign-off'
      ? [
          ...leftForPeople(run),
          '  Do what stands above, and apply the configuration changes of the plan again that no program applies (`modosu change show CHANGE` says how), then',
          `  sign off: ${signOffCommand(run.id)}`,
        ]
      : [`  go live: ${goLiveCommand(run.id)}`]),
    `  undo:    ${undoOpenCommand(run.id)}`,
  ].join('\n');
