import { isFinal, type RunAction, type RunView } from '../contracts/run';
import type { WayBackView } from '../contracts/way-back';

/** What decides which actions a run offers. */
export interface RunSituation extends Pick<RunView, 'state' | 'cancelRequested' | 'waitingFor'> {
  /** The decision the run waits for has been written down already. */
  readonly decided: boolean;
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

function beforeTheEnd({ cancelRequested, waitingFor, decided }: RunSituation): readonly RunAction[] {
  if (cancelRequested) return [];
  return waitingFor === 'go-live' && !decided ? ['go-live', 'undo', 'cancel'] : ['cancel'];
}

function afterTheEnd({ wayBack, isNewestOpen }: RunSituation): readonly RunAction[] {
  if (wayBack?.state !== 'open') return [];
  const actions: RunAction[] = [];
  if (isNewestOpen && !wayBack.wasGone) actions.push('undo');
  if (wayBack.wentLiveAt !== null) actions.push('confirm');
  return actions;
}
