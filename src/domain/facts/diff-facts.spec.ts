import { FACT_KINDS, type FactEntry, type FactSection, type ServerFacts } from '../../contracts/facts';
import { ModosuError } from '../../contracts/errors';
import { diffFacts, hasDifferences, isEmpty } from './diff-facts';
import { summariseFactDiff } from './fact-words';

type Contents = Readonly<Record<string, string>>;

const entriesOf = (contents: Contents): FactEntry[] =>
  Object.keys(contents)
    .sort()
    .map((key) => ({ key, value: contents[key] as string }));

const collected = (kind: FactSection['kind'], contents: Contents, truncated = false): FactSection => ({
  kind,
  state: 'collected',
  entries: entriesOf(contents),
  truncated,
});
const failed = (kind: FactSection['kind']): FactSection => ({
  kind,
  state: 'failed',
  error: new ModosuError('GUEST_PROGRAM_MISSING', 'The guest has no program rpm.').summary(),
});

/** The sections named, and all others empty. */
const factsOf = (...named: readonly FactSection[]): ServerFacts => ({
  format: 'modosu-server-facts',
  version: 1,
  collectedAt: '2026-11-29T03:00:00.000Z',
  family: 'debian',
  sections: FACT_KINDS.map((kind) => named.find((section) => section.kind === kind) ?? collected(kind, {})),
});

describe('diffFacts', () => {
  it('names what was added, removed and changed, by kind', () => {
    const diff = diffFacts(
      factsOf(collected('packages', { 'curl:amd64': '7.88.1-10', 'jq:amd64': '1.6-2', 'nginx:amd64': '1.22.1-9' }), collected('users', { web: 'uid=1000' })),
      factsOf(collected('packages', { 'curl:amd64': '7.88.1-11', 'nginx:amd64': '1.22.1-9', 'vim:amd64': '9.0' }), collected('users', { web: 'uid=1000' })),
    );
    expect(diff.sections.map(({ kind }) => kind)).toEqual(FACT_KINDS);
    expect(diff.sections[2]).toEqual({
      kind: 'packages',
      state: 'compared',
      added: [{ key: 'vim:amd64', value: '9.0' }],
      removed: [{ key: 'jq:amd64', value: '1.6-2' }],
      changed: [{ key: 'curl:amd64', before: '7.88.1-10', after: '7.88.1-11' }],
    });
    expect(hasDifferences(diff)).toBe(true);
    expect(isEmpty(diff)).toBe(false);
    expect(summariseFactDiff(diff)).toEqual(['1 package changed, 1 added, 1 removed']);
  });

  it('says nothing about facts that are the same', () => {
    const facts = factsOf(collected('users', { root: 'uid=0' }));
    const diff = diffFacts(facts, facts);
    expect(isEmpty(diff)).toBe(true);
    expect(hasDifferences(diff)).toBe(false);
    expect(summariseFactDiff(diff)).toEqual([]);
  });

  it.each([
    [
      'before',
      [failed('packages')],
      [collected('packages', { a: '1' })],
      'packages: not compared, those of the earlier one were not collected (GUEST_PROGRAM_MISSING)',
    ],
    [
      'after',
      [collected('packages', { a: '1' })],
      [failed('packages')],
      'packages: not compared, those of the later one were not collected (GUEST_PROGRAM_MISSING)',
    ],
    ['both', [failed('packages')], [failed('packages')], 'packages: not compared, those of either were not collected (GUEST_PROGRAM_MISSING)'],
  ] as const)('never takes a failed section (%s) for one without differences', (side, before, after, line) => {
    const diff = diffFacts(factsOf(...before), factsOf(...after));
    expect(diff.sections[2]).toEqual({
      kind: 'packages',
      state: 'incomplete',
      gap: { reason: 'failed', side, code: 'GUEST_PROGRAM_MISSING' },
      changed: [],
    });
    expect(isEmpty(diff)).toBe(false);
    expect(hasDifferences(diff)).toBe(false);
    expect(summariseFactDiff(diff)).toEqual([line]);
  });

  it('knows of truncated sections only what is changed', () => {
    const diff = diffFacts(factsOf(collected('groups', { a: 'gid=1', b: 'gid=2' }, true)), factsOf(collected('groups', { b: 'gid=3', c: 'gid=4' })));
    expect(diff.sections[5]).toEqual({
      kind: 'groups',
      state: 'incomplete',
      gap: { reason: 'truncated' },
      changed: [{ key: 'b', before: 'gid=2', after: 'gid=3' }],
    });
    expect(isEmpty(diff)).toBe(false);
    expect(summariseFactDiff(diff)).toEqual(['1 group changed', 'groups: only some were collected, so what was added or removed is not known']);
  });

  it.each<[string, FactSection, FactSection, boolean]>([
    ['an entry more', collected('users', {}), collected('users', { web: '1' }), true],
    ['an entry less', collected('users', { web: '1' }), collected('users', {}), true],
    ['an entry in place of another', collected('users', { web: '1' }), collected('users', { db: '1' }), true],
    ['another value', collected('users', { web: '1' }), collected('users', { web: '2' }), true],
    ['another value among some', collected('users', { web: '1' }, true), collected('users', { web: '2' }), true],
    ['an entry more among some', collected('users', {}, true), collected('users', { web: '1' }), false],
  ])('takes %s for a difference, or not', (_what, before, after, isOne) => {
    expect(hasDifferences(diffFacts(factsOf(before), factsOf(after)))).toBe(isOne);
  });

  it('counts several of a kind', () => {
    const diff = diffFacts(factsOf(collected('packages', { a: '1', b: '1' })), factsOf(collected('packages', { a: '2', b: '2' })));
    expect(summariseFactDiff(diff)).toEqual(['2 packages changed']);
  });

  it('names no reason where the two have different ones', () => {
    const silent: FactSection = { kind: 'packages', state: 'failed', error: new ModosuError('AGENT_SILENT', 'It does not answer.').summary() };
    const { sections } = diffFacts(factsOf(failed('packages')), factsOf(silent));
    expect(sections[2]).toMatchObject({ gap: { reason: 'failed', side: 'both', code: null } });
  });

  it.each([
    ['the later one', (whole: ServerFacts, without: ServerFacts) => diffFacts(whole, without), 'after'],
    ['either', (_whole: ServerFacts, without: ServerFacts) => diffFacts(without, without), 'both'],
  ] as const)('does not compare a section that %s does not have at all', (_which, compared, side) => {
    const whole = factsOf();
    const diff = compared(whole, { ...whole, sections: whole.sections.filter(({ kind }) => kind !== 'files') });
    expect(diff.sections.at(-1)).toMatchObject({ gap: { reason: 'failed', side, code: null } });
  });

  it('does not compare a section that one side does not have at all', () => {
    const whole = factsOf();
    const diff = diffFacts({ ...whole, sections: whole.sections.filter(({ kind }) => kind !== 'files') }, whole);
    expect(diff.sections.at(-1)).toEqual({ kind: 'files', state: 'incomplete', gap: { reason: 'failed', side: 'before', code: null }, changed: [] });
    expect(summariseFactDiff(diff)).toEqual(['configuration files: not compared, those of the earlier one were not collected']);
  });
});
