import type { RunStepView, RunView, StepProgress } from '../../contracts/run';
import { RunReporter } from './run-reporter';

const START_MS = Date.parse('2026-01-31T12:03:00.000Z');
const MIB = 1024 * 1024;

function setUp() {
  let nowMs = START_MS;
  const lines: string[] = [];
  const reporter = new RunReporter(
    (text) => lines.push(text),
    () => new Date(nowMs),
  );
  return { lines, reporter, after: (seconds: number) => (nowMs = START_MS + seconds * 1000) };
}

const at = (seconds: number): string => new Date(START_MS + seconds * 1000).toISOString();

const step = (changes: Partial<RunStepView>): RunStepView => ({
  seq: 1,
  key: 'copy:vda',
  title: 'Copy vda',
  state: 'running',
  startedAt: at(0),
  finishedAt: null,
  progress: null,
  detail: {},
  error: null,
  ...changes,
});

const run = (steps: readonly RunStepView[], changes: Partial<RunView> = {}): RunView => ({
  id: 'run_0',
  kind: 'backup-image',
  state: 'running',
  serverId: 'srv_0',
  serverName: 'db01',
  reason: 'test',
  requestedBy: 'me',
  requestedAt: at(0),
  startedAt: at(0),
  finishedAt: null,
  planId: null,
  setId: null,
  recoveryPointId: null,
  cancelRequested: false,
  waitingFor: null,
  allowedActions: ['cancel'],
  wayBack: null,
  error: null,
  retrying: null,
  recoverySeconds: null,
  lostSeconds: null,
  steps,
  ...changes,
});

const copied = (doneMib: number, seconds: number, figures: Partial<StepProgress> = {}): RunStepView =>
  step({
    progress: {
      doneBytes: doneMib * MIB,
      totalBytes: 1000 * MIB,
      updatedAt: at(seconds),
      bytesPerSecond: null,
      secondsLeft: null,
      stalledSince: null,
      ...figures,
    },
  });

describe('progress lines', () => {
  it('say share, rate and remaining time from observed progress', () => {
    const { lines, reporter, after } = setUp();
    reporter.see(run([copied(0, 0)]));
    after(5);
    reporter.see(run([copied(500, 5)]));
    expect(lines).toEqual([
      '12:03:00Z copy:vda      running   Copy vda',
      '12:03:00Z copy:vda      running   0 % of 1000 MiB',
      '12:03:05Z copy:vda      running   50 % of 1000 MiB, 100 MiB/s, about 5 s left',
    ]);
  });

  it('come at most every five seconds, but each change of state at once', () => {
    const { lines, reporter, after } = setUp();
    for (let second = 0; second <= 4; second += 1) {
      after(second);
      reporter.see(run([copied(second * 10, second)]));
    }
    reporter.see(run([step({ state: 'succeeded', finishedAt: at(4) })]));
    expect(lines).toHaveLength(3);
    expect(lines[2]).toBe('12:03:04Z copy:vda      succeeded Copy vda, 4 s');
  });

  it('say for how long nothing has moved, and stop saying it when it moves again', () => {
    const { lines, reporter, after } = setUp();
    reporter.see(run([copied(100, 0)]));
    after(9);
    reporter.tick();
    expect(lines).toHaveLength(2);
    after(12);
    reporter.tick();
    expect(lines.at(-1)).toBe('12:03:12Z copy:vda      running   10 % of 1000 MiB, stalled for 12 s');
    after(20);
    reporter.tick();
    expect(lines).toHaveLength(3);
    after(21);
    reporter.see(run([copied(200, 21)]));
    after(25);
    reporter.tick();
    expect(lines.at(-1)).toMatch(/20 %/);
  });

  it('take the figures of whoever observes the copy, when there are any', () => {
    const { lines, reporter } = setUp();
    reporter.see(run([copied(250, 0, { bytesPerSecond: 50 * MIB, secondsLeft: 15 })]));
    expect(lines.at(-1)).toBe('12:03:00Z copy:vda      running   25 % of 1000 MiB, 50 MiB/s, about 15 s left');
    const { lines: slow, reporter: other } = setUp();
    other.see(run([copied(250, 0, { bytesPerSecond: 50 * MIB })]));
    expect(slow.at(-1)).toBe('12:03:00Z copy:vda      running   25 % of 1000 MiB, 50 MiB/s');
  });

  it('say at once that a copy stands still which has been seen to, and since when', () => {
    const { lines, reporter, after } = setUp();
    after(40);
    reporter.see(run([copied(100, 0)]));
    reporter.see(run([copied(100, 0, { stalledSince: at(0) })]));
    reporter.tick();
    expect(lines.at(-1)).toBe('12:03:40Z copy:vda      running   10 % of 1000 MiB, stalled for 40 s');
    after(41);
    reporter.tick();
    expect(lines).toHaveLength(3);
    after(71);
    reporter.tick();
    expect(lines.at(-1)).toBe('12:04:11Z copy:vda      running   10 % of 1000 MiB, stalled for 1 min 11 s');
  });

  it('judge no speed across a copy that began again', () => {
    const { lines, reporter, after } = setUp();
    reporter.see(run([copied(800, 0)]));
    after(6);
    reporter.see(run([copied(10, 6)]));
    expect(lines.at(-1)).toBe('12:03:06Z copy:vda      running   1 % of 1000 MiB');
  });

  it('remind of a step that takes long without copying', () => {
    const { lines, reporter, after } = setUp();
    const waiting = step({ key: 'stop', title: 'Shut the guest down' });
    reporter.see(run([waiting]));
    after(31);
    reporter.tick();
    expect(lines.at(-1)).toBe('12:03:31Z stop          running   for 31 s');
  });

  it('strip what a guest may have put into an error', () => {
    const { lines, reporter } = setUp();
    reporter.see(run([step({ state: 'failed', finishedAt: at(1), error: { code: 'COPY_FAILED', message: 'bad\u001b[2J\nthing', hint: 'h' } })]));
    expect(lines).toEqual(['12:03:01Z copy:vda      failed    Copy vda, 1 s: COPY_FAILED: bad[2J thing']);
  });
});

describe('what is tried again', () => {
  const away = (attempt: number, seconds: number, message = 'The directory is not there.') => ({
    attempt,
    failedAt: at(seconds),
    nextAttemptAt: null,
    error: { code: 'TARGET_UNREACHABLE' as const, message, hint: 'Mount it.' },
  });

  it('is said once for each reason, with what to do, and stands in the lines that remind', () => {
    const { lines, reporter, after } = setUp();
    reporter.see(run([copied(100, 0)]));
    after(2);
    reporter.see(run([copied(100, 0)], { retrying: away(1, 1) }));
    const said = [
      '12:03:01Z run           running   attempt 1 failed and is tried again: TARGET_UNREACHABLE: The directory is not there.',
      '12:03:01Z run           running   hint: Mount it.',
    ];
    expect(lines.slice(2)).toEqual(said);
    after(12);
    reporter.see(run([copied(100, 0)], { retrying: away(4, 11) }));
    expect(lines.slice(2)).toEqual(said);
    reporter.tick();
    expect(lines.slice(4)).toEqual(['12:03:12Z copy:vda      running   10 % of 1000 MiB, stalled for 12 s; attempt 4 failed: TARGET_UNREACHABLE']);
    reporter.see(run([copied(100, 0)], { retrying: away(5, 13, 'The directory is read-only.') }));
    expect(lines.slice(5, 6)).toEqual([expect.stringContaining('attempt 5 failed and is tried again: TARGET_UNREACHABLE: The directory is read-only.')]);
  });

  it.each(['NO_WORKER', 'WORKFLOW_STUCK'] as const)('is no attempt where nobody begins one: %s', (code) => {
    const { lines, reporter, after } = setUp();
    const retrying = { ...away(0, 1), failedAt: null, error: { ...away(0, 1).error, code } };
    reporter.see(run([step({})], { retrying }));
    after(31);
    reporter.tick();
    expect(lines.slice(1)).toEqual([
      `12:03:00Z run           running   held up: ${code}: The directory is not there.`,
      '12:03:00Z run           running   hint: Mount it.',
      `12:03:31Z copy:vda      running   for 31 s; held up: ${code}`,
    ]);
  });

  it('is said anew when it comes back after something has moved', () => {
    const { lines, reporter, after } = setUp();
    reporter.see(run([copied(100, 0)], { retrying: away(1, 1) }));
    after(6);
    reporter.see(run([copied(200, 6)]));
    reporter.see(run([copied(200, 6)], { retrying: away(1, 7) }));
    expect(lines.filter((line) => line.includes('attempt 1 failed and is tried again'))).toHaveLength(2);
  });
});
