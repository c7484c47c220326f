import type { PlanScenario } from '../../contracts/plan';

/** Why the run of a plan of this kind cannot be stopped before go-live; null: it can. */
export function whyNoHold(scenario: PlanScenario): string | null {
  if (scenario === 'server') return null;
  const why =
    scenario === 'undo' ? 'an undo returns to a server that has been live before' : 'data is restored into the running server, which stays on its network';
  return `is for restores of a server only: ${why}`;
}
