import type { ErrorSummary } from '../../contracts/errors';
import type { HealthCheck } from '../../contracts/protection';
import type { Schedule } from '../../contracts/policy';
import type { RecoveryPointBoot, VerificationOutcome } from '../../contracts/verification';
import { knownNewestDue, knownNextDue } from '../schedules/schedule';
import { isDamage } from './verification';

/** When the newest image of a server is booted for a proof, and what that says. Pure. */

/** What says that the image does not come up as a server: all else says only that nobody could try. */
const NOT_BOOTED: ReadonlySet<string> = new Set(['START_FAILED', 'AGENT_SILENT', 'AGENT_ABSENT', 'HEALTH_CHECK_FAILED', 'GUEST_COMMAND_FORBIDDEN']);

/** Whether a proof that was stopped by this was carried out. */
export const saysNotBooted = (error: Pick<ErrorSummary, 'code'>): boolean => NOT_BOOTED.has(error.code) || isDamage(error);

/** How a proof ends that was stopped by this error. */
export const bootOutcomeOf = (error: ErrorSummary): VerificationOutcome => ({ state: saysNotBooted(error) ? 'failed' : 'not-run', error });

/**
 * Whether a check can be made of an image that is booted without any network: one that the agent makes in the guest. Connections come from outside; and where
 * programs are run over SSH, so do they.
 */
export const isWithoutNetwork = ({ kind }: Pick<HealthCheck, 'kind'>, runsOverSsh: boolean): boolean => kind !== 'tcp' && !runsOverSsh;

export interface BootFacts {
  readonly bootAt: Date | null;
  readonly bootSeconds: number | null;
  readonly bootProblem: { readonly code: string; readonly message: string } | null;
}

/** What is known of a recovery point by booting it. */
export const bootOf = ({ bootAt, bootSeconds, bootProblem }: BootFacts): RecoveryPointBoot | null =>
  bootAt === null ? null : { state: bootProblem === null ? 'passed' : 'failed', at: bootAt.toISOString(), seconds: bootSeconds, problem: bootProblem };

/** What is known of the boots of a server's newest image. Of the past: what lies ahead was written by a clock that was wrong. */
export interface LastBoots {
  /** When the last one began that was carried out; null: none was. */
  readonly carriedOutAt: Date | null;
  /** The last one that a schedule has asked for and that could not be tried; null: there was none. */
  readonly notTried: { readonly startedAt: Date; readonly finishedAt: Date } | null;
}

/** When a policy has images booted. */
export interface BootPromise {
  readonly schedule: Schedule;
  readonly timeZone: string;
  /** Since when it says so of this server, and there is an image. */
  readonly since: Date;
}

/** What could not be tried at its time is tried again each hour for so long; then the next time is soon enough. */
const AGAIN_EVERY_MS = 60 * 60_000;
const AGAIN_FOR_MS = 6 * 60 * 60_000;

/**
 * Whether the newest image of a server is to be booted: a time of the schedule has come since the last proof, and was not answered. What was missed while
 * nothing ran is caught up once.
 */
export function isBootDue({ carriedOutAt, notTried }: LastBoots, promise: BootPromise, now: Date): boolean {
  const after = carriedOutAt === null || carriedOutAt < promise.since ? promise.since : carriedOutAt;
  const due = knownNewestDue(promise.schedule, promise.timeZone, after, now);
  if (due === null) return false;
  if (notTried === null || notTried.startedAt < due) return true;
  return now.getTime() - notTried.finishedAt.getTime() >= AGAIN_EVERY_MS && now.getTime() - due.getTime() < AGAIN_FOR_MS;
}

/**
 * Since when a proof is overdue; null: it is not. It is when it was to be made longer ago than new recovery points are to be verified.
 *
 * @param after the last one that passed, or, later, since when it is promised, or there is an image
 */
export function bootOverdueSince(after: Date, promise: Omit<BootPromise, 'since'>, withinHours: number, now: Date): Date | null {
  const due = firstAfter(after, promise);
  if (due === null) return null;
  const since = new Date(due.getTime() + withinHours * 3_600_000);
  return since < now ? since : null;
}

const firstAfter = (after: Date, { schedule, timeZone }: Omit<BootPromise, 'since'>): Date | null => knownNextDue(schedule, timeZone, after)[0] ?? null;
