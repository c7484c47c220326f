import { canonicalJson } from '../domain/canonical-json';
import { storableJson } from './storable';

describe('storableJson', () => {
  it('always gives canonical JSON that survives a round trip', () => {
    const hostile = {
      output: `x\u0000${'y'.repeat(10_000)}`,
      'key\u0000': [undefined, Number.NaN, -0, 10n, () => 1],
      at: new Date(0),
      absent: undefined,
      deep: { a: { b: { c: { d: { e: { f: { g: { h: { i: 1 } } } } } } } } },
      many: Array.from({ length: 1000 }, (_, index) => index),
    };
    const json = storableJson(hostile);
    expect(canonicalJson(JSON.parse(JSON.stringify(json)))).toBe(canonicalJson(json));
    expect(json).toMatchObject({ key: [null, 'NaN', 0, '10', expect.any(String)], at: '1970-01-01T00:00:00.000Z' });
    expect(json).not.toHaveProperty('absent');
    expect(JSON.stringify(json)).not.toContain('\\u0000');
    expect(Buffer.byteLength(JSON.stringify(json))).toBeLessThan(10_000);
  });

  it('replaces what is too large as a whole', () => {
    const json = storableJson(Array.from({ length: 150 }, () => 'x'.repeat(4000)));
    expect(json).toEqual({ cut: true, sizeBytes: expect.any(Number) });
  });
});
