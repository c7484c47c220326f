import type { RunStepView, RunView } from '../../contracts/run';
import type { CliIo } from '../io';
import { Printer } from './printer';
import { runText } from './runs';

const step = (seq: number, key: string, state: RunStepView['state'], minute: number | null): RunStepView => ({
  seq,
  key,
  title: `The step ${key}`,
  state,
  startedAt: minute === null ? null : new Date(Date.UTC(2026, 2, 1, 3, minute)).toISOString(),
  finishedAt: null,
  progress: null,
  detail: {},
  error: null,
});

const run = (steps: readonly RunStepView[]): RunView => ({
  id: 'run_1',
  kind: 'restore-server',
  state: 'running',
  serverId: 'srv_1',
  serverName: 'db01',
  reason: 'test',
  requestedBy: 'responder',
  requestedAt: '2026-03-01T03:00:00.000Z',
  startedAt: '2026-03-01T03:00:00.000Z',
  finishedAt: null,
  planId: 'plan_1',
  recoveryPointId: null,
  setId: null,
  cancelRequested: false,
  waitingFor: null,
  allowedActions: [],
  wayBack: null,
  error: null,
  retrying: null,
  recoverySeconds: null,
  lostSeconds: null,
  steps,
});

/** What is painted stands in angle brackets, with its colour. */
const printer = Object.assign(new Printer({} as CliIo, 'table'), { paint: (colour: string, text: string) => `<${colour}>${text}` });

it('shows a step that came up in quarantine before the go-live, with its own number, and paints the one that runs', () => {
  const steps = [step(1, 'swap', 'succeeded', 1), step(2, 'go-live', 'pending', null), step(3, 'record', 'pending', null), step(4, 'rule:found', 'running', 5)];
  const lines = runText(run(steps), printer, new Date('2026-03-01T03:06:00.000Z')).split('\n');
  const shown = lines.slice(lines.indexOf('Steps') + 2).flatMap((line) => /^ *(<bold>)?(\d)/.exec(line)?.[0].replaceAll(' ', '') ?? []);
  expect(shown).toEqual(['1', '<bold>4', '2', '3']);
});

it('says why nothing moves although nothing has failed: which attempt failed when, of what, what is next and what to do', () => {
  const error = { code: 'TARGET_UNREACHABLE' as const, message: 'The directory /srv/vm\u001b[2J is not there.', hint: 'Mount it.' };
  const shown = (nextAttemptAt: string | null) => {
    const retrying = { attempt: 3, failedAt: '2026-03-01T03:04:05.678Z', nextAttemptAt, error };
    return runText({ ...run([step(1, 'copy:vda', 'running', 1)]), retrying }, printer, new Date('2026-03-01T03:06:00.000Z'));
  };
  const met = 'TARGET_UNREACHABLE: The directory /srv/vm[2J is not there.\nhint:  Mount it.\n\nNext\n';
  const failed = '\n\n<yellow>Tried again: attempt 3 failed at 2026-03-01 03:04:05Z, attempt 4';
  expect(shown('2026-03-01T03:06:07.000Z')).toContain(`${failed} at 2026-03-01 03:06:07Z: ${met}`);
  expect(shown(null)).toContain(`${failed} is under way: ${met}`);
  expect(runText(run([step(1, 'copy:vda', 'running', 1)]), printer, new Date('2026-03-01T03:06:00.000Z'))).not.toContain('Tried again');
});

it('says what holds a run up that nobody carries on', () => {
  const error = { code: 'NO_WORKER' as const, message: 'No worker has taken it up.', hint: 'Start one.' };
  const retrying = { attempt: 0, failedAt: null, nextAttemptAt: null, error };
  expect(runText({ ...run([]), retrying }, printer, new Date('2026-03-01T03:06:00.000Z'))).toContain(
    '\n\n<yellow>Held up: NO_WORKER: No worker has taken it up.\nhint:  Start one.\n\nNext\n',
  );
});
