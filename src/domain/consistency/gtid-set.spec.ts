import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { compareGtidSets, contains, MAX_INTERVALS, ofSource, readGtidSet, subtract, union } from './gtid-set';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

describe('reading', () => {
  it.each([
    ['nothing executed', '', ''],
    ['one transaction', `${A}:1`, `${A}:1`],
    ['as the manual has it', `${A.toUpperCase()}:1-3:11:47-49`, `${A}:1-3:11:47-49`],
    ['line breaks and blanks, as the server prints them', `${B}:1-5,\n${A} : 1 - 3 : 7`, `${A}:1-3:7,${B}:1-5`],
    ['intervals that touch', `${A}:4-5:1-3:6`, `${A}:1-6`],
    ['intervals that overlap', `${A}:1-9:2-3:8-12:12`, `${A}:1-12`],
    ['a source twice', `${A}:1-3,${B}:1,${A}:5`, `${A}:1-3:5,${B}:1`],
    ['numbers beyond 2^53', `${A}:9007199254740993-9223372036854775806`, `${A}:9007199254740993-9223372036854775806`],
  ])('%s', (_what, text, value) => expect(readGtidSet(text)).toBe(value));

  it.each([
    ['a source without intervals', A],
    ['a source that is none', '3e11fa47:1-5'],
    ["MariaDB's", '0-1-100'],
    ['a transaction with a tag', `${A}:nightly:1-5`],
    ['a tag after intervals', `${A}:1-5:nightly:7`],
    ['number 0', `${A}:0-5`],
    ['a number that the server reads as octal', `${A}:010`],
    ['an interval backwards', `${A}:5-3`],
    ['an interval without its end', `${A}:5-`],
    ['a number beyond the last one', `${A}:9223372036854775807`],
    ['an empty part', `${A}:1,,${B}:1`],
    ['a comma at its end', `${A}:1,`],
    ['line breaks as the client writes them without --raw', `${A}:1,\\n${B}:1`],
  ])('refuses %s', (_what, text) => expect(() => readGtidSet(text)).toThrow('no marker of type gtid-set'));

  it('refuses more intervals than anybody has, wherever they stand', () => {
    const of = (source: string, count: number): string => `${source}:${Array.from({ length: count }, (_, index) => 2 * index + 1).join(':')}`;
    expect(readGtidSet(of(A, MAX_INTERVALS))).toBe(of(A, MAX_INTERVALS));
    expect(() => readGtidSet(of(A, MAX_INTERVALS + 1))).toThrow(/no marker of type gtid-set.*more than 10000 intervals/);
    expect(() => readGtidSet(`${of(A, MAX_INTERVALS)},${B}:1`)).toThrow('more than 10000 intervals');
  });
});

describe('algebra', () => {
  it.each([
    ['a hole', `${A}:1-10`, `${A}:3-5`, `${A}:1-2:6-10`],
    ['holes at both ends', `${A}:1-10`, `${A}:1-2:9-20`, `${A}:3-8`],
    ['a hole over several', `${A}:1-3:5-7:9-11`, `${A}:2-10`, `${A}:1:11`],
    ['all', `${A}:3-5`, `${A}:1-10`, ''],
    ['another source', `${A}:1-5`, `${B}:1-5`, `${A}:1-5`],
    ['nothing', `${A}:1-5`, '', `${A}:1-5`],
  ])('subtracts %s', (_what, one, other, rest) => expect(subtract(one, other)).toBe(rest));

  it('unites, and says what is in it', () => {
    expect(union(`${A}:1-3,${B}:1`, `${A}:4`)).toBe(`${A}:1-4,${B}:1`);
    expect(contains(`${A}:1-4,${B}:1`, `${A}:2-3`)).toBe(true);
    expect(contains(`${A}:1-4`, `${A}:2-5`)).toBe(false);
    expect(contains('', '')).toBe(true);
  });

  it('tells whose transactions they are', () => {
    expect(ofSource(`${A}:1-3:7,${B}:1`, A.toUpperCase())).toBe(`${A}:1-3:7`);
    expect(ofSource(`${B}:1`, A)).toBe('');
    expect(() => ofSource(`${B}:1`, '')).toThrow(/no marker of type gtid-set.*not the UUID of a server/);
  });

  it.each([
    [`${A}:1-5`, `${A}:1-5`, 'same'],
    [`${A}:1-5`, `${A}:1-6`, 'behind'],
    [`${A}:1-5,${B}:1`, `${A}:1-5`, 'ahead'],
    [`${A}:1-5,${B}:1`, `${A}:1-6`, 'diverged'],
    ['', `${A}:1`, 'behind'],
  ] as const)('"%s" beside "%s" is %s', (one, other, order) => expect(compareGtidSets(one, other)).toBe(order));
});

/** The naive model: each transaction by itself. */
type Model = ReadonlySet<string>;
const SOURCES = [A, B, '5e11fa47-71ca-11e1-9e33-c80aa9429562'];

function textOf(model: Model): string {
  const parts = SOURCES.flatMap((source) => {
    const numbers = Array.from({ length: 40 }, (_, number) => number).filter((number) => model.has(`${source}:${number}`));
    const starts = numbers.filter((number) => !model.has(`${source}:${number - 1}`));
    const ends = numbers.filter((number) => !model.has(`${source}:${number + 1}`));
    return starts.length === 0 ? [] : [[source, ...starts.map((start, index) => (start === ends[index] ? start : `${start}-${ends[index]}`))].join(':')];
  });
  return parts.join(',');
}

function setOf(chance: Chance): { text: string; model: Model } {
  const model = new Set<string>();
  const parts = chance.some(4, () => {
    const source = chance.one(SOURCES);
    const intervals = Array.from({ length: 1 + chance.below(4) }, () => {
      const from = 1 + chance.below(25);
      const to = from + chance.below(6);
      for (let number = from; number <= to; number += 1) model.add(`${source}:${number}`);
      return from === to ? `${from}` : `${from}-${to}`;
    });
    return [chance.is(50) ? source : source.toUpperCase(), ...intervals].join(':');
  });
  return { text: parts.join(chance.one([',', ',\n', ' , '])), model };
}

const both = (one: Model, other: Model): Model => new Set([...one].filter((gtid) => other.has(gtid)));
const less = (one: Model, other: Model): Model => new Set([...one].filter((gtid) => !other.has(gtid)));

describe('for every two sets', () => {
  it('reading, difference, union and inclusion are what they are of each transaction by itself', () => {
    forManyCases(5_000, (chance) => {
      const [a, b] = [setOf(chance), setOf(chance)];
      expect(readGtidSet(a.text)).toBe(textOf(a.model));
      expect(subtract(a.text, b.text)).toBe(textOf(less(a.model, b.model)));
      expect(union(a.text, b.text)).toBe(textOf(new Set([...a.model, ...b.model])));
      expect(contains(a.text, b.text)).toBe(less(b.model, a.model).size === 0);
      const source = chance.one(SOURCES);
      expect(ofSource(a.text, source)).toBe(textOf(new Set([...a.model].filter((gtid) => gtid.startsWith(source)))));
    });
  });

  it('the laws of sets hold', () => {
    forManyCases(5_000, (chance) => {
      const [a, b] = [setOf(chance), setOf(chance)];
      const common = subtract(a.text, subtract(a.text, b.text));
      expect(common).toBe(textOf(both(a.model, b.model)));
      expect(union(subtract(a.text, b.text), common)).toBe(readGtidSet(a.text));
      expect(subtract(a.text, a.text)).toBe('');
      expect(union(a.text, b.text)).toBe(union(b.text, a.text));
      expect(union(a.text, a.text)).toBe(readGtidSet(a.text));
      expect(contains(union(a.text, b.text), b.text)).toBe(true);
    });
  });
});
