import { MockActivityEnvironment } from '@temporalio/testing';
import type { PlanSource } from '../src/contracts/activities';
import type { ActivityDependencies } from './dependencies';
import { HostCalls } from './host-activities';

describe('the checksum of a manifest', () => {
  const manifest = { disks: [] };
  const recorded: unknown[] = [];
  const calls = new HostCalls({
    hypervisor: async () => ({}),
    imageRepository: async () => ({ open: async () => ({ manifest, manifestSha256: 'bb' }), readFacts: async () => null }),
    catalog: {
      manifestChecksum: async (id: string) => (id === 'rp_1' ? 'aa' : null),
      recordRecoveryPoint: async (...said: readonly unknown[]) => void recorded.push(said),
    },
  } as unknown as ActivityDependencies);
  const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work) as Promise<T>;

  it('is recorded as it was read', async () => {
    await run(() => calls.recordRecoveryPoint({ recoveryPointId: 'rp_1', serverId: 'srv_1', repository: 'main', sizeBytes: 1 }));
    expect(recorded).toEqual([[manifest, 'main', 'bb', null]]);
  });

  it('is compared when a plan is made', async () => {
    const source = { serverId: 'srv_1', serverName: 'db01', hypervisor: 'kvm1', repository: 'main', recoveryPointId: 'rp_1' } as PlanSource;
    await expect(run(() => calls.surveyRestore(source))).rejects.toMatchObject({
      code: 'RECOVERY_POINT_CORRUPT',
      message: expect.stringContaining('was exchanged') as string,
      context: { recoveryPointId: 'rp_1', file: 'manifest.json' },
    });
  });
});
