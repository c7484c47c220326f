import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { offsiteLocation } from '../../src/contracts/offsite';
import type { CatalogueArchive } from '../../src/repositories/catalogue/catalogue-archive';
import { besideOffsite, CATALOGUE_DIRECTORY, inImageRepository, type CatalogueGround } from '../../src/repositories/catalogue/catalogue-ground';
import { createResticCatalogueArchive } from '../../src/repositories/catalogue/restic-catalogue-archive';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { MARKER_FILE } from '../../src/repositories/image/image-repository';
import { findProgram, runCommand } from '../../src/system/child-process';
import { flipByte, freePort, killChild } from '../support/data-lab';
import { eventually } from '../support/processes';
import { isFull } from '../support/thorough';

jest.setTimeout(120_000);
const KEY = 'a-recovery-key-of-some-length-00';

interface Ground {
  readonly ground: CatalogueGround;
  /** Where the copies lie on this machine. */
  readonly stored: string;
  /** The same kind of place, beside which nothing lies. */
  readonly bare: CatalogueGround;
  /** By which what lies beside them is known. */
  readonly mark: string;
  /** Whether what lies beside the copies is as good as before. */
  readonly neighbour: () => Promise<void>;
  readonly end?: () => Promise<void>;
}

const NO_CREDENTIALS = { text: null, file: 'none' };
const restic = (repository: string, ...args: readonly string[]): Promise<unknown> =>
  runCommand([findProgram('restic'), '--no-cache', ...args], { env: { RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: 'of the off-site repository' } }).then(
    ({ exitCode }) => expect(exitCode).toBe(0),
  );

const GROUNDS: readonly (readonly [name: string, make: (directory: string) => Promise<Ground>])[] = [
  [
    'in an image repository',
    async (directory) => {
      const path = join(directory, 'repository');
      mkdirSync(path);
      const repository = createDirectoryImageRepository({ name: 'main', path });
      await repository.initialise();
      return {
        ground: inImageRepository(path),
        stored: join(path, CATALOGUE_DIRECTORY),
        bare: inImageRepository(directory),
        mark: join(path, MARKER_FILE),
        neighbour: () => expect(repository.list()).resolves.toEqual({ manifests: [], unreadable: [] }),
      };
    },
  ],
  [
    'beside an off-site repository in a directory',
    async (directory) => {
      const path = join(directory, 'repository');
      await restic(path, 'init');
      const at = (place: string) => besideOffsite({ location: offsiteLocation(place), environment: NO_CREDENTIALS });
      return {
        ground: at(path),
        stored: join(path, CATALOGUE_DIRECTORY),
        bare: at(directory),
        mark: join(path, 'config'),
        neighbour: async () => void (await restic(path, 'check')),
      };
    },
  ],
  [
    'beside an off-site repository behind a REST server with a login',
    async (directory) => {
      const root = join(directory, 'repository');
      await restic(join(root, 'vault'), 'init');
      const port = await freePort();
      const login = ['--user', 'vault', '--pass', 'an öpen: pass@word/'];
      const server = spawn(findProgram('rclone'), ['serve', 'restic', ...login, '--addr', `127.0.0.1:${port}`, root], { stdio: 'ignore' });
      await eventually('it listens', () => fetch(`http://127.0.0.1:${port}/`).then(Boolean, () => false), 20_000);
      const text = 'RESTIC_REST_USERNAME=vault\nRESTIC_REST_PASSWORD=an öpen: pass@word/\n';
      const environment = { text, file: 'environment' };
      return {
        ground: besideOffsite({ location: offsiteLocation(`rest:http://127.0.0.1:${port}/vault/`), environment }),
        stored: join(root, 'vault', CATALOGUE_DIRECTORY),
        bare: besideOffsite({ location: offsiteLocation(`rest:http://127.0.0.1:${port}/nothing/`), environment }),
        mark: join(root, 'vault', 'config'),
        neighbour: async () => void (await restic(join(root, 'vault'), 'check')),
        end: () => killChild(server),
      };
    },
  ],
];

describe.each(isFull ? GROUNDS : GROUNDS.slice(0, 2))('copies of the catalogue, in restic, %s', (_name, make) => {
  let directory: string;
  let place: Ground;
  let archive: CatalogueArchive;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-catalogue-'));
    place = await make(directory);
    archive = createResticCatalogueArchive({ ground: place.ground, recoveryKey: KEY });
  });
  afterAll(async () => {
    await place.end?.();
    rmSync(directory, { recursive: true, force: true });
  });

  const source = (name: string, text: string): string => {
    const path = join(directory, name);
    mkdirSync(join(path, 'secrets', 'data'), { recursive: true });
    writeFileSync(join(path, 'catalogue.ndjson'), text);
    writeFileSync(join(path, 'secrets', 'data', 'one'), 'a secret of the guests\n');
    return path;
  };
  const fetched = async (id: string): Promise<string> => {
    const target = mkdtempSync(join(directory, 'back-'));
    await archive.fetch(id, target);
    expect(readFileSync(join(target, 'secrets/data/one'), 'utf8')).toBe('a secret of the guests\n');
    return readFileSync(join(target, 'catalogue.ndjson'), 'utf8');
  };
  let ids: string[] = [];

  it('are not there before they are made, and never made where nothing lies beside them', async () => {
    await expect(archive.list()).rejects.toMatchObject({ code: 'CATALOG_COPY_NOT_FOUND' });
    const elsewhere = createResticCatalogueArchive({ ground: place.bare, recoveryKey: KEY });
    for (const attempt of [elsewhere.ensure(), elsewhere.list()]) {
      await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(/^(?:REPOSITORY|OFFSITE)_UNREACHABLE$/) as string });
    }
    expect(readdirSync(directory)).toEqual(['repository']);
  });

  it('come back byte for byte, newest first; nothing of them can be read without the key', async () => {
    if (place.ground.directory !== null) {
      // As a `restic init` that was killed leaves it.
      mkdirSync(join(place.stored, 'keys'), { recursive: true, mode: 0o700 });
      writeFileSync(join(place.stored, 'keys', 'f'.repeat(64)), 'what opens nothing');
    }
    // A worker and somebody at the command line: of two keys that are made at once one would open nothing.
    const makers =
      place.ground.directory === null
        ? [archive]
        : [archive, ...Array.from({ length: 3 }, () => createResticCatalogueArchive({ ground: place.ground, recoveryKey: KEY }))];
    await Promise.all(makers.map((maker) => maker.ensure()));
    if (place.ground.directory !== null) {
      expect(readdirSync(join(place.stored, 'keys'))).toHaveLength(1);
      expect(readdirSync(join(place.stored, '..')).filter((name) => name.startsWith(`${CATALOGUE_DIRECTORY}.`))).toEqual([]);
    }
    await archive.ensure();
    ids = [await archive.keep(source('one', 'first\n')), await archive.keep(source('two', 'second\n'))];
    const copies = await archive.list();
    expect(copies.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(await fetched(ids[0] ?? '')).toBe('first\n');
    expect(await fetched(ids[1] ?? '')).toBe('second\n');
    const files = readdirSync(place.stored, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes('secret of the guests')).toBe(false);
    if (place.ground.directory !== null) expect(statSync(place.stored).mode & 0o077).toBe(0);
    await place.neighbour();
  });

  it('another key reads nothing, and writes nothing', async () => {
    const other = createResticCatalogueArchive({ ground: place.ground, recoveryKey: 'another-key-of-the-same-length-0' });
    // Made it is; whoever makes it again changes nothing.
    await other.ensure().catch((error: unknown) => expect(error).toMatchObject({ code: 'RECOVERY_KEY_WRONG' }));
    for (const attempt of [other.list(), other.keep(source('three', 'third\n')), other.fetch(ids[0] ?? '', directory)]) {
      await expect(attempt).rejects.toMatchObject({ code: 'RECOVERY_KEY_WRONG', message: expect.not.stringContaining('another-key') as string });
    }
    expect((await archive.list()).map(({ id }) => id)).toEqual(ids.toReversed());
  });

  it('are read whatever has become of what they lay beside', async () => {
    renameSync(place.mark, `${place.mark}.away`);
    try {
      expect(await fetched(ids[0] ?? '')).toBe('first\n');
    } finally {
      renameSync(`${place.mark}.away`, place.mark);
    }
  });

  it('one that is not there is said to be none', async () => {
    await expect(archive.fetch('f'.repeat(64), directory)).rejects.toMatchObject({ code: 'CATALOG_COPY_NOT_FOUND' });
  });

  it('a copy that is given up leaves none, and no lock that stands in the way', async () => {
    await expect(archive.keep(source('four', 'fourth\n'), AbortSignal.abort(new Error('the worker ends')))).rejects.toThrow('the worker ends');
    await archive.thin();
    expect((await archive.list()).map(({ id }) => id)).toEqual(ids.toReversed());
    expect(await fetched(ids[0] ?? '')).toBe('first\n');
  });

  it("a prune that was killed stands in nobody's way; one that may live does", async () => {
    const locks = join(place.stored, 'locks');
    const holder = async (): Promise<{ readonly lock: string; readonly end: () => Promise<void> }> => {
      const before = readdirSync(locks);
      const child = spawn(findProgram('restic'), ['--no-cache', 'backup', '--stdin', '--stdin-filename', 'x'], {
        stdio: ['pipe', 'ignore', 'ignore'],
        env: { ...process.env, RESTIC_REPOSITORY: place.stored, RESTIC_PASSWORD: KEY },
      });
      const lock = await eventually(
        'it holds its lock',
        async () => readdirSync(locks).find((name) => /^[0-9a-f]{64}$/.test(name) && !before.includes(name)),
        20_000,
      );
      return { lock: join(locks, lock), end: () => killChild(child) };
    };
    const killed = await holder();
    await killed.end();
    expect(existsSync(killed.lock)).toBe(true);
    await archive.thin();
    expect(existsSync(killed.lock)).toBe(false);

    const alive = await holder();
    await expect(archive.thin()).rejects.toMatchObject({ code: 'CATALOG_COPY_FAILED' });
    expect(existsSync(alive.lock)).toBe(true);
    // It keeps no copy from being made.
    const id = await archive.keep(source('five', 'fifth\n'));
    await alive.end();
    await archive.thin();
    expect(await fetched(id)).toBe('fifth\n');
  });

  it('damage is found, and named so', async () => {
    const packs = readdirSync(join(place.stored, 'data'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { parentPath, name } of packs) flipByte(join(parentPath, name), 0.1);
    const target = mkdtempSync(join(directory, 'back-'));
    await expect(archive.fetch(ids[0] ?? '', target)).rejects.toMatchObject({ code: 'CATALOG_COPY_DAMAGED' });
  });
});
