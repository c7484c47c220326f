import { ModosuError } from '../contracts/errors';
import { isFinal, type DecisionKind, type RunAction, type RunView } from '../contracts/run';
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
  if (cancelRequested) return [];
  if (waitingFor === null || decided || (waitingFor === 'go-live' && goesLiveWithSet)) return ['cancel'];
  // It is live: there is nothing to cancel any more, and the way back is open when the run has ended.
  return waitingFor === 'sign-off-live' ? ['sign-off'] : [waitingFor, 'undo', 'cancel'];
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
 * Whether a decision of a person is still to be written down; false: it is, and stands.
 *
 * @throws RUN_FINISHED, RUN_NOT_WAITING
 */
export function mustBeDecided(run: Pick<RunView, 'id' | 'state' | 'waitingFor' | 'cancelRequested'>, kind: DecisionKind, isDecided: boolean): boolean {
  if (isFinal(run.state)) throw runFinished(run);
  if (isDecided) return false;
  const context = { runId: run.id, state: run.state };
  if (run.cancelRequested) throw new ModosuError('RUN_NOT_WAITING', `Run ${run.id} is being cancelled: it does not go live any more.`, { context });
  if (run.waitingFor !== kind) throw new ModosuError('RUN_NOT_WAITING', `Run ${run.id} does not wait for "${kind}".`, { context });
  return true;
}

export const runFinished = ({ id, state }: Pick<RunView, 'id' | 'state'>): ModosuError =>
  new ModosuError('RUN_FINISHED', `Run ${id} has ended already: ${state}.`, { context: { runId: id, state } });
