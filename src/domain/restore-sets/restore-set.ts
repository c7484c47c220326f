import type { RestoreSetMember, RestoreSetState } from '../../contracts/restore-set';
import { isFinal, type DecisionKind, type RunState } from '../../contracts/run';
import { namesOf } from '../../contracts/text';

/** How the runs of a set wait for each other, and what comes next. Pure. */

export interface SetRun {
  readonly runId: string;
  readonly serverName: string;
  readonly state: RunState;
  readonly waitingFor: DecisionKind | null;
  readonly cancelRequested: boolean;
  /** Its go-live stands as a decision. */
  readonly isDecided: boolean;
  /** Its production network is up. */
  readonly isLive: boolean;
}

export type SetMove =
  | { readonly kind: 'wait' }
  | { readonly kind: 'go-live'; readonly runId: string }
  | { readonly kind: 'cancel'; readonly runIds: readonly string[]; readonly why: string }
  | { readonly kind: 'end'; readonly state: 'succeeded' | 'failed' | 'stopped'; readonly problem: string | null };

const WAIT: SetMove = { kind: 'wait' };

/**
 * What is done next. Nothing goes live before all old instances are stopped and replaced, and all restored ones wait in quarantine; then one after the other, each when
 * the one before has succeeded. One that fails or is cancelled before anything is live takes the others with it; later ones are left for people, who may know better.
 *
 * @param runs in the order in which they go live
 */
export function nextOfSet(runs: readonly SetRun[]): SetMove {
  if (runs.every(({ state }) => state === 'succeeded')) return { kind: 'end', state: 'succeeded', problem: null };
  const lost = runs.filter(({ state, cancelRequested }) => (isFinal(state) ? state !== 'succeeded' : cancelRequested));
  if (lost.length > 0) return withoutThose(runs, lost);
  const next = runs.find(({ state }) => !isFinal(state));
  if (next === undefined || next.isDecided) return WAIT;
  const isFenced = runs.every(({ state, waitingFor }) => isFinal(state) || waitingFor === 'go-live');
  return isFenced ? { kind: 'go-live', runId: next.runId } : WAIT;
}

function withoutThose(runs: readonly SetRun[], lost: readonly SetRun[]): SetMove {
  const why = `${namesOf(lost.map(({ serverName }) => serverName))} did not come through.`;
  // It may go live at this very moment: what to do with the others, and what to say of it, is known when it has, or has not.
  if (runs.some(({ isDecided, isLive, state }) => isDecided && !isLive && !isFinal(state))) return WAIT;
  const live = runs.filter(({ isLive }) => isLive);
  if (live.length > 0) {
    const waiting = runs.filter((run) => !isFinal(run.state) && !run.isLive && !run.cancelRequested);
    const problem = `${why} ${namesOf(live.map(({ serverName }) => serverName))} had gone live.${leftToPeople(waiting)}${notProven(live, lost)}`;
    return { kind: 'end', state: 'stopped', problem };
  }
  const open = runs.filter(({ state }) => !isFinal(state));
  if (open.length === 0) return { kind: 'end', state: 'failed', problem: `${why} Nothing went live: every old instance was put back, as far as its run says.` };
  const runIds = open.filter(({ cancelRequested }) => !cancelRequested).map(({ runId }) => runId);
  return runIds.length === 0 ? WAIT : { kind: 'cancel', runIds, why };
}

function leftToPeople(waiting: readonly SetRun[]): string {
  if (waiting.length === 0) return '';
  const names = namesOf(waiting.map(({ serverName }) => serverName));
  return ` ${names} wait${waiting.length === 1 ? 's' : ''} in quarantine: go live or cancel, each by itself; what is live is proven to work with one that goes live, and with none that is cancelled.`;
}

/** Of two servers the run of the later one asks the rules of both. Where it has not come so far, nobody has asked those of the earlier one, nor will anybody. */
function notProven(live: readonly SetRun[], lost: readonly SetRun[]): string {
  const away = lost.filter(({ isLive }) => !isLive).map(({ serverName }) => serverName);
  if (away.length === 0) return '';
  const [ofLive, ofAway] = [namesOf(live.map(({ serverName }) => serverName)), namesOf(away)];
  const lists = away.map((name) => `\`modosu relation list --server ${name}\``).join(', ');
  return ` That ${ofLive} work${live.length === 1 ? 's' : ''} with ${ofAway} was proven by no run, not even what can be seen of ${ofLive} alone, and no later restore of ${ofAway} asks for it: ${lists} says what is declared between them, \`modosu profile show PROFILE\` what to look at by hand (its rules of the phase live).`;
}

/** How a set stands. `stored`: what is written down of it. */
export function stateOfSet(
  stored: Exclude<RestoreSetState, 'planning'>,
  members: readonly Pick<RestoreSetMember, 'planState' | 'serverName'>[],
): { readonly state: RestoreSetState; readonly problem: string | null } {
  if (stored !== 'planned') return { state: stored, problem: null };
  const failed = members.filter(({ planState }) => planState === 'failed');
  if (failed.length > 0) return { state: 'failed', problem: `The plan of ${namesOf(failed.map(({ serverName }) => serverName))} could not be made.` };
  return { state: members.some(({ planState }) => planState === 'planning') ? 'planning' : 'planned', problem: null };
}
