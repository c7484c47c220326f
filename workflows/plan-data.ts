import type { DataPlanSource } from '../src/contracts/activities/planning';
import type { PlanDataInput } from '../src/contracts/workflows';
import { dataLooks, planning } from './runbook/activities';
import { surveyDataCredentials } from './runbook/credentials';
import { summarise } from './runbook/errors';
import { markDamage } from './runbook/damage';
import { fetched } from './runbook/plan';

/** Makes the plan of a data restore. It looks into the guest and the recovery point as they are now, and changes neither. */
export async function planDataRestore(input: PlanDataInput): Promise<void> {
  let source: DataPlanSource | undefined;
  try {
    source = await planning.chooseDataSource(await fetched(input, { dataSet: input.dataSet, noData: true }));
    const survey = await dataLooks(source.hypervisor).surveyData(source);
    await planning.composeDataPlan(source, await surveyDataCredentials(source, survey));
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined) await markDamage(source.point.id, error);
    await planning.failPlan(input.planId, error);
  }
}
