import { ModosuError } from '../contracts/errors';
import type { PlanBody } from '../contracts/plan';
import { isFinal, type DecisionKind, type RunAction, type RunView } from '../contracts/run';
import { namesOf } from '../contracts/text';
import type { WayBackView } from '../contracts/way-back';

/** What decides which actions a run offers. */
export interface RunSituation extends Pick<RunView, 'state' | 'cancelRequested' | 'waitingFor'> {
  /** The decision the run waits for has been written down already. */
  readonly decided: boolean;
  /** Its restore set lets it go live; no person does. */
  readonly goesLiveWithSet: boolean;
  readonly wayBack: Pick<WayBackView, 'state' | 'wasGone' | 'wentLiveAt'> | null;
  /** Of all ways back of its server that are open, the run's is the newest. */
  readonly isNewestOpen: boolean;
}

/**
 * What a person may do with a run now, in the order in which people should see it. Pure. An open run can be cancelled, whatever its kind; `undo` of a run
 * that waits before go-live is that cancel under the name people look for.
 */
export function allowedRunActions(situation: RunSituation): readonly RunAction[] {
  return isFinal(situation.state) ? afterTheEnd(situation) : beforeTheEnd(situation);
}

function beforeTheEnd({ cancelRequested, waitingFor, decided, goesLiveWithSet }: RunSituation): readonly RunAction[] {
  // It is live: there is nothing to cancel any more, also where somebody has tried, and the way back is open when the run has ended.
  if (waitingFor === 'sign-off-live') return decided ? [] : ['sign-off'];
  if (cancelRequested) return [];
  if (waitingFor === null || decided || (waitingFor === 'go-live' && goesLiveWithSet)) return ['cancel'];
  return [waitingFor, 'undo', 'cancel'];
}

function afterTheEnd({ wayBack, isNewestOpen }: RunSituation): readonly RunAction[] {
  if (wayBack?.state !== 'open') return [];
  const actions: RunAction[] = [];
  if (isNewestOpen && !wayBack.wasGone) actions.push('undo');
  if (wayBack.wentLiveAt !== null) actions.push('confirm');
  return actions;
}

/**
 * The decision that a request means: people sign off what a run waits for, before go-live or after it. `isDecidedLive`: it was signed off after go-live, and who asks once more
 * means that.
 */
export const decisionMeant = ({ waitingFor }: Pick<RunView, 'waitingFor'>, kind: DecisionKind, isDecidedLive: boolean): DecisionKind =>
  kind === 'sign-off' && (waitingFor === 'sign-off-live' || (waitingFor === null && isDecidedLive)) ? 'sign-off-live' : kind;

/**
 * Of changes that people did not apply again: what is written down with their decision; null: it says nothing of changes. All others that are waited for count as applied, so
 * that an id with a typing error in it would say of the wrong one that the server has it.
 *
 * @param asked ids of the changes that the run waits for
 * @throws REQUEST_INVALID one is named that is not waited for, or any after go-live: it is too late to say so
 */
export function notAppliedWith(
  runId: string,
  kind: DecisionKind,
  notApplied: readonly string[] | undefined,
  asked: readonly string[],
): readonly string[] | null {
  if (kind === 'sign-off') {
    const unknown = (notApplied ?? []).filter((id) => !asked.includes(id));
    if (unknown.length > 0) throw notAskedFor(runId, unknown, asked);
    return notApplied ?? null;
  }
  if (notApplied === undefined || notApplied.length === 0) return null;
  throw new ModosuError('REQUEST_INVALID', 'Configuration changes are signed off before go-live; this run does not wait for that.', {
    hint: 'Sign off without naming changes.',
  });
}

const notAskedFor = (runId: string, unknown: readonly string[], asked: readonly string[]): ModosuError => {
  const waits = asked.length === 0 ? 'of configuration changes it waits for none' : `it waits for ${namesOf(asked, 20)}`;
  return new ModosuError('REQUEST_INVALID', `Run ${runId} waits for no ${namesOf(unknown)}: ${waits}.`, {
    hint: 'Nothing was signed off. Name only changes of these, or none, and sign off again.',
    context: { runId },
  });
};

/**
 * Ids of the changes that a restore leaves to people: those that its plan applies again, without what its programs have.
 *
 * @param body of the plan that it carries out
 * @param applied in this run
 */
export function changesToSignOff(body: PlanBody | null, applied: readonly string[]): readonly string[] {
  if (body?.scenario !== 'server' || body.appliesChanges !== true) return [];
  return (body.lostChanges?.changes ?? []).map(({ id }) => id).filter((id) => !applied.includes(id));
}

/**
 * Whether a decision of a person is still to be written down; false: it is, and stands.
 *
 * @throws RUN_FINISHED, RUN_NOT_WAITING
 */
export function mustBeDecided(run: Pick<RunView, 'id' | 'state' | 'waitingFor' | 'cancelRequested'>, kind: DecisionKind, isDecided: boolean): boolean {
  if (isFinal(run.state)) throw runFinished(run);
  if (isDecided) return false;
  const context = { runId: run.id, state: run.state };
  // After go-live a cancel has come too late, and the run goes on waiting.
  if (run.cancelRequested && kind !== 'sign-off-live') {
    throw new ModosuError('RUN_NOT_WAITING', `Run ${run.id} is being cancelled: it does not go live any more.`, { context });
  }
  if (run.waitingFor !== kind) throw new ModosuError('RUN_NOT_WAITING', `Run ${run.id} does not wait for "${kind}".`, { context });
  return true;
}

export const runFinished = ({ id, state }: Pick<RunView, 'id' | 'state'>): ModosuError =>
  new ModosuError('RUN_FINISHED', `Run ${id} has ended already: ${state}.`, { context: { runId: id, state } });
