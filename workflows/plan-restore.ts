import type { PlanSource } from '../src/contracts/activities';
import type { PlanRestoreInput } from '../src/contracts/workflows';
import { catalogue, hostLooks, planning } from './runbook/activities';
import { isDamage } from './runbook/damage';
import { summarise } from './runbook/errors';

/** Makes the plan of a restore. It looks at the server and the recovery point as they are now, and changes neither. */
export async function planRestore(input: PlanRestoreInput): Promise<void> {
  let source: PlanSource | undefined;
  try {
    source = await planning.choosePlanSource(input);
    const survey = await hostLooks(source.hypervisor).surveyRestore(source);
    await planning.composePlan(source, survey);
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined && isDamage(error)) await catalogue.markDamaged(source.recoveryPointId, error.message);
    await planning.failPlan(input.planId, error);
  }
}
