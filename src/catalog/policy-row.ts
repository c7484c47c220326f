import { DEFAULT_MAX_INCREMENTS, type ImagePolicy, type Policy } from '../contracts/policy';
import type { RecoveryPointKind } from '../contracts/recovery-point';
import { canonicalJson } from '../domain/canonical-json';
import type { PolicyRow } from './entities';

/** Policies between the estate and their table. Pure. */

/** What a program of an earlier version has written says nothing of incrementals. */
const NOT_KNOWN_BEFORE: Pick<ImagePolicy, 'maxIncrements'> = { maxIncrements: DEFAULT_MAX_INCREMENTS };

export const policyRecord = ({ name, timeZone, image, data, verification, offsite, rtoMinutes }: PolicyRow): Policy => ({
  name,
  timeZone,
  image: image === null ? null : { ...NOT_KNOWN_BEFORE, ...image },
  data,
  verification,
  offsite,
  rtoMinutes,
});

/** The row of a declared policy; the moment since which a schedule holds moves only with the schedule. */
export function policyRow(policy: Policy, before: PolicyRow | undefined, now: Date): PolicyRow {
  const since = (kind: RecoveryPointKind, was: Date | undefined): Date =>
    before !== undefined && was !== undefined && timing(before, kind) === timing(policy, kind) ? was : now;
  const promised = ({ timeZone, verification }: Pick<Policy, 'timeZone' | 'verification'>): string =>
    canonicalJson([verification === null || verification.boot === null ? null : timeZone, verification]);
  const verificationSince = before !== undefined && promised(before) === promised(policy) ? before.verificationSince : now;
  const offsiteSince = before !== undefined && canonicalJson(before.offsite) === canonicalJson(policy.offsite) ? before.offsiteSince : now;
  return {
    ...policy,
    imageSince: since('image', before?.imageSince),
    dataSince: since('data', before?.dataSince),
    verificationSince,
    offsiteSince: policy.offsite === null ? null : offsiteSince,
  };
}

const timing = (policy: Policy, kind: RecoveryPointKind): string => canonicalJson([policy.timeZone, policy[kind]?.schedule ?? null]);
