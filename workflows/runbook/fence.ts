import type { ServerActivities } from '../../src/contracts/activities';
import type { RunInput } from '../../src/contracts/workflows';
import { summarise } from './errors';

/**
 * Gives the server back at the end of a run that has reached its aim. A fence that stays is no harm, the next run's is higher: what went wrong is
 * returned for the step's detail instead of failing the run.
 */
export async function giveServerBack(server: Pick<ServerActivities, 'releaseFence'>, input: RunInput): Promise<{ readonly fenceProblem?: string }> {
  try {
    await server.releaseFence(input);
    return {};
  } catch (thrown) {
    return { fenceProblem: summarise(thrown).message };
  }
}

/** The job has ended well: only its guard's record is left. What cannot be forgotten now is found by the janitor. */
export async function forgetGuard(server: Pick<ServerActivities, 'cancelOnlineBackup'>, input: RunInput): Promise<{ readonly guardProblem?: string }> {
  try {
    await server.cancelOnlineBackup(input);
    return {};
  } catch (thrown) {
    return { guardProblem: summarise(thrown).message };
  }
}
