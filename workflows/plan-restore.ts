import { isCancellation, patched } from '@temporalio/workflow';
import type { PlanSource } from '../src/contracts/activities/planning';
import type { ReadingRequest } from '../src/contracts/activities/relations';
import type { RestoreSurvey } from '../src/contracts/plan';
import type { PlanRestoreInput } from '../src/contracts/workflows';
import { comparisonFailed } from '../src/domain/planning/drift';
import { factLooks, hostLooks, planning } from './runbook/activities';
import { surveyCredentials } from './runbook/credentials';
import { markDamage } from './runbook/damage';
import { summarise } from './runbook/errors';
import { fetched } from './runbook/plan';
import { readFor } from './runbook/relations';

/** Makes the plan of a restore. It looks at the server and the recovery point as they are now, and changes neither. */
export async function planRestore(input: PlanRestoreInput): Promise<void> {
  const comparesNow = patched(FACTS_NOW);
  let source: PlanSource | undefined;
  try {
    const { planId, serverId, findCompatible = false } = input;
    // What the peers say decides which one it is.
    if (findCompatible) await readFor({ id: planId, serverId, moment: 'plan' });
    source = await planning.choosePlanSource(await fetched(input, { dataSet: null, noData: input.noData ?? false }));
    // While the recovery point is looked at: peers may take their time, and every one of them has the same.
    const request: ReadingRequest = { id: planId, serverId, moment: 'plan', ...togetherWith(input) };
    const asked = !findCompatible && patched(RELATIONS) ? readFor(request) : Promise.resolve();
    asked.catch(() => undefined);
    const told = comparesNow ? factsNow(source) : Promise.resolve({});
    told.catch(() => undefined);
    const survey = await surveyCredentials(source, await hostLooks(source.hypervisor).surveyRestore(source));
    await asked;
    await planning.composePlan(source, { ...survey, ...(await told) });
  } catch (thrown) {
    const error = summarise(thrown);
    if (source !== undefined) await markDamage(source.recoveryPointId, error);
    await planning.failPlan(input.planId, error);
  }
}

/** Those that go back with it are no measure of what it will meet. */
const togetherWith = ({ serverId, set }: PlanRestoreInput): Pick<ReadingRequest, 'together'> =>
  set === undefined ? {} : { together: set.members.filter((member) => member.serverId !== serverId).map(({ server }) => server) };

/** The server itself beside what is restored, for whoever reads what is lost. A guest keeps no plan from being made, nor from being made soon. */
async function factsNow(source: PlanSource): Promise<Pick<RestoreSurvey, 'factsNow'>> {
  if (source.lostChanges === undefined) return {};
  try {
    const { serverId, serverName, uuid, hypervisor, recoveryPointId } = source;
    return { factsNow: await factLooks(hypervisor).compareFacts({ serverId, serverName, uuid, hypervisor, recoveryPointId }) };
  } catch (thrown) {
    if (isCancellation(thrown)) throw thrown;
    return { factsNow: comparisonFailed(summarise(thrown)) };
  }
}

/** Since the server itself is compared with what is restored. */
const FACTS_NOW = 'facts-now';
/** Since peers are asked for a plan. */
const RELATIONS = 'relations';
