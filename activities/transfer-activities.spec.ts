import { MockActivityEnvironment } from '@temporalio/testing';
import { CancelledFailure } from '@temporalio/common';
import { ModosuError } from '../src/contracts/errors';
import type { BackupImageInput } from '../src/contracts/workflows';
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
