import { cleanWords, namesOf } from './words';

describe('words of a guest', () => {
  it('are shown as one line without anything that steers a terminal', () => {
    expect(cleanWords('a\n\u001b[31mb\u202e  c\u0000')).toBe('a [31mb c');
    expect(cleanWords('a\u2028b\u2029c\u00a0d\ue000e')).toBe('a b c d e');
    expect(cleanWords(' \t in the middle \r\n')).toBe('in the middle');
    expect(cleanWords('')).toBe('');
  });

  it('are cut where they are too long, and then say so', () => {
    expect(cleanWords('abcdef', 6)).toBe('abcdef');
    expect(cleanWords('abcdefg', 6)).toBe('abcde…');
    expect(cleanWords('x'.repeat(300))).toBe('x'.repeat(300));
    expect(cleanWords('x'.repeat(301))).toBe(`${'x'.repeat(299)}…`);
  });

  it('are counted in characters, not in halves of them', () => {
    expect(cleanWords('🗻'.repeat(10), 10)).toBe('🗻'.repeat(10));
    expect(cleanWords('🗻'.repeat(1_000), 10)).toBe(`${'🗻'.repeat(9)}…`);
  });
});

describe('names in a sentence', () => {
  it('stand in quotes, clean and short', () => {
    expect(namesOf([])).toBe('');
    expect(namesOf(['a\nb'])).toBe('"a b"');
    expect(namesOf(['x'.repeat(121)])).toBe(`"${'x'.repeat(119)}…"`);
  });

  it('are as many as fit, with how many more there are', () => {
    expect(namesOf(['a', 'b'], 2)).toBe('"a", "b"');
    expect(namesOf(['a\nb', 'c'], 1)).toBe('"a b" and 1 more');
    expect(namesOf(['1', '2', '3', '4', '5'])).toBe('"1", "2", "3", "4", "5"');
    expect(namesOf(['1', '2', '3', '4', '5', '6', '7'])).toBe('"1", "2", "3", "4", "5" and 2 more');
  });
});
