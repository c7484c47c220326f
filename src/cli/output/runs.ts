import { formatBytes, formatDuration } from '../../contracts/format';
import type { ErrorSummary } from '../../contracts/errors';
import { isFinal, type RunState, type RunStepView, type RunView } from '../../contracts/run';
import type { Printer } from './printer';
import { fields, plain, table, utc } from './text';

export const runTable = (runs: readonly RunView[]): string =>
  table(
    ['ID', 'KIND', 'SERVER', 'STATE', 'REQUESTED', 'BY', 'REASON'],
    runs.map((run) => [run.id, run.kind, run.serverName, run.state, utc(run.requestedAt), run.requestedBy, run.reason]),
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
        ...(run.recoverySeconds === null ? [] : [['recovery time', `${formatDuration(run.recoverySeconds)}, measured from the request to the answering server`] as const]),
        ...(run.planId === null ? [] : [['plan', run.planId] as const]),
        ...(run.recoveryPointId === null ? [] : [['recovery point', run.recoveryPointId] as const]),
      ],
      '  ',
    ),
    stepsText(run, printer),
    ...(run.error === null ? [] : [errorText(run.error, printer)]),
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

const stateWords = (run: RunView): string => (run.cancelRequested && !isFinal(run.state) ? `${STATE_WORDS[run.state]}, cancel requested` : STATE_WORDS[run.state]);

function elapsed(run: RunView, now: Date): string {
  const end = run.finishedAt === null ? now.getTime() : Date.parse(run.finishedAt);
  return formatDuration((end - Date.parse(run.requestedAt)) / 1000);
}

function stepsText(run: RunView, printer: Printer): string {
  if (run.steps.length === 0) return isFinal(run.state) ? '' : 'Steps\n  none yet';
  const rows = run.steps.map((step) => [String(step.seq), step.state, step.key, step.title, duration(step), evidence(step)]);
  const lines = table(['#', 'STATE', 'STEP', 'WHAT', 'TOOK', 'EVIDENCE'], rows).split('\n');
  const painted = lines.map((text, index) => {
    const state = run.steps[index - 1]?.state;
    if (state === 'failed') return printer.paint('red', text);
    return state === 'running' || state === 'waiting' ? printer.paint('bold', text) : text;
  });
  const failures = run.steps.flatMap((step) => (step.error === null ? [] : [`  ${plain(step.key)}: ${plain(step.error.code)}: ${plain(step.error.message)}`, `    hint: ${plain(step.error.hint)}`]));
  return ['Steps', ...painted.map((text) => `  ${text}`), ...failures].join('\n');
}

function duration(step: RunStepView): string {
  if (step.startedAt === null || step.finishedAt === null) return '';
  return formatDuration((Date.parse(step.finishedAt) - Date.parse(step.startedAt)) / 1000);
}

function evidence(step: RunStepView): string {
  const progress = step.progress === null || step.state !== 'running' ? [] : [progressText(step.progress)];
  const facts = Object.entries(step.detail).map(([name, value]) => `${name}=${factText(name, value)}`);
  return [...progress, ...facts].join(' ');
}

const factText = (name: string, value: string | number | boolean | null): string =>
  typeof value === 'number' && name.endsWith('Bytes') ? formatBytes(value) : String(value);

export const progressText = ({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number }): string =>
  totalBytes > 0 ? `${Math.floor((Math.min(doneBytes, totalBytes) / totalBytes) * 100)} % of ${formatBytes(totalBytes)}` : formatBytes(doneBytes);

export const errorText = (error: ErrorSummary, printer: Printer): string =>
  `${printer.paint('red', `error: ${plain(error.code)}: ${plain(error.message)}`)}\nhint:  ${plain(error.hint)}`;

function nextText(run: RunView): string {
  if (!isFinal(run.state)) return `Next\n  follow  modosu run watch ${run.id}\n  stop    modosu run cancel ${run.id}`;
  return `Next\n  audit   modosu audit list --run ${run.id}`;
}
