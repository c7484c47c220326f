import { FACT_KINDS, type FactKind } from '../../contracts/facts';
import { factsState, type GenerationDetail } from '../../contracts/generation';
import { serverFacts } from '../../../test/support/server-facts';
import { comparisonFailed, driftFromNow, notComparable } from './drift';

const generation = (facts = serverFacts()): GenerationDetail => ({
  generation: 3,
  recoveryPointId: 'rp_3',
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'usable',
  pointInTime: '2026-02-03T04:00:00.000Z',
  consistency: 'filesystem',
  reason: 'test',
  isOnPresentLine: true,
  changes: { contained: [], partly: [], more: 0 },
  facts: factsState(facts),
  credentials: [],
  sections: facts.sections,
});
const without: GenerationDetail = { ...generation(), facts: { state: 'missing', why: 'it was off' }, sections: null };
const AT = '2026-03-02T12:00:00.000Z';
const error = { code: 'AGENT_SILENT', message: 'nobody answers', hint: 'x' } as const;
const failed = (...kinds: readonly FactKind[]) => Object.fromEntries(kinds.map((kind) => [kind, { kind, state: 'failed', error } as const]));

describe('the server itself beside the generation that is restored', () => {
  it('differs from it, with the names of some: what it tells is kept nowhere', () => {
    const then = serverFacts({
      packages: [
        { key: 'jq', value: '1.6' },
        { key: 'nginx', value: '1.22' },
      ],
    });
    const packages = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((key) => ({ key, value: '1' }));
    const now = serverFacts({ packages: [...packages, { key: 'nginx', value: '1.24' }], users: [{ key: 'eve', value: 'uid=0' }] }, { collectedAt: AT });
    expect(driftFromNow(generation(then), now)).toEqual({
      state: 'compared',
      of: 3,
      at: AT,
      sentences: ['1 package changed ("nginx"), 7 added ("a", "b", "c", "d", "e" and 2 more), 1 removed ("jq")', '1 user added ("eve")'],
      gaps: [],
    });
  });

  it('may differ in nothing', () => expect(driftFromNow(generation(), serverFacts())).toMatchObject({ state: 'compared', sentences: [], gaps: [] }));

  it('is compared in what it tells; the rest is said', () => {
    const now = serverFacts({ users: [{ key: 'eve', value: 'uid=0' }] }, { sections: failed('packages') });
    expect(driftFromNow(generation(), now)).toMatchObject({
      state: 'compared',
      sentences: ['1 user added ("eve")'],
      gaps: ['packages: not compared, those of the server itself were not collected (AGENT_SILENT)'],
    });
    expect(driftFromNow(generation(now), serverFacts({ users: [{ key: 'eve', value: 'uid=0' }] }))).toMatchObject({
      gaps: ['packages: not compared, those of generation 3 were not collected (AGENT_SILENT)'],
    });
  });

  it('was not compared where nothing was told: that is never no difference', () => {
    // Of files none are declared: there is nothing to ask.
    for (const silent of [failed(...FACT_KINDS), failed(...FACT_KINDS.filter((kind) => kind !== 'files'))]) {
      expect(driftFromNow(generation(), serverFacts({}, { sections: silent }))).toEqual({
        state: 'not-compared',
        why: 'failed',
        reason: 'AGENT_SILENT: nobody answers',
      });
    }
    const [one, other] = [failed(...FACT_KINDS.slice(0, 5)), failed(...FACT_KINDS.slice(5))];
    expect(driftFromNow(generation(serverFacts({}, { sections: one })), serverFacts({}, { sections: other }))).toMatchObject({ why: 'failed' });
    expect(driftFromNow(without, serverFacts())).toMatchObject({ why: 'no-facts' });
  });

  it('stays small whatever a guest invents, and on its lines', () => {
    const many = Array.from({ length: 2_000 }, (_, index) => ({ key: `${index}\u202e${'x'.repeat(490)}`, value: '1' }));
    const drift = driftFromNow(generation(), serverFacts(Object.fromEntries(FACT_KINDS.map((kind) => [kind, many]))));
    expect(drift).toMatchObject({ state: 'compared' });
    expect(JSON.stringify(drift).length).toBeLessThan(10_000);
    expect(JSON.stringify(drift)).not.toMatch(/\u202e/);
    const long = comparisonFailed({ code: 'INTERNAL', message: `one\ntwo ${'x'.repeat(10_000)}` }).reason;
    expect([long.includes('\n'), long.length < 400]).toEqual([false, true]);
  });
});

describe('whether the server itself can be compared', () => {
  const present = { powerState: 'running', agent: { state: 'answering', version: '7', commands: [] } } as const;
  const silent = { ...present.agent, state: 'silent' } as const;
  it.each([
    ['running, and its agent answers', generation(), present, null],
    ['gone', generation(), null, { why: 'gone', reason: 'its hypervisor does not know it any more' }],
    ['off', generation(), { ...present, powerState: 'off', agent: silent }, { why: 'off', reason: 'it is off' }],
    ['paused', generation(), { ...present, powerState: 'paused' }, { why: 'off', reason: 'it is paused' }],
    ['with a silent agent', generation(), { ...present, agent: silent }, { why: 'no-agent', reason: 'its guest agent does not answer' }],
    ['beside a generation without facts', without, present, { why: 'no-facts', reason: 'generation 3 has no facts (it was off)' }],
  ] as const)('%s', (_what, of, is, expected) => {
    expect(notComparable(of, is)).toEqual(expected === null ? null : { state: 'not-compared', ...expected });
  });
});
