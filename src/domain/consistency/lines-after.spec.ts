import { linesAfter } from './lines-after';

it('has the rest of the lines that begin with the prefix', () => {
  expect(linesAfter('a: ', 'b: 1\na: 2\r\n a: 3\na:4\na: a: 5 \n')).toBe('2\na: 5');
  expect(linesAfter('a: ', 'b: 1')).toBe('');
});
