import type { DataPlanSource } from '../src/contracts/activities';
import type { PlanDataInput } from '../src/contracts/workflows';
import { dataLooks, fetching, planning } from './runbook/activities';
import { surveyDataCredentials } from './runbook/credentials';
import { summarise } from './runbook/errors';
import { markDamage } from './runbook/damage';

/** Makes the plan of a data restore. It looks into the guest and the recovery point as they are now, and changes neither. */
export async function planDataRestore(input: PlanDataInput): Promise<void> {
  let source: DataPlanSource | undefined;
  try {
    source = await planning.chooseDataSource(await fetched(input));
    const survey = await dataLooks(source.hypervisor).surveyData(source);
    await planning.composeDataPlan(source, await surveyDataCredentials(source, survey));
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined) await markDamage(source.point.id, error);
    await planning.failPlan(input.planId, error);
  }
}

/** What lies only in a copy comes back first: everything after that is as for any other plan. */
async function fetched(input: PlanDataInput): Promise<PlanDataInput> {
  const { planId, serverId, from, recoveryPointId, incidentAt, dataSet } = input;
  if (from === undefined) return input;
  return { ...input, recoveryPointId: await fetching.fetchForPlan({ planId, serverId, from, recoveryPointId, incidentAt, dataSet, noData: true }) };
}
