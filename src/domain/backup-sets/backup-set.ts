import type { BackupSetInput, BackupSetMember, BackupSetState } from '../../contracts/backup-set';
import { isFinal } from '../../contracts/run';

/** What the members of a set have said so far. */
export interface HeardOfSet {
  /** Runs that wait right before their freeze. */
  readonly ready: ReadonlySet<string>;
  /** Runs that will not come, and why. */
  readonly left: ReadonlyMap<string, string>;
  /** The deadline is over. */
  readonly isOver: boolean;
}

export type SetDecision = { readonly kind: 'wait' } | { readonly kind: 'go' } | { readonly kind: 'give-up'; readonly why: string };

/** All begin, or none: one that will not come decides for all, also when it had been ready before. */
export function decideSet({ members, deadline }: Pick<BackupSetInput, 'members' | 'deadline'>, { ready, left, isOver }: HeardOfSet): SetDecision {
  const gone = members.filter(({ runId }) => left.has(runId));
  if (gone.length > 0) return { kind: 'give-up', why: gone.map(({ runId, serverName }) => `${serverName} is not in it: ${left.get(runId)}`).join(' ') };
  const missing = members.filter(({ runId }) => !ready.has(runId));
  if (missing.length === 0) return { kind: 'go' };
  if (!isOver) return { kind: 'wait' };
  return { kind: 'give-up', why: `${missing.map(({ serverName }) => serverName).join(', ')} had not become ready by ${deadline}.` };
}

/** How a set stands, by its members alone. */
export function judgeSet(members: readonly Pick<BackupSetMember, 'runState' | 'recoveryPointId' | 'pointInTime'>[]): {
  readonly state: BackupSetState;
  readonly spreadMs: number | null;
} {
  if (members.some(({ runState }) => !isFinal(runState))) return { state: 'running', spreadMs: null };
  const moments = members.flatMap(({ pointInTime }) => (pointInTime === null ? [] : [Date.parse(pointInTime)]));
  const taken = members.filter(({ recoveryPointId }) => recoveryPointId !== null).length;
  return {
    state: taken === 0 ? 'failed' : taken < members.length ? 'incomplete' : 'complete',
    spreadMs: moments.length < 2 ? null : Math.max(...moments) - Math.min(...moments),
  };
}
