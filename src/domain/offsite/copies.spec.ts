import type { OffsiteCopyState } from '../../contracts/offsite-copies';
import type { OffsitePolicy, RetentionRules } from '../../contracts/policy';
import { chainToCopy, isCheckDue, nextCopy, outdatedCopies, pauseBeforeCopy, waitsForCopy, wantedOffsite, type OffsitePoint } from './copies';

const NOW = new Date('2026-03-10T00:00:00.000Z');
const DAY = 86_400_000;
const RULES: RetentionRules = { last: 2, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
const POLICY: OffsitePolicy = { repository: 'vault', withinHours: 26, image: true, data: true, retention: RULES };
const rules = (offsite: Partial<OffsitePolicy> = {}) => ({ offsite: { ...POLICY, ...offsite }, timeZone: 'UTC', now: NOW });

/** Of the day so many days before now. */
const point = (id: string, daysAgo: number, changes: Partial<OffsitePoint> = {}, copy: OffsiteCopyState | null = null): OffsitePoint => ({
  id,
  kind: 'image',
  dataSet: null,
  pointInTime: new Date(NOW.getTime() - daysAgo * DAY),
  publishedAt: new Date(NOW.getTime() - daysAgo * DAY),
  usable: true,
  state: 'usable',
  verifiedAt: null,
  bootedAt: null,
  isAway: false,
  line: null,
  parentId: null,
  isSafety: false,
  hold: null,
  inUseBy: null,
  copy: copy === null ? null : { state: copy, nextAttemptAt: null },
  ...changes,
});
const mapOf = (points: readonly OffsitePoint[]) => new Map(points.map((one) => [one.id, one]));

describe('what belongs off-site', () => {
  it('is what the off-site rules would keep, with what it builds on, and what is held', () => {
    const points = [
      point('full', 5),
      point('old', 4),
      point('held', 3, { hold: { reason: 'for the auditor' } }),
      point('child', 2, { parentId: 'full' }),
      point('newest', 1),
    ];
    expect([...wantedOffsite(points, rules())].sort()).toEqual(['child', 'full', 'held', 'newest']);
  });

  it('is nothing of a kind that the policy does not name, nothing damaged, nothing saved for safety', () => {
    const points = [
      point('image', 3),
      point('data', 2, { kind: 'data', dataSet: 'shop' }),
      point('safety', 1, { kind: 'data', dataSet: 'shop', isSafety: true }),
      point('damaged', 1, { state: 'damaged', usable: false }),
      point('expired', 1, { state: 'expired' }),
    ];
    expect([...wantedOffsite(points, rules({ image: false }))]).toEqual(['data']);
    expect([...wantedOffsite(points, rules({ data: false }))]).toEqual(['image']);
  });

  it('counts what is only there any more: it fills its place in the rules', () => {
    const points = [point('gone', 2, { state: 'deleted' }, 'copied'), point('lost', 1, { state: 'damaged' }, 'copied'), point('older', 3)];
    expect([...wantedOffsite(points, rules())].sort()).toEqual(['gone', 'lost']);
  });

  it('counts what is being copied, though it was found damaged here meanwhile', () => {
    const points = [point('under-way', 1, { state: 'damaged' }, 'copying'), point('older', 2), point('oldest', 3)];
    expect([...wantedOffsite(points, rules())].sort()).toEqual(['older', 'under-way']);
  });
});

describe('the next copy', () => {
  it('is the newest that is missing, after what it builds on', () => {
    const points = [point('full', 3), point('child', 2, { parentId: 'full' }), point('grandchild', 1, { parentId: 'child' })];
    expect(nextCopy(points, rules())).toMatchObject({ recoveryPointId: 'grandchild', chain: ['full', 'child', 'grandchild'] });
    const begun = [point('full', 3, {}, 'copied'), ...points.slice(1)];
    expect(nextCopy(begun, rules())?.chain).toEqual(['child', 'grandchild']);
  });

  it.each<[string, readonly OffsitePoint[], string]>([
    ['the newer one, whatever their ids', [point('b', 2), point('a', 1)], 'a'],
    ['the one with the greater id of two of the same moment', [point('a', 1), point('b', 1)], 'b'],
    ['the same one in whichever order they come', [point('b', 1), point('a', 1)], 'b'],
  ])('is %s', (_what, points, next) => {
    expect(nextCopy(points, rules())?.recoveryPointId).toBe(next);
  });

  it('leaves out what waits for its next attempt, is being copied, or builds on something that cannot be copied', () => {
    const later = new Date(NOW.getTime() + 1000);
    const failed = point('newest', 1, { copy: { state: 'failed', nextAttemptAt: later } });
    expect(nextCopy([point('older', 2), failed], rules())?.recoveryPointId).toBe('older');
    expect(nextCopy([{ ...failed, copy: { state: 'failed', nextAttemptAt: NOW } }], rules())?.recoveryPointId).toBe('newest');
    expect(nextCopy([point('newest', 1, {}, 'copying')], rules())).toBeNull();
    expect(nextCopy([point('full', 2, { state: 'damaged' }), point('child', 1, { parentId: 'full' })], rules())).toBeNull();
    expect(nextCopy([point('child', 1, { parentId: 'unknown' })], rules())).toBeNull();
    expect(nextCopy([point('there', 1, {}, 'copied')], rules())).toBeNull();
  });

  it('is made again of a copy that is damaged, or was removed and is wanted again', () => {
    for (const state of ['damaged', 'deleted', 'waiting'] as const) expect(nextCopy([point('one', 1, {}, state)], rules())?.recoveryPointId).toBe('one');
  });

  it('of one that is asked for is made whatever its turn', () => {
    const points = [point('one', 1, { copy: { state: 'failed', nextAttemptAt: new Date(NOW.getTime() + DAY) } })];
    expect(chainToCopy(points[0]!, mapOf(points), NOW)).toBeNull();
    expect(chainToCopy(points[0]!, mapOf(points), new Date(8.64e15))).toEqual(['one']);
  });
});

describe('copies that go', () => {
  it('are those that no rule keeps; not before something newer is there', () => {
    const copied = [point('a', 4, {}, 'copied'), point('b', 3, {}, 'copied')];
    const waiting = [point('c', 2), point('d', 1)];
    expect(outdatedCopies([...copied, ...waiting], rules())).toEqual([]);
    const arrived = waiting.map((one) => ({ ...one, copy: { state: 'copied' as const, nextAttemptAt: null } }));
    expect(outdatedCopies([...copied, ...arrived], rules())).toEqual(['a', 'b']);
  });

  it('are never the last of a server, and none on which one builds that stays or is being copied', () => {
    expect(outdatedCopies([point('only', 900, {}, 'copied')], rules())).toEqual([]);
    const chain = [
      point('full', 9, {}, 'copied'),
      point('child', 3, { parentId: 'full' }, 'copying'),
      point('x', 8, {}, 'copied'),
      point('y', 2, {}, 'copied'),
    ];
    // What is on its way may never arrive: until then the others are the last two.
    expect(outdatedCopies(chain, rules())).toEqual([]);
    const arrived = chain.map((one) => (one.id === 'child' ? { ...one, copy: { state: 'copied' as const, nextAttemptAt: null } } : one));
    expect(outdatedCopies(arrived, rules())).toEqual(['x']);
  });

  it('are none of all those on which one builds that is being copied, though no rule keeps it any more', () => {
    const newer = [point('x', 3, {}, 'copied'), point('y', 2, {}, 'copied')];
    const chain = [point('full', 9, {}, 'copied'), point('child', 8, { parentId: 'full' }, 'copied')];
    expect(outdatedCopies([...chain, point('grandchild', 7, { parentId: 'child' }, 'copying'), ...newer], rules())).toEqual([]);
    expect(outdatedCopies([...chain, point('grandchild', 7, { parentId: 'child' }, 'failed'), ...newer], rules())).toEqual(['full', 'child']);
  });

  it('are not the last whole one while another one is being made', () => {
    const points = [point('whole', 3, {}, 'copied'), point('new', 1, {}, 'copying')];
    expect(outdatedCopies(points, rules({ retention: { ...RULES, last: 1 } }))).toEqual([]);
  });

  it('are not those that somebody fetches, and none of a kind that the policy says nothing of', () => {
    const points = [point('a', 4, { inUseBy: 'transfer x fetches it' }, 'copied'), point('b', 3, {}, 'copied'), point('c', 2, {}, 'copied')];
    expect(outdatedCopies(points, rules())).toEqual([]);
    expect(
      outdatedCopies(
        points.map((one) => ({ ...one, inUseBy: null })),
        rules({ image: false }),
      ),
    ).toEqual([]);
  });
});

describe('what stays here until it is copied', () => {
  it('is the newest of each kind, and others for a week longer than is promised', () => {
    const points = [point('old', 9), point('recent', 8), point('newest', 7.5), point('data', 20, { kind: 'data', dataSet: 'shop' })];
    const keeps = (last: number) => [...waitsForCopy(points, rules({ retention: { ...RULES, last } }))].sort();
    expect(keeps(3)).toEqual(['data', 'newest', 'recent']);
    expect(keeps(1)).toEqual(['data', 'newest']);
  });

  it('is the newest of each data set', () => {
    const data = (id: string, dataSet: string) => point(id, 20, { kind: 'data', dataSet });
    expect([...waitsForCopy([data('a', 'shop'), data('b', 'uploads')], rules())].sort()).toEqual(['a', 'b']);
  });

  it('is nothing that is on its way and damaged here: the newest of the others is the newest', () => {
    expect([...waitsForCopy([point('old', 9), point('under-way', 1, { state: 'damaged' }, 'copying')], rules())]).toEqual(['old']);
  });

  it('goes at the moment at which the week is over', () => {
    const publishedAt = (late: number): Date => new Date(NOW.getTime() - (26 * 3_600_000 + 7 * DAY) + late);
    const keeps = (late: number) => [...waitsForCopy([point('newest', 1), point('old', 9, { publishedAt: publishedAt(late) })], rules())];
    expect([keeps(0), keeps(1)]).toEqual([['newest'], ['newest', 'old']]);
  });
});

it('attempts come later each time, at most six hours apart', () => {
  expect([1, 2, 3, 50].map((attempts) => pauseBeforeCopy(attempts) / 60_000)).toEqual([5, 10, 20, 360]);
});

it('a check is due once a day, sooner after one that could not be carried out, and when a clock went back', () => {
  const ago = (hours: number, wasCarriedOut: boolean) => isCheckDue({ finishedAt: new Date(NOW.getTime() - hours * 3_600_000), wasCarriedOut }, NOW);
  expect(isCheckDue(null, NOW)).toBe(true);
  expect([ago(22, true), ago(23, true), ago(5, false), ago(6, false), ago(-1, true), ago(0, true)]).toEqual([false, true, false, true, true, false]);
});
