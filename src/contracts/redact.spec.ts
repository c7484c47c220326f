import { redact, redactor } from './redact';

describe('redact', () => {
  it('hides every secret, wherever and however often it stands', () => {
    expect(redact('pw=s3cret, again s3cret', ['s3cret'])).toBe('pw=[redacted], again [redacted]');
    expect(redact('a b%2Fc', ['b/c'])).toBe('a [redacted]');
    expect(redact('abcdef abc', ['abc', 'abcdef'])).toBe('[redacted] [redacted]');
  });
  it('hides the password of a URL that nobody has named', () => {
    expect(redact('Head "http://srv_1:pa.ss@127.0.0.1:1/srv_1/config": dial', [])).toBe('Head "http://srv_1:[redacted]@127.0.0.1:1/srv_1/config": dial');
    expect(redact('rest:https://a:b@h/', [])).toBe('rest:https://a:[redacted]@h/');
    expect(redact('https://a:b@h/ s3://key:secret@h/ X://:b@h', [])).toBe('https://a:[redacted]@h/ s3://key:[redacted]@h/ X://:[redacted]@h');
    expect(redact('postgres://u:hun@hunter4@h/db')).toBe('postgres://u:[redacted]@h/db');
  });
  it('hides what an Authorization header carries, and our tokens', () => {
    const token = `modosu_${'a'.repeat(43)}`;
    expect(redact('sent Bearer mod_12345')).toBe('sent Bearer [redacted]');
    expect(redact('sent Bearer  mod_12345, Authorization: Basic  dXNlcjpwYXNz')).toBe('sent Bearer [redacted], Authorization: Basic [redacted]');
    expect(redact('{"authorization":"Basic dXNlcjpwYXNz"}')).toBe('{"authorization":"Basic [redacted]"}');
    expect(redact(`GET /v1/tokens/${token}/revoke; ${token}x`)).toBe(`GET /v1/tokens/[redacted]/revoke; ${token}x`);
  });
  it('leaves everything else alone', () => {
    expect(redact('GET http://127.0.0.1:7400/v1/runs at 12:00:00', ['', 'absent'])).toBe('GET http://127.0.0.1:7400/v1/runs at 12:00:00');
  });
  it('looks through the secrets once, however many texts there are', () => {
    let looks = 0;
    const secrets = new Proxy(['s3cret', 'b/c'], {
      get: (list, key) => {
        looks += 1;
        return Reflect.get(list, key) as unknown;
      },
    });
    const hide = redactor(secrets);
    const before = looks;
    expect(before).toBeGreaterThan(0);
    expect(['x s3cret', 'a b%2Fc', 'plain'].map(hide)).toEqual(['x [redacted]', 'a [redacted]', 'plain']);
    expect(looks).toBe(before);
  });
  it('goes through a text once for all secrets, and looks for those alone that are in it', () => {
    const hide = redactor(['ab', 'secret', 'secret-9-more', ...Array.from({ length: 1000 }, (_, n) => `secret-${n}-of-ours`)]);
    const replaced = jest.spyOn(String.prototype, 'replaceAll');
    const shown = ['plain', 'xsecret-7-of-oursx, secret-9-mor', 'secret-9-more'].map(hide);
    const tries = replaced.mock.calls.length;
    replaced.mockRestore();
    expect(shown).toEqual(['plain', 'x[redacted]x, [redacted]-9-mor', '[redacted]']);
    // The short one in each of three texts, and what was found.
    expect(tries).toBe(3 + 2 + 2);
  });
});
