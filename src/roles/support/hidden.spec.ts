import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
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

  const hidden = async (text: string, env: Readonly<Record<string, string>> = {}): Promise<string> =>
    (await hideSecretsOf({ secrets, secretStoresFile: join(root, 'secret-stores.yaml') }, env))(text);
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

  it('of every environment that was told one under the same name, also where one stands inside another', async () => {
    const mine = { MODOSU_WEBHOOK_SECRET: 'of-my-own', MODOSU_DATA_TLS_KEY_FILE: file('mine.pem', 'MIIEvQIBADANBgkq') };
    const stores = file('stores.yaml', 'stores: [{ name: v, kind: vault, token: s.8Kz41PqRt0 }]');
    const ofService = {
      MODOSU_WEBHOOK_SECRET: 'whose-is-it-of-my-own-service',
      MODOSU_DATA_TLS_KEY_FILE: file('its.pem', 'MIIEabcdefghijk'),
      MODOSU_SECRET_STORES_FILE: stores,
    };
    const hide = await hideSecretsOf({ secrets, secretStoresFile: join(root, 'secret-stores.yaml') }, mine, ofService);
    expect(hide('of-my-own MIIEvQIBADANBgkq whose-is-it-of-my-own-service MIIEabcdefghijk s.8Kz41PqRt0 rest')).toBe(
      '[redacted] [redacted] [redacted] [redacted] [redacted] rest',
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

  describe('of the secret stores that this machine declares', () => {
    const declared = (...stores: readonly string[]): string => file('secret-stores.yaml', `stores:\n${stores.map((store) => `  - ${store}\n`).join('')}`);
    const vault = (more: string): string => `{ name: vault, kind: vault, address: "https://vault.example.net:8200", mount: teams/kv, ${more} }`;

    it('the token of a Vault, and nothing that says where it is', async () => {
      const tokenFile = file('vault-token', 'hvs.CAESIJ\n');
      declared(vault(`tokenFile: ${tokenFile}`));
      const text = `"vault" at https://vault.example.net:8200, teams/kv, ${tokenFile}`;
      expect(await hidden(`X-Vault-Token: hvs.CAESIJ ${text}`)).toBe(`X-Vault-Token: [redacted] ${text}`);
    });

    it.each([
      ['a token under a key that nobody knows', vault('tokenFile: /none, token: "s.123456"'), 's.123456', '[redacted]'],
      ['one deeper down', vault('auth: { approle: [role-of-mine, 0012345] }'), 'role-of-mine 0012345', '[redacted] [redacted]'],
      ['a token in place of its file', vault('tokenFile: hvs.short'), 'token file hvs.short', 'token file [redacted]'],
      ['a password in place of a file', '{ name: people, kind: file, path: hunter2 }', '"hunter2"', '"[redacted]"'],
      ['one in place of a prefix', '{ name: environment, kind: environment, prefix: HUNTER2 }', 'HUNTER2', '[redacted]'],
      [
        'a login in an address',
        '{ name: v, kind: vault, address: "https://me-myself:p%40ss@vault:8200?token=s.42" }',
        'p%40ss p@ss s.42',
        '[redacted] [redacted] [redacted]',
      ],
      ['a token as the login of an address', '{ name: v, kind: vault, address: "https://hvs.abcdef@vault:8200" }', 'hvs.abcdef', '[redacted]'],
      ['a token in place of an address', '{ name: v, kind: vault, address: hvs.abcdef }', 'hvs.abcdef', '[redacted]'],
      ['what stands in a file that is not YAML', '{ name: vault, token: s.12345, tokenFile: [ }', 'vault s.12345', 'vault [redacted]'],
    ])('%s', async (_what, store, text, shown) => {
      declared(store);
      expect(await hidden(text)).toBe(shown);
    });

    it('every field of every version in a file of credentials, however short, and neither paths nor times', async () => {
      const path = file(
        'passwords.yaml',
        `credentials:
  servers/db01:
    versions:
      - { version: 1, createdAt: 2026-01-31T08:00:00Z, password: "the \\"first\\" one" }
      - version: 12345
        createdAt: "2026-02-28T08:00:00Z"
        password: hunter2
        backup: 00123456
  servers/db02:
    versions:
      - version: 1
        password: &one swordfish
        old: [*one, correct horse]
`,
      );
      declared(`{ name: people, kind: file, path: ${path} }`);
      const told = { servers: ['servers/db01', 'servers/db02'], path, at: ['2026-01-31T08:00:00Z', '2026-02-28T08:00:00Z'], version: 12345 };
      expect(await hidden(JSON.stringify({ ...told, msg: 'the "first" one, hunter2, 00123456, swordfish, correct horse' }))).toBe(
        JSON.stringify({ ...told, msg: Array(5).fill('[redacted]').join(', ') }),
      );
    });

    it('those of a file of credentials that is not as it has to be', async () => {
      declared(
        `{ name: people, kind: file, path: ${file('broken.yaml', 'credentials:\n  servers/db01: {versions: [\n    password: "hunter2"\n  - password: swordfish\n')} }`,
      );
      expect(await hidden('hunter2 swordfish servers/db01')).toBe('[redacted] [redacted] servers/db01');
    });

    it('words that JSON is made of stay', async () => {
      declared(vault('insecure: true, nothing: null'));
      expect(await hidden('{"ok":true,"next":null}')).toBe('{"ok":true,"next":null}');
    });

    it('those of the environment, as they are and in files', async () => {
      const path = file('db02', 'from a file\n');
      const env = { MODOSU_CREDENTIAL_SERVERS__DB01: 'hunter2', MODOSU_CREDENTIAL_SERVERS__DB02_FILE: path, MODOSU_CREDENTIAL_SERVERS__DB03_FILE: 'no-path' };
      expect(await hidden(`hunter2, from a file, no-path, ${path}`, env)).toBe(`[redacted], [redacted], [redacted], ${path}`);
    });

    it('of the file that the environment names, and of the one beside the secrets, which is that of a service that was told of none', async () => {
      declared(vault('token: s.of-service'));
      const elsewhere = file('stores.yaml', `stores:\n  - ${vault('token: s.elsewhere')}\n`);
      expect(await hidden('s.of-service s.elsewhere', { MODOSU_SECRET_STORES_FILE: elsewhere })).toBe('[redacted] [redacted]');
    });

    it('not asked for where they are not there, refused where they cannot be read', async () => {
      declared(vault(`tokenFile: ${join(root, 'none')}`), `{ name: people, kind: file, path: ${join(root, 'secret-stores.yaml/none')} }`);
      expect(await hidden('x')).toBe('x');
      const large = file('large', 'x'.repeat(1024 * 1024 + 1));
      declared(vault(`tokenFile: ${large}`));
      await expect(hidden('x')).rejects.toMatchObject({ code: 'SUPPORT_BUNDLE_REFUSED', context: { path: large } });
    });
  });

  it('what follows the name of a variable or of a setting in a file', async () => {
    file('secrets/tool.conf', 'password = correct horse battery\nTOKEN="tok-123456789"\nurl=https://a.example/x');
    expect(await hidden('"correct horse battery" tok-123456789')).toBe('"[redacted]" [redacted]');
  });

  describe('of a place for copies elsewhere', () => {
    const environment = (text: string, place = 'vault'): void => {
      mkdirSync(join(secrets, 'offsite', place), { recursive: true });
      file(`secrets/offsite/${place}/environment`, text);
    };

    it.each([
      ['a key of a bucket', 'AWS_SECRET_ACCESS_KEY=wJalr/XUtn+FEMI=K7', 'wJalr/XUtn+FEMI=K7'],
      ['a short password', 'RESTIC_REST_PASSWORD=pw12', 'pw12'],
      ['the password of a configuration', 'RCLONE_CONFIG_PASS=a b:c,"d', 'a b:c,"d'],
      ['one between quotes', 'RESTIC_REST_PASSWORD="pw12"', 'pw12'],
      ['one behind export, and with blanks', ' export RESTIC_REST_PASSWORD = pw12 ', 'pw12'],
      ['one that was taken out', '# RESTIC_REST_PASSWORD=pw12', 'pw12'],
      ['a name that restic is not given', 'B2_ACCOUNT_KEY=K001', 'K001'],
      ['a line of Windows', 'RESTIC_REST_PASSWORD=pw12\r', 'pw12'],
      ['a colon for the sign', 'AWS_SECRET_ACCESS_KEY: wJalr/XUtn+FEMI=K7', 'wJalr/XUtn+FEMI=K7'],
      ['one that is declared', 'declare -x RESTIC_REST_PASSWORD="pw12"', 'pw12'],
      ['a second one on a line', 'export AWS_DEFAULT_REGION=eu-central-1 RESTIC_REST_PASSWORD=pw12', 'pw12'],
      ['a key without a name', 'wJalr/XUtn+FEMI=K7', 'wJalr/XUtn+FEMI=K7'],
      ['one that ends as base64 does', 'wJalrXUtnFEMIK7MDENG==', 'wJalrXUtnFEMIK7MDENG=='],
      ['a key in a sentence', '# the old one was wJalrXUtnFEMIK7MDENG', 'wJalrXUtnFEMIK7MDENG'],
      ['one behind a login', 'AKIAIOSFODNN7:wJalrXUtnFEMI', 'wJalrXUtnFEMI'],
      ['one behind other words', 'AWS_DEFAULT_REGION=eu-central-1 with wJalrXUtnFEMI', 'wJalrXUtnFEMI'],
      ['a token in JSON', 'RCLONE_CONFIG_DRIVE_TOKEN={"access_token":"ya29.a0AfH6SMBx"}', 'ya29.a0AfH6SMBx'],
    ])('%s, alone, in an address and inside JSON', async (_, line, secret) => {
      environment(`AWS_DEFAULT_REGION=eu-central-1\n${line}\n`);
      const url = `rest:https://me:${encodeURIComponent(secret)}@vault.example:8000/`;
      expect(await hidden(`>${secret}< ${url} ${encodeURIComponent(secret)}`)).toBe('>[redacted]< rest:https://me:[redacted]@vault.example:8000/ [redacted]');
      expect(await hidden(JSON.stringify({ secret }))).toBe('{"secret":"[redacted]"}');
    });

    it('in base64, a short password with its login', async () => {
      environment('RESTIC_REST_USERNAME=backup\nRESTIC_REST_PASSWORD=pw12\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENG\n');
      for (const text of ['backup:pw12', 'wJalrXUtnFEMIK7MDENG'].map((secret) => Buffer.from(secret).toString('base64').replace(/=+$/, ''))) {
        expect(await hidden(`key ${text}`)).not.toContain(text.slice(0, -2));
      }
    });

    it('neither regions, paths nor names that are words', async () => {
      const text =
        'AWS_DEFAULT_REGION=eu-central-1\nSSL_CERT_FILE=/etc/ssl/certs/of-ours.pem\nRCLONE_CONFIG=/etc/rclone/of-ours.conf\nRESTIC_REST_USERNAME=backup';
      environment(`${text}\nAWS_ACCESS_KEY_ID=modosu\n`);
      expect(await hidden(`${text}, backup of modosu`)).toBe(`${text}, backup of modosu`);
    });

    it('neither words, nor what names that nobody knows say of where and how', async () => {
      environment(
        'AWS_REGION=eu-central-1\nRCLONE_CONFIG_BUCKET_ENV_AUTH=true\nRCLONE_CONFIG_BUCKET_TOKEN=null\n# STAGE=test\n# note: the configuration of us-east-2, see below\nTIER=cold\n',
      );
      const text = 'test of a cold configuration in eu-central-1 and us-east-2: {"ok":true,"next":null}';
      expect(await hidden(text)).toBe(text);
    });

    it('what the configuration of rclone holds that is named there', async () => {
      const conf = file(
        'rclone.conf',
        `[of-a-bucket]
type = s3
provider = AWS
env_auth = true
region = eu-central-1
endpoint = https://s3.eu-central-1.amazonaws.com
access_key_id = AKIAIOSFODNN7EXAMPLE
secret_access_key = wJal=K7
[of-a-drive]
type = drive
token = {"access_token":"ya29.a0AfH6SMBx","refresh_token":"1//0gL-abcdefgh","token_type":"Bearer-of-ours","expiry":"2026-11-30T10:15:42.123456789+01:00"}
service_account_credentials = {"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----\\n"}
pass = obsc
url = https://me:p4ss@dav.example/x
# pass = oldp
`,
      );
      environment(`RCLONE_CONFIG=${conf}\n`);
      const open = `"true" of-a-bucket drive at eu-central-1 https://s3.eu-central-1.amazonaws.com, ${conf}, access_token refresh_token service_account, Bearer-of-ours`;
      const line = '{"time":"2026-11-30T10:59:00.000Z","msg":"copied"}';
      expect(await hidden(line)).toBe(line);
      expect(await hidden('MIIEvQIBADANBgkqhkiG9w0BAQEFAASC')).toBe('[redacted]');
      expect(await hidden(`AKIAIOSFODNN7EXAMPLE wJal=K7 ya29.a0AfH6SMBx 1//0gL-abcdefgh obsc p4ss oldp ${open}`)).toBe(
        `${Array(7).fill('[redacted]').join(' ')} ${open}`,
      );
    });

    it('of an encrypted configuration its lines, and of none nothing', async () => {
      const conf = file('rclone.conf', '# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nL6vF0AbcdEfghIjklMnop==\n');
      environment(`RCLONE_CONFIG=${conf}\n`);
      environment('RCLONE_CONFIG=/not/there\n', 'second');
      environment('RCLONE_CONFIG=pw12\n', 'third');
      expect(await hidden('L6vF0AbcdEfghIjklMnop== /not/there pw12')).toBe('[redacted] /not/there [redacted]');
    });

    it.each([
      ['.config/rclone/rclone.conf', (home: string) => ({ HOME: home })],
      ['.rclone.conf', (home: string) => ({ HOME: home })],
      ['rclone/rclone.conf', (home: string) => ({ XDG_CONFIG_HOME: home, HOME: '/not/there' })],
    ])('what rclone finds by itself in %s, where no place names another file', async (name, envOf) => {
      const path = join(root, 'home', name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '[vault]\ntype = sftp\npass = obsc\n');
      const env = envOf(join(root, 'home'));
      expect(await hidden('sftp obsc', env)).toBe('sftp obsc');
      environment('RCLONE_CONFIG=/not/there\n');
      expect(await hidden('sftp obsc', env)).toBe('sftp obsc');
      environment('# none', 'second');
      expect(await hidden('sftp obsc', env)).toBe('sftp [redacted]');
    });

    it('is refused where the configuration of rclone cannot be read', async () => {
      environment(`RCLONE_CONFIG=${file('large', 'x'.repeat(1024 * 1024 + 1))}\n`);
      await expect(hidden('x')).rejects.toMatchObject({ code: 'SUPPORT_BUNDLE_REFUSED', context: { path: join(root, 'large') } });
    });
  });

  it('is refused for what is there and cannot be read', async () => {
    const server = createServer().listen(join(secrets, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    await expect(hidden('x')).rejects.toMatchObject({ code: 'SUPPORT_BUNDLE_REFUSED', context: { path: join(secrets, 'socket') } });
    server.close();
  });
});
