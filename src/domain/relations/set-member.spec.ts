import { point } from '../../../test/support/follower-points';
import { FOLLOWER_PROFILE, followerRelations } from '../../../test/support/follower-profile';
import type { Profile, Rule } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { judgedPairs } from './pairs';
import { fromOtherSide, goesLiveLater, isProvenLater, isTogether, judgeMember, notMadeAnew, withoutPeer, type MemberJudgement } from './set-member';

const PROVEN: Profile = { ...FOLLOWER_PROFILE, status: 'proven' };
const RELATIONS = followerRelations('db01', 'db02');
const profilesOf = (profile: Profile): ReadonlyMap<string, Profile> => new Map([[profile.name, profile]]);
const setOf = (...servers: readonly string[]) => ({ id: 'rset_1', basis: 'freeze', members: servers.map((server) => ({ server })) }) as never;

describe('the order in which servers of a set go live', () => {
  const restoreSet = setOf('db01', 'web01');
  const planOf = (name: string, more = {}) => ({ server: { name } as never, restoreSet, ...more });

  it('the earlier one leaves to the later one what is proven of the two, and nothing of others', () => {
    expect([goesLiveLater(restoreSet, 'web01', 'db01'), goesLiveLater(restoreSet, 'db01', 'web01')]).toEqual([true, false]);
    expect([isProvenLater(planOf('db01'), 'web01'), isProvenLater(planOf('web01'), 'db01')]).toEqual([true, false]);
    expect(isProvenLater(planOf('db01'), 'elsewhere')).toBe(false);
    expect(isProvenLater({ server: { name: 'db01' } as never }, 'web01')).toBe(false);
  });

  it('no server goes live after itself', () => expect(goesLiveLater(restoreSet, 'db01', 'db01')).toBe(false));

  it('a plan has others restored together with its server only if it is of a set, and only those of the set', () => {
    expect([isTogether(planOf('db01'), 'web01'), isTogether(planOf('db01'), 'elsewhere'), isTogether({}, 'web01')]).toEqual([true, false, false]);
  });
});

describe('what the relations of a member say in its plan', () => {
  /** The follower was ahead of its leader before both were frozen. */
  const sides = new Map(
    [point('db01', 10, { own: 5, peer: 9, setId: 'set_1' }), point('db02', 10, { own: 9, peer: 5, setId: 'set_1' })].map(
      (one) => [one.server, { point: one, others: [one] }] as const,
    ),
  );
  const member = (server: string, order: readonly string[], change: Partial<Parameters<typeof judgeMember>[0]> = {}): MemberJudgement =>
    judgeMember({ server, set: setOf(...order), relations: RELATIONS, profiles: profilesOf(PROVEN), sides, now: new Date('2026-03-10T12:00:00Z'), ...change });
  const codes = ({ findings }: MemberJudgement): readonly string[] => findings.map(({ code }) => code);

  it('is judged beside each of the others, and steps that wait for a live server are those of the later one', () => {
    const leader = member('db01', ['db01', 'db02']);
    expect(codes(leader)).toEqual(['FOLLOWER_AHEAD', 'FOLLOWER_TO_COPY', 'SET_RESTS_ON_FREEZE']);
    expect(leader).toMatchObject({ steps: [], hasLiveRules: false });
    const follower = member('db02', ['db01', 'db02']);
    expect(follower.steps).toMatchObject([
      { code: 'FOLLOWER_TO_COPY', key: 'rule:FOLLOWER_TO_COPY:db01', relation: 'db01-db02', peer: 'db01', on: 'server', when: 'live' },
    ]);
    expect(follower.hasLiveRules).toBe(true);
  });

  it('the server has the step itself where it is the later one', () => {
    const leader = member('db01', ['db02', 'db01']);
    expect(leader.steps).toMatchObject([{ key: 'rule:FOLLOWER_TO_COPY:db02', peer: 'db02', on: 'peer', when: 'live' }]);
    expect(leader.hasLiveRules).toBe(true);
    expect(member('db02', ['db02', 'db01'])).toMatchObject({ steps: [], hasLiveRules: false });
  });

  it('steps of quarantine are taken where they are asked for, whoever is later, and never twice', () => {
    const rules = PROVEN.rules.map((rule) => (rule.step === null ? rule : { ...rule, step: { ...rule.step, when: 'quarantine' as const } }));
    const profiles = profilesOf({ ...PROVEN, rules });
    expect(member('db01', ['db01', 'db02'], { profiles }).steps).toMatchObject([{ key: 'rule:FOLLOWER_TO_COPY:db02', on: 'peer', when: 'quarantine' }]);
    expect(member('db02', ['db01', 'db02'], { profiles }).steps).toEqual([]);
  });

  it('has nothing of live rules where the profile of the earlier one has none', () => {
    const profiles = profilesOf({ ...PROVEN, rules: PROVEN.rules.filter(({ phases }) => !phases.includes('live')) });
    expect(member('db02', ['db01', 'db02'], { profiles }).hasLiveRules).toBe(false);
  });

  it('has nothing of a server that is not of the set, or that goes back to nothing', () => {
    const nothing = { findings: [], steps: [], hasLiveRules: false };
    expect(member('db02', ['web01', 'db02'])).toStrictEqual(nothing);
    expect(member('db02', ['db01', 'db02'], { sides: new Map([...sides].filter(([name]) => name === 'db02')) })).toEqual(nothing);
    expect(member('db02', ['db01', 'db02'], { sides: new Map([...sides].filter(([name]) => name === 'db01')) })).toEqual(nothing);
  });

  it('has nothing of the relations with servers that are not of the set', () => {
    const [forth] = RELATIONS as [Relation];
    const wider = [{ ...forth, peers: [{ server: 'web01', address: null }, ...forth.peers] }, ...RELATIONS.slice(1)];
    expect(member('db01', ['db01', 'db02'], { relations: wider })).toEqual(member('db01', ['db01', 'db02']));
  });

  it('has live rules where one of several that were live before has them', () => {
    const third = point('web01', 10, { own: 1, peer: 1, setId: 'set_1' });
    const three = new Map([...sides, ['web01', { point: third, others: [third] }] as const]);
    expect(member('db02', ['db01', 'web01', 'db02'], { sides: three }).hasLiveRules).toBe(true);
    expect(member('db02', ['web01', 'db01', 'db02'], { sides: three }).hasLiveRules).toBe(true);
    expect(member('web01', ['db01', 'db02', 'web01'], { sides: three })).toStrictEqual({ findings: [], steps: [], hasLiveRules: false });
  });

  it('a step of the other side is done on the other side, and is known by the peer', () => {
    const step = (on: 'server' | 'peer') => fromOtherSide({ code: 'X', key: 'rule:X:db02', on, peer: 'db02', relation: 'db01-db02' } as never, 'db01', []);
    expect(step('peer')).toEqual({ code: 'X', key: 'rule:X:db01', on: 'server', peer: 'db01', relation: 'db01-db02' });
    expect(step('server')).toMatchObject({ on: 'peer' });
  });

  describe('where both sides may ask for the same step', () => {
    const atFive: Rule['when'] = [{ value: { marker: 'count', of: 'server', at: 'recovery-point' }, equals: '5' }];
    const profiles = profilesOf({ ...PROVEN, rules: PROVEN.rules.map((rule) => ({ ...rule, when: atFive })) });
    const points = [point('db01', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db02', 10, { own: 5, peer: 5, setId: 'set_1' })];
    const both = new Map(points.map((one) => [one.server, { point: one, others: [one] }] as const));
    const keys = (sides: Parameters<typeof judgeMember>[0]['sides'], relations: readonly Relation[] = RELATIONS) =>
      member('db02', ['db01', 'db02'], { profiles, sides, relations }).steps.map(({ key, relation, on }) => `${key} ${relation} ${on}`);
    const OTHER = 'rule:FOLLOWER_TO_COPY:db01:db01-db02 db01-db02 server';

    it('each has a key of its own', () => expect(keys(both)).toEqual(['rule:FOLLOWER_TO_COPY:db01 db02-db01 peer', OTHER]));

    it('that of the other side is known by its relation also where it alone asks', () => expect(keys(sides)).toEqual([OTHER]));

    it('the second relation of a side is known by its name', () => {
      const second = RELATIONS.map((relation) => ({ ...relation, name: `${relation.name}-second` }));
      const named = new Map(
        [...both].map(([name, side]) => {
          const more = side.point.markers.map((one) => ({ ...one, relation: `${one.relation}-second` }));
          const known = { ...side.point, markers: [...side.point.markers, ...more] };
          return [name, { point: known, others: [known] }] as const;
        }),
      );
      expect(keys(named, [...RELATIONS, ...second])).toEqual([
        'rule:FOLLOWER_TO_COPY:db01 db02-db01 peer',
        'rule:FOLLOWER_TO_COPY:db01:db02-db01-second db02-db01-second peer',
        OTHER,
        'rule:FOLLOWER_TO_COPY:db01:db01-db02-second db01-db02-second server',
      ]);
    });
  });
});

describe('a server of a set that is restored alone', () => {
  const pairs = judgedPairs(RELATIONS, 'db01', profilesOf(PROVEN));
  const step = { code: 'FOLLOWER_TO_COPY', relation: 'db01-db02', peer: 'db02' };
  const of = { pairs, declared: RELATIONS };

  it('has nothing to say of those that a rule has made anew', () => expect(notMadeAnew('db01', ['db02'], of, [step])).toEqual([]));

  const relation = { name: 'db01-db02', peer: 'db02', profile: 'follower' };
  it('is blocked where no rule asks for that now', () => {
    expect(notMadeAnew('db01', ['db02'], of, [])).toEqual([
      {
        code: 'RESEED_NOT_PLANNED',
        severity: 'block',
        message: '"db02" was to be made anew from "db01", and no rule asks for that by what is known of the two now: nothing in this plan does it.',
        remedy:
          'What else this plan says of "db02" tells why. Mend that and plan the set again; or make "db02" anew by hand once "db01" is live, and override this.',
        evidence: [],
        relation,
      },
    ]);
  });

  it.each([
    ['for another peer', { peer: 'web01' }],
    ['of another relation', { relation: 'db01-web01' }],
    ['that makes nothing anew', { code: 'FOLLOWER_AHEAD' }],
  ])('a step %s does not count', (_what, change) => expect(notMadeAnew('db01', ['db02'], of, [{ ...step, ...change }])).toHaveLength(1));

  it('names of several relations the one whose profile makes anew, else the first', () => {
    const [own] = pairs as [(typeof pairs)[0]];
    const plain = { ...own, relation: { ...own.relation, name: 'plain' }, profile: { ...PROVEN, name: 'plain-profile', rules: [] } };
    const named = (...of: typeof pairs) => notMadeAnew('db01', ['db02'], { pairs: of, declared: [] }, [])[0]?.relation?.name;
    expect([named(plain, own), named(plain), named({ ...own, peer: { server: 'web01', address: null } })]).toEqual(['db01-db02', 'plain', undefined]);
  });

  it('a step of one of several rules that make anew is enough', () => {
    const [, toCopy] = PROVEN.rules as [Rule, Rule];
    const profile = { ...PROVEN, rules: [...PROVEN.rules, { ...toCopy, code: 'FOLLOWER_TO_MAKE' }] };
    expect(notMadeAnew('db01', ['db02'], { pairs: judgedPairs(RELATIONS, 'db01', profilesOf(profile)), declared: RELATIONS }, [step])).toEqual([]);
  });

  it('names no relation of another server with the same peer', () => {
    const [forth] = RELATIONS as [Relation];
    expect(notMadeAnew('db01', ['db02'], { pairs: [], declared: [{ ...forth, server: 'web01' }] }, [])[0]).not.toHaveProperty('relation');
  });

  it('names what is declared where its profile is gone, and nothing where nothing is declared', () => {
    const without = (declared: readonly Relation[]) => notMadeAnew('db01', ['db02'], { pairs: [], declared }, [])[0];
    expect(without(RELATIONS)?.relation).toEqual(relation);
    expect(without(RELATIONS.filter(({ server }) => server === 'db02'))).not.toHaveProperty('relation');
    const [forth] = RELATIONS as [Relation];
    expect(without([{ ...forth, peers: [{ server: 'web01', address: null }] }])).not.toHaveProperty('relation');
    expect(without([{ ...forth, peers: [{ server: 'web01', address: null }, ...forth.peers] }])).toHaveProperty('relation');
  });
});

describe('what can be asked while the peer is not there yet', () => {
  const [pair] = judgedPairs(RELATIONS, 'db01', profilesOf(PROVEN)) as [ReturnType<typeof judgedPairs>[0]];
  const [base] = PROVEN.rules as [Rule];
  const asked = (change: Partial<Rule>): number =>
    withoutPeer({
      ...pair,
      profile: { ...PROVEN, rules: [{ ...base, when: [{ text: '${leader}', equals: '${server}' }], message: 'So.', remedy: null, ...change }] },
    }).profile.rules.length;

  it.each([
    ['asks nothing of either', {}, 1],
    ['compares what the peer says now', { when: base.when }, 0],
    ['tells of it', { message: '${peer.count.now}' }, 0],
    ['tells of it in its remedy', { remedy: '${peer.count.now}' }, 0],
    ['tells of it in its step', { step: { title: '${peer.count.now}' } as never }, 0],
    ['tells of what the peer said at the recovery point', { message: '${peer.count.recovery-point}' }, 1],
    ['tells of what the server says now', { message: '${server.count.now}' }, 1],
    ['names the peer', { message: '${peer} is called so.', step: { title: 'Go to ${peer}.' } as never }, 1],
  ] as const)('a rule that %s', (_what, change, count) => expect(asked(change)).toBe(count));

  it('leaves all else as it is', () => expect(withoutPeer(pair)).toEqual({ ...pair, profile: { ...PROVEN, rules: [] } }));
});
