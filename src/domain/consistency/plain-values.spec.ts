import { readBoolean, readHash, readText } from './plain-values';

const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('hashes', () => {
  it.each([
    [SHA256, SHA256],
    [SHA256.toUpperCase(), SHA256],
    [`sha256:${SHA256}`, SHA256],
    [`SHA256:${SHA256.toUpperCase()}`, SHA256],
    ['DEADBEEF', 'deadbeef'],
    ['ab'.repeat(64), 'ab'.repeat(64)],
  ])('%s is read as %s', (text, value) => expect(readHash(text)).toBe(value));

  it.each([
    '',
    'sha256:',
    'sha256:deadbeef',
    `sha512:${'ab'.repeat(64)}`,
    `${SHA256}  /etc/passwd`,
    `${SHA256}\n${SHA256}`,
    'abcdef',
    'abcdefabc',
    'xyzxyzxy',
    'ab'.repeat(65),
  ])('%j is none', (text) => expect(() => readHash(text)).toThrow('no marker of type hash'));
});

describe('texts', () => {
  it.each([
    ['one line', ' streaming ', 'streaming'],
    ['lines with blanks at their ends, and empty ones around them', '\n\na  \n\n  b\t\nc\n\n', 'a\n\n  b\nc'],
  ])('%s', (_what, text, value) => expect(readText(text)).toBe(value));

  it.each(['', ' \n\t\n'])('%j is none', (text) => expect(() => readText(text)).toThrow(/no marker of type text.*it is empty/s));
});

describe('booleans', () => {
  it.each(['t', 'true', 'yes', 'on', '1', 'True', 'YES'])('%s is true', (text) => expect(readBoolean(text)).toBe('true'));
  it.each(['f', 'false', 'no', 'off', '0', 'False', 'OFF'])('%s is false', (text) => expect(readBoolean(text)).toBe('false'));
  it.each(['', 'y', '2', 'truee', 'null', 'constructor'])('"%s" is neither', (text) => expect(() => readBoolean(text)).toThrow('no marker of type boolean'));
});
