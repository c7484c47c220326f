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
const inService = (): boolean => true;
const keys = (breaches: readonly Breach[], facts: AlertFacts = NOTHING): readonly string[] =>
  conditionsOf(breaches, facts, nameOf, inService).map(({ key }) => key);

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

  // They are stored: under another key, every alert that is open would be over, and told once more.
  it.each<[Partial<Breach>, string]>([
    [{}, 'breach RPO_EXCEEDED srv_1 image '],
    [{ kind: 'data', dataSet: 'shop' }, 'breach RPO_EXCEEDED srv_1 data shop'],
    [{ code: 'RTO_EXCEEDED', kind: null }, 'breach RTO_EXCEEDED srv_1  '],
  ])('of %j have the same key in every version', (changes, key) => expect(keys([breach(changes)])).toEqual([key]));

  it('say what failed, and where to look', () => {
    const failedRuns = [{ serverId: 'srv_1', kind: 'backup-image', runId: 'run_1', code: 'COPY_FAILED', message: 'The copy ended.' }];
    expect(conditionsOf([], { ...NOTHING, failedRuns }, nameOf, inService)).toEqual([
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
    const facts: AlertFacts = {
      ...NOTHING,
      waitingRuns: [{ serverId: 'srv_1', runId: 'run_1', waitingFor: 'go-live' }],
      damaged: [{ serverId: 'srv_1', recoveryPointId: 'rp_1', origin: null, why: null }],
    };
    const [waiting, damaged] = conditionsOf([], facts, nameOf, inService);
    expect(waiting).toMatchObject({
      key: 'waiting run_1',
      kind: 'waiting',
      code: 'WAITING_FOR_GO_LIVE',
      runId: 'run_1',
      hint: expect.stringContaining('modosu run go-live run_1'),
    });
    const [signOff] = conditionsOf([], { ...NOTHING, waitingRuns: [{ serverId: 'srv_1', runId: 'run_1', waitingFor: 'sign-off' }] }, nameOf, inService);
    expect(signOff).toMatchObject({
      key: 'sign-off run_1',
      kind: 'waiting',
      code: 'WAITING_FOR_SIGN_OFF',
      hint: expect.stringContaining('modosu run sign-off run_1'),
    });
    expect(damaged).toMatchObject({
      key: 'damaged rp_1',
      kind: 'damaged',
      code: 'RECOVERY_POINT_DAMAGED',
      runId: null,
      message: 'Recovery point rp_1 of server "db01" is damaged.',
    });
  });
});

it('of a restore whose server is live and waits for somebody before its peers work with it is a condition by itself', () => {
  const waitingRuns = [{ serverId: 'srv_1', runId: 'run_1', waitingFor: 'sign-off-live' }] as const;
  expect(conditionsOf([], { ...NOTHING, waitingRuns }, nameOf, inService)).toEqual([
    {
      key: 'sign-off-live run_1',
      kind: 'waiting',
      code: 'WAITING_FOR_SIGN_OFF',
      serverId: 'srv_1',
      runId: 'run_1',
      message: expect.stringContaining('Server "db01" is restored and live'),
      hint: expect.stringContaining('modosu run sign-off run_1'),
    },
  ]);
});

it('of a server that is out of service are only those of a person who is waited for', () => {
  const facts: AlertFacts = {
    failedRuns: [{ serverId: 'srv_1', kind: 'backup-image', runId: 'run_1', code: 'COPY_FAILED', message: 'The copy ended.' }],
    waitingRuns: [{ serverId: 'srv_1', runId: 'run_2', waitingFor: 'go-live' }],
    damaged: [{ serverId: 'srv_1', recoveryPointId: 'rp_1', origin: null, why: null }],
  };
  expect(conditionsOf([breach()], facts, nameOf, (id) => id !== 'srv_1').map(({ key }) => key)).toEqual(['waiting run_2']);
  expect(conditionsOf([breach()], facts, nameOf, (id) => id !== 'srv_2')).toHaveLength(4);
});

describe('what is damaged', () => {
  const one = (recoveryPointId: string, why: string, origin: string | null = null) => ({ serverId: 'srv_1', recoveryPointId, origin, why });
  const heir = (recoveryPointId: string, origin: string) =>
    one(recoveryPointId, `It builds on recovery point ${origin}, which is damaged: segment 3 differs`, origin);
  const told = (...damaged: AlertFacts['damaged']) => conditionsOf([], { ...NOTHING, damaged }, nameOf, inService);

  it('because of another one is told of with that', () => {
    expect(told(heir('rp_2', 'rp_1'), one('rp_1', 'segment 3 differs'), heir('rp_3', 'rp_1'), one('rp_4', 'segment 7 differs'))).toMatchObject([
      { key: 'damaged rp_1', message: 'Recovery point rp_1 of server "db01" is damaged, and 2 more of its chain: segment 3 differs.' },
      { key: 'damaged rp_4', message: 'Recovery point rp_4 of server "db01" is damaged: segment 7 differs.' },
    ]);
  });

  it('by itself is told of by itself, whatever its words say', () => {
    expect(told(one('rp_1', 'segment 3 differs'), one('rp_2', 'It builds on recovery point rp_1, which is damaged: as somebody wrote'))).toMatchObject([
      { key: 'damaged rp_1' },
      { key: 'damaged rp_2' },
    ]);
  });

  it('because of one that has expired is one and the same condition', () => {
    expect(told(heir('rp_2', 'rp_1'), heir('rp_3', 'rp_1'))).toMatchObject([
      {
        key: 'damaged rp_1',
        message:
          'Recovery point rp_2 of server "db01" is damaged, and 1 more of its chain: It builds on recovery point rp_1, which is damaged: segment 3 differs.',
        hint: expect.stringContaining('modosu recovery-point show rp_1'),
      },
    ]);
  });
});

describe('changes', () => {
  it('are what began and what is over', () => {
    const [old, current] = [
      { id: 'a', key: keys([breach()])[0] ?? '' },
      { id: 'b', key: 'waiting run_1' },
    ];
    const conditions = conditionsOf(
      [breach({ serverId: 'srv_2' })],
      { ...NOTHING, waitingRuns: [{ serverId: 'srv_1', runId: 'run_1', waitingFor: 'go-live' }] },
      nameOf,
      inService,
    );
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
