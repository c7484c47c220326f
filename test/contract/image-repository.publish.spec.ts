import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import type * as files from '../../src/system/files';
import { makeImages, NOW, stageOne, takeOne, verifyAll, type Taken } from './image-repository.fixtures';

jest.setTimeout(120_000);

/** Which call of a durable operation goes wrong, and how: the process is killed in it (the call never returns), or the storage fails. */
const fault: { countdown: number; kind: 'none' | 'kill' | 'fail'; code: string; reached: string | null; notify: () => void } = {
  countdown: 0,
  kind: 'none',
  code: 'EIO',
  reached: null,
  notify: () => undefined,
};

jest.mock('../../src/system/files', () => {
  const actual = jest.requireActual<typeof files>('../../src/system/files');
  const guarded =
    <A extends unknown[]>(name: string, operation: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      if (fault.kind !== 'none') {
        fault.countdown -= 1;
        if (fault.countdown === 0) {
          fault.reached = name;
          fault.notify();
          if (fault.kind === 'fail') throw Object.assign(new Error(`${fault.code}: the storage says no`), { code: fault.code });
          return await new Promise<never>(() => undefined);
        }
        if (fault.countdown < 0 && fault.kind === 'kill') return await new Promise<never>(() => undefined);
      }
      await operation(...args);
    };
  return {
    ...actual,
    fsyncFile: guarded('fsyncFile', actual.fsyncFile),
    fsyncDirectory: guarded('fsyncDirectory', actual.fsyncDirectory),
    writeFileDurably: guarded('writeFileDurably', actual.writeFileDurably),
  };
});

describe('image repository: publication that is interrupted', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let path: string;
  const fresh = (): ImageRepository => createDirectoryImageRepository({ name: 'main', path });
  beforeAll(async () => {
    images = await makeImages(1);
  });
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(async () => {
    Object.assign(fault, { kind: 'none', code: 'EIO' });
    path = mkdtempSync(join(tmpdir(), 'modosu-publish-'));
    await fresh().initialise();
  });
  afterEach(() => {
    fault.kind = 'none';
    rmSync(path, { recursive: true, force: true });
  });

  /** Publishes with the fault at the n-th durable operation. Null: there were fewer. */
  async function publishWithFault(kind: 'kill' | 'fail', n: number, taken: Taken): Promise<{ readonly at: string; readonly error: unknown } | null> {
    const reached = new Promise<'killed'>((resolve) => {
      fault.notify = () => resolve('killed');
    });
    Object.assign(fault, { countdown: n, kind, reached: null });
    const published = fresh().publish(taken.draft, NOW);
    const outcome = await Promise.race([
      published.then(
        () => 'published' as const,
        (error: unknown) => ({ error }),
      ),
      ...(kind === 'kill' ? [reached] : []),
    ]);
    const at = fault.reached;
    fault.kind = 'none';
    if (at === null) return null;
    return { at, error: typeof outcome === 'object' ? outcome.error : null };
  }

  async function attempt(kind: 'kill' | 'fail', n: number): Promise<{ readonly at: string | null; readonly visible: boolean }> {
    const taken = await stageOne(fresh(), images.image, { nvram: true });
    const result = await publishWithFault(kind, n, taken);
    const { manifests, unreadable } = await fresh().list();
    expect(unreadable).toEqual([]);
    // Visible means complete, whatever happened.
    for (const manifest of manifests) await expect(verifyAll(fresh(), manifest.server.id, manifest.recoveryPointId)).resolves.toEqual(manifest);
    if (result === null) return { at: null, visible: manifests.length > 0 };
    if (kind === 'fail') {
      expect(result.error).toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      expect(manifests).toEqual([]);
    }
    // A new attempt of the same run starts from the beginning and succeeds.
    const again = await stageOne(fresh(), images.image, { nvram: true, serverId: taken.serverId, recoveryPointId: taken.recoveryPointId });
    const manifest = await fresh().publish(again.draft, NOW);
    await expect(verifyAll(fresh(), taken.serverId, taken.recoveryPointId)).resolves.toEqual(manifest);
    expect((await fresh().list()).manifests).toHaveLength(1);
    rmSync(join(path, 'servers', taken.serverId), { recursive: true });
    return { at: result.at, visible: manifests.length > 0 };
  }

  it.each(['kill', 'fail'] as const)('shows nothing half-made and can be repeated: %s at every durable operation', async (kind) => {
    const seen: string[] = [];
    const visible: boolean[] = [];
    for (let n = 1; n < 40; n += 1) {
      const result = await attempt(kind, n);
      visible.push(result.visible);
      if (result.at === null) break;
      seen.push(result.at);
    }
    // Four files, manifest, checksums, two directories, the server's directory, two parents.
    expect(seen).toEqual([...Array<string>(4).fill('fsyncFile'), 'writeFileDurably', 'writeFileDurably', ...Array<string>(5).fill('fsyncDirectory')]);
    expect(visible).toEqual([...Array<boolean>(9).fill(false), ...Array<boolean>(2).fill(kind === 'kill'), true]);
  });

  it('says that the repository is full when it is, and nothing is visible', async () => {
    const taken = await stageOne(fresh(), images.image);
    fault.code = 'ENOSPC';
    const result = await publishWithFault('fail', 4, taken);
    expect(result).toEqual({
      at: 'writeFileDurably',
      error: expect.objectContaining({ code: 'NOT_ENOUGH_SPACE', message: expect.stringMatching(/is full \(\d.* free\)/) }),
    });
    expect(await fresh().list()).toEqual({ manifests: [], unreadable: [] });
    // What was copied is still there: once there is room, publishing again is enough.
    await expect(fresh().publish(taken.draft, NOW)).resolves.toMatchObject({ recoveryPointId: taken.recoveryPointId });
  });

  it('makes an earlier rename durable when it is repeated', async () => {
    const taken = await stageOne(fresh(), images.image);
    await publishWithFault('kill', 9, taken);
    expect((await fresh().list()).manifests).toHaveLength(1);
    // The same failing storage again: the repetition must notice, not answer from what it sees.
    const repeated = await publishWithFault('fail', 1, taken);
    expect(repeated).toEqual({ at: 'fsyncDirectory', error: expect.objectContaining({ code: 'REPOSITORY_UNREACHABLE' }) });
  });

  it('removes what it has begun to remove, wherever that was interrupted, and nothing else', async () => {
    const stays = await takeOne(fresh(), images.image);
    const seen: (string | null)[] = [];
    for (let n = 1; n < 10; n += 1) {
      const { serverId, recoveryPointId } = await takeOne(fresh(), images.image, { nvram: true });
      const removing = join(path, 'removing', recoveryPointId);
      // What a removal of long ago has left.
      if (n === 1) mkdirSync(join(removing, 'disks'), { recursive: true });
      const reached = new Promise<void>((resolve) => {
        fault.notify = resolve;
      });
      Object.assign(fault, { countdown: n, kind: 'kill', reached: null });
      await Promise.race([fresh().remove(serverId, recoveryPointId), reached]);
      seen.push(fault.reached);
      fault.kind = 'none';
      // Nobody ever sees half of it.
      const isThere = (await fresh().list()).manifests.some((manifest) => manifest.recoveryPointId === recoveryPointId);
      if (isThere) await verifyAll(fresh(), serverId, recoveryPointId);
      await fresh().remove(serverId, recoveryPointId);
      expect(existsSync(removing)).toBe(false);
      expect((await fresh().list()).manifests).toEqual([stays.manifest]);
      if (fault.reached === null) break;
    }
    expect(seen).toEqual(['fsyncDirectory', 'fsyncDirectory', null]);
    await expect(verifyAll(fresh(), stays.serverId, stays.recoveryPointId)).resolves.toEqual(stays.manifest);
  });
});
