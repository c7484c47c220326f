import type { RecordedChange } from '../../contracts/change';
import { FACT_KINDS, type FactEntry, type FactSection } from '../../contracts/facts';
import type { GenerationDetail } from '../../contracts/generation';
import { diffGenerations } from './generation-diff';

const change = (title: string): RecordedChange => ({ id: `chg_${title}`, title, ticket: null, completedAt: '2026-03-01T00:00:00.000Z' });
const sections = (packages: readonly FactEntry[]): readonly FactSection[] =>
  FACT_KINDS.map((kind) => ({ kind, state: 'collected', entries: kind === 'packages' ? packages : [], truncated: false }));
const generation = (number: number, changes: readonly RecordedChange[] | null, packages: readonly FactEntry[] | null): GenerationDetail => ({
  generation: number,
  recoveryPointId: `rp_${number}`,
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'usable',
  pointInTime: '2026-03-01T00:00:00.000Z',
  consistency: 'filesystem',
  reason: 'test',
  isOnPresentLine: true,
  changes: changes === null ? null : { contained: changes, partly: [], more: 0 },
  facts:
    packages === null
      ? { state: 'missing', why: 'it was off' }
      : { state: 'collected', collectedAt: '2026-03-01T00:00:00.000Z', family: 'debian', entries: packages.length, failed: [], truncated: [] },
  credentials: [],
  sections: packages === null ? null : sections(packages),
});

describe('two generations', () => {
  const nginx = { key: 'nginx:amd64', value: '1.22' };

  it('are compared from the earlier to the later, whichever is named first', () => {
    const [one, two] = [generation(3, [change('a')], [nginx]), generation(5, [change('a'), change('b')], [{ ...nginx, value: '1.24' }])];
    const diff = diffGenerations(two, one);
    expect(diff).toEqual(diffGenerations(one, two));
    expect([diff.before.generation, diff.after.generation]).toEqual([3, 5]);
    expect(diff.before).not.toHaveProperty('sections');
    expect(diff.changes).toEqual({ added: [change('b')], removed: [] });
    expect(diff.summary).toEqual(['Only the later one contains the change "b".', '1 package changed']);
  });

  it('that differ although nobody has registered a change say so', () => {
    expect(diffGenerations(generation(1, [change('a')], []), generation(2, [change('a')], [nginx])).summary).toEqual(['1 package added, no change registered']);
  });

  it('of which one was taken in the middle of a change say so, and call no difference unregistered', () => {
    const later = generation(2, [change('a')], [nginx]);
    const amid = { ...later, changes: { contained: [change('a')], partly: [{ ...change('b'), ticket: 'OPS-1' }], more: 0 } };
    expect(diffGenerations(generation(1, [change('a')], []), amid).summary).toEqual([
      'Generation 2 was taken in the middle of the change "b" (OPS-1).',
      '1 package added',
    ]);
  });

  it('of which one does not know its changes, or has no facts, say that nobody can tell', () => {
    const { changes, facts, summary } = diffGenerations(generation(1, null, null), generation(2, [change('a')], [nginx]));
    expect([changes, facts]).toEqual([null, null]);
    expect(summary).toEqual([
      'One of the two was taken by an earlier version: which changes it contains is not known.',
      'Generation 1 has no facts: it was off.',
    ]);
  });

  it('of which the other one does not know them say the same', () => {
    const { changes, facts, summary } = diffGenerations(generation(1, [change('a')], [nginx]), generation(2, null, null));
    expect([changes, facts]).toEqual([null, null]);
    expect(summary.at(-1)).toBe('Generation 2 has no facts: it was off.');
  });

  it('of which one does not know its changes call no difference unregistered', () => {
    expect(diffGenerations(generation(1, null, []), generation(2, [change('a')], [nginx])).summary.at(-1)).toBe('1 package added');
  });

  it.each<[string, readonly RecordedChange[], readonly RecordedChange[]]>([
    ['only the later one contains', [], [change('a')]],
    ['only the earlier one contains', [change('a')], []],
    ['each contains one that the other does not', [change('a')], [change('b')]],
  ])('of which %s a change call no difference unregistered', (_what, before, after) => {
    expect(diffGenerations(generation(1, before, []), generation(2, after, [nginx])).summary.at(-1)).toBe('1 package added');
  });

  it('between which a restore lies name what the later one lacks', () => {
    const { summary } = diffGenerations(generation(1, [change('a')], [nginx]), generation(2, [], [nginx]));
    expect(summary).toEqual(['Only the earlier one contains the change "a": a restore lies between them.']);
  });
});
