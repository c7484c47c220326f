import type { DefinitionDiff, DescribedDefinition } from '../../contracts/definition';
import { definitionWords, diffDefinitions } from './definition-diff';
import { processorTimeMs } from '../../../test/support/processor-time';

const definition = (lines: readonly string[], hiddenSha256 = 'a'): DescribedDefinition => ({
  summary: { vcpus: 1, memoryBytes: 1, machine: null, firmware: 'bios', generationId: null, disks: [], nics: [] },
  lines,
  hiddenSha256,
});
const SIGNS = { same: ' ', removed: '-', added: '+' };
const shown = (before: readonly string[], after: readonly string[]): readonly string[] =>
  diffDefinitions(definition(before), definition(after)).parts.map((part) => part.map(({ kind, text }) => `${SIGNS[kind]}${text}`).join(' '));
const letters = (text: string): readonly string[] => text.split('');

describe('two definitions', () => {
  it.each<[string, string, string, readonly string[]]>([
    ['that are the same', 'abc', 'abc', []],
    ['that say nothing', '', '', []],
    ['of which one says nothing', '', 'ab', ['+a +b']],
    ['of which the other says nothing', 'ab', '', ['-a -b']],
    ['with nothing in common', 'ab', 'xy', ['-a -b +x +y']],
    ['with a line changed', 'abcdefghi', 'abcdXfghi', [' b  c  d -e +X  f  g  h']],
    ['with a line more at the beginning', 'abcde', 'Xabcde', ['+X  a  b  c']],
    ['with a line less at the end', 'abcde', 'abcd', [' b  c  d -e']],
    ['with a line twice', 'abc', 'abbc', [' a  b +b  c']],
    ['with a line moved', 'abcd', 'bcda', ['-a  b  c  d +a']],
    ['with something before what is common', 'a', 'bab', ['+b  a +b']],
    ['with more before what is common', 'a', 'bcab', ['+b +c  a +b']],
    ['with something before more that is common', 'aa', 'caab', ['+c  a  a +b']],
    ['with less before what is common', 'acb', 'ba', ['-a -c  b +a']],
    ['with a line left of which there were several', 'ababa', 'b', ['-a  b -a -b -a']],
    ['with differences that touch', 'abcdefghijk', 'aXcdefghXjk', [' a -b +X  c  d  e  f  g  h -i +X  j  k']],
    ['with differences far from each other', 'abcdefghijklm', 'aXcdefghijkXm', [' a -b +X  c  d  e', ' i  j  k -l +X  m']],
  ])('%s', (_what, before, after, parts) => {
    expect(shown(letters(before), letters(after))).toEqual(parts);
  });

  it('say how many lines only one of them has', () => {
    expect(diffDefinitions(definition(letters('abc')), definition(letters('aX')))).toMatchObject({ state: 'compared', removed: 2, added: 1 });
  });

  it('that are large are compared line by line where they differ in little', () => {
    const [before, after] = ['-', '+'].map((sign) => Array.from({ length: 9_000 }, (_, at) => (at === 10 ? sign : `line ${at}`)));
    expect(shown(before ?? [], after ?? [])).toEqual([' line 7  line 8  line 9 -- ++  line 11  line 12  line 13']);
  });

  // The table has a row and a column more than there are lines.
  it.each([
    [1999, 1999, 2],
    [2000, 1999, 2000],
    [1999, 2000, 1999],
  ])('of %d and %d lines that differ from the first to the last have %d lines removed', (before, after, removed) => {
    const lines = (count: number, sign: string) => definition([sign, ...Array.from({ length: count - 2 }, (_, at) => `line ${at}`), `last ${sign}`]);
    expect(diffDefinitions(lines(before, '-'), lines(after, '+')).removed).toBe(removed);
  });

  it('that differ in more than is shown say in how much', () => {
    const [before, after] = ['-', '+'].map((sign) => definition(Array.from({ length: 300 }, (_, at) => `${sign}${at}`))) as [
      DescribedDefinition,
      DescribedDefinition,
    ];
    const { parts, more, removed, added } = diffDefinitions(before, after);
    expect([parts.flat().length, more, removed, added]).toEqual([200, 400, 300, 300]);
    expect(parts.flat().every(({ kind }) => kind === 'removed')).toBe(true);
  });

  it('are compared in a moment, however large they are', () => {
    const line = (at: number): string => `line ${at}`;
    const before = ['first', ...Array.from({ length: 10_000 }, (_, at) => line(at)), 'last'];
    const after = ['other', ...Array.from({ length: 10_000 }, (_, at) => line(at + 1)), 'end'];
    const began = processorTimeMs();
    const { parts, more, removed, added } = diffDefinitions(definition(before), definition(after));
    expect([parts.flat().length, more, removed, added]).toEqual([200, 19_804, 10_002, 10_002]);
    expect(processorTimeMs() - began).toBeLessThan(5000);
  });

  it('of which a value differs that is not shown say so', () => {
    expect(diffDefinitions(definition(['a']), definition(['a'], 'b'))).toMatchObject({ parts: [], hiddenDiffers: true });
    expect(diffDefinitions(definition(['a']), definition(['a']))).toMatchObject({ hiddenDiffers: false });
  });
});

describe('what is said of them', () => {
  const compared: Extract<DefinitionDiff, { readonly state: 'compared' }> = {
    state: 'compared',
    parts: [],
    removed: 0,
    added: 0,
    more: 0,
    hiddenDiffers: false,
  };
  it.each<[DefinitionDiff, readonly string[]]>([
    [compared, []],
    [{ ...compared, removed: 1 }, ['The definition differs: 1 line only in the earlier one.']],
    [{ ...compared, removed: 1, added: 2 }, ['The definition differs: 1 line only in the earlier one, 2 lines only in the later one.']],
    [
      { ...compared, added: 1, hiddenDiffers: true },
      ['The definition differs: 1 line only in the later one.', 'Values of the definition that are not shown differ.'],
    ],
    [
      { state: 'not-compared', notRead: [{ generation: 3, code: 'REPOSITORY_UNREACHABLE', why: 'it is away' }] },
      ['The definition of generation 3 was not read (REPOSITORY_UNREACHABLE), and not compared.'],
    ],
  ])('%j', (diff, words) => {
    expect(definitionWords(diff)).toEqual(words);
  });
});
