import type { ErrorSummary } from '../src/contracts/errors';
import type { Finding, RestorePlanBody } from '../src/contracts/plan';
import type { MarkerReading } from '../src/contracts/profile';
import type { PlannedRelation, ProbeJob, RunJudgement } from '../src/contracts/reading';
import { restoredTo } from '../test/contract/catalog.change.contract';
import { givenReadyUndoPlan } from '../test/contract/catalog.fixtures';
import { findingAbout, madeUpMarker, madeUpProfile, madeUpRule, notReadValue, readValue, REBUILD, sideOf } from '../test/support/made-up-relations';
import { shippedProfile } from '../test/support/judged-profile';
import { brokenProfiles, outOfService, peer, plannedWith, relationLab, type RelationLab } from '../test/support/relation-lab';
import { RelationCalls } from './relation-activities';
import { Relations } from './relations';

const STANDBY = { name: 'standby', server: 'db01', peers: [peer('db02', '192.0.2.2')] };
const jobsFor = (lab: RelationLab, moment: 'capture' | 'plan' = 'capture') =>
  new RelationCalls(lab.deps).readingJobs({ id: 'run_1', serverId: lab.server.id, moment });
const shown = (jobs: readonly ProbeJob[]) =>
  jobs.map(({ target, specs, sides }) => ({
    of: `${target.serverName} at ${target.address}`,
    asks: specs.map(({ name }) => name),
    for: sides.map(({ relation, peer: name, of }) => `${relation} ${name} ${of}`),
  }));

describe('who is asked what', () => {
  it('for a recovery point: the server and its peers, each for what is captured of it', async () => {
    const lab = await relationLab([STANDBY]);
    const jobs = await jobsFor(lab);
    expect(shown(jobs)).toEqual([
      { of: 'db01 at null', asks: ['position', 'identity'], for: ['standby db02 server'] },
      { of: 'db02 at 192.0.2.2', asks: ['position'], for: ['standby db02 peer'] },
    ]);
    const { id, uuid } = await lab.catalog.getServer('db02');
    expect(jobs[1]).toMatchObject({ occasion: 'run_1', target: { serverId: id, uuid, hypervisor: 'hv1' } });
  });

  it('once for all sides of which the same is asked, whatever the relation and the peer', async () => {
    const lab = await relationLab([
      { ...STANDBY, peers: [peer('db02', '192.0.2.2'), peer('db03')] },
      { name: 'second', server: 'db01', peers: [peer('db02', '192.0.2.2')] },
      { name: 'other-database', server: 'db01', peers: [peer('db02', '192.0.2.2')], parameters: { database: 'wiki' } },
      { name: 'other-address', server: 'db01', peers: [peer('db02', '198.51.100.2')] },
    ]);
    const jobs = shown(await jobsFor(lab));
    expect(jobs.filter(({ of }) => of.startsWith('db02')).map(({ of, for: sides }) => [of, sides])).toEqual([
      ['db02 at 198.51.100.2', ['other-address db02 peer']],
      ['db02 at 192.0.2.2', ['other-database db02 peer']],
      ['db02 at 192.0.2.2', ['second db02 peer', 'standby db02 peer']],
    ]);
    expect(jobs.filter(({ of }) => of.startsWith('db01'))).toHaveLength(2);
  });

  it('with parameters of the relation, defaults of the profile, names and the address of the one that is asked', async () => {
    const argv = ['/usr/bin/ask', '${database}', '${zone}', '${server}', '${peer}', '${address}'] as const;
    const lab = await relationLab([{ ...STANDBY, address: '192.0.2.1', parameters: { zone: 'example.org', database: 'wiki' } }]);
    lab.profiles = [madeUpProfile([], { markers: [madeUpMarker('position', { isCaptured: true, probe: { kind: 'command', argv } })] })];
    const asked = async () => (await jobsFor(lab)).map(({ specs }) => (specs[0]?.probe as { readonly argv: readonly string[] }).argv.slice(1));
    expect(await asked()).toEqual([
      ['wiki', 'example.org', 'db01', 'db02', '192.0.2.1'],
      ['wiki', 'example.org', 'db01', 'db02', '192.0.2.2'],
    ]);
    const byDefault = await relationLab([{ ...STANDBY, address: '192.0.2.1', parameters: { zone: 'example.org' } }]);
    byDefault.profiles = lab.profiles;
    const jobs = await jobsFor(byDefault);
    expect((jobs[0]?.specs[0]?.probe as { readonly argv: readonly string[] }).argv[1]).toBe('shop');
  });

  it('what cannot be filled in is written down as that, and the rest is asked all the same', async () => {
    const lab = await relationLab([{ ...STANDBY, peers: [peer('db02')] }]);
    const markers = [
      madeUpMarker('position', { isCaptured: true }),
      madeUpMarker('zoned', { isCaptured: true, probe: { kind: 'dns', name: '${zone}', type: 'SOA', field: 'serial' } }),
      madeUpMarker('reached', { isCaptured: true, of: 'peer', probe: { kind: 'http', url: 'http://${address}/' } }),
    ];
    lab.profiles = [madeUpProfile([], { markers })];
    const jobs = await jobsFor(lab);
    expect(shown(jobs).map(({ asks }) => asks)).toEqual([['position'], ['position']]);
    // As the workers do: what they have read must not take the place of what could not be asked.
    for (const job of jobs) {
      await lab.catalog.recordReadings(
        job.occasion,
        job.sides.map((side) => ({ ...side, readings: { position: readValue('7') } })),
      );
    }
    const [ofPeer, ofServer] = await lab.catalog.readingsOf('run_1');
    expect(ofPeer?.readings).toMatchObject({
      position: readValue('7'),
      zoned: { state: 'failed', code: 'PROBE_INVALID', message: expect.stringContaining('zone') },
      reached: { state: 'failed', code: 'PROBE_INVALID', message: expect.stringContaining('address') },
    });
    expect(Object.keys(ofServer?.readings ?? {}).sort()).toEqual(['position', 'zoned']);
  });

  it('for a plan: what the rules ask of now; the server only where they ask of it', async () => {
    const lab = await relationLab([STANDBY]);
    expect(shown(await jobsFor(lab, 'plan'))).toEqual([{ of: 'db02 at 192.0.2.2', asks: ['position', 'words'], for: ['standby db02 peer'] }]);
  });

  it('nobody, of relations in which another server goes back, of peers out of service, and while profiles are broken', async () => {
    const lab = await relationLab([{ name: 'back', server: 'db02', peers: [peer('db01')] }]);
    expect(await jobsFor(lab)).toEqual([]);
    const retired = await relationLab([{ ...STANDBY, peers: [peer('db02'), peer('db03')] }]);
    await outOfService(retired, 'db02');
    expect(shown(await jobsFor(retired)).flatMap(({ for: sides }) => sides)).toEqual(['standby db03 server', 'standby db03 peer']);
    retired.profiles = brokenProfiles();
    expect(await jobsFor(retired, 'plan')).toEqual([]);
  });

  it('for an image: those whose profile is there; of the others it is told, and written down, why nothing was read', async () => {
    const lab = await relationLab([
      STANDBY,
      { name: 'own', server: 'db01', peers: [peer('db02'), peer('db03')], profile: 'own' },
      { name: 'lost', server: 'db01', peers: [peer('db02')], profile: 'gone' },
      { name: 'needs', server: 'db01', peers: [peer('db02')], type: 'depends-on', profile: null },
      { name: 'back', server: 'db02', peers: [peer('db01')], profile: 'own' },
    ]);
    await outOfService(lab, 'db03');
    lab.profiles = brokenProfiles('own', [madeUpProfile()]);
    const { jobs, unread } = await new RelationCalls(lab.deps).readingsOfImage({ id: 'run_1', serverId: lab.server.id });
    expect(shown(jobs).flatMap(({ for: sides }) => sides)).toEqual(['standby db02 server', 'standby db02 peer']);
    const [lost, own] = [
      { code: 'PROFILE_NOT_FOUND', message: 'Its profile "gone" is not there.' },
      { code: 'PROFILE_INVALID', message: 'Its profile "own" was not loaded: own.yaml:2:10: version: expected 1' },
    ];
    expect([...unread].sort((a, b) => (a.relation < b.relation ? -1 : 1))).toEqual([
      { relation: 'lost', peers: ['db02'], ...lost },
      { relation: 'own', peers: ['db02'], ...own },
    ]);
    const note = (why: typeof lost) => ({ '*': { state: 'failed', ...why, at: expect.any(String) as string } });
    expect(await lab.catalog.readingsOf('run_1')).toEqual([
      { relation: 'lost', peer: 'db02', of: 'peer', readings: note(lost) },
      { relation: 'lost', peer: 'db02', of: 'server', readings: note(lost) },
      { relation: 'own', peer: 'db02', of: 'peer', readings: note(own) },
      { relation: 'own', peer: 'db02', of: 'server', readings: note(own) },
    ]);
  });

  it('for an image of a server whose profiles are all there: as it says, and nothing is written down', async () => {
    const lab = await relationLab([STANDBY]);
    const { jobs, unread } = await new RelationCalls(lab.deps).readingsOfImage({ id: 'run_1', serverId: lab.server.id });
    expect([jobs, unread, await lab.catalog.readingsOf('run_1')]).toEqual([await jobsFor(lab), [], []]);
  });

  it('that nobody could ask them is written down for every side and every marker', async () => {
    const lab = await relationLab([STANDBY, { name: 'second', server: 'db01', peers: [peer('db02', '192.0.2.2')] }]);
    const [job] = (await jobsFor(lab)).filter(({ target }) => target.serverName === 'db02');
    if (job === undefined) throw new Error('db02 is not asked');
    await new RelationCalls(lab.deps).recordUnread(job, { code: 'HYPERVISOR_UNREACHABLE', message: 'hv1\u0000 does not answer.' } as ErrorSummary);
    const failure = { state: 'failed', code: 'HYPERVISOR_UNREACHABLE', message: 'hv1 does not answer.', at: expect.any(String) as string };
    expect(await lab.catalog.readingsOf('run_1')).toEqual([
      { relation: 'second', peer: 'db02', of: 'peer', readings: { position: failure } },
      { relation: 'standby', peer: 'db02', of: 'peer', readings: { position: failure } },
    ]);
  });
});

/** As `judgePlan` has it, for a plan of the profiles as they are. */
async function relationsNow(lab: RelationLab): Promise<readonly PlannedRelation[]> {
  const asked = { occasion: 'none', captured: [], pointInTime: '2026-03-10T02:00:00.000Z', now: new Date() };
  return (await new Relations(lab.deps).judgePlan(lab.server.id, asked)).relations;
}

async function planOf(lab: RelationLab, findings: readonly Finding[] = [], more: Partial<RestorePlanBody> = {}): Promise<RestorePlanBody> {
  return plannedWith(lab, { findings, relations: await relationsNow(lab), ...more });
}

const codes = ({ against }: RunJudgement) => against.map(({ code }) => code);

describe('a run', () => {
  const judge = (lab: RelationLab, { planId }: RestorePlanBody, moment: 'recheck' | 'quarantine' | 'live'): Promise<RunJudgement> =>
    new RelationCalls(lab.deps).judgeRun({ runId: 'run_1', planId, moment });

  it('is asked by the relations of its plan, whatever has been declared since', async () => {
    const lab = await relationLab([STANDBY]);
    const { planId } = await planOf(lab);
    await lab.declare([{ ...STANDBY, peers: [peer('db02', '198.51.100.9')], parameters: { database: 'wiki' } }]);
    expect(shown(await jobsFor(lab))[1]?.of).toBe('db02 at 198.51.100.9');
    const ask = async (moment: 'recheck' | 'quarantine' | 'live') =>
      shown(await new RelationCalls(lab.deps).readingJobs({ id: 'run_1', serverId: lab.server.id, moment, planId }));
    // Its own markers too, right before it is replaced: an undo goes back to what it is then.
    expect(await ask('recheck')).toEqual([
      { of: 'db01 at null', asks: ['position', 'identity'], for: ['standby db02 server'] },
      { of: 'db02 at 192.0.2.2', asks: ['position', 'words'], for: ['standby db02 peer'] },
    ]);
    expect((await ask('live')).map(({ asks }) => asks)).toEqual([['position'], ['position']]);
    expect(await new RelationCalls(lab.deps).peersOf(planId)).toEqual([
      expect.objectContaining({ serverName: 'db02', hypervisor: 'hv1', address: '192.0.2.2', serverId: (await lab.catalog.getServer('db02')).id }),
    ]);
  });

  it('is asked nothing for rules that the texts of its relation decide', async () => {
    const lab = await relationLab([STANDBY]);
    const value = { marker: 'position', of: 'server', at: 'now' } as const;
    const when = [
      { text: '${database}', differs: 'shop' },
      { value, equals: '1' },
    ] as const;
    lab.profiles = [madeUpProfile([madeUpRule('NOT_MADE_ANEW', { phases: ['quarantine', 'live'], when })])];
    const { planId } = await planOf(lab);
    const ask = async (moment: 'quarantine' | 'live') =>
      shown(await new RelationCalls(lab.deps).readingJobs({ id: 'run_1', serverId: lab.server.id, moment, planId })).map(({ asks }) => asks);
    expect(await ask('quarantine')).toEqual([]);
    expect(await ask('live')).toEqual([]);
    expect(await judge(lab, await planOf(lab), 'quarantine')).toMatchObject({ against: [], judged: 1 });
    const other = await relationLab([{ ...STANDBY, parameters: { database: 'wiki' } }]);
    other.profiles = lab.profiles;
    const { planId: asked } = await planOf(other);
    const jobs = await new RelationCalls(other.deps).readingJobs({ id: 'run_1', serverId: other.server.id, moment: 'quarantine', planId: asked });
    expect(shown(jobs).map(({ asks }) => asks)).toEqual([['position']]);
  });

  it('is judged before its server is replaced by what was captured and what is read now', async () => {
    const lab = await relationLab([STANDBY]);
    const accepted = await planOf(lab, [findingAbout('PEER_AHEAD', 'block')]);
    const plain = await planOf(lab);
    for (const { recoveryPoint } of [accepted, plain]) await keepCaptured(lab, recoveryPoint.id);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: readValue('9') })]);
    expect(codes(await judge(lab, plain, 'recheck'))).toEqual(['PEER_AHEAD']);
    expect(await judge(lab, accepted, 'recheck')).toMatchObject({ against: [], judged: 1 });
  });

  it('stops where less is known than with the plan, and where nothing was read', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await planOf(lab, [findingAbout('MARKER_NOT_CAPTURED', 'unknown', { leavesOpen: ['PEER_AHEAD'] })]);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: readValue('9') })]);
    expect(codes(await judge(lab, plan, 'recheck'))).toEqual([]);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: notReadValue() })]);
    expect(codes(await judge(lab, plan, 'recheck'))).toEqual(['PEER_UNKNOWN']);
  });

  it('has the steps of its plan, with what is known now', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = [madeUpProfile([REBUILD])];
    const plan = await planOf(lab, [findingAbout('REBUILD', 'step')]);
    await keepCaptured(lab, plan.recoveryPoint.id);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: readValue('9') })]);
    expect((await judge(lab, plan, 'recheck')).steps.map(({ key }) => key)).toEqual(['rule:REBUILD:db02']);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: readValue('3') })]);
    expect(await judge(lab, plan, 'recheck')).toMatchObject({ against: [], steps: [] });
  });

  it('has a step of its own for a relation that asks only later for what another one with the same peer may have asked for in the plan', async () => {
    const lab = await relationLab([STANDBY, { ...STANDBY, name: 'standby-later', profile: 'later' }]);
    const value = { value: { marker: 'position', of: 'peer', at: 'now' }, equals: '9' } as const;
    lab.profiles = [madeUpProfile([REBUILD]), madeUpProfile([{ ...REBUILD, phases: ['live'], when: [value] }], { name: 'later' })];
    const plan = await planOf(lab, [findingAbout('REBUILD', 'step')]);
    await lab.catalog.recordReadings('run_1:live', [sideOf({ position: readValue('9') }, { relation: 'standby-later' })]);
    expect((await judge(lab, plan, 'live')).steps).toMatchObject([{ key: 'rule:REBUILD:db02:standby-later', relation: 'standby-later' }]);
  });

  it('stops where its profile was changed since the plan', async () => {
    const lab = await relationLab([STANDBY]);
    const plan = await planOf(lab, [findingAbout('PEER_AHEAD', 'block')]);
    await keepCaptured(lab, plan.recoveryPoint.id);
    await lab.catalog.recordReadings('run_1:recheck', [sideOf({ position: readValue('9') })]);
    lab.profiles = [madeUpProfile(undefined, { title: 'Another' })];
    expect(codes(await judge(lab, plan, 'recheck'))).toEqual(['PROFILE_CHANGED']);
  });

  it.each(['quarantine', 'live'] as const)('proves in its moment "%s" what the rules of that ask, by what was read in it', async (moment) => {
    const lab = await relationLab([STANDBY]);
    const plan = await planOf(lab, [findingAbout('PEER_AHEAD', 'block')]);
    const read = (server: string, other: string) =>
      lab.catalog.recordReadings(`run_1:${moment}`, [sideOf({ position: readValue(server) }, { of: 'server' }), sideOf({ position: readValue(other) })]);
    expect(codes(await judge(lab, plan, moment))).toEqual(['PEER_UNKNOWN', 'SERVER_UNKNOWN']);
    await read('7', '9');
    expect(codes(await judge(lab, plan, moment))).toEqual(['NOT_TOGETHER']);
    await read('9', '9');
    expect(await judge(lab, plan, moment)).toMatchObject({ against: [], judged: 1 });
  });

  /** As OpenLDAP with more entries than it shows: one marker of the peer is never known, and nobody minds. */
  const ENTRIES = madeUpRule('NO_ENTRIES', { when: [{ value: { marker: 'words', of: 'peer', at: 'now' }, equals: 'none' }], message: 'None.' });
  const NOT_EMPTIED = madeUpRule('NOT_EMPTIED', { phases: ['quarantine', 'live'] });

  it.each(['quarantine', 'live'] as const)(
    'is not let off its proof in %s by another marker that was not known with the plan, as while a peer is silent',
    async (moment) => {
      const lab = await relationLab([STANDBY]);
      lab.profiles = [madeUpProfile([ENTRIES, madeUpRule('PEER_AHEAD'), NOT_EMPTIED])];
      const judgePlanned = async (position: MarkerReading) => {
        const present = sideOf({ position, words: notReadValue('MARKER_TOO_LONG') });
        await lab.catalog.recordReadings('plan_1', [present]);
        const captured = [sideOf({ position: readValue('7') }, { of: 'server' })];
        const asked = { occasion: 'plan_1', captured, pointInTime: '2026-03-10T02:00:00.000Z', now: new Date() };
        const { findings } = await new Relations(lab.deps).judgePlan(lab.server.id, asked);
        const plan = await planOf(lab, findings);
        await keepCaptured(lab, plan.recoveryPoint.id);
        return plan;
      };
      const read = (position: MarkerReading) => lab.catalog.recordReadings(`run_1:${moment}`, [sideOf({ position, words: notReadValue('MARKER_TOO_LONG') })]);
      const answering = await judgePlanned(readValue('7'));
      expect(answering.findings.map(({ code, notKnown }) => [code, notKnown])).toEqual([['PEER_UNKNOWN', ['peer.words.now']]]);
      await read(readValue('7'));
      expect(codes(await judge(lab, answering, moment))).toEqual([]);
      await read(notReadValue());
      expect(codes(await judge(lab, answering, moment))).toEqual(['PEER_UNKNOWN']);
      // Who has acknowledged that it does not answer gets a server back all the same.
      expect(codes(await judge(lab, await judgePlanned(notReadValue()), moment))).toEqual([]);
    },
  );

  it.each(['quarantine', 'live'] as const)('has proven nothing in its moment "%s" when its profile is gone by then, or broken', async (moment) => {
    const lab = await relationLab([STANDBY]);
    const plan = await planOf(lab);
    lab.profiles = [];
    expect(await judge(lab, plan, moment)).toMatchObject({ against: [{ code: 'PROFILE_CHANGED', severity: 'block' }], judged: 0 });
    lab.profiles = brokenProfiles();
    expect(codes(await judge(lab, plan, moment))).toEqual(['PROFILE_CHANGED']);
  });

  it.each(['recheck', 'quarantine', 'live'] as const)('goes on while the file of a profile is wrong that is none of its own: %s', async (moment) => {
    const lab = await relationLab([STANDBY]);
    const plan = await planOf(lab);
    await keepCaptured(lab, plan.recoveryPoint.id);
    const positions = [sideOf({ position: readValue('7') }, { of: 'server' }), sideOf({ position: readValue('7') })];
    await lab.catalog.recordReadings(`run_1:${moment}`, positions);
    lab.profiles = brokenProfiles('unrelated', [madeUpProfile()]);
    expect(await judge(lab, plan, moment)).toMatchObject({ against: [], judged: 1 });
  });

  it('has nothing to prove in a moment for which no profile had rules', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = [madeUpProfile([madeUpRule('PEER_AHEAD')])];
    const plan = await planOf(lab);
    expect(await judge(lab, plan, 'live')).toEqual({ against: [], judged: 0, steps: [], warnings: [] });
  });

  it.each([
    ['quarantine', 'quarantine', true],
    ['quarantine', 'live', false],
    ['live', 'live', true],
  ] as const)('asks in %s for a step of %s, and has it stand against the proof as long as it is not done: %s', async (moment, when, stands) => {
    const lab = await relationLab([STANDBY]);
    const together = { when: madeUpRule('X', {}).when, phases: ['quarantine', 'live'] as const };
    const step = { title: 'Set the clock of ${peer}', argv: null, on: 'peer', when } as const;
    lab.profiles = [madeUpProfile([madeUpRule('CLOCK_OFF', { ...together, severity: 'step', step }), madeUpRule('SLOW', { ...together, severity: 'warn' })])];
    const plan = await planOf(lab);
    expect(plan.relations?.[0]?.asksIn).toEqual(['quarantine', 'live']);
    await keepCaptured(lab, plan.recoveryPoint.id);
    await lab.catalog.recordReadings(`run_1:${moment}`, [sideOf({ position: readValue('9') })]);
    const said = await judge(lab, plan, moment);
    expect([said.steps, codes(said)]).toMatchObject([[{ code: 'CLOCK_OFF', title: 'Set the clock of db02', when }], stands ? ['CLOCK_OFF'] : []]);
    expect(said.warnings?.map(({ code }) => code)).toEqual(['SLOW']);
  });

  describe('of a secondary of a zone', () => {
    const serials = (own: string, primary: string) => [sideOf({ serial: readValue(own) }, { of: 'server' }), sideOf({ serial: readValue(primary) })];
    const secondary = async (program: Readonly<Record<string, string>>) => {
      const parameters = { zone: 'example.org', primary: 'db02', ...program };
      const lab = await relationLab([{ ...STANDBY, address: '192.0.2.1', profile: 'dns-zone', parameters }]);
      lab.profiles = [shippedProfile('dns-zone')];
      await lab.catalog.recordReadings('plan_1', serials('7', '7'));
      const asked = { occasion: 'plan_1', captured: serials('7', '7'), pointInTime: '2026-03-10T02:00:00.000Z', now: new Date() };
      const { findings, relations } = await new Relations(lab.deps).judgePlan(lab.server.id, asked);
      expect(findings.map(({ code }) => code)).toEqual(['RELATION_AGREES']);
      const plan = await planOf(lab, findings, { relations });
      await keepCaptured(lab, plan.recoveryPoint.id, serials('7', '7'));
      return { lab, plan };
    };
    const PROGRAM = { 'refresh-zone': '/usr/local/sbin/refresh-zone' };
    const [BY_PROGRAM, BY_PEOPLE] = [
      { code: 'RESTORED_SECONDARY_TO_REFRESH', argv: ['/usr/local/sbin/refresh-zone', 'example.org'] },
      { code: 'RESTORED_SECONDARY_TO_ASK', argv: null },
    ];

    it.each([
      ['while it waits for its go-live', '7', PROGRAM, BY_PROGRAM],
      ['between its plan and the swap', '8', PROGRAM, BY_PROGRAM],
      ['while it waits for its go-live, and no program is named', '7', {}, BY_PEOPLE],
      ['between its plan and the swap, and no program is named', '8', {}, BY_PEOPLE],
    ] as const)('is told to ask when its primary publishes %s, and nothing has to be planned again', async (_when, atTheSwap, program, step) => {
      const { lab, plan } = await secondary(program);
      expect(plan.relations?.[0]?.asksIn).toEqual(['live']);
      await lab.catalog.recordReadings('run_1:recheck', serials('7', atTheSwap));
      expect(await judge(lab, plan, 'recheck')).toMatchObject({ against: [], steps: [] });
      await lab.catalog.recordReadings('run_1:live', serials('7', '8'));
      const behind = await judge(lab, plan, 'live');
      expect(behind.steps).toMatchObject([{ ...step, on: 'server', when: 'live', peer: 'db02' }]);
      expect(codes(behind)).toContain('RESTORED_SECONDARY_BEHIND');
      await lab.catalog.recordReadings('run_1:live', serials('8', '8'));
      expect(await judge(lab, plan, 'live')).toMatchObject({ against: [], steps: [] });
    });
  });

  it('asks also for what concerns one that is restored together with it: nobody else would', async () => {
    const lab = await relationLab([STANDBY]);
    const value = { value: { marker: 'position', of: 'server', at: 'now' }, equals: '9' } as const;
    const step = { title: 'Set the clock', argv: null, on: 'server', when: 'quarantine' } as const;
    lab.profiles = [
      madeUpProfile([madeUpRule('CLOCK_OFF', { phases: ['quarantine'], when: [value], message: 'It is off.', remedy: null, severity: 'step', step })]),
    ];
    const restoreSet = { id: 'rst_1', basis: 'readings', members: ['db01', 'db02'].map((server) => ({ server })) } as unknown as NonNullable<
      RestorePlanBody['restoreSet']
    >;
    const plan = await planOf(lab, [], { restoreSet });
    await lab.catalog.recordReadings('run_1:quarantine', [sideOf({ position: readValue('9') }, { of: 'server' })]);
    const said = await judge(lab, plan, 'quarantine');
    expect([said.steps.map(({ key }) => key), codes(said)]).toEqual([['rule:CLOCK_OFF:db02'], ['CLOCK_OFF']]);
  });

  it('that an earlier version has planned is held to no step that nobody has asked for', async () => {
    const lab = await relationLab([STANDBY]);
    const step = { title: 'Set the clock of ${peer}', argv: null, on: 'peer', when: 'quarantine' } as const;
    lab.profiles = [madeUpProfile([madeUpRule('CLOCK_OFF', { phases: ['quarantine'], severity: 'step', step })])];
    const relations = (await relationsNow(lab)).map(({ asksIn: _, ...planned }) => planned);
    const plan = await planOf(lab, [], { relations });
    await keepCaptured(lab, plan.recoveryPoint.id);
    await lab.catalog.recordReadings('run_1:quarantine', [sideOf({ position: readValue('9') })]);
    expect(codes(await judge(lab, plan, 'quarantine'))).toEqual([]);
  });

  it('whose profile asks for steps with the plan alone is not asked for them again', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = [madeUpProfile([REBUILD])];
    expect((await planOf(lab)).relations?.[0]?.asksIn).toEqual([]);
  });
});

describe('an undo', () => {
  it('is judged by what its server was right before the restore, and by what is read right before the undo', async () => {
    const lab = await relationLab([STANDBY]);
    const restore = await restoredTo(lab.catalog, lab.server, (await planOf(lab)).recoveryPoint.id);
    await lab.catalog.recordReadings(`${restore}:recheck`, [sideOf({ position: readValue('7') }, { of: 'server' })]);
    const undoPlan = async (findings: readonly Finding[] = []) => (await givenReadyUndoPlan(lab.catalog, lab.server, restore, findings)).planId;
    const judge = async (planId: string) => (await new RelationCalls(lab.deps).judgeUndo({ runId: 'run_9', planId })).map(({ code }) => code);
    const [plain, accepted] = [await undoPlan(), await undoPlan([findingAbout('PEER_AHEAD', 'block')])];
    const read = (value: string) => lab.catalog.recordReadings('run_9:recheck', [sideOf({ position: readValue(value), words: readValue('x') })]);
    await read('7');
    expect(await judge(plain)).toEqual([]);
    await read('9');
    expect(await judge(plain)).toEqual(['PEER_AHEAD']);
    expect(await judge(accepted)).toEqual([]);
    const { planId } = await planOf(lab);
    await expect(judge(planId)).rejects.toThrow('undoes nothing');
    await expect(new RelationCalls(lab.deps).judgeUndone({ runId: 'run_9', planId })).rejects.toThrow('undoes nothing');
  });

  it('asks for no steps: what its plan says of them, it says again right before it', async () => {
    const lab = await relationLab([STANDBY]);
    lab.profiles = [
      madeUpProfile([REBUILD, madeUpRule('RAISE', { severity: 'step', step: { title: 'Raise it', argv: null, on: 'server', when: 'quarantine' } })]),
    ];
    const restore = await restoredTo(lab.catalog, lab.server, (await planOf(lab)).recoveryPoint.id);
    await lab.catalog.recordReadings(`${restore}:recheck`, [sideOf({ position: readValue('7') }, { of: 'server' })]);
    await lab.catalog.recordReadings('plan_9', [sideOf({ position: readValue('9') })]);
    const asked = { occasion: 'plan_9', undoes: restore, swappedAt: '2026-03-10T12:00:00.000Z', now: new Date() };
    const { findings, steps } = await new Relations(lab.deps).judgeUndo(lab.server.id, asked);
    expect([findings.map(({ code, severity }) => `${code} ${severity}`), steps]).toEqual([['REBUILD warn', 'RAISE block'], []]);
    const { planId } = await givenReadyUndoPlan(lab.catalog, lab.server, restore, findings);
    await lab.catalog.recordReadings('run_9:recheck', [sideOf({ position: readValue('9') })]);
    expect(await new RelationCalls(lab.deps).judgeUndo({ runId: 'run_9', planId })).toEqual([]);
  });

  it('is proven by what is read once its server is back, beside what was accepted with its plan', async () => {
    const lab = await relationLab([STANDBY]);
    const restore = await restoredTo(lab.catalog, lab.server, (await planOf(lab)).recoveryPoint.id);
    const judge = async (findings: readonly Finding[] = []) => {
      const { planId } = await givenReadyUndoPlan(lab.catalog, lab.server, restore, findings);
      return new RelationCalls(lab.deps).judgeUndone({ runId: 'run_9', planId });
    };
    const read = (own: string, peers: string) =>
      lab.catalog.recordReadings('run_9:live', [sideOf({ position: readValue(peers) }), sideOf({ position: readValue(own) }, { of: 'server' })]);
    expect(codes(await judge())).toEqual(['PEER_UNKNOWN', 'SERVER_UNKNOWN']);
    await read('9', '9');
    expect(await judge()).toMatchObject({ against: [], judged: 1 });
    await read('7', '9');
    expect(codes(await judge())).toEqual(['NOT_TOGETHER']);
    expect(codes(await judge([findingAbout('NOT_TOGETHER', 'block')]))).toEqual([]);
    // That nobody speaks is no proof.
    lab.profiles = brokenProfiles();
    expect(await judge()).toMatchObject({ against: [{ code: 'PROFILE_CHANGED' }], judged: 0 });
  });

  it('leaves to people what rules ask for once its server is back, and shows it', async () => {
    const lab = await relationLab([STANDBY]);
    const restore = await restoredTo(lab.catalog, lab.server, (await planOf(lab)).recoveryPoint.id);
    await lab.catalog.recordReadings(`${restore}:recheck`, [sideOf({ position: readValue('7') }, { of: 'server' })]);
    lab.profiles = [madeUpProfile([{ ...REBUILD, phases: ['plan', 'live'] }])];
    const { planId } = await givenReadyUndoPlan(lab.catalog, lab.server, restore, [findingAbout('REBUILD', 'warn')]);
    await lab.catalog.recordReadings('run_9:live', [sideOf({ position: readValue('9') })]);
    const said = await new RelationCalls(lab.deps).judgeUndone({ runId: 'run_9', planId });
    expect([said.against, said.warnings?.map(({ code }) => code)]).toEqual([[], ['REBUILD']]);
    // Nobody had read of it when the undo was planned.
    const { planId: silent } = await givenReadyUndoPlan(lab.catalog, lab.server, restore, []);
    await lab.catalog.recordReadings('run_9:recheck', [sideOf({ position: readValue('9') })]);
    expect((await new RelationCalls(lab.deps).judgeUndo({ runId: 'run_9', planId: silent })).map(({ code }) => code)).toEqual(['REBUILD']);
  });
});

async function keepCaptured(lab: RelationLab, recoveryPointId: string, markers = [sideOf({ position: readValue('7') }, { of: 'server' })]): Promise<void> {
  const markersOf = lab.catalog.markersOf.bind(lab.catalog);
  lab.catalog.markersOf = async (id) => (id === recoveryPointId ? markers : markersOf(id));
}
