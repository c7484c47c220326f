import type { ErrorSummary } from '../../contracts/errors';
import type { FactKind, FactSectionDiff, ServerFacts } from '../../contracts/facts';
import type { GenerationDetail } from '../../contracts/generation';
import type { FactsNotCompared, FactsNow, LostChanges } from '../../contracts/plan';
import type { ServerInspection } from '../../contracts/server';
import { cleanWords } from '../../contracts/text';
import { diffFacts } from '../facts/diff-facts';
import { gapsOf, namedDifferencesOf, summariseFactDiff } from '../facts/fact-words';
import { diffGenerations, factsOf } from '../generations/generation-diff';

/** What is different in the server beside its registered changes, as far as it tells itself, and its images do. Pure. */

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

type NotCompared = Extract<FactsNow, { readonly state: 'not-compared' }>;

/**
 * Why the server itself cannot be compared with the generation that is restored, before it is asked anything. Null: it can be asked.
 *
 * @param present null: its hypervisor does not know it
 */
export function notComparable(of: GenerationDetail, present: Pick<ServerInspection, 'powerState' | 'agent'> | null): NotCompared | null {
  if (factsOf(of) === null) {
    const why = of.facts.state === 'missing' ? of.facts.why : 'what it told is not kept any more';
    return notCompared('no-facts', `generation ${of.generation} has no facts (${why})`);
  }
  if (present === null) return notCompared('gone', 'its hypervisor does not know it any more');
  if (present.powerState !== 'running') return notCompared('off', `it is ${present.powerState}`);
  return present.agent.state === 'answering' ? null : notCompared('no-agent', 'its guest agent does not answer');
}

/** The server itself, as it has told just now, beside the generation that is restored. Where nothing was told of any kind that both could have in common, nothing was compared. */
export function driftFromNow(of: GenerationDetail, now: ServerFacts): FactsNow {
  const then = factsOf(of);
  if (then === null) return notCompared('no-facts', `generation ${of.generation} has no facts`);
  const diff = diffFacts(then, now);
  const [failing, others] = [diff.sections.filter(isNotCompared), diff.sections.filter((section) => !isNotCompared(section))];
  // A kind with nothing in it, such as files where none are declared, is compared without anybody being asked.
  if (failing.length > 0 && !others.some(({ kind }) => entriesIn(then, kind) + entriesIn(now, kind) > 0)) {
    const failed = now.sections.flatMap((section) => (section.state === 'failed' ? [section.error] : []))[0];
    return failed === undefined ? notCompared('failed', 'it told nothing of what is known of the generation') : comparisonFailed(failed);
  }
  const gaps = gapsOf(diff, { before: `of generation ${of.generation}`, after: 'of the server itself', both: 'of either' });
  return { state: 'compared', of: of.generation, at: now.collectedAt, sentences: namedDifferencesOf(diff), gaps };
}

const isNotCompared = (section: FactSectionDiff): boolean => section.state === 'incomplete' && section.gap.reason === 'failed';

const entriesIn = ({ sections }: Pick<ServerFacts, 'sections'>, kind: FactKind): number =>
  sections.reduce((sum, section) => sum + (section.kind === kind && section.state === 'collected' ? section.entries.length : 0), 0);

/** Asking for it, or waiting for the answer, has failed. */
export const comparisonFailed = ({ code, message }: Pick<ErrorSummary, 'code' | 'message'>): NotCompared =>
  notCompared('failed', `${code}: ${cleanWords(message).replace(/\.$/, '')}`);

const notCompared = (why: NotCompared['why'], reason: string): NotCompared => ({ state: 'not-compared', why, reason });
