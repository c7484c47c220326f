import { FACT_KINDS, type FactSection, type FactSectionDiff, type ServerFacts } from '../../contracts/facts';
import { dice, seedOfThisRun } from '../../../test/support/seed';
import { diffFacts, hasDifferences, isEmpty } from './diff-facts';
import { summariseFactDiff } from './fact-words';

/** What holds for any two states of a server, made up from a seed; the seed of a pair that fails is in its name. To have it again: MODOSU_SEED=<seed>. */
const SEED = seedOfThisRun();
const PAIRS = 500;

/** Few names, so that two states share some; of those that are properties of every object, too. */
const NAMES = ['a', 'b', 'c:amd64', '__proto__', 'constructor', '/etc/x y', 'ü'].sort();

function factsOf(roll: (below: number) => number): ServerFacts {
  const sections = FACT_KINDS.map((kind): FactSection => {
    if (roll(8) === 0) {
      return { kind, state: 'failed', error: { code: roll(2) === 0 ? 'AGENT_SILENT' : 'GUEST_PROGRAM_MISSING', message: 'silent', hint: 'Wait.' } };
    }
    const entries = NAMES.filter(() => roll(2) === 0).map((key) => ({ key, value: String(roll(3)) }));
    return { kind, state: 'collected', entries, truncated: roll(8) === 0 };
  });
  return { format: 'modosu-server-facts', version: 1, collectedAt: '2026-11-29T03:00:00.000Z', family: 'linux', sections };
}

const mirrored = (section: FactSectionDiff): FactSectionDiff => {
  const changed = section.changed.map(({ key, before, after }) => ({ key, before: after, after: before }));
  if (section.state === 'compared') return { ...section, changed, added: section.removed, removed: section.added };
  if (section.gap.reason === 'truncated') return { ...section, changed };
  const side = ({ before: 'after', after: 'before', both: 'both' } as const)[section.gap.side];
  return { ...section, changed, gap: { ...section.gap, side } };
};

const contents = (section: FactSection | undefined): Map<string, string> =>
  new Map(section?.state === 'collected' ? section.entries.map(({ key, value }) => [key, value]) : []);

describe('any two states of a server', () => {
  it.each(Array.from({ length: 20 }, (_, index) => SEED + index))('differ by what leads from one to the other (seed %i)', (seed) => {
    const roll = dice(seed);
    for (let pair = 0; pair < PAIRS / 20; pair += 1) {
      const [a, b] = [factsOf(roll), factsOf(roll)];
      const own = diffFacts(a, a);
      expect(hasDifferences(own)).toBe(false);
      expect(isEmpty(own)).toBe(a.sections.every((section) => section.state === 'collected' && !section.truncated));

      const diff = diffFacts(a, b);
      expect(diffFacts(b, a)).toEqual({ sections: diff.sections.map(mirrored) });
      expect(isEmpty(diff)).toBe(summariseFactDiff(diff).length === 0);
      for (const [index, section] of diff.sections.entries()) {
        const at = contents(a.sections[index]);
        for (const { key, before, after } of section.changed) {
          expect(at.get(key)).toBe(before);
          at.set(key, after);
        }
        if (section.state !== 'compared') continue;
        for (const { key } of section.removed) expect(at.delete(key)).toBe(true);
        for (const { key, value } of section.added) at.set(key, value);
        expect(new Map([...at].sort())).toEqual(new Map([...contents(b.sections[index])].sort()));
      }
    }
  });
});
