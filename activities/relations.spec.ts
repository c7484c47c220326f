import type { RestorePlanBody } from '../src/contracts/plan';
import type { Rule } from '../src/contracts/profile';
import { madeUpProfile, madeUpRule, readValue, REBUILD, sideOf } from '../test/support/made-up-relations';
import { brokenProfiles, outOfService, peer, plannedWith, relationLab, type RelationLab } from '../test/support/relation-lab';
import { PlanningJudgements } from './planning-activities';
import { Relations } from './relations';

const STANDBY = { name: 'standby', server: 'db01', peers: [peer('db02', '192.0.2.2'), peer('db03')] };
const captured = ['db02', 'db03'].map((name) => sideOf({ position: readValue('7') }, { peer: name, of: 'server' }));
const judged = (lab: RelationLab) =>
  new Relations(lab.deps).judgePlan(lab.server.id, {
    occasion: 'plan_1',
    captured,
    pointInTime: '2026-03-10T02:00:00.000Z',
    now: new Date('2026-03-10T12:00:00.000Z'),
  });

describe('a plan', () => {
  it('has what all relations of its server say, and what it was judged by', async () => {
    const lab = await relationLab([STANDBY]);
    await lab.catalog.recordReadings('plan_1', [sideOf({ position: readValue('9') }), sideOf({ position: readValue('3') }, { peer: 'db03' })]);
    const { findings, relations, hasQuarantineRules, hasLiveRules } = await judged(lab);
    expect(findings.map(({ severity, code, relation }) => [severity, code, relation?.peer])).toEqual([
      ['block', 'PEER_AHEAD', 'db02'],
      ['ok', 'RELATION_AGREES', 'db03'],
    ]);
    expect(relations).toEqual([
      {
        name: 'standby',
        type: 'replicates-with',
        serverAddress: null,
        peer: 'db02',
        address: '192.0.2.2',
        profile: 'made-up',
        profileSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        phases: ['plan', 'quarantine', 'live'],
        asksIn: [],
        parameters: {},
      },
      expect.objectContaining({ peer: 'db03', address: null }),
    ]);
    expect([hasQuarantineRules, hasLiveRules]).toEqual([true, true]);
  });

  it('proves nothing before go-live where the texts of its relations decide every rule of that', async () => {
    const lab = await relationLab([STANDBY]);
    const when = [{ text: '${database}', differs: 'shop' }, ...madeUpRule('x').when] as unknown as Rule['when'];
    lab.profiles = [madeUpProfile([madeUpRule('NOT_MADE_ANEW', { phases: ['quarantine', 'live'], when })])];
    const { hasQuarantineRules, hasLiveRules, relations } = await judged(lab);
    expect([hasQuarantineRules, hasLiveRules]).toEqual([false, true]);
    expect(relations[0]?.phases).toEqual(['quarantine', 'live']);
    await lab.declare([{ ...STANDBY, parameters: { database: 'wiki' } }]);
    expect(await judged(lab)).toMatchObject({ hasQuarantineRules: true });
  });

  it('of a server without relations has none', async () => {
    expect(await judged(await relationLab([]))).toEqual({ relations: [], findings: [], steps: [], hasQuarantineRules: false, hasLiveRules: false });
  });

  it('says that nothing is known while a peer could not be read', async () => {
    const lab = await relationLab([STANDBY]);
    expect((await judged(lab)).findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(['unknown PEER_UNKNOWN', 'unknown PEER_UNKNOWN']);
  });

  it('is made although files of profiles are broken: what they would have judged is not known', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = brokenProfiles();
    const { findings, relations, steps } = await judged(lab);
    expect(findings.map(({ code, severity, evidence }) => [code, severity, evidence])).toEqual([
      ['PROFILE_INVALID', 'unknown', ['made-up.yaml:2:10: version: expected 1']],
      ['PROFILE_INVALID', 'unknown', ['made-up.yaml:2:10: version: expected 1']],
    ]);
    expect([relations, steps]).toEqual([[], []]);
  });

  it('is judged by its own profile while the file of another one is broken', async () => {
    const lab = await relationLab([STANDBY, { ...STANDBY, name: 'other', profile: 'other' }]);
    lab.profiles = brokenProfiles('other', [madeUpProfile()]);
    const { findings, relations } = await judged(lab);
    expect(relations.map(({ name, profile }) => `${name} ${profile}`)).toEqual(STANDBY.peers.map(() => 'standby made-up'));
    const explained = findings.filter(({ code }) => code === 'PROFILE_INVALID');
    expect(explained.map(({ relation, evidence }) => [relation?.name, relation?.profile, evidence])).toEqual(
      STANDBY.peers.map(() => ['other', 'other', ['other.yaml:2:10: version: expected 1']]),
    );
  });

  it('is not made while profiles cannot be loaded for another reason: that may pass', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = new TypeError('a fault of the program');
    await expect(judged(lab)).rejects.toThrow('a fault of the program');
  });

  it('does not judge by a peer that is out of service, and says so', async () => {
    const lab = await relationLab([STANDBY]);
    await lab.catalog.recordReadings('plan_1', [sideOf({ position: readValue('3') }, { peer: 'db03' })]);
    await outOfService(lab, 'db02');
    const { findings, relations } = await judged(lab);
    expect(relations.map((relation) => relation.peer)).toEqual(['db03']);
    expect(findings.map(({ code, relation }) => `${code} ${relation?.peer}`)).toEqual(['RELATION_AGREES db03', 'PEER_DECOMMISSIONED db02']);
  });
});

describe('what is declared after a plan was made', () => {
  const since = async (lab: RelationLab, { planId }: RestorePlanBody) => new PlanningJudgements(lab.deps).changesSincePlan(planId);

  it('makes it stale before anything is replaced: another peer, other parameters; not what was taken away', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await plannedWith(lab, { relations: (await judged(lab)).relations });
    expect(await since(lab, plan)).toEqual([]);
    await lab.declare([{ ...STANDBY, peers: [peer('db02', '192.0.2.2')] }]);
    expect(await since(lab, plan)).toEqual([]);
    await lab.declare([
      { ...STANDBY, parameters: { database: 'wiki' } },
      { name: 'second', server: 'db01', peers: [peer('db03')] },
    ]);
    expect(await since(lab, plan)).toEqual([
      'the relation "second" of "db01" with "db03" is not in the plan, and is judged by the profile "made-up" now',
      'the relation "standby" of "db01" with "db02" has other parameters now',
      'the relation "standby" of "db01" with "db03" has other parameters now',
    ]);
  });

  it('makes also a plan stale that was judged by nothing', async () => {
    const lab = await relationLab([]);
    const plan = await plannedWith(lab, {});
    expect(await since(lab, plan)).toEqual([]);
    await lab.declare([STANDBY]);
    expect(await since(lab, plan)).toHaveLength(2);
    // What the files of profiles say is not known while they are broken, and nobody has acknowledged that.
    lab.profiles = brokenProfiles();
    expect(await since(lab, plan)).toEqual([expect.stringContaining('was not loaded'), expect.stringContaining('was not loaded')]);
  });

  it('does not concern plans of data, which ask no peers', async () => {
    const lab = await relationLab([STANDBY]);
    const getPlan = async () => ({ body: { scenario: 'data' } });
    const calls = new PlanningJudgements({ ...lab.deps, catalog: { getPlan } } as never);
    expect(await calls.changesSincePlan('plan_1')).toEqual([]);
  });
});

describe('profiles that are not what a plan was judged by', () => {
  const planned = async (lab: RelationLab) => {
    const { relations } = await judged(lab);
    return { server: { name: 'db01' }, relations } as RestorePlanBody;
  };
  const said = async (lab: RelationLab, plan: RestorePlanBody) => {
    const relations = new Relations(lab.deps);
    const pairs = await relations.plannedIn(plan);
    const peers = (findings: ReturnType<typeof relations.changedSince>) =>
      findings.map(({ code, severity, relation }) => `${severity} ${code} ${relation?.peer}`);
    return { changed: peers(relations.changedSince(plan, pairs)), live: peers(relations.withoutRules(plan, pairs, 'live')) };
  };
  const BOTH = ['block PROFILE_CHANGED db02', 'block PROFILE_CHANGED db03'];

  it('are none while they are the same, in whatever order their fields stand', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await planned(lab);
    lab.profiles = [Object.fromEntries(Object.entries(madeUpProfile()).reverse()) as unknown as ReturnType<typeof madeUpProfile>];
    expect(await said(lab, plan)).toEqual({ changed: [], live: [] });
  });

  it('are those that were changed; as long as they have rules for it, they still prove something after go-live', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await planned(lab);
    lab.profiles = [madeUpProfile(undefined, { title: 'Made up again' })];
    expect(await said(lab, plan)).toEqual({ changed: BOTH, live: [] });
  });

  it('prove nothing when they were taken away, are broken, or have lost their rules for it', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await planned(lab);
    lab.profiles = [];
    expect(await said(lab, plan)).toEqual({ changed: BOTH, live: BOTH });
    lab.profiles = brokenProfiles();
    expect(await said(lab, plan)).toEqual({ changed: BOTH, live: BOTH });
    lab.profiles = [madeUpProfile([madeUpRule('PEER_AHEAD')])];
    expect(await said(lab, plan)).toEqual({ changed: BOTH, live: BOTH });
  });

  it('had nothing to prove after go-live where they had no rules for it', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = [madeUpProfile([REBUILD])];
    const plan = await planned(lab);
    expect(plan.relations?.map(({ phases }) => phases)).toEqual([['plan'], ['plan']]);
    lab.profiles = [];
    expect(await said(lab, plan)).toEqual({ changed: BOTH, live: [] });
  });
});
