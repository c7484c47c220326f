import type { Catalog } from '../catalog/catalog';
import { ModosuError } from '../contracts/errors';
import type { RunState } from '../contracts/run';
import { reconcile } from './reconcile';
import type { ExecutionState, RunDispatcher } from './run-starter';

const log = { info() {}, warn() {}, error() {} } as unknown as Parameters<typeof reconcile>[0]['log'];

/** A world of a few open runs, whose state in PostgreSQL may change while Temporal is asked. */
function world(runs: Readonly<Record<string, { state: RunState; execution: () => ExecutionState }>>) {
  const finished: string[] = [];
  const catalog = {
    listUndispatched: async () => [],
    listOpenRuns: async () => Object.entries(runs).map(([runId, { state }]) => ({ runId, serverId: `srv-${runId}`, state })),
    getRun: async (runId: string) => ({ ...runs[runId], cancelRequested: false }),
    finishRun: async (runId: string) => void finished.push(runId),
    listUnfinishedPlans: async () => [],
  } as unknown as Catalog;
  const dispatcher = { describeRun: async (runId: string) => runs[runId]?.execution() } as unknown as RunDispatcher;
  return { finished, pass: () => reconcile({ catalog, runs: dispatcher, log, now: () => new Date() }) };
}

it('does not end a run that is started while Temporal is asked about it', async () => {
  const run = {
    state: 'accepted' as RunState,
    execution: (): ExecutionState => {
      run.state = 'running';
      return 'absent';
    },
  };
  const { finished, pass } = world({ run_1: run });
  await pass();
  expect(finished).toEqual([]);
});

it('ends a running run that Temporal does not know', async () => {
  const { finished, pass } = world({ run_1: { state: 'running', execution: () => 'absent' } });
  await expect(pass()).resolves.toMatchObject({ ended: ['run_1'] });
  expect(finished).toEqual(['run_1']);
});

const failing = (code: 'INTERNAL' | 'TEMPORAL_UNAVAILABLE') => (): never => {
  throw new ModosuError(code, 'no');
};

it('judges the others although one of them cannot be judged', async () => {
  const { finished, pass } = world({ run_1: { state: 'running', execution: failing('INTERNAL') }, run_2: { state: 'running', execution: () => 'closed' } });
  await pass();
  expect(finished).toEqual(['run_2']);
});

it('judges nothing more when Temporal does not answer', async () => {
  const { finished, pass } = world({ run_1: { state: 'running', execution: failing('TEMPORAL_UNAVAILABLE') }, run_2: { state: 'running', execution: () => 'closed' } });
  await expect(pass()).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' });
  expect(finished).toEqual([]);
});
