import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileSecretStore } from '../../src/credentials/file/file-secret-store';
import { CURRENT } from '../../src/credentials/secret-store';
import { runCommand } from '../../src/system/child-process';
import { SecretHunt } from '../support/secret-hunt';
import { describeSecretStore, thrownBy, wordsOf } from './secret-store.contract';

const PATH = 'servers/db01';
const VALUE = 'h0nter2-in-the-file';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'modosu-credentials-'));
  file = join(directory, 'credentials.yaml');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (text: string | Buffer, mode = 0o600): void => {
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
};
const store = (): FileSecretStore => new FileSecretStore({ name: 'shelf', kind: 'file', path: file });
const read = (field = 'password'): Promise<string> =>
  store()
    .read(PATH, CURRENT, field)
    .then((value) => value.reveal());

for (const [form, write_] of [
  ['YAML', (versions: readonly object[]) => versions.map((version) => `      - ${JSON.stringify(version)}`).join('\n')],
  ['JSON', null],
] as const) {
  describeSecretStore(
    `a file, ${form}`,
    async () => {
      const all = new Map<string, object[]>();
      return {
        store: store(),
        put: async (path, password) => {
          const versions = all.get(path) ?? [];
          all.set(path, [...versions, { version: versions.length + 1, createdAt: '2026-01-31T08:00:00Z', password }]);
          if (write_ === null) write(JSON.stringify({ credentials: Object.fromEntries([...all].map(([key, list]) => [key, { versions: list }])) }, null, 2));
          else write(`credentials:\n${[...all].map(([key, list]) => `  ${key}:\n    versions:\n${write_(list)}\n`).join('')}`);
        },
        dispose: async () => undefined,
      };
    },
    { keepsVersions: true, knowsTimes: true },
  );
}

const one = (fields: string): string => `credentials:\n  ${PATH}:\n    versions:\n      - version: 1\n        ${fields}\n`;

describe('a file of credentials', () => {
  it('is read as it is documented: the highest number is current, wherever it stands', async () => {
    write(`# of the database
credentials:
  servers/db01:
    versions:
      - version: 12
        createdAt: 2026-03-01
        password: "twelve"
        recovery: 'another field'
      - { version: 2, createdAt: "2026-01-31T09:00+01:00", password: two }
      - version: 3
        password: |-
          three
`);
    const shelf = store();
    expect(await shelf.currentVersion(PATH)).toEqual({ version: '12', createdAt: '2026-03-01T00:00:00.000Z' });
    expect((await shelf.read(PATH, '2', 'password')).reveal()).toBe('two');
    expect((await shelf.read(PATH, '3', 'password')).reveal()).toBe('three');
    expect((await shelf.read(PATH, CURRENT, 'recovery')).reveal()).toBe('another field');
    expect(await thrownBy(shelf.read(PATH, '2', 'recovery'))).toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  it('has lost a version that was taken out of it', async () => {
    write(one(`password: ${VALUE}`).replace('version: 1', 'version: 7'));
    expect(await store().versionState(PATH, '6')).toBe('unknown');
    expect(await thrownBy(store().read(PATH, '6', 'password'))).toMatchObject({ code: 'SECRET_VERSION_LOST', context: { version: '6', state: 'unknown' } });
  });

  it('without any version of a path has nothing there', async () => {
    write(`credentials: { ${PATH}: { versions: [] } }`);
    expect(await thrownBy(store().currentVersion(PATH))).toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  it('is read again at each use', async () => {
    write(one('password: first'));
    const shelf = store();
    expect((await shelf.read(PATH, CURRENT, 'password')).reveal()).toBe('first');
    write(one('password: second').replace('version: 1', 'version: 2'));
    expect((await shelf.read(PATH, CURRENT, 'password')).reveal()).toBe('second');
    renameSync(file, `${file}.away`);
    expect(await thrownBy(shelf.currentVersion(PATH))).toMatchObject({ code: 'SECRET_STORE_UNREACHABLE', retry: 'later' });
  });

  it.each([
    ['a number', 'password: 0123456789012', 'is not text'],
    ['a truth', 'password: true', 'is not text'],
    ['nothing', 'password:', 'is not text'],
    ['a list', `password: [${VALUE}]`, 'is not text'],
    ['a reference', `password: *${VALUE}`, 'is not text'],
    ['an empty text', 'password: ""', 'is empty'],
  ])('takes %s for no password', async (_what, fields, words) => {
    write(one(fields));
    const error = await thrownBy(read());
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining(words) as string });
    expect(wordsOf(error)).not.toMatch(/0123456789012|h0nter2/);
  });

  it('has mistakes under other paths that keep nobody from this one', async () => {
    write(`${one(`password: ${VALUE}`)}  servers/db02: { versions: none }\n`);
    expect(await read()).toBe(VALUE);
    expect(await thrownBy(store().currentVersion('servers/db02'))).toMatchObject({ code: 'SECRET_STORE_INVALID' });
  });

  it.each([
    ['is no YAML', `${one(`password: ${VALUE}`)}   x\n ${VALUE}: [`, 6],
    ['has a scalar in place of a list', `credentials:\n  ${PATH}:\n    versions: ${VALUE}\n`, 3],
    ['has a text in place of all', VALUE, 1],
    ['has a tag that is not understood', one(`password: !vault ${VALUE}`), 5],
    ['has a key twice', one(`password: ${VALUE}\n        password: ${VALUE}2`), 6],
    ['has a version twice', one(`password: ${VALUE}\n      - { version: 1, password: ${VALUE} }`), 6],
    ['has a version that is no number', one(`password: ${VALUE}`).replace('version: 1', `version: ${VALUE}`), 4],
    ['has a version 0', one(`password: ${VALUE}`).replace('version: 1', 'version: 0'), 4],
    ['has no version', `credentials:\n  ${PATH}:\n    versions:\n      - password: ${VALUE}\n`, 4],
    ['has a password in place of a time', one(`createdAt: ${VALUE}`), 5],
    ['has a day that no month has', one('createdAt: 2026-13-40'), 5],
    ['has another key beside the versions', `credentials:\n  ${PATH}:\n    ${VALUE}: 1\n    versions: []\n`, 3],
    ['has another key beside the credentials', `credentials: {}\n${VALUE}: 1\n`, 2],
    ['has a list in place of credentials', `credentials:\n  - ${VALUE}\n`, 2],
    ['has a collection as a key', `credentials:\n  ? [${VALUE}]\n  : 1\n`, 2],
    ['is empty', '', 1],
    ['is nested without end', '['.repeat(200_000), 1],
    ['is more than one document', `${one(`password: ${VALUE}`)}---\n${VALUE}\n`, 6],
    ['is JSON that was cut off', `{ "credentials": {\n "${PATH}": { "versions": [ { "version": 1, "password": "${VALUE}`, 2],
  ])('that %s is refused, with the line and without a word of it', async (_what, text, line) => {
    write(text);
    const warned: unknown[] = [];
    const onWarning = (warning: unknown): void => void warned.push(warning);
    process.on('warning', onWarning);
    try {
      const error = await thrownBy(store().currentVersion(PATH));
      expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', retry: 'never', context: { path: file } });
      expect(error.message).toContain(`${file}:${line}:`);
      expect(new SecretHunt(new Map([['value', VALUE]])).in(wordsOf(error))).toEqual([]);
      await new Promise(setImmediate);
      expect(warned).toEqual([]);
    } finally {
      process.off('warning', onWarning);
    }
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o666])('of mode %d, which others could read or change, is not read', async (mode) => {
    write(one(`password: ${VALUE}`), mode);
    const error = await thrownBy(read());
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', hint: expect.stringContaining('chmod 600') as string });
    expect(wordsOf(error)).not.toContain(VALUE);
  });

  it('of mode 0400 is private enough', async () => {
    write(one(`password: ${VALUE}`), 0o400);
    expect(await read()).toBe(VALUE);
  });

  it('of another user is not read', async () => {
    write(one(`password: ${VALUE}`));
    chownSync(file, 12_345, 12_345); // tests run as root
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('user 12345') as string });
  });

  it('is read through a link, and judged by what that leads to', async () => {
    const target = join(directory, 'target');
    write(one(`password: ${VALUE}`), 0o644);
    renameSync(file, target);
    symlinkSync(target, file);
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    chmodSync(target, 0o600);
    expect(await read()).toBe(VALUE);
  });

  it('that is a directory, a FIFO, too large or no text is refused', async () => {
    mkdirSync(file);
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_STORE_INVALID' });
    rmSync(file, { recursive: true });
    expect((await runCommand(['mkfifo', '-m', '600', file])).exitCode).toBe(0);
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('regular') as string });
    rmSync(file);
    write(`${one(`password: ${VALUE}`)}#${'x'.repeat(1024 * 1024)}`);
    expect(await thrownBy(read())).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('1 MiB') as string });
    write(Buffer.concat([Buffer.from(one(`password: ${VALUE}`)), Buffer.from([0xff])]));
    const error = await thrownBy(read());
    expect(error).toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('UTF-8') as string });
    expect(wordsOf(error)).not.toContain(VALUE);
  });
});
