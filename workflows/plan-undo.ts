import type { PlanUndoInput } from '../src/contracts/workflows';
import { hostLooks, planning } from './runbook/activities';
import { summarise } from './runbook/errors';

/** Makes the plan of an undo. It looks at the server and the kept volumes as they are now, and changes neither. */
export async function planUndo(input: PlanUndoInput): Promise<void> {
  try {
    const source = await planning.chooseUndoSource(input.planId, input.serverId, input.ofRunId);
    const survey = await hostLooks(source.hypervisor).surveyUndo(source, input.ofRunId);
    await planning.composeUndoPlan(source, survey);
  } catch (thrown) {
    await planning.failPlan(input.planId, summarise(thrown));
  }
}
