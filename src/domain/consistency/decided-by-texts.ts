import type { Profile, Rule } from '../../contracts/profile';
import { holds } from './conditions';
import type { Situation } from './known';

/** What is known of a relation before anything is read. */
export interface DeclaredSituation extends Pick<Situation, 'parameters' | 'server' | 'peer'> {
  readonly profile: Profile;
}

/**
 * Whether the texts of a relation alone say that a rule does not hold, such as that the primary is the other one: whatever could be read, it never holds then and is never
 * open, so nothing has to be read for it. Pure.
 */
export function isDecidedByTexts({ profile, parameters, server, peer }: DeclaredSituation, { when }: Rule): boolean {
  const epoch = new Date(0);
  const situation: Situation = { profile, parameters, server, peer, readings: {}, phase: 'plan', pointInTime: epoch.toISOString(), now: epoch };
  return when.some((condition) => {
    if (!('text' in condition)) return false;
    const answer = holds(situation, condition);
    return answer.isKnown && !answer.value;
  });
}
