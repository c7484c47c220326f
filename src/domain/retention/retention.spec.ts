import type { DataPolicy, ImagePolicy, RetentionRules } from '../../contracts/policy';
import type { RetentionRule, RetentionVerdict } from '../../contracts/retention';
import { judgeRetention, keepsNothing, retentionContext, type RetentionContext, type RetentionPoint } from './retention';

const MINUTE = 60_000;
const DAY = 86_400_000;
const NOW = new Date('2026-11-27T12:00Z');

/** Every rule is off, unless it is said. */
const only = (changes: Partial<RetentionRules> = {}): RetentionRules => ({
  last: 0,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  yearly: 0,
  withinDays: 0,
  ...changes,
});
const ALL_RULES = only({ last: 3, hourly: 4, daily: 7, weekly: 4, monthly: 12, yearly: 3, withinDays: 5 });

/** Named by its time, unless it has a name. */
const image = (when: string, changes: Partial<RetentionPoint> = {}): RetentionPoint => ({
  id: when,
  kind: 'image',
  dataSet: null,
  pointInTime: new Date(when),
  usable: true,
  verifiedAt: null,
  bootedAt: null,
  isAway: false,
  line: null,
  parentId: null,
  isSafety: false,
  hold: null,
  inUseBy: null,
  ...changes,
});
const data = (dataSet: string, when: string, changes: Partial<RetentionPoint> = {}): RetentionPoint =>
  image(when, { id: `${dataSet} ${when}`, kind: 'data', dataSet, ...changes });
const damaged = { usable: false } as const;
const verified = { verifiedAt: new Date('2026-11-26T00:00Z') } as const;

/** Of a server that was decommissioned so long ago that nothing protects its last recovery points any more; and of one of which that time still runs. */
const OVER = { protectsUntil: NOW };
const RUNNING = { protectsUntil: new Date(NOW.getTime() + 1) };

const judge = (points: readonly RetentionPoint[], changes: Partial<RetentionContext> = {}): readonly RetentionVerdict[] =>
  judgeRetention(points, { now: NOW, timeZone: 'UTC', rules: { image: only(), data: only() }, clockTrusted: true, decommissioned: null, ...changes });
const images = (changes: Partial<RetentionRules>) => ({ rules: { image: only(changes), data: only() } });
const both = (changes: Partial<RetentionRules>) => ({ rules: { image: only(changes), data: only(changes) } });
const kept = (verdicts: readonly RetentionVerdict[]): string[] =>
  verdicts.filter(({ verdict }) => verdict === 'keep').map(({ recoveryPointId }) => recoveryPointId);
const keptBy = (rule: RetentionRule, verdicts: readonly RetentionVerdict[]): string[] =>
  verdicts.filter(({ reasons }) => reasons.some((reason) => reason.rule === rule)).map(({ recoveryPointId }) => recoveryPointId);
const why = (id: string, verdicts: readonly RetentionVerdict[]): string[] =>
  (verdicts.find(({ recoveryPointId }) => recoveryPointId === id)?.reasons ?? []).map(({ rule, detail }) => `${rule}: ${detail}`);
const rulesFor = (id: string, verdicts: readonly RetentionVerdict[]): string[] => why(id, verdicts).map((text) => text.replace(/:.*/, ''));

describe('retention', () => {
  it('takes none from the future for the newest, nor for the newest proven one', () => {
    const points = [image('2026-11-01T02:00Z', verified), image('2026-11-27T02:00Z'), image('2027-11-27T02:00Z', verified)];
    expect(kept(judge(points, images({ last: 1 })))).toEqual(['2026-11-01T02:00Z', '2026-11-27T02:00Z', '2027-11-27T02:00Z']);
    expect(keptBy('newest', judge(points, images({})))).toEqual(['2026-11-27T02:00Z']);
  });

  it('keeps what is damaged and within days of the newest also when the clock has gone back behind all of them', () => {
    const points = [image('2027-09-08T02:00Z', damaged), image('2027-10-23T02:00Z')];
    const judged = (now: string) => kept(judge(points, { ...images({ withinDays: 54 }), now: new Date(now) }));
    expect(judged('2028-09-13T00:00Z')).toHaveLength(2);
    expect(judged('2027-09-14T00:00Z')).toHaveLength(2);
    // By the newest that can be restored, wherever the clock is: by nothing that is damaged, and not by nothing.
    const goneBack = { ...images({ withinDays: 54 }), now: new Date('2027-09-14T00:00Z') };
    const older = image('2027-08-30T01:59Z', damaged);
    expect(keptBy('within', judge([...points, older], goneBack))).toEqual(['2027-09-08T02:00Z']);
    expect(keptBy('within', judge([image('2027-10-24T02:00Z', damaged), ...points, older], goneBack))).toEqual(['2027-09-08T02:00Z']);
  });

  it('counts an hour once where the clocks show two hours again, one after the other', () => {
    const points = ['2026-10-24T22:10Z', '2026-10-24T23:10Z', '2026-10-25T00:10Z', '2026-10-25T01:10Z', '2026-10-25T02:10Z'].map((when) => image(when));
    expect(keptBy('hourly', judge(points, { ...images({ hourly: 3 }), timeZone: 'Antarctica/Troll' }))).toEqual([
      '2026-10-24T22:10Z',
      '2026-10-25T01:10Z',
      '2026-10-25T02:10Z',
    ]);
  });

  it('keeps an image also under data that is damaged and held: somebody may want to see what is left of it', () => {
    const points = [image('2026-11-01T00:00Z'), image('2026-11-25T00:00Z'), data('shop', '2026-11-02T00:00Z', { ...damaged, hold: { reason: 'evidence' } })];
    expect(keptBy('under-data', judge(points))).toEqual(['2026-11-01T00:00Z']);
  });

  it('judges every recovery point, in the order given', () => {
    const points = [image('2026-11-25T02:00Z'), image('2026-11-27T02:00Z'), image('2026-11-26T02:00Z')];
    expect(judge(points, images({ last: 1 }))).toEqual([
      { recoveryPointId: '2026-11-25T02:00Z', verdict: 'expire', reasons: [] },
      {
        recoveryPointId: '2026-11-27T02:00Z',
        verdict: 'keep',
        reasons: [
          { rule: 'last', detail: '1 of 1' },
          { rule: 'newest', detail: 'the newest that can be restored' },
        ],
      },
      { recoveryPointId: '2026-11-26T02:00Z', verdict: 'expire', reasons: [] },
    ]);
  });

  it('has nothing to say about nothing', () => expect(judge([], { rules: { image: ALL_RULES, data: null } })).toEqual([]));

  it('does not guess a time zone', () => expect(() => judge([image('2026-11-27T02:00Z')], { timeZone: 'Europe/Atlantis' })).toThrow(RangeError));

  it('tells all reasons: what one rule keeps, stays', () => {
    const points = [image('2026-11-27T02:00Z', { hold: { reason: 'audit' } }), image('2026-11-26T02:00Z'), image('2026-11-25T02:00Z')];
    const verdicts = judge(points, images({ last: 1, daily: 2, monthly: 1 }));
    expect(why('2026-11-27T02:00Z', verdicts)).toEqual([
      'hold: audit',
      'last: 1 of 1',
      'daily: 2026-11-27, 1 of 2',
      'monthly: 2026-11, 1 of 1',
      'newest: the newest that can be restored',
    ]);
    expect(why('2026-11-26T02:00Z', verdicts)).toEqual(['daily: 2026-11-26, 2 of 2']);
    expect(kept(verdicts)).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
  });
});

describe('the newest ones by number', () => {
  const points = [image('2026-11-20T02:00Z'), image('2026-11-27T02:00Z'), image('2019-01-01T02:00Z'), image('2026-11-26T02:00Z')];

  it('stay, whatever their age', () => {
    expect(keptBy('last', judge(points, images({ last: 4 })))).toHaveLength(4);
    expect(keptBy('last', judge(points, images({ last: 2 })))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
    expect(why('2026-11-26T02:00Z', judge(points, images({ last: 2 })))).toEqual(['last: 2 of 2']);
  });

  it('are all there are, if there are fewer', () => expect(kept(judge(points, images({ last: 99 })))).toHaveLength(4));

  it('are counted without the damaged ones', () => {
    const broken = [...points, image('2026-11-26T18:00Z', damaged), image('2026-11-26T12:00Z', damaged)];
    expect(kept(judge(broken, images({ last: 2 })))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
  });

  it('of one moment are the same ones in any order of the list: those whose ids were given last', () => {
    const twins = [image('2026-11-27T02:00Z', { id: 'a' }), image('2026-11-27T02:00Z', { id: 'b' }), image('2026-11-27T02:00Z', { id: 'c' })];
    expect(kept(judge(twins, images({ last: 2 })))).toEqual(['b', 'c']);
    expect(kept(judge(twins.toReversed(), images({ last: 2 })))).toEqual(['c', 'b']);
  });
});

describe('the newest of each period', () => {
  it.each([
    ['hourly', ['2026-11-27T11:50Z', '2026-11-27T11:10Z', '2026-11-27T10:59Z', '2026-11-27T10:00Z', '2026-11-27T09:59Z']],
    ['daily', ['2026-11-27T11:00Z', '2026-11-27T00:00Z', '2026-11-26T23:59Z', '2026-11-26T00:00Z', '2026-11-25T23:59Z']],
    ['weekly', ['2026-11-27T11:00Z', '2026-11-23T00:00Z', '2026-11-22T23:59Z', '2026-11-16T00:00Z', '2026-11-15T23:59Z']],
    ['monthly', ['2026-11-27T11:00Z', '2026-11-01T00:00Z', '2026-10-31T23:59Z', '2026-10-01T00:00Z', '2026-09-30T23:59Z']],
    ['yearly', ['2026-11-27T11:00Z', '2026-01-01T00:00Z', '2025-12-31T23:59Z', '2025-01-01T00:00Z', '2024-12-31T23:59Z']],
  ] as const)('stays: %s', (period, whens) => {
    const verdicts = judge(
      whens.map((when) => image(when)),
      images({ [period]: 2 }),
    );
    expect(keptBy(period, verdicts)).toEqual([whens[0], whens[2]]);
    expect(kept(verdicts)).toEqual([whens[0], whens[2]]);
  });

  it.each([
    ['hourly', '2026-11-27T02'],
    ['daily', '2026-11-27'],
    ['weekly', '2026-W48'],
    ['monthly', '2026-11'],
    ['yearly', '2026'],
  ] as const)('is told by its name: %s %s', (period, name) => {
    expect(why('2026-11-27T02:00Z', judge([image('2026-11-27T02:00Z')], images({ [period]: 4 })))).toContain(`${period}: ${name}, 1 of 4`);
  });

  it.each([
    ['hourly', ['2026-11-27T02:00Z', '2026-11-20T02:00Z', '2026-01-01T02:00Z']],
    ['daily', ['2026-11-27T02:00Z', '2026-11-20T02:00Z', '2026-01-01T02:00Z']],
    ['weekly', ['2026-11-27T02:00Z', '2026-08-20T02:00Z', '2021-01-01T02:00Z']],
    ['monthly', ['2026-11-27T02:00Z', '2026-02-20T02:00Z', '2019-01-01T02:00Z']],
    ['yearly', ['2026-11-27T02:00Z', '2022-02-20T02:00Z', '2009-01-01T02:00Z']],
  ] as const)('is counted over those that have any: %s', (period, whens) => {
    const verdicts = judge(
      [...whens, '2001-01-01T02:00Z'].map((when) => image(when)),
      images({ [period]: 3 }),
    );
    expect(keptBy(period, verdicts)).toEqual(whens);
  });

  it('is one that can be restored, and a period without one is passed over', () => {
    const points = [
      image('2026-11-26T23:00Z', damaged),
      image('2026-11-27T02:00Z'),
      image('2026-11-26T08:00Z', damaged),
      image('2026-11-26T02:00Z', damaged),
      image('2026-11-25T02:00Z'),
      image('2026-11-24T02:00Z'),
    ];
    expect(kept(judge(points, images({ daily: 2 })))).toEqual(['2026-11-27T02:00Z', '2026-11-25T02:00Z']);
  });

  it('is found for each rule by itself', () => {
    const points = [
      '2026-11-27T02:00Z',
      '2026-11-26T02:00Z',
      '2026-11-25T02:00Z',
      '2026-10-31T02:00Z',
      '2026-10-30T02:00Z',
      '2025-12-31T02:00Z',
      '2025-06-01T02:00Z',
    ];
    const verdicts = judge(
      points.map((when) => image(when)),
      images({ daily: 2, monthly: 2, yearly: 2 }),
    );
    expect(keptBy('daily', verdicts)).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
    expect(keptBy('monthly', verdicts)).toEqual(['2026-11-27T02:00Z', '2026-10-31T02:00Z']);
    expect(keptBy('yearly', verdicts)).toEqual(['2026-11-27T02:00Z', '2025-12-31T02:00Z']);
  });

  it.each([
    ['UTC', ['2026-06-15T20:00Z', '2026-06-14T20:00Z']],
    ['Asia/Tokyo', ['2026-06-15T20:00Z', '2026-06-15T12:00Z', '2026-06-14T12:00Z']],
    ['America/Los_Angeles', ['2026-06-15T20:00Z', '2026-06-15T04:00Z', '2026-06-14T04:00Z']],
    ['Asia/Kolkata', ['2026-06-15T20:00Z', '2026-06-15T12:00Z', '2026-06-14T12:00Z']],
  ])('is that of a day in the time zone of the policy: %s', (timeZone, expected) => {
    const whens = ['2026-06-15T20:00Z', '2026-06-15T12:00Z', '2026-06-15T04:00Z', '2026-06-14T20:00Z', '2026-06-14T12:00Z', '2026-06-14T04:00Z'];
    const verdicts = judge(
      whens.map((when) => image(when)),
      { timeZone, ...images({ daily: 9 }) },
    );
    expect(kept(verdicts)).toEqual(expected);
  });

  it('is that of a day of 23 hours and of one of 25', () => {
    const spring = ['2026-03-29T22:00Z', '2026-03-29T21:59Z', '2026-03-28T23:00Z', '2026-03-28T22:59Z'].map((when) => image(when));
    expect(kept(judge(spring, { timeZone: 'Europe/Berlin', ...images({ daily: 9 }) }))).toEqual([
      '2026-03-29T22:00Z',
      '2026-03-29T21:59Z',
      '2026-03-28T22:59Z',
    ]);
    const autumn = ['2026-10-25T23:00Z', '2026-10-25T22:59Z', '2026-10-24T22:00Z', '2026-10-24T21:59Z'].map((when) => image(when));
    expect(kept(judge(autumn, { timeZone: 'Europe/Berlin', ...images({ daily: 9 }) }))).toEqual([
      '2026-10-25T23:00Z',
      '2026-10-25T22:59Z',
      '2026-10-24T21:59Z',
    ]);
  });

  it('stands for both hours that the clocks show twice', () => {
    const points = ['2026-10-25T02:10Z', '2026-10-25T01:10Z', '2026-10-25T00:10Z', '2026-10-24T23:10Z'].map((when) => image(when));
    expect(kept(judge(points, { timeZone: 'Europe/Berlin', ...images({ hourly: 3 }) }))).toEqual([
      '2026-10-25T02:10Z',
      '2026-10-25T01:10Z',
      '2026-10-24T23:10Z',
    ]);
  });

  it('is that of an ISO week, also around New Year', () => {
    const points = ['2027-01-04T00:00Z', '2027-01-03T23:59Z', '2026-12-31T12:00Z', '2026-12-28T00:00Z', '2026-12-27T23:59Z'].map((when) => image(when));
    const verdicts = judge(points, { now: new Date('2027-01-05T00:00Z'), ...images({ weekly: 9 }) });
    expect(kept(verdicts)).toEqual(['2027-01-04T00:00Z', '2027-01-03T23:59Z', '2026-12-27T23:59Z']);
    expect(why('2027-01-03T23:59Z', verdicts)).toEqual(['weekly: 2026-W53, 2 of 9']);
  });

  it('does not become another by judging every day', () => {
    const rules = { image: only({ last: 2, daily: 7, weekly: 4, monthly: 12, yearly: 2, withinDays: 3 }), data: null };
    const all = Array.from({ length: 800 }, (_, day) => image(new Date(NOW.getTime() - (800 - day) * DAY).toISOString()));
    let left: RetentionPoint[] = [];
    for (const point of all) {
      left.push(point);
      const stays = new Set(kept(judge(left, { now: point.pointInTime, timeZone: 'Europe/Berlin', rules })));
      left = left.filter(({ id }) => stays.has(id));
    }
    expect(left.map(({ id }) => id)).toEqual(kept(judge(all, { timeZone: 'Europe/Berlin', rules })));
    expect(left.length).toBeLessThan(30);
  });
});

describe('all of the last days', () => {
  it('stay, counted from the newest one that can be restored, not from today', () => {
    const points = [
      image('2020-05-10T02:00:00.000Z'),
      image('2020-05-10T01:00:00.000Z'),
      image('2020-05-03T02:00:00.000Z'),
      image('2020-05-03T01:59:59.999Z'),
      image('2020-05-12T02:00:00.000Z', damaged),
    ];
    const verdicts = judge(points, images({ withinDays: 7 }));
    expect(keptBy('within', verdicts)).toEqual([
      '2020-05-10T02:00:00.000Z',
      '2020-05-10T01:00:00.000Z',
      '2020-05-03T02:00:00.000Z',
      '2020-05-12T02:00:00.000Z',
    ]);
    expect(why('2020-05-10T01:00:00.000Z', verdicts)).toEqual(['within: 7 days before the newest']);
    expect(kept(verdicts)).not.toContain('2020-05-03T01:59:59.999Z');
  });

  it('have their damaged ones, too', () => {
    const points = [image('2026-11-27T02:00Z'), image('2026-11-26T02:00Z', damaged), image('2026-11-20T02:00Z', damaged)];
    expect(kept(judge(points, images({ withinDays: 2 })))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
  });

  it('are counted from none where none can be restored: those that are damaged stay for that', () => {
    const verdicts = judge([image('2026-11-27T02:00Z', damaged), image('2019-11-26T02:00Z', damaged)], images({ withinDays: 2 }));
    expect(verdicts.map(({ reasons }) => reasons.map(({ rule }) => rule))).toEqual([['newest'], ['newest']]);
  });

  it('are none when the rule is off', () => {
    const points = [image('2026-11-27T02:00Z', { id: 'a' }), image('2026-11-27T02:00Z', { id: 'b' })];
    const verdicts = judge(points, images({ last: 1 }));
    expect(keptBy('within', verdicts)).toEqual([]);
    expect(kept(verdicts)).toHaveLength(1);
  });
});

describe('images and data sets', () => {
  const points = [
    data('db', '2026-11-27T05:00Z'),
    image('2026-11-27T04:00Z'),
    data('files', '2026-11-20T02:00Z'),
    data('db', '2026-11-26T05:00Z'),
    image('2026-11-26T04:00Z'),
    data('files', '2026-11-19T02:00Z'),
    data('db', '2026-11-25T05:00Z'),
    image('2026-11-18T04:00Z'),
    data('files', '2026-11-18T02:00Z'),
  ];

  it('are counted by themselves', () => {
    for (const [rules, rule] of [
      [{ last: 1 }, 'last'],
      [{ daily: 1 }, 'daily'],
      [{ withinDays: 1 }, 'within'],
    ] as const) {
      const newest = ['db 2026-11-27T05:00Z', '2026-11-27T04:00Z', 'files 2026-11-20T02:00Z'];
      expect([rule, keptBy(rule, judge(points, both(rules)))]).toEqual([
        rule,
        rule === 'within' ? [...newest, 'db 2026-11-26T05:00Z', '2026-11-26T04:00Z', 'files 2026-11-19T02:00Z'] : newest,
      ]);
    }
  });

  it('have rules of their own', () => {
    const verdicts = judge(points, { rules: { image: only({ last: 1 }), data: only({ last: 2 }) } });
    expect(keptBy('last', verdicts)).toEqual([
      'db 2026-11-27T05:00Z',
      '2026-11-27T04:00Z',
      'files 2026-11-20T02:00Z',
      'db 2026-11-26T05:00Z',
      'files 2026-11-19T02:00Z',
    ]);
  });

  it('have a newest and a proven one each', () => {
    const proven = points.map((point, index) => (index > 5 ? { ...point, ...verified } : point));
    const verdicts = judge(proven, both({}));
    expect(keptBy('newest', verdicts)).toEqual(['db 2026-11-27T05:00Z', '2026-11-27T04:00Z', 'files 2026-11-20T02:00Z']);
    expect(keptBy('last-verified', verdicts)).toEqual(['db 2026-11-25T05:00Z', '2026-11-18T04:00Z', 'files 2026-11-18T02:00Z']);
  });

  it('all stay where no policy counts them', () => {
    const verdicts = judge(points, { rules: { image: null, data: only({ last: 1 }) } });
    expect(keptBy('no-policy', verdicts)).toEqual(['2026-11-27T04:00Z', '2026-11-26T04:00Z', '2026-11-18T04:00Z']);
    expect(why('2026-11-26T04:00Z', verdicts)).toEqual(['no-policy: no policy says how long']);
    expect(kept(verdicts)).toEqual(['db 2026-11-27T05:00Z', '2026-11-27T04:00Z', 'files 2026-11-20T02:00Z', '2026-11-26T04:00Z', '2026-11-18T04:00Z']);
  });

  it('stay without a policy also when damaged, or saved for safety; of a decommissioned server until its time is over', () => {
    const odd = [image('2020-01-01T00:00Z', damaged), data('db', '2020-01-01T00:00Z', { isSafety: true })];
    const nobody = { rules: { image: null, data: null } };
    expect(kept(judge(odd, nobody))).toHaveLength(2);
    expect(kept(judge(odd, { ...nobody, decommissioned: RUNNING }))).toHaveLength(2);
    expect(kept(judge(odd, { ...nobody, decommissioned: OVER }))).toEqual([]);
  });
});

describe('what never expires', () => {
  it('is the newest one that can be restored', () => {
    const points = [image('2026-11-27T02:00Z', damaged), image('2019-11-26T02:00Z'), image('2019-11-25T02:00Z')];
    expect(kept(judge(points.slice(1)))).toEqual(['2019-11-26T02:00Z']);
    expect(why('2019-11-26T02:00Z', judge(points))).toEqual(['newest: the newest that can be restored']);
  });

  it('is the newest one that came up when it was booted', () => {
    const booted = { bootedAt: new Date('2026-11-26T00:00Z') };
    const points = [
      image('2026-11-27T02:00Z'),
      image('2026-11-26T02:00Z', { ...booted, ...damaged }),
      image('2019-11-26T02:00Z', booted),
      image('2018-11-26T02:00Z', booted),
    ];
    expect(kept(judge(points))).toEqual(['2026-11-27T02:00Z', '2019-11-26T02:00Z']);
    expect(why('2019-11-26T02:00Z', judge(points))).toEqual(['last-booted: the newest that came up when it was booted']);
    expect(kept(judge(points, { decommissioned: OVER }))).toEqual([]);
  });

  it('is the newest one of the disks that the server has, and of those that undoing brings back', () => {
    const line = (id: string, why: string) => ({ line: { id, why } });
    const points = [
      image('2026-11-27T02:00Z'),
      image('2026-11-26T02:00Z', line('b', 'that the server has')),
      image('2026-11-25T02:00Z', line('b', 'that the server has')),
      image('2026-11-24T02:00Z', { ...line('a', 'that undoing brings back'), ...damaged }),
      image('2026-11-23T02:00Z', line('a', 'that undoing brings back')),
    ];
    expect(kept(judge(points))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z', '2026-11-23T02:00Z']);
    expect(why('2026-11-23T02:00Z', judge(points))).toEqual(['newest: the newest of the disks that undoing brings back']);
  });

  it('is told once where the newest of all is also the newest of its disks', () => {
    const line = { line: { id: 'a', why: 'that the server has' } };
    expect(why('2026-11-27T02:00Z', judge([image('2026-11-27T02:00Z', line), image('2026-11-26T02:00Z', line)]))).toEqual([
      'newest: the newest that can be restored',
    ]);
  });

  it.each(['image', 'data'] as const)(
    'is what is damaged only because of one on which it builds: it may be well again, and takes the place of nothing: %s',
    (kind) => {
      const one = (day: number, changes: Partial<RetentionPoint> = {}) =>
        image(`2026-11-${day}T02:00Z`, { kind, dataSet: kind === 'data' ? 'db' : null, ...changes });
      const points = [
        one(27),
        one(26, { ...damaged, inheritsFrom: 'rp_origin' }),
        one(25, { ...damaged, inheritsFrom: null }),
        one(24, damaged),
        one(23),
        one(22),
      ];
      const verdicts = judge(points, both({ last: 2 }));
      expect(kept(verdicts)).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z', '2026-11-23T02:00Z']);
      expect(why('2026-11-26T02:00Z', verdicts)).toEqual(['inherited: only rp_origin, on which it builds, is damaged, and may be well again']);
      expect(keptBy('last', verdicts)).toEqual(['2026-11-27T02:00Z', '2026-11-23T02:00Z']);
    },
  );

  it('is what cannot be reached now, and that takes the place of nothing', () => {
    const points = [image('2026-11-27T02:00Z', { isAway: true, usable: false }), image('2026-11-26T02:00Z'), image('2026-11-25T02:00Z')];
    expect(kept(judge(points, images({ last: 1 })))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
    expect(why('2026-11-27T02:00Z', judge(points))).toContain('unreachable: its repository was away when it was looked for');
  });

  it('is what is damaged, as long as nothing as new can be restored: somebody may have to be content with what is left in it', () => {
    const points = [image('2026-11-27T02:00Z', damaged), image('2026-11-26T02:00Z', damaged), image('2019-11-26T02:00Z'), image('2018-11-26T02:00Z', damaged)];
    expect(kept(judge(points))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z', '2019-11-26T02:00Z']);
    expect(why('2026-11-26T02:00Z', judge(points))).toEqual(['newest: damaged, but nothing as new can be restored']);
    expect(kept(judge(points.slice(0, 2)))).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
    expect(kept(judge([image('2026-11-27T03:00Z'), ...points]))).toEqual(['2026-11-27T03:00Z']);
  });

  it('is the newest one that is proven and not damaged since', () => {
    const points = [
      image('2026-11-27T02:00Z'),
      image('2026-11-26T02:00Z', { ...verified, ...damaged }),
      image('2019-11-25T02:00Z', verified),
      image('2019-11-24T02:00Z', verified),
    ];
    expect(kept(judge(points))).toEqual(['2026-11-27T02:00Z', '2019-11-25T02:00Z']);
    expect(why('2019-11-25T02:00Z', judge(points))).toEqual(['last-verified: the newest that is proven']);
  });

  it('is proven last by what it holds, not by when that was done', () => {
    const points = [
      image('2026-11-27T02:00Z', { verifiedAt: new Date('2026-11-27T03:00Z') }),
      image('2026-11-20T02:00Z', { verifiedAt: new Date('2026-11-27T09:00Z') }),
    ];
    expect(kept(judge(points))).toEqual(['2026-11-27T02:00Z']);
  });

  it('is of a decommissioned server all that stays of one in service, until its time is over; the reasons say when that is', () => {
    const line = { line: { id: 'a', why: 'that the server has' } };
    const points = [
      image('2026-11-27T02:00Z'),
      image('2026-11-26T02:00Z', verified),
      image('2026-11-25T02:00Z', line),
      image('2026-11-24T02:00Z', { bootedAt: new Date('2026-11-26T00:00Z') }),
      image('2026-11-23T02:00Z'),
      data('db', '2026-11-25T02:00Z'),
      data('db', '2020-11-25T02:00Z'),
    ];
    const running = judge(points, { decommissioned: RUNNING });
    expect(kept(running)).toEqual(kept(judge(points)));
    expect(kept(running)).toHaveLength(5);
    expect(why('2026-11-26T02:00Z', running)).toEqual([
      'last-verified: the newest that is proven; until 2026-11-27T12:00:00.001Z, because the server is decommissioned',
    ]);
    const ruled = images({ daily: 1 });
    expect(why('2026-11-27T02:00Z', judge(points, { decommissioned: RUNNING, ...ruled }))).toContain('daily: 2026-11-27, 1 of 1');
    expect(judge(points, { decommissioned: RUNNING, ...ruled }).map(({ verdict }) => verdict)).toEqual(judge(points, ruled).map(({ verdict }) => verdict));
  });

  it('is nothing any more that a rule keeps, when the time of a decommissioned server is over', () => {
    const all = { rules: { image: ALL_RULES, data: ALL_RULES } };
    const points = [
      image('2026-11-27T02:00Z', verified),
      image('2026-11-26T02:00Z', { isAway: true, usable: false }),
      image('2026-11-25T02:00Z', { ...damaged, inheritsFrom: 'rp_origin' }),
      data('db', '2026-11-25T02:00Z'),
      data('db', '2026-11-26T02:00Z', { isSafety: true }),
      image('2027-11-27T02:00Z'),
    ];
    expect(kept(judge(points, { ...all, decommissioned: RUNNING }))).toHaveLength(6);
    expect(kept(judge(points, { ...all, decommissioned: OVER }))).toEqual([]);
    expect(kept(judge(points, { ...all, decommissioned: { protectsUntil: new Date('2020-01-01T00:00Z') } }))).toEqual([]);
  });

  it('is, when that time is over, what a held one builds on, and the image that held data goes into', () => {
    const points = [
      image('2026-11-27T02:00Z'),
      image('2026-11-26T02:00Z', { parentId: '2026-11-25T02:00Z', hold: { reason: 'evidence' } }),
      image('2026-11-25T02:00Z', { parentId: '2026-11-24T02:00Z' }),
      image('2026-11-24T02:00Z'),
      data('db', '2026-11-10T02:00Z', { hold: { reason: 'evidence' } }),
      image('2026-11-09T02:00Z'),
    ];
    const verdicts = judge(points, { decommissioned: OVER });
    expect(keptBy('hold', verdicts)).toEqual(['2026-11-26T02:00Z', 'db 2026-11-10T02:00Z']);
    expect(keptBy('parent', verdicts)).toEqual(['2026-11-25T02:00Z', '2026-11-24T02:00Z']);
    expect(keptBy('under-data', verdicts)).toEqual(['2026-11-09T02:00Z']);
    expect(kept(verdicts)).toHaveLength(5);
  });

  it('is what a person holds, and what is in use, by their words', () => {
    const points = [
      image('2026-11-27T02:00Z'),
      image('2018-01-01T00:00Z', { hold: { reason: 'court order 17' }, ...damaged }),
      data('db', '2018-01-02T00:00Z', { inUseBy: 'run_7' }),
      image('2018-01-03T00:00Z', { inUseBy: 'the way back of run_8', ...damaged }),
    ];
    const verdicts = judge(points, { decommissioned: OVER });
    expect(why('2018-01-01T00:00Z', verdicts)).toEqual(['hold: court order 17']);
    expect(why('db 2018-01-02T00:00Z', verdicts)).toEqual(['in-use: run_7']);
    expect(why('2018-01-03T00:00Z', verdicts)).toEqual(['in-use: the way back of run_8']);
    expect(kept(verdicts)).toHaveLength(3);
  });

  it('is nothing that is damaged where something newer can be restored, unless a rule says so', () => {
    const points = [
      image('2026-11-27T03:00Z'),
      data('db', '2026-11-27T03:00Z'),
      image('2026-11-27T02:00Z', damaged),
      image('2026-11-26T02:00Z', { ...damaged, ...verified }),
      data('db', '2026-11-27T02:00Z', damaged),
    ];
    expect(kept(judge(points, both({ last: 5, hourly: 5, daily: 5, weekly: 5, monthly: 5, yearly: 5, withinDays: 0 })))).toEqual([
      '2026-11-27T03:00Z',
      'db 2026-11-27T03:00Z',
    ]);
  });
});

describe('what another one builds on', () => {
  const chain = (...ids: readonly string[]): RetentionPoint[] =>
    ids.map((id, index) => image(`2026-11-${10 + index}T02:00Z`, { id, parentId: index === 0 ? null : (ids[index - 1] ?? null) }));

  it('stays with it, and what that one builds on', () => {
    const points = [...chain('full', 'i1', 'i2', 'i3'), ...chain('old', 'o1')].map((point) =>
      point.id.startsWith('o') ? { ...point, pointInTime: new Date(0) } : point,
    );
    const verdicts = judge(points, images({ last: 1 }));
    expect(kept(verdicts)).toEqual(['full', 'i1', 'i2', 'i3']);
    expect(why('full', verdicts)).toEqual(['parent: i1 builds on it']);
    expect(rulesFor('i3', verdicts)).toEqual(['last', 'newest']);
  });

  it('stays even when it is damaged, and needs not come first in the list', () => {
    const points = chain('full', 'i1', 'i2').map((point) => (point.id === 'i2' ? point : { ...point, ...damaged }));
    expect(kept(judge(points, images({ last: 1 })))).toEqual(['full', 'i1', 'i2']);
    expect(kept(judge(points.toReversed(), images({ last: 1 })))).toEqual(['i2', 'i1', 'full']);
  });

  it('stays for a branch that is held, while the rest of the chain goes', () => {
    const [full, i1, i2] = chain('full', 'i1', 'i2') as [RetentionPoint, RetentionPoint, RetentionPoint];
    const branch = image('2026-11-11T12:00Z', { id: 'branch', parentId: 'full', hold: { reason: 'audit' } });
    const newest = image('2026-11-27T02:00Z');
    const verdicts = judge([full, i1, i2, branch, newest], images({ last: 1 }));
    expect(kept(verdicts)).toEqual(['full', 'branch', '2026-11-27T02:00Z']);
    expect(why('full', verdicts)).toEqual(['parent: branch builds on it']);
  });

  it('is told once, however many build on it', () => {
    const full = image('2026-11-01T02:00Z', { id: 'full' });
    const children = ['a', 'b', 'c'].map((id, index) => image(`2026-11-0${index + 2}T02:00Z`, { id, parentId: 'full' }));
    const verdicts = judge([full, ...children], images({ last: 3 }));
    expect(rulesFor('full', verdicts)).toEqual(['parent']);
    expect(kept(verdicts)).toHaveLength(4);
  });

  it('may be unknown', () => expect(kept(judge([image('2026-11-27T02:00Z', { parentId: 'gone' })], images({ last: 1 })))).toEqual(['2026-11-27T02:00Z']));

  it('ends, even if someone made it go round in circles', () => {
    const round = [
      image('2026-11-10T02:00Z', { id: 'a', parentId: 'c' }),
      image('2026-11-11T02:00Z', { id: 'b', parentId: 'a' }),
      image('2026-11-12T02:00Z', { id: 'c', parentId: 'b' }),
      image('2026-11-13T02:00Z', { id: 'itself', parentId: 'itself' }),
    ];
    expect(kept(judge([...round, image('2026-11-27T02:00Z', { parentId: 'b' })], images({ last: 1 })))).toEqual(['a', 'b', 'c', '2026-11-27T02:00Z']);
    expect(kept(judge([...round, image('2026-11-27T02:00Z', { parentId: 'itself' })], images({ last: 1 })))).toEqual(['itself', '2026-11-27T02:00Z']);
    expect(kept(judge([...round, image('2026-11-27T02:00Z')], images({ last: 1 })))).toEqual(['2026-11-27T02:00Z']);
  });
});

describe('the image under data', () => {
  const points = [
    image('2026-11-27T04:00Z'),
    image('2026-11-20T04:00Z'),
    image('2026-11-10T04:00Z', { parentId: '2026-11-01T04:00Z' }),
    image('2026-11-05T04:00Z'),
    image('2026-11-01T04:00Z'),
  ];
  const last = (count: number) => ({ rules: { image: only({ last: 1 }), data: only({ last: count }) } });

  it('stays for each that stays: the newest not younger than it, with what it builds on', () => {
    const verdicts = judge([...points, data('db', '2026-11-15T04:00Z'), data('db', '2026-11-06T04:00Z')], last(1));
    expect(kept(verdicts)).toEqual(['2026-11-27T04:00Z', '2026-11-10T04:00Z', '2026-11-01T04:00Z', 'db 2026-11-15T04:00Z']);
    expect(why('2026-11-10T04:00Z', verdicts)).toEqual(['under-data: data recovery point db 2026-11-15T04:00Z needs it']);
    expect(rulesFor('2026-11-01T04:00Z', verdicts)).toEqual(['parent']);
  });

  it('may be of the same moment, but not a moment younger', () => {
    expect(keptBy('under-data', judge([...points, data('db', '2026-11-20T04:00:00.000Z')], last(1)))).toEqual(['2026-11-20T04:00Z']);
    expect(keptBy('under-data', judge([...points, data('db', '2026-11-20T03:59:59.999Z')], last(1)))).toEqual(['2026-11-10T04:00Z']);
  });

  it('is one that can be restored', () => {
    const broken = points.map((point) => (point.id === '2026-11-10T04:00Z' ? { ...point, ...damaged } : point));
    expect(keptBy('under-data', judge([...broken, data('db', '2026-11-15T04:00Z')], last(1)))).toEqual(['2026-11-05T04:00Z']);
  });

  it('is found for each data set and for each kept one of it', () => {
    const verdicts = judge(
      [...points, data('db', '2026-11-26T00:00Z'), data('files', '2026-11-06T00:00Z'), data('db', '2026-11-02T00:00Z'), data('files', '2026-11-05T12:00Z')],
      last(2),
    );
    expect(keptBy('under-data', verdicts)).toEqual(['2026-11-20T04:00Z', '2026-11-05T04:00Z', '2026-11-01T04:00Z']);
    expect(why('2026-11-05T04:00Z', verdicts)).toEqual(['under-data: 2 data recovery points need it, the newest is files 2026-11-06T00:00Z']);
  });

  it('is there for one that is held, in use, or saved for safety, too', () => {
    const others = [
      data('db', '2026-11-21T00:00Z', { isSafety: true }),
      data('db', '2026-11-15T00:00Z', { hold: { reason: 'audit' } }),
      data('db', '2026-11-06T00:00Z', { inUseBy: 'run_7' }),
    ];
    const verdicts = judge([...points, ...others]);
    expect(keptBy('under-data', verdicts)).toEqual(['2026-11-20T04:00Z', '2026-11-10T04:00Z', '2026-11-05T04:00Z']);
    expect(keptBy('under-data', judge([...points, ...others], { decommissioned: OVER }))).toEqual(['2026-11-10T04:00Z', '2026-11-05T04:00Z']);
  });

  it('is none when all are younger', () => {
    const verdicts = judge([...points, data('db', '2026-10-01T00:00Z')], last(1));
    expect(kept(verdicts)).toEqual(['2026-11-27T04:00Z', 'db 2026-10-01T00:00Z']);
  });

  it('stays for the others when the oldest has none', () => {
    const verdicts = judge([data('db', '2026-10-01T00:00Z'), ...points, data('db', '2026-11-06T00:00Z')], last(2));
    expect(keptBy('under-data', verdicts)).toEqual(['2026-11-05T04:00Z']);
  });
});

describe('what was saved before a restore', () => {
  const safety = (when: string, changes: Partial<RetentionPoint> = {}) => data('db', when, { isSafety: true, ...changes });

  it('stays for thirty days, to the millisecond', () => {
    const points = [safety('2026-10-28T12:00:00.000Z'), safety('2026-10-28T11:59:59.999Z'), safety('2026-11-27T12:00:00.000Z')];
    const verdicts = judge(points);
    expect(kept(verdicts)).toEqual(['db 2026-10-28T12:00:00.000Z', 'db 2026-11-27T12:00:00.000Z']);
    expect(why('db 2026-10-28T12:00:00.000Z', verdicts)).toEqual(['safety: saved before a restore, for 30 days']);
  });

  it('is not counted: it neither stays by a rule nor as the newest nor as proven', () => {
    expect(kept(judge([safety('2026-10-01T00:00Z', verified)], { rules: { image: null, data: ALL_RULES } }))).toEqual([]);
  });

  it('pushes none out', () => {
    const points = [data('db', '2026-11-20T02:00Z'), data('db', '2026-11-19T02:00Z', verified), data('db', '2026-11-18T02:00Z')];
    const more = [safety('2026-11-27T02:00Z', verified), safety('2026-11-20T12:00Z', verified), safety('2026-11-19T12:00Z')];
    for (const rules of [only({ last: 2 }), only({ daily: 2 }), only({ withinDays: 1 }), only()]) {
      const without = judge(points, { rules: { image: null, data: rules } });
      expect(judge([...points, ...more], { rules: { image: null, data: rules } }).slice(0, 3)).toEqual(without);
      expect(kept(without)).toEqual(['db 2026-11-20T02:00Z', 'db 2026-11-19T02:00Z']);
    }
  });

  it('stays longer when it is held or in use', () => {
    const points = [safety('2020-01-01T00:00Z', { hold: { reason: 'audit' } }), safety('2020-01-02T00:00Z', { inUseBy: 'the way back of run_7' })];
    expect(kept(judge(points, { decommissioned: OVER }))).toHaveLength(2);
  });

  it('stays for its days also when the server is decommissioned, as long as anything does', () => {
    const points = [safety('2026-11-20T00:00Z'), safety('2026-10-20T00:00Z')];
    expect(kept(judge(points, { decommissioned: RUNNING }))).toEqual(['db 2026-11-20T00:00Z']);
    expect(kept(judge(points, { decommissioned: OVER }))).toEqual([]);
  });
});

describe('a clock that is wrong', () => {
  const ahead = (ms: number, changes: Partial<RetentionPoint> = {}) => image(new Date(NOW.getTime() + ms).toISOString(), { id: 'ahead', ...changes });
  const points = [image('2026-11-27T02:00Z'), image('2026-11-26T02:00Z'), image('2026-11-25T02:00Z'), image('2026-11-24T02:00Z')];

  it('expires nothing', () => {
    const broken = [...points, image('2020-01-01T00:00Z', damaged), data('db', '2020-01-01T00:00Z', { isSafety: true })];
    const verdicts = judge(broken, { clockTrusted: false, decommissioned: OVER });
    expect(keptBy('clock', verdicts)).toHaveLength(6);
    expect(why('2020-01-01T00:00Z', verdicts)).toEqual(['clock: the time of day may be wrong']);
  });

  it('leaves what it dated into the future, damaged or not', () => {
    const verdicts = judge([...points, ahead(365 * DAY), ahead(365 * DAY, { id: 'damaged', ...damaged })]);
    expect(kept(verdicts)).toEqual(['2026-11-27T02:00Z', 'ahead', 'damaged']);
    expect(why('damaged', verdicts)).toEqual(['clock: it lies in the future']);
  });

  it.each([
    ['last', { last: 2 }],
    ['hourly', { hourly: 2 }],
    ['daily', { daily: 2 }],
    ['within', { withinDays: 1 }],
  ] as const)('does not count what it dated into the future: %s', (rule, rules) => {
    const verdicts = judge([ahead(5 * MINUTE + 1), ahead(400 * DAY, { id: 'further' }), ...points], images(rules));
    expect(keptBy(rule, verdicts)).toEqual(['2026-11-27T02:00Z', '2026-11-26T02:00Z']);
    expect(kept(verdicts)).toEqual(['ahead', 'further', '2026-11-27T02:00Z', '2026-11-26T02:00Z']);
  });

  it('may be five minutes ahead: that still counts', () => {
    const verdicts = judge([ahead(5 * MINUTE), ...points], images({ last: 2, withinDays: 1 }));
    expect(rulesFor('ahead', verdicts)).toEqual(['last', 'within', 'newest']);
    expect(keptBy('last', verdicts)).toEqual(['ahead', '2026-11-27T02:00Z']);
  });

  it.each([
    ['ahead', 365],
    ['behind', -365],
  ])('by a year %s takes nothing that would stay', (_, days) => {
    const all = Array.from({ length: 900 }, (_unused, index) => [
      image(new Date(NOW.getTime() - index * DAY).toISOString(), { ...(index % 50 === 49 && verified), ...(index % 7 === 3 && damaged) }),
      data('db', new Date(NOW.getTime() - (index + 0.5) * DAY).toISOString()),
    ]).flat();
    const rules = { image: ALL_RULES, data: only({ daily: 30, yearly: 5 }) };
    const before = kept(judge(all, { rules }));
    const after = new Set(kept(judge(all, { rules, now: new Date(NOW.getTime() + days * DAY) })));
    expect(before.length).toBeGreaterThan(20);
    expect(before.length).toBeLessThan(100);
    expect(before.filter((id) => !after.has(id))).toEqual([]);
  });
});

describe('a server whose backups have stopped', () => {
  it('loses nothing by the passing of time, but what was saved for safety', () => {
    const points = Array.from({ length: 900 }, (_, index) => [
      image(new Date(NOW.getTime() - index * DAY).toISOString(), { ...(index === 333 && verified), ...(index % 7 === 3 && damaged) }),
      data('db', new Date(NOW.getTime() - (index + 0.5) * DAY).toISOString(), { ...(index === 444 && { hold: { reason: 'audit' } }) }),
    ]).flat();
    const safety = data('db', '2026-11-26T00:00Z', { isSafety: true, id: 'safety' });
    const rules = { image: ALL_RULES, data: ALL_RULES };
    const later = { rules, now: new Date(NOW.getTime() + 3653 * DAY) };
    expect(judge(points, later)).toEqual(judge(points, { rules }));
    expect(kept(judge([...points, safety], { rules }))).toContain('safety');
    expect(kept(judge([...points, safety], later))).not.toContain('safety');
  });
});

describe('very many recovery points', () => {
  it('are judged: a hundred thousand images and data, over forty years', () => {
    const points = Array.from({ length: 25_000 }, (_, index) => {
      const when = new Date(NOW.getTime() - index * 14 * 60 * MINUTE).toISOString();
      return [
        image(when, { id: `img ${index}`, parentId: index % 30 === 29 ? null : `img ${index + 1}`, ...(index % 90 === 1 && verified) }),
        data('db', when),
        data('files', when, { ...(index % 5 === 0 && damaged) }),
        data('mail', when, { isSafety: index % 100 === 0 }),
      ];
    }).flat();
    const verdicts = judge(points, {
      timeZone: 'Europe/Berlin',
      rules: { image: ALL_RULES, data: only({ hourly: 48, daily: 30, weekly: 52, monthly: 120, yearly: 99 }) },
    });
    expect(verdicts).toHaveLength(100_000);
    expect(verdicts.findIndex(({ recoveryPointId }, index) => recoveryPointId !== points[index]?.id)).toBe(-1);
    expect(kept(verdicts).length).toBeGreaterThan(1_000);
    expect(kept(verdicts).length).toBeLessThan(20_000);
    expect(kept(judge(points, { rules: { image: only({ yearly: 999 }), data: only({ hourly: 200_000 }) } })).length).toBeGreaterThan(60_000);
  });

  it('may all build on one another', () => {
    const points = Array.from({ length: 100_000 }, (_, index) =>
      image(new Date(NOW.getTime() - index * MINUTE).toISOString(), { id: `i${index}`, parentId: index === 99_999 ? 'i0' : `i${index + 1}` }),
    );
    expect(kept(judge(points, images({ last: 1 })))).toHaveLength(100_000);
  });
});

describe('rules that keep nothing', () => {
  it('are those that are all off', () => expect(keepsNothing(only())).toBe(true));

  it.each(Object.keys(only()) as (keyof RetentionRules)[])('are not those with %s', (rule) => expect(keepsNothing(only({ [rule]: 1 }))).toBe(false));

  const RULES = Object.keys(only()) as (keyof RetentionRules)[];
  it.each(RULES.flatMap((rule, index) => RULES.slice(index + 1).map((other) => [rule, other] as const)))('are not those with both %s and %s', (rule, other) =>
    expect(keepsNothing(only({ [rule]: 1, [other]: 1 }))).toBe(false),
  );
});

describe('what is counted, of a server', () => {
  const daily = { schedule: { every: 'day', at: '01:00' }, jitterMinutes: 0, rpoHours: null } as const;
  const image: ImagePolicy = { ...daily, mode: 'online', allowCrashConsistent: false, maxIncrements: 0, retention: only({ last: 3 }) };
  const data: DataPolicy = { ...daily, retention: only({ daily: 7 }) };
  const context = { now: NOW, timeZone: 'UTC', rules: { image: null, data: null }, clockTrusted: true, decommissioned: null };

  it.each<[string, Parameters<typeof retentionContext>[0], Partial<RetentionContext>]>([
    ['without a policy: nothing, in UTC', null, {}],
    ['whose policy asks for neither: nothing, in its time zone', { timeZone: 'Asia/Tokyo', image: null, data: null }, { timeZone: 'Asia/Tokyo' }],
    ['whose policy asks for images: those', { timeZone: 'UTC', image, data: null }, { rules: { image: only({ last: 3 }), data: null } }],
    ['whose policy asks for data: that', { timeZone: 'UTC', image: null, data }, { rules: { image: null, data: only({ daily: 7 }) } }],
    ['whose policy asks for both: each by its own rules', { timeZone: 'UTC', image, data }, { rules: { image: only({ last: 3 }), data: only({ daily: 7 }) } }],
  ])('%s', (_which, policy, expected) => {
    expect(retentionContext(policy, null, NOW)).toEqual({ ...context, ...expected });
  });

  it('that is out of service: the same, and until when it is protected', () => {
    expect(retentionContext(null, { protectsUntil: '2027-02-25T12:00:00.000Z' }, NOW)).toEqual({
      ...context,
      decommissioned: { protectsUntil: new Date('2027-02-25T12:00:00.000Z') },
    });
  });
});
