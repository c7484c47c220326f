import type { RetentionRules } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import type { RetentionVerdict } from '../../contracts/retention';
import { retirementSteps, type Retiring } from './retirement';
import { judgeRetention, SAFETY_DAYS, type RetentionContext, type RetentionPoint } from './retention';

/**
 * What holds for every history of recovery points. The histories are made up from a seed, another one each time; the seed of one that fails is in its message.
 * To have that one again: MODOSU_SEED=<seed>.
 */
const SEED = Number(process.env.MODOSU_SEED ?? Date.now() % 2 ** 31);
const HISTORIES = 2_000;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SKEW = 5 * MINUTE;
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Tokyo', 'America/Los_Angeles', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia'];
const RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'withinDays'] as const;
const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
const KINDS: readonly RecoveryPointKind[] = ['image', 'data'];

/** The same numbers from 0 to 1 for the same seed. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Dice {
  constructor(private readonly next: () => number) {}
  chance = (probability: number): boolean => this.next() < probability;
  upTo = (most: number): number => Math.floor(this.next() * (most + 1));
  part = (): number => this.next();
  one = <T>(of: readonly T[]): T => of[this.upTo(of.length - 1)] as T;
  shuffled<T>(of: readonly T[]): T[] {
    const cards = [...of];
    for (let at = cards.length - 1; at > 0; at -= 1) {
      const other = this.upTo(at);
      [cards[at], cards[other]] = [cards[other] as T, cards[at] as T];
    }
    return cards;
  }
}

interface History {
  readonly seed: number;
  readonly points: readonly RetentionPoint[];
  readonly context: RetentionContext;
}

function historyOf(seed: number): History {
  const dice = new Dice(mulberry32(seed));
  const now = new Date(Date.UTC(2020 + dice.upTo(12), dice.upTo(11), 1 + dice.upTo(30), dice.upTo(23), dice.upTo(59)));
  const hasFuture = dice.chance(0.15);
  const points = [
    ...pointsOf(dice, 'image', null, now, hasFuture, 25),
    ...['db', 'files', 'mail'].slice(0, dice.upTo(3)).flatMap((dataSet) => pointsOf(dice, 'data', dataSet, now, hasFuture, 15)),
  ];
  const context: RetentionContext = {
    now,
    timeZone: dice.one(ZONES),
    rules: { image: rulesOf(dice), data: rulesOf(dice) },
    clockTrusted: !dice.chance(0.05),
    decommissioned: dice.chance(0.3) ? { protectsUntil: new Date(now.getTime() + dice.one([-400 * DAY, 0, 1, 90 * DAY])) } : null,
  };
  return deepFreeze({ seed, points: dice.shuffled(points), context });
}

/** Backwards in time, in steps of nothing to some months. */
function pointsOf(dice: Dice, kind: RecoveryPointKind, dataSet: string | null, now: Date, hasFuture: boolean, most: number): RetentionPoint[] {
  const count = dice.upTo(most);
  const name = dataSet ?? 'image';
  let at = now.getTime() - dice.upTo(1) * dice.upTo(3_000 * 24) * HOUR + (hasFuture ? dice.upTo(400 * 24) * HOUR : dice.upTo(SKEW));
  return Array.from({ length: count }, (_, index) => {
    at -= dice.one([0, 10 * MINUTE, HOUR, 5 * HOUR, DAY, 7 * DAY, 30 * DAY, 200 * DAY]) * dice.one([1, 1, dice.part()]);
    return {
      id: `${name}-${index}`,
      kind,
      dataSet,
      pointInTime: new Date(Math.floor(at)),
      usable: !dice.chance(0.15),
      verifiedAt: dice.chance(0.2) ? now : null,
      ...shownOf(dice, kind, now),
      parentId: kind === 'image' ? parentOf(dice, index, count) : null,
      isSafety: kind === 'data' && dice.chance(0.08),
      hold: dice.chance(0.03) ? { reason: 'audit' } : null,
      inUseBy: dice.chance(0.03) ? 'run_1' : null,
    };
  });
}

/** What was found by booting it, which disks it is of, and whether its place is there. */
function shownOf(dice: Dice, kind: RecoveryPointKind, now: Date): Pick<RetentionPoint, 'bootedAt' | 'isAway' | 'line'> {
  if (kind === 'data') return { bootedAt: null, isAway: dice.chance(0.02), line: null };
  const id = dice.one(['a', 'b', null]);
  return { bootedAt: dice.chance(0.1) ? now : null, isAway: dice.chance(0.03), line: id === null ? null : { id, why: 'that count' } };
}

/** Most often the one before, sometimes one that is gone, and sometimes any one: then there may be circles. */
function parentOf(dice: Dice, index: number, count: number): string | null {
  if (dice.chance(0.4)) return null;
  return dice.chance(0.85) ? `image-${index + 1}` : `image-${dice.upTo(count)}`;
}

function rulesOf(dice: Dice): RetentionRules | null {
  if (dice.chance(0.15)) return null;
  const some = Object.fromEntries(RULES.map((rule) => [rule, dice.chance(0.3) ? 1 + dice.upTo(rule === 'withinDays' ? 60 : 4) : 0]));
  return { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0, ...some };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}

const histories = Array.from({ length: HISTORIES }, (_, index) => historyOf(SEED + index));

/** Makes the claim for many histories. It gives back what contradicts it. */
function forEveryHistory(claim: (history: History, dice: Dice) => readonly unknown[]): void {
  for (const history of histories) {
    const at = `the history of MODOSU_SEED=${history.seed}`;
    let contradictions: readonly unknown[];
    try {
      contradictions = claim(history, new Dice(mulberry32(-history.seed)));
    } catch (error) {
      throw new Error(`It fails for ${at}`, { cause: error });
    }
    if (contradictions.length > 0) throw new Error(`It is not so for ${at}: ${JSON.stringify(contradictions)}`);
  }
}

const keptOf = (points: readonly RetentionPoint[], context: RetentionContext): ReadonlySet<string> =>
  new Set(judgeRetention(points, context).flatMap(({ recoveryPointId, verdict }) => (verdict === 'keep' ? [recoveryPointId] : [])));
const lost = (before: Iterable<string>, after: ReadonlySet<string>): string[] => [...before].filter((id) => !after.has(id));
const isAhead = (point: RetentionPoint, { now }: RetentionContext): boolean => point.pointInTime.getTime() > now.getTime() + SKEW;
/** Newest first; of one moment, the one that is named last. */
const isNewer = (a: RetentionPoint, b: RetentionPoint): boolean =>
  a.pointInTime.getTime() > b.pointInTime.getTime() || (a.pointInTime.getTime() === b.pointInTime.getTime() && a.id > b.id);
const newestOf = (points: readonly RetentionPoint[]): RetentionPoint | undefined =>
  points.reduce<RetentionPoint | undefined>((newest, point) => (newest === undefined || isNewer(point, newest) ? point : newest), undefined);
const groupOf = ({ kind, dataSet }: RetentionPoint): string => `${kind}/${dataSet}`;
const groupsOf = (points: readonly RetentionPoint[]): RetentionPoint[][] =>
  [...new Set(points.map(groupOf))].map((name) => points.filter((point) => groupOf(point) === name));
const countable = (points: readonly RetentionPoint[], context: RetentionContext): RetentionPoint[] =>
  points.filter((point) => point.usable && !point.isSafety && !isAhead(point, context));

/** What the rules say, by the words of their description: slow, and another way than the code goes. */
function expectedRules(point: RetentionPoint, points: readonly RetentionPoint[], context: RetentionContext): string[] {
  const rules = context.rules[point.kind];
  if (rules === null || point.isSafety || isAhead(point, context) || isOver(context)) return [];
  const counted = countable(points, context).filter((other) => groupOf(other) === groupOf(point));
  // All that can be restored may lie in the future of a clock that went back: then time is counted from there.
  const newest = newestOf(counted) ?? newestOf(points.filter((other) => other.usable && !other.isSafety && groupOf(other) === groupOf(point)));
  const since = newest === undefined ? Infinity : newest.pointInTime.getTime() - rules.withinDays * DAY;
  const within = rules.withinDays > 0 && point.pointInTime.getTime() >= since ? ['within'] : [];
  if (!point.usable) return within;
  const newer = counted.filter((other) => isNewer(other, point));
  const ofPeriods = PERIODS.filter((period) => rules[period] > 0).filter((period) => {
    const mine = shown(point, period, context);
    const theirs = new Set(newer.map((other) => shown(other, period, context)));
    return !theirs.has(mine) && theirs.size < rules[period];
  });
  return [...(newer.length < rules.last ? ['last'] : []), ...within, ...ofPeriods];
}

const formats = new Map(ZONES.map((timeZone) => [timeZone, new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })]));
const known = new Map<string, string>();
function clockAt(timeZone: string, moment: Date): string {
  const key = `${timeZone} ${moment.getTime()}`;
  const clock = known.get(key) ?? formats.get(timeZone)?.format(moment) ?? '';
  known.set(key, clock);
  return clock;
}

/** The period as the clocks show it; weeks by the date of their Monday. */
function shown({ pointInTime }: RetentionPoint, period: (typeof PERIODS)[number], { timeZone }: RetentionContext): string {
  const clock = clockAt(timeZone, pointInTime);
  if (period !== 'weekly') return clock.slice(0, { hourly: 13, daily: 10, monthly: 7, yearly: 4 }[period]);
  const day = new Date(clock.slice(0, 10));
  while (day.getUTCDay() !== 1) day.setUTCDate(day.getUTCDate() - 1);
  return day.toISOString();
}

/** Its server is decommissioned, and the time is over for which its last ones stay. */
const isOver = ({ decommissioned, now }: RetentionContext): boolean => decommissioned !== null && now.getTime() >= decommissioned.protectsUntil.getTime();

/** All that has to stay: what there is a reason for, what that one builds on, and the image under data. */
function expectedToStay(points: readonly RetentionPoint[], context: RetentionContext): ReadonlySet<string> {
  const countedOf = groupsOf(countable(points, context));
  const over = isOver(context);
  const last = over
    ? []
    : countedOf.flatMap((group) => [
        newestOf(group),
        newestOf(group.filter(({ verifiedAt }) => verifiedAt !== null)),
        newestOf(group.filter(({ bootedAt }) => bootedAt !== null)),
        ...['a', 'b'].map((line) => newestOf(group.filter((point) => point.line?.id === line))),
      ]);
  const stays = new Set(
    points.filter(
      (point) =>
        !context.clockTrusted ||
        point.hold !== null ||
        point.inUseBy !== null ||
        (!over &&
          (point.isAway ||
            context.rules[point.kind] === null ||
            isAhead(point, context) ||
            (point.isSafety && context.now.getTime() - point.pointInTime.getTime() <= SAFETY_DAYS * DAY))) ||
        last.includes(point) ||
        isDamagedAndNewest(point, points, context) ||
        expectedRules(point, points, context).length > 0,
    ),
  );
  for (const point of stays) if (point.kind === 'data') stays.add(imageUnder(point, points) ?? point);
  for (const point of stays) stays.add(points.find(({ id }) => id === point.parentId) ?? point);
  return new Set([...stays].map(({ id }) => id));
}

/** Damaged, and nothing that is newer can be restored. */
const isDamagedAndNewest = (point: RetentionPoint, points: readonly RetentionPoint[], context: RetentionContext): boolean =>
  !isOver(context) &&
  !point.usable &&
  !point.isSafety &&
  !isAhead(point, context) &&
  !countable(points, context).some((other) => groupOf(other) === groupOf(point) && isNewer(other, point));

const imageUnder = (point: RetentionPoint, points: readonly RetentionPoint[]): RetentionPoint | undefined =>
  newestOf(points.filter(({ kind, usable, pointInTime }) => kind === 'image' && usable && pointInTime.getTime() <= point.pointInTime.getTime()));

const comparable = (verdicts: readonly RetentionVerdict[]): unknown[] => [...verdicts].sort((a, b) => (a.recoveryPointId < b.recoveryPointId ? -1 : 1));

/** What cannot be compared over time: dated into the future, or saved for thirty days. */
const settled = ({ points, context }: History): RetentionPoint[] => points.filter((point) => !point.isSafety && !isAhead(point, context));

describe('retention, for every history', () => {
  it('is tried with histories in which everything happens', () => {
    const seen = new Set<string>();
    for (const { points, context } of histories) {
      for (const { verdict, reasons } of judgeRetention(points, context)) [verdict, ...reasons.map(({ rule }) => rule)].forEach((what) => seen.add(what));
    }
    expect([...seen].sort()).toEqual(
      [
        'clock',
        'daily',
        'expire',
        'hold',
        'hourly',
        'in-use',
        'keep',
        'last',
        'last-booted',
        'last-verified',
        'monthly',
        'newest',
        'no-policy',
        'parent',
        'safety',
        'under-data',
        'unreachable',
        'weekly',
        'within',
        'yearly',
      ].sort(),
    );
  });

  it('judges each recovery point in its place; what stays has a reason, and what goes has none', () => {
    forEveryHistory(({ points, context }) =>
      judgeRetention(points, context).filter(
        ({ recoveryPointId, verdict, reasons }, index) => recoveryPointId !== points[index]?.id || (verdict === 'keep') !== reasons.length > 0,
      ),
    );
  });

  it('keeps by number, days and periods just what its rules describe', () => {
    const described = new Set<string>(['last', 'within', ...PERIODS]);
    forEveryHistory(({ points, context }) =>
      judgeRetention(points, context).flatMap(({ recoveryPointId, reasons }, index) => {
        const actual = reasons.map(({ rule }) => rule).filter((rule) => described.has(rule));
        const expected = expectedRules(points[index] as RetentionPoint, points, context);
        return actual.sort().join() === expected.sort().join() ? [] : [{ recoveryPointId, actual, expected }];
      }),
    );
  });

  it('keeps all that has to stay, and nothing else', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      const expected = expectedToStay(points, context);
      return [...lost(expected, kept).map((id) => `${id} has to stay`), ...lost(kept, expected).map((id) => `${id} may go`)];
    });
  });

  it('keeps what a kept one builds on', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      const known = new Set(points.map(({ id }) => id));
      return points.filter(({ id, parentId }) => kept.has(id) && parentId !== null && known.has(parentId) && !kept.has(parentId));
    });
  });

  it('takes away nothing on which one builds that is still there, however long they have expired', () => {
    const keptMs = 24 * HOUR;
    forEveryHistory(({ points, context }, dice) => {
      const retiring = points.map(({ id, parentId }): Retiring => {
        const state = dice.one<Retiring['state']>(['usable', 'expired', 'expired', 'damaged']);
        return {
          id,
          parentId,
          state,
          checkProblem: null,
          canGo: true,
          deletesAt: state === 'expired' ? new Date(context.now.getTime() + (dice.part() - 0.7) * keptMs) : null,
        };
      });
      const steps = retirementSteps(retiring, judgeRetention(points, context), keptMs, context.now);
      const left = new Map(retiring.flatMap((point) => (steps.get(point.id) === 'goes' ? [] : [[point.id, point]])));
      const orphans = [...left.values()].filter(({ parentId }) => parentId !== null && steps.get(parentId) === 'goes');
      // What is kept has all below it as it was, or back.
      const kept = new Set([...left.values()].flatMap(({ id, state }) => (state !== 'expired' && steps.get(id) !== 'expires' ? [id] : [])));
      for (const [id, step] of steps) if (step === 'returns') kept.add(id);
      const bereft = [...kept].flatMap((id) => {
        const parent = left.get(left.get(id)?.parentId ?? '');
        return parent === undefined || kept.has(parent.id) ? [] : [`${parent.id} is below ${id}`];
      });
      return [...orphans.map(({ id }) => `${id} has lost its parent`), ...bereft];
    });
  });

  it('keeps the newest usable and the newest proven one of each group, unless the time of a decommissioned server is over', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      const newest = groupsOf(countable(points, context)).flatMap((group) => [
        newestOf(group),
        newestOf(group.filter(({ verifiedAt }) => verifiedAt !== null)),
      ]);
      return isOver(context) ? [] : newest.filter((point) => point !== undefined && !kept.has(point.id));
    });
  });

  it('keeps an image under all data that stays, if there is one', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      return points
        .filter(({ id, kind }) => kind === 'data' && kept.has(id))
        .map((point) => imageUnder(point, points))
        .filter((image) => image !== undefined && !kept.has(image.id));
    });
  });

  it('keeps of a decommissioned server what it would keep of one in service, until its time is over; then only what is meant, and what that needs', () => {
    forEveryHistory(({ points, context }) => {
      const at = (ms: number) => keptOf(points, { ...context, decommissioned: { protectsUntil: new Date(context.now.getTime() + ms) } });
      const [inService, running, over] = [keptOf(points, { ...context, decommissioned: null }), at(1), at(0)];
      const meant = points.filter(({ hold, inUseBy }) => hold !== null || inUseBy !== null || !context.clockTrusted);
      const needed = keptOf(meant, { ...context, decommissioned: { protectsUntil: context.now } });
      const idle = points.every(({ hold, inUseBy }) => hold === null && inUseBy === null) && context.clockTrusted;
      return [
        ...lost(inService, running),
        ...lost(running, inService),
        ...lost(over, inService),
        ...lost(needed, over),
        ...(idle ? [...over].map((id) => `${id} may go`) : []),
      ];
    });
  });

  it('brings back all that it kept, when a decommissioned server is taken back', () => {
    forEveryHistory(({ points, context }) => {
      const retiring = points.map(({ id, parentId }): Retiring => ({
        id,
        parentId,
        state: 'expired',
        checkProblem: null,
        canGo: true,
        deletesAt: new Date(context.now.getTime() + 1),
      }));
      const back = { ...context, decommissioned: null };
      const steps = retirementSteps(retiring, judgeRetention(points, back), DAY, context.now);
      return [...keptOf(points, back)].filter((id) => steps.get(id) !== 'returns');
    });
  });

  it('does not depend on the order of the list', () => {
    forEveryHistory(({ points, context }, dice) => {
      const [one, other] = [points, dice.shuffled(points)].map((list) => JSON.stringify(comparable(judgeRetention(list, context))));
      return one === other ? [] : [one, other];
    });
  });

  it('keeps with more generous rules all it keeps with less generous ones', () => {
    forEveryHistory(({ points, context }, dice) => {
      const more = (rules: RetentionRules | null): RetentionRules | null =>
        rules === null || dice.chance(0.1)
          ? null
          : (Object.fromEntries(
              Object.entries(rules).map(([rule, count]) => [rule, dice.chance(0.4) ? count + dice.upTo(5) : count]),
            ) as unknown as RetentionRules);
      const generous = { ...context, rules: { image: more(context.rules.image), data: more(context.rules.data) } };
      return lost(keptOf(points, context), keptOf(points, generous));
    });
  });

  it('expires nothing more of what it has left', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      return lost(
        kept,
        keptOf(
          points.filter(({ id }) => kept.has(id)),
          context,
        ),
      );
    });
  });

  it('says the same in ten years, if nothing is added, of a server in service', () => {
    forEveryHistory((history) => {
      const points = settled(history);
      const inService = { ...history.context, decommissioned: null };
      const later = { ...inService, now: new Date(history.context.now.getTime() + 3653 * DAY) };
      const [today, then] = [inService, later].map((context) => JSON.stringify(judgeRetention(points, context)));
      return today === then ? [] : [today, then];
    });
  });

  it('takes nothing more of a server in service when the clock is a year ahead or behind', () => {
    forEveryHistory((history) => {
      const points = settled(history);
      const context = { ...history.context, decommissioned: null };
      const kept = keptOf(points, context);
      return [365, -365].flatMap((days) => lost(kept, keptOf(points, { ...context, now: new Date(context.now.getTime() + days * DAY) })));
    });
  });

  it('takes nothing while the time of day is in doubt', () => {
    forEveryHistory(({ points, context }) =>
      lost(
        points.map(({ id }) => id),
        keptOf(points, { ...context, clockTrusted: false, decommissioned: { protectsUntil: new Date(0) } }),
      ),
    );
  });

  it('counts neither what is damaged, nor what was saved for safety, nor what is dated into the future', () => {
    forEveryHistory(({ points, context }) => {
      const counted = countable(points, context);
      return lost(keptOf(counted, context), keptOf(points, context));
    });
  });

  it('counts each data set by itself, and images as if there were no data', () => {
    forEveryHistory(({ points, context }) => {
      const kept = keptOf(points, context);
      return KINDS.flatMap((kind) => groupsOf(points.filter((point) => point.kind === kind))).flatMap((group) => {
        const alone = keptOf(group, context);
        const together = group.filter(({ id }) => kept.has(id)).map(({ id }) => id);
        return group[0]?.kind === 'data' ? [...lost(alone, kept), ...lost(together, alone)] : lost(alone, kept);
      });
    });
  });

  it('changes nothing of what it is given', () => {
    forEveryHistory(({ seed, points, context }) => {
      judgeRetention(points, context);
      const before = JSON.stringify(historyOf(seed));
      return JSON.stringify({ seed, points, context }) === before ? [] : [before];
    });
  });
});
