import type { OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { cutPower, startGuest, waitForAgent } from '../guests/guest-server';
import { installHostileAgent, type HostileMode } from '../support/hostile-agent';
import { OnlineLab } from '../support/online-lab';
import { eventually } from '../support/processes';
import { refusedWith } from './hypervisor.contract';

jest.setTimeout(240_000);

const never = new AbortController().signal;
/** Hostile agents cost half a minute each, and more where something happens late: `npm test` meets some of them, `npm run test:full` all. */
const FULL = process.env['MODOSU_TEST_FULL'] === '1';
const SAMPLE: ReadonlySet<HostileMode> = new Set<HostileMode>(['hangs-in-freeze']);

/** Whatever the agent in a guest does, the guest is thawed in the end, and no point in time is called better than it is. */
describe('online backup of the libvirt adapter of a guest with a hostile agent', () => {
  let lab: OnlineLab;
  let request: OnlineBackupRequest;
  /** Shorter than in production where nothing happens late. */
  let lateFreezeMs = 3_000;
  const begin = (): ReturnType<typeof lab.hypervisor.beginOnlineBackup> => lab.adapter({ lateFreezeMs }).beginOnlineBackup(request, { signal: never });
  const follow = (): ReturnType<typeof lab.hypervisor.followOnlineBackup> =>
    lab.hypervisor.followOnlineBackup({ ...request, runId: request.fence.runId }, { signal: never, onProgress: () => undefined });

  beforeAll(async () => {
    lab = await OnlineLab.create();
  });
  afterEach(async () => {
    try {
      await lab.expectClean(request, { agentIsHonest: false });
    } finally {
      await newGuest();
    }
  });
  const newGuest = async (): Promise<void> => {
    await cutPower(lab.guest.uuid);
    await startGuest(lab.guest.uuid);
    await waitForAgent(lab.guest.uuid, 120_000);
  };
  afterAll(async () => {
    await lab.dispose();
  });

  const refusals: readonly (readonly [HostileMode, string])[] = [
    ['silent', 'AGENT_SILENT'],
    ['hangs-in-freeze', 'QUIESCE_FAILED'],
    ['garbage', 'QUIESCE_FAILED'],
    ['garbage-with-nul', 'QUIESCE_FAILED'],
    ['flood', 'QUIESCE_FAILED'],
    ['freeze-forbidden', 'QUIESCE_FAILED'],
  ];
  it.each(refusals.filter(([mode]) => FULL || SAMPLE.has(mode)))(
    '%s: refused with %s; with the flag the point is taken and called crash consistent',
    async (mode, code) => {
      request = await lab.request();
      await installHostileAgent(lab.guest.uuid, mode);
      await expect(begin()).rejects.toEqual(refusedWith(code as never));
      expect(await lab.jobRuns()).toBe(false);
      request = { ...request, allowCrashConsistent: true };
      expect(await begin()).toMatchObject({ consistency: 'crash', frozenMs: null, note: expect.stringContaining('not quiesced') as string });
      await follow();
    },
  );

  it('exec-forbidden: a declared hook cannot run, and what is needed for it is said', async () => {
    request = await lab.request({ quiesce: { before: ['/bin/true'], after: null } });
    await installHostileAgent(lab.guest.uuid, 'exec-forbidden');
    await expect(begin()).rejects.toMatchObject({ code: 'QUIESCE_FAILED', message: expect.stringContaining('guest-exec') as string });
    request = { ...request, quiesce: { before: null, after: null } };
    expect(await begin()).toMatchObject({ consistency: 'filesystem' });
    await follow();
  });

  if (FULL) {
    it('freezes-late: the guard finds and thaws what the agent froze without a word', async () => {
      request = await lab.request();
      lateFreezeMs = 40_000;
      await installHostileAgent(lab.guest.uuid, 'freezes-late');
      await expect(begin()).rejects.toEqual(refusedWith('QUIESCE_FAILED'));
      await eventually('the agent freezes after all', async () => (await lab.freezeStatus()) === 'frozen', 40_000);
      await eventually('and is thawed', async () => (await lab.freezeStatus()) === 'thawed', 15_000);
    });
  }

  it('hangs-in-thaw: thawed in the end, and not called consistent', async () => {
    request = await lab.request();
    await installHostileAgent(lab.guest.uuid, 'hangs-in-thaw');
    await expect(begin()).rejects.toEqual(refusedWith('QUIESCE_FAILED'));
    await eventually('the guest is thawed', async () => (await lab.freezeStatus()) === 'thawed', 40_000);
  });
});
