import type { PlanSource } from '../src/contracts/activities';
import type { PlanRestoreInput } from '../src/contracts/workflows';
import { catalogue, hostLooks, planning } from './runbook/activities';
import { summarise } from './runbook/errors';

/** What says that stored bytes are not what was written. */
const DAMAGE: ReadonlySet<string> = new Set(['RECOVERY_POINT_CORRUPT', 'RECOVERY_POINT_INCOMPLETE']);

/** Makes the plan of a restore. It looks at the server and the recovery point as they are now, and changes neither. */
export async function planRestore(input: PlanRestoreInput): Promise<void> {
  let source: PlanSource | undefined;
  try {
    source = await planning.choosePlanSource(input.planId, input.serverId, input.recoveryPointId, input.keepDisks ?? [], input.attachOldDisks ?? []);
    const survey = await hostLooks(source.hypervisor).surveyRestore(source);
    await planning.composePlan(source, survey);
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined && DAMAGE.has(error.code)) await catalogue.markDamaged(source.recoveryPointId, error.message);
    await planning.failPlan(input.planId, error);
  }
}
