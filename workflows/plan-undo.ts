import { patched } from '@temporalio/workflow';
import type { PlanUndoInput } from '../src/contracts/workflows';
import { peersMayHaveFollowed } from '../src/domain/planning/undo-planning';
import { dataLooks, hostLooks, planning } from './runbook/activities';
import { summarise } from './runbook/errors';
import { readFor } from './runbook/relations';

/** Since peers are asked for the plan of an undo. */
const UNDO_RELATIONS = 'undo-relations';

/** Makes the plan of an undo. It looks at the server and the kept volumes as they are now, and changes neither. */
export async function planUndo(input: PlanUndoInput): Promise<void> {
  try {
    const source = await planning.chooseUndoSource(input);
    const isJudged = peersMayHaveFollowed(source.wayBack, source.undoneRun.kind) && patched(UNDO_RELATIONS);
    const asked = isJudged ? readFor({ id: input.planId, serverId: input.serverId, moment: 'plan' }) : Promise.resolve();
    asked.catch(() => undefined);
    const survey = await hostLooks(source.hypervisor).surveyUndo(source, input.ofRunId);
    await asked;
    // Histories of earlier versions have a way back without the field.
    const { data } = source.wayBack;
    const looked = data == null || survey.present?.agent.state !== 'answering' ? null : await dataLooks(source.hypervisor).surveyDataUndo(source, data);
    await planning.composeUndoPlan(source, { ...survey, ...(looked === null ? {} : { data: looked }) });
  } catch (thrown) {
    await planning.failPlan(input.planId, summarise(thrown));
  }
}
