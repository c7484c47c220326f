import { MockActivityEnvironment } from '@temporalio/testing';
import type { BackupSubject, BegunOnlineBackup, ImageBasis } from '../src/contracts/activities/images';
import type { ErrorCode } from '../src/contracts/error-codes';
import { ModosuError } from '../src/contracts/errors';
import type { BackupImageInput, RunInput } from '../src/contracts/workflows';
import type { GuestAgent } from '../src/guests/guest-agent';
import { checkHealth } from '../src/guests/health-checks';
import type { OnlineBackupRequest } from '../src/hypervisors/hypervisor';
import type { ActivityDependencies } from './dependencies';
import { ServerCalls } from './server-activities';

jest.mock('../src/guests/health-checks', () => ({ checkHealth: jest.fn(async () => ({ evidence: '' })) }));

const INPUT = { runId: 'run_1', serverId: 'srv_1', serverName: 'db01', uuid: 'u', hypervisor: 'kvm1', agentTimeoutSeconds: 40 } as unknown as RunInput;

const callsWithAgent = (waitUntilAnswering: GuestAgent['waitUntilAnswering']): ServerCalls =>
  new ServerCalls({
    hypervisor: async () => ({ guestAgent: () => ({ waitUntilAnswering }) }),
    catalog: { getServer: async () => ({ protection: { ssh: null } }) },
  } as unknown as ActivityDependencies);

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

describe('deadlines whose end is final', () => {
  type Attempt = NonNullable<ConstructorParameters<typeof MockActivityEnvironment>[0]>;
  /** How long an attempt waits for the agent of a guest that has 40 s for it, and for a health check. */
  const given = async (attempt: Attempt): Promise<readonly [agent: number, check: number]> => {
    let agentMs = Number.NaN;
    const agent = callsWithAgent(async ({ deadlineMs }) => void (agentMs = deadlineMs));
    await new MockActivityEnvironment(attempt).run(() => agent.waitForAgent(INPUT));
    const check = { kind: 'tcp', name: 'answers', host: '127.0.0.1', port: 1, timeoutSeconds: 40 } as const;
    await new MockActivityEnvironment(attempt).run(() => callsWithAgent(async () => undefined).checkHealth(INPUT, check));
    return [agentMs, jest.mocked(checkHealth).mock.calls.at(-1)?.[2].deadlineMs ?? Number.NaN];
  };

  it.each([
    ['after a busy queue', Date.now() - 90_000],
    ['by a clock that is behind that of Temporal', Date.now() + 300_000],
    ['by a clock that is ahead of it', Date.now() - 300_000],
  ])('are whole for the first attempt %s', async (_what, scheduledTimestampMs) => {
    expect(await given({ attempt: 1, scheduledTimestampMs })).toEqual([40_000, 40_000]);
  });

  it('are for later attempts what those before them have not waited, and a second at least', async () => {
    const scheduledTimestampMs = Date.now() - 90_000;
    expect(await given({ attempt: 2, scheduledTimestampMs, heartbeatDetails: { waitedMs: 15_000 } })).toEqual([25_000, 25_000]);
    expect(await given({ attempt: 40, scheduledTimestampMs, heartbeatDetails: { waitedMs: 300_000 } })).toEqual([1_000, 1_000]);
  });

  it.each([[undefined], [null], ['nonsense'], [{ waitedMs: 'long' }], [{ waitedMs: -5 }], [{ waitedMs: Number.NaN }]])(
    'are whole where nothing is known of the attempts before: %j',
    async (heartbeatDetails) => expect(await given({ attempt: 2, heartbeatDetails })).toEqual([40_000, 40_000]),
  );

  it('are handed on: an attempt says as long as it waits, and when it fails, how long was waited in all', async () => {
    let now = 1_000;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
    const said: unknown[] = [];
    const environment = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: { waitedMs: 15_000 } });
    environment.on('heartbeat', (details: unknown) => said.push(details));
    const calls = callsWithAgent(async () => {
      now += 20_000;
      throw new ModosuError('HYPERVISOR_UNREACHABLE', 'libvirtd is away.');
    });
    await expect(environment.run(() => calls.waitForAgent(INPUT))).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE' });
    clock.mockRestore();
    expect(said).toEqual([{ waitedMs: 15_000 }, { waitedMs: 35_000 }]);
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
