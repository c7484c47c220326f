import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hideSecretsOf } from './hidden';

describe('secrets that are taken out of a support bundle', () => {
  let root: string;
  let secrets: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'modosu-hidden-'));
    secrets = join(root, 'secrets');
    mkdirSync(secrets);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const hidden = async (text: string, env: Readonly<Record<string, string>> = {}): Promise<string> => (await hideSecretsOf(secrets, env))(text);
  const file = (name: string, content: string): string => {
    const path = join(root, name);
    writeFileSync(path, content);
    return path;
  };

  it('of files below the directory, as they are, inside JSON and in base64 wherever it begins', async () => {
    mkdirSync(join(secrets, 'data/srv'), { recursive: true });
    file('secrets/data/srv/login', 'p"w\\d ä 12345678\n');
    const plain = 'p"w\\d ä 12345678';
    expect(await hidden(`x ${plain} y`)).toBe('x [redacted] y');
    expect(await hidden(JSON.stringify({ msg: plain }))).toBe('{"msg":"[redacted]"}');
    for (const before of ['', 'u:', 'us:', 'use:']) {
      const text = Buffer.from(`${before}${plain}`).toString('base64');
      expect(await hidden(`key ${text}`)).not.toContain(text.slice(6, -4));
    }
  });

  it('of files that the environment names, and behind links', async () => {
    const keys = file('keys.json', JSON.stringify({ current: 'k1', keys: { k1: 'cGF5bG9hZC1rZXktb2YtMzItYnl0ZXM' } }));
    const key = file('tls.pem', '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n');
    symlinkSync(file('elsewhere', 'a-credential-of-systemd'), join(secrets, 'linked'));
    const env = { MODOSU_PAYLOAD_KEYS_FILE: keys, MODOSU_DATA_TLS_KEY_FILE: key, MODOSU_TOKEN_FILE: join(root, 'not-there'), MODOSU_TOKEN: 'token-of-mine' };
    expect(await hidden('cGF5bG9hZC1rZXktb2YtMzItYnl0ZXM MIIEvQIBADANBgkqhkiG9w0BAQEFAASC a-credential-of-systemd token-of-mine rest', env)).toBe(
      '[redacted] [redacted] [redacted] [redacted] rest',
    );
  });

  it.each([
    ['short', 'hunter2'],
    ['with a comma and a quote', "a,b'c"],
    ['encoded', 'p%40ss%20word'],
  ])('the password of an address alone, %s', async (_, password) => {
    const env = { MODOSU_DATABASE_URL: `postgres://modosu_app:${password}@db.example:5432/modosu` };
    expect(await hidden(`FATAL: "${password}" / "${decodeURIComponent(password)}" for modosu_app at db.example`, env)).toBe(
      'FATAL: "[redacted]" / "[redacted]" for modosu_app at db.example',
    );
  });

  it('whatever looks like one, without being known', async () => {
    expect(await hidden(`GET /v1/tokens/modosu_${'a'.repeat(43)}/revoke`)).toBe('GET /v1/tokens/[redacted]/revoke');
    expect(await hidden('{"authorization":"Basic dXNlcjpwYXNz"} Authorization: Bearer abc.def postgres://a:b@c/d')).toBe(
      '{"authorization":"Basic [redacted]"} Authorization: Bearer [redacted] postgres://a:[redacted]@c/d',
    );
    expect(await hidden('Basic checks of modosu_last_usable_recovery_point_timestamp_seconds')).toBe(
      'Basic checks of modosu_last_usable_recovery_point_timestamp_seconds',
    );
  });

  it('is refused for what is there and cannot be read', async () => {
    const server = createServer().listen(join(secrets, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    await expect(hidden('x')).rejects.toMatchObject({ code: 'SUPPORT_BUNDLE_REFUSED', context: { path: join(secrets, 'socket') } });
    server.close();
  });
});
