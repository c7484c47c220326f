import { ModosuError, type ErrorSummary } from '../../contracts/errors';
import { RUN_KIND_OF, type PlanBody, type PlanScenario, type PlanState } from '../../contracts/plan';
import type { AcceptedFindings } from '../../contracts/workflows';
import { acceptFindings, NOTHING_ACCEPTED, type FindingsRequest } from './accepted-findings';
import { whyNoHold } from './hold';

/** Whether a plan may be carried out. Pure: the catalogue locks what is asked for here. */

export interface PlanForAcceptance {
  readonly id: string;
  readonly state: PlanState;
  readonly scenario: PlanScenario;
  readonly undoesRunId: string | null;
  readonly hash: string | null;
  /** Canonical JSON. */
  readonly body: string | null;
  readonly error: ErrorSummary | null;
  readonly runId: string | null;
}

export const runKindOf = ({ scenario }: Pick<PlanForAcceptance, 'scenario'>): 'restore-server' | 'restore-data' | 'undo' => RUN_KIND_OF[scenario];

export interface UsablePlan {
  readonly body: PlanBody;
  readonly hash: string;
  /** What stood against it and was accepted; null: nothing did. */
  readonly accepted: AcceptedFindings | null;
}

/** What a person says when they have a plan carried out. */
export interface PlannedRequest {
  /** What they typed; must be the server's name (`CONFIRMATION_MISMATCH`). */
  readonly confirm: string;
  /** Restores only: stop before go-live. */
  readonly hold: boolean;
  /** What of the plan's findings is accepted. Absent: nothing. */
  readonly findings?: FindingsRequest;
  /** The restore set by which it is carried out. A plan of a set is carried out by that alone (`PLAN_IN_SET`). Absent: by itself. */
  readonly restoreSetId?: string;
}

interface Means {
  /** As the plan was hashed: SHA-256, lower-case hex. */
  readonly hashOf: (text: string) => string;
  /** What others have typed, cut to so many bytes, as it can be stored and shown. */
  readonly storableText: (text: string, maxBytes: number) => string;
}

/**
 * The body of a plan that may be carried out: the gate of every restore and every undo. Throws `REQUEST_INVALID` (an undo cannot be held), `PLAN_NOT_READY`, `PLAN_FAILED`, `PLAN_ALREADY_USED`,
 * `PLAN_STALE` (the stored plan was edited), `PLAN_IN_SET`, `REQUEST_INVALID` (an override of nothing), `PLAN_BLOCKED`, `PLAN_NOT_ACKNOWLEDGED`, `CONFIRMATION_MISMATCH`, in this order.
 */
export function usablePlan(
  plan: PlanForAcceptance,
  server: { readonly name: string },
  { confirm, hold, findings = NOTHING_ACCEPTED, restoreSetId }: PlannedRequest,
  { hashOf, storableText }: Means,
): UsablePlan {
  const context = { planId: plan.id };
  const noHold = whyNoHold(plan.scenario);
  if (hold && noHold !== null) throw new ModosuError('REQUEST_INVALID', `hold ${noHold}.`, { hint: 'Leave hold out.', context });
  if (plan.state === 'planning') throw new ModosuError('PLAN_NOT_READY', `Plan ${plan.id} is still being made.`, { context });
  if (plan.state === 'failed') {
    throw new ModosuError('PLAN_FAILED', `Plan ${plan.id} could not be made: ${plan.error?.message ?? 'the cause is not known'}`, { context });
  }
  if (plan.state === 'used') {
    const runId = plan.runId ?? '';
    throw new ModosuError('PLAN_ALREADY_USED', `Plan ${plan.id} was carried out by run ${runId}.`, { context: { ...context, runId } });
  }
  if (plan.body === null || plan.hash === null || hashOf(plan.body) !== plan.hash) {
    throw new ModosuError('PLAN_STALE', `Plan ${plan.id} no longer has the hash it was given: it was changed in the database after it was made.`, { context });
  }
  const body = JSON.parse(plan.body) as PlanBody;
  if (!isBodyOf(plan, body)) {
    throw new ModosuError('PLAN_STALE', `Plan ${plan.id} is not the plan that was asked for: it was changed in the database after it was made.`, { context });
  }
  if (body.scenario === 'server' && body.restoreSet !== undefined && body.restoreSet.id !== restoreSetId) {
    throw new ModosuError('PLAN_IN_SET', `Plan ${plan.id} belongs to restore set ${body.restoreSet.id}: it is carried out with the others, or not at all.`, {
      context: { ...context, setId: body.restoreSet.id },
    });
  }
  const accepted = acceptFindings(plan.id, body.findings, findings);
  if (confirm !== server.name) {
    throw new ModosuError(
      'CONFIRMATION_MISMATCH',
      `The plan changes server "${server.name}", but "${storableText(confirm, 128)}" was typed. Nothing was started.`,
      { context },
    );
  }
  return { body, hash: plan.hash, accepted };
}

/** Whether a plan's content is of the kind, and about the run, that its row says. */
export const isBodyOf = ({ id, scenario, undoesRunId }: Pick<PlanForAcceptance, 'id' | 'scenario' | 'undoesRunId'>, body: PlanBody): boolean =>
  body.planId === id && body.scenario === scenario && (body.scenario !== 'undo' || body.undoes.runId === undoesRunId);
