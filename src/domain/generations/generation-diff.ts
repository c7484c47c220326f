import type { RecordedChange } from '../../contracts/change';
import type { GenerationDetail, GenerationDiff, GenerationView } from '../../contracts/generation';
import type { ServerFacts } from '../../contracts/facts';
import { diffFacts } from '../facts/diff-facts';
import { differencesOf, gapsOf } from '../facts/fact-words';

/** What distinguishes two generations of one server. Pure. */

/** From the earlier to the later of the two, by their number. */
export function diffGenerations(one: GenerationDetail, other: GenerationDetail): GenerationDiff {
  const [before, after] = one.generation <= other.generation ? [one, other] : [other, one];
  const changes = changesBetween(before, after);
  const [factsBefore, factsAfter] = [factsOf(before), factsOf(after)];
  const facts = factsBefore === null || factsAfter === null ? null : diffFacts(factsBefore, factsAfter);
  const { sections: _before, ...beforeView } = before;
  const { sections: _after, ...afterView } = after;
  return {
    serverId: before.serverId,
    serverName: before.serverName,
    before: beforeView,
    after: afterView,
    changes,
    facts,
    summary: [...changeWords(changes), ...[before, after].flatMap(partlyWords), ...factWords(facts, changes, [before, after])],
  };
}

/** Null: it has none. */
export const factsOf = ({ sections }: GenerationDetail): Pick<ServerFacts, 'sections'> | null => (sections === null ? null : { sections });

function changesBetween({ changes: before }: GenerationView, { changes: after }: GenerationView): GenerationDiff['changes'] {
  if (before === null || after === null) return null;
  const known = (changes: typeof before): ReadonlySet<string> => new Set(changes.contained.map(({ id }) => id));
  const [then, now] = [known(before), known(after)];
  return { added: after.contained.filter(({ id }) => !then.has(id)), removed: before.contained.filter(({ id }) => !now.has(id)) };
}

function changeWords(changes: GenerationDiff['changes']): readonly string[] {
  if (changes === null) return ['One of the two was taken by an earlier version: which changes it contains is not known.'];
  return [
    ...changes.added.map((change) => `Only the later one contains the change ${named(change)}.`),
    ...changes.removed.map((change) => `Only the earlier one contains the change ${named(change)}: a restore lies between them.`),
  ];
}

/** A change that was open when an image was taken accounts for differences, too: nobody can say for which. */
const partlyWords = ({ generation, changes }: GenerationView): readonly string[] =>
  (changes?.partly ?? []).map((change) => `Generation ${generation} was taken in the middle of the change ${named(change)}.`);

const named = ({ title, ticket }: RecordedChange): string => `"${title}"${ticket === null ? '' : ` (${ticket})`}`;

/** That something differs although nobody has registered a change is what people look for. */
function factWords(facts: GenerationDiff['facts'], changes: GenerationDiff['changes'], of: readonly GenerationView[]): readonly string[] {
  if (facts === null) {
    return of.flatMap(({ generation, facts: state }) => (state.state === 'missing' ? [`Generation ${generation} has no facts: ${state.why}.`] : []));
  }
  const isRegistered =
    changes === null || changes.added.length > 0 || changes.removed.length > 0 || of.some((generation) => partlyWords(generation).length > 0);
  const differences = differencesOf(facts);
  return [...(isRegistered ? differences : differences.map((sentence) => `${sentence}, no change registered`)), ...gapsOf(facts)];
}
