import { canonicalJson } from '../domain/canonical-json';
import { storableJson, storableText } from './storable';

describe('storableText', () => {
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
