import type { StepRecord } from '../../contracts/activities/catalogue';
import { DECISION_KINDS, type DecisionKind, type RunStepView, type StepState } from '../../contracts/run';
import { canonicalJson } from '../canonical-json';

/** A step as it is stored. */
export type StoredStep = Omit<RunStepView, 'startedAt' | 'finishedAt'> & { readonly startedAt: Date | null; readonly finishedAt: Date | null };

const FINAL: ReadonlySet<StepState> = new Set<StepState>(['succeeded', 'failed', 'skipped', 'undone']);
const RANK: Readonly<Record<StepState, number>> = { pending: 0, running: 1, waiting: 1, succeeded: 2, failed: 2, skipped: 2, undone: 3 };

export const isFinalStep = (state: StepState): boolean => FINAL.has(state);

/**
 * The step after an update, or null when the update comes late or twice and changes nothing. A final state only ever becomes `undone`; nothing
 * goes back to an earlier state. Evidence is added to, never taken away: also to a step that has ended, because whether a failed step could be
 * undone is known only afterwards.
 *
 * @param update as it may be stored: bounded, and nothing in it but JSON
 */
export function nextStep(current: StoredStep | null, update: StepRecord, now: Date): StoredStep | null {
  if (current !== null && current.state === update.state && isFinalStep(current.state)) return withEvidence(current, update);
  if (current !== null && !mayFollow(current.state, update.state)) return null;
  const started = update.state === 'running' || update.state === 'waiting' || update.state === 'succeeded' || update.state === 'failed';
  return {
    seq: update.seq,
    key: update.key,
    title: update.title,
    state: update.state,
    startedAt: current?.startedAt ?? (started ? now : null),
    finishedAt: current?.finishedAt ?? (isFinalStep(update.state) ? now : null),
    progress: current?.progress ?? null,
    detail: { ...current?.detail, ...update.detail },
    error: update.error ?? current?.error ?? null,
  };
}

/** What the audit calls the change from one stored step to the next; null for a step that is still open, which is not audited. */
export function stepAction(before: StoredStep | null, after: StoredStep): string | null {
  if (!isFinalStep(after.state)) return null;
  // Not the state again: whoever counts what failed must not count it twice.
  return before?.state === after.state ? 'step.detail' : `step.${after.state}`;
}

/** What a run waits for after a step was recorded: the steps `go-live` and `sign-off` wait for the decisions of these names. */
export function waitingAfter(current: DecisionKind | null, { key, state }: Pick<StoredStep, 'key' | 'state'>): DecisionKind | null {
  const kind = DECISION_KINDS.find((one) => one === key);
  if (kind === undefined) return current;
  return state === 'waiting' ? kind : current === kind ? null : current;
}

/** An ended step with evidence that came later; null when it brings nothing new. Everything else of it stays as it was. */
function withEvidence(current: StoredStep, update: StepRecord): StoredStep | null {
  const added = update.detail ?? {};
  const isNews = Object.entries(added).some(
    ([name, value]) => !Object.hasOwn(current.detail, name) || canonicalJson(current.detail[name]) !== canonicalJson(value),
  );
  return isNews ? { ...current, detail: { ...current.detail, ...added } } : null;
}

function mayFollow(from: StepState, to: StepState): boolean {
  if (from === 'undone') return false;
  if (isFinalStep(from)) return to === 'undone';
  return RANK[to] >= RANK[from];
}

/** An open step of a run that did not succeed: what was being done has failed, what had not begun is skipped. */
export function closeStep(step: StoredStep, now: Date): StoredStep {
  if (isFinalStep(step.state)) return step;
  return { ...step, state: step.state === 'pending' ? 'skipped' : 'failed', finishedAt: now };
}
