import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { DataManifest } from '../../src/contracts/data';
import { newId } from '../../src/contracts/ids';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { DATA_TAG, dataSetTag, recoveryPointTag, type DataRepository } from '../../src/repositories/data/data-repository';
import type { OffsiteContext, OffsiteRepository } from '../../src/repositories/offsite/offsite-repository';
import { filesDataSet, makeManifest, type DataRepositoryUnderTest } from './data-repository.contract';
import { sha256 } from './image-repository.fixtures';

export interface OffsiteUnderTest {
  /** Never made yet. */
  readonly repository: OffsiteRepository;
  /** Where data comes from, and another one, without any server, as after the loss of the first. */
  readonly data: Pick<DataRepositoryUnderTest, 'repository' | 'take'>;
  readonly newData: DataRepository;
  readonly dispose: () => Promise<void>;
}

const FILES: Readonly<Record<string, string>> = {
  'domain.xml': '<domain/>',
  'disks/vda.qcow2': 'the image of a disk '.repeat(20_000),
  'disks/vda.segments': 'modosu-segments 1\n',
  SHA256SUMS: 'sums\n',
};

export const offsiteContext = (changes: Partial<OffsiteContext> = {}): OffsiteContext => ({ signal: new AbortController().signal, ...changes });

/** A directory that looks like a published image recovery point. */
export function publishedDirectory(root: string, serverId: string, recoveryPointId: string, files: Readonly<Record<string, string | Buffer>> = FILES): string {
  const directory = join(root, recoveryPointId);
  const image = files['disks/vda.qcow2'] ?? '';
  const manifest: ImageManifest = {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId,
    server: { id: serverId, name: 'データベース01', uuid: '6f1c7a0e-4f64-4f0a-9a52-0c7e4f3b9d11' },
    generation: 1,
    lineageId: 'lin-1',
    parentId: null,
    runId: newId('run'),
    reason: 'after a service pack',
    consistency: 'offline',
    pointInTime: '2026-02-03T04:00:00.000Z',
    publishedAt: '2026-02-03T04:05:06.000Z',
    disks: [
      {
        target: 'vda',
        image: {
          path: 'disks/vda.qcow2',
          format: 'qcow2',
          sizeBytes: Buffer.byteLength(image),
          segmentsPath: 'disks/vda.segments',
          segmentSizeBytes: 16 * 1024 ** 2,
          sha256: sha256(files['disks/vda.segments'] ?? ''),
        },
        virtualSizeBytes: 64 * 1024 ** 2,
        origin: { path: '/var/lib/libvirt/images/db01.img', format: 'raw', flattened: false },
      },
    ],
    definition: { path: 'domain.xml', sizeBytes: 9, sha256: sha256('<domain/>') },
    definitionFingerprint: 'a'.repeat(64),
    nvram: null,
    removableMedia: [],
    nics: [],
    generationId: null,
    firmware: 'bios',
    domainType: 'qemu',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: '0.1.0' },
  };
  for (const [path, content] of Object.entries({ ...files, 'manifest.json': JSON.stringify(manifest) })) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

export const contentsOf = (directory: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [relative(directory, path), readFileSync(path, 'latin1')]),
  );

/** What every off-site repository has to do. Slow ones are started once. */
export function describeOffsiteRepository(name: string, create: () => Promise<OffsiteUnderTest>): void {
  describe(`off-site repository: ${name}`, () => {
    let underTest: OffsiteUnderTest;
    let repository: OffsiteRepository;
    const root = mkdtempSync(join(tmpdir(), 'modosu-offsite-test-'));
    beforeAll(async () => {
      underTest = await create();
      repository = underTest.repository;
    }, 120_000);
    afterAll(async () => {
      await underTest.dispose();
      rmSync(root, { recursive: true, force: true });
    }, 60_000);

    const server = newId('srv');
    const image = { serverId: server, recoveryPointId: newId('rp'), directory: '' };
    const data: { manifest: DataManifest; root: string } = { manifest: makeManifest(server, 'ab'.repeat(32)), root: '' };
    const empty = (): string => mkdtempSync(join(root, 'empty-'));

    it('is not there before `ensure`, which may be repeated', async () => {
      const missing = { code: 'OFFSITE_MISSING' };
      await expect(repository.probe()).rejects.toMatchObject(missing);
      await expect(repository.list()).rejects.toMatchObject(missing);
      await expect(repository.openImage(server, newId('rp'))).rejects.toMatchObject(missing);
      await expect(repository.check({ part: null })).rejects.toMatchObject(missing);
      await expect(repository.forget([newId('rp')])).rejects.toMatchObject(missing);
      await repository.ensure();
      await repository.ensure();
      await expect(repository.probe()).resolves.toEqual({ restic: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string, copies: 0 });
    });

    it('copies an image once, whoever tries again, and tells how far it is', async () => {
      image.directory = publishedDirectory(root, server, image.recoveryPointId);
      const told: { readonly doneBytes: number; readonly totalBytes: number }[] = [];
      const copy = await repository.copyImage(image, offsiteContext({ onProgress: (progress) => told.push(progress) }));
      const sizeBytes = Object.values(contentsOf(image.directory)).reduce((sum, text) => sum + text.length, 0);
      expect(copy).toEqual({
        recoveryPointId: image.recoveryPointId,
        serverId: server,
        kind: 'image',
        snapshotIds: [expect.stringMatching(/^[0-9a-f]{64}$/), expect.stringMatching(/^[0-9a-f]{64}$/)],
        copiedAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        sizeBytes,
        manifestSha256: sha256(readFileSync(join(image.directory, 'manifest.json'))),
      });
      expect(told.length).toBeGreaterThan(0);
      expect(told.every(({ doneBytes, totalBytes }) => totalBytes === sizeBytes && doneBytes <= totalBytes)).toBe(true);
      await expect(repository.copyImage(image, offsiteContext())).resolves.toEqual(copy);
      await expect(repository.list()).resolves.toEqual([copy]);
      await expect(repository.list(newId('srv'))).resolves.toEqual([]);
    });

    it('gives an image back as it was, from the copy alone', async () => {
      const before = contentsOf(image.directory);
      rmSync(image.directory, { recursive: true });
      const manifest = await repository.openImage(server, image.recoveryPointId);
      expect(manifest).toEqual(JSON.parse(Buffer.from(before['manifest.json'] ?? '', 'latin1').toString()) as ImageManifest);
      const target = empty();
      await repository.fetchImage(server, image.recoveryPointId, target, offsiteContext());
      expect(contentsOf(target)).toEqual(before);
      // What is there whole stays; what is something else is left alone.
      await repository.fetchImage(server, image.recoveryPointId, target, offsiteContext());
      expect(contentsOf(target)).toEqual(before);
      writeFileSync(join(target, 'other'), 'of somebody else');
      await expect(repository.fetchImage(server, image.recoveryPointId, target, offsiteContext())).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      expect(contentsOf(target)).toEqual({ ...before, other: 'of somebody else' });
      await expect(repository.fetchImage(server, image.recoveryPointId, join(root, 'absent'), offsiteContext())).rejects.toMatchObject({
        code: 'TARGET_UNREACHABLE',
      });
    });

    it('copies data once, with its manifest', async () => {
      const { repository: source, take } = underTest.data;
      const recoveryPointId = newId('rp');
      await source.ensure(server);
      const tags = [DATA_TAG, recoveryPointTag(recoveryPointId), dataSetTag('documents')];
      const taken = await take(server, { hostname: 'db01', tags, files: { 'a.txt': 'hello\n', 'sub/b.txt': 'deep' } });
      data.root = taken.root;
      data.manifest = await source.publish(makeManifest(server, taken.snapshotId, { recoveryPointId, dataSet: filesDataSet(taken.root) }));
      const access = await source.accessFromHere(server);
      const copy = await repository.copyData({ manifest: data.manifest, access }, offsiteContext());
      expect(copy).toMatchObject({ recoveryPointId, serverId: server, kind: 'data', sizeBytes: data.manifest.totalBytes });
      await expect(repository.copyData({ manifest: data.manifest, access }, offsiteContext())).resolves.toEqual(copy);
      expect((await repository.list(server)).map(({ kind }) => kind)).toEqual(['image', 'data']);
      await expect(repository.openData(server, recoveryPointId)).resolves.toEqual(data.manifest);
      const absent = makeManifest(server, 'cd'.repeat(32));
      await expect(repository.copyData({ manifest: absent, access }, offsiteContext())).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
      await expect(repository.openData(server, absent.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
    });

    it('gives data back into a data repository: the one that has it still, or one that was made anew', async () => {
      const { recoveryPointId } = data.manifest;
      const here = await underTest.data.repository.accessFromHere(server);
      await expect(repository.returnData(server, recoveryPointId, here, offsiteContext())).resolves.toEqual(data.manifest);
      const { newData } = underTest;
      await newData.ensure(server);
      const access = await newData.accessFromHere(server);
      const returned = await repository.returnData(server, recoveryPointId, access, offsiteContext());
      expect(returned).toEqual({ ...data.manifest, snapshotId: expect.stringMatching(/^[0-9a-f]{64}$/) as string, keyId: access.keyId });
      await expect(repository.returnData(server, recoveryPointId, access, offsiteContext())).resolves.toEqual(returned);
      await expect(newData.publish(returned)).resolves.toEqual(returned);
      await expect(newData.open(server, recoveryPointId)).resolves.toEqual(returned);
      await expect(newData.read(server, returned.snapshotId, `${data.root}/sub/b.txt`, { maxBytes: 10 })).resolves.toEqual(Buffer.from('deep'));
    });

    it('says what it does not hold', async () => {
      const gone = { code: 'RECOVERY_POINT_NOT_FOUND' };
      const { recoveryPointId } = image;
      await expect(repository.openImage(newId('srv'), recoveryPointId)).rejects.toMatchObject(gone);
      await expect(repository.openData(server, recoveryPointId)).rejects.toMatchObject(gone);
      await expect(repository.openImage(server, data.manifest.recoveryPointId)).rejects.toMatchObject(gone);
      await expect(repository.fetchImage(server, newId('rp'), empty(), offsiteContext())).rejects.toMatchObject(gone);
      await expect(repository.readAll(newId('rp'), offsiteContext())).rejects.toMatchObject(gone);
    });

    it('refuses what is no published recovery point', async () => {
      const point = { serverId: server, recoveryPointId: newId('rp') };
      const copy = (directory: string, changes: Partial<typeof point> = {}) => repository.copyImage({ ...point, ...changes, directory }, offsiteContext());
      await expect(copy(join(root, 'absent'))).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE', retry: 'later' });
      await expect(copy(empty())).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
      for (const directory of ['relative', '/', `${root}/../x`, '']) await expect(copy(directory)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      const directory = publishedDirectory(root, server, point.recoveryPointId);
      await expect(copy(directory, { recoveryPointId: newId('rp') })).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      await expect(copy(directory, { serverId: newId('srv') })).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      symlinkSync('/etc/hostname', join(directory, 'link'));
      await expect(copy(directory)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      for (const id of ['', '..', 'rp_1', '--tag', image.serverId]) {
        await expect(copy(directory, { recoveryPointId: id })).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      }
      // The same recovery point, published otherwise.
      const other = publishedDirectory(join(root, 'other'), server, image.recoveryPointId);
      await expect(copy(other, { recoveryPointId: image.recoveryPointId })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    });

    it('is checked, whole and part by part, and one copy is read to its end', async () => {
      await expect(repository.check({ part: null })).resolves.toBeUndefined();
      await expect(repository.check({ part: { number: 1, of: 1 } })).resolves.toBeUndefined();
      const told: number[] = [];
      await repository.readAll(image.recoveryPointId, offsiteContext({ onProgress: ({ doneBytes }) => told.push(doneBytes) }));
      expect(told.at(-1)).toBe((await repository.list(server))[0]?.sizeBytes);
      await repository.readAll(data.manifest.recoveryPointId, offsiteContext());
    });

    it('makes a copy of an image anew, which takes the place of the one that is there', async () => {
      mkdirSync(image.directory);
      await repository.fetchImage(server, image.recoveryPointId, image.directory, offsiteContext());
      const before = await repository.list(server);
      const mended = await repository.mendImage(image, offsiteContext());
      const [, ofData] = before;
      expect(await repository.list(server)).toEqual(expect.arrayContaining([mended, ofData]));
      const { snapshotIds, copiedAt, ...about } = mended;
      expect(before[0]).toMatchObject(about);
      expect(copiedAt > (before[0]?.copiedAt ?? '')).toBe(true);
      expect(before[0]?.snapshotIds).not.toContain(snapshotIds[1]);
      await repository.readAll(image.recoveryPointId, offsiteContext());
    });

    it('makes a copy of data anew that is not there, and keeps one of which nothing is gone', async () => {
      const access = await underTest.data.repository.accessFromHere(server);
      const { manifest } = data;
      const before = await repository.list(server);
      await expect(repository.mendData({ manifest, access }, offsiteContext())).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      const other = { ...manifest, snapshotId: 'cd'.repeat(32) };
      await expect(repository.mendData({ manifest: other, access }, offsiteContext())).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      expect(await repository.list(server)).toEqual(before);
      await repository.forget([manifest.recoveryPointId]);
      const copy = await repository.mendData({ manifest, access }, offsiteContext());
      expect(await repository.list(server)).toContainEqual(copy);
      await repository.readAll(manifest.recoveryPointId, offsiteContext());
    });

    it('does nothing when it is stopped before', async () => {
      const stopped = offsiteContext({ signal: AbortSignal.abort(new Error('stopped')) });
      const { signal } = stopped;
      const point = { serverId: server, recoveryPointId: newId('rp') };
      const directory = publishedDirectory(root, server, point.recoveryPointId);
      await expect(repository.copyImage({ ...point, directory }, stopped)).rejects.toThrow('stopped');
      await expect(repository.mendImage(image, stopped)).rejects.toThrow('stopped');
      const access = await underTest.data.repository.accessFromHere(server);
      await expect(repository.mendData({ manifest: data.manifest, access }, stopped)).rejects.toThrow('stopped');
      await expect(repository.fetchImage(server, image.recoveryPointId, empty(), stopped)).rejects.toThrow('stopped');
      await expect(repository.readAll(image.recoveryPointId, stopped)).rejects.toThrow('stopped');
      await expect(repository.check({ part: null, signal })).rejects.toThrow('stopped');
      await expect(repository.forget([image.recoveryPointId], { signal })).rejects.toThrow('stopped');
      await expect(repository.list()).resolves.toHaveLength(2);
    });

    it('removes copies that are named, and no others; called again it is content', async () => {
      for (const id of ['', 'latest', 'a,b', '--prune', server]) {
        await expect(repository.forget([image.recoveryPointId, id])).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      }
      await repository.forget([image.recoveryPointId, newId('rp')]);
      expect((await repository.list()).map(({ recoveryPointId }) => recoveryPointId)).toEqual([data.manifest.recoveryPointId]);
      await expect(repository.openImage(server, image.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      await repository.forget([image.recoveryPointId]);
      await repository.readAll(data.manifest.recoveryPointId, offsiteContext());
      await expect(repository.probe()).resolves.toMatchObject({ copies: 1 });
    });
  });
}
