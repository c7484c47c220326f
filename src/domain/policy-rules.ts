import { ModosuError } from '../contracts/errors';
import type { Policy } from '../contracts/policy';
import { keepsNothing } from './retention/retention';
import { longestGapMs, requirePossible, requireTimeZone, shortestGapMs } from './schedules/schedule';

/**
 * Refuses a policy that cannot be meant. Throws `TIME_ZONE_UNKNOWN`, `SCHEDULE_INVALID` (see `requirePossible`), `RETENTION_KEEPS_NOTHING`, `POLICY_INVALID`
 * (nothing is asked for, or two of its declarations contradict each other).
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
    const gapHours = longestGapMs(of.schedule) / 3_600_000;
    if (of.rpoHours !== null && of.rpoHours < gapHours) {
      throw contradiction(
        policy.name,
        `promises a recovery point of ${kind === 'image' ? 'the disks' : 'data'} every ${of.rpoHours} h (rpoHours), but up to ${Math.ceil(gapHours)} h pass between two backups`,
      );
    }
    if (of.jitterMinutes * 60_000 >= shortestGapMs(of.schedule)) {
      throw contradiction(
        policy.name,
        `spreads ${kind === 'image' ? 'images' : 'data backups'} over ${of.jitterMinutes} min (jitterMinutes), but the next ones are due before that`,
      );
    }
    if (of.retention.withinDays > MAX_WITHIN_DAYS) throw contradiction(policy.name, `keeps for more than ${MAX_WITHIN_DAYS} days by "withinDays"`);
  }
  const { image, verification, offsite } = policy;
  if (offsite !== null) {
    if (keepsNothing(offsite.retention)) {
      throw new ModosuError('RETENTION_KEEPS_NOTHING', `The off-site retention of policy "${policy.name}" keeps nothing: all its rules are 0.`, {
        context: { policy: policy.name, kind: 'offsite' },
      });
    }
    if (offsite.retention.withinDays > MAX_WITHIN_DAYS) throw contradiction(policy.name, `keeps copies for more than ${MAX_WITHIN_DAYS} days by "withinDays"`);
    const copies = [offsite.image ? image : null, offsite.data ? policy.data : null];
    if (copies.every((of) => of === null)) throw contradiction(policy.name, 'has nothing to copy off-site (offsite): it takes none of what is to be copied');
  }
  if (verification !== null && verification.boot !== null) {
    requirePossible(verification.boot, policy.timeZone, `the boot proofs of policy "${policy.name}"`);
    if (image === null) throw contradiction(policy.name, 'has images booted for a proof (verification.boot), but takes none');
  }
  if (image === null && policy.data === null) throw contradiction(policy.name, 'asks for nothing: neither images nor data');
  if (image !== null && image.mode === 'offline' && image.allowCrashConsistent) {
    throw contradiction(policy.name, 'says allowCrashConsistent, but takes images of stopped servers, which are always consistent');
  }
}

/** A hundred years: beyond it times cannot be counted. */
const MAX_WITHIN_DAYS = 36_525;

const contradiction = (name: string, why: string): ModosuError =>
  new ModosuError('POLICY_INVALID', `Policy "${name}" ${why}. Nothing was changed.`, { context: { policy: name } });
