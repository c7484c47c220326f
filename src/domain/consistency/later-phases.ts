import { markerNamed, placeholdersOf } from '../../contracts/placeholders';
import type { MarkerReference, Rule, RuleCondition } from '../../contracts/profile';
import { holds, referencesOf } from './conditions';
import { isDecidedByTexts } from './decided-by-texts';
import { markerOf, type Cause, type Situation } from './known';

/** What a plan knows already of rules that are asked only later: what a recovery point lacks stays so. Pure. */

/** A rule that will be left open, and because of what. */
export interface OpenLater {
  readonly rule: Rule;
  /** None: it will not. */
  readonly causes: readonly Cause[];
}

/**
 * Rules that a plan does not ask, and that can never be decided by this recovery point, because it lacks a marker of theirs. A rule of which anything that stays as it is
 * says that it does not hold is none of them.
 */
export function openLater(situation: Situation): readonly OpenLater[] {
  if (situation.phase !== 'plan') return [];
  return situation.profile.rules
    .filter((rule) => !rule.phases.includes('plan') && !isDecidedForGood(situation, rule))
    .map((rule) => ({ rule, causes: rule.when.flatMap((condition) => lackedBy(situation, condition)) }));
}

/** All markers that rules of any phase will not find in the recovery point. */
export function lackedLater(situation: Situation): readonly MarkerReference[] {
  if (situation.phase !== 'plan') return [];
  return situation.profile.rules
    .filter((rule) => !isDecidedForGood(situation, rule))
    .flatMap((rule) => rule.when.flatMap((condition) => allReferencesOf(condition)))
    .filter((reference) => reference.at === 'recovery-point' && !markerOf(situation, reference).isKnown);
}

/** Whether it will not hold, whatever the two of them say from now on. */
const isDecidedForGood = (situation: Situation, rule: Rule): boolean =>
  isDecidedByTexts(situation, rule) ||
  rule.when.some((condition) => {
    if (!staysSo(condition)) return false;
    const answer = holds(situation, condition);
    return answer.isKnown && !answer.value;
  });

/** What is asked of the recovery point alone. An age is not: what is too young now may be old enough then. */
const staysSo = (condition: RuleCondition): boolean => !('age' in condition) && allReferencesOf(condition).every(({ at }) => at === 'recovery-point');

/** With those that its texts name, as the source of a set. */
const allReferencesOf = (condition: RuleCondition): readonly MarkerReference[] => [
  ...referencesOf(condition),
  ...placeholdersOf('compare' in condition ? (condition.from ?? '') : '').flatMap((name) => markerNamed(name) ?? []),
];

function lackedBy(situation: Situation, condition: RuleCondition): readonly Cause[] {
  const answer = holds(situation, condition);
  return answer.isKnown ? [] : answer.causes.filter(({ code }) => code === 'MARKER_NOT_CAPTURED');
}
