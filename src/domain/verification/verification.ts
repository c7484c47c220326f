import type { ErrorSummary } from '../../contracts/errors';
import { isId } from '../../contracts/ids';
import type { RecoveryPointState } from '../../contracts/recovery-point';
import type { Damage, ReadingMethod, RecoveryPointVerification, VerificationOutcome } from '../../contracts/verification';
import { SKEW_MS } from '../clock-skew';

/** When stored recovery points are read again, and what that says about them. Pure. */

/** What says that stored bytes are not what was written. */
const DAMAGE: ReadonlySet<string> = new Set(['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE']);
/** What says that their place is away. */
export const AWAY: ReadonlySet<string> = new Set(['REPOSITORY_UNREACHABLE', 'DATA_REPOSITORY_UNREACHABLE']);

export const isDamage = ({ code }: { readonly code: string }): boolean => DAMAGE.has(code);

/** What is written down of an error that is damage; null: it is none. */
export function damageOf({ code, message, context }: ErrorSummary): Damage | null {
  if (!DAMAGE.has(code)) return null;
  const { file, recoveryPointId: named } = context ?? {};
  return {
    code: code as Damage['code'],
    message,
    ...(typeof file === 'string' && file !== '' ? { file } : {}),
    ...(isId('rp', named) ? { named } : {}),
  };
}

/** How a verification ends that was stopped by this error. */
export const outcomeOf = (error: ErrorSummary): VerificationOutcome => ({ state: isDamage(error) ? 'failed' : 'not-run', error });

export interface VerificationFacts {
  readonly state: RecoveryPointState;
  readonly stateReason: string | null;
  readonly verifiedAt: Date | null;
  readonly verifiedBy: ReadingMethod | null;
  readonly checkedAt: Date | null;
  readonly checkProblem: { readonly code: string; readonly message: string } | null;
}

/** What is known of a recovery point by reading it. */
export function verificationOf({
  state,
  stateReason,
  verifiedAt,
  verifiedBy,
  checkedAt,
  checkProblem,
}: VerificationFacts): Omit<RecoveryPointVerification, 'boot'> {
  const passed = { method: verifiedBy, at: verifiedAt?.toISOString() ?? null };
  const at = checkedAt?.toISOString() ?? null;
  if (state === 'damaged') {
    // Found by a restore or a plan: nobody has looked since.
    const problem = checkProblem ?? { code: 'RECOVERY_POINT_CORRUPT', message: stateReason ?? 'It was found damaged.' };
    return { state: 'corrupt', ...passed, problem: { ...problem, at } };
  }
  const problem = checkProblem === null || at === null ? null : { ...checkProblem, at };
  if (problem !== null && AWAY.has(problem.code)) return { state: 'unreachable', ...passed, problem };
  return { state: verifiedAt === null ? 'unverified' : 'verified', ...passed, problem };
}

/** What could not be carried out is tried again after this. */
export const AGAIN_AFTER_MS = 6 * 3_600_000;
/** A repository that was away is left alone for so long, unless somebody asks. */
export const AWAY_FOR_MS = 15 * 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What the moments of a recovery point are compared with when it is asked whether it is time to read it again. */
export interface DueMoments {
  /** What was written down for a moment after this one, a clock that was wrong has written: it counts as never. */
  readonly latest: Date;
  /** Whoever was looked at after this one is left alone, however that has ended. */
  readonly checkedUntil: Date;
  /** Whoever was read until this one, `everyDays` days of 24 hours back, is read again. */
  readonly verifiedUntil: Date;
}

/** For one moment, and one interval of a policy. Infinity: what was read once is never due again. */
export const dueMoments = (everyDays: number, now: Date): DueMoments => ({
  latest: new Date(now.getTime() + SKEW_MS),
  checkedUntil: new Date(now.getTime() - AGAIN_AFTER_MS),
  verifiedUntil: new Date(Math.max(now.getTime() - everyDays * DAY_MS, EARLIEST_MS)),
});

/** The first moment that a `Date` can be. */
const EARLIEST_MS = -8.64e15;

/** Whether it is time to read it (again): never read, read too long ago, or by a clock that was wrong. */
export function isDueForVerification({ verifiedAt, checkedAt }: Pick<VerificationFacts, 'verifiedAt' | 'checkedAt'>, everyDays: number, now: Date): boolean {
  const { latest, checkedUntil, verifiedUntil } = dueMoments(everyDays, now);
  const isOver = (moment: Date | null, until: Date): boolean => moment === null || moment <= until || moment > latest;
  return isOver(verifiedAt, verifiedUntil) && isOver(checkedAt, checkedUntil);
}

/** restic divides what it reads into so many parts at most. */
const MOST_PARTS = 256;

/** Data is read part by part, so that all of it is read every so many days. One that could not be carried out is read again. */
export function partToRead(readBefore: number, everyDays: number): { readonly number: number; readonly of: number } {
  const of = Math.min(everyDays, MOST_PARTS);
  return { number: (readBefore % of) + 1, of };
}

/**
 * Whether all data of a server is looked at (again): once a day, sooner where something new waits for it, so that it is verified in the time that is promised;
 * later where that could not be carried out.
 *
 * @param last the last one that has ended; null: there was none
 */
export function isDataDue(
  last: { readonly startedAt: Date | null; readonly finishedAt: Date; readonly wasCarriedOut: boolean } | null,
  { withinHours, hasNew }: { readonly withinHours: number; readonly hasNew: boolean },
  now: Date,
): boolean {
  if (last === null) return true;
  const since = (last.wasCarriedOut ? last.startedAt : null) ?? last.finishedAt;
  const ageMs = now.getTime() - since.getTime();
  if (ageMs < -SKEW_MS) return true;
  if (!last.wasCarriedOut) return ageMs >= Math.min(AGAIN_AFTER_MS, (withinHours * HOUR_MS) / 4);
  // A little less than a day: it must not come later each day.
  return ageMs >= Math.min(23 * HOUR_MS, hasNew ? (withinHours * HOUR_MS) / 2 : Infinity);
}
