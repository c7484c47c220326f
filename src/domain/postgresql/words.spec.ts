import { named, some, tableNamed, words } from './words';

describe('what a guest says', () => {
  it('is one line without characters that steer anything', () => {
    expect(words('  one\n\ttwo\u001b[31m \u2028\u202ethree\u0000  ')).toBe('one two [31m three');
    expect(words('注文 é 🙂')).toBe('注文 é 🙂');
    expect(words(' \n ')).toBe('');
  });

  it('is cut at its beginning: the end of a long complaint says more', () => {
    expect(words('x'.repeat(400))).toBe('x'.repeat(400));
    expect(words(`a${'x'.repeat(399)}b`)).toBe(`…${'x'.repeat(398)}b`);
    expect(words('abcdef', 4)).toBe('…def');
    expect(words('🙂🙂🙂🙂🙂', 4)).toBe('…🙂🙂🙂');
    // Blanks that fill all the room it looks at leave nothing of what came before.
    expect(words(`before${' '.repeat(16)}`, 4)).toBe('');
    expect(words(`before${' '.repeat(15)}`, 4)).toBe('e');
  });

  it('may be a name, cut at its end', () => {
    expect(named('a\nb\u001bc')).toBe('a b c');
    expect(named('x'.repeat(64))).toBe('x'.repeat(64));
    expect(named('x'.repeat(65))).toBe(`${'x'.repeat(63)}…`);
    expect(named('🙂'.repeat(65))).toBe(`${'🙂'.repeat(63)}…`);
    expect(named(`${'\n'.repeat(256)}x`)).toBe(' ');
    expect(tableNamed({ schema: 'a\n', name: 'b' })).toBe('a .b');
  });

  it('may be many names, of which some are shown', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    expect(some(names.slice(0, 5))).toBe('a, b, c, d, e');
    expect(some(names)).toBe('a, b, c, d, e and 2 more');
    expect([some(names, 6), some([])]).toEqual(['a, b, c, d, e, f and 1 more', '']);
  });
});
