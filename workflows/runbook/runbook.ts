import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineSignal,
  isCancellation,
  log,
  setHandler,
  defineQuery,
  patched,
  sleep,
} from '@temporalio/workflow';
import type { Decision } from '../../src/contracts/activities/planning';
import type { RunOutcome, StepRecord } from '../../src/contracts/activities/catalogue';
import type { ErrorCode } from '../../src/contracts/error-codes';
import type { ErrorSummary } from '../../src/contracts/errors';
import type { PlannedStep } from '../../src/contracts/plan';
import type { DecisionKind, StepState } from '../../src/contracts/run';
import type { StepKey } from '../../src/contracts/step-keys';
import { QUERY_STEPS, SIGNAL_DECIDED, type RunInput, type RunResult } from '../../src/contracts/workflows';
import { callsTo, catalogue, display, planning, type Calls } from './activities';
import { summarise } from './errors';

type Detail = NonNullable<StepRecord['detail']>;

/** What a step does, and beside it how it is undone. */
export interface StepBody<T> {
  readonly do: () => Promise<T>;
  /**
   * Registered before `do` starts, so that a half-done step is undone too. Must be idempotent and may find nothing to undo. Runs outside
   * cancellation, in reverse order of the steps, and is tried again for a while whatever it fails with. What it returns is shown with the step.
   */
  readonly undo?: () => Promise<Detail | void>;
  /** What the catalogue is told once `undo` has come through: when nothing is left to undo, because a database that is away must not keep a server off. */
  readonly recordUndo?: () => Promise<void>;
  /** Small evidence shown with the step when it has succeeded. */
  readonly detail?: (result: T) => Detail;
}

export interface Runbook {
  /** Says which steps will follow, so that people see what is to come. Call it before the first of them. */
  announce(steps: readonly PlannedStep[]): Promise<void>;
  /** Carries out an announced step, or one that is added now under a title of its own. */
  step<T>(key: StepKey, body: StepBody<T>, title?: string): Promise<T>;
  /** Announced steps that are not needed after all show as that. Those that are not there, or have begun, stay as they are. */
  skip(keys: readonly StepKey[], because: string): Promise<void>;
  /** From now on the effect of this step is wanted (or was already put back): it is not undone any more. */
  settle(key: StepKey): void;
  /** The result stands: nothing that was done so far is undone any more. */
  settleAll(): void;
  /** Work that a cancel must not cut in two: it comes before, or too late. */
  uninterrupted<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Waits until a person has decided; the announced step of that name shows as waiting meanwhile. Cancelling ends the wait. The decision is believed only from
   * PostgreSQL, whoever sends the signal.
   */
  decision(kind: DecisionKind): Promise<Decision>;
  /** Steps that an earlier workflow of this run has shown: they stay, new ones follow. */
  adopt(steps: readonly StepRecord[]): void;
  /** Added to the outcome of the run. */
  result(facts: RunFacts): void;
}

/** What a run has achieved, for its outcome. */
type RunFacts = Pick<RunOutcome, 'recoveryPointId' | 'recoverySeconds' | 'lostSeconds'>;

interface VisibleStep extends StepRecord {
  state: StepState;
  detail?: Detail;
  error?: ErrorSummary | null;
}

interface Compensation {
  readonly step: VisibleStep;
  readonly undo: () => Promise<Detail | void>;
  readonly recordUndo?: () => Promise<void>;
}

/** Since the catalogue is told of what was undone last. */
export const RECORDED_LAST = 'undo-recorded-last';

/** A database that is away is not waited for at every step. */
const WRITE_AGAIN_AFTER_MS = 60_000;
/** For so long undoing goes on in all when something in it fails; a production server may be off meanwhile. What matters most is undone first. */
const UNDO_FOR_MS = 15 * 60_000;
const UNDO_AGAIN_AFTER_MS = 10_000;
/**
 * Trying again cannot help: the server belongs to a newer run, is gone, was given other volumes by somebody, or uses the file; the file is not ours, or another one; nobody understands the
 * question. `VOLUME_LEFT_BEHIND` is none of them: the directory may come back in this time.
 */
const UNDO_IN_VAIN: ReadonlySet<string> = new Set<ErrorCode>([
  'FENCED_OFF',
  'SERVER_GONE',
  'DEFINITION_CHANGED',
  'PATH_NOT_ALLOWED',
  'VOLUME_EXISTS',
  'WAY_BACK_INCOMPLETE',
  'REQUEST_INVALID',
]);

const decidedSignal = defineSignal(SIGNAL_DECIDED);
const stepsQuery = defineQuery<readonly StepRecord[]>(QUERY_STEPS);

/**
 * The mechanics of every run, once: marks the run as started, makes each step visible, undoes in reverse what was done when a
 * step fails for good or the run is cancelled, and writes the outcome and releases the lock in one transaction, whatever happened.
 * The runbook is given the workers of the run's hypervisor to call.
 *
 * The Temporal workflow ends as the run does: completed, failed or cancelled.
 */
export async function carryOut(input: RunInput, runbook: (book: Runbook, calls: Calls) => Promise<void>): Promise<RunResult> {
  const recorder = new RunRecorder(input.runId);
  setHandler(stepsQuery, () => recorder.steps);
  setHandler(decidedSignal, () => recorder.wasTold());

  try {
    await catalogue.startRun(input.runId);
    await runbook(recorder, callsTo(input.hypervisor));
  } catch (thrown) {
    const state = isCancellation(thrown) ? 'cancelled' : 'failed';
    const cause = summarise(thrown);
    await CancellationScope.nonCancellable(async () => {
      const undoProblems = await recorder.undoAll();
      const error = undoProblems.length === 0 ? cause : withUndoProblems(cause, undoProblems);
      await recorder.recordWhatIsMissing();
      await catalogue.finishRun(input.runId, { state, error, ...recorder.facts });
    });
    if (state === 'cancelled') throw thrown instanceof CancelledFailure ? thrown : new CancelledFailure(cause.message);
    throw ApplicationFailure.create({ type: cause.code, message: cause.message, nonRetryable: true, details: [cause] });
  }

  await CancellationScope.nonCancellable(async () => {
    await recorder.recordWhatIsMissing();
    await catalogue.finishRun(input.runId, { state: 'succeeded', error: null, ...recorder.facts });
  });
  return { state: 'succeeded' };
}

const withUndoProblems = (cause: ErrorSummary, problems: readonly string[]): ErrorSummary => ({
  ...cause,
  message: `${cause.message} What had been done could not be undone completely: ${problems.join('; ')}`,
  hint: `${cause.hint} Then look at the steps that could not be undone before anything else is started on this server.`,
});

class RunRecorder implements Runbook {
  readonly steps: VisibleStep[] = [];
  private readonly compensations: Compensation[] = [];
  private readonly unwritten = new Set<string>();
  private writeAgainAtMs = 0;
  /** A signal may come before the wait begins, and twice. */
  private told = false;
  facts: RunFacts = {};

  constructor(private readonly runId: string) {}

  async announce(planned: readonly PlannedStep[]): Promise<void> {
    const added = planned.filter(({ key }) => !this.steps.some((step) => step.key === key)).map((step) => this.add(step));
    if (added.length > 0) await this.show(added);
  }

  async step<T>(key: StepKey, body: StepBody<T>, title: string = key): Promise<T> {
    const step = this.steps.find((known) => known.key === key) ?? this.add({ key, title });
    await this.record(step, 'running');
    if (body.undo) this.compensations.push({ step, undo: body.undo, recordUndo: body.recordUndo });
    try {
      const result = await body.do();
      if (body.detail) step.detail = body.detail(result);
      await this.record(step, 'succeeded');
      return result;
    } catch (thrown) {
      step.error = summarise(thrown);
      log.warn('step failed', { runId: this.runId, step: key, code: step.error.code });
      await CancellationScope.nonCancellable(() => this.record(step, 'failed'));
      throw thrown;
    }
  }

  async skip(keys: readonly StepKey[], because: string): Promise<void> {
    const skipped = this.steps.filter(({ key, state }) => state === 'pending' && (keys as readonly string[]).includes(key));
    if (skipped.length === 0) return;
    for (const step of skipped) Object.assign(step, { state: 'skipped', detail: { because } });
    await this.show(skipped);
  }

  wasTold(): void {
    this.told = true;
  }

  async decision(kind: DecisionKind): Promise<Decision> {
    const step = this.steps.find(({ key }) => key === kind) ?? this.add({ key: kind, title: kind });
    step.state = 'waiting';
    this.unwritten.add(step.key);
    try {
      // Nobody can decide about a wait that is not written down: this one is not bounded as others are.
      await this.recordWhatIsMissing();
      for (;;) {
        this.told = false;
        const decision = await planning.readDecision(this.runId, kind);
        if (decision !== null) return decision;
        await condition(() => this.told);
      }
    } catch (thrown) {
      step.error = summarise(thrown);
      await CancellationScope.nonCancellable(() => this.record(step, 'failed'));
      throw thrown;
    }
  }

  adopt(steps: readonly StepRecord[]): void {
    this.steps.push(...steps.map((step) => ({ ...step })));
  }

  settle(key: StepKey): void {
    const index = this.compensations.findIndex(({ step }) => step.key === key);
    if (index >= 0) this.compensations.splice(index, 1);
  }

  settleAll(): void {
    this.compensations.length = 0;
  }

  uninterrupted<T>(work: () => Promise<T>): Promise<T> {
    return CancellationScope.nonCancellable(work);
  }

  result(facts: RunFacts): void {
    this.facts = { ...this.facts, ...facts };
  }

  /** Undoes in reverse order; one that fails for good does not keep the others from being tried. Returns what could not be undone. */
  async undoAll(): Promise<readonly string[]> {
    const problems: string[] = [];
    const giveUpAtMs = Date.now() + UNDO_FOR_MS;
    const isRecordedLast = this.compensations.some(({ recordUndo }) => recordUndo !== undefined) && patched(RECORDED_LAST);
    const toRecord: { readonly step: VisibleStep; readonly recordUndo: () => Promise<void> }[] = [];
    const attempt = async (step: VisibleStep, work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (thrown) {
        const { code, message } = summarise(thrown);
        problems.push(`"${step.title}": ${message} (${code})`);
        step.detail = { ...step.detail, undone: false, undoProblem: message };
        await this.record(step, step.state);
      }
    };
    for (const { step, undo, recordUndo } of [...this.compensations].reverse()) {
      await attempt(step, async () => {
        const inOne = async (): Promise<Detail | void> => {
          const note = await undo();
          await recordUndo?.();
          return note;
        };
        const note = await persistently(isRecordedLast ? undo : inOne, giveUpAtMs);
        if (isRecordedLast && recordUndo !== undefined) toRecord.push({ step, recordUndo });
        // A failed step stays "failed": that is what people look for. Its undo shows in the detail.
        step.detail = { ...step.detail, ...note, ...(step.state === 'failed' ? { undone: true } : {}) };
        await this.record(step, step.state === 'failed' ? 'failed' : 'undone');
      });
    }
    for (const { step, recordUndo } of toRecord) await attempt(step, () => persistently(recordUndo, giveUpAtMs));
    for (const step of this.steps.filter(({ state }) => state === 'pending')) await this.record(step, 'skipped');
    return problems;
  }

  private add(planned: { readonly key: string; readonly title: string }): VisibleStep {
    const step: VisibleStep = { seq: Math.max(0, ...this.steps.map(({ seq }) => seq)) + 1, key: planned.key, title: planned.title, state: 'pending' };
    this.steps.push(step);
    return step;
  }

  /** Steps that could not be written while the database was away. Waits for it: the history comes before the outcome. */
  async recordWhatIsMissing(): Promise<void> {
    if (this.unwritten.size === 0) return;
    await catalogue.recordSteps(this.runId, this.unwrittenSteps());
    this.unwritten.clear();
  }

  private unwrittenSteps(): readonly StepRecord[] {
    return this.steps.filter(({ key }) => this.unwritten.has(key)).map(snapshot);
  }

  private async record(step: VisibleStep, state: StepState): Promise<void> {
    step.state = state;
    await this.show([step]);
  }

  private async show(steps: readonly VisibleStep[]): Promise<void> {
    for (const { key } of steps) this.unwritten.add(key);
    if (Date.now() < this.writeAgainAtMs) return;
    try {
      await display.recordSteps(this.runId, this.unwrittenSteps());
      this.unwritten.clear();
    } catch (thrown) {
      if (isCancellation(thrown)) throw thrown;
      this.writeAgainAtMs = Date.now() + WRITE_AGAIN_AFTER_MS;
      log.warn('steps not written, the run goes on', { runId: this.runId, code: summarise(thrown).code });
    }
  }
}

/** An undo that failed for a reason that may pass, as a hypervisor short of memory, is tried again for a while: it stands between a server and its users. */
export async function persistently<T>(undo: () => Promise<T>, giveUpAtMs: number = Date.now() + UNDO_FOR_MS): Promise<T> {
  for (;;) {
    try {
      return await undo();
    } catch (thrown) {
      if (UNDO_IN_VAIN.has(summarise(thrown).code) || Date.now() >= giveUpAtMs) throw thrown;
      await sleep(UNDO_AGAIN_AFTER_MS);
    }
  }
}

const snapshot = (step: VisibleStep): StepRecord => ({ ...step });

/** What is done whatever became of `work`; then what that has thrown is thrown. */
export async function allTheSame(work: Promise<void>, then: () => Promise<unknown>): Promise<void> {
  const failure = await work.then(
    () => null,
    (thrown: unknown) => ({ thrown }),
  );
  await then();
  if (failure !== null) throw failure.thrown;
}

/** How far a move of several things is: the bytes of those before, and of all. */
export interface Moved {
  readonly before: number;
  readonly total: number;
}

/** One after the other, each with how far the whole is. */
export async function oneByOne<T>(things: readonly T[], bytesOf: (thing: T) => number, move: (thing: T, moved: Moved) => Promise<void>): Promise<void> {
  const total = things.reduce((sum, thing) => sum + bytesOf(thing), 0);
  let before = 0;
  for (const thing of things) {
    await move(thing, { before, total });
    before += bytesOf(thing);
  }
}
