import { at, point, read } from '../../../test/support/follower-points';
import { FOLLOWER_PROFILE, followerRelations } from '../../../test/support/follower-profile';
import type { Profile } from '../../contracts/profile';
import { judgedPairs, type RelationPair } from './pairs';
import { agrees, judgeTogether, standing, wereFrozenTogether, type CandidatePoint, type TogetherJudgement } from './restored-together';

const NOW = new Date('2026-03-10T12:00:00Z');
const RELATIONS = followerRelations('db01', 'db02');
const PROVEN: Profile = { ...FOLLOWER_PROFILE, status: 'proven' };

/** What the rules say of db01, which counts, where db02, which follows it, goes back, too. */
function judged(
  leader: CandidatePoint,
  follower: CandidatePoint,
  { later = [], relations = RELATIONS, profile = PROVEN }: { later?: readonly CandidatePoint[]; relations?: typeof RELATIONS; profile?: Profile } = {},
): TogetherJudgement {
  const [pair] = judgedPairs(relations, 'db01', new Map([[profile.name, profile]])) as [RelationPair];
  return judgeTogether(pair, relations, { point: leader, others: [leader] }, { point: follower, others: [follower, ...later] }, NOW);
}
const codes = ({ findings }: TogetherJudgement): readonly string[] => findings.map(({ code }) => code);
const RELATION = { name: 'db01-db02', peer: 'db02', profile: 'follower' };
const renamed = (one: CandidatePoint, change: Partial<CandidatePoint>): CandidatePoint => ({ ...one, ...change });
/** Without the readings of one side. */
const without = (one: CandidatePoint, of: 'server' | 'peer'): CandidatePoint => renamed(one, { markers: one.markers.filter((side) => side.of !== of) });

describe('two that were read before and after the point of the peer', () => {
  const leader = point('db01', 20, { own: 9, peer: 6 });
  const follower = point('db02', 10, { own: 5, peer: 6 });

  it('agree where the follower was behind both times, and it is said by what', () => {
    const judgement = judged(leader, follower, { later: [point('db02', 30, { own: 9, peer: 12 })] });
    expect(judgement).toMatchObject({ basis: 'readings', steps: [], askedLater: ['FOLLOWER_STILL_AHEAD'] });
    expect(codes(judgement)).toEqual(['RELATION_AGREES', 'RESTORED_TOGETHER']);
    expect(judgement.findings.at(-1)).toEqual({
      code: 'RESTORED_TOGETHER',
      severity: 'ok',
      message:
        '"db01" is restored together with "db02", which goes back to rp_db02_10 (2026-03-01T00:10:00.000Z): it was read before that and after it, and the rules were asked about both.',
      evidence: [],
      relation: RELATION,
    });
    expect([agrees(judgement), standing(judgement)]).toEqual([true, []]);
  });

  it('do not where it was ahead the second time: it may have been so already', () => {
    const judgement = judged(leader, follower, { later: [point('db02', 30, { own: 10, peer: 12 })] });
    // Nor does one of the two readings say that nothing speaks against it.
    expect(codes(judgement)).toEqual(['FOLLOWER_AHEAD', 'FOLLOWER_TO_COPY', 'RESTORED_TOGETHER']);
    expect(judgement.steps).toMatchObject([{ code: 'FOLLOWER_TO_COPY', key: 'rule:FOLLOWER_TO_COPY:db02', relation: 'db01-db02', peer: 'db02' }]);
    expect([agrees(judgement), standing(judgement).map(({ code }) => code)]).toEqual([false, ['FOLLOWER_AHEAD']]);
  });

  it('are told of once where both readings say the same, and have one step', () => {
    const ahead = judged(point('db01', 20, { own: 3, peer: 6 }), follower, { later: [point('db02', 30, { own: 5, peer: 12 })] });
    expect(codes(ahead)).toEqual(['FOLLOWER_AHEAD', 'FOLLOWER_TO_COPY', 'RESTORED_TOGETHER']);
    expect(ahead.steps).toHaveLength(1);
  });

  it('are told of twice where they say the same of other values', () => {
    const ahead = judged(point('db01', 20, { own: 3, peer: 6 }), follower, { later: [point('db02', 30, { own: 6, peer: 12 })] });
    expect(codes(ahead)).toEqual(['FOLLOWER_AHEAD', 'FOLLOWER_TO_COPY', 'FOLLOWER_AHEAD', 'RESTORED_TOGETHER']);
  });

  it('are judged by the earliest of several later readings: what came after it says less', () => {
    const later = [point('db02', 50, { own: 20, peer: 20 }), point('db02', 30, { own: 9, peer: 12 }), point('db02', 40, { own: 15, peer: 16 })];
    expect(codes(judged(leader, follower, { later }))).toEqual(['RELATION_AGREES', 'RESTORED_TOGETHER']);
  });

  const unbounded = (later: readonly CandidatePoint[], first = follower) => {
    const judgement = judged(leader, first, { later });
    expect([judgement.basis, agrees(judgement)]).toEqual([null, false]);
    return judgement;
  };

  it('are not known to agree where the peer was not read after its point', () => {
    const judgement = unbounded([]);
    expect(judgement.findings).toEqual([
      {
        code: 'SET_NOT_PROVEN',
        severity: 'unknown',
        message: 'How far "db02" had come at rp_db02_10 (2026-03-01T00:10:00.000Z) is not known: it was read before that, and not again after it.',
        remedy: 'Take both from one backup set, or an older recovery point, after which another one was taken.',
        evidence: [],
        relation: RELATION,
      },
    ]);
    expect(judgement).toMatchObject({ steps: [], askedLater: ['FOLLOWER_STILL_AHEAD'] });
  });

  it('are not where that reading is of another line of disks, or less than a minute younger: clocks differ', () => {
    unbounded([point('db02', 30, { own: 9, peer: 12, lineageId: 'line-2' })]);
    unbounded([point('db02', 30, { own: 9, peer: 12, readAt: 10.9 })]);
    expect(judged(leader, follower, { later: [point('db02', 30, { own: 9, peer: 12, readAt: 11 })] }).basis).toBe('readings');
  });

  it('are not where some of that reading is from before: a marker that was read late says nothing of one that was not', () => {
    const young = point('db02', 30, { own: 9, peer: 12 });
    const [own, peer] = young.markers;
    const mixed = renamed(young, { markers: [{ ...own, readings: { ...own?.readings, other: read(1, 5) } } as never, peer as never] });
    unbounded([mixed]);
  });

  it('are not where the peer was not read before its point, and what it is about is said', () => {
    const judgement = unbounded([point('db02', 30, { own: 9, peer: 12 })], without(follower, 'server'));
    expect(judgement.findings.at(-1)).toMatchObject({
      code: 'SET_NOT_PROVEN',
      message:
        'What "db02" said of itself right before rp_db02_10 (2026-03-01T00:10:00.000Z) is not known, or not for a relation with "db01" by the profile follower.',
    });
  });

  it('a peer of which nothing was stored has not been asked: that it does not answer once it is live was acknowledged by nobody', () => {
    const unread = unbounded([], without(follower, 'server')).findings.find(({ code }) => code === 'PEER_UNKNOWN');
    expect(unread).toMatchObject({ notKnown: ['peer.count.now'] });
    expect(unread).not.toHaveProperty('nothingKnown');
  });

  it('keeps of the server that nothing was known of it', () => {
    const judgement = judged(without(leader, 'server'), follower, { later: [point('db02', 30, { own: 9, peer: 12 })] });
    expect(judgement.findings.find(({ code }) => code === 'MARKER_NOT_CAPTURED')).toMatchObject({ nothingKnown: true });
  });

  it.each([
    ['that is declared from its side with a third one', { peers: [{ server: 'web01', address: null }] }],
    ['by another profile', { profile: 'another' }],
    ['of another server', { server: 'web01' }],
  ])('takes what the peer said of itself from no relation %s', (_what, change) => {
    const [forth, back] = RELATIONS as [(typeof RELATIONS)[0], (typeof RELATIONS)[0]];
    const relations = [forth, { ...back, ...change }];
    expect(judged(leader, follower, { relations, later: [point('db02', 30, { own: 9, peer: 12 })] }).basis).toBeNull();
  });
});

describe('what is taken from the recovery points', () => {
  const [ahead] = PROVEN.rules as [Profile['rules'][number]];
  const says = (rule: Partial<Profile['rules'][number]>, ...when: readonly object[]): Profile['rules'][number] => ({ ...ahead, ...rule, when: when as never });
  const value = (of: 'server' | 'peer', at: 'now' | 'recovery-point', equals: string, marker = 'count') => ({ value: { marker, of, at }, equals });
  const with2 = (one: CandidatePoint, of: 'server' | 'peer', other: object): CandidatePoint =>
    renamed(one, { markers: one.markers.map((side) => (side.of === of ? { ...side, readings: { ...side.readings, other: other as never } } : side)) });
  const leader = point('db01', 20, { own: 9, peer: 6 });
  const follower = point('db02', 10, { own: 5, peer: 6 });
  const later = [point('db02', 30, { own: 9, peer: 12 })];
  const failed = (minutes: number) => ({ state: 'failed', code: 'PROBE_FAILED', message: 'no answer', at: at(minutes) });

  it('is also what the server saw of its peer then', () => {
    const profile = { ...PROVEN, rules: [ahead, says({ code: 'PEER_WAS_AT_6', message: 'It was.' }, value('peer', 'recovery-point', '6'))] };
    expect(codes(judged(leader, follower, { later, profile }))).toEqual(['PEER_WAS_AT_6', 'RESTORED_TOGETHER']);
    expect(codes(judged(point('db01', 20, { own: 9, peer: 7 }), follower, { later, profile }))).toEqual(['RELATION_AGREES', 'RESTORED_TOGETHER']);
  });

  it('is nothing of a server of which one marker that is asked was not read: half an answer is none', () => {
    const other = { ...PROVEN.markers[0]!, name: 'other' };
    const profile = {
      ...PROVEN,
      markers: [...PROVEN.markers, other],
      rules: [ahead, says({ code: 'OTHER_IS_1', message: 'It is.' }, value('server', 'recovery-point', '1', 'other'))],
    };
    const { findings } = judged(with2(leader, 'server', failed(19)), follower, { later, profile });
    expect(findings.find(({ code }) => code === 'MARKER_NOT_CAPTURED')).toMatchObject({
      notKnown: ['server.count.recovery-point', 'server.other.recovery-point'],
    });
  });

  it('is what is read of a side also where a program failed that no rule asks of it, whenever that was', () => {
    expect(judged(leader, follower, { later: [with2(later[0]!, 'server', failed(1))] }).basis).toBe('readings');
  });

  it('is of this relation and this peer alone', () => {
    const foreign = (one: CandidatePoint): CandidatePoint =>
      renamed(one, {
        markers: [
          ...one.markers.map((side) => ({ ...side, relation: 'another', readings: { count: read(99, 29) } })),
          ...one.markers.map((side) => ({ ...side, peer: 'web01', readings: { count: read(99, 29) } })),
          ...one.markers,
        ],
      });
    expect(judged(foreign(leader), foreign(follower), { later: later.map(foreign) })).toEqual(judged(leader, follower, { later }));
  });

  it('is of a relation from the side of the peer also where it has other peers', () => {
    const [forth, back] = RELATIONS as [(typeof RELATIONS)[0], (typeof RELATIONS)[0]];
    const relations = [forth, { ...back, peers: [{ server: 'web01', address: null }, ...back.peers] }];
    expect(judged(leader, follower, { later, relations }).basis).toBe('readings');
  });

  it('is told of twice where two rules say the same words, and each has its step', () => {
    const step = { title: 'Do it.', on: 'peer', when: 'live' } as const;
    const rules = ['5', '9'].map((count) => ({
      ...says({ code: `PEER_AT_${count}`, severity: 'step', message: 'It is so.', remedy: null }, value('peer', 'now', count)),
      step,
    }));
    const judgement = judged(leader, follower, { later, profile: { ...PROVEN, rules: [...rules] as never } });
    expect(codes(judgement)).toEqual(['PEER_AT_5', 'PEER_AT_9', 'RESTORED_TOGETHER']);
    expect(judgement.steps.map(({ key }) => key)).toEqual(['rule:PEER_AT_5:db02', 'rule:PEER_AT_9:db02']);
  });

  it('agrees by a profile that nothing has proven, and that is said once', () => {
    expect(codes(judged(leader, follower, { later, profile: FOLLOWER_PROFILE }))).toEqual(['RELATION_AGREES', 'PROFILE_EXPERIMENTAL', 'RESTORED_TOGETHER']);
  });

  it('is, of two frozen together, the reading of the server whose last marker is the latest', () => {
    const [one, two] = [point('db01', 10, { own: 5, peer: 5, setId: 's', readAt: 9 }), point('db02', 10, { own: 5, peer: 4, setId: 's', readAt: 8 })];
    // What db02 saw of db01 at 8 is a 4; db01 itself said 5 at 9, and something else long before.
    expect(codes(judged(with2(one, 'server', read(1, 5)), two))).toEqual(['SET_RESTS_ON_FREEZE']);
  });
});

describe('two that were frozen together', () => {
  const pointsOf = (own: number, peer: number): readonly [CandidatePoint, CandidatePoint] => [
    point('db01', 10, { own, peer, setId: 'set_1' }),
    point('db02', 10, { own: peer, peer: own, setId: 'set_1' }),
  ];

  it('rest on the freeze, which is not counted against them', () => {
    const judgement = judged(...pointsOf(5, 5));
    expect(judgement).toMatchObject({ basis: 'freeze', steps: [], askedLater: ['FOLLOWER_STILL_AHEAD'] });
    expect(judgement.findings).toEqual([
      {
        code: 'SET_RESTS_ON_FREEZE',
        severity: 'unknown',
        message:
          '"db01" is restored together with "db02", to recovery points of backup set set_1. Both were read before they were frozen together; that nothing went from one to the other between is not proven.',
        remedy: 'Look at both in quarantine, before they go live, and acknowledge that it is not known; or choose a set of points of which it is proven.',
        evidence: [],
        relation: RELATION,
      },
    ]);
    expect([agrees(judgement), standing(judgement)]).toEqual([true, []]);
  });

  it('do not agree where the follower was ahead before', () => {
    const judgement = judged(...pointsOf(5, 6));
    expect(codes(judgement)).toEqual(['FOLLOWER_AHEAD', 'FOLLOWER_TO_COPY', 'SET_RESTS_ON_FREEZE']);
    expect(judgement.steps.map(({ code }) => code)).toEqual(['FOLLOWER_TO_COPY']);
    expect(agrees(judgement)).toBe(false);
  });

  // A member is read by the clock of its own worker, and seen by the other one a moment earlier or later.
  it('are judged by the earliest of the peer and the latest of the server, whichever of the two has read it', () => {
    const [leader, follower] = [
      point('db01', 10, { own: 5, peer: 9, setId: 'set_1', readAt: 9 }),
      point('db02', 10, { own: 6, peer: 7, setId: 'set_1', readAt: 8 }),
    ];
    // The follower's own 6 at 8 is earlier than the 9 at 9; the leader's own 5 at 9 is later than the 7 at 8.
    expect(codes(judged(leader, follower))).toContain('FOLLOWER_AHEAD');
    const [early, late] = [
      point('db01', 10, { own: 5, peer: 6, setId: 'set_1', readAt: 8 }),
      point('db02', 10, { own: 9, peer: 7, setId: 'set_1', readAt: 9 }),
    ];
    expect(codes(judged(early, late))).toEqual(['SET_RESTS_ON_FREEZE']);
  });

  it('are judged by what the peer saw of the server where the server itself was not read', () => {
    const [leader, follower] = pointsOf(5, 5);
    expect(codes(judged(without(leader, 'server'), follower))).toEqual(['SET_RESTS_ON_FREEZE']);
    expect(codes(judged(leader, without(follower, 'server')))).toEqual(['SET_RESTS_ON_FREEZE']);
  });

  it('are those of one set, whose file systems stood still', () => {
    const one = point('db01', 10, { own: 5, peer: 5, setId: 'set_1' });
    const same = point('db02', 10, { own: 5, peer: 5, setId: 'set_1' });
    expect(wereFrozenTogether(one, same)).toBe(true);
    expect(wereFrozenTogether(one, renamed(same, { setId: 'set_2' }))).toBe(false);
    expect(wereFrozenTogether(renamed(one, { setId: null }), renamed(same, { setId: null }))).toBe(false);
    expect(wereFrozenTogether(renamed(one, { consistency: 'crash' }), same)).toBe(false);
    expect(wereFrozenTogether(one, renamed(same, { consistency: 'crash' }))).toBe(false);
  });
});

describe('rules that look at the server alone', () => {
  const [ahead] = FOLLOWER_PROFILE.rules as [Profile['rules'][number]];
  const profile: Profile = {
    ...PROVEN,
    rules: [
      {
        ...ahead,
        code: 'COUNT_IS_ZERO',
        when: [{ value: { marker: 'count', of: 'server', at: 'recovery-point' }, equals: '0' }] as unknown as typeof ahead.when,
        message: 'It has counted nothing.',
      },
    ],
  };

  it('need nothing of the peer, and are decided as in any plan', () => {
    const follower = without(without(point('db02', 10, { own: 5, peer: 5 }), 'server'), 'peer');
    expect(judged(point('db01', 10, { own: 5, peer: 5 }), follower, { profile })).toMatchObject({ basis: 'readings', askedLater: [] });
    expect(codes(judged(point('db01', 10, { own: 0, peer: 5 }), follower, { profile }))).toEqual(['COUNT_IS_ZERO']);
  });
});

describe('what keeps two points from being chosen', () => {
  const judgement = (...findings: readonly Partial<TogetherJudgement['findings'][number]>[]): TogetherJudgement => ({
    basis: 'readings',
    steps: [],
    askedLater: ['LATER_A', 'LATER_B'],
    findings: findings.map((finding) => ({ code: 'X', severity: 'unknown', message: '', evidence: [], ...finding })),
  });

  it.each([
    ['a rule that blocks', { severity: 'block' }, 1],
    ['a warning', { severity: 'warn' }, 0],
    ['a step', { severity: 'step' }, 0],
    ['an unknown that says of no rule', {}, 1],
    ['an unknown that leaves no rule open', { leavesOpen: [] }, 1],
    ['that they rest on a common freeze', { code: 'SET_RESTS_ON_FREEZE' }, 0],
    ['an unknown of rules that are asked later', { leavesOpen: ['LATER_A', 'LATER_B'] }, 0],
    ['an unknown of such rules and of one of the plan', { leavesOpen: ['LATER_A', 'NOW'] }, 1],
  ] as const)('%s', (_what, finding, count) => {
    const one = judgement(finding as never);
    expect([standing(one).length, agrees(one)]).toEqual([count, count === 0]);
  });

  it('without a basis nothing agrees', () => expect(agrees({ ...judgement(), basis: null })).toBe(false));
});
