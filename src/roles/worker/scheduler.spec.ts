import { ModosuError } from '../../contracts/errors';
import { Scheduler, type SchedulerDependencies } from './scheduler';

/** A world in which everything that is done is written down. */
function world() {
  const done: string[] = [];
  const told: string[] = [];
  const state = {
    nowMs: 0,
    policies: ['daily'],
    ready: [] as string[],
    unread: [] as string[],
    looks: [] as string[],
    toJudge: 0,
    met: [] as string[],
    failing: new Map<string, Error>(),
  };
  const fail = (what: string): void => {
    const error = state.failing.get(what);
    if (error !== undefined) throw error;
  };
  const dependencies = {
    catalog: {
      listPolicies: async () => {
        fail('listPolicies');
        return state.policies.map((name) => ({ name }));
      },
      recordDueBackups: async () => {
        done.push('look');
        fail('recordDueBackups');
        return [];
      },
      startNextDueBackup: async () => {
        fail('startNextDueBackup');
        const runId = state.ready.shift();
        return runId === undefined ? null : { runId, replayed: false };
      },
      startNextVerification: async (which: string) => {
        state.looks.push(which);
        fail('startNextVerification');
        const verificationId = state.unread.shift();
        return verificationId === undefined ? null : { verificationId, serverName: 'db01', recoveryPointId: 'rp_1' };
      },
      askForNightly: async (hourUtc: number) => {
        done.push(`night ${hourUtc}`);
        fail('askForNightly');
        return state.toJudge;
      },
      listRepositories: async () => [{ name: 'main' }, { name: 'second' }],
      recordRepositoryRoom: async (name: string, freeBytes: number) => void done.push(`room ${name} ${freeBytes}`),
      getDispatchable: async (runId: string) => ({ kind: 'backup-image', input: { runId } }),
    },
    runs: {
      startRun: async ({ input }: { input: { runId: string } }) => {
        done.push(`start ${input.runId}`);
        fail('startRun');
      },
      startJudging: async () => {
        done.push('judge');
        fail('startJudging');
      },
      startVerification: async ({ verificationId }: { verificationId: string }) => {
        done.push(`start ${verificationId}`);
        fail('startVerification');
      },
    },
    imageRepository: async (name: string) => ({
      check: async () => {
        fail(`check ${name}`);
        return { freeBytes: 5, recoveryPoints: 0 };
      },
    }),
    syncSchedules: async (policies: readonly { name: string }[]) => {
      fail('syncSchedules');
      done.push(`sync ${policies.map(({ name }) => name).join(' ')}`.trim());
      return { created: [], updated: [], deleted: [], met: state.met, refused: [] };
    },
    log: { info: (_: unknown, text: string) => void told.push(text), warn: ({ code }: { code: string }, text: string) => void told.push(`${code} ${text}`) },
    judgeHourUtc: 4,
    nowMs: () => state.nowMs,
  } as unknown as SchedulerDependencies;
  const scheduler = new Scheduler(dependencies);
  return { done, told, state, pass: () => scheduler.pass() };
}

const UNAVAILABLE = new ModosuError('TEMPORAL_UNAVAILABLE', 'away');

describe('a pass of the scheduler', () => {
  it('makes schedules once, and again when the policies have changed or ten minutes have passed', async () => {
    const { done, state, pass } = world();
    await pass();
    await pass();
    expect(done.filter((what) => what.startsWith('sync'))).toEqual(['sync daily']);
    state.policies = ['daily', 'hourly'];
    await pass();
    await pass();
    expect(done.filter((what) => what.startsWith('sync'))).toEqual(['sync daily', 'sync daily hourly']);
    state.nowMs += 10 * 60_000;
    await pass();
    expect(done.filter((what) => what.startsWith('sync'))).toHaveLength(3);
  });

  it('compares in the next pass what another worker has made in the same moment', async () => {
    const { done, state, pass } = world();
    state.met = ['policy/daily/image'];
    await pass();
    state.met = [];
    await pass();
    await pass();
    expect(done.filter((what) => what.startsWith('sync'))).toHaveLength(2);
  });

  it('looks at once for what came due while nothing ran, and every half minute', async () => {
    const { done, state, pass } = world();
    await pass();
    state.nowMs += 29_999;
    await pass();
    expect(done.filter((what) => what === 'look')).toHaveLength(1);
    state.nowMs += 1;
    await pass();
    expect(done.filter((what) => what === 'look')).toHaveLength(2);
  });

  it('measures every repository at once and every ten minutes; one that is away keeps the other from nothing', async () => {
    const { done, told, state, pass } = world();
    state.failing.set('check main', new ModosuError('REPOSITORY_UNREACHABLE', 'away'));
    await pass();
    state.nowMs += 10 * 60_000 - 1;
    await pass();
    expect(done.filter((what) => what.startsWith('room'))).toEqual(['room second 5']);
    expect(told).toContain('REPOSITORY_UNREACHABLE measuring repository main: it failed and is tried again');
    state.failing.clear();
    state.nowMs += 1;
    await pass();
    expect(done.filter((what) => what.startsWith('room'))).toEqual(['room second 5', 'room main 5', 'room second 5']);
  });

  it('begins everything that has a place', async () => {
    const { done, state, pass } = world();
    state.ready = ['run_1', 'run_2'];
    await pass();
    expect(done.filter((what) => what.startsWith('start'))).toEqual(['start run_1', 'start run_2']);
  });

  it('goes on to the next run when one cannot be started: it is accepted, and the reconciler starts it', async () => {
    const { done, state, pass } = world();
    state.ready = ['run_1', 'run_2'];
    state.failing.set('startRun', UNAVAILABLE);
    await pass();
    expect(done.filter((what) => what.startsWith('start'))).toEqual(['start run_1', 'start run_2']);
  });

  it.each(['syncSchedules', 'listPolicies', 'recordDueBackups', 'startNextDueBackup'])(
    'does the rest when %s fails, tells it once, and that it works again',
    async (what) => {
      const { done, told, state, pass } = world();
      state.failing.set(what, UNAVAILABLE);
      state.ready = ['run_1'];
      await pass();
      await pass();
      expect(told.filter((text) => text.startsWith('TEMPORAL_UNAVAILABLE'))).toHaveLength(1);
      if (what !== 'recordDueBackups') expect(done).toContain('look');
      if (what !== 'startNextDueBackup') expect(done).toContain('start run_1');
      state.failing.clear();
      await pass();
      expect(told.filter((text) => text.endsWith('it works again'))).toHaveLength(1);
    },
  );

  it('looks again in the next pass when looking failed', async () => {
    const { done, state, pass } = world();
    state.failing.set('recordDueBackups', UNAVAILABLE);
    await pass();
    await pass();
    expect(done.filter((what) => what === 'look')).toHaveLength(2);
  });

  it('begins the verifications that may begin; one that could not be started is not begun again here', async () => {
    const { done, told, state, pass } = world();
    state.unread = ['vrf_1', 'vrf_2'];
    state.failing.set('startVerification', UNAVAILABLE);
    await pass();
    state.failing.delete('startVerification');
    await pass();
    expect(done.filter((what) => what.startsWith('start'))).toEqual(['start vrf_1', 'start vrf_2']);
    expect(told.filter((text) => text.includes('verification'))).toEqual([
      'a verification has begun',
      'TEMPORAL_UNAVAILABLE starting a verification: it failed and is tried again',
      'a verification has begun',
    ]);
  });

  it('looks twice a minute for what policies want read, and each time for what somebody has asked for', async () => {
    const { state, pass } = world();
    await pass();
    state.nowMs = 29_999;
    await pass();
    state.nowMs = 30_000;
    await pass();
    expect(state.looks).toEqual(['any', 'asked', 'any']);
  });

  it('asks twice a minute whose newest image is to be judged, and has that begun as long as one is; what failed is tried again in the next pass', async () => {
    const { done, state, pass } = world();
    await pass();
    await pass();
    expect(done.filter((what) => what.startsWith('night') || what === 'judge')).toEqual(['night 4']);
    state.toJudge = 2;
    state.nowMs += 30_000;
    state.failing.set('startJudging', UNAVAILABLE);
    await pass();
    state.failing.clear();
    await pass();
    await pass();
    expect(done.filter((what) => what.startsWith('night') || what === 'judge')).toEqual(['night 4', 'night 4', 'judge', 'night 4', 'judge']);
  });
});
