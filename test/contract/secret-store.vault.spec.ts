import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { VaultDeclaration } from '../../src/contracts/credential';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { CURRENT } from '../../src/credentials/secret-store';
import { VaultSecretStore, type VaultOptions } from '../../src/credentials/vault/vault-secret-store';
import { makeCertificate } from '../support/data-lab';
import { SecretHunt } from '../support/secret-hunt';
import { VaultServer, type Interruption } from '../support/vault-server';
import { describeSecretStore, FIRST, PATH, SECOND, thrownBy, wordsOf } from './secret-store.contract';

const TOKEN = 'root-token-0123456789';

let directory: string;
let tokenFile: string;
let vault: VaultServer;
let address: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'modosu-vault-'));
  tokenFile = join(directory, 'token');
  writeToken(TOKEN);
  vault = new VaultServer();
  address = await vault.listen();
});
afterEach(async () => {
  await vault.close();
  rmSync(directory, { recursive: true, force: true });
});

const writeToken = (text: string, mode = 0o600): void => {
  writeFileSync(tokenFile, text, { mode });
  chmodSync(tokenFile, mode);
};
const store = (changes: Partial<VaultDeclaration> = {}, options: VaultOptions = {}): VaultSecretStore =>
  new VaultSecretStore({ name: 'corporate', kind: 'vault', address, mount: 'secret', tokenFile, ...changes }, options);
const read = (version: string = CURRENT, changes: Partial<VaultDeclaration> = {}, options: VaultOptions = {}) =>
  store(changes, options).read(PATH, version, 'password');

describeSecretStore(
  'Vault KV v2',
  async () => ({ store: store(), put: async (path, password) => void vault.put(path, { password, user: 'root' }), dispose: async () => undefined }),
  { keepsVersions: true, knowsTimes: true },
);

/** Neither a value nor a token stands in it. */
const expectSilence = (thrown: unknown): void => {
  const secrets = new Map([FIRST, SECOND, TOKEN].map((secret) => [secret, secret]));
  expect(new SecretHunt(secrets).in(wordsOf(thrown))).toEqual([]);
};

/** All three methods fail alike. */
async function expectAll(code: ErrorCode, retry: 'later' | 'never', options: VaultOptions = {}): Promise<string> {
  const asked = store({}, options);
  const works = [() => asked.currentVersion(PATH), () => asked.versionState(PATH, '1'), () => asked.read(PATH, '1', 'password')];
  let message = '';
  for (const work of works) {
    const error = await thrownBy(work());
    expect(error).toMatchObject({ code, retry, context: { store: 'corporate' } });
    expectSilence(error);
    message = error.message;
  }
  return message;
}

describe('what is asked of Vault', () => {
  beforeEach(() => void vault.put(PATH, { password: FIRST }));

  it('is never a value, to know a version', async () => {
    await store().currentVersion(PATH);
    await store().versionState(PATH, '1');
    await thrownBy(store().currentVersion('servers/none'));
    expect(vault.requests.map(({ url }) => url)).toEqual([
      '/v1/secret/metadata/servers/db01',
      '/v1/secret/metadata/servers/db01',
      '/v1/secret/metadata/servers/none',
    ]);
  });

  it('is one value, to read one, with its version', async () => {
    await read();
    await read('1');
    expect(vault.requests.map(({ url }) => url)).toEqual(['/v1/secret/data/servers/db01', '/v1/secret/data/servers/db01?version=1']);
  });

  it('goes to the path as it is, whatever stands in it', async () => {
    const path = 'Server %2e%2e/db#1?version=2/データ/..x';
    vault.put(path, { password: SECOND });
    expect((await store().read(path, CURRENT, 'password')).reveal()).toBe(SECOND);
    expect(vault.requests[0]?.url).toMatch(/^\/v1\/secret\/data\/Server%20%252e%252e\/db%231%3Fversion%3D2\/%E3/);
  });

  it('carries the namespace that is declared, and the header that Vault Agent asks for', async () => {
    await read();
    await read(CURRENT, { namespace: 'teams/db' });
    expect(vault.requests.map(({ headers }) => headers['x-vault-namespace'])).toEqual([undefined, 'teams/db']);
    expect(vault.requests[0]?.headers).toMatchObject({ 'x-vault-token': TOKEN, 'x-vault-request': 'true' });
  });

  it('is as old as Vault says', async () => {
    expect(await store().currentVersion(PATH)).toEqual({ version: '1', createdAt: '2026-03-01T08:00:00.123Z' });
  });
});

describe('a version of Vault', () => {
  beforeEach(() => {
    vault.put(PATH, { password: FIRST });
    vault.put(PATH, { password: SECOND });
  });

  it('that was deleted is said to be, and is there again when it was brought back', async () => {
    vault.delete(PATH, 1);
    expect(await store().versionState(PATH, '1')).toBe('deleted');
    const error = await thrownBy(read('1'));
    expect(error).toMatchObject({
      code: 'SECRET_VERSION_LOST',
      hint: expect.stringContaining('undelete') as string,
      context: { version: '1', state: 'deleted' },
    });
    expectSilence(error);
    vault.delete(PATH, 1, '');
    expect((await read('1')).reveal()).toBe(FIRST);
  });

  it('that was destroyed is said to be', async () => {
    vault.destroy(PATH, 1);
    expect(await store().versionState(PATH, '1')).toBe('destroyed');
    expect(await thrownBy(read('1'))).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { version: '1', state: 'destroyed' } });
  });

  it('that was displaced by newer ones is not there, although its secret is', async () => {
    vault.put(PATH, { password: 'third' }, { keep: 2 });
    expect(await store().versionState(PATH, '1')).toBe('unknown');
    expect(await thrownBy(read('1'))).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { version: '1', state: 'unknown' } });
  });

  it('counts not any more when the newest was deleted, and none in its place', async () => {
    vault.delete(PATH, 2);
    expect(await thrownBy(store().currentVersion(PATH))).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { version: '2', state: 'deleted' } });
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { version: '2', state: 'deleted' } });
    expect((await read('1')).reveal()).toBe(FIRST);
  });

  it('whose deletion is planned is there until then', async () => {
    vault.put(PATH, { password: 'third' }, { deletedAt: '2126-01-01T00:00:00.000000001Z' });
    expect((await store().currentVersion(PATH)).version).toBe('3');
    expect((await read('3')).reveal()).toBe('third');
    const late = { now: () => new Date('2126-01-01T00:00:01Z') };
    expect(await store({}, late).versionState(PATH, '3')).toBe('deleted');
  });

  it('that Vault says is gone is gone, whatever the clock of this machine says', async () => {
    vault.delete(PATH, 1);
    const early = { now: () => new Date('2020-01-01T00:00:00Z') };
    expect(await thrownBy(read('1', {}, early))).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { state: 'deleted' } });
  });

  it('is none where only metadata stands', async () => {
    vault.describe('servers/db03');
    expect(await thrownBy(store().currentVersion('servers/db03'))).toMatchObject({ code: 'SECRET_NOT_FOUND' });
    expect(await thrownBy(store().read('servers/db03', CURRENT, 'password'))).toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  it.each([[1234567890], [null], [['a']], [{ a: SECOND }], [true], ['']])('whose field holds %j is no password', async (password) => {
    vault.put(PATH, { password });
    const error = await thrownBy(read());
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', context: { field: 'password', version: '3' } });
    expectSilence(error);
  });
});

describe('a Vault that gives nothing', () => {
  beforeEach(() => void vault.put(PATH, { password: FIRST }));

  it('because it is sealed, and later is not', async () => {
    vault.isSealed = true;
    expect(await expectAll('SECRET_STORE_SEALED', 'later')).toContain('"corporate"');
    vault.isSealed = false;
    expect((await read()).reveal()).toBe(FIRST);
  });

  it('because it is not there, and later is', async () => {
    await vault.close();
    expect(await expectAll('SECRET_STORE_UNREACHABLE', 'later')).toContain('ECONNREFUSED');
    await vault.listen();
    expect((await read()).reveal()).toBe(FIRST);
  });

  it('because the token is wrong; one that was renewed is read at the next use', async () => {
    writeToken('another-token\n');
    await expectAll('SECRET_STORE_DENIED', 'never');
    writeToken(` ${TOKEN}\n`);
    expect((await read()).reveal()).toBe(FIRST);
    vault.tokens.add('rotated');
    vault.tokens.delete(TOKEN);
    await expectAll('SECRET_STORE_DENIED', 'never');
    writeToken('rotated');
    expect((await read()).reveal()).toBe(FIRST);
  });

  it('because there is no token; nothing is asked then', async () => {
    renameSync(tokenFile, `${tokenFile}.away`);
    await expectAll('SECRET_STORE_UNREACHABLE', 'later');
    for (const text of ['', '\n', `${TOKEN}\nx-other: 1`, 'a b', `root:x:0:0\nbin:x:1:1\n`, 'tökén']) {
      writeToken(text);
      await expectAll('SECRET_STORE_INVALID', 'never');
    }
    expect(vault.requests).toEqual([]);
  });

  it('because others can read or change the token; its group may read it', async () => {
    for (const mode of [0o604, 0o644, 0o660, 0o602]) {
      writeToken(TOKEN, mode);
      await expectAll('SECRET_STORE_INVALID', 'never');
    }
    expect(vault.requests).toEqual([]);
    writeToken(TOKEN, 0o640);
    expect((await read()).reveal()).toBe(FIRST);
  });

  it('because no engine is mounted there', async () => {
    expect(await thrownBy(read(CURRENT, { mount: 'kv' }))).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('"kv"') as string });
    expect(await thrownBy(store({ mount: 'kv' }).currentVersion(PATH))).toMatchObject({ code: 'SECRET_STORE_INVALID' });
  });
});

const answering =
  (status: number, body: string | Buffer, headers: Record<string, string> = {}): Interruption =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);
const json = (status: number, body: unknown): Interruption => answering(status, JSON.stringify(body), { 'content-type': 'application/json' });
const echo = `${TOKEN} ${FIRST} ${SECOND}`;

describe('a Vault that answers something else', () => {
  beforeEach(() => void vault.put(PATH, { password: FIRST }));

  it.each<readonly [what: string, code: ErrorCode, retry: 'later' | 'never', interruption: Interruption]>([
    ['garbage', 'SECRET_STORE_INVALID', 'never', answering(200, `{"data": ${echo}`)],
    ['a page', 'SECRET_STORE_INVALID', 'never', answering(200, `<html>${echo}</html>`, { 'content-type': 'text/html' })],
    ['a page that says 404', 'SECRET_STORE_INVALID', 'never', answering(404, `<html>${echo}</html>`)],
    ['nothing', 'SECRET_STORE_INVALID', 'never', answering(200, '')],
    ['bytes', 'SECRET_STORE_INVALID', 'never', answering(200, Buffer.from([0, 255, 254, 0]))],
    ['another shape', 'SECRET_STORE_INVALID', 'never', json(200, { data: { keys: [echo] } })],
    ['the shape of KV version 1', 'SECRET_STORE_INVALID', 'never', json(200, { data: { password: FIRST } })],
    ['a list', 'SECRET_STORE_INVALID', 'never', json(200, [echo])],
    ['null', 'SECRET_STORE_INVALID', 'never', json(200, null)],
    ['that it is sealed, as its status page does', 'SECRET_STORE_SEALED', 'later', json(503, { sealed: true, echo })],
    [
      'that a token could not be checked, sealed',
      'SECRET_STORE_SEALED',
      'later',
      json(500, { errors: [`error performing token check: Vault is sealed ${echo}`] }),
    ],
    ['503 of something before it', 'SECRET_STORE_UNREACHABLE', 'later', answering(503, echo)],
    ['500', 'SECRET_STORE_UNREACHABLE', 'later', json(500, { errors: [`local node not active but active cluster node not found ${echo}`] })],
    ['that it is a standby that only copies', 'SECRET_STORE_UNREACHABLE', 'later', json(472, { errors: [echo] })],
    ['that it is behind', 'SECRET_STORE_UNREACHABLE', 'later', json(412, { errors: ['required index state not present'] })],
    ['too many requests', 'SECRET_STORE_UNREACHABLE', 'later', json(429, { errors: ['request path: rate limit quota exceeded'] })],
    ['that it is being upgraded', 'SECRET_STORE_UNREACHABLE', 'later', json(400, { errors: ['Upgrading from non-versioned to versioned data.'] })],
    [
      'that another node is being upgraded',
      'SECRET_STORE_UNREACHABLE',
      'later',
      json(400, { errors: ['Waiting for the primary to upgrade from non-versioned'] }),
    ],
    ['400', 'SECRET_STORE_INVALID', 'never', json(400, { errors: [echo] })],
    ['405', 'SECRET_STORE_INVALID', 'never', json(405, { errors: ['1 error occurred:\n\t* unsupported operation'] })],
    ['403 without a word', 'SECRET_STORE_DENIED', 'never', answering(403, '')],
    ['a good answer that is none', 'SECRET_STORE_INVALID', 'never', answering(204, '')],
    ['a connection that breaks off', 'SECRET_STORE_UNREACHABLE', 'later', (request) => void request.socket.destroy()],
    [
      'half an answer',
      'SECRET_STORE_UNREACHABLE',
      'later',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write(echo, () => response.destroy());
      },
    ],
    ['no HTTP at all', 'SECRET_STORE_UNREACHABLE', 'later', (request) => void request.socket.end(`${echo}\r\n\r\n`)],
  ])('%s: %s, to be tried %s', async (_what, code, retry, interruption) => {
    vault.interruption = interruption;
    await expectAll(code, retry);
    vault.interruption = null;
    expect((await read()).reveal()).toBe(FIRST);
  });

  it('another version than it was asked for: that is not taken for it', async () => {
    const metadata = { created_time: '2026-03-01T08:00:00Z', deletion_time: '', destroyed: false, version: 2 };
    vault.interruption = json(200, { data: { data: { password: SECOND }, metadata } });
    const error = await thrownBy(read('1'));
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    expectSilence(error);
  });

  it.each([
    ['nothing', (): void => undefined],
    [
      'a byte now and then',
      (response: ServerResponse): void => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(' '), 20);
        response.once('close', () => clearInterval(timer));
      },
    ],
  ])('%s: it is given up in time', async (_what, say) => {
    vault.interruption = (_request, response) => say(response);
    const startedAt = Date.now();
    expect(await expectAll('SECRET_STORE_UNREACHABLE', 'later', { deadlineMs: 150 })).toContain('in time');
    expect(Date.now() - startedAt).toBeLessThan(5000);
  });

  it('100 MB: the rest of it is not taken', async () => {
    let sentBytes = 0;
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const closed: Promise<unknown>[] = [];
    vault.interruption = (_request, response) => {
      closed.push(new Promise((resolve) => response.once('close', resolve)));
      response.writeHead(200, { 'content-length': String(100 * 1024 ** 2) });
      const more = (): void => {
        if (response.destroyed || sentBytes > 300 * 1024 ** 2) return;
        sentBytes += chunk.length;
        response.write(chunk, more);
      };
      more();
    };
    expect(await expectAll('SECRET_STORE_INVALID', 'never')).toContain('1 MiB');
    await Promise.all(closed);
    // What the kernel's buffers hold besides.
    expect(sentBytes).toBeLessThan(60 * 1024 ** 2);
  });

  describe('that something is elsewhere', () => {
    let other: Server;
    let seen: number;
    beforeEach(async () => {
      seen = 0;
      other = createServer((_request, response) => {
        seen += 1;
        response.end('{}');
      });
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    });
    afterEach(() => new Promise((resolve) => other.close(resolve)));

    it.each([301, 302, 303, 307, 308])('%d: nobody goes there, and no token is sent', async (status) => {
      const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/v1/secret/data/${PATH}?token=${TOKEN}`;
      vault.interruption = answering(status, '', { location });
      await expectAll('SECRET_STORE_INVALID', 'never');
      expect(seen).toBe(0);
    });
  });
});

describe('Vault over TLS', () => {
  let caFile: string;
  let certificates: string;
  let secure: VaultServer;
  let secureAddress: string;
  beforeAll(async () => {
    const made = await makeCertificate();
    certificates = dirname(made.keyFile);
    caFile = made.certificateFile;
    secure = new VaultServer();
    secure.put(PATH, { password: FIRST });
    secureAddress = await secure.listen({ key: readFileSync(made.keyFile, 'utf8'), cert: readFileSync(caFile, 'utf8') });
  });
  afterAll(async () => {
    await secure.close();
    rmSync(certificates, { recursive: true, force: true });
  });

  it('is believed with the authority that is declared', async () => {
    expect((await read(CURRENT, { address: secureAddress, caFile })).reveal()).toBe(FIRST);
    expect(secure.requests.at(-1)?.headers['x-vault-token']).toBe(TOKEN);
  });

  it('is told nothing without it, under another name, or with another one', async () => {
    const before = secure.requests.length;
    const another = await makeCertificate();
    const name = secureAddress.replace('127.0.0.1', 'localhost');
    for (const changes of [{ address: secureAddress }, { address: name, caFile }, { address: secureAddress, caFile: another.certificateFile }]) {
      const error = await thrownBy(read(CURRENT, changes));
      expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('certificate') as string });
      expectSilence(error);
    }
    expect(secure.requests.length).toBe(before);
    rmSync(dirname(another.keyFile), { recursive: true, force: true });
  });

  it('has a file of authorities that others could not have changed', async () => {
    const copy = join(directory, 'ca.pem');
    writeFileSync(copy, readFileSync(caFile), { mode: 0o644 });
    expect((await read(CURRENT, { address: secureAddress, caFile: copy })).reveal()).toBe(FIRST);
    chmodSync(copy, 0o666);
    expect(await thrownBy(read(CURRENT, { address: secureAddress, caFile: copy }))).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    writeFileSync(copy, 'no certificate');
    chmodSync(copy, 0o644);
    expect(await thrownBy(read(CURRENT, { address: secureAddress, caFile: copy }))).toMatchObject({ code: expect.stringMatching(/^SECRET_STORE_/) as string });
  });

  it('that speaks no TLS is not spoken to', async () => {
    const error = await thrownBy(read(CURRENT, { address: address.replace('http:', 'https:') }));
    expect(error).toMatchObject({ code: 'SECRET_STORE_UNREACHABLE' });
    expect(vault.requests).toEqual([]);
  });
});
