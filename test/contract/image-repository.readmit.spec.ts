import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { codeOf } from './catalog.fixtures';
import { FACTS, takeWithFacts } from './image-repository.facts.contract';
import { flipBit, makeImages, takeIncremental, takeOne, type Taken } from './image-repository.fixtures';

jest.setTimeout(120_000);
const context = () => ({ signal: new AbortController().signal });

/** What was published once comes back from elsewhere, whole or not. */
describe('image repository: what comes back', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let path: string;
  let elsewhere: string;
  let repository: ImageRepository;
  let full: Awaited<ReturnType<typeof takeOne>>;
  beforeAll(async () => void (images = await makeImages(2)));
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'modosu-readmit-'));
    elsewhere = mkdtempSync(join(tmpdir(), 'modosu-elsewhere-'));
    repository = createDirectoryImageRepository({ name: 'main', path });
    await repository.initialise();
    full = await takeOne(repository, images.image, { targets: ['vda'] });
  });
  afterEach(() => {
    rmSync(path, { recursive: true, force: true });
    rmSync(elsewhere, { recursive: true, force: true });
  });

  type Of = Pick<Taken, 'serverId' | 'recoveryPointId'>;
  const publishedPath = ({ serverId, recoveryPointId }: Of): string => join(path, 'servers', serverId, recoveryPointId);
  /** Copies it away, and gives back where it is. */
  const keep = (of: Of): void => cpSync(publishedPath(of), join(elsewhere, of.recoveryPointId), { recursive: true });
  const bring = async (of: Of): Promise<string> => {
    const directory = await repository.stageFetched(of.recoveryPointId);
    cpSync(join(elsewhere, of.recoveryPointId), directory, { recursive: true });
    return directory;
  };
  const readmit = (of: Of, sha256: string | null = null) => repository.readmit(of.serverId, of.recoveryPointId, sha256, context());

  it('is published again as it was, in the place of what lies there damaged, and nothing is left beside it', async () => {
    const { manifestSha256 } = await repository.open(full.serverId, full.recoveryPointId);
    keep(full);
    flipBit(join(publishedPath(full), 'disks', 'vda.qcow2'), 100_000);
    await bring(full);
    expect(await readmit(full, manifestSha256)).toEqual({ manifestSha256 });
    const { manifest } = await repository.open(full.serverId, full.recoveryPointId);
    await repository.verifyImage(full.serverId, full.recoveryPointId, manifest.disks[0]!.image, context());
    expect([join(path, 'fetching', full.recoveryPointId), join(path, 'removing', full.recoveryPointId)].filter((one) => existsSync(one))).toEqual([]);
  });

  it('is published again where nothing is left, an incremental after what it builds on', async () => {
    const child = await takeIncremental(repository, full, { changes: { vda: [{ atMiB: 1, lengthMiB: 1, byte: 0x11 }] } });
    for (const taken of [full, child]) keep(taken);
    rmSync(join(path, 'servers', full.serverId), { recursive: true });
    await bring(child);
    expect(await codeOf(readmit(child))).toBe('RECOVERY_POINT_INCOMPLETE');
    await bring(full);
    await readmit(full);
    await readmit(child);
    expect((await repository.open(child.serverId, child.recoveryPointId)).imagesOf('vda')).toHaveLength(2);
  });

  it.each([
    ['a byte of an image differs', 'RECOVERY_POINT_CORRUPT', (directory: string) => flipBit(join(directory, 'disks', 'vda.qcow2'), 100_000)],
    ['a file is missing', 'RECOVERY_POINT_INCOMPLETE', (directory: string) => unlinkSync(join(directory, 'domain.xml'))],
    ['the manifest differs', 'RECOVERY_POINT_CORRUPT', (directory: string) => flipBit(join(directory, 'manifest.json'), 100)],
    [
      'a file is a link to somewhere else',
      'RECOVERY_POINT_CORRUPT',
      (directory: string) => {
        unlinkSync(join(directory, 'domain.xml'));
        symlinkSync('/etc/hostname', join(directory, 'domain.xml'));
      },
    ],
  ])('is not published when %s; what lies there stays', async (_, code, spoil) => {
    keep(full);
    spoil(await bring(full));
    expect(await codeOf(readmit(full))).toBe(code);
    await repository.open(full.serverId, full.recoveryPointId);
    await repository.discardFetched(full.recoveryPointId);
    await repository.discardFetched(full.recoveryPointId);
    expect(existsSync(join(path, 'fetching', full.recoveryPointId))).toBe(false);
  });

  it('is not published when another one was recorded under its id, and loses what no manifest names', async () => {
    keep(full);
    writeFileSync(join(await bring(full), 'extra'), 'x');
    expect(await codeOf(readmit(full, 'a'.repeat(64)))).toBe('RECOVERY_POINT_CORRUPT');
    await readmit(full);
    expect(existsSync(join(publishedPath(full), 'extra'))).toBe(false);
  });

  it('comes back with its facts', async () => {
    const point = await takeWithFacts(repository, images.image);
    keep(point);
    rmSync(publishedPath(point), { recursive: true });
    await bring(point);
    await readmit(point);
    await expect(repository.readFacts(point.serverId, point.recoveryPointId)).resolves.toEqual(FACTS);
  });

  it.each<[string, (path: string) => void]>([
    ['gone', () => undefined],
    ['damaged', (facts) => writeFileSync(facts, 'x')],
    ['a link to somewhere else', (facts) => symlinkSync(join(elsewhere, 'somebodys'), facts)],
    ['a link to nowhere', (facts) => symlinkSync(join(elsewhere, 'nothing'), facts)],
    ['a directory', (facts) => mkdirSync(join(facts, 'more'), { recursive: true })],
  ])('comes back without its facts where they are %s: all that a restore needs is there, and nothing else is touched', async (_what, put) => {
    const point = await takeWithFacts(repository, images.image);
    keep(point);
    rmSync(publishedPath(point), { recursive: true });
    const facts = join(await bring(point), 'facts.json');
    unlinkSync(facts);
    writeFileSync(join(elsewhere, 'somebodys'), 'theirs');
    chmodSync(join(elsewhere, 'somebodys'), 0o644);
    put(facts);
    await readmit(point);
    expect(existsSync(join(publishedPath(point), 'facts.json'))).toBe(false);
    await expect(repository.readFacts(point.serverId, point.recoveryPointId)).resolves.toBeNull();
    await repository.verifySmallFiles(point.serverId, point.recoveryPointId);
    const { manifest } = await repository.open(point.serverId, point.recoveryPointId);
    await repository.verifyImage(point.serverId, point.recoveryPointId, manifest.disks[0]!.image, context());
    expect([statSync(join(elsewhere, 'somebodys')).mode & 0o777, readFileSync(join(elsewhere, 'somebodys'), 'utf8')]).toEqual([0o644, 'theirs']);
  });
});
