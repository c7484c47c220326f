import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { PublishedRecoveryPoint } from '../../src/repositories/image/published-recovery-point';
import { RepositoryDirectory } from '../../src/repositories/image/repository-directory';
import { makeImages, MIB, run, takeOne, type Taken } from './image-repository.fixtures';

jest.setTimeout(180_000);

const later = { code: 'REPOSITORY_UNREACHABLE', retry: 'later' };

describe('image repository: storage that fails is not damage', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let root: string;
  beforeAll(async () => {
    // Of eight segments: as many as four are under way at once, and some have to be left when the first is through.
    images = await makeImages(120);
  });
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'modosu-storage-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  describe('a device that has lost its medium', () => {
    let device: string;
    let mounted: string;
    let repository: ImageRepository;
    let taken: Awaited<ReturnType<typeof takeOne>>;

    beforeEach(async () => {
      device = join(root, 'device.img');
      mounted = join(root, 'mounted');
      mkdirSync(mounted);
      await run('truncate', '-s', String(256 * MIB), device);
      await run('mkfs.ext4', '-q', device);
      await run('mount', '-o', 'loop', device, mounted);
      repository = createDirectoryImageRepository({ name: 'main', path: mounted });
      await repository.initialise();
      taken = await takeOne(repository, images.image, { nvram: true });
      // Mounted anew, so that nothing of it is in memory.
      await run('umount', mounted);
      await run('mount', '-o', 'loop', device, mounted);
      // Nor is what nobody has asked for yet: some kernels read megabytes ahead, which is all that is left of this image after its first segment.
      await run('blockdev', '--setra', '0', (await run('findmnt', '-no', 'SOURCE', mounted)).trim());
    });
    afterEach(async () => {
      await run('umount', mounted);
    });

    it('in the middle of a check: EIO is said, the recovery point is not called corrupt', async () => {
      const image = taken.manifest.disks[0]?.image;
      if (image === undefined) throw new Error('no image');
      const signal = new AbortController().signal;
      const onProgress = (): void => truncateSync(device, 0);
      const error: unknown = await repository
        .verifyImage(taken.serverId, taken.recoveryPointId, image, { signal, onProgress })
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        ...later,
        message: expect.stringMatching(/vda\.qcow2: segment \d+ \(bytes \d+ to \d+\) cannot be read from the storage now: EIO/),
        context: { errorCode: 'EIO' },
      });
    });

    it('before small files are read: everything can be tried again later', async () => {
      await repository.check();
      truncateSync(device, 0);
      await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject(later);
      await expect(repository.verifySmallFiles(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject(later);
    });
  });

  describe('a repository that goes away between two looks', () => {
    let path: string;
    let directory: RepositoryDirectory;
    let taken: Taken;

    beforeEach(async () => {
      path = join(root, 'repository');
      mkdirSync(path);
      const repository = createDirectoryImageRepository({ name: 'main', path });
      await repository.initialise();
      taken = await takeOne(repository, images.image, { nvram: true });
      directory = new RepositoryDirectory('main', path);
    });

    const published = (): string => directory.publishedPath(taken.serverId, taken.recoveryPointId);
    const readAfter = (happens: () => void): Promise<unknown> =>
      directory.guard(async () => {
        await directory.requireReady();
        const point = await PublishedRecoveryPoint.read(published(), taken.serverId, taken.recoveryPointId);
        happens();
        await point.requireComplete();
      });
    const unmount = (): void => {
      renameSync(path, `${path}.away`);
      mkdirSync(path);
    };

    it('is unreachable: no file of it is called missing', async () => {
      await expect(readAfter(unmount)).rejects.toMatchObject({ ...later, message: expect.stringContaining('is empty') });
      expect(existsSync(join(`${path}.away`, 'servers', taken.serverId, taken.recoveryPointId, 'domain.xml'))).toBe(true);
    });

    it('has no recovery point to be missed either', async () => {
      const reading = directory.guard(async () => {
        await directory.requireReady();
        unmount();
        return await PublishedRecoveryPoint.read(published(), taken.serverId, taken.recoveryPointId);
      });
      await expect(reading).rejects.toMatchObject(later);
    });

    it('while a file that is missing from one that is there is missing for good', async () => {
      await expect(readAfter(() => rmSync(join(published(), 'domain.xml')))).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE', retry: 'never' });
    });
  });
});
