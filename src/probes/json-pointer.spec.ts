import { valueAt } from './json-pointer';

/** RFC 6901, section 5. */
const RFC = '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}';

const refused = (document: string, pointer: string, code: string): void => expect(() => valueAt(document, pointer)).toThrow(expect.objectContaining({ code }));

describe('a value in a JSON document', () => {
  it.each([
    ['/foo', 'bar\nbaz'],
    ['/foo/0', 'bar'],
    ['/', '0'],
    ['/a~1b', '1'],
    ['/c%d', '2'],
    ['/e^f', '3'],
    ['/g|h', '4'],
    ['/i\\j', '5'],
    ['/k"l', '6'],
    ['/ ', '7'],
    ['/m~0n', '8'],
  ])('is found at %s as the RFC says', (pointer, expected) => {
    expect(valueAt(RFC, pointer)).toBe(expected);
  });

  it.each([
    ['18446744073709551615', '18446744073709551615'],
    ['-1.50e+10', '-1.50e+10'],
    ['"12 and -3.5"', '12 and -3.5'],
    ['"\\"7\\" \\\\"', '"7" \\'],
    ['true', 'true'],
    ['""', ''],
    ['[]', ''],
    ['[9007199254740993,"x",false]', '9007199254740993\nx\nfalse'],
  ])('is as it was written: %s', (document, expected) => {
    expect(valueAt(document, '')).toBe(expected);
    expect(valueAt(`{"a":[${document}]}`, '/a/0')).toBe(expected);
  });

  it.each(['null', '{}', '[[1]]', '[null]', '["a\\nb"]', '["a\\rb","c"]', 'nope', '', '[1'])('is none in %s', (document) => {
    refused(document, '', 'PROBE_FAILED');
  });

  it.each(['/foo/2', '/foo/00', '/foo/-', '/foo/length', '/foo/0/x', '/toString', '/__proto__', '/absent/x'])('is not at %s', (pointer) => {
    refused(RFC, pointer, 'PROBE_FAILED');
  });

  it.each(['foo', 'foo/0', '/~', '/~2', '#/foo'])('has no place named %s', (pointer) => {
    refused(RFC, pointer, 'PROBE_INVALID');
  });
});
