import { AsyncLocalStorage } from 'node:async_hooks';
import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure, log } from '@temporalio/workflow';
import type { Decision } from '../../src/contracts/activities/planning';
import type { RunOutcome, StepRecord } from '../../src/contracts/activities/catalogue';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';
import type { RunInput } from '../../src/contracts/workflows';
import { allTheSame, carryOut, oneByOne, persistently, type Runbook } from './runbook';

/**
 * A workflow's surroundings without Temporal: what activities answer, a clock that only sleeping moves, and a cancel that reaches whatever is not shielded
 * from it.
 */
interface World {
  nowMs: number;
  cancelled: boolean;
  /** Every call that went out, such as `start`, `show copy:vda running`, `write …` (unbounded) and `finish succeeded`. */
  readonly calls: string[];
  readonly shown: (readonly StepRecord[])[];
  outcome: RunOutcome | null;
  display: (steps: readonly StepRecord[]) => void;
  start: () => void;
  readDecision: () => Decision | null;
  /** What happens while the run waits for a condition, one after the other. */
  readonly meanwhile: (() => void)[];
  readonly handlers: Map<string, (...args: unknown[]) => unknown>;
}

const mockShield = new AsyncLocalStorage<boolean>();
let mockWorld: World;

jest.mock('@temporalio/workflow', () => {
  const actual = jest.requireActual<Record<string, unknown>>('@temporalio/workflow');
  const cancelled = (): Error => new (actual['CancelledFailure'] as new (message: string) => Error)('Workflow cancelled');
  const stopIfCancelled = (): void => {
    if (mockWorld.cancelled && mockShield.getStore() !== true) throw cancelled();
  };
  const activities = (bounded: boolean) => ({
    startRun: async () => {
      stopIfCancelled();
      mockWorld.calls.push('start');
      mockWorld.start();
    },
    recordSteps: async (_runId: string, steps: readonly StepRecord[]) => {
      stopIfCancelled();
      mockWorld.calls.push(`${bounded ? 'show' : 'write'} ${steps.map(({ key, state }) => `${key} ${state}`).join(', ')}`);
      if (bounded) mockWorld.display(steps);
      mockWorld.shown.push(structuredClone(steps));
    },
    finishRun: async (_runId: string, outcome: RunOutcome) => {
      stopIfCancelled();
      mockWorld.calls.push(`finish ${outcome.state}`);
      mockWorld.outcome = structuredClone(outcome);
    },
    readDecision: async (runId: string, kind: string) => {
      stopIfCancelled();
      mockWorld.calls.push(`read ${kind} of ${runId}`);
      return mockWorld.readDecision();
    },
  });
  return {
    ...actual,
    log: { warn: jest.fn() },
    patched: () => true,
    CancellationScope: { nonCancellable: (work: () => Promise<unknown>) => mockShield.run(true, work) },
    setHandler: ({ name }: { readonly name: string }, handler: () => unknown) => mockWorld.handlers.set(name, handler),
    proxyActivities: () => activities(true),
    proxyLocalActivities: ({ retry }: { readonly retry: { readonly maximumAttempts?: number } }) => activities(retry.maximumAttempts !== undefined),
    sleep: async (ms: number) => {
      stopIfCancelled();
      mockWorld.nowMs += ms;
    },
    condition: async (holds: () => boolean) => {
      for (;;) {
        stopIfCancelled();
        if (holds()) return;
        const next = mockWorld.meanwhile.shift();
        if (next === undefined) throw new Error('nothing would ever end this wait');
        next();
      }
    },
  };
});

const INPUT: RunInput = {
  runId: 'run_1',
  serverId: 'srv_1',
  serverName: 'db01',
  uuid: '3f0c9c1e-1111-4222-8333-444455556666',
  hypervisor: 'kvm1',
  repository: 'main',
  fencingToken: 7,
  acceptedAt: '2026-03-02T11:59:00.000Z',
  stopTimeoutSeconds: 60,
  agentTimeoutSeconds: 60,
};
const MINUTE_MS = 60_000;

beforeEach(() => {
  mockWorld = {
    nowMs: Date.parse('2026-03-02T12:00:00.000Z'),
    cancelled: false,
    calls: [],
    shown: [],
    outcome: null,
    display: () => undefined,
    start: () => undefined,
    readDecision: () => null,
    meanwhile: [],
    handlers: new Map(),
  };
  jest.spyOn(Date, 'now').mockImplementation(() => mockWorld.nowMs);
  jest.mocked(log.warn).mockClear();
});
afterEach(() => jest.restoreAllMocks());

/** Something a step or its undo does: it leaves its name among the calls, and may fail. */
const does = (name: string, failure?: unknown) => async (): Promise<void> => {
  mockWorld.calls.push(name);
  if (failure !== undefined) throw failure;
};
const broken = (code: ErrorCode = 'AGENT_COMMAND_FAILED', message = 'it broke.'): ModosuError => new ModosuError(code, message, { hint: 'Mend it.' });
const undoable = (name: string, failure?: unknown) => ({ do: does(`do ${name}`, failure), undo: does(`undo ${name}`) });

/** Carries a runbook out and says how the workflow ended: its result, or what it threw. */
const carried = async (runbook: (book: Runbook) => Promise<void>): Promise<unknown> => {
  try {
    return await carryOut(INPUT, runbook);
  } catch (thrown) {
    return thrown;
  }
};
/** What the steps and undos did, without what was written of them. */
const deeds = (): readonly string[] => mockWorld.calls.filter((call) => /^(un)?do /.test(call));
/** How a step was last seen by people. */
const seen = (key: string): StepRecord | undefined =>
  mockWorld.shown
    .flat()
    .filter((step) => step.key === key)
    .at(-1);

describe('a run that reaches its aim', () => {
  it('is marked as started, shows each step before and after it, and writes its outcome last', async () => {
    const ended = await carried(async (book) => {
      await book.announce([
        { key: 'check', title: 'Check' },
        { key: 'copy:vda', title: 'Copy vda' },
      ]);
      await book.step('check', undoable('check'));
      await book.step('copy:vda', undoable('copy'));
    });
    expect(ended).toEqual({ state: 'succeeded' });
    expect(mockWorld.calls).toEqual([
      'start',
      'show check pending, copy:vda pending',
      'show check running',
      'do check',
      'show check succeeded',
      'show copy:vda running',
      'do copy',
      'show copy:vda succeeded',
      'finish succeeded',
    ]);
    expect(mockWorld.outcome).toEqual({ state: 'succeeded', error: null });
    expect(log.warn).not.toHaveBeenCalled();
  });

  it('gives each step its result, its small evidence and its place', async () => {
    let result: number | null = null;
    await carried(async (book) => {
      await book.announce([{ key: 'check', title: 'Check it' }]);
      result = await book.step('check', { do: async () => 7, detail: (copied) => ({ copied }) });
      await book.step('nvram', { do: async () => undefined }, 'One more');
      await book.step('release', { do: async () => undefined });
    });
    expect(result).toBe(7);
    expect(seen('check')).toEqual({ seq: 1, key: 'check', title: 'Check it', state: 'succeeded', detail: { copied: 7 } });
    expect(seen('nvram')).toEqual({ seq: 2, key: 'nvram', title: 'One more', state: 'succeeded' });
    expect(seen('release')).toEqual({ seq: 3, key: 'release', title: 'release', state: 'succeeded' });
  });

  it('announces a step once, and writes nothing when nothing is new', async () => {
    await carried(async (book) => {
      await book.announce([{ key: 'check', title: 'Check' }]);
      await book.announce([
        { key: 'check', title: 'Check again' },
        { key: 'copy:vda', title: 'Copy vda' },
      ]);
      await book.announce([{ key: 'copy:vda', title: 'Copy vda' }]);
    });
    expect(mockWorld.calls).toEqual(['start', 'show check pending', 'show copy:vda pending', 'finish succeeded']);
    expect(seen('copy:vda')).toMatchObject({ seq: 2, title: 'Copy vda' });
  });

  it('puts what it has achieved into the outcome, fact by fact', async () => {
    await carried(async (book) => {
      book.result({ recoveryPointId: 'rp_1' });
      book.result({ recoverySeconds: 60 });
      book.result({ recoverySeconds: 61, lostSeconds: 5 });
    });
    expect(mockWorld.outcome).toEqual({ state: 'succeeded', error: null, recoveryPointId: 'rp_1', recoverySeconds: 61, lostSeconds: 5 });
  });

  it('is written down although it is cancelled in its last moment: that comes too late', async () => {
    mockWorld.display = ([step]) => {
      if (step?.state === 'succeeded') mockWorld.cancelled = true;
    };
    expect(
      await carried(async (book) => {
        await book.step('copy:vda', { do: async () => undefined });
      }),
    ).toEqual({ state: 'succeeded' });
    expect(mockWorld.calls.at(-1)).toBe('finish succeeded');
  });

  it('answers at any time which steps there are', async () => {
    let during: unknown;
    await carried(async (book) => {
      await book.announce([
        { key: 'check', title: 'Check' },
        { key: 'copy:vda', title: 'Copy vda' },
      ]);
      await book.step('check', { do: async () => (during = structuredClone(mockWorld.handlers.get('steps')?.())) });
    });
    expect(during).toMatchObject([
      { key: 'check', state: 'running' },
      { key: 'copy:vda', state: 'pending' },
    ]);
  });

  it('goes on after the steps that an earlier workflow of it has shown', async () => {
    const earlier: StepRecord = { seq: 4, key: 'stop', title: 'Stop', state: 'succeeded', detail: { forced: true } };
    await carried(async (book) => {
      book.adopt([earlier]);
      await book.announce([
        { key: 'stop', title: 'Stop' },
        { key: 'clean-up', title: 'Clean up' },
      ]);
      await book.step('stop', { do: async () => undefined });
    });
    expect(seen('clean-up')).toMatchObject({ seq: 5, state: 'pending' });
    expect(mockWorld.calls).toEqual(['start', 'show clean-up pending', 'show stop running', 'show stop succeeded', 'finish succeeded']);
    expect(seen('stop')).toMatchObject({ seq: 4, detail: { forced: true } });
    // What was handed in is not changed by what follows.
    expect(earlier).toEqual({ seq: 4, key: 'stop', title: 'Stop', state: 'succeeded', detail: { forced: true } });
  });
});

describe('a run whose step fails for good', () => {
  it('undoes a step in the middle of which its worker has fallen silent, and those before it', async () => {
    const silent = new ActivityFailure('Activity task timed out', 'startServer', '1', 'TIMEOUT', 'w', new TimeoutFailure('silent', undefined, 'HEARTBEAT'));
    await carried(async (book) => {
      await book.step('stop', undoable('stop'));
      await book.step('start', undoable('start', silent));
    });
    expect(deeds()).toEqual(['do stop', 'do start', 'undo start', 'undo stop']);
    expect(seen('start')).toMatchObject({ state: 'failed', error: { code: 'NO_WORKER' }, detail: { undone: true } });
    expect(seen('stop')).toMatchObject({ state: 'undone' });
    expect(mockWorld.outcome).toMatchObject({ state: 'failed', error: { code: 'NO_WORKER' } });
  });

  const failing = async (book: Runbook): Promise<void> => {
    await book.announce(['check', 'stop', 'swap', 'start'].map((key) => ({ key, title: `The ${key}` })));
    await book.step('check', { do: does('do check') });
    await book.step('stop', { do: async () => does('do stop')(), undo: does('undo stop'), detail: () => ({ forced: true }) });
    await book.step('swap', {
      do: does('do swap', broken()),
      undo: async () => {
        mockWorld.calls.push('undo swap');
        return { left: 'nothing' };
      },
    });
    await book.step('start', undoable('start'));
  };

  it('undoes in reverse what was done and what was half done, then writes what came of it', async () => {
    await carried(failing);
    expect(mockWorld.calls.slice(mockWorld.calls.indexOf('do swap'))).toEqual([
      'do swap',
      'show swap failed',
      'undo swap',
      'show swap failed',
      'undo stop',
      'show stop undone',
      'show start skipped',
      'finish failed',
    ]);
    expect(seen('swap')).toMatchObject({
      state: 'failed',
      detail: { left: 'nothing', undone: true },
      error: { code: 'AGENT_COMMAND_FAILED', message: 'it broke.' },
    });
    expect(seen('stop')).toEqual({ seq: 2, key: 'stop', title: 'The stop', state: 'undone', detail: { forced: true } });
    expect(seen('check')).toMatchObject({ state: 'succeeded' });
    expect(log.warn).toHaveBeenCalledWith('step failed', { runId: 'run_1', step: 'swap', code: 'AGENT_COMMAND_FAILED' });
  });

  it('ends as a failure that says why, and is not tried again', async () => {
    const thrown = await carried(failing);
    const error = { code: 'AGENT_COMMAND_FAILED', message: 'it broke.', hint: 'Mend it.' };
    expect(mockWorld.outcome).toEqual({ state: 'failed', error });
    expect(thrown).toBeInstanceOf(ApplicationFailure);
    expect(thrown).toMatchObject({ type: 'AGENT_COMMAND_FAILED', message: 'it broke.', nonRetryable: true, details: [error] });
  });

  it('keeps what it had achieved by then', async () => {
    await carried(async (book) => {
      book.result({ recoverySeconds: 60 });
      await book.step('record', { do: does('do record', broken()) });
    });
    expect(mockWorld.outcome).toMatchObject({ state: 'failed', recoverySeconds: 60 });
  });

  it('also fails when what went wrong was no step', async () => {
    expect(
      await carried(async () => {
        throw broken('PLAN_STALE', 'the plan is old');
      }),
    ).toMatchObject({ type: 'PLAN_STALE' });
    mockWorld.start = () => {
      throw broken('INTERNAL', 'no such run');
    };
    expect(
      await carried(async () => {
        mockWorld.calls.push('never');
      }),
    ).toMatchObject({ type: 'INTERNAL', message: 'no such run' });
    expect(mockWorld.calls).not.toContain('never');
  });

  /** Something is swapped, and then something breaks. */
  const swapping =
    (undo: () => Promise<void>, recordUndo: () => Promise<void>) =>
    async (book: Runbook): Promise<void> => {
      await book.step('stop', { do: does('do stop'), undo: does('undo stop') });
      await book.step('swap', { do: does('do swap'), undo, recordUndo });
      await book.step('start', { do: does('do start', broken()) });
    };
  const undone = (): readonly string[] => mockWorld.calls.slice(mockWorld.calls.indexOf('show start failed') + 1).filter((call) => !call.startsWith('show'));

  it('tells the catalogue of what it has undone when nothing is left to undo', async () => {
    await carried(swapping(does('undo swap'), does('record swap')));
    expect(undone()).toEqual(['undo swap', 'undo stop', 'record swap', 'finish failed']);
    expect(seen('swap')).toMatchObject({ state: 'undone' });
  });

  it('tells the catalogue of nothing that could not be undone, and people of what it could not be told', async () => {
    await carried(swapping(does('undo swap', broken('SERVER_GONE', 'it is gone')), does('record swap')));
    expect(undone()).toEqual(['undo swap', 'undo stop', 'finish failed']);
    await carried(swapping(does('undo swap'), does('record swap', broken('FENCED_OFF', 'it is not yours'))));
    expect(seen('swap')).toMatchObject({ detail: { undone: false, undoProblem: 'it is not yours' } });
    expect(mockWorld.outcome?.error?.message).toContain('"swap": it is not yours (FENCED_OFF)');
  });

  it('does not undo a step that never began', async () => {
    await carried(async (book) => {
      await book.step('swap', { do: does('do swap', broken()), undo: does('undo swap') });
      await book.step('start', undoable('start'));
    });
    expect(deeds()).toEqual(['do swap', 'undo swap']);
  });

  it('gives the failure to the runbook first, which may live with it', async () => {
    const ended = await carried(async (book) => {
      await book.step('safety', undoable('safety', broken())).catch(() => undefined);
      await book.step('place', undoable('place'));
    });
    expect(ended).toEqual({ state: 'succeeded' });
    expect(deeds()).toEqual(['do safety', 'do place']);
    expect(seen('safety')).toMatchObject({ state: 'failed', error: { code: 'AGENT_COMMAND_FAILED' } });
  });
});

describe('what stands', () => {
  const three = async (book: Runbook): Promise<void> => {
    for (const key of ['stop', 'swap', 'start'] as const) await book.step(key, undoable(key));
  };
  it.each([
    ['the first step', (book: Runbook) => book.settle('stop'), ['undo start', 'undo swap']],
    ['one in the middle', (book: Runbook) => book.settle('swap'), ['undo start', 'undo stop']],
    ['the last one', (book: Runbook) => book.settle('start'), ['undo swap', 'undo stop']],
    ['a step that is not there', (book: Runbook) => book.settle('tidy'), ['undo start', 'undo swap', 'undo stop']],
    ['everything', (book: Runbook) => book.settleAll(), []],
  ] as const)('is not undone: %s', async (_what, settle, undone) => {
    await carried(async (book) => {
      await three(book);
      settle(book);
      throw broken();
    });
    expect(deeds().slice(3)).toEqual(undone);
  });

  it('is undone again from the next step on, when all before was settled', async () => {
    await carried(async (book) => {
      await book.step('swap', undoable('swap'));
      book.settleAll();
      await book.step('go-live', undoable('go-live', broken()));
    });
    expect(deeds()).toEqual(['do swap', 'do go-live', 'undo go-live']);
  });
});

describe('an undo that fails', () => {
  const withUndos =
    (undos: Partial<Record<'stop' | 'swap' | 'nvram', () => Promise<void>>>) =>
    async (book: Runbook): Promise<void> => {
      for (const [key, undo] of Object.entries(undos) as [keyof typeof undos, () => Promise<void>][]) {
        await book.step(key, { do: async () => undefined, undo }, `The ${key}`);
      }
      throw broken();
    };

  it('is tried again until it holds', async () => {
    const startedAt = mockWorld.nowMs;
    let left = 3;
    await carried(
      withUndos({
        stop: async () => {
          mockWorld.calls.push('undo stop');
          if (left-- > 0) throw broken('HYPERVISOR_UNREACHABLE');
        },
      }),
    );
    expect(deeds()).toEqual(Array(4).fill('undo stop'));
    expect(mockWorld.nowMs - startedAt).toBe(30_000);
    expect(seen('stop')).toMatchObject({ state: 'undone' });
    expect(mockWorld.outcome?.error?.message).toBe('it broke.');
  });

  it('is given up after a quarter of an hour; the others are undone all the same, and people are told', async () => {
    const startedAt = mockWorld.nowMs;
    const thrown = await carried(
      withUndos({ stop: does('undo stop'), swap: does('undo swap', broken('HYPERVISOR_UNREACHABLE', 'no answer')), nvram: does('undo nvram') }),
    );
    expect(mockWorld.nowMs - startedAt).toBe(15 * MINUTE_MS);
    expect(deeds()).toEqual(['undo nvram', ...Array<string>(91).fill('undo swap'), 'undo stop']);
    expect(seen('swap')).toEqual({ seq: 2, key: 'swap', title: 'The swap', state: 'succeeded', detail: { undone: false, undoProblem: 'no answer' } });
    expect(seen('stop')).toMatchObject({ state: 'undone' });
    expect(mockWorld.outcome?.error).toEqual({
      code: 'AGENT_COMMAND_FAILED',
      message: 'it broke. What had been done could not be undone completely: "The swap": no answer (HYPERVISOR_UNREACHABLE)',
      hint: 'Mend it. Then look at the steps that could not be undone before anything else is started on this server.',
    });
    // The workflow's own failure is the reason of the run.
    expect(thrown).toMatchObject({ type: 'AGENT_COMMAND_FAILED', message: 'it broke.' });
  });

  it('has a quarter of an hour with the others together, and each is tried once in any case', async () => {
    const startedAt = mockWorld.nowMs;
    await carried(
      withUndos({ stop: does('undo stop', broken('HYPERVISOR_UNREACHABLE', 'off')), swap: does('undo swap', broken('HYPERVISOR_UNREACHABLE', 'no answer')) }),
    );
    expect(mockWorld.nowMs - startedAt).toBe(15 * MINUTE_MS);
    expect(deeds().filter((call) => call === 'undo stop')).toHaveLength(1);
    expect(mockWorld.outcome?.error?.message).toContain('completely: "The swap": no answer (HYPERVISOR_UNREACHABLE); "The stop": off (HYPERVISOR_UNREACHABLE)');
  });

  it("has the same time where it is no step's: it is what a run is there for", async () => {
    const startedAt = mockWorld.nowMs;
    await expect(persistently(does('undo all', broken('HYPERVISOR_UNREACHABLE')))).rejects.toMatchObject({ code: 'HYPERVISOR_UNREACHABLE' });
    expect(mockWorld.nowMs - startedAt).toBe(15 * MINUTE_MS);
    expect(deeds()).toHaveLength(91);
  });

  it.each(['FENCED_OFF', 'SERVER_GONE', 'DEFINITION_CHANGED', 'PATH_NOT_ALLOWED', 'VOLUME_EXISTS', 'WAY_BACK_INCOMPLETE', 'REQUEST_INVALID'] as const)(
    'in vain (%s) is not tried again',
    async (code) => {
      const startedAt = mockWorld.nowMs;
      await carried(withUndos({ stop: does('undo stop', broken(code, 'never')), swap: does('undo swap') }));
      expect(mockWorld.nowMs).toBe(startedAt);
      expect(deeds()).toEqual(['undo swap', 'undo stop']);
      expect(seen('stop')).toMatchObject({ state: 'succeeded', detail: { undone: false, undoProblem: 'never' } });
    },
  );

  it('of the step that has failed leaves it failed', async () => {
    await carried(async (book) => {
      await book.step('swap', {
        do: async () => {
          throw broken();
        },
        undo: async () => {
          throw broken('SERVER_GONE', 'gone');
        },
      });
    });
    expect(seen('swap')).toMatchObject({ state: 'failed', error: { message: 'it broke.' }, detail: { undone: false, undoProblem: 'gone' } });
  });
});

describe('a run that is cancelled', () => {
  it('undoes outside cancellation, and says that it was cancelled', async () => {
    const thrown = await carried(async (book) => {
      await book.announce([{ key: 'start', title: 'Start' }]);
      await book.step('stop', undoable('stop'));
      mockWorld.cancelled = true;
      await book.step('start', undoable('start'));
    });
    expect(deeds()).toEqual(['do stop', 'undo stop']);
    expect(mockWorld.calls.slice(-3)).toEqual(['undo stop', 'show start running, stop undone', 'finish cancelled']);
    expect(mockWorld.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect(thrown).toBeInstanceOf(CancelledFailure);
    expect((thrown as Error).message).toBe('Workflow cancelled');
  });

  it('undoes the step that the cancel has cut in two', async () => {
    const cut = new ActivityFailure('Activity task cancelled', 'copyDisk', '1', 'CANCEL_REQUESTED', 'w', new CancelledFailure('cut'));
    const thrown = await carried(async (book) => {
      await book.step('copy:vda', {
        do: async () => {
          mockWorld.cancelled = true;
          mockWorld.calls.push('do copy');
          throw cut;
        },
        undo: does('undo copy'),
      });
    });
    expect(mockWorld.calls.slice(2)).toEqual(['do copy', 'show copy:vda failed', 'undo copy', 'show copy:vda failed', 'finish cancelled']);
    expect(seen('copy:vda')).toMatchObject({ state: 'failed', error: { code: 'RUN_CANCELLED' }, detail: { undone: true } });
    // The Temporal workflow ends as cancelled only with a failure of this class.
    expect(thrown).toBeInstanceOf(CancelledFailure);
  });

  it('goes on trying an undo that fails', async () => {
    let left = 1;
    await carried(async (book) => {
      await book.step('stop', {
        do: async () => {
          mockWorld.cancelled = true;
          throw new CancelledFailure('now');
        },
        undo: async () => {
          mockWorld.calls.push('undo stop');
          if (left-- > 0) throw broken();
        },
      });
    });
    expect(deeds()).toEqual(['undo stop', 'undo stop']);
    expect(mockWorld.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED', message: 'The run was cancelled.' } });
  });

  it('finishes first what must not be cut in two', async () => {
    await carried(async (book) => {
      await book.uninterrupted(async () => {
        mockWorld.cancelled = true;
        await book.step('go-live', undoable('go-live'));
        book.settleAll();
      });
      await book.step('record', undoable('record'));
    });
    expect(deeds()).toEqual(['do go-live']);
    expect(mockWorld.outcome?.state).toBe('cancelled');
  });
});

describe('what people see', () => {
  it('does not keep the run up while the database is away: it is written before the outcome', async () => {
    mockWorld.display = () => {
      throw broken('CATALOG_UNAVAILABLE');
    };
    const ended = await carried(async (book) => {
      await book.step('check', { do: does('do check') });
      await book.step('copy:vda', { do: does('do copy') });
    });
    expect(ended).toEqual({ state: 'succeeded' });
    expect(mockWorld.calls).toEqual(['start', 'show check running', 'do check', 'do copy', 'write check succeeded, copy:vda succeeded', 'finish succeeded']);
    expect(log.warn).toHaveBeenCalledWith('steps not written, the run goes on', { runId: 'run_1', code: 'CATALOG_UNAVAILABLE' });
  });

  it('is written again after a minute, with everything that was missing', async () => {
    mockWorld.display = () => {
      throw broken('CATALOG_UNAVAILABLE');
    };
    await carried(async (book) => {
      await book.step('check', { do: async () => undefined });
      mockWorld.display = () => undefined;
      mockWorld.nowMs += MINUTE_MS - 1;
      await book.announce([{ key: 'copy:vda', title: 'Copy vda' }]);
      mockWorld.nowMs += 1;
      await book.step('copy:vda', { do: async () => undefined });
    });
    expect(mockWorld.calls).toEqual(['start', 'show check running', 'show check succeeded, copy:vda running', 'show copy:vda succeeded', 'finish succeeded']);
  });

  it('is written before the outcome of a run that fails, too', async () => {
    mockWorld.display = () => {
      throw broken('CATALOG_UNAVAILABLE');
    };
    await carried(async (book) => {
      await book.step('stop', undoable('stop'));
      throw broken();
    });
    expect(mockWorld.calls.slice(-2)).toEqual(['write stop undone', 'finish failed']);
  });
});

describe('a run that waits for a person', () => {
  const GO: Decision = { actor: 'anna', reason: 'it looks well', at: '2026-03-02T12:00:00.000Z' };
  const told = (): unknown => mockWorld.handlers.get('decided')?.();
  const held =
    (after: (decision: Decision) => void = () => undefined) =>
    async (book: Runbook): Promise<void> => {
      await book.announce([
        { key: 'swap', title: 'Swap' },
        { key: 'go-live', title: 'Go live' },
      ]);
      await book.step('swap', undoable('swap'));
      after(await book.decision('go-live'));
      await book.step('go-live', { do: does('do go-live') });
    };

  it('shows that it waits before it asks, and believes the catalogue alone', async () => {
    let decided: Decision | null = null;
    const answers = [null, null, GO];
    mockWorld.readDecision = () => answers.shift() ?? null;
    // The second signal is somebody who was not allowed to decide: the catalogue knows of nothing.
    mockWorld.meanwhile.push(told, told);
    await carried(held((decision) => (decided = decision)));
    expect(decided).toBe(GO);
    expect(mockWorld.calls.slice(mockWorld.calls.indexOf('show swap succeeded') + 1)).toEqual([
      'write go-live waiting',
      'read go-live of run_1',
      'read go-live of run_1',
      'read go-live of run_1',
      'show go-live running',
      'do go-live',
      'show go-live succeeded',
      'finish succeeded',
    ]);
  });

  it('waits on while nobody has told it anything', async () => {
    mockWorld.readDecision = () => null;
    mockWorld.meanwhile.push(
      () => undefined,
      () => undefined,
      () => {
        mockWorld.cancelled = true;
      },
    );
    await carried(held());
    expect(mockWorld.calls.filter((call) => call.startsWith('read'))).toHaveLength(1);
  });

  it('does not miss a decision that was made before the wait, or while it asked', async () => {
    const answers = [
      () => {
        told();
        return null;
      },
      () => GO,
    ];
    mockWorld.readDecision = () => answers.shift()?.() ?? null;
    expect(await carried(held())).toEqual({ state: 'succeeded' });
    mockWorld.readDecision = () => GO;
    expect(
      await carried(async (book) => {
        told();
        await held()(book);
      }),
    ).toEqual({ state: 'succeeded' });
  });

  it('that is told something beforehand asks, and then waits for the next word', async () => {
    mockWorld.readDecision = () => null;
    mockWorld.meanwhile.push(() => {
      mockWorld.cancelled = true;
    });
    await carried(async (book) => {
      told();
      await held()(book);
    });
    expect(mockWorld.calls.filter((call) => call.startsWith('read'))).toHaveLength(1);
  });

  it('is ended by a cancel, and undone', async () => {
    mockWorld.meanwhile.push(() => {
      mockWorld.cancelled = true;
    });
    expect(await carried(held())).toBeInstanceOf(CancelledFailure);
    expect(mockWorld.calls.slice(-5)).toEqual(['read go-live of run_1', 'show go-live failed', 'undo swap', 'show swap undone', 'finish cancelled']);
    expect(seen('go-live')).toMatchObject({ state: 'failed', error: { code: 'RUN_CANCELLED' } });
  });

  it('shows a wait that was not announced', async () => {
    mockWorld.readDecision = () => GO;
    await carried(async (book) => {
      await book.decision('go-live');
    });
    expect(seen('go-live')).toEqual({ seq: 1, key: 'go-live', title: 'go-live', state: 'waiting' });
  });
});

describe('what is done whatever became of something', () => {
  it('comes afterwards, and what was thrown is thrown then', async () => {
    const said: string[] = [];
    const say = (word: string) => async () => void said.push(word);
    await allTheSame(say('proven')(), say('recorded'));
    expect(said).toEqual(['proven', 'recorded']);
    const rejected = new ModosuError('PEERS_REJECT', 'They do not want it.');
    await expect(allTheSame(Promise.reject(rejected), say('recorded again'))).rejects.toBe(rejected);
    expect(said).toEqual(['proven', 'recorded', 'recorded again']);
  });

  it('fails by itself where it cannot be done', async () => {
    const away = new ModosuError('CATALOG_UNAVAILABLE', 'It is away.');
    await expect(allTheSame(Promise.reject(new ModosuError('PEERS_REJECT', 'no')), () => Promise.reject(away))).rejects.toBe(away);
  });
});

describe('several things, one by one', () => {
  it('are told how far the whole is', async () => {
    const seen: unknown[] = [];
    await oneByOne(
      [5, 0, 7],
      (bytes) => bytes,
      async (thing, moved) => void seen.push([thing, moved]),
    );
    expect(seen).toEqual([
      [5, { before: 0, total: 12 }],
      [0, { before: 5, total: 12 }],
      [7, { before: 5, total: 12 }],
    ]);
  });

  it('end with the first that fails', async () => {
    const seen: number[] = [];
    const failing = oneByOne(
      [1, 2, 3],
      () => 1,
      async (thing) => {
        seen.push(thing);
        if (thing === 2) throw new Error('no');
      },
    );
    await expect(failing).rejects.toThrow('no');
    expect(seen).toEqual([1, 2]);
  });
});
