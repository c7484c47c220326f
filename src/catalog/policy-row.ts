import type { Policy } from '../contracts/policy';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { canonicalJson } from '../domain/canonical-json';
import type { PolicyRow } from './entities';

/** Policies between the estate and their table. Pure. */

export const policyRecord = ({ name, timeZone, image, data, verification, rtoMinutes }: PolicyRow): Policy => ({
  name,
  timeZone,
  image,
  data,
  verification,
  rtoMinutes,
});

/** The row of a declared policy; the moment since which a schedule holds moves only with the schedule. */
export function policyRow(policy: Policy, before: PolicyRow | undefined, now: Date): PolicyRow {
  const since = (kind: RecoveryPointKind, was: Date | undefined): Date =>
    before !== undefined && was !== undefined && timing(before, kind) === timing(policy, kind) ? was : now;
  const verificationSince = before !== undefined && canonicalJson(before.verification) === canonicalJson(policy.verification) ? before.verificationSince : now;
  return { ...policy, imageSince: since('image', before?.imageSince), dataSince: since('data', before?.dataSince), verificationSince };
}

const timing = (policy: Policy, kind: RecoveryPointKind): string => canonicalJson([policy.timeZone, policy[kind]?.schedule ?? null]);
