import { ModosuError } from '../contracts/errors';
import type { Policy } from '../contracts/policy';
import { keepsNothing } from './retention/retention';
import { longestGapMs, requirePossible, requireTimeZone } from './schedules/schedule';

/**
 * Refuses a policy that cannot be meant. Throws `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID` (see `requirePossible`), `RETENTION_KEEPS_NOTHING`, `POLICY_INVALID`
 * (two declarations of the policy that contradict each other).
 */
export function requireSensiblePolicy(policy: Policy): void {
  requireTimeZone(policy.timeZone, `policy "${policy.name}"`);
  for (const kind of ['image', 'data'] as const) {
    const of = policy[kind];
    if (of === null) continue;
    const whose = `the ${kind} backups of policy "${policy.name}"`;
    requirePossible(of.schedule, policy.timeZone, whose);
    if (keepsNothing(of.retention)) {
      throw new ModosuError('RETENTION_KEEPS_NOTHING', `The retention of ${whose} keeps nothing: all its rules are 0.`, {
        context: { policy: policy.name, kind },
      });
    }
    const gapHours = longestGapMs(of.schedule, policy.timeZone) / 3_600_000;
    if (of.rpoHours !== null && of.rpoHours < gapHours) {
      throw contradiction(
        policy.name,
        `promises a recovery point of ${kind === 'image' ? 'the disks' : 'data'} every ${of.rpoHours} h (rpoHours), but up to ${Math.ceil(gapHours)} h pass between two backups`,
      );
    }
    if (of.retention.withinDays > MAX_WITHIN_DAYS) throw contradiction(policy.name, `keeps for more than ${MAX_WITHIN_DAYS} days by "withinDays"`);
  }
  const { image } = policy;
  if (image !== null && image.mode === 'offline' && image.allowCrashConsistent) {
    throw contradiction(policy.name, 'says allowCrashConsistent, but takes images of stopped servers, which are always consistent');
  }
}

/** A hundred years: beyond it times cannot be counted. */
const MAX_WITHIN_DAYS = 36_525;

const contradiction = (name: string, why: string): ModosuError =>
  new ModosuError('POLICY_INVALID', `Policy "${name}" ${why}. Nothing was changed.`, { context: { policy: name } });
