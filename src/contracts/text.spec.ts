import { cleanWords, hasControlCharacters, isOneLine, namesOf, quoted, storableText } from './text';

describe('what comes in', () => {
  it.each(['\u0000', 'a\nb', 'a\r', 'a\tb', '\u001b[2J', '\u007f'])('sees the control characters of %j', (text) => {
    expect(hasControlCharacters(text)).toBe(true);
    expect(isOneLine(text)).toBe(false);
  });

  it.each(['', 'web01', 'Größe 図 🗻', 'a\u200db', '/srv/a b'])('lets %j pass', (text) => {
    expect(hasControlCharacters(text)).toBe(false);
    expect(isOneLine(text)).toBe(true);
  });

  it.each(['a\u0085b', '\u009b2J', 'a\ud800', '\udc00a'])('takes %j as a name that others have made, but not as a line that people write', (text) => {
    expect(hasControlCharacters(text)).toBe(false);
    expect(isOneLine(text)).toBe(false);
  });
});

describe('what is stored', () => {
  it('leaves ordinary text alone', () => {
    expect(storableText('戻す: "done"\n')).toBe('戻す: "done"\n');
  });

  it('removes NUL bytes and lone surrogates, which PostgreSQL refuses', () => {
    expect(storableText('a\u0000b\ud800c')).toBe('ab\ufffdc');
  });

  it('cuts to a number of bytes, never inside a character, and says so', () => {
    const cut = storableText('あ'.repeat(5000), 100);
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(100);
    expect(cut).toMatch(/^あ+… \(cut\)$/);
    expect(cut).not.toContain('\ufffd');
  });

  it('says that it has cut a text of NUL bytes', () => {
    expect(storableText('\u0000'.repeat(10_000), 100)).toBe('… (cut)');
  });

  it('keeps a text of exactly the limit', () => {
    expect(storableText('x'.repeat(4096))).toBe('x'.repeat(4096));
    expect(Buffer.byteLength(storableText('x'.repeat(4097)))).toBeLessThanOrEqual(4096);
  });
});

describe('what is shown', () => {
  it('has words on one line, without anything that steers a terminal', () => {
    expect(cleanWords('a\n\u001b[31mb\u202e  c\u0000')).toBe('a [31mb c');
    expect(cleanWords('\u0000 \n')).toBe('');
  });

  it('cuts words between characters, and says so', () => {
    expect(cleanWords('🗻'.repeat(1_000), 10)).toBe(`${'🗻'.repeat(9)}…`);
    expect(cleanWords(`begin ${'x'.repeat(50_000)} end`, 10)).toBe('begin xxx…');
    expect(cleanWords(`begin ${'x'.repeat(50_000)} end`, 10, { keep: 'end' })).toBe('…xxxxx end');
    expect(cleanWords('0123456789', 10, { keep: 'end' })).toBe('0123456789');
  });

  it('names some and counts the rest', () => {
    expect(namesOf(['a\nb', 'c'])).toBe('"a b", "c"');
    expect(namesOf(['a\nb', 'c'], 1)).toBe('"a b" and 1 more');
    expect(namesOf(['a', 'b'], 2)).toBe('"a", "b"');
    expect(namesOf(['a', 'b', 'c'], 2)).toBe('"a", "b" and 1 more');
  });

  it('quotes what was refused, whatever it is', () => {
    expect(quoted('a"\n\u001b')).toBe('"a\\"\\n\\u001b"');
    expect(quoted('x'.repeat(101))).toBe(`"${'x'.repeat(100)}…"`);
    expect(quoted('abc', 2)).toBe('"ab…"');
    expect(quoted('abc', 3)).toBe('"abc"');
    expect(quoted(undefined)).toBe('"undefined"');
  });
});
