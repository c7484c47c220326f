import type { OffsiteCopyState } from '../../contracts/offsite-copies';
import { storableText } from '../../contracts/text';
import { pauseBeforeCopy } from './copies';

/** What becomes of a copy whose transfer has ended before it was whole. Pure. */

interface Problem {
  readonly code: string;
  readonly message: string;
}

export interface StoppedCopy {
  readonly state: Extract<OffsiteCopyState, 'waiting' | 'failed'>;
  /** Failed ones, one after the other. */
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
  readonly problem: Problem | null;
}

/** What is no fault of what is copied: its place is away. */
const AWAY: ReadonlySet<string> = new Set(['OFFSITE_OFFLINE', 'OFFSITE_UNREACHABLE', 'OFFSITE_LOCKED', 'RUN_CANCELLED', 'RUN_ENDED_OUTSIDE']);

const DAMAGE = 'RECOVERY_POINT_CORRUPT';
const NOT_AGAIN = ' It could not be made anew: ';
/** Each attempt reads all of it, and changes nothing as long as nobody has taken away what is damaged. */
const PAUSE_AFTER_DAMAGE_MS = 24 * 3_600_000;

/** @param ended why its transfer has ended; null: it has not failed */
export function afterStop(copy: Pick<StoppedCopy, 'attempts' | 'problem'>, ended: Problem | null, now: Date): StoppedCopy {
  const problem = stillDamaged(copy.problem, ended) ?? ended;
  if (ended === null || AWAY.has(ended.code)) return { state: 'waiting', attempts: copy.attempts, nextAttemptAt: null, problem };
  const attempts = copy.attempts + 1;
  const pauseMs = ended.code === DAMAGE ? Math.max(PAUSE_AFTER_DAMAGE_MS, pauseBeforeCopy(attempts)) : pauseBeforeCopy(attempts);
  return { state: 'failed', attempts, nextAttemptAt: new Date(now.getTime() + pauseMs), problem };
}

/** That a copy is damaged stays known until it is whole: what others share with it is believed otherwise. Null: it was not, or the end says so itself. */
function stillDamaged(known: Problem | null, ended: Problem | null): Problem | null {
  if (known?.code !== DAMAGE || ended?.code === DAMAGE) return null;
  const [damage = ''] = known.message.split(NOT_AGAIN);
  return { code: DAMAGE, message: ended === null ? damage : storableText(`${damage}${NOT_AGAIN}${ended.code}: ${ended.message}`) };
}

/** Found so by a check, or by the attempt to make it again. */
export const isDamagedCopy = ({ state, problem }: { readonly state: OffsiteCopyState; readonly problem: Problem | null }): boolean =>
  state === 'damaged' || (state !== 'deleted' && problem?.code === DAMAGE);
