import { MockActivityEnvironment } from '@temporalio/testing';
import { boundedProgram } from '../test/support/bounded-program';
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
  method: 'checksums',
  recoveryPointId: 'rp_1',
  repository: 'main',
  part: null,
  knownDamage: null,
  agentTimeoutSeconds: 300,
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

  it.each([
    ['the one that was recorded', 'aa', 'aa', null],
    ['one that an earlier version has recorded', null, 'aa', null],
    ['another one, which somebody has put in its place', 'aa', 'bb', 'RECOVERY_POINT_CORRUPT'],
  ])('is read when it is %s', async (_which, recorded, found, code) => {
    const read: string[] = [];
    const calls = new VerificationCalls({
      imageRepository: async () => ({
        name: 'main',
        open: async () => ({ manifest: { disks: [] }, manifestSha256: found }),
        verifySmallFiles: async () => void read.push('small files'),
      }),
      catalog: { manifestChecksum: async (id: string) => (id === IMAGE.recoveryPointId ? recorded : null) },
    } as unknown as ActivityDependencies);
    const opened = run(() => calls.openForVerification(IMAGE));
    if (code === null) await expect(opened).resolves.toEqual([]);
    else {
      await expect(opened).rejects.toMatchObject({ code, message: expect.stringContaining('was exchanged') as string, context: { recoveryPointId: 'rp_1' } });
    }
    expect(read).toEqual(code === null ? ['small files'] : []);
  });

  it('is not missing from a repository that holds nothing at all: that is another disk', async () => {
    await expect(open('RECOVERY_POINT_NOT_FOUND', 0)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
  });
});

describe('a boot', () => {
  const check = (name: string, kind: 'command' | 'tcp') =>
    kind === 'tcp' ? { kind, name, host: '192.0.2.1', port: 80, timeoutSeconds: 1 } : { kind, name, argv: ['true'], timeoutSeconds: 1 };
  /** What is done, in order. */
  function world(changes: { readonly answers?: ErrorCode; readonly exitCode?: number; readonly ssh?: object | null; readonly lost?: AbortSignal } = {}) {
    const done: string[] = [];
    const agent = {
      waitUntilAnswering: async ({ deadlineMs }: { deadlineMs: number }) => {
        done.push(`waits ${deadlineMs}`);
        if (changes.answers !== undefined) throw new ModosuError(changes.answers, 'why');
      },
      exec: async (argv: readonly string[]) => {
        done.push(`runs ${boundedProgram(argv).join(' ')}`);
        return { exitCode: changes.exitCode ?? 0, stdout: '', stderr: '' };
      },
    };
    const repository = {
      name: 'main',
      open: async () => ({
        manifest: { disks: [{ target: 'vda' }, { target: 'vdb' }] },
        definitionPath: '/r/domain.xml',
        nvramPath: null,
        imagesOf: (target: string) => [{ path: `/r/${target}` }, { path: `/r/below/${target}` }],
      }),
      verifySmallFiles: async () => void done.push('reads small files'),
    };
    const hypervisor = {
      startProof: async (request: object) => {
        done.push(`boots ${JSON.stringify(request)}`);
        return { server: { uuid: 'u', name: 'proof' }, lost: changes.lost ?? new AbortController().signal, stop: async () => void done.push('stops') };
      },
      guestAgent: ({ name }: { name: string }) => {
        done.push(`agent of ${name}`);
        return agent;
      },
    };
    const deps = {
      imageRepository: async () => repository,
      hypervisor: async () => hypervisor,
      catalog: {
        manifestChecksum: async () => null,
        getServer: async () => ({ protection: { ssh: changes.ssh ?? null, healthChecks: [check('web', 'command'), check('port', 'tcp')] } }),
      },
      log: { info() {} },
    } as unknown as ActivityDependencies;
    return { done, prove: () => run(() => new VerificationCalls(deps).proveBoot({ ...IMAGE, method: 'boot' })) };
  }
  const BEGINNING = [
    'reads small files',
    'boots {"proofId":"vrf_1","definitionPath":"/r/domain.xml","disks":[{"target":"vda","imageFiles":["/r/vda","/r/below/vda"]},{"target":"vdb","imageFiles":["/r/vdb","/r/below/vdb"]}],"nvramPath":null}',
    'agent of proof',
    'waits 300000',
  ];

  it('says how long it took and which checks passed, names those that need a network, and leaves nothing', async () => {
    const { done, prove } = world();
    expect(await prove()).toEqual({ seconds: 1, checks: [{ name: 'web', evidence: 'exit code 0' }], notMade: ['port'] });
    expect(done).toEqual([...BEGINNING, 'runs true', 'stops']);
  });

  it('makes no check where programs are run over SSH: there is no network', async () => {
    expect(await world({ ssh: { host: 'x' } }).prove()).toMatchObject({ checks: [], notMade: ['web', 'port'] });
  });

  it('whose agent is silent is not waited for again, and leaves nothing', async () => {
    const { done, prove } = world({ answers: 'AGENT_SILENT' });
    await expect(prove()).rejects.toMatchObject({ type: 'AGENT_SILENT', nonRetryable: true });
    expect(done).toEqual([...BEGINNING, 'stops']);
  });

  it('that has switched itself off has not come up', async () => {
    await expect(world({ answers: 'SERVER_GONE' }).prove()).rejects.toMatchObject({
      code: 'START_FAILED',
      message: expect.stringContaining('switched itself off'),
    });
  });

  it('whose images are not shown any more says nothing about the image', async () => {
    const lost = AbortSignal.abort(new ModosuError('HYPERVISOR_COMMAND_FAILED', 'qemu-nbd has ended'));
    await expect(world({ answers: 'AGENT_SILENT', lost }).prove()).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });
  });

  it('whose check fails leaves nothing', async () => {
    const { done, prove } = world({ exitCode: 1 });
    await expect(prove()).rejects.toMatchObject({ code: 'HEALTH_CHECK_FAILED', message: expect.stringContaining('exit code 1') });
    expect(done.at(-1)).toBe('stops');
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
