import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { ModosuError } from '../src/contracts/errors';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { BackupImageInput, RestoreServerInput } from '../src/contracts/workflows';
import type { TransferContext } from '../src/hypervisors/hypervisor';
import type { ActivityDependencies } from './dependencies';
import { Transfers } from './transfer-activities';

const DISK = { target: 'vda', path: '/srv/vda.qcow2', format: 'qcow2' as const, flattened: false, allocatedBytes: 10 };
const INPUT = {
  runId: 'run_1',
  serverId: 'srv_1',
  serverName: 'db01',
  uuid: 'u',
  hypervisor: 'kvm1',
  repository: 'main',
  recoveryPointId: 'rp_1',
} as unknown as BackupImageInput;
const CHECKSUMS = { sizeBytes: 10, sha256: 'a', segmentSizeBytes: 16 };

type Export = (context: TransferContext) => Promise<{ virtualSizeBytes: number }>;
type Hash = (written: Promise<void>, context: { signal: AbortSignal }) => Promise<typeof CHECKSUMS>;

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
  });

function transfers(exportDisk: Export, hash: Hash, progressRows: unknown[] = []): Transfers {
  return new Transfers({
    hypervisor: async () => ({ requireFence: async () => undefined, exportDisk: (_request: unknown, context: TransferContext) => exportDisk(context) }),
    imageRepository: async () => ({
      stage: async () => ({ diskPath: () => '/repo/vda.qcow2' }),
      hashWhileWritten: (_id: string, _target: string, written: Promise<void>, context: { signal: AbortSignal }) => hash(written, context),
    }),
    catalog: { recordProgress: async (_runId: string, _key: string, progress: unknown) => void progressRows.push(progress) },
    log: { info() {}, warn() {}, error() {} },
  } as unknown as ActivityDependencies);
}

describe('copyDiskToRepository', () => {
  it('copies and hashes at the same time, and shows progress', async () => {
    const env = new MockActivityEnvironment();
    let beats = 0;
    env.on('heartbeat', () => (beats += 1));
    const rows: unknown[] = [];
    const copy = transfers(
      async ({ onProgress }) => {
        onProgress({ doneBytes: 5, totalBytes: 10 });
        onProgress({ doneBytes: 10, totalBytes: 10 });
        return { virtualSizeBytes: 100 };
      },
      async (written) => written.then(() => CHECKSUMS),
      rows,
    );
    await expect(env.run(() => copy.copyDiskToRepository(INPUT, DISK))).resolves.toEqual({
      target: 'vda',
      virtualSizeBytes: 100,
      origin: { path: DISK.path, format: 'qcow2', flattened: false },
      checksums: CHECKSUMS,
    });
    expect(beats).toBeGreaterThanOrEqual(3);
    expect(rows.at(-1)).toMatchObject({ doneBytes: 10, totalBytes: 10 });
  });

  it('says since when nothing has moved, although the adapter goes on reporting', async () => {
    const rows: { doneBytes: number; updatedAt: string }[] = [];
    const copy = transfers(
      async ({ onProgress }) => {
        onProgress({ doneBytes: 10, totalBytes: 10 });
        const movedAt = Date.now();
        while (Date.now() < movedAt + 20) await new Promise((resolve) => setImmediate(resolve));
        onProgress({ doneBytes: 10, totalBytes: 10 });
        return { virtualSizeBytes: 100 };
      },
      async (written) => written.then(() => CHECKSUMS),
      rows,
    );
    await new MockActivityEnvironment().run(() => copy.copyDiskToRepository(INPUT, DISK));
    expect(rows).toHaveLength(2);
    expect(rows[1]?.updatedAt).toBe(rows[0]?.updatedAt);
  });

  it('stops hashing when the copy fails, waits for it, and reports the error of the copy', async () => {
    let hashingEnded = false;
    const copy = transfers(
      async () => Promise.reject(new ModosuError('COPY_FAILED', 'disk on fire')),
      async (_written, { signal }) => untilAborted(signal).finally(() => (hashingEnded = true)),
    );
    await expect(new MockActivityEnvironment().run(() => copy.copyDiskToRepository(INPUT, DISK))).rejects.toMatchObject({
      code: 'COPY_FAILED',
      message: 'disk on fire',
    });
    expect(hashingEnded).toBe(true);
  });

  it('stops the copy when hashing fails', async () => {
    let copyEnded = false;
    const copy = transfers(
      ({ signal }) => untilAborted(signal).finally(() => (copyEnded = true)),
      async () => Promise.reject(new ModosuError('REPOSITORY_UNREACHABLE', 'unmounted')),
    );
    await expect(new MockActivityEnvironment().run(() => copy.copyDiskToRepository(INPUT, DISK))).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    expect(copyEnded).toBe(true);
  });

  const tried = (attempt: number, code: 'COPY_STALLED' | 'COPY_FAILED' | 'HYPERVISOR_UNREACHABLE'): Promise<unknown> => {
    const copy = transfers(
      () => Promise.reject(new ModosuError(code, 'so it is')),
      async (written) => written.then(() => CHECKSUMS),
    );
    return new MockActivityEnvironment({ attempt }).run(() => copy.copyDiskToRepository(INPUT, DISK)) as Promise<unknown>;
  };

  it.each(['COPY_STALLED', 'COPY_FAILED'] as const)('is not tried a sixth time after %s: each time may be hours', async (code) => {
    await expect(tried(4, code)).rejects.toMatchObject({ code, retry: 'later' });
    await expect(tried(5, code)).rejects.toMatchObject({ type: code, nonRetryable: true });
  });

  it('waits for a part that is away as long as its group says', async () => {
    await expect(tried(24, 'HYPERVISOR_UNREACHABLE')).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE', retry: 'later' });
  });

  it('ends as cancelled when the run is cancelled, whatever the adapters throw', async () => {
    const env = new MockActivityEnvironment();
    const copy = transfers(
      async ({ signal }) => {
        setImmediate(() => env.cancel());
        return untilAborted(signal).catch(() => Promise.reject(new ModosuError('COPY_FAILED', 'killed')));
      },
      async (_written, { signal }) => untilAborted(signal),
    );
    await expect(env.run(() => copy.copyDiskToRepository(INPUT, DISK))).rejects.toBeInstanceOf(CancelledFailure);
  });

  it('goes on copying when progress cannot be written down', async () => {
    const copy = transfers(
      async ({ onProgress }) => {
        onProgress({ doneBytes: 1, totalBytes: 1 });
        return { virtualSizeBytes: 1 };
      },
      async () => CHECKSUMS,
    );
    (copy as unknown as { deps: { catalog: { recordProgress: () => Promise<never> } } }).deps.catalog.recordProgress = async () =>
      Promise.reject(new Error('database away'));
    await expect(new MockActivityEnvironment().run(() => copy.copyDiskToRepository(INPUT, DISK))).resolves.toMatchObject({ target: 'vda' });
  });
});

describe('copyDiskToVolume', () => {
  const VOLUME = { target: 'vda', newPath: '/srv/vda.run_1' };
  const PLAN = { recoveryPoint: { id: 'rp_2', repository: 'main' }, volumes: [VOLUME] } as unknown as RestorePlanBody;
  const RESTORE = { ...INPUT } as unknown as RestoreServerInput;
  /** An incremental, what it builds on, and the full. */
  const IMAGES = ['rp_2', 'rp_1', 'rp_0'].map((recoveryPointId) => ({
    recoveryPointId,
    image: { sha256: recoveryPointId },
    path: `/repo/${recoveryPointId}/vda.qcow2`,
  }));

  type Verify = (recoveryPointId: string, context: { signal: AbortSignal }) => Promise<void>;
  function world(changes: { readonly verify?: Verify; readonly importDisk?: (context: TransferContext) => Promise<void> }) {
    const done: string[] = [];
    const repository = {
      open: async (_serverId: string, id: string) => {
        done.push(`opens ${id}`);
        return {
          imagesOf: (target: string) => {
            if (target !== 'vda') throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `holds no disk ${target}`);
            return IMAGES;
          },
        };
      },
      verifyImage: async (serverId: string, id: string, image: { sha256: string }, context: { signal: AbortSignal; onProgress: () => void }) => {
        done.push(`reads ${serverId} ${id} ${image.sha256}`);
        context.onProgress();
        await changes.verify?.(id, context);
        done.push(`has read ${id}`);
      },
    };
    const hypervisor = {
      requireFence: async () => void done.push('asks for its fence'),
      importDisk: async (request: object, context: TransferContext) => {
        done.push(`imports ${JSON.stringify(request)}`);
        await changes.importDisk?.(context);
      },
    };
    const deps = {
      hypervisor: async () => hypervisor,
      imageRepository: async () => repository,
      catalog: { recordProgress: async () => undefined },
      log: { info() {}, warn() {}, error() {} },
    } as unknown as ActivityDependencies;
    const copy = (target = 'vda', plan = PLAN): Promise<unknown> =>
      new MockActivityEnvironment().run(() => new Transfers(deps).copyDiskToVolume(RESTORE, plan, target));
    return { done, copy };
  }
  const IMPORT = `imports ${JSON.stringify({ imageFiles: IMAGES.map(({ path }) => path), volume: VOLUME, runId: 'run_1' })}`;

  it('opens once, imports from all files of the chain, and reads each of them meanwhile, one after another', async () => {
    const { done, copy } = world({});
    await copy();
    expect(done.slice(0, 4)).toEqual(['asks for its fence', 'opens rp_2', 'reads srv_1 rp_2 rp_2', IMPORT]);
    expect(done.slice(4)).toEqual(['has read rp_2', 'reads srv_1 rp_1 rp_1', 'has read rp_1', 'reads srv_1 rp_0 rp_0', 'has read rp_0']);
  });

  it('ends with the first damaged image of the chain, and not before the import has been stopped', async () => {
    const damaged = new ModosuError('RECOVERY_POINT_CORRUPT', '/repo/rp_1/disks/vda.qcow2: segment 3 differs from its checksum');
    const { done, copy } = world({
      verify: async (id) => (id === 'rp_1' ? Promise.reject(damaged) : undefined),
      importDisk: ({ signal }) => untilAborted(signal).finally(() => void done.push('import has ended')),
    });
    await expect(copy()).rejects.toBe(damaged);
    expect(done.filter((line) => line.startsWith('reads'))).toEqual(['reads srv_1 rp_2 rp_2', 'reads srv_1 rp_1 rp_1']);
    expect(done.at(-1)).toBe('import has ended');
  });

  it('ends with the error of the import, and reads no further image', async () => {
    const { done, copy } = world({
      verify: (_id, { signal }) => untilAborted(signal),
      importDisk: async () => Promise.reject(new ModosuError('NOT_ENOUGH_SPACE', 'full')),
    });
    await expect(copy()).rejects.toMatchObject({ code: 'NOT_ENOUGH_SPACE' });
    expect(done.filter((line) => line.includes('read'))).toEqual(['reads srv_1 rp_2 rp_2']);
  });

  it.each([
    ['the recovery point', 'vdb', PLAN],
    ['the plan', 'vda', { ...PLAN, volumes: [] } as unknown as RestorePlanBody],
  ])('copies no disk that %s does not hold', async (_what, target, plan) => {
    const { done, copy } = world({});
    await expect(copy(target, plan)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE', message: expect.stringContaining(target) as string });
    expect(done).toEqual(['asks for its fence', 'opens rp_2']);
  });
});
