import { compareSets, readSet } from './set';

it.each([
  ['nothing', '', ''],
  ['one line', 'db01', 'db01'],
  ['lines in any order, twice, with blanks around them', 'b\n\n a\t\nb \na', 'a\nb'],
  ['upper case before lower case', 'b\nB', 'B\nb'],
  ['tabs inside', 'a\t1\na\t0', 'a\t0\na\t1'],
])('%s', (_what, text, value) => expect(readSet(text)).toBe(value));

it.each([
  ['a\nb', 'b\na', 'same'],
  ['', '', 'same'],
  ['a', 'a\nb', 'behind'],
  ['a\nb', 'b', 'ahead'],
  ['a', '', 'ahead'],
  ['a', 'b', 'diverged'],
] as const)('%j beside %j is %s', (one, other, order) => expect(compareSets(one, other)).toBe(order));
