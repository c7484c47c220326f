import type { AlertFacts } from '../../contracts/alert';
import type { Breach } from '../../contracts/protection-status';
import { alertChanges, conditionsOf, isDueForSending, LONGEST_PAUSE_MS, MAX_ATTEMPTS, pauseAfter } from './alerts';

const NOTHING: AlertFacts = { failedRuns: [], waitingRuns: [], damaged: [] };
const breach = (changes: Partial<Breach> = {}): Breach => ({
  code: 'RPO_EXCEEDED',
  serverId: 'srv_1',
  serverName: 'db01',
  kind: 'image',
  dataSet: null,
  since: null,
  message: 'too old',
  hint: 'take one',
  ...changes,
});
const nameOf = (): string => 'db01';
const keys = (breaches: readonly Breach[], facts: AlertFacts = NOTHING): readonly string[] => conditionsOf(breaches, facts, nameOf).map(({ key }) => key);

describe('conditions', () => {
  it('are as many as there are things in breach, and the same however their text changes', () => {
    const all = [
      breach(),
      breach({ kind: 'data', dataSet: 'uploads' }),
      breach({ kind: 'data', dataSet: 'shop' }),
      breach({ serverId: 'srv_2' }),
      breach({ code: 'NO_RECOVERY_POINT' }),
    ];
    expect(new Set(keys(all)).size).toBe(5);
    expect(keys([breach({ message: 'older still', hint: 'take one now', since: '2026-01-01T00:00:00.000Z' })])).toEqual(keys([breach()]));
  });

  it('say what failed, and where to look', () => {
    const failedRuns = [{ serverId: 'srv_1', kind: 'backup-image', runId: 'run_1', code: 'COPY_FAILED', message: 'The copy ended.' }];
    expect(conditionsOf([], { ...NOTHING, failedRuns }, nameOf)).toEqual([
      {
        key: 'run-failed srv_1 backup-image',
        kind: 'run-failed',
        code: 'COPY_FAILED',
        serverId: 'srv_1',
        runId: 'run_1',
        message: 'The last run of kind backup-image of server "db01" failed: The copy ended.',
        hint: 'See `modosu run show run_1`.',
      },
    ]);
  });

  it('say who waits and what is damaged', () => {
    const facts = { ...NOTHING, waitingRuns: [{ serverId: 'srv_1', runId: 'run_1' }], damaged: [{ serverId: 'srv_1', recoveryPointId: 'rp_1', why: null }] };
    const [waiting, damaged] = conditionsOf([], facts, nameOf);
    expect(waiting).toMatchObject({ key: 'waiting run_1', kind: 'waiting', runId: 'run_1', hint: expect.stringContaining('modosu run go-live run_1') });
    expect(damaged).toMatchObject({ key: 'damaged rp_1', kind: 'damaged', runId: null, message: 'Recovery point rp_1 of server "db01" is damaged.' });
  });
});

describe('changes', () => {
  it('are what began and what is over', () => {
    const [old, current] = [
      { id: 'a', key: keys([breach()])[0] ?? '' },
      { id: 'b', key: 'waiting run_1' },
    ];
    const conditions = conditionsOf([breach({ serverId: 'srv_2' })], { ...NOTHING, waitingRuns: [{ serverId: 'srv_1', runId: 'run_1' }] }, nameOf);
    const { raise, clear } = alertChanges([old, current], conditions);
    expect(raise.map(({ serverId, kind }) => `${kind} ${serverId}`)).toEqual(['breach srv_2']);
    expect(clear).toEqual([old]);
  });
});

describe('attempts', () => {
  it('are 30 s apart at first, an hour at most, and end after about a day', () => {
    expect([1, 2, 3, 7, 8, 100].map((attempts) => pauseAfter(attempts) / 1000)).toEqual([30, 60, 120, 1920, 3600, 3600]);
    const all = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, at) => pauseAfter(at + 1)).reduce((sum, pause) => sum + pause, 0);
    expect(all / 3_600_000).toBeGreaterThan(22);
    expect(all / 3_600_000).toBeLessThan(24);
  });

  it.each([
    [0, true],
    [-1, true],
    [1, false],
    [LONGEST_PAUSE_MS, false],
    [LONGEST_PAUSE_MS + 1, true],
  ])('are due %d ms ahead: %s', (aheadMs, isDue) => {
    const now = new Date('2026-03-01T00:00:00.000Z');
    expect(isDueForSending(new Date(now.getTime() + aheadMs), now)).toBe(isDue);
  });
});
