import { findingAbout, madeUpProfile, madeUpRelation, PLANNED_RELATION } from '../../../test/support/made-up-relations';
import type { Relation } from '../../contracts/relation';
import { declaredSince } from './declared-since';

const since = (
  relations: readonly Relation[],
  plan: Parameters<typeof declaredSince>[0] = { findings: [], relations: [PLANNED_RELATION] },
  { profiles = [madeUpProfile(), madeUpProfile(undefined, { name: 'another' })], retired = [] as readonly string[] } = {},
) =>
  declaredSince(plan, {
    server: 'db01',
    relations,
    profiles: { byName: new Map(profiles.map((profile) => [profile.name, profile])), problems: [] },
    decommissioned: new Set(retired),
  });
const NONE = { findings: [] };
const BACK = madeUpRelation({ name: 'back', server: 'db02', peers: [{ server: 'db01', address: null }] });

describe('what was declared since a plan', () => {
  it('is nothing while all is as it was, and nothing of what was taken away', () => {
    expect(since([madeUpRelation()])).toEqual([]);
    expect(since([])).toEqual([]);
    expect(since([madeUpRelation({ profile: null })])).toEqual([]);
    expect(since([madeUpRelation({ name: 'needs', type: 'depends-on', profile: null })])).toEqual([]);
    expect(since([BACK, madeUpRelation()])).toEqual([]);
  });

  it.each<[string, Partial<Relation>, RegExp]>([
    [
      'another peer',
      { peers: ['db02', 'db03'].map((server) => ({ server, address: null })) },
      /^the relation "standby" of "db01" with "db03" is not in the plan/,
    ],
    ['another name', { name: 'second' }, /"second" of "db01" with "db02" is not in the plan, and is judged by the profile "made-up" now$/],
    ['another profile', { profile: 'another' }, /"standby" of "db01" with "db02" is judged by the profile "another" now, and was by "made-up"$/],
    ['other parameters', { parameters: { database: 'wiki' } }, /"db02" has other parameters now$/],
    ['another address of the server', { address: '192.0.2.1' }, /"db02" has other addresses now$/],
    ['another address of the peer', { peers: [{ server: 'db02', address: '192.0.2.2' }] }, /"db02" has other addresses now$/],
    ['a profile that is not there', { profile: 'gone' }, /The profile "gone", by which "db01" is compared with "db02", is not there/],
  ])('is a relation with %s', (_what, more, sentence) => {
    const found = since([madeUpRelation(more)]);
    expect(found).toEqual([expect.stringMatching(sentence)]);
    expect(found[0]).not.toMatch(/\.$/);
  });

  it('is every relation of a plan that was made without any, also what no rules judge', () => {
    expect(since([madeUpRelation()], NONE)).toHaveLength(1);
    expect(since([madeUpRelation({ profile: null })], NONE)).toEqual([expect.stringContaining('no profile says whether they will accept it')]);
    expect(since([BACK], NONE)).toEqual([expect.stringContaining('nothing is declared for "db01" going back')]);
  });

  it('is not what the plan has told of as not known; it is once a profile judges that', () => {
    const plan = { findings: [findingAbout('RELATION_NOT_JUDGED', 'unknown')] };
    expect(since([madeUpRelation({ profile: null })], plan)).toEqual([]);
    expect(since([madeUpRelation()], plan)).toHaveLength(1);
    expect(since([madeUpRelation({ profile: null })], { findings: [findingAbout('PEER_DECOMMISSIONED', 'warn')] })).toHaveLength(1);
  });

  it('is what is said of this relation and this peer, not what a plan says of others', () => {
    const unjudged = [madeUpRelation({ profile: null })];
    const said = (change: object, severity: 'unknown' | 'block' | 'warn' = 'block') => {
      const finding = findingAbout('RELATION_NOT_JUDGED', severity);
      return since(unjudged, { findings: [{ ...finding, relation: { ...finding.relation!, ...change } }] }).length;
    };
    expect([said({}), said({}, 'unknown'), said({}, 'warn'), said({ name: 'another' }), said({ peer: 'db09' })]).toEqual([0, 0, 1, 1, 1]);
    const { relation: _, ...unrelated } = findingAbout('RELATION_NOT_JUDGED', 'block');
    expect(since(unjudged, { findings: [unrelated] })).toHaveLength(1);
  });

  it('is a profile that is gone, unless the plan was judged by it; the end of the sentence goes, not its inner full stops', () => {
    const gone = madeUpRelation({ profile: 'a.b' });
    const [found] = since([gone]);
    expect(found).toContain('"a.b"');
    expect(found).not.toMatch(/\.$/);
    expect(since([gone], { findings: [], relations: [{ ...PLANNED_RELATION, profile: 'a.b' }] })).toEqual([]);
  });

  it('is the other side of a relation that this server has with somebody else, or that others have with that one', () => {
    const elsewhere = madeUpRelation({ name: 'needs', type: 'depends-on', profile: null, peers: [{ server: 'db09', address: null }] });
    expect(since([elsewhere, BACK], NONE)).toHaveLength(1);
    expect(since([{ ...elsewhere, server: 'db08', peers: [{ server: 'db02', address: null }] }, BACK], NONE)).toHaveLength(1);
    const two = { ...elsewhere, peers: ['db09', 'db02'].map((server) => ({ server, address: null })) };
    expect(since([two, BACK], NONE)).toEqual([]);
  });

  it('is no peer that is out of service', () => {
    expect(since([madeUpRelation()], NONE, { retired: ['db02'] })).toEqual([]);
  });

  it('is not the other side that plans of earlier versions have not told of, beside a need', () => {
    expect(since([madeUpRelation({ type: 'depends-on', profile: null }), BACK], NONE)).toEqual([]);
  });
});
