import { flag, integer, jsonLines, list, matching, name, nullable, oneOf, record, text, Unreadable, type Guard } from './guards';

/** What a guard says against a value; null when it lets it pass as it is. */
const against = <T>(guard: Guard<T>, value: unknown): string | null => {
  try {
    expect(guard(value, 'it')).toEqual(value);
    return null;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return error.message;
  }
};

describe('what a guest has written', () => {
  it.each<[string, Guard<unknown>, readonly unknown[], readonly unknown[], string]>([
    ['a text', text(3), ['', 'abc', '\n'], ['abcd', 'a\0', 7, null, undefined, ['a']], 'it is not a text of at most 3 characters'],
    ['a form', matching(/^a+$/), ['a', 'aaa'], ['', 'b', 7, null, ['a']], 'it is not of the form ^a+$'],
    ['a whole number', integer(2, 4), [2, 3, 4], [1, 5, 2.5, '3', Number.NaN, null, 3n], 'it is not a whole number from 2 to 4'],
    ['a number without a bound', integer(0), [0, Number.MAX_SAFE_INTEGER], [-1, 2 ** 53, Infinity], 'it is not a whole number from 0 to 9007199254740991'],
    ['a flag', flag, [true, false], [0, 'true', null], 'it is not true or false'],
    ['one of some', oneOf('a', 'b'), ['a', 'b'], ['c', null, ['a']], 'it is not a or b'],
    ['nothing or a flag', nullable(flag), [null, true], [undefined, 0], 'it is not true or false'],
    ['a list', list(flag, 2), [[], [true], [true, false]], [[true, true, true], { length: 1, 0: true }, 'x', null], 'it is not a list of at most 2'],
    ['an object', record({ a: flag }), [{ a: true }], [null, 'a', [true], 7], 'it is not an object'],
  ])('is %s or is refused, without its value', (_what, guard, good, bad, said) => {
    for (const value of good) expect([value, against(guard, value)]).toEqual([value, null]);
    for (const value of bad) expect([value, against(guard, value)]).toEqual([value, said]);
  });

  it('is a name of at least one and at most 255 characters', () => {
    for (const value of ['a', 'x'.repeat(255), '注文', ' ']) expect(against(name, value)).toBeNull();
    expect([against(name, ''), against(name, 'x'.repeat(256))]).toEqual(['it is not a name', 'it is not a text of at most 255 characters']);
  });

  it('is an object of exactly its fields, its own ones', () => {
    const guard = record<{ a: boolean; b: boolean }>({ a: flag, b: flag });
    expect(against(guard, { a: true, b: false })).toBeNull();
    for (const value of [{ a: true, b: false, c: 1 }, { a: true, b: false, toString: 1 }, JSON.parse('{"a":true,"b":true,"__proto__":1}') as unknown]) {
      expect(against(guard, value)).toBe('it is not an object of known fields');
    }
    expect(against(guard, { a: true })).toBe('it.b is not true or false');
    expect(Object.keys(guard(JSON.parse('{"b":true,"a":true}'), 'it'))).toEqual(['a', 'b']);
  });

  it('is refused at the place where it is wrong', () =>
    expect(against(list(record({ a: list(flag, 9) }), 9), [{ a: [] }, { a: [true, 'x'] }])).toBe('it[1].a[1] is not true or false'));
});

describe('lines of JSON', () => {
  it('are one value each; empty lines are none', () => {
    expect(jsonLines('1\n\n2\n', integer(0))).toEqual([1, 2]);
    expect(jsonLines('', integer(0))).toEqual([]);
  });

  it.each([
    ['1\n-1\n', 'The guest gave an answer that cannot be read: line 2 is not a whole number from 0 to 9007199254740991.'],
    ['1\nx\n', 'The guest gave an answer that cannot be read: no JSON.'],
  ])('%j are no answer to what was asked', (output, message) =>
    expect(() => jsonLines(output, integer(0))).toThrow(expect.objectContaining({ code: 'AGENT_COMMAND_FAILED', message }) as Error),
  );

  it('hide no fault of ours', () => {
    const fault = new TypeError('ours');
    expect(() =>
      jsonLines('1', () => {
        throw fault;
      }),
    ).toThrow(fault);
  });
});
