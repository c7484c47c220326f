import type { GenerationDetail } from '../../contracts/generation';
import type { FactsNotCompared, LostChanges } from '../../contracts/plan';
import { gapsOf, summariseFactDiff } from '../facts/fact-words';
import { diffGenerations } from '../generations/generation-diff';

/** What is different in the server beside its registered changes, as far as its images tell. Pure. */

/**
 * Of the generation that is restored against the newest one of the disks that the server has now. What was not compared is said: that no difference is known does not
 * mean that there is none.
 *
 * @param newest null: no image was taken of those disks
 */
export function driftBetween(of: GenerationDetail, newest: GenerationDetail | null): Pick<LostChanges, 'drift' | 'notCompared'> {
  if (newest === null) return undetermined({ why: 'no-image', generations: [of.generation], sentences: [] });
  if (newest.generation === of.generation) return undetermined({ why: 'newest', generations: [of.generation], sentences: [] });
  const { facts } = diffGenerations(of, newest);
  if (facts === null) return undetermined(withoutFacts([of, newest]));
  const drift = { of: of.generation, generation: newest.generation, sentences: summariseFactDiff(facts).slice(0, SENTENCES) };
  const gaps = gapsOf(facts);
  return gaps.length === 0 ? { drift } : { drift, notCompared: { why: 'in-part', generations: [of.generation, newest.generation], sentences: gaps } };
}

const undetermined = (notCompared: FactsNotCompared): Pick<LostChanges, 'drift' | 'notCompared'> => ({ drift: null, notCompared });

function withoutFacts(compared: readonly GenerationDetail[]): FactsNotCompared {
  const missing = compared.flatMap(({ generation, facts, sections }) =>
    facts.state === 'missing' ? [{ generation, why: facts.why }] : sections === null ? [{ generation, why: 'what it told is not kept any more' }] : [],
  );
  return {
    why: 'no-facts',
    generations: missing.map(({ generation }) => generation),
    sentences: missing.map(({ generation, why }) => `generation ${generation}: ${why}`),
  };
}

/** One for each kind of facts, and then some. */
const SENTENCES = 20;
