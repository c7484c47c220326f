import type { PlanRestoreInput } from '../src/contracts/workflows';
import { catalogue, hostCalls, planning } from './runbook/activities';
import { summarise } from './runbook/errors';

/** Makes the plan of a restore. It looks at the server and the recovery point as they are now, and changes neither. */
export async function planRestore(input: PlanRestoreInput): Promise<void> {
  try {
    const source = await planning.choosePlanSource(input.planId, input.serverId, input.recoveryPointId);
    const survey = await hostCalls(source.hypervisor).surveyRestore(source);
    await planning.composePlan(source, survey);
  } catch (thrown) {
    const error = summarise(thrown);
    if (error.code === 'RECOVERY_POINT_CORRUPT' && input.recoveryPointId !== null) await catalogue.markDamaged(input.recoveryPointId, error.message);
    await planning.failPlan(input.planId, error);
  }
}
