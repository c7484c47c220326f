import { ModosuError } from '../../src/contracts/errors';
import type { PlanBody } from '../../src/contracts/plan';
import { planning } from './activities';

/** The plan a run carries out, if it is the one that was accepted and of the right kind. Throws `PLAN_STALE`. */
export async function loadPlanOf<S extends PlanBody['scenario']>(scenario: S, input: { readonly planId: string; readonly planHash: string }): Promise<Extract<PlanBody, { scenario: S }>> {
  const plan = await planning.loadPlan(input.planId, input.planHash);
  if (plan.scenario === scenario) return plan as Extract<PlanBody, { scenario: S }>;
  throw new ModosuError('PLAN_STALE', `Plan ${input.planId} is one of an ${plan.scenario === 'undo' ? 'undo' : 'image restore'}, not what this run was accepted for.`);
}
