import { ModosuError } from '../../contracts/errors';
import type { Finding } from '../../contracts/plan';
import { namesOf, quoted } from '../../contracts/text';
import type { AcceptedFinding, AcceptedFindings } from '../../contracts/workflows';

/** What a person says about the findings of a plan when they have it carried out. */
export interface FindingsRequest {
  /** Codes of findings that block and are to be overridden, with the reason; null: none. */
  readonly override: { readonly codes: readonly string[]; readonly reason: string } | null;
  /** They know that something is not known, and go on. */
  readonly acknowledgeUnknown: boolean;
}

export const NOTHING_ACCEPTED: FindingsRequest = { override: null, acknowledgeUnknown: false };

/** What a server's relations say of the peers may be overridden: people may know better than a rule. What keeps a restore from working may not. */
export const isOverridable = ({ severity, relation }: Finding): boolean => severity === 'block' && relation !== undefined;

/**
 * What of a plan's findings is accepted with a request; null: there was nothing to accept.
 *
 * @throws PLAN_BLOCKED, PLAN_NOT_ACKNOWLEDGED, REQUEST_INVALID for an override of what does not block, or may not be overridden
 */
export function acceptFindings(planId: string, findings: readonly Finding[], { override, acknowledgeUnknown }: FindingsRequest): AcceptedFindings | null {
  const codes = new Set(override?.codes ?? []);
  const blocking = findings.filter(({ severity }) => severity === 'block');
  for (const code of codes) {
    if (blocking.some((finding) => finding.code === code && isOverridable(finding))) continue;
    const why = blocking.some((finding) => finding.code === code) ? 'keeps the restore itself from working and cannot be overridden' : 'blocks nothing in it';
    throw new ModosuError('REQUEST_INVALID', `Plan ${planId}: ${quoted(code)} ${why}.`, {
      hint: 'Name only codes of findings that block because of a relation; `modosu restore show PLAN` lists them.',
      context: { planId },
    });
  }
  const standing = blocking.filter((finding) => !isOverridable(finding) || !codes.has(finding.code));
  if (standing.length > 0) throw planBlocked(planId, standing);
  const unknown = findings.filter(({ severity }) => severity === 'unknown');
  if (unknown.length > 0 && !acknowledgeUnknown) throw notAcknowledged(planId, unknown);
  const overridden = blocking.map(named);
  if (overridden.length + unknown.length === 0) return null;
  return { overridden, why: overridden.length === 0 ? null : (override?.reason ?? null), acknowledged: unknown.map(named) };
}

const named = ({ code, relation }: Finding): AcceptedFinding => ({ code, relation: relation?.name ?? null, peer: relation?.peer ?? null });

function planBlocked(planId: string, standing: readonly Finding[]): ModosuError {
  const isForPeople = standing.every(isOverridable);
  return new ModosuError('PLAN_BLOCKED', `Plan ${planId} must not be carried out: ${standing.map(({ code, message }) => `${code}: ${message}`).join('; ')}`, {
    ...(isForPeople
      ? {
          hint: `Follow the remedy and plan again. Who knows better overrides it: --override ${[...new Set(standing.map(({ code }) => code))].join(' --override ')} --override-reason "WHY".`,
        }
      : {}),
    context: { planId, findings: standing.map(({ code }) => code) },
  });
}

const notAcknowledged = (planId: string, unknown: readonly Finding[]): ModosuError =>
  new ModosuError('PLAN_NOT_ACKNOWLEDGED', `Plan ${planId} rests on what is not known: ${namesOf(unknown.map(({ code, message }) => `${code}: ${message}`))}`, {
    context: { planId, findings: unknown.map(({ code }) => code) },
  });
