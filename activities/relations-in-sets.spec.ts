import { isOverridable } from '../src/domain/planning/accepted-findings';
import type { Catalog, ServerRecord } from '../src/catalog/catalog';
import { planHash } from '../src/catalog/plan-hash';
import { estateSchema } from '../src/contracts/api/estate';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { Profile, Rule } from '../src/contracts/profile';
import type { PlannedRelationStep, SideReadings } from '../src/contracts/reading';
import type { Relation } from '../src/contracts/relation';
import type { SetBasis, SetOfPlan } from '../src/contracts/restore-set';
import type { RunView } from '../src/contracts/run';
import type { WayBackView } from '../src/contracts/way-back';
import { ESTATE, manifestOf, planBodyOf, RESOLVED } from '../test/contract/catalog.fixtures';
import { createFakeCatalog } from '../test/support/fake-catalog';
import { FOLLOWER_PROFILE, followerRelations } from '../test/support/follower-profile';
import type { ActivityDependencies } from './dependencies';
import { RelationCalls } from './relation-activities';
import { Relations } from './relations';

/** What servers that go back together are judged by: db01 counts, web01 follows it, and db01 goes live first. */
describe('a plan and a run of a restore set', () => {
  const [LEADER, FOLLOWER] = ['db01', 'web01'] as const;
  const RELATIONS = followerRelations(LEADER, FOLLOWER);
  let catalog: Catalog;
  let leader: ServerRecord;
  let follower: ServerRecord;
  let deps: ActivityDependencies;
  let set: SetOfPlan;

  const count = (relation: string, peer: string, of: SideReadings['of'], value: string, at = '2025-12-31T23:59:00.000Z'): SideReadings => ({
    relation,
    peer,
    of,
    readings: { count: { state: 'read', value, raw: value, at } },
  });
  const imageOf = async (server: ServerRecord, own: string, peer: string): Promise<string> => {
    const other = server.name === LEADER ? FOLLOWER : LEADER;
    const name = `${server.name}-${other}`;
    const markers = [count(name, other, 'server', own), count(name, other, 'peer', peer)];
    const manifest = manifestOf(server, 1, { version: 3, setId: 'set_1', consistency: 'filesystem', markers });
    return (await catalog.recordRecoveryPoint(manifest, 'main')).id;
  };
  const given = async (ofLeader: string, ofFollower: string, order: readonly ServerRecord[] = [leader, follower]): Promise<void> => {
    const points = new Map([
      [leader.id, await imageOf(leader, ofLeader, ofFollower)],
      [follower.id, await imageOf(follower, ofFollower, ofLeader)],
    ]);
    await givenPoints(points, order);
  };
  const givenPoints = async (points: ReadonlyMap<string, string>, order: readonly ServerRecord[]): Promise<void> => {
    const basis: SetBasis = 'freeze';
    const { restoreSetId } = await catalog.acceptRestoreSet({
      actor: 'alice',
      idempotencyKey: null,
      requestDigest: 'd',
      members: order.map(({ id }) => ({ serverId: id, recoveryPointId: points.get(id) ?? null })),
      basis,
      choice: [],
      incidentAt: null,
      leaveChanges: false,
    });
    const { members } = await catalog.getRestoreSet(restoreSetId);
    set = {
      id: restoreSetId,
      basis,
      members: members.map((one) => ({ ...one, server: one.serverName, planId: one.planId ?? '', recoveryPointId: one.recoveryPointId ?? '' })),
    };
  };
  const judged = async (server: ServerRecord) => {
    const member = set.members.find(({ serverId }) => serverId === server.id);
    if (member === undefined) throw new Error('not in the set');
    const captured = await catalog.markersOf(member.recoveryPointId);
    const now = new Date('2026-03-01T00:00:00.000Z');
    const judgement = await new Relations(deps).judgePlan(server.id, { occasion: member.planId, captured, pointInTime: '2026-01-01T00:00:00.000Z', now, set });
    const { findings, steps: relationSteps, relations } = judgement;
    const body: RestorePlanBody = { ...planBodyOf(member.planId, server, member.recoveryPointId, findings), relations, relationSteps, restoreSet: set };
    await catalog.completePlan(member.planId, body, planHash(body));
    return {
      ...judgement,
      planId: member.planId,
      codes: findings.filter(({ severity }) => severity !== 'warn').map(({ severity, code }) => `${severity} ${code}`),
    };
  };

  const declared = async (relations: readonly Relation[]): Promise<void> => {
    catalog = createFakeCatalog(() => new Date('2026-03-01T00:00:00.000Z'));
    await catalog.applyEstate(
      'setup',
      estateSchema.parse({
        ...ESTATE,
        relations: relations.map(({ address: _address, peers, ...relation }) => ({
          ...relation,
          strength: undefined,
          peers: peers.map(({ server }) => ({ server })),
        })),
      }),
      RESOLVED,
    );
    leader = await catalog.getServer(LEADER);
    follower = await catalog.getServer(FOLLOWER);
    deps = {
      catalog,
      profiles: { find: async () => ({ profiles: [{ profile: FOLLOWER_PROFILE, origin: 'own', file: 'follower.yaml' }], problems: [] }) },
    } as unknown as ActivityDependencies;
  };

  beforeEach(() => declared(RELATIONS));

  describe('of which only the first is restored, and the other is made anew from it', () => {
    const planned = async (now: string) => {
      const point = await imageOf(leader, '5', '5');
      const { restoreSetId } = await catalog.acceptRestoreSet({
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: 'd',
        members: [
          { serverId: leader.id, recoveryPointId: point },
          { serverId: follower.id, recoveryPointId: null },
        ],
        basis: 'reseed',
        choice: [],
        incidentAt: null,
        leaveChanges: false,
      });
      const [first] = (await catalog.getRestoreSet(restoreSetId)).members;
      if (first?.planId == null) throw new Error('no plan');
      await catalog.recordReadings(first.planId, [count('db01-web01', FOLLOWER, 'peer', now)]);
      set = { id: restoreSetId, basis: 'reseed', members: [{ server: LEADER, serverId: leader.id, planId: first.planId, recoveryPointId: point }] };
      return judged(leader);
    };

    it('is fine where a rule asks for that', async () => {
      const { codes, steps } = await planned('9');
      expect(codes).toEqual(['block FOLLOWER_AHEAD', 'step FOLLOWER_TO_COPY']);
      expect(steps).toMatchObject([{ key: 'rule:FOLLOWER_TO_COPY:web01' }]);
    });

    it('blocks where none does, although the profile has such a rule, and says what to do', async () => {
      const { codes, findings, steps } = await planned('5');
      expect([codes, steps]).toEqual([['block RESEED_NOT_PLANNED', 'ok RELATION_AGREES'], []]);
      expect(findings.find(({ code }) => code === 'RESEED_NOT_PLANNED')).toMatchObject({
        message: '"web01" was to be made anew from "db01", and no rule asks for that by what is known of the two now: nothing in this plan does it.',
        remedy: expect.stringContaining('make "web01" anew by hand once "db01" is live') as string,
        relation: { name: 'db01-web01', peer: 'web01', profile: 'follower' },
      });
    });

    it('may be overridden also where profiles cannot be read: a broken file keeps no server from being restored', async () => {
      const { find } = deps.profiles;
      deps.profiles.find = async () => ({ profiles: [], problems: [] });
      try {
        const { findings } = await planned('9');
        const found = findings.find(({ code }) => code === 'RESEED_NOT_PLANNED');
        expect([found?.relation?.peer, found !== undefined && isOverridable(found)]).toEqual(['web01', true]);
      } finally {
        deps.profiles.find = find;
      }
    });
  });

  describe('to recovery points after which many others were taken', () => {
    const DAY_MS = 86_400_000;
    /** Day by day since 2026-01-01, of no backup set; what the server says of itself, read right before. */
    const imagesOf = async (server: ServerRecord, values: readonly string[]): Promise<readonly string[]> => {
      const other = server.name === LEADER ? FOLLOWER : LEADER;
      const ids: string[] = [];
      for (const [index, value] of values.entries()) {
        const at = new Date(Date.UTC(2026, 0, 1) + index * DAY_MS - 60_000).toISOString();
        const markers = [count(`${server.name}-${other}`, other, 'server', value, at)];
        ids.push((await catalog.recordRecoveryPoint(manifestOf(server, index + 1, { version: 3, markers }), 'main')).id);
      }
      return ids;
    };
    const given = async (): Promise<readonly [string, string]> => {
      const [ofLeader] = await imagesOf(leader, ['9', ...Array.from({ length: 50 }, () => '60')]);
      // The next one proves that the first had come to 8 at most; those of the last weeks say nothing of that.
      const [ofFollower] = await imagesOf(follower, ['5', '8', ...Array.from({ length: 49 }, () => '60')]);
      return [ofLeader ?? '', ofFollower ?? ''];
    };

    it('is judged by those right after them', async () => {
      const points = await given();
      const members = [leader, follower].map(({ id, name }, index) => ({
        server: name,
        serverId: id,
        planId: `plan_${name}`,
        recoveryPointId: points[index] ?? '',
      }));
      const judgement = await new Relations(deps).judgePlan(leader.id, {
        occasion: 'plan_db01',
        captured: await catalog.markersOf(points[0]),
        pointInTime: '2026-01-01T00:00:00.000Z',
        now: new Date('2026-03-01T00:00:00.000Z'),
        set: { id: 'rset_1', basis: 'readings', members },
      });
      const codes = judgement.findings.map(({ severity, code }) => `${severity} ${code}`);
      expect(codes).toContain('ok RESTORED_TOGETHER');
      expect(codes).not.toContain('block FOLLOWER_AHEAD');
    });

    it('is found where an incident lies as far back', async () => {
      const points = await given();
      const until = '2026-01-01T12:00:00.000Z';
      const choice = await new Relations(deps).agreeingPoints([LEADER, FOLLOWER], until, new Date('2026-03-01T00:00:00.000Z'));
      expect(choice).toMatchObject({ basis: 'readings', points: [{ id: points[0] }, { id: points[1] }] });
    });
  });

  it('asks nobody who goes back, too', async () => {
    await given('9', '9');
    const calls = new RelationCalls(deps);
    const request = { id: 'plan_1', serverId: leader.id, moment: 'plan' } as const;
    expect(await calls.readingJobs(request)).toHaveLength(1);
    expect(await calls.readingJobs({ ...request, together: [FOLLOWER] })).toEqual([]);
  });

  it('says of each pair that it rests on the common freeze, and never that it agrees', async () => {
    await given('9', '9');
    expect((await judged(leader)).codes).toEqual(['unknown SET_RESTS_ON_FREEZE']);
    expect((await judged(follower)).codes).toEqual(['unknown SET_RESTS_ON_FREEZE']);
  });

  it('gives what is done at a peer, once the server is live, to the run of the peer, which is live later', async () => {
    await given('5', '9');
    const first = await judged(leader);
    expect(first.codes).toEqual(['block FOLLOWER_AHEAD', 'step FOLLOWER_TO_COPY', 'unknown SET_RESTS_ON_FREEZE']);
    expect(first.steps).toEqual([]);
    const second = await judged(follower);
    expect(second.steps).toEqual([
      expect.objectContaining({ key: 'rule:FOLLOWER_TO_COPY:db01', on: 'server', when: 'live', peer: LEADER, title: 'Copy the count from "db01" to "web01".' }),
    ]);
    expect(second.hasLiveRules).toBe(true);
    // The run has its step without asking anybody.
    const { steps, against } = await new RelationCalls(deps).judgeRun({ runId: 'run_2', planId: second.planId, moment: 'recheck' });
    expect([steps, against]).toEqual([second.steps, []]);
  });

  it('looks at both when the later one is live, by the rules of the earlier one, and not before', async () => {
    await given('9', '9');
    const [first, second] = [await judged(leader), await judged(follower)];
    const calls = new RelationCalls(deps);
    const live = (planId: string, serverId: string) => ({ id: `run_${planId}`, serverId, moment: 'live', planId }) as const;
    expect(await calls.readingJobs(live(first.planId, leader.id))).toEqual([]);
    expect(await calls.judgeRun({ runId: 'run_1', planId: first.planId, moment: 'live' })).toMatchObject({ against: [], judged: 0 });

    const jobs = await calls.readingJobs(live(second.planId, follower.id));
    expect(jobs.flatMap(({ sides, target }) => sides.map(({ relation, of }) => `${relation} ${of}: ${target.serverName}`)).sort()).toEqual([
      'db01-web01 peer: web01',
      'db01-web01 server: db01',
      'web01-db01 peer: db01',
      'web01-db01 server: web01',
    ]);
    const readings = (value: string) =>
      catalog.recordReadings('run_2:live', [
        count('db01-web01', FOLLOWER, 'server', '9'),
        count('db01-web01', FOLLOWER, 'peer', value),
        count('web01-db01', LEADER, 'server', value),
        count('web01-db01', LEADER, 'peer', '9'),
      ]);
    const proof = async () => (await calls.judgeRun({ runId: 'run_2', planId: second.planId, moment: 'live' })).against.map(({ code }) => code);
    await readings('9');
    expect(await proof()).toEqual([]);
    await readings('10');
    expect(await proof()).toEqual(['FOLLOWER_STILL_AHEAD']);

    // One that was put back is the old one again: what its plan says of it is not so.
    const ofFirst = (state: RunView['state'], wayBack: Pick<WayBackView, 'state'> | null) => {
      jest.spyOn(catalog, 'getRun').mockResolvedValue({ state, wayBack } as RunView);
      return calls
        .readingJobs(live(second.planId, follower.id))
        .then((asked) => asked.flatMap(({ sides }) => sides.map(({ relation }) => relation)).includes('db01-web01'));
    };
    const { getPlan } = catalog;
    jest.spyOn(catalog, 'getPlan').mockImplementation(async (id) => ({ ...(await getPlan.call(catalog, id)), runId: 'run_1' }));
    expect(await ofFirst('failed', null)).toBe(false);
    expect(await ofFirst('cancelled', { state: 'reverted' })).toBe(false);
    expect(await ofFirst('succeeded', { state: 'undone' })).toBe(false);
    expect(await ofFirst('failed', { state: 'open' })).toBe(true);
    expect(await ofFirst('succeeded', { state: 'confirmed' })).toBe(true);
    expect(await ofFirst('running', null)).toBe(true);
  });

  describe('with several relations from each side that may ask for the same step', () => {
    const CAPTURED = { marker: 'count', of: 'server', at: 'recovery-point' } as const;
    const OF_PEER = { marker: 'count', of: 'peer', at: 'now' } as const;
    const asking = (name: string, phases: Rule['phases'], equals: string): Profile => ({
      ...FOLLOWER_PROFILE,
      name,
      rules: [
        {
          code: 'TO_TELL',
          phases,
          when: [{ value: phases.includes('plan') ? CAPTURED : OF_PEER, equals }],
          severity: 'step',
          message: 'It has to be told.',
          remedy: null,
          step: { title: 'Tell "${peer}".', argv: null, on: 'peer', when: 'live' },
        },
      ],
    });
    /** In the plan it is the second relation of each side that asks. */
    const profiles = [asking('follower', ['plan'], '1'), asking('second', ['plan'], '5'), asking('third', ['live'], '5')];
    const seconds = RELATIONS.map((relation) => ({ ...relation, name: `${relation.name}-second`, profile: 'second' }));
    const thirds = RELATIONS.map((relation) => ({ ...relation, name: `${relation.name}-third`, profile: 'third' }));
    const stepsOf = (steps: readonly PlannedRelationStep[]) => steps.map(({ key, relation, on }) => `${key} ${relation} ${on}`);
    const markersOf = (server: ServerRecord, other: string, value: string) =>
      [...RELATIONS, ...seconds, ...thirds].filter((one) => one.server === server.name).map(({ name }) => count(name, other, 'server', value));

    beforeEach(async () => {
      await declared([...RELATIONS, ...seconds, ...thirds]);
      deps.profiles.find = async () => ({ profiles: profiles.map((profile) => ({ profile, origin: 'own', file: 'x.yaml' }) as never), problems: [] });
    });

    it('has a key for each that is the same in the plan and in the run, whichever of them asks', async () => {
      const points = await Promise.all(
        (
          [
            [leader, FOLLOWER],
            [follower, LEADER],
          ] as const
        ).map(async ([server, other]) => {
          const manifest = manifestOf(server, 1, { version: 3, setId: 'set_1', consistency: 'filesystem', markers: markersOf(server, other, '5') });
          return [server.id, (await catalog.recordRecoveryPoint(manifest, 'main')).id] as const;
        }),
      );
      await givenPoints(new Map(points), [leader, follower]);
      await judged(leader);
      const { steps, planId } = await judged(follower);
      const OWN = 'rule:TO_TELL:db01:web01-db01-second web01-db01-second peer';
      const THEIRS = 'rule:TO_TELL:db01:db01-web01-second db01-web01-second server';
      expect(stepsOf(steps)).toEqual([OWN, THEIRS]);
      const calls = new RelationCalls(deps);
      const run = (moment: 'recheck' | 'live') => calls.judgeRun({ runId: 'run_2', planId, moment });
      expect(stepsOf((await run('recheck')).steps)).toEqual([OWN, THEIRS]);
      // Only now the third ones ask, and are steps of their own.
      await catalog.recordReadings('run_2:live', [count('web01-db01-third', LEADER, 'peer', '5'), count('db01-web01-third', FOLLOWER, 'peer', '5')]);
      expect(stepsOf((await run('live')).steps)).toEqual([OWN, THEIRS].map((step) => step.replaceAll('-second', '-third')));
    });
  });

  /** As a standby that streams from its primary: it shows by itself that it does, and cannot before the primary is live. */
  describe('in which the follower is live first, and cannot follow before the other is', () => {
    const counts = { marker: 'count', of: 'server', at: 'now' } as const;
    const ofFollower = [
      { text: '${leader}', equals: '${peer}' },
      { value: counts, equals: '0' },
    ] as const;
    const alone = { phases: ['live'], message: 'It does not.', remedy: null, step: null } as const;
    const NOT_FOLLOWING: Rule = { ...alone, code: 'NOT_FOLLOWING', when: ofFollower, severity: 'block' };
    const TO_LOOK_AT: Rule = {
      ...alone,
      code: 'TO_LOOK_AT',
      phases: ['plan'],
      when: [{ text: '${leader}', equals: '${peer}' }],
      severity: 'step',
      step: { title: 'Look whether "${server}" follows "${peer}".', argv: null, on: 'server', when: 'live' },
    };
    const given0 = async (...rules: readonly Rule[]) => {
      const profile = { ...FOLLOWER_PROFILE, rules: [...FOLLOWER_PROFILE.rules, ...rules] as never };
      deps.profiles.find = async () => ({ profiles: [{ profile, origin: 'own', file: 'x.yaml' }], problems: [] });
      await given('9', '9', [follower, leader]);
      return { first: await judged(follower), second: await judged(leader), calls: new RelationCalls(deps) };
    };
    const read = (run: string, value: string) =>
      catalog.recordReadings(`${run}:live`, [
        count('web01-db01', LEADER, 'server', value),
        count('web01-db01', LEADER, 'peer', '9'),
        count('db01-web01', FOLLOWER, 'server', '9'),
        count('db01-web01', FOLLOWER, 'peer', value),
      ]);

    it('has that proven by the run of the other, and nothing by its own', async () => {
      const { first, second, calls } = await given0(NOT_FOLLOWING);
      expect([first.hasLiveRules, second.hasLiveRules]).toEqual([false, true]);
      await read('run_1', '0');
      expect(await calls.readingJobs({ id: 'run_1', serverId: follower.id, moment: 'live', planId: first.planId })).toEqual([]);
      expect(await calls.judgeRun({ runId: 'run_1', planId: first.planId, moment: 'live' })).toEqual({ against: [], judged: 0, steps: [], warnings: [] });
      const proof = async () => (await calls.judgeRun({ runId: 'run_2', planId: second.planId, moment: 'live' })).against.map(({ code }) => code);
      await read('run_2', '0');
      expect(await proof()).toEqual(['NOT_FOLLOWING']);
      await read('run_2', '9');
      expect(await proof()).toEqual([]);
    });

    it('does not lose what the rules of the first were to prove when its profile is gone by then: the second says so', async () => {
      const { first, second, calls } = await given0(NOT_FOLLOWING);
      deps.profiles.find = async () => ({ profiles: [], problems: [] });
      const against = async (run: string, planId: string) =>
        (await calls.judgeRun({ runId: run, planId, moment: 'live' })).against.map(({ code, relation }) => `${code} ${relation?.name}`);
      expect(await against('run_1', first.planId)).toEqual([]);
      expect(await against('run_2', second.planId)).toEqual(['PROFILE_CHANGED db01-web01', 'PROFILE_CHANGED web01-db01']);
    });

    it('asks in its own run for the steps that concern it alone, and holds the run of the other to them', async () => {
      const step = { title: 'Start counting.', argv: null, on: 'server', when: 'live' } as const;
      const both: Rule = {
        ...NOT_FOLLOWING,
        code: 'BOTH_TO_START',
        severity: 'step',
        step,
        when: [{ compare: { marker: 'count', of: 'peer', at: 'now' }, with: counts, is: ['ahead'] }],
      };
      const { first, second, calls } = await given0({ ...NOT_FOLLOWING, code: 'TO_START', severity: 'step', step }, both);
      await read('run_1', '0');
      const said = await calls.judgeRun({ runId: 'run_1', planId: first.planId, moment: 'live' });
      expect([said.steps.map(({ key }) => key), said.against, said.judged]).toEqual([['rule:TO_START:db01'], [], 0]);
      await read('run_2', '0');
      const { against, steps } = await calls.judgeRun({ runId: 'run_2', planId: second.planId, moment: 'live' });
      // What needs both is asked for by the run of the later one, also at the first: nobody else could.
      // The relation of the later one has the same rule, so that this one's is known by its name.
      expect(steps).toEqual([
        expect.objectContaining({ key: 'rule:BOTH_TO_START:web01:web01-db01', on: 'peer', when: 'live', peer: FOLLOWER, relation: 'web01-db01' }),
      ]);
      expect(against.map(({ code, relation }) => `${code} ${relation?.name}`)).toEqual(['TO_START web01-db01']);
    });

    describe('and whose own rule asks for a step that depends on what it says', () => {
      const TO_START: Rule = {
        ...NOT_FOLLOWING,
        code: 'TO_START',
        severity: 'step',
        step: { title: 'Start counting.', argv: null, on: 'server', when: 'live' },
      };
      const silent: SideReadings = {
        relation: 'web01-db01',
        peer: LEADER,
        of: 'server',
        readings: { count: { state: 'failed', code: 'PROBE_FAILED', message: 'It is still starting.', at: '2026-03-01T00:00:00.000Z' } },
      };

      it('says that it is open while the server does not say yet what its steps depend on, and not for good', async () => {
        const { first, calls } = await given0(TO_START);
        const live = (runId: string) => calls.judgeRun({ runId, planId: first.planId, moment: 'live' });
        await catalog.recordReadings('run_1:live', [silent]);
        expect(await live('run_1')).toEqual({ against: [], judged: 0, steps: [], warnings: [], isOpen: true });
        for (const [value, steps] of [
          ['0', ['TO_START']],
          ['9', []],
        ] as const) {
          await read('run_1', value);
          const said = await live('run_1');
          expect([said.steps.map(({ code }) => code), said.isOpen]).toEqual([steps, undefined]);
        }
      });

      it('is not asked again for what no step depends on, nor for what its recovery point will never say', async () => {
        const captured = [
          { text: '${leader}', equals: '${peer}' },
          { value: { marker: 'other', of: 'server', at: 'recovery-point' }, equals: '0' },
        ] as const;
        const [marker] = FOLLOWER_PROFILE.markers;
        if (marker === undefined) throw new Error('no marker');
        const { first, calls } = await given0(NOT_FOLLOWING, { ...TO_START, when: captured });
        const { profiles } = await deps.profiles.find();
        const profile = { ...profiles[0]?.profile, markers: [marker, { ...marker, name: 'other' }] } as never;
        deps.profiles.find = async () => ({ profiles: [{ profile, origin: 'own', file: 'x.yaml' }], problems: [] });
        await catalog.recordReadings('run_1:live', [silent]);
        expect(await calls.judgeRun({ runId: 'run_1', planId: first.planId, moment: 'live' })).toEqual({ against: [], judged: 0, steps: [], warnings: [] });
      });
    });

    it('has programs run in the other member also where that one alone declares the relation', async () => {
      await declared(RELATIONS.filter(({ server }) => server === FOLLOWER));
      const { first, second, calls } = await given0(TO_LOOK_AT);
      expect([first.relations.map(({ peer }) => peer), second.relations]).toEqual([[LEADER], []]);
      expect(second.steps).toMatchObject([{ on: 'peer', peer: FOLLOWER }]);
      const { id, uuid, hypervisor } = follower;
      expect(await calls.peersOf(second.planId)).toEqual([{ serverId: id, serverName: FOLLOWER, uuid, hypervisor, address: null }]);
      // Whom its own relations know is there once, and it is no peer of its own.
      expect((await calls.peersOf(first.planId)).map(({ serverName }) => serverName)).toEqual([LEADER]);
    });

    it('leaves what is done about both once it is live to the run of the other, also at itself', async () => {
      const { first, second } = await given0(TO_LOOK_AT);
      expect(first.steps).toEqual([]);
      expect(second.steps).toEqual([
        expect.objectContaining({ key: 'rule:TO_LOOK_AT:web01', on: 'peer', when: 'live', peer: FOLLOWER, title: 'Look whether "web01" follows "db01".' }),
      ]);
    });
  });
});
