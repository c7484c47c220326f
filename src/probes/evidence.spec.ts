import { evidenceOf } from './evidence';

describe('evidence', () => {
  it('is what was said, without what controls a terminal', () => {
    expect(evidenceOf('a\r\nb\tc\u001b[2J\u0000\u0085\u202e\u2028注文\ud800')).toBe('a \nb c [2J    注文 ');
  });

  it.each([
    ['a'.repeat(4096), 'a'.repeat(4096)],
    ['a'.repeat(4097), `${'a'.repeat(4093)}…`],
    ['é'.repeat(3000), `${'é'.repeat(2046)}…`],
    ['😀'.repeat(2000), `${'😀'.repeat(1023)}…`],
    [`${'a'.repeat(4096)}\u001b`.repeat(30_000), `${'a'.repeat(4093)}…`],
  ])('is cut at 4 KiB, between characters (case %#)', (text, expected) => {
    expect(evidenceOf(text)).toBe(expected);
    expect(Buffer.byteLength(evidenceOf(text))).toBeLessThanOrEqual(4096);
  });
});
