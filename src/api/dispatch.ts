import type { AcceptedRun } from '../catalog/catalog';
import { toModosuError } from '../contracts/errors';
import type { ApiDependencies } from './dependencies';

/**
 * Between "written down" and "the workflow runs". A fresh request first asks whether Temporal answers (`runStarter.check()`, 503 with nothing
 * written). Once it is written down it will be carried out: when starting the workflow fails after all, the dispatcher starts it later.
 */
export async function dispatchRun(dependencies: ApiDependencies, accepted: AcceptedRun): Promise<void> {
  if (accepted.replayed) return;
  const { catalog, runStarter, log } = dependencies;
  try {
    await runStarter.startRun(await catalog.getDispatchable(accepted.runId));
  } catch (error) {
    log.warn({ runId: accepted.runId, code: toModosuError(error).code, error: String(error) }, 'run accepted but not started yet; a worker will start it');
  }
}

/** The same for a set: first what brings its runs together, then the runs. Where the first cannot be started, all wait for the dispatcher. */
export async function dispatchSet(dependencies: ApiDependencies, backupSetId: string): Promise<void> {
  const { catalog, runStarter, log } = dependencies;
  try {
    const { set, runs } = await catalog.getDispatchableSet(backupSetId);
    await runStarter.startSet(set);
    await Promise.all(runs.map(({ input }) => dispatchRun(dependencies, { runId: input.runId, replayed: false })));
  } catch (error) {
    log.warn({ backupSetId, code: toModosuError(error).code, error: String(error) }, 'backup set accepted but not started yet; a worker will start it');
  }
}

/** The same for a plan. */
export async function dispatchPlan(dependencies: ApiDependencies, planId: string): Promise<void> {
  const { catalog, runStarter, log } = dependencies;
  try {
    await runStarter.startPlan(await catalog.getDispatchablePlan(planId));
  } catch (error) {
    log.warn({ planId, code: toModosuError(error).code, error: String(error) }, 'plan accepted but not started yet; a worker will start it');
  }
}
