import type { PlannedRelation, PlannedRelationStep } from '../../contracts/reading';
import { hasStep, step, type NamedStep } from '../../contracts/step-keys';

/** What the rules of a server's relations add to the steps of its restore. */

export const PEERS_BEFORE = step('peers-before', 'Prove by its rules that the restored server will work with its peers');
export const PEERS_AGAIN = step('peers-again', 'Prove it once more: the server has waited for its approval');
export const PEERS_LIVE = step('peers', 'Prove that the server and its peers work with each other');
export const SIGN_OFF_LIVE = step('sign-off-live', 'Wait until somebody has signed off what people do after go-live');

/** A program may copy a whole database. */
export const RULE_PROGRAM_SECONDS = 3_600;

/** What rules have to say about the run. */
export interface RelationShape {
  readonly relations: readonly PlannedRelation[];
  readonly steps: readonly PlannedRelationStep[];
  /** Whether they have anything to prove in this part of the run. */
  readonly hasQuarantineRules: boolean;
  readonly hasLiveRules: boolean;
}

/** Whether people do it: there is no program, or nothing that could run it. A program in the restored server needs its agent. */
export const needsPeople = ({ argv, on }: PlannedRelationStep, hasAgent: boolean): boolean => argv === null || (on === 'server' && !hasAgent);

const named = ({ key, title }: PlannedRelationStep): NamedStep => step(key, title);

/** Before go-live: programs first, in their order; people sign off with what else they do. */
export const quarantineRuleSteps = ({ steps }: RelationShape): readonly NamedStep[] => steps.filter(({ when }) => when === 'quarantine').map(named);

/** After go-live. */
export function liveRuleSteps({ steps, hasLiveRules }: RelationShape, hasAgent: boolean): readonly NamedStep[] {
  const live = steps.filter(({ when }) => when === 'live');
  return [...live.map(named), ...(live.some((one) => needsPeople(one, hasAgent)) ? [SIGN_OFF_LIVE] : []), ...(hasLiveRules ? [PEERS_LIVE] : [])];
}

/** Of a run that waits for an approval: what was proven before it is proven again after it. `steps`: of its plan. */
export const withProofAgain = <T extends { readonly key: string; readonly title: string }>(steps: readonly T[]): readonly (T | NamedStep)[] =>
  hasStep(steps, PEERS_BEFORE.key) ? steps.flatMap((one) => (one.key === 'go-live' ? [PEERS_AGAIN, one] : [one])) : steps;
