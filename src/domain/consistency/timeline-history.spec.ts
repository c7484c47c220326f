import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { formatLsn } from './lsn';
import { compareTimelineHistories, contains, currentTimeline, forkPoint, readTimelineHistory } from './timeline-history';

describe('reading', () => {
  it('a file as PostgreSQL writes it, with the current timeline after it', () => {
    const file = '1\t0/5000000\tno recovery target specified\n\n2\t0/07000028\tbefore 2026-01-31 12:00:00+00\n';
    expect(readTimelineHistory(`${file}3`)).toBe('1@0/5000000,2@0/7000028,3');
  });

  it.each([
    ['a server that was never promoted', '1', '1'],
    ['a timeline whose file is missing', '7', '7'],
    ['comments and empty lines', '# restored by hand\n\n 1 0/5\n\t\n2', '1@0/5,2'],
    ['no reason', '1\t0/5\n2', '1@0/5,2'],
    ['a reason in the form of a marker', '1\t0/5\tat restore point "9@0/1,3"\n2', '1@0/5,2'],
    ['the canonical form', '1@0/5000000,3@1/0,4', '1@0/5000000,3@1/0,4'],
    ['other ways to write numbers', '1@00000000/0500000a,2', '1@0/500000A,2'],
    ['positions that go back: a recovery that stopped before its target', '1@0/9,2@0/4,3', '1@0/9,2@0/4,3'],
    ['the largest number', '1@0/5,4294967295', '1@0/5,4294967295'],
  ])('%s', (_what, text, value) => expect(readTimelineHistory(text)).toBe(value));

  it.each([
    ['nothing', ''],
    ['no current timeline', '1\t0/5\treason\n2\t0/6\treason'],
    ['no current timeline in one line', '1@0/5'],
    ['a number from the name of a file', '00000002'],
    ['timeline 0', '0'],
    ['a number that is too large', '1@0/5,4294967296'],
    ['a current timeline that is a parent', '1@0/5,1'],
    ['a current timeline below its parent', '2@0/5,1'],
    ['parents that do not rise', '2@0/5,1@0/6,3'],
    ['a parent twice', '1@0/5,1@0/6,3'],
    ['a position that is none', '1@0/G,2'],
    ['a parent without its position', '1,2'],
    ['a parent that runs on', '1@0/5x,2'],
    ['a line without a position', '1\n2'],
    ['a line that is none', '1\t0/5\tat restore point "a\nb"\n2'],
    ['an empty part', '1@0/5,,2'],
  ])('refuses %s', (_what, text) => expect(() => readTimelineHistory(text)).toThrow('no marker of type timeline-history'));
});

describe('where two histories part', () => {
  it.each([
    ['the same', '1@0/5,2', '1@0/5,2', null],
    ['one was promoted since', '1', '1@0/5,2', null],
    ['one was promoted twice since', '1@0/5,2', '1@0/5,2@0/9,3@0/A,4', null],
    ['both were promoted, to the same number', '1@0/5,2', '1@0/7,2', { timeline: 1, lsn: '0/5' }],
    ['both were promoted, at the same position, to two numbers', '1@0/5,2', '1@0/5,3', { timeline: 1, lsn: '0/5' }],
    ['both were promoted, from the second timeline', '1@0/5,2@0/9,3', '1@0/5,2@0/8,3', { timeline: 2, lsn: '0/8' }],
    ['one was promoted where the other was too, long before', '1@0/5,2@0/9,3', '1@0/7,2', { timeline: 1, lsn: '0/5' }],
    ['a history file is missing', '3', '1@0/5,2@0/9,3', { timeline: null, lsn: '0/0' }],
    ['one was restored to before the promotion of the other', '1@0/9,2', '1@0/9,2@0/4,3', { timeline: 1, lsn: '0/4' }],
    ['that, by one whose number is not its own', '1@0/4,2', '1@0/9,2@0/4,3', { timeline: 1, lsn: '0/4' }],
    ['both were restored to before it, to two numbers', '1@0/9,2@0/4,3', '1@0/9,2@0/4,4', { timeline: 1, lsn: '0/4' }],
    ['both were restored to before it, at two positions', '1@0/9,2@0/4,3', '1@0/9,2@0/6,3', { timeline: 1, lsn: '0/4' }],
  ])('%s', (_what, one, other, fork) => {
    expect(forkPoint(one, other)).toEqual(fork);
    expect(forkPoint(other, one)).toEqual(fork);
  });

  it.each([
    ['1@0/5,2', '1@0/5,2', 'same'],
    ['1@0/5,2', '1', 'ahead'],
    ['1', '1@0/5,2@0/9,3', 'behind'],
    ['1@0/5,2', '1@0/7,2', 'diverged'],
    ['2', '1@0/5,2', 'diverged'],
  ] as const)('%s beside %s is %s', (one, other, order) => expect(compareTimelineHistories(one, other)).toBe(order));
});

describe('whether a position lies on a history', () => {
  it.each([
    ['on a timeline it has left, before that', '1@0/5,2@0/9,3', 1, '0/4', true],
    ['where it left it', '1@0/5,2@0/9,3', 1, '0/5', true],
    ['beyond', '1@0/5,2@0/9,3', 1, '0/6', false],
    ['before a timeline began', '1@0/5,2@0/9,3', 2, '0/4', false],
    ['where it began', '1@0/5,2@0/9,3', 2, '0/5', true],
    ['on the current timeline, however far', '1@0/5,2@0/9,3', 3, 'FFFFFFFF/FFFFFFFF', true],
    ['on a timeline it was never on', '1@0/5,3', 2, '0/5', false],
    ['on a later timeline', '1', 2, '0/5', false],
    ['on a part that was left before by a restore', '1@0/9,2@0/4,3', 1, '0/5', false],
    ['on a timeline that a restore never came to', '1@0/9,2@0/4,3', 2, '0/4', false],
    ['after that restore', '1@0/9,2@0/4,3', 3, '0/4', true],
  ])('%s', (_what, history, timeline, lsn, is) => expect(contains(history, { timeline, lsn })).toBe(is));

  it('what is no position lies on none, and says so', () => expect(() => contains('1', { timeline: 1, lsn: '' })).toThrow('no marker of type lsn'));
});

/** What a server has come through, by its promotions themselves instead of their numbers. */
interface Server {
  readonly history: string;
  readonly line: readonly { readonly promotion: string; readonly timeline: number; readonly from: number; readonly to: number }[];
}

const NEW: Server = { history: '1', line: [{ promotion: 'initdb', timeline: 1, from: 0, to: Infinity }] };
const lsnOf = (position: number): string => formatLsn(BigInt(position));

/** A server that was restored on the way to this one's timeline, somewhere, and promoted there: often at its end, now and then before that began. */
function promoted({ history, line }: Server, chance: Chance): Server {
  const own = line.at(-1)?.from ?? 0;
  const at = chance.is(80) ? own + chance.below(6) : chance.below(own + 1);
  const current = Number(history.split(',').at(-1));
  const timeline = current + 1 + (chance.is(80) ? 0 : chance.below(3));
  const now = `${history}@${lsnOf(at)},${timeline}`;
  const before = line.filter(({ from }) => from <= at).map((part) => ({ ...part, to: Math.min(part.to, at) }));
  return { history: now, line: [...before, { promotion: now, timeline, from: at, to: Infinity }] };
}

function family(chance: Chance): readonly Server[] {
  const servers = [NEW];
  for (let count = 2 + chance.below(7); count > 0; count -= 1) servers.push(promoted(chance.one(servers), chance));
  return servers;
}

const expectedFork = (one: Server, other: Server) => {
  const goesOn = (on: Server, from: Server): boolean => from.line.every(({ promotion }, index) => on.line[index]?.promotion === promotion);
  if (goesOn(one, other) || goesOn(other, one)) return null;
  const index = one.line.findIndex(({ promotion }, at) => other.line[at]?.promotion !== promotion) - 1;
  const [a, b] = [one.line[index], other.line[index]];
  return { timeline: a?.timeline, lsn: lsnOf(Math.min(a?.to ?? 0, b?.to ?? 0)) };
};

describe('in every family of servers', () => {
  it('two part where the first of them left the other', () => {
    const seen = { parted: 0, sameNumber: 0, sameLine: 0 };
    forManyCases(5_000, (chance) => {
      const servers = family(chance);
      const [one, other] = [chance.one(servers), chance.one(servers)];
      const fork = forkPoint(one.history, other.history);
      expect({ one: one.history, other: other.history, fork }).toEqual({ one: one.history, other: other.history, fork: expectedFork(one, other) });
      if (fork === null) seen.sameLine += 1;
      else seen[one.line.at(-1)?.timeline === other.line.at(-1)?.timeline ? 'sameNumber' : 'parted'] += 1;
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
  });

  it('a position lies on a history just when the server has come through it', () => {
    forManyCases(5_000, (chance) => {
      const server = chance.one(family(chance));
      const position = chance.below(20);
      const timeline = 1 + chance.below(5);
      const expected = server.line.some((part) => part.timeline === timeline && part.from <= position && position <= part.to);
      expect([server.history, timeline, position, contains(server.history, { timeline, lsn: lsnOf(position) })]).toEqual([
        server.history,
        timeline,
        position,
        expected,
      ]);
    });
  });

  it('what goes on from what goes on from a third goes on from that', () => {
    let seen = 0;
    forManyCases(5_000, (chance) => {
      const servers = family(chance);
      const [a, b, c] = [chance.one(servers).history, chance.one(servers).history, chance.one(servers).history];
      if (compareTimelineHistories(a, b) !== 'ahead' || compareTimelineHistories(b, c) !== 'ahead') return;
      seen += 1;
      expect([a, b, c, compareTimelineHistories(a, c)]).toEqual([a, b, c, 'ahead']);
    });
    expect(seen).toBeGreaterThan(20);
  });
});

it('ends with the current timeline', () => {
  expect([currentTimeline('1'), currentTimeline('1@0/5,2@0/9,12')]).toEqual([1, 12]);
  expect(() => currentTimeline('1@0/5')).toThrow('no marker of type timeline-history');
});
