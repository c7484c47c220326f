import { linesOf, mysqlValues, psqlValues } from './sql-output';

describe('what clients of databases print', () => {
  it.each([
    ['', []],
    ['\0', ['']],
    ['1\0', ['1']],
    ['1\u001f2\u00003\u001f4\0', ['1', '3']],
    ['a\nb\0', ['a\nb']],
    ['cut', ['cut']],
  ])('is read of psql: %j', (output, expected) => {
    expect(psqlValues(output)).toEqual(expected);
  });

  // As mysql of MariaDB 10.11 has printed them.
  it.each([
    ['', []],
    ['\n', ['']],
    ['a\\nb\\\\c\\td\tNULL\nNULL\t1\n', ['a\nb\\c\td', '']],
    ['\\\\n\\q\n', ['\\n\\q']],
    [
      '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\\n4e11fa47-71ca-11e1-9e33-c80aa9429562:1\n',
      ['3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:1'],
    ],
  ])('is read of mysql: %j', (output, expected) => {
    expect(mysqlValues(output)).toEqual(expected);
  });

  it('is a line for each row, and all lines of a value that has some', () => {
    expect(linesOf(['a', '', 'b'])).toBe('a\n\nb');
    expect(linesOf(['a\nb'])).toBe('a\nb');
    expect(linesOf(['a\nb', 'c'])).toBe('a\nb\nc');
  });
});
