import { isModosuError } from '../../contracts/errors';
import { MARKER_TYPES, type MarkerType } from '../../contracts/marker';
import { MAX_MARKER_BYTES, readMarker } from './markers';

const EXAMPLES: Readonly<Record<MarkerType, readonly [raw: string, value: string]>> = {
  counter: [' 0042\r\n', '42'],
  lsn: ['0/0300000a\n', '0/300000A'],
  serial32: ['2026013101\n', '2026013101'],
  'timeline-history': ['1\t0/5000000\tno recovery target specified\r\n2\r\n', '1@0/5000000,2'],
  'gtid-set': ['4E11FA47-71CA-11E1-9E33-C80AA9429562:1-3:4,\n3e11fa47-71ca-11e1-9e33-c80aa9429562:1\n', ''],
  'csn-set': ['20260101120000.123456Z#000000#001#000000\n', '20260101120000.123456Z#000000#001#000000'],
  set: ['b\r\na\r\n', 'a\nb'],
  timestamp: ['2026-01-31 12:00:00+00\n', '2026-01-31T12:00:00Z'],
  hash: ['DEADBEEF\n', 'deadbeef'],
  text: ['a\r\nb\r\n', 'a\nb'],
  boolean: ['t\n', 'true'],
};

it.each(MARKER_TYPES)('reads a %s as a probe prints it', (type) => {
  const [raw, value] = EXAMPLES[type];
  const expected = type === 'gtid-set' ? '3e11fa47-71ca-11e1-9e33-c80aa9429562:1,4e11fa47-71ca-11e1-9e33-c80aa9429562:1-4' : value;
  expect(readMarker(type, raw)).toEqual({ type, value: expected });
});

const refusal = (type: MarkerType, raw: string) => {
  try {
    return { value: readMarker(type, raw).value };
  } catch (error) {
    if (!isModosuError(error)) throw error;
    return error;
  }
};

it('refuses with a code, the type, and what to do', () => {
  expect(refusal('lsn', 'ERROR:  recovery is not in progress')).toMatchObject({
    code: 'MARKER_UNREADABLE',
    kind: 'precondition',
    retry: 'never',
    message: '"ERROR: recovery is not in progress" is no marker of type lsn: it is not a position such as 16/B374D848',
    context: { type: 'lsn' },
  });
});

it.each(MARKER_TYPES)('of a %s, shows at most 80 characters of what was read, and none that steers a terminal', (type) => {
  const { message } = refusal(type, `\u001b[2J\u202e\u0000${'x\u0007'.repeat(200)}`) as Error;
  const [, shown = ''] = /^"(.*)" is no marker of type/.exec(message) ?? [];
  expect(shown.length).toBeGreaterThan(70);
  expect(Array.from(shown).length).toBeLessThanOrEqual(80);
  expect(message).not.toMatch(/\p{C}/u);
});

describe('control characters', () => {
  it.each(['\u0000', '\u0007', '\u001b', '\u007f', '\u0085', '\r', '\v'])('%j is refused inside any type', (control) => {
    for (const type of MARKER_TYPES) expect(refusal(type, `a${control}b`)).toMatchObject({ code: 'MARKER_UNREADABLE' });
    expect(refusal('text', `a${control}b`)).toMatchObject({ message: expect.stringContaining('control characters') as string });
  });

  it.each(['\n', '\t'])('%j is allowed where there are lines', (control) => {
    expect(refusal('text', `a${control}b`)).toEqual({ value: `a${control}b` });
    expect(refusal('set', `a${control}b`)).toEqual({ value: `a${control}b` });
    expect(refusal('counter', `1${control}2`)).toMatchObject({ message: expect.stringContaining('control characters') as string });
  });

  it('a line that ends as on Windows is a line, a lone carriage return is none', () => {
    expect(readMarker('text', 'a\r\nb').value).toBe('a\nb');
    expect(refusal('text', 'a\r\r\nb')).toMatchObject({ code: 'MARKER_UNREADABLE' });
  });
});

it.each(['\ufffd', '\ud83d', '\ude00'])('bytes that were no text make no marker: %j', (broken) => {
  expect(refusal('text', `a${broken}b`)).toMatchObject({ message: expect.stringContaining('not text in UTF-8') as string });
});
it('letters of any script do', () => expect(readMarker('text', '戻す 😀').value).toBe('戻す 😀'));

describe('the size', () => {
  it('of 64 KiB is read', () => {
    expect(readMarker('text', 'a'.repeat(MAX_MARKER_BYTES)).value).toHaveLength(MAX_MARKER_BYTES);
    expect(readMarker('counter', '9'.repeat(MAX_MARKER_BYTES)).value).toHaveLength(MAX_MARKER_BYTES);
  });
  it('of more is refused, in bytes, white space included', () => {
    for (const type of MARKER_TYPES) {
      expect(refusal(type, 'a'.repeat(MAX_MARKER_BYTES + 1))).toMatchObject({ message: expect.stringContaining('longer than 64 KiB') as string });
      expect(refusal(type, ' '.repeat(MAX_MARKER_BYTES + 1))).toMatchObject({ message: expect.stringContaining('longer than 64 KiB') as string });
    }
    expect(readMarker('text', 'é'.repeat(MAX_MARKER_BYTES / 2)).value).toHaveLength(MAX_MARKER_BYTES / 2);
    expect(refusal('text', 'é'.repeat(MAX_MARKER_BYTES / 2 + 1))).toMatchObject({ message: expect.stringContaining('longer than 64 KiB') as string });
  });
});

it('nothing printed is an empty set, and no marker of another type', () => {
  expect(MARKER_TYPES.filter((type) => 'value' in refusal(type, ' \n'))).toEqual(['gtid-set', 'set']);
});
