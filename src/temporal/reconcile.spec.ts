import type { Catalog } from '../catalog/catalog';
import { ModosuError } from '../contracts/errors';
import type { RunOutcome } from '../contracts/activities/catalogue';
import type { Retrying, RunState } from '../contracts/run';
import type { TransferOutcome } from '../contracts/offsite-copies';
import type { VerificationOutcome } from '../contracts/verification';
import { reconcile } from './reconcile';
import type { ExecutionState, RunDispatcher } from './run-starter';

const log = { info() {}, warn() {}, error() {} } as unknown as Parameters<typeof reconcile>[0]['log'];

/** A world of a few open runs, whose state in PostgreSQL may change while Temporal is asked. */
function world(
  runs: Readonly<
    Record<
      string,
      {
        state: RunState;
        execution: () => ExecutionState;
        cancelRequested?: boolean;
        seen?: Retrying | null;
        retrying?: Retrying | null;
        steps?: readonly object[];
      }
    >
  >,
  decided: readonly { runId: string; serverId: string }[] = [],
  verifications: readonly { id: string; execution: ExecutionState; cancelRequested?: boolean }[] = [],
  sets: Readonly<Record<string, ExecutionState>> = {},
  transfers: readonly { readonly id: string; readonly execution: ExecutionState; readonly cancelRequested?: boolean }[] = [],
  undispatched: readonly { readonly kind: string; readonly input: { readonly runId: string; readonly set?: object } }[] = [],
  plans: Readonly<Record<string, { readonly execution: ExecutionState; readonly seen?: Retrying | null; readonly retrying?: Retrying | null }>> = {},
) {
  const cleanedUp: string[] = [];
  const told: string[] = [];
  const finished: string[] = [];
  const started: string[] = [];
  const stopped: string[] = [];
  const catalog = {
    listUndispatched: async () => undispatched,
    finishRun: async (id: string, { state, error }: RunOutcome) => void finished.push(`${id} ${state} ${error?.code}`),
    runningRestoreSets: async () => [],
    listOpenSets: async () => Object.keys(sets).map((setId) => ({ setId })),
    listOpenRuns: async () => Object.entries(runs).map(([runId, { state }]) => ({ runId, serverId: `srv-${runId}`, state })),
    getRun: async (runId: string) => ({ cancelRequested: false, retrying: null, steps: [], ...runs[runId] }),
    recordRetry: async (runId: string, retrying: Retrying | null) => void told.push(`${runId} ${retrying?.error.code ?? 'no more'}`),
    getDispatchable: async (runId: string) => ({ kind: 'restore-server', input: { runId } }),
    listDecidedButWaiting: async () => decided,
    listUnfinishedPlans: async () => Object.keys(plans).map((planId) => ({ scenario: 'server', input: { planId, serverId: 'srv_1' } })),
    getPlan: async (planId: string) => ({ retrying: plans[planId]?.retrying ?? null }),
    recordPlanRetry: async (planId: string, retrying: Retrying | null) => void told.push(`${planId} ${retrying?.error.code ?? 'no more'}`),
    failPlan: async (planId: string) => void finished.push(planId),
    listRunningVerifications: async () =>
      verifications.map(({ id, cancelRequested = false }) => ({ input: { verificationId: id, serverId: 'srv-1' }, cancelRequested })),
    listRunningTransfers: async () => transfers.map(({ id, cancelRequested = false }) => ({ input: { transferId: id, offsite: 'vault' }, cancelRequested })),
    finishTransfer: async (id: string, { state, error }: TransferOutcome) => void finished.push(`${id} ${state} ${error?.code}`),
    finishVerification: async (id: string, { state, error }: VerificationOutcome) => void finished.push(`${id} ${state} ${error?.code}`),
  } as unknown as Catalog;
  const dispatcher = {
    describeRun: async (runId: string) => runs[runId]?.execution(),
    seeRun: async (runId: string) => ({ state: runs[runId]?.execution(), retrying: runs[runId]?.seen ?? null }),
    seePlan: async (planId: string) => ({ state: plans[planId]?.execution, retrying: plans[planId]?.seen ?? null }),
    startPlan: async ({ input }: { input: { planId: string } }) => void started.push(input.planId),
    startRun: async ({ input }: { input: { runId: string } }) => void started.push(input.runId),
    startCleanUp: async ({ input }: { input: { runId: string } }) => void cleanedUp.push(input.runId),
    cancelRun: async (runId: string) => void told.push(`cancel ${runId}`),
    tellDecided: async (runId: string, _serverId: string, options?: { isReminder?: boolean }) =>
      void told.push(options?.isReminder === true ? `remind ${runId}` : runId),
    describeSet: async (setId: string) => sets[setId],
    startSet: async ({ setId }: { setId: string }) => void started.push(setId),
    describeVerification: async (id: string) => verifications.find((one) => one.id === id)?.execution,
    cancelVerification: async (id: string) => void stopped.push(id),
    describeTransfer: async (id: string) => transfers.find((one) => one.id === id)?.execution,
    cancelTransfer: async (id: string) => void stopped.push(id),
    startTransfer: async ({ transferId }: { transferId: string }) => void started.push(transferId),
    startVerification: async ({ verificationId }: { verificationId: string }) => void started.push(verificationId),
  } as unknown as RunDispatcher;
  return { cleanedUp, told, finished, started, stopped, pass: () => reconcile({ catalog, runs: dispatcher, log, now: () => new Date() }) };
}

it('does not end a run that is started while Temporal is asked about it', async () => {
  const run = {
    state: 'accepted' as RunState,
    execution: (): ExecutionState => {
      run.state = 'running';
      return 'absent';
    },
  };
  const { cleanedUp, pass } = world({ run_1: run });
  await pass();
  expect(cleanedUp).toEqual([]);
});

it('starts what brings a backup set together where nobody has, and begins one that was ended not again', async () => {
  const { started, pass } = world({}, [], [], { set_1: 'absent', set_2: 'running', set_3: 'closed' });
  await expect(pass()).resolves.toMatchObject({ started: ['set_1'] });
  expect(started).toEqual(['set_1']);
});

it('tells a waiting workflow that a decision stands', async () => {
  const { told, pass } = world({}, [{ runId: 'run_1', serverId: 'srv_1' }]);
  await expect(pass()).resolves.toMatchObject({ told: ['run_1'] });
  expect(told).toEqual(['remind run_1']);
});

it('tells a run of its cancel before it tells of the approval that came before that', async () => {
  const { told, pass } = world({ run_1: { state: 'running', execution: () => 'running', cancelRequested: true } }, [{ runId: 'run_1', serverId: 'srv_1' }]);
  await expect(pass()).resolves.toMatchObject({ cancelled: ['run_1'], told: ['run_1'] });
  expect(told).toEqual(['cancel run_1', 'remind run_1']);
});

describe('what a run tries again, or what holds it up,', () => {
  const saying = (code: 'NO_WORKER' | 'TARGET_UNREACHABLE', change: Partial<Retrying> = {}): Retrying => ({
    attempt: 1,
    failedAt: '2026-03-01T03:00:00.000Z',
    nextAttemptAt: null,
    error: new ModosuError(code, 'It is away.').summary(),
    ...change,
  });
  it.each([
    ['is written down', saying('NO_WORKER'), null, ['run_1 NO_WORKER']],
    ['is written down once', saying('NO_WORKER'), saying('NO_WORKER'), []],
    ['is written down again where it is something else', saying('NO_WORKER'), saying('TARGET_UNREACHABLE'), ['run_1 NO_WORKER']],
    ['is written down again with the next attempt', saying('NO_WORKER', { attempt: 2 }), saying('NO_WORKER'), ['run_1 NO_WORKER']],
    ['is taken back', null, saying('TARGET_UNREACHABLE'), ['run_1 no more']],
    ['is nothing', null, null, []],
  ])('%s', async (_what, seen, retrying, written) => {
    const { told, pass } = world({ run_1: { state: 'running', execution: () => 'running', seen, retrying } });
    await pass();
    expect(told).toEqual(written);
  });

  it.each([
    ['is over once bytes move in the attempt that is under way', { nextAttemptAt: null }, '2026-03-01T03:00:00.001Z', []],
    ['is not over by bytes that moved before it failed', { nextAttemptAt: null }, '2026-03-01T03:00:00.000Z', ['run_1 TARGET_UNREACHABLE']],
    [
      'is not over while the next attempt is waited for',
      { nextAttemptAt: '2026-03-01T03:00:09.000Z' },
      '2026-03-01T03:00:00.001Z',
      ['run_1 TARGET_UNREACHABLE'],
    ],
    ['is not over where nobody carries it on', { failedAt: null }, '2026-03-01T03:00:00.001Z', ['run_1 TARGET_UNREACHABLE']],
    ['is not over by an attempt that begins', { doneBytes: 0 }, '2026-03-01T03:00:00.001Z', ['run_1 TARGET_UNREACHABLE']],
  ])('%s', async (_what, { doneBytes = 1, ...change }: Partial<Retrying> & { doneBytes?: number }, updatedAt, written) => {
    const seen = saying('TARGET_UNREACHABLE', change);
    const steps = [
      { state: 'running', progress: null },
      { state: 'succeeded', progress: { doneBytes: 1, updatedAt: '2026-03-01T04:00:00.000Z' } },
      { state: 'running', progress: { doneBytes, updatedAt } },
    ];
    const { told, pass } = world({ run_1: { state: 'running', execution: () => 'running', seen, steps } });
    await pass();
    expect(told).toEqual(written);
  });

  it('is written down of plans, too, while they are made', async () => {
    const away = saying('NO_WORKER');
    const { told, started, finished, pass } = world({}, [], [], {}, [], [], {
      plan_waits: { execution: 'running', seen: away },
      plan_known: { execution: 'running', seen: away, retrying: away },
      plan_goes_on: { execution: 'running', retrying: away },
      plan_lost: { execution: 'absent' },
      plan_ended: { execution: 'closed' },
    });
    await pass();
    expect(told).toEqual(['plan_waits NO_WORKER', 'plan_goes_on no more']);
    expect([started, finished]).toEqual([['plan_lost'], ['plan_ended']]);
  });

  it('does not keep a cancel from being told', async () => {
    const { told, pass } = world({ run_1: { state: 'running', execution: () => 'running', cancelRequested: true, seen: saying('NO_WORKER') } });
    await pass();
    expect(told).toEqual(['cancel run_1', 'run_1 NO_WORKER']);
  });
});

it('ends a run that was cancelled before it was started, and starts only the others', async () => {
  const accepted = (cancelRequested: boolean, execution: ExecutionState = 'absent') => ({
    state: 'accepted' as const,
    execution: () => execution,
    cancelRequested,
  });
  const { started, finished, pass } = world(
    {
      run_1: accepted(true),
      run_2: accepted(false),
      // In Temporal already: it hears of its cancel there.
      run_3: accepted(true, 'running'),
      // Others wait for it.
      run_4: accepted(true),
      // Started since it was listed.
      run_5: { ...accepted(true), state: 'running' },
    },
    [],
    [],
    {},
    [],
    [
      ...['run_1', 'run_2', 'run_3', 'run_5'].map((runId) => ({ kind: 'confirm', input: { runId } })),
      { kind: 'backup-image', input: { runId: 'run_4', set: { id: 'set_1' } } },
    ],
  );
  const report = await pass();
  expect(finished).toEqual(['run_1 cancelled RUN_CANCELLED']);
  expect(started).toEqual(['run_2', 'run_5', 'run_4']);
  expect(report.cancelled).toEqual(['run_1', 'run_3']);
});

it('has what an ended workflow left behind put in order, under the lock of its run', async () => {
  const { cleanedUp, pass } = world({ run_1: { state: 'running', execution: () => 'absent' } });
  await expect(pass()).resolves.toMatchObject({ ended: ['run_1'] });
  expect(cleanedUp).toEqual(['run_1']);
});

it('starts a verification that lost its workflow, and ends one whose workflow was ended: nothing is known by it', async () => {
  const { finished, started, pass } = world(
    {},
    [],
    [
      { id: 'vrf_1', execution: 'absent' },
      { id: 'vrf_2', execution: 'closed' },
      { id: 'vrf_3', execution: 'running' },
    ],
  );
  await expect(pass()).resolves.toMatchObject({ started: ['vrf_1'], ended: ['vrf_2'] });
  expect([started, finished]).toEqual([['vrf_1'], ['vrf_2 not-run RUN_ENDED_OUTSIDE']]);
});

it('delivers what was cancelled: to the workflow that runs, and instead of one that was never started', async () => {
  const { finished, started, stopped, pass } = world(
    {},
    [],
    [
      { id: 'vrf_1', execution: 'absent', cancelRequested: true },
      { id: 'vrf_2', execution: 'running', cancelRequested: true },
    ],
  );
  await expect(pass()).resolves.toMatchObject({ cancelled: ['vrf_1', 'vrf_2'], started: [] });
  expect([started, stopped, finished]).toEqual([[], ['vrf_2'], ['vrf_1 not-run RUN_CANCELLED']]);
});

const failing = (code: 'INTERNAL' | 'TEMPORAL_UNAVAILABLE') => (): never => {
  throw new ModosuError(code, 'no');
};

it('judges the others although one of them cannot be judged', async () => {
  const { cleanedUp, pass } = world({ run_1: { state: 'running', execution: failing('INTERNAL') }, run_2: { state: 'running', execution: () => 'closed' } });
  await pass();
  expect(cleanedUp).toEqual(['run_2']);
});

it('judges nothing more when Temporal does not answer', async () => {
  const { cleanedUp, pass } = world({
    run_1: { state: 'running', execution: failing('TEMPORAL_UNAVAILABLE') },
    run_2: { state: 'running', execution: () => 'closed' },
  });
  await expect(pass()).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' });
  expect(cleanedUp).toEqual([]);
});

it('starts a transfer that lost its workflow, ends one whose workflow was ended, and delivers what was cancelled', async () => {
  const { started, finished, stopped, pass } = world({}, [], [], {}, [
    { id: 'trf_lost', execution: 'absent' },
    { id: 'trf_ended', execution: 'closed' },
    { id: 'trf_runs', execution: 'running' },
    { id: 'trf_stops', execution: 'running', cancelRequested: true },
    { id: 'trf_never', execution: 'absent', cancelRequested: true },
  ]);
  await pass();
  expect(started).toEqual(['trf_lost']);
  expect(stopped).toEqual(['trf_stops']);
  expect(finished).toEqual(['trf_ended failed RUN_ENDED_OUTSIDE', 'trf_never cancelled RUN_CANCELLED']);
});
