import { MockActivityEnvironment } from '@temporalio/testing';
import type { ErrorCode } from '../src/contracts/error-codes';
import { ModosuError } from '../src/contracts/errors';
import type { VerificationInput } from '../src/contracts/verification';
import type { ActivityDependencies } from './dependencies';
import { VerificationCalls } from './verification-activities';

const IMAGE: VerificationInput = {
  verificationId: 'vrf_1',
  serverId: 'srv_1',
  serverName: 'db01',
  hypervisor: 'kvm1',
  kind: 'image',
  recoveryPointId: 'rp_1',
  repository: 'main',
  part: null,
  knownDamage: null,
};
const DATA: VerificationInput = { ...IMAGE, kind: 'data', recoveryPointId: null, repository: null };
const run = <T>(work: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(work) as Promise<T>;

describe('an image', () => {
  const open = (code: ErrorCode, recoveryPoints = 1) =>
    run(() =>
      new VerificationCalls({
        imageRepository: async () => ({
          name: 'main',
          open: () => Promise.reject(new ModosuError(code, 'why')),
          check: async () => ({ freeBytes: 1, recoveryPoints }),
        }),
      } as unknown as ActivityDependencies).openForVerification(IMAGE),
    );

  it('that is not in its repository any more is missing; one whose header is refused by now is damaged', async () => {
    await expect(open('RECOVERY_POINT_NOT_FOUND')).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
    await expect(open('IMAGE_HEADER_REFUSED')).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    await expect(open('REPOSITORY_UNREACHABLE')).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
  });

  it('is not missing from a repository that holds nothing at all: that is another disk', async () => {
    await expect(open('RECOVERY_POINT_NOT_FOUND', 0)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
  });
});

describe('data of a server', () => {
  const point = (id: string, changes: object = {}) => ({ recoveryPointId: `rp_${id}`, snapshotId: `snapshot-${id}`, isUsable: true, readAt: null, ...changes });
  const snapshots = (...ids: readonly string[]) =>
    ids.flatMap((id) => [
      { id: `snapshot-${id}`, tags: ['modosu-data'] },
      { id: `manifest-${id}`, tags: ['modosu-manifest', `modosu-recovery-point=rp_${id}`] },
    ]);
  /** @param lists what the repository says, one after the other */
  const list = (known: readonly object[], ...lists: readonly (readonly { readonly id: string; readonly tags: readonly string[] }[])[]) => {
    let asked = 0;
    return run(() =>
      new VerificationCalls({
        catalog: { dataToVerify: async () => known },
        dataRepository: async () => ({ snapshots: async () => lists[Math.min(asked++, lists.length - 1)] }),
      } as unknown as ActivityDependencies).listData(DATA),
    );
  };

  it('is there where its snapshot and its manifest are', async () => {
    const known = [point('b', { readAt: '2026-01-01T00:00:00.000Z' }), point('a'), point('lost', { isUsable: false }), point('back', { isUsable: false })];
    expect(await list(known, snapshots('a', 'b', 'back'))).toEqual({ found: ['rp_b', 'rp_a'], readBefore: ['rp_b'], missing: [], returned: ['rp_back'] });
  });

  it('is missing where one of the two is, each time it is looked for', async () => {
    const [snapshot, manifest] = snapshots('a');
    for (const rest of [snapshot, manifest]) {
      const there = [...snapshots('b'), ...(rest === undefined ? [] : [rest])];
      expect(await list([point('b'), point('a')], there)).toMatchObject({
        found: ['rp_b'],
        missing: [{ recoveryPointId: 'rp_a', why: expect.stringContaining('snapshot') }],
      });
      expect(await list([point('b'), point('a')], there, snapshots('a', 'b'))).toMatchObject({ found: ['rp_b', 'rp_a'], missing: [] });
    }
  });

  it('is not missing from a repository that holds none of it: that is another one', async () => {
    await expect(list([point('b'), point('a')], snapshots('x'))).rejects.toMatchObject({
      code: 'DATA_REPOSITORY_FAILED',
      message: expect.stringContaining('none of its 2'),
    });
  });
});
