import { at, MINUTE, other, point, START } from '../../../test/support/follower-points';
import { FOLLOWER_PROFILE, followerRelations } from '../../../test/support/follower-profile';
import { forManyCases } from '../../../test/support/many-cases';
import { profileSchema } from '../../contracts/api/profile';
import type { MarkerReading, Profile } from '../../contracts/profile';
import type { SideReadings } from '../../contracts/reading';
import type { Relation } from '../../contracts/relation';
import { chooseAgreeingPoints, MAX_COMBINATIONS, MAX_JUDGEMENTS, setServer, type SetChoice, type SetServer } from './agreeing-points';
import { judgedPairs } from './pairs';
import { judgeTogether, type CandidatePoint } from './restored-together';

const NOW = new Date('2026-03-10T12:00:00Z');
const PROFILES = new Map([['follower', FOLLOWER_PROFILE]]);
const RELATIONS = followerRelations('db01', 'db02');

const newestFirst = (points: readonly CandidatePoint[]): readonly CandidatePoint[] => [...points].sort((a, b) => (a.pointInTime < b.pointInTime ? 1 : -1));
/** Of `db01` and the servers that are counted after it. */
const chooseOf = (
  servers: readonly (readonly CandidatePoint[])[],
  relations: readonly Relation[] = RELATIONS,
  profiles: ReadonlyMap<string, Profile> = PROFILES,
): SetChoice =>
  chooseAgreeingPoints({
    servers: servers.map((points, index) => setServer(`db0${index + 1}`, newestFirst(points), null)),
    relations,
    profiles,
    now: NOW,
  });
const choose = (
  db01: readonly CandidatePoint[],
  db02: readonly CandidatePoint[],
  relations: readonly Relation[] = RELATIONS,
  profiles: ReadonlyMap<string, Profile> = PROFILES,
): SetChoice => chooseOf([db01, db02], relations, profiles);
const withoutPoints = ({ points: _, ...rest }: SetChoice): Omit<SetChoice, 'points'> => rest;
const ids = ({ points }: SetChoice): readonly string[] => points.map(({ id }) => id);

describe('the recovery points of a set', () => {
  it('are those of the newest backup set that agrees, and rest on its freeze', () => {
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db01', 20, { own: 9, peer: 9, setId: 'set_2' })],
      [point('db02', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db02', 20, { own: 9, peer: 9, setId: 'set_2' })],
    );
    expect(choice).toMatchObject({ basis: 'freeze', choice: ['Backup set set_2 was chosen.'], setId: 'set_2', steps: [], passedOver: [] });
    expect(ids(choice)).toEqual(['rp_db01_20', 'rp_db02_20']);
  });

  it('are the newest ones also where these lack what rules ask only later, and the plan of the set names that', () => {
    const later = {
      code: 'IDENTITY_NOT_CHANGED',
      phases: ['quarantine', 'live'],
      when: [
        { text: '${leader}', equals: '${server}' },
        { value: { marker: 'identity', of: 'server', at: 'recovery-point' }, equals: '1' },
      ],
      severity: 'block',
      message: 'It is the old one.',
    };
    const profile = profileSchema.parse({
      ...FOLLOWER_PROFILE,
      markers: [...FOLLOWER_PROFILE.markers, { ...FOLLOWER_PROFILE.markers[0], name: 'identity' }],
      rules: [
        ...FOLLOWER_PROFILE.rules.map(({ remedy, step, ...rule }) => ({ ...rule, ...(remedy === null ? {} : { remedy }), ...(step === null ? {} : { step }) })),
        later,
      ],
    });
    const [older, newer] = [10, 20].map((minutes) => [
      point('db01', minutes, { own: 5, peer: 5, setId: `set_${minutes}` }),
      point('db02', minutes, { own: 5, peer: 5, setId: `set_${minutes}` }),
    ]) as unknown as readonly [readonly [CandidatePoint, CandidatePoint], readonly [CandidatePoint, CandidatePoint]];
    const profiles = new Map([['follower', profile]]);
    expect(choose([older[0], newer[0]], [older[1], newer[1]], RELATIONS, profiles)).toMatchObject({ setId: 'set_20', passedOver: [] });
    const [pair] = judgedPairs(RELATIONS, 'db01', profiles);
    if (pair === undefined) throw new Error('no pair');
    const { findings } = judgeTogether(pair, RELATIONS, { point: newer[0], others: [] }, { point: newer[1], others: [] }, NOW);
    expect(findings.filter(({ code }) => code === 'MARKER_NOT_CAPTURED')).toMatchObject([{ severity: 'unknown', leavesOpen: ['IDENTITY_NOT_CHANGED'] }]);
  });

  // Members of a set are read one after another: a follower that was read a moment later may be ahead of what its leader had said before.
  it('of a set compare the earliest of the peer with the latest of the server, all of it from before the freeze', () => {
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1', readAt: 8 })],
      [point('db02', 10, { own: 7, peer: 8, setId: 'set_1', readAt: 9 })],
    );
    expect(choice.basis).toBe('freeze');
  });

  it('are never of a set in which a follower was ahead before the freeze; an older set that agrees is taken, and the newer one is told of', () => {
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db01', 20, { own: 6, peer: 9, setId: 'set_2' })],
      [point('db02', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db02', 20, { own: 9, peer: 6, setId: 'set_2' })],
    );
    expect(ids(choice)).toEqual(['rp_db01_10', 'rp_db02_10']);
    expect(choice.choice[0]).toContain('Backup set set_2');
    expect(choice.choice[0]).toContain('FOLLOWER_AHEAD');
    expect(choice).toMatchObject({ setId: 'set_1', passedOver: [choice.choice[0]] });
  });

  it('are of the set whose newest recovery point is the newest, whichever server it is of', () => {
    const choice = chooseOf([
      [point('db01', 20, { own: 5, peer: 5, setId: 'set_1' }), point('db01', 21, { own: 5, peer: 5, setId: 'set_2' })],
      [point('db02', 23, { own: 5, peer: 5, setId: 'set_1' }), point('db02', 22, { own: 5, peer: 5, setId: 'set_2' })],
      [point('db03', 19, { own: 5, peer: 5, setId: 'set_1' }), point('db03', 22, { own: 5, peer: 5, setId: 'set_2' })],
    ]);
    expect(choice).toMatchObject({ choice: ['Backup set set_1 was chosen.'], setId: 'set_1' });
    expect(ids(choice)).toEqual(['rp_db01_20', 'rp_db02_23', 'rp_db03_19']);
  });

  it('are of no set of which a server has its recovery point no longer', () => {
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1' }), point('db01', 20, { own: 5, peer: 5, setId: 'set_2' })],
      [point('db02', 10, { own: 5, peer: 5, setId: 'set_1' })],
    );
    expect(choice).toMatchObject({ choice: ['Backup set set_1 was chosen.'], setId: 'set_1' });
    expect(ids(choice)).toEqual(['rp_db01_10', 'rp_db02_10']);
  });

  it.each([
    [1, []],
    [8, []],
    [9, ['1 older backup set did not agree either.']],
    [10, ['2 older backup sets did not agree either.']],
  ])('of %i sets that do not agree are passed over, the newest eight by name, and no set is tried again as a combination', (count, rest) => {
    const ofAll = (server: string, own: number, peer: number): readonly CandidatePoint[] =>
      Array.from({ length: count }, (_, index) => point(server, (count - index) * 10, { own, peer, setId: `set_${count - index}` }));
    const ahead = 'FOLLOWER_AHEAD: "db02" has counted to 9, and "db01" goes back to 6.';
    const sets = Array.from({ length: count }, (_, index) => `Backup set set_${count - index} (${at((count - index) * 10)}): ${ahead}`);
    const { choice, passedOver } = choose(ofAll('db01', 6, 9), ofAll('db02', 9, 6));
    expect(passedOver).toEqual([
      ...sets.slice(0, 8),
      ...rest,
      `${count * (count - 1)} other combinations of recovery points were tried.`,
      ...(count === 1 ? [] : [`The last one: ${ahead}`]),
    ]);
    expect(choice).toEqual([...passedOver, 'No recovery points agree: "db01" is restored, and "db02" is made anew from it, as its plan says.']);
  });

  it('rest on readings where these prove a set that was not frozen', () => {
    const choice = choose(
      [point('db01', 20, { own: 9, peer: 7, setId: 'set_1', consistency: 'crash' }), point('db01', 40, { own: 12, peer: 12 })],
      [point('db02', 10, { own: 5, peer: 6, setId: 'set_1', consistency: 'crash' }), point('db02', 30, { own: 8, peer: 10 })],
    );
    expect(choice).toMatchObject({ basis: 'readings', choice: ['Backup set set_1 was chosen.'], setId: 'set_1', unjudged: [] });
  });

  it('rest on the freeze as soon as one relation does', () => {
    const [toPeer] = RELATIONS as [Relation, Relation];
    const [rule] = FOLLOWER_PROFILE.rules as [Profile['rules'][number]];
    const ofTextsAlone = {
      ...FOLLOWER_PROFILE,
      name: 'texts',
      rules: [{ ...rule, when: [{ text: '${leader}', equals: 'nobody' }] as unknown as typeof rule.when, message: 'Never.' }],
    };
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1' })],
      [point('db02', 10, { own: 5, peer: 5, setId: 'set_1' })],
      [{ ...toPeer, name: 'texts', profile: 'texts' }, ...RELATIONS],
      new Map([...PROFILES, ['texts', ofTextsAlone]]),
    );
    expect(choice).toMatchObject({ basis: 'freeze', setId: 'set_1' });
  });

  it('are told with the steps that rules ask for between them, by code, and with no other findings', () => {
    const [, step] = FOLLOWER_PROFILE.rules as [Profile['rules'][number], Profile['rules'][number]];
    const asking = new Map([['follower', { ...FOLLOWER_PROFILE, rules: [step, { ...step, code: 'COUNT_TO_CHECK' }] }]]);
    const choice = choose(
      [point('db01', 10, { own: 6, peer: 9, setId: 'set_1' })],
      [point('db02', 10, { own: 9, peer: 6, setId: 'set_1' })],
      RELATIONS,
      asking,
    );
    expect(choice).toMatchObject({ basis: 'freeze', setId: 'set_1', steps: ['COUNT_TO_CHECK', 'FOLLOWER_TO_COPY'] });
  });

  it('are of no set where a file system was not frozen', () => {
    const choice = choose(
      [point('db01', 10, { own: 5, peer: 5, setId: 'set_1', consistency: 'crash' })],
      [point('db02', 10, { own: 5, peer: 5, setId: 'set_1', consistency: 'crash' })],
    );
    expect(choice.basis).toBe('reseed');
    expect(choice.choice.join(' ')).toContain('SET_NOT_PROVEN');
  });

  it('may be of different moments where later readings prove that they agree', () => {
    const choice = choose(
      [point('db01', 20, { own: 9, peer: 7 }), point('db01', 40, { own: 12, peer: 12 })],
      [point('db02', 10, { own: 5, peer: 6 }), point('db02', 30, { own: 8, peer: 10 })],
    );
    // What db02 held at 10 lies between the 5 of before and the 8 of its next image; db01 had 9 by then.
    expect(ids(choice)).toEqual(['rp_db01_20', 'rp_db02_10']);
    expect(withoutPoints(choice)).toEqual({
      basis: 'readings',
      setId: null,
      steps: [],
      choice: ['4 other combinations of recovery points were tried.', 'Chosen: db01 rp_db01_20, db02 rp_db02_10.'],
      passedOver: ['4 other combinations of recovery points were tried.'],
      unjudged: [],
    });
  });

  describe('where a program of theirs has failed', () => {
    const tool = {
      name: 'tool',
      type: 'boolean',
      of: 'server',
      isCaptured: true,
      timeoutSeconds: 5,
      probe: { kind: 'command', argv: ['/usr/bin/tool'] },
    } as const;
    /** Only for a leader that takes itself for one of several. */
    const asks = (several: string): ReadonlyMap<string, Profile> => {
      const [rule] = FOLLOWER_PROFILE.rules as [Profile['rules'][number]];
      const when = [
        { text: '${leader}', equals: '${server}' },
        { text: several, equals: 'yes' },
        { value: { marker: 'tool', of: 'server', at: 'recovery-point' }, equals: 'false' },
      ] as unknown as typeof rule.when;
      const rules = [...FOLLOWER_PROFILE.rules, { ...rule, code: 'TOOL_MISSING', when, message: 'No tool.' }];
      return new Map([['follower', { ...FOLLOWER_PROFILE, markers: [...FOLLOWER_PROFILE.markers, tool], rules }]]);
    };
    const saying = (state: MarkerReading) => (one: CandidatePoint) => ({
      ...one,
      markers: one.markers.map((side) => (side.of === 'server' ? { ...side, readings: { ...side.readings, tool: { ...state, at: one.pointInTime } } } : side)),
    });
    const missing = saying({ state: 'failed', code: 'GUEST_PROGRAM_MISSING', message: 'none', at: '' });
    const there = saying({ state: 'read', value: 'true', raw: 'true', at: '' });
    const leader = [point('db01', 20, { own: 9, peer: 7 }), point('db01', 40, { own: 12, peer: 12 })];
    const follower = [point('db02', 10, { own: 5, peer: 6 }), point('db02', 30, { own: 8, peer: 10 })];
    const basis = (ofLeader: typeof missing, ofFollower: typeof missing, several: string) =>
      choose(leader.map(ofLeader), follower.map(ofFollower), RELATIONS, asks(several)).basis;

    it('are chosen by the rest, if no rule asks it of that side', () => {
      expect(basis(missing, missing, 'no')).toBe('readings');
      expect(basis(there, missing, 'yes')).toBe('readings');
      expect(ids(choose(leader.map(missing), follower.map(missing), RELATIONS, asks('no')))).toEqual(['rp_db01_20', 'rp_db02_10']);
    });

    it('are not known to agree where a rule asks it', () => {
      expect(basis(there, there, 'yes')).toBe('readings');
      expect(basis(missing, there, 'yes')).not.toBe('readings');
    });

    // The image of the peer may be far younger: what it saw of the server then is no reading of what the server goes back to.
    it('are not known to agree by what the peer saw of the server, where the server itself was not read', () => {
      const unread = there(point('db01', 20, { own: 9, peer: 7 }));
      const failed: MarkerReading = { state: 'failed', code: 'PROBE_FAILED', message: 'no answer', at: at(19.5) };
      const older = {
        ...unread,
        markers: unread.markers.map((side) => (side.of === 'server' ? { ...side, readings: { ...side.readings, count: failed } } : side)),
      };
      const later = there(point('db01', 40, { own: 12, peer: 12 }));
      const peers = [point('db02', 50, { own: 9, peer: 9 }), point('db02', 30, { own: 8, peer: 9 })].map(there);
      const servers = [
        { name: 'db01', points: [older], known: [later, older] },
        { name: 'db02', points: peers, known: peers },
      ];
      expect(chooseAgreeingPoints({ servers, relations: RELATIONS, profiles: asks('no'), now: NOW }).basis).not.toBe('readings');
    });
  });

  it('are not chosen by a reading from another line of disks', () => {
    const choice = choose(
      [point('db01', 20, { own: 9, peer: 7 }), point('db01', 40, { own: 12, peer: 12 })],
      [point('db02', 10, { own: 5, peer: 6 }), point('db02', 30, { own: 8, peer: 10, lineageId: 'line-2' })],
    );
    expect(choice.basis).toBe('reseed');
  });

  describe('where nothing that is judged is between the servers', () => {
    const [toPeer] = RELATIONS as [Relation, Relation];
    const needs: Relation = { ...toPeer, type: 'depends-on', profile: null };
    const stranger = { server: 'db09', address: null };
    it.each<[string, readonly Relation[]]>([
      ['nothing is declared', []],
      ['one only needs the other', [needs]],
      ['one is judged beside a server that is not restored', [{ ...toPeer, peers: [stranger] }]],
      ['one replicates with a server that is not restored, and no profile says how', [{ ...toPeer, peers: [stranger], profile: null }]],
      ['a server that is not restored replicates with one of them, and no profile says how', [{ ...toPeer, server: 'db09', profile: null }]],
    ])('are the newest of each: %s', (_, relations) => {
      const choice = choose(
        [point('db01', 10, { own: 1, peer: 1 }), point('db01', 20, { own: 2, peer: 2 })],
        [point('db02', 5, { own: 9, peer: 9 })],
        relations,
      );
      expect(ids(choice)).toEqual(['rp_db01_20', 'rp_db02_5']);
      expect(withoutPoints(choice)).toEqual({
        basis: 'unrelated',
        setId: null,
        steps: [],
        choice: ['Nothing is declared between these servers that is judged: the newest of each was chosen.'],
        passedOver: [],
        unjudged: [],
      });
    });

    it('are the newest of each only if no relation names two of them, whoever else it names', () => {
      const choice = choose(
        [point('db01', 20, { own: 2, peer: 2 })],
        [point('db02', 5, { own: 9, peer: 9 })],
        [{ ...toPeer, peers: [...toPeer.peers, stranger], profile: null }],
      );
      expect(choice.basis).toBeNull();
    });
  });

  it('without a profile are only those that were frozen together', () => {
    const unjudged = RELATIONS.map((relation) => ({ ...relation, profile: null }));
    const alone = [point('db01', 10, { own: 1, peer: 1 })];
    expect(choose(alone, [point('db02', 10, { own: 1, peer: 1 })], unjudged)).toMatchObject({ basis: null });
    const together = choose(
      [point('db01', 9, { own: 1, peer: 1, setId: 'set_1' }), ...alone],
      [point('db02', 9, { own: 1, peer: 1, setId: 'set_1' })],
      unjudged,
    );
    expect(together).toMatchObject({ basis: 'freeze', choice: ['Backup set set_1 was chosen.'], unjudged: unjudged.map(({ name }) => name) });
  });

  it('without a profile are none of which one is of one backup set and one of another', () => {
    const unjudged = RELATIONS.map((relation) => ({ ...relation, profile: null }));
    const choice = choose([point('db01', 10, { own: 1, peer: 1, setId: 'set_1' })], [point('db02', 10, { own: 1, peer: 1, setId: 'set_2' })], unjudged);
    expect(choice.choice).toEqual([
      '1 other combination of recovery points was tried.',
      'The last one: No profile says whether "db01" and its peers accept each other (relation "db01-db02").',
      'No profile says how "db02" would be made anew from "db01".',
    ]);
    expect(choice).toMatchObject({ basis: null, passedOver: choice.choice });
  });

  it('are not replaced by a step on the peer that does not make it anew', () => {
    const rules = FOLLOWER_PROFILE.rules.map((rule) => (rule.step === null ? rule : { ...rule, step: { ...rule.step, reseeds: undefined } }));
    const mending = new Map([['follower', { ...FOLLOWER_PROFILE, rules }]]);
    const choice = choose([point('db01', 20, { own: 3, peer: 9 })], [point('db02', 30, { own: 9, peer: 3 })], RELATIONS, mending);
    expect(choice.basis).toBeNull();
    expect(choice.choice.at(-1)).toContain('No profile says how "db02" would be made anew from "db01"');
  });

  it('give way to one source where none agree and the profile says how the others are made anew', () => {
    const choice = choose([point('db01', 20, { own: 3, peer: 9 })], [point('db02', 30, { own: 9, peer: 3 })]);
    const tried = [
      '1 other combination of recovery points was tried.',
      'The last one: FOLLOWER_AHEAD: "db02" has counted to 9, and "db01" goes back to 3. ' +
        `SET_NOT_PROVEN: How far "db02" had come at rp_db02_30 (${at(30)}) is not known: it was read before that, and not again after it.`,
    ];
    expect(ids(choice)).toEqual(['rp_db01_20']);
    expect(withoutPoints(choice)).toEqual({
      basis: 'reseed',
      setId: null,
      steps: [],
      choice: [...tried, 'No recovery points agree: "db01" is restored, and "db02" is made anew from it, as its plan says.'],
      passedOver: tried,
      unjudged: [],
    });
  });

  describe('of three servers that do not agree', () => {
    const ahead = [[point('db01', 20, { own: 3, peer: 9 })], [point('db02', 30, { own: 9, peer: 3 })], [point('db03', 30, { own: 9, peer: 3 })]];

    it('give way to one source from which both others are made anew', () => {
      const choice = chooseOf(ahead, [...RELATIONS, ...followerRelations('db01', 'db03')]);
      expect(choice.basis).toBe('reseed');
      expect(choice.choice.at(-1)).toBe('No recovery points agree: "db01" is restored, and "db02", "db03" are made anew from it, as its plan says.');
    });

    it('are none where the third would be made anew from the second', () => {
      const choice = chooseOf(ahead, [...RELATIONS, ...followerRelations('db02', 'db03')]);
      expect(choice.basis).toBeNull();
      expect(choice.choice.at(-1)).toBe('No profile says how "db03" would be made anew from "db01".');
    });
  });

  it('are none where nothing agrees and nobody says how the others are made anew', () => {
    const [fromLeader, fromFollower] = RELATIONS as [Relation, Relation];
    const server = (name: string, points: readonly CandidatePoint[]): SetServer => ({ name, points, known: points });
    const { basis, choice } = chooseAgreeingPoints({
      servers: [server('db01', [point('db01', 20, { own: 3, peer: 9 })]), server('db02', [point('db02', 30, { own: 9, peer: 3 })])],
      relations: [fromLeader, fromFollower],
      profiles: new Map([['follower', { ...FOLLOWER_PROFILE, rules: FOLLOWER_PROFILE.rules.filter(({ step }) => step === null) }]]),
      now: NOW,
    });
    expect(basis).toBeNull();
    expect(choice.at(-1)).toBe('No profile says how "db02" would be made anew from "db01".');
  });

  it.each([
    [[], [point('db02', 30, { own: 9, peer: 3 })], '"db01" has no usable image.'],
    [[], [], '"db01", "db02" have no usable image.'],
  ])('are none where a server has no image, and all that have none are named (%#)', (db01, db02, why) => {
    expect(choose(db01, db02)).toEqual({ basis: null, points: [], setId: null, steps: [], choice: [why], passedOver: [why], unjudged: [] });
  });

  it.each<[string | null, readonly number[]]>([
    [null, [30, 20, 10]],
    [at(20), [20, 10]],
    // The same moment: times are compared, not texts.
    ['2026-03-01T01:20:00+01:00', [20, 10]],
    [at(9), []],
  ])('are none that are younger than %s, and what is younger still tells how far a server had come', (until, minutes) => {
    const known = [30, 20, 10].map((minute) => point('db01', minute, { own: 1, peer: 1 }));
    expect(setServer('db01', known, until)).toEqual({ name: 'db01', known, points: minutes.map((minute) => point('db01', minute, { own: 1, peer: 1 })) });
  });
});

/** A leader that counts, and a follower that is never ahead of it, by the minute. */
it('never lets a follower that really is ahead go back beside its leader, whatever images there are', () => {
  let proven = 0;
  forManyCases(400, (chance) => {
    const minutes = 60;
    const leader: number[] = [0];
    const follower: number[] = [0];
    for (let minute = 1; minute <= minutes; minute += 1) {
      leader.push((leader[minute - 1] ?? 0) + chance.below(3));
      follower.push(Math.min(leader[minute] ?? 0, (follower[minute - 1] ?? 0) + chance.below(4)));
    }
    const held = (server: string, minute: number): number => (server === 'db01' ? leader : follower)[minute] ?? 0;
    const unread = (side: SideReadings): SideReadings => ({
      ...side,
      readings: { count: { state: 'failed', code: 'PROBE_FAILED', message: 'no answer', at: side.readings['count']?.at ?? '' } },
    });
    const images = (server: string): CandidatePoint[] =>
      Array.from({ length: 1 + chance.below(4) }, () => 2 + chance.below(minutes - 2)).map((minute) => {
        const readAt = minute - 1 - chance.below(2);
        const image = point(server, minute, { own: held(server, readAt), peer: held(other(server), readAt), readAt });
        return { ...image, markers: image.markers.map((side) => (chance.is(20) ? unread(side) : side)) };
      });
    const choice = choose(images('db01'), images('db02'));
    if (choice.basis !== 'readings') return;
    proven += 1;
    const [first, second] = choice.points.map(({ server, pointInTime }) => held(server, (Date.parse(pointInTime) - START) / MINUTE));
    expect(second).toBeLessThanOrEqual(first ?? -1);
  });
  expect(proven).toBeGreaterThan(20);
});

describe('what is too much to try', () => {
  const servers = (count: number, images: number): readonly SetServer[] =>
    Array.from({ length: count }, (_, index) => `db0${index + 1}`).map((name) => {
      const points = Array.from({ length: images }, (__, index) => point(name, 100 - index, { own: 1, peer: 1 }));
      return { name, points, known: points };
    });
  const tooMany = (combinations: number): string => `${combinations} other combinations of recovery points were tried; there are more, too many to try.`;

  it('are so many combinations, however few pairs there are to judge', () => {
    // What db01 and db04 know of each other was never read: they do not agree, whatever the two between them go back to.
    const { choice } = chooseAgreeingPoints({
      servers: servers(4, 30),
      relations: followerRelations('db01', 'db04'),
      profiles: PROFILES,
      now: NOW,
    });
    expect(choice[0]).toBe(tooMany(MAX_COMBINATIONS));
  });

  it('are so many judgements, however few combinations: each is judged in both directions', () => {
    const [rule] = FOLLOWER_PROFILE.rules as [Profile['rules'][number]];
    const refusing = {
      ...FOLLOWER_PROFILE,
      rules: [{ ...rule, when: [{ text: '${leader}', equals: 'db01' }] as unknown as typeof rule.when, message: 'Never.' }],
    };
    const { choice } = chooseAgreeingPoints({ servers: servers(2, 60), relations: RELATIONS, profiles: new Map([['follower', refusing]]), now: NOW });
    expect(choice[0]).toBe(tooMany(MAX_JUDGEMENTS / 2));
  });
});
