import type { AlertFacts, Condition } from '../../contracts/alert';
import type { Breach } from '../../contracts/protection-status';

/** What people are told of without looking, and when a message is tried again. Pure. */

/** All conditions that hold. Keys are unique. */
export function conditionsOf(breaches: readonly Breach[], facts: AlertFacts, nameOf: (serverId: string) => string): readonly Condition[] {
  return [
    ...breaches.map(({ code, serverId, kind, dataSet, message, hint }): Condition => ({
      key: ['breach', code, serverId, kind ?? '', dataSet ?? ''].join(' '),
      kind: 'breach',
      code,
      serverId,
      runId: null,
      message,
      hint,
    })),
    ...facts.failedRuns.map(({ serverId, kind, runId, code, message }): Condition => ({
      // A run that fails again is the same condition: nobody is told every hour.
      key: `run-failed ${serverId} ${kind}`,
      kind: 'run-failed',
      code,
      serverId,
      runId,
      message: `The last run of kind ${kind} of server "${nameOf(serverId)}" failed: ${message}`,
      hint: `See \`modosu run show ${runId}\`.`,
    })),
    ...facts.waitingRuns.map(({ serverId, runId }): Condition => ({
      key: `waiting ${runId}`,
      kind: 'waiting',
      code: 'WAITING_FOR_GO_LIVE',
      serverId,
      runId,
      message: `A restore of server "${nameOf(serverId)}" waits for somebody to say that it may go live.`,
      hint: `Look at the server, then \`modosu run go-live ${runId} --reason TEXT\`, or \`modosu run cancel ${runId}\`.`,
    })),
    ...facts.damaged.map(({ serverId, recoveryPointId, why }): Condition => ({
      key: `damaged ${recoveryPointId}`,
      kind: 'damaged',
      code: 'RECOVERY_POINT_DAMAGED',
      serverId,
      runId: null,
      message: `Recovery point ${recoveryPointId} of server "${nameOf(serverId)}" is damaged${why === null ? '' : `: ${why}`}.`,
      hint: `See \`modosu recovery-point show ${recoveryPointId}\`, and take a new backup.`,
    })),
  ];
}

/** What begins, and which alerts are over. One that goes on stays what it was, whatever its message says by now. */
export function alertChanges<Open extends { readonly key: string }>(
  open: readonly Open[],
  conditions: readonly Condition[],
): { readonly raise: readonly Condition[]; readonly clear: readonly Open[] } {
  const [known, holds] = [new Set(open.map(({ key }) => key)), new Set(conditions.map(({ key }) => key))];
  return { raise: conditions.filter(({ key }) => !known.has(key)), clear: open.filter(({ key }) => !holds.has(key)) };
}

const FIRST_PAUSE_MS = 30_000;
export const LONGEST_PAUSE_MS = 3_600_000;
/** With the pauses between them that is a day at least; longer where many wait for the same receiver. */
export const MAX_ATTEMPTS = 30;

/** A message about something that has been over for so long is told to nobody any more. */
export const OUTDATED_AFTER_MS = 24 * 3_600_000;

/** How long after its `attempts`-th attempt a message is tried again: twice as long each time, up to an hour. */
export const pauseAfter = (attempts: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, Math.min(20, attempts - 1)));

/** A time to come that lies further ahead than any pause was set by a clock that was wrong. */
export const isDueForSending = (nextAttemptAt: Date, now: Date): boolean => {
  const aheadMs = nextAttemptAt.getTime() - now.getTime();
  return aheadMs <= 0 || aheadMs > LONGEST_PAUSE_MS;
};
