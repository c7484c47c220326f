import type { DataPlanSource } from '../src/contracts/activities';
import type { PlanDataInput } from '../src/contracts/workflows';
import { catalogue, dataLooks, planning } from './runbook/activities';
import { summarise } from './runbook/errors';
import { isDamage } from './runbook/damage';

/** Makes the plan of a data restore. It looks into the guest and the recovery point as they are now, and changes neither. */
export async function planDataRestore(input: PlanDataInput): Promise<void> {
  let source: DataPlanSource | undefined;
  try {
    source = await planning.chooseDataSource(input);
    const survey = await dataLooks(source.hypervisor).surveyData(source);
    await planning.composeDataPlan(source, survey);
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined && isDamage(error)) await catalogue.markDamaged(source.point.id, error.message);
    await planning.failPlan(input.planId, error);
  }
}
