import { describeAge, formatBytes, formatBytesNeeded, formatDuration } from './format';

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [173015040, '165 MiB'],
  [1024 ** 4, '1 TiB'],
])('shows %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024 + 1, '1.1 KiB'],
  [1536, '1.5 KiB'],
  [173015040 + 1, '166 MiB'],
  [173015040, '165 MiB'],
])('of %d bytes that are needed tells %s: never less', (bytes, text) => expect(formatBytesNeeded(bytes)).toBe(text));

it.each([
  [0, '0 s'],
  [59.4, '59 s'],
  [125, '2 min 5 s'],
  [3600, '1 h'],
  [187_200, '2 d 4 h'],
  [-5, '0 s'],
])('shows %d seconds as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

it('tells the age of a moment', () => {
  expect(describeAge('2026-01-01T00:00:00Z', new Date('2026-01-01T01:30:00Z'))).toBe('1 h 30 min');
});
