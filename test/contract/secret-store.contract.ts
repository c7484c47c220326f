import { inspect } from 'node:util';
import { createLog } from '../../src/config/log';
import type { SecretVersionState } from '../../src/contracts/credential';
import { ModosuError } from '../../src/contracts/errors';
import { CURRENT, type SecretStore } from '../../src/credentials/secret-store';
import { SecretHunt } from '../support/secret-hunt';

export interface SecretStoreUnderTest {
  readonly store: SecretStore;
  /** A new value under a path, in the field `password`. */
  readonly put: (path: string, value: string) => Promise<void>;
  readonly dispose: () => Promise<void>;
}

export interface SecretStoreTraits {
  /** Whether what was there before stays. */
  readonly keepsVersions: boolean;
  /** Whether it says when a version came. */
  readonly knowsTimes: boolean;
}

export const PATH = 'servers/db01';
export const FIRST = 'Erstes "Pässwort" \\ $(id) %41 日本';
export const SECOND = 'second-passw0rd-of-db01';
const FIELD = 'password';

/** Everything a thrown value says, in every form in which something of it is written somewhere. */
export function wordsOf(thrown: unknown): string {
  const lines: string[] = [];
  const log = createLog({ level: 'trace', role: 'test', destination: { write: (line: string) => void lines.push(line) } });
  log.error({ error: thrown, err: thrown, thrown }, `${String(thrown)}`);
  const summary = thrown instanceof ModosuError ? thrown.summary() : null;
  const stack = thrown instanceof Error ? String(thrown.stack) : '';
  return [...lines, inspect(thrown, { depth: null, showHidden: true }), JSON.stringify(thrown), JSON.stringify(summary), stack].join('\n');
}

export async function thrownBy(work: Promise<unknown>): Promise<ModosuError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof ModosuError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

/** What every secret store does. */
export function describeSecretStore(
  name: string,
  start: () => Promise<SecretStoreUnderTest>,
  { keepsVersions, knowsTimes }: SecretStoreTraits,
  describeIt: jest.Describe = describe,
): void {
  describeIt(`a secret store: ${name}`, () => {
    let under: SecretStoreUnderTest;
    beforeEach(async () => {
      under = await start();
      await under.put(PATH, FIRST);
    });
    afterEach(() => under.dispose());

    it('says which version counts now, the same as often as it is asked', async () => {
      const { store } = under;
      const version = await store.currentVersion(PATH);
      expect(version.version).toMatch(/^[A-Za-z0-9]{1,64}$/);
      if (knowsTimes) expect(version.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      else expect(version.createdAt).toBeNull();
      await store.read(PATH, CURRENT, FIELD);
      expect(await store.currentVersion(PATH)).toEqual(version);
      expect(await store.versionState(PATH, version.version)).toBe('there');
    });

    it('gives the value of the current version, and says which one that is', async () => {
      const { store } = under;
      const value = await store.read(PATH, CURRENT, FIELD);
      const { version } = await store.currentVersion(PATH);
      expect([value.reveal(), value.version]).toEqual([FIRST, version]);
      const same = await store.read(PATH, version, FIELD);
      expect([same.reveal(), same.version]).toEqual([FIRST, version]);
    });

    it('has another version for another value, and says of the one before whether it can be read', async () => {
      const { store, put } = under;
      const before = await store.currentVersion(PATH);
      await put(PATH, SECOND);
      const after = await store.currentVersion(PATH);
      expect(after.version).not.toBe(before.version);
      expect((await store.read(PATH, CURRENT, FIELD)).reveal()).toBe(SECOND);
      expect((await store.read(PATH, after.version, FIELD)).reveal()).toBe(SECOND);
      expect(await store.versionState(PATH, before.version)).toBe<SecretVersionState>(keepsVersions ? 'there' : 'unknown');
      if (keepsVersions) {
        const old = await store.read(PATH, before.version, FIELD);
        expect([old.reveal(), old.version]).toEqual([FIRST, before.version]);
      } else {
        expect(await thrownBy(store.read(PATH, before.version, FIELD))).toMatchObject({ code: 'SECRET_VERSION_LOST', retry: 'never' });
      }
    });

    it('keeps paths apart', async () => {
      const { store, put } = under;
      await put('servers/db02', SECOND);
      expect((await store.read(PATH, CURRENT, FIELD)).reveal()).toBe(FIRST);
      expect((await store.read('servers/db02', CURRENT, FIELD)).reveal()).toBe(SECOND);
    });

    it('says of a path under which nothing stands that nothing does', async () => {
      const { store } = under;
      const { version } = await store.currentVersion(PATH);
      for (const path of ['servers/db09', 'servers', 'servers/db01/more']) {
        const expected = { code: 'SECRET_NOT_FOUND', retry: 'never', context: { path } };
        expect(await thrownBy(store.currentVersion(path))).toMatchObject(expected);
        expect(await thrownBy(store.versionState(path, version))).toMatchObject(expected);
        expect(await thrownBy(store.read(path, version, FIELD))).toMatchObject(expected);
        expect(await thrownBy(store.read(path, CURRENT, FIELD))).toMatchObject(expected);
      }
    });

    it.each(['77777', '0', '-1', '1.5', '01', '', 'latest', '1&version=1', '../1', '1\n', 'constructor', '9'.repeat(30)])(
      'knows no version %j',
      async (version) => {
        const { store } = under;
        expect(await store.versionState(PATH, version)).toBe('unknown');
        expect(await thrownBy(store.read(PATH, version, FIELD))).toMatchObject({
          code: 'SECRET_VERSION_LOST',
          context: { path: PATH, version, state: 'unknown' },
        });
      },
    );

    it('takes "current" for no version that could be remembered', async () => {
      expect(await under.store.versionState(PATH, CURRENT)).toBe('unknown');
    });

    it.each(['pass', '', 'version', 'createdAt', '__proto__', 'constructor'])('knows no field %j', async (field) => {
      expect(await thrownBy(under.store.read(PATH, CURRENT, field))).toMatchObject({ code: 'SECRET_NOT_FOUND', context: { path: PATH, field } });
    });

    it.each([
      '',
      '/',
      '/servers/db01',
      'servers/db01/',
      'servers//db01',
      '..',
      '../db01',
      'servers/../db01',
      './db01',
      'a\nb',
      'a\u0000',
      'a\ud800',
      'a'.repeat(501),
    ])('refuses the path %j', async (path) => {
      const { store } = under;
      expect(await thrownBy(store.currentVersion(path))).toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      expect(await thrownBy(store.versionState(path, '1'))).toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      expect(await thrownBy(store.read(path, CURRENT, FIELD))).toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    });

    it('answers many at once', async () => {
      const { store } = under;
      const values = await Promise.all(Array.from({ length: 20 }, () => store.read(PATH, CURRENT, FIELD)));
      expect(new Set(values.map((value) => value.reveal()))).toEqual(new Set([FIRST]));
    });

    it('shows a value nowhere: not in text, JSON, inspection or log, and not in an error', async () => {
      const { store, put } = under;
      await put(PATH, SECOND);
      const hunt = new SecretHunt(new Map([FIRST, SECOND].map((value) => [value, value])));
      const value = await store.read(PATH, CURRENT, FIELD);
      const lines: string[] = [];
      const log = createLog({ level: 'trace', role: 'test', destination: { write: (line: string) => void lines.push(line) } });
      log.info({ value, inside: { deeper: [value] } }, `read ${value}`);
      log.info({ version: await store.currentVersion(PATH) });
      const shown = [String(value), `${value}`, JSON.stringify({ value }), inspect(value), inspect({ a: [value] }, { depth: null, showHidden: true })];
      const copies = [
        JSON.stringify(structuredClone(value)),
        JSON.stringify({ ...value }),
        JSON.stringify(Object.entries(value)),
        inspect(store, { depth: null, showHidden: true }),
      ];
      expect(shown[0]).toBe('[secret]');
      expect(hunt.in([...lines, ...shown, ...copies].join('\n'))).toEqual([]);
      for (const [path, version, field] of [
        [PATH, '77777', FIELD],
        [PATH, CURRENT, 'pass'],
        ['servers/db09', CURRENT, FIELD],
        ['..', CURRENT, FIELD],
      ] as const) {
        expect(hunt.in(wordsOf(await thrownBy(store.read(path, version, field))))).toEqual([]);
      }
      expect(hunt.in(SECOND)).toEqual([SECOND]); // it would be found
    });
  });
}
