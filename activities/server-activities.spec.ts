import { MockActivityEnvironment } from '@temporalio/testing';
import type { BackupSubject, BegunOnlineBackup, ImageBasis } from '../src/contracts/activities';
import type { ErrorCode } from '../src/contracts/error-codes';
import { ModosuError } from '../src/contracts/errors';
import type { BackupImageInput, RunInput } from '../src/contracts/workflows';
import type { OnlineBackupRequest } from '../src/hypervisors/hypervisor';
import type { ActivityDependencies } from './dependencies';
import { ServerCalls } from './server-activities';

const INPUT = { runId: 'run_1', serverId: 'srv_1', serverName: 'db01', uuid: 'u', hypervisor: 'kvm1', agentTimeoutSeconds: 40 } as unknown as RunInput;

const callsWithAgent = (waitUntilAnswering: () => Promise<void>): ServerCalls =>
  new ServerCalls({ hypervisor: async () => ({ guestAgent: () => ({ waitUntilAnswering }) }) } as unknown as ActivityDependencies);

describe('waitForAgent', () => {
  const wait = (error: ModosuError): Promise<unknown> =>
    new MockActivityEnvironment().run(() => callsWithAgent(() => Promise.reject(error)).waitForAgent(INPUT));

  it("gives up for good when its time is over: a server that never answers must not stay in the old one's place for the minutes of further attempts", async () => {
    const summary = { code: 'AGENT_SILENT', message: 'The guest agent of db01 did not answer within 40 s.' };
    await expect(wait(new ModosuError('AGENT_SILENT', summary.message))).rejects.toMatchObject({
      type: 'AGENT_SILENT',
      nonRetryable: true,
      message: summary.message,
      details: [summary],
    });
  });

  it('is tried again when it was libvirt that did not answer', async () => {
    await expect(wait(new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is away.'))).rejects.toMatchObject({
      name: 'ModosuError',
      code: 'HYPERVISOR_UNREACHABLE',
      retry: 'later',
    });
  });
});

describe('beginOnlineBackup', () => {
  const subject = { disks: [{ target: 'vda', path: '/srv/vda.qcow2' }], neededBytes: 900 } as unknown as BackupSubject;
  const basis: ImageBasis = {
    parentId: 'rp_1',
    incremental: [{ target: 'vda', backingName: '../../rp_1/disks/vda.qcow2' }],
    changedBytes: 64,
    neededBytes: 64,
    fullBecause: null,
    alwaysFull: [],
    leavesCheckpoint: true,
  };
  /** Begins; the hypervisor refuses as often as there are codes. Returns what it was asked for, and what came of it. */
  const begin = async (codes: readonly ErrorCode[], since: string | null = null) => {
    const asked: object[] = [];
    const left = [...codes];
    const deps = {
      hypervisor: async () => ({
        beginOnlineBackup: async ({ checkpoint, since: from, disks }: OnlineBackupRequest) => {
          asked.push({ checkpoint: checkpoint ?? null, since: from ?? null, backing: disks.map(({ backingName }) => backingName ?? null) });
          const code = left.shift();
          if (code !== undefined) throw new ModosuError(code, `no: ${code}`);
          return { pointInTime: 'now', consistency: 'filesystem', frozenMs: 1, note: null, since: from ?? since };
        },
      }),
      imageRepository: async () => ({ stage: async () => ({ diskPath: (target: string) => `/r/${target}` }) }),
      log: { warn() {} },
    } as unknown as ActivityDependencies;
    const input = { ...INPUT, recoveryPointId: 'rp_2', onlineBackup: {}, fencingToken: 1 } as unknown as BackupImageInput;
    const outcome = new MockActivityEnvironment().run(() => new ServerCalls(deps).beginOnlineBackup(input, subject, basis)) as Promise<BegunOnlineBackup>;
    return { asked, outcome: await outcome.catch((error: unknown) => error) };
  };
  const INCREMENTAL = { checkpoint: 'rp_2', since: 'rp_1', backing: ['../../rp_1/disks/vda.qcow2'] };
  const WHOLE = { checkpoint: 'rp_2', since: null, backing: [null] };

  it('builds on what was chosen', async () => {
    const { asked, outcome } = await begin([]);
    expect(asked).toEqual([INCREMENTAL]);
    expect(outcome).toMatchObject({ since: 'rp_1', basis });
  });

  it('takes whole images where that is refused, and none with a checkpoint where that is refused, too', async () => {
    const once = await begin(['CHECKPOINT_LOST']);
    expect(once.asked).toEqual([INCREMENTAL, WHOLE]);
    expect(once.outcome).toMatchObject({
      basis: { parentId: null, incremental: [], neededBytes: 900, fullBecause: 'no: CHECKPOINT_LOST', leavesCheckpoint: true },
    });
    const twice = await begin(['CHECKPOINT_LOST', 'CHECKPOINT_LOST']);
    expect(twice.asked).toEqual([INCREMENTAL, WHOLE, { ...WHOLE, checkpoint: null }]);
    expect(twice.outcome).toMatchObject({ basis: { parentId: null, leavesCheckpoint: false } });
  });

  it('gives up for any other reason, and where nothing is left to do without', async () => {
    expect(await begin(['BACKUP_JOB_FAILED'])).toMatchObject({ asked: [INCREMENTAL], outcome: { code: 'BACKUP_JOB_FAILED' } });
    expect(await begin(['CHECKPOINT_LOST', 'CHECKPOINT_LOST', 'CHECKPOINT_LOST'])).toMatchObject({ outcome: { code: 'CHECKPOINT_LOST' } });
  });
});
