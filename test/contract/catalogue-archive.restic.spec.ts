import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CatalogueArchive } from '../../src/repositories/catalogue/catalogue-archive';
import { CATALOGUE_DIRECTORY, createResticCatalogueArchive } from '../../src/repositories/catalogue/restic-catalogue-archive';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { flipByte } from '../support/data-lab';

jest.setTimeout(120_000);
const KEY = 'a-recovery-key-of-some-length-00';

describe('copies of the catalogue, in restic', () => {
  let directory: string;
  let repositoryPath: string;
  let archive: CatalogueArchive;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-catalogue-'));
    repositoryPath = join(directory, 'repository');
    mkdirSync(repositoryPath);
    await createDirectoryImageRepository({ name: 'main', path: repositoryPath }).initialise();
    archive = createResticCatalogueArchive({ repositoryPath, recoveryKey: KEY });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

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

  it('are not there before they are made, and never made where no image repository lies', async () => {
    await expect(archive.list()).rejects.toMatchObject({ code: 'CATALOG_COPY_NOT_FOUND' });
    const elsewhere = createResticCatalogueArchive({ repositoryPath: directory, recoveryKey: KEY });
    await expect(elsewhere.ensure()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    expect(readdirSync(directory)).toEqual(['repository']);
  });

  it('come back byte for byte, newest first; nothing of them can be read without the key', async () => {
    await archive.ensure();
    await archive.ensure();
    ids = [await archive.keep(source('one', 'first\n')), await archive.keep(source('two', 'second\n'))];
    const copies = await archive.list();
    expect(copies.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(await fetched(ids[0] ?? '')).toBe('first\n');
    expect(await fetched(ids[1] ?? '')).toBe('second\n');
    const files = readdirSync(join(repositoryPath, CATALOGUE_DIRECTORY), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files) expect(readFileSync(join(file.parentPath, file.name)).includes('secret of the guests')).toBe(false);
    expect(statSync(join(repositoryPath, CATALOGUE_DIRECTORY)).mode & 0o077).toBe(0);
    // An image repository like any other.
    await expect(createDirectoryImageRepository({ name: 'main', path: repositoryPath }).list()).resolves.toEqual({ manifests: [], unreadable: [] });
  });

  it('another key reads nothing, and writes nothing', async () => {
    const other = createResticCatalogueArchive({ repositoryPath, recoveryKey: 'another-key-of-the-same-length-0' });
    await other.ensure();
    for (const attempt of [other.list(), other.keep(source('three', 'third\n')), other.fetch(ids[0] ?? '', directory)]) {
      await expect(attempt).rejects.toMatchObject({ code: 'RECOVERY_KEY_WRONG', message: expect.not.stringContaining('another-key') as string });
    }
    expect((await archive.list()).map(({ id }) => id)).toEqual(ids.toReversed());
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

  it('damage is found, and named so', async () => {
    const packs = readdirSync(join(repositoryPath, CATALOGUE_DIRECTORY, 'data'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { parentPath, name } of packs) flipByte(join(parentPath, name), 0.1);
    const target = mkdtempSync(join(directory, 'back-'));
    await expect(archive.fetch(ids[0] ?? '', target)).rejects.toMatchObject({ code: 'CATALOG_COPY_DAMAGED' });
  });
});
