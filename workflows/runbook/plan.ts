import type { FetchForPlan } from '../../src/contracts/activities/planning';
import { ModosuError } from '../../src/contracts/errors';
import type { DataRestorePlanBody, Finding, PlanBody } from '../../src/contracts/plan';
import type { DataRestoreItem, PlanDataInput, PlanRestoreInput } from '../../src/contracts/workflows';
import { fetching, planning } from './activities';

const WHAT = { server: 'an image restore', data: 'a data restore', undo: 'an undo' } as const satisfies Record<PlanBody['scenario'], string>;

/** The request of a plan whose recovery point is here. What lies only in a copy comes back first: everything after that is as for any other plan. */
export async function fetched<Input extends PlanRestoreInput | PlanDataInput>(input: Input, wants: Pick<FetchForPlan, 'dataSet' | 'noData'>): Promise<Input> {
  const { planId, serverId, from, recoveryPointId, incidentAt = null } = input;
  if (from === undefined) return input;
  return { ...input, recoveryPointId: await fetching.fetchForPlan({ planId, serverId, from, recoveryPointId, incidentAt, ...wants }) };
}

/** The plan a run carries out, if it is the one that was accepted and of the right kind. Throws `PLAN_STALE`. */
export async function loadPlanOf<S extends PlanBody['scenario']>(
  scenario: S,
  input: { readonly planId: string; readonly planHash: string },
): Promise<Extract<PlanBody, { scenario: S }>> {
  const plan = await planning.loadPlan(input.planId, input.planHash);
  if (plan.scenario === scenario) return plan as Extract<PlanBody, { scenario: S }>;
  throw new ModosuError('PLAN_STALE', `Plan ${input.planId} is one of ${WHAT[plan.scenario]}, not what this run was accepted for.`);
}

/** Throws `PLAN_STALE` with what stands against a plan now, although nothing did when it was made. Before anything is changed. */
export function requireStillPossible(findings: readonly Finding[]): void {
  const blocking = findings.filter(({ severity }) => severity === 'block');
  if (blocking.length === 0) return;
  const remedies = blocking.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy]));
  throw new ModosuError('PLAN_STALE', `The plan no longer holds: ${blocking.map(({ message }) => message).join(' ')} Nothing was changed.`, {
    ...(remedies.length === 0 ? {} : { hint: `${remedies.join(' ')} Then make a new plan.` }),
    context: { changes: blocking.map(({ code }) => code) },
  });
}

/** Throws `PLAN_STALE` with what is not any more as the plan found it. `nothing`: what has not been done yet, for people. */
export function requireUnchanged(changes: readonly string[], nothing: string): void {
  if (changes.length > 0) throw new ModosuError('PLAN_STALE', `The plan no longer holds: ${changes.join('; ')}. ${nothing}`, { context: { changes } });
}

/** How many files the plan of a data restore replaces; null for databases. */
export const replacedFilesIn = ({ selection, changes }: Pick<DataRestorePlanBody, 'selection' | 'changes'>): number | null =>
  selection.kind === 'files' ? changes.filter(({ effect }) => effect === 'replaced').reduce((sum, { count }) => sum + count, 0) : null;

/** What the plan of a data restore brings back. */
export const itemOf = ({ recoveryPoint, selection }: DataRestorePlanBody): DataRestoreItem => ({
  dataSet: recoveryPoint.dataSet,
  recoveryPointId: recoveryPoint.id,
  snapshotId: recoveryPoint.snapshotId,
  content: recoveryPoint.content,
  selection,
});
