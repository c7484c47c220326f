import { retirementSteps, stateBefore, unwatchedMs, type Retiring } from './retirement';

const NOW = new Date('2026-03-31T12:00:00Z');
const HOUR = 3_600_000;
const KEPT = 24 * HOUR;
const hoursFromNow = (hours: number): Date => new Date(NOW.getTime() + hours * HOUR);
const point = (changes: Partial<Retiring> = {}): Retiring => ({
  id: 'rp_1',
  parentId: null,
  state: 'usable',
  deletesAt: null,
  checkProblem: null,
  canGo: true,
  ...changes,
});
const expired = (hoursLeft: number): Partial<Retiring> => ({ state: 'expired', deletesAt: hoursFromNow(hoursLeft) });
const expiredMs = (leftMs: number): Partial<Retiring> => ({ state: 'expired', deletesAt: new Date(NOW.getTime() + leftMs) });
const step = (changes: Partial<Retiring>, verdict: 'keep' | 'expire' | null) =>
  retirementSteps([point(changes)], verdict === null ? [] : [{ recoveryPointId: 'rp_1', verdict, reasons: [] }], KEPT, NOW).get('rp_1') ?? null;

it.each<[string, Partial<Retiring>, 'keep' | 'expire' | null, string | null]>([
  ['is kept', {}, 'keep', null],
  ['no rule keeps', {}, 'expire', 'expires'],
  ['is damaged, and no rule keeps', { state: 'damaged' }, 'expire', 'expires'],
  ['nobody has judged', {}, null, null],
  ['has expired and is kept again', expired(-99), 'keep', 'returns'],
  ['has expired and was not judged', expired(-99), null, 'returns'],
  ['has some time left', expired(0.1), 'expire', null],
  ['has all its time left', expired(24), 'expire', null],
  ['has none left', expired(0), 'expire', 'goes'],
  ['has a millisecond left', expiredMs(1), 'expire', null],
  ['has more left than there is: by a clock that was ahead', expired(25), 'expire', 'waits'],
  ['has five minutes more left than there is, by which clocks may differ', expiredMs(KEPT + 5 * 60_000), 'expire', null],
  ['has a millisecond more left than that', expiredMs(KEPT + 5 * 60_000 + 1), 'expire', 'waits'],
  ['nobody can remove', { canGo: false }, 'expire', 'expires'],
  ['stays although it has expired, because nobody can remove it', { state: 'expired', deletesAt: null, canGo: false }, 'expire', null],
  ['has expired, and only now can be removed', { state: 'expired', deletesAt: null }, 'expire', 'waits'],
  ['has expired, and can no longer be removed', { ...expired(-99), canGo: false }, 'expire', 'waits'],
  ['nobody can remove, and is kept again', { state: 'expired', deletesAt: null, canGo: false }, 'keep', 'returns'],
  ['is deleted', { state: 'deleted', deletesAt: hoursFromNow(-99) }, 'expire', null],
])('the next step of one that %s', (_which, changes, verdict, expected) => {
  expect(step(changes, verdict)).toBe(expected);
});

it('those that stay as they are have no step at all', () => {
  const points = [point(), point({ id: 'rp_2', state: 'damaged' }), point({ id: 'rp_3', ...expired(1) }), point({ id: 'rp_4' })];
  const verdicts = (['keep', 'keep', 'expire', 'expire'] as const).map((verdict, index) => ({ recoveryPointId: `rp_${index + 1}`, verdict, reasons: [] }));
  expect([...retirementSteps(points, verdicts, KEPT, NOW)]).toEqual([['rp_4', 'expires']]);
});

describe('of a chain', () => {
  const chain = (...points: readonly [id: string, parentId: string | null, changes: Partial<Retiring>][]): readonly Retiring[] =>
    points.map(([id, parentId, changes]) => ({ ...point(changes), id, parentId }));
  const going = (points: readonly Retiring[], kept: readonly string[] = []): readonly string[] =>
    [
      ...retirementSteps(
        points,
        points.map(({ id }) => ({ recoveryPointId: id, verdict: kept.includes(id) ? 'keep' : 'expire', reasons: [] })),
        KEPT,
        NOW,
      ),
    ].flatMap(([id, next]) => (next === 'goes' ? [id] : []));

  it('all go together whose time is over', () => {
    expect(going(chain(['full', null, expired(0)], ['a', 'full', expired(-1)], ['b', 'a', expired(0)]))).toEqual(['full', 'a', 'b']);
  });

  it.each<[string, Partial<Retiring>, readonly string[]]>([
    ['has some time left', expired(1), []],
    ['has not expired yet', {}, []],
    ['stays although it has expired', { state: 'expired', deletesAt: null }, []],
    ['is kept again', expired(-1), ['b']],
  ])('nothing goes on which one builds that %s', (_which, changes, kept) => {
    const points = chain(
      ['full', null, expired(0)],
      ['a', 'full', expired(0)],
      ['b', 'a', changes],
      ['sibling', 'full', expired(0)],
      ['apart', null, expired(0)],
    );
    expect(going(points, kept)).toEqual(['sibling', 'apart']);
  });

  it('what others build on does not go, but takes any other step', () => {
    const points = chain(
      ['back', null, expired(-1)],
      ['anew', 'back', expired(99)],
      ['expiring', 'anew', {}],
      ['going', 'expiring', expired(-1)],
      ['stays', 'going', {}],
    );
    const verdicts = points.map(({ id }) => ({
      recoveryPointId: id,
      verdict: ['back', 'stays'].includes(id) ? ('keep' as const) : ('expire' as const),
      reasons: [],
    }));
    expect([...retirementSteps(points, verdicts, KEPT, NOW)]).toEqual([
      ['back', 'returns'],
      ['anew', 'waits'],
      ['expiring', 'expires'],
    ]);
  });

  it('what is deleted needs nothing any more, and what nobody knows is no parent', () => {
    expect(going(chain(['full', null, expired(0)], ['a', 'full', { state: 'deleted', deletesAt: hoursFromNow(-1) }], ['b', 'gone', expired(0)]))).toEqual([
      'full',
      'b',
    ]);
  });

  it('a circle ends', () => {
    expect(going(chain(['a', 'b', expired(0)], ['b', 'a', expired(0)], ['c', 'a', expired(1)], ['d', 'd', expired(0)]))).toEqual(['d']);
  });
});

it('one that comes back is what it was', () => {
  const corrupt = { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 differs' };
  expect(stateBefore({ state: 'expired', checkProblem: null })).toBe('usable');
  expect(stateBefore({ state: 'expired', checkProblem: corrupt })).toBe('damaged');
  expect(stateBefore({ state: 'deleted', checkProblem: corrupt })).toBe('damaged');
  expect(stateBefore({ state: 'expired', checkProblem: { code: 'REPOSITORY_UNREACHABLE', message: 'away' } })).toBe('usable');
});

it.each(['usable', 'damaged'] as const)('one that does not go is %s, whatever the last look at it found', (state) => {
  const looks = [null, { code: 'RECOVERY_POINT_CORRUPT', message: 'segment 3 differs' }, { code: 'REPOSITORY_UNREACHABLE', message: 'away' }];
  expect(looks.map((checkProblem) => stateBefore({ state, checkProblem }))).toEqual([state, state, state]);
});

it.each<[string, Date | null, number]>([
  ['before the first look', null, 0],
  ['from one look to the next', hoursFromNow(-0.02), 0],
  ['of an hour', hoursFromNow(-1), 0],
  ['of a weekend', hoursFromNow(-49), 48],
  ['by a clock that went back', hoursFromNow(99), 0],
])('time that nobody has watched, %s, counts for nothing', (_which, last, hours) => {
  expect(unwatchedMs(last, NOW)).toBe(hours * HOUR);
});
