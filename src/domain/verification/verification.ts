import type { ErrorSummary } from '../../contracts/errors';
import type { RecoveryPointState } from '../../contracts/recovery-point';
import type { RecoveryPointVerification, VerificationMethod, VerificationOutcome } from '../../contracts/verification';
import { SKEW_MS } from '../clock-skew';

/** When stored recovery points are read again, and what that says about them. Pure. */

/** What says that stored bytes are not what was written. */
const DAMAGE: ReadonlySet<string> = new Set(['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE']);
/** What says that their place is away. */
const AWAY: ReadonlySet<string> = new Set(['REPOSITORY_UNREACHABLE', 'DATA_REPOSITORY_UNREACHABLE']);

export const isDamage = ({ code }: Pick<ErrorSummary, 'code'>): boolean => DAMAGE.has(code);

/** How a verification ends that was stopped by this error. */
export const outcomeOf = (error: ErrorSummary): VerificationOutcome => ({ state: isDamage(error) ? 'failed' : 'not-run', error });

export interface VerificationFacts {
  readonly state: RecoveryPointState;
  readonly stateReason: string | null;
  readonly verifiedAt: Date | null;
  readonly verifiedBy: VerificationMethod | null;
  readonly checkedAt: Date | null;
  readonly checkProblem: { readonly code: string; readonly message: string } | null;
}

/** What is known of a recovery point. */
export function verificationOf({ state, stateReason, verifiedAt, verifiedBy, checkedAt, checkProblem }: VerificationFacts): RecoveryPointVerification {
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
const DAY_MS = 86_400_000;

/** Whether it is time to read it (again): never read, read too long ago, or by a clock that was wrong. */
export function isDueForVerification({ verifiedAt, checkedAt }: Pick<VerificationFacts, 'verifiedAt' | 'checkedAt'>, everyDays: number, now: Date): boolean {
  const ageMs = (moment: Date | null): number => {
    if (moment === null) return Infinity;
    const age = now.getTime() - moment.getTime();
    return age < -SKEW_MS ? Infinity : age;
  };
  return ageMs(verifiedAt) >= everyDays * DAY_MS && ageMs(checkedAt) >= AGAIN_AFTER_MS;
}

/** Data is read part by part, a part each day, so that all of it is read every so many days. One that failed or could not be carried out is read again. */
export const partToRead = (passedBefore: number, everyDays: number): { readonly number: number; readonly of: number } => ({
  number: (passedBefore % everyDays) + 1,
  of: everyDays,
});
