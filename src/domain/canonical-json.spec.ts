import { canonicalJson } from './canonical-json';

describe('canonicalJson', () => {
  it('gives the same text whatever the order of the properties', () => {
    const first = { b: [1, { d: true, c: null }], a: 'x' };
    const second = { a: 'x', b: [1, { c: null, d: true }] };
    expect(canonicalJson(first)).toBe('{"a":"x","b":[1,{"c":null,"d":true}]}');
    expect(canonicalJson(second)).toBe(canonicalJson(first));
  });

  it('sorts keys by code units, at every level', () => {
    expect(canonicalJson({ é: 1, z: 2, Z: 3, '10': 4, '9': 5 })).toBe('{"10":4,"9":5,"Z":3,"z":2,"é":1}');
  });

  it('drops undefined properties, as JSON does', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
  });

  it('is stable over a round trip through JSON', () => {
    const value = { text: 'a\u0000b\n"\ud800', numbers: [0, -0, 1e21, 0.1, Number.MAX_SAFE_INTEGER], nested: { empty: {}, none: [] } };
    const text = canonicalJson(value);
    expect(canonicalJson(JSON.parse(text))).toBe(text);
  });

  it('accepts objects without a prototype', () => {
    expect(canonicalJson(Object.assign(Object.create(null) as object, { a: 1 }))).toBe('{"a":1}');
  });

  it.each([
    ['undefined', undefined],
    ['undefined in an array', [1, undefined]],
    ['a hole in an array', new Array<number>(2)],
    ['NaN', { a: { b: Number.NaN } }],
    ['an infinity', Number.POSITIVE_INFINITY],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('s') }],
    ['a bigint', 1n],
    ['a date', { at: new Date(0) }],
    ['a map', new Map()],
  ])('refuses %s', (_what, value) => {
    expect(() => canonicalJson(value)).toThrow(/cannot be written as canonical JSON/);
  });

  it('names the place of what it refuses', () => {
    const message = '$.steps[1].size cannot be written as canonical JSON: NaN';
    expect(() => canonicalJson({ steps: [{ size: 1 }, { size: Number.NaN }] })).toThrow(
      expect.objectContaining({ code: 'INTERNAL', message, context: { path: '$.steps[1].size' } }),
    );
  });

  it('refuses a cycle but not the same object twice', () => {
    const shared = { a: 1 };
    expect(canonicalJson([shared, shared])).toBe('[{"a":1},{"a":1}]');
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(() => canonicalJson(cycle)).toThrow(/a cycle/);
  });
});
