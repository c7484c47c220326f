import type { AlertFacts, Condition } from '../../contracts/alert';
import type { Breach } from '../../contracts/protection-status';

/** What people are told of without looking, and when a message is tried again. Pure. */

/**
 * All conditions that hold. Keys are unique. Of a server that is out of service nobody is told what its backups and recovery points are; a restore of it that
 * waits for a person was begun by one, and still waits.
 */
export function conditionsOf(
  breaches: readonly Breach[],
  facts: AlertFacts,
  nameOf: (serverId: string) => string,
  isInService: (serverId: string) => boolean,
): readonly Condition[] {
  const ofService = ({ serverId }: { readonly serverId: string }): boolean => isInService(serverId);
  return [
    ...breaches.filter(ofService).map(({ code, serverId, kind, dataSet, message, hint }): Condition => ({
      key: ['breach', code, serverId, kind ?? '', dataSet ?? ''].join(' '),
      kind: 'breach',
      code,
      serverId,
      runId: null,
      message,
      hint,
    })),
    ...facts.failedRuns.filter(ofService).map(({ serverId, kind, runId, code, message }): Condition => ({
      // A run that fails again is the same condition: nobody is told every hour.
      key: `run-failed ${serverId} ${kind}`,
      kind: 'run-failed',
      code,
      serverId,
      runId,
      message: `The last run of kind ${kind} of server "${nameOf(serverId)}" failed: ${message}`,
      hint: `See \`modosu run show ${runId}\`.`,
    })),
    ...facts.waitingRuns.map((run) => waitingOne(run, nameOf(run.serverId))),
    ...damagedOnes(facts.damaged.filter(ofService), nameOf),
  ];
}

/** A restore that waits for one thing after the other is two conditions: whoever has seen to the first is told of the second. */
function waitingOne({ serverId, runId, waitingFor }: AlertFacts['waitingRuns'][number], name: string): Condition {
  const stop = `or \`modosu run cancel ${runId}\`.`;
  if (waitingFor === 'sign-off') {
    return {
      key: `sign-off ${runId}`,
      kind: 'waiting',
      code: 'WAITING_FOR_SIGN_OFF',
      serverId,
      runId,
      message: `A restore of server "${name}" waits for somebody to do what no program does, such as applying configuration changes again, or could not do, such as setting a password.`,
      hint: `\`modosu run show ${runId}\` names them; then \`modosu run sign-off ${runId} --reason TEXT\`, ${stop}`,
    };
  }
  if (waitingFor === 'sign-off-live') {
    return {
      key: `sign-off-live ${runId}`,
      kind: 'waiting',
      code: 'WAITING_FOR_SIGN_OFF',
      serverId,
      runId,
      message: `Server "${name}" is restored and live, and its peers do not work with it before somebody has done what its rules ask for.`,
      hint: `\`modosu run show ${runId}\` says what; then \`modosu run sign-off ${runId} --reason TEXT\`.`,
    };
  }
  return {
    key: `waiting ${runId}`,
    kind: 'waiting',
    code: 'WAITING_FOR_GO_LIVE',
    serverId,
    runId,
    message: `A restore of server "${name}" waits for somebody to say that it may go live.`,
    hint: `Look at the server, then \`modosu run go-live ${runId} --reason TEXT\`, ${stop}`,
  };
}

/** What is damaged only because of what it builds on is told of under the name of that: it is one thing that has happened, and one message. */
function damagedOnes(damaged: AlertFacts['damaged'], nameOf: (serverId: string) => string): readonly Condition[] {
  const groups = new Map<string, AlertFacts['damaged'][number][]>();
  for (const one of damaged) {
    const origin = one.origin ?? one.recoveryPointId;
    groups.set(origin, [...(groups.get(origin) ?? []), one]);
  }
  return [...groups].flatMap(([origin, group]) => {
    // The origin may have expired since: what stays is damaged all the same.
    const told = group.find(({ recoveryPointId }) => recoveryPointId === origin) ?? group[0];
    return told === undefined ? [] : [damagedOne(origin, told, group.length - 1, nameOf(told.serverId))];
  });
}

const damagedOne = (origin: string, { serverId, recoveryPointId, why }: AlertFacts['damaged'][number], others: number, serverName: string): Condition => ({
  key: `damaged ${origin}`,
  kind: 'damaged',
  code: 'RECOVERY_POINT_DAMAGED',
  serverId,
  runId: null,
  message: `Recovery point ${recoveryPointId} of server "${serverName}" is damaged${others === 0 ? '' : `, and ${others} more of its chain`}${why === null ? '' : `: ${why}`}.`,
  hint: `See \`modosu recovery-point show ${origin}\`, and take a new backup.`,
});

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
