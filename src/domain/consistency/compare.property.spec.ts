import { forManyCases, type Chance } from '../../../test/support/many-cases';
import { isModosuError } from '../../contracts/errors';
import { MARKER_TYPES, type Marker, type MarkerType } from '../../contracts/marker';
import { compareMarkers, type Order } from './compare';
import { formatLsn } from './lsn';
import { MAX_MARKER_BYTES, readMarker } from './markers';

/** What holds for markers of every type, as probes may print them. */

const CASES = 3_000;
const MIRRORED: Readonly<Record<Order, Order>> = { same: 'same', ahead: 'behind', behind: 'ahead', diverged: 'diverged', incomparable: 'incomparable' };
const UUIDS = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '4e11fa47-71ca-11e1-9e33-c80aa9429562'];

const inAnyCase = (text: string, chance: Chance): string => (chance.is(50) ? text.toUpperCase() : text.toLowerCase());
const hexOf = (bits: bigint, chance: Chance): string => inAnyCase(bits.toString(16).padStart(1 + chance.below(8), '0'), chance);

function historyOf(chance: Chance): string {
  const parents: string[] = [];
  let timeline = 1;
  for (let count = chance.below(4); count > 0; count -= 1) {
    parents.push(`${timeline}\t0/${hexOf(BigInt(chance.below(3)), chance)}\t${chance.one(['', 'no recovery target specified', '@,'])}`);
    timeline += chance.is(10) ? 2 : 1;
  }
  return [...parents, timeline].join(chance.one(['\n', '\r\n', '\n\n', '\n# by hand\n']));
}

function gtidsOf(chance: Chance): string {
  const parts = chance.some(3, () => {
    const intervals = Array.from({ length: 1 + chance.below(3) }, () => {
      const from = 1 + chance.below(9);
      return chance.is(50) ? `${from}` : `${from}-${from + chance.below(4)}`;
    });
    return [inAnyCase(chance.one(UUIDS), chance), ...intervals].join(':');
  });
  return parts.join(chance.one([',', ',\n']));
}

const csnsOf = (chance: Chance): string =>
  ['001', '002', '0ab']
    .filter((sid, index) => index === 0 || chance.is(60))
    .map((sid) => inAnyCase(`2026010112000${chance.below(3)}.000000Z#00000${chance.below(2)}#${sid}#000000`, chance))
    .reverse()
    .join('\n');

/** As a probe may print it; small ranges, so that many are equal or in order. */
const PRINTED: Readonly<Record<MarkerType, (chance: Chance) => string>> = {
  counter: (chance) => '0'.repeat(chance.below(3)) + chance.big(),
  lsn: (chance) => `${hexOf(BigInt(chance.below(3)), chance)}/${hexOf(chance.big(32), chance)}`,
  serial32: (chance) => String((chance.one([0, 2 ** 31, 2 ** 32 - 2]) + chance.below(4)) % 2 ** 32),
  'timeline-history': historyOf,
  'gtid-set': gtidsOf,
  'csn-set': csnsOf,
  set: (chance) => chance.some(4, () => chance.one(['a', 'b', ' c', 'd\te', ''])).join(chance.one(['\n', '\r\n'])),
  timestamp: (chance) =>
    chance.is(30)
      ? `${1769860800 + chance.below(3)}`
      : `2026-01-31${chance.one(['T', ' '])}1${chance.below(3)}:00:0${chance.below(3)}${chance.one(['', '.0', '.5', '.25'])}${chance.one(['Z', '+00', '+01:00'])}`,
  hash: (chance) => chance.one(['', 'sha256:']) + inAnyCase(chance.one(['ab', 'cd']).repeat(32), chance),
  text: (chance) => chance.one(['a', 'a ', 'a\nb', 'a\r\nb', '戻す']),
  boolean: (chance) => inAnyCase(chance.one(['t', 'false', 'on', '0']), chance),
};

const printed = (type: MarkerType, chance: Chance): string => chance.one(['', ' ', '\n']) + PRINTED[type](chance) + chance.one(['', '\n', '\r\n', ' ']);
const markerOf = (type: MarkerType, chance: Chance): Marker => readMarker(type, printed(type, chance));

describe.each(MARKER_TYPES)('every %s', (type) => {
  it('is the same as itself, and read again from its own text', () => {
    forManyCases(CASES, (chance) => {
      const marker = markerOf(type, chance);
      expect(compareMarkers(marker, marker)).toBe('same');
      expect(readMarker(type, marker.value)).toEqual(marker);
    });
  });

  it('is the same as another just when their texts are, and stands to it the other way round', () => {
    const seen = new Set<Order>();
    forManyCases(CASES, (chance) => {
      const [one, other] = [markerOf(type, chance), markerOf(type, chance)];
      const order = compareMarkers(one, other);
      seen.add(order);
      expect([one.value, other.value, order === 'same']).toEqual([one.value, other.value, one.value === other.value]);
      expect([one.value, other.value, compareMarkers(other, one)]).toEqual([one.value, other.value, MIRRORED[order]]);
    });
    expect(seen.size).toBeGreaterThan(1);
  });
});

// Not of serials, which go round.
describe.each(['counter', 'lsn', 'timestamp', 'gtid-set', 'csn-set', 'set', 'timeline-history'] as const)('of %s markers', (type) => {
  it('what is ahead of what is ahead of a third is ahead of that', () => {
    let seen = 0;
    forManyCases(CASES, (chance) => {
      const markers = Array.from({ length: 4 }, () => markerOf(type, chance));
      const isAhead = markers.map((one) => markers.map((other) => compareMarkers(one, other) === 'ahead'));
      const all = markers.map((_, index) => index);
      const chains = all.flatMap((a) => all.flatMap((b) => all.filter((c) => isAhead[a]?.[b] && isAhead[b]?.[c]).map((c) => [a, c] as const)));
      seen += chains.length;
      expect([markers, chains.filter(([a, c]) => !isAhead[a]?.[c])]).toEqual([markers, []]);
    });
    expect(seen).toBeGreaterThan(100);
  });
});

it('counters and positions are in the order of their numbers', () => {
  forManyCases(CASES, (chance) => {
    const [one, other] = [chance.big(), chance.big()];
    const order: Order = one === other ? 'same' : one < other ? 'behind' : 'ahead';
    expect(compareMarkers(readMarker('counter', `${one}`), readMarker('counter', `${other}`))).toBe(order);
    expect(compareMarkers(readMarker('lsn', formatLsn(one)), readMarker('lsn', formatLsn(other)))).toBe(order);
  });
});

describe('what a hostile guest prints', () => {
  /** It ends, as all else: were it to take time that grows with the square of its length, this test would run into its limit. */
  function judge(type: MarkerType, raw: string): void {
    let marker: Marker;
    try {
      marker = readMarker(type, raw);
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'MARKER_UNREADABLE') throw error;
      expect(error.message.length).toBeLessThan(400);
      return;
    }
    expect(readMarker(type, marker.value)).toEqual(marker);
    expect(compareMarkers(marker, marker)).toBe('same');
  }

  const fill = (unit: string, end = ''): string => unit.repeat(Math.floor((MAX_MARKER_BYTES - end.length) / unit.length)) + end;
  const UUID = UUIDS[0] as string;
  it.each([
    ...[
      '-',
      ':',
      '9',
      '0',
      ',',
      '#',
      '/',
      '@',
      'a',
      'Z',
      '.',
      ' ',
      '\n',
      '\t',
      '\r\n',
      '\u0000',
      '1-',
      '1:',
      '0/0,',
      '1@0/1,',
      '1\t0/1\n',
      'a\n',
      'ab',
      '00#',
    ].map((unit) => fill(unit)),
    ...[' ', '\t', '\n', '0', '9', '1@0/1,', 'a \n', ' \t'].map((unit) => fill(unit, 'x')),
    ...[' ', '\t', '\n'].map((unit) => `x${fill(unit, 'x').slice(2)}x`),
    `${UUID}:${fill('1:').slice(100)}1`,
    `${UUID}:${fill('9-').slice(100)}9`,
    `${UUID}:1${fill(' ').slice(100)}- 5`,
    fill(`${UUID}:1,`).slice(0, -1),
    `${UUID}:${Array.from({ length: 9_000 }, (_, index) => 2 * (9_000 - index)).join(':')}`,
    `${Array.from({ length: 4_000 }, (_, index) => `${index + 1}@0/${index.toString(16)}`).join(',')},4001`,
    `${Array.from({ length: 4_000 }, (_, index) => `${index + 1}\t0/${(4_000 - index).toString(16)}`).join('\n')}\n4001`,
    Array.from({ length: 1_500 }, (_, index) => `20260101120000.123456Z#000000#${index.toString(16).padStart(3, '0')}#000000`).join('\n'),
    Array.from({ length: 9_000 }, (_, index) => `${9_000 - index}`).join('\n'),
    `2026-01-31T12:00:00.${fill('1').slice(100)}Z`,
    `sha256:${fill('a').slice(100)}`,
  ])('%# is refused or read', (raw) => {
    for (const type of MARKER_TYPES) judge(type, raw);
  });

  it('bytes of any kind are refused or read', () => {
    const units = [
      '-',
      ':',
      ',',
      '/',
      '@',
      '#',
      '\n',
      '\t',
      '\r',
      ' ',
      '0',
      '1',
      'f',
      'Z',
      'T',
      '.',
      '+',
      '\u0000',
      '\ud83d',
      '\ufffd',
      '\u2028',
      'é',
      UUID,
      '1@0/5,',
      '2026-01-31',
    ];
    forManyCases(CASES, (chance) => judge(chance.one(MARKER_TYPES), chance.some(12, () => chance.one(units)).join('')));
  });
});
