import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import type { ErrorSummary } from '../../src/contracts/errors';
import type { RestorePlanBody } from '../../src/contracts/plan';
import type { ProbeJob } from '../../src/contracts/reading';
import { BACKUP, ONLINE, RESTORE, SURVEY, UNDO, WAY_BACK } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';
import { findingAbout } from '../support/made-up-relations';
import { AGAINST, fine, jobFor, judgedPlan, PUT_BACK, restoreJudged, ruleStep, targetOf } from './relations';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);

const until = async (what: string, holds: () => boolean): Promise<void> => {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const untilCancelled = (reached: () => void) => async (): Promise<never> => {
  reached();
  const timer = setInterval(() => Context.current().heartbeat(), 100);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(timer);
  }
};
/** What was written down as unread, and why. */
const recorder = () => {
  const unread: string[] = [];
  const recordUnread = async ({ target }: ProbeJob, { code }: ErrorSummary): Promise<void> => void unread.push(`${target.serverName} ${code}`);
  return { unread, recordUnread };
};

describe('an image backup with relations', () => {
  const relations: Scripted = { readingJobs: async () => [jobFor('db01'), jobFor('db02')] };

  it.each([
    ['online', ONLINE, 'beginOnlineBackup'],
    ['offline', BACKUP, 'shutDown'],
  ] as const)('%s: reads the markers before the point in time, after room was reserved', async (_mode, input, next) => {
    const requests: unknown[] = [];
    const rehearsal = rehearse({
      readingJobs: async (request) => {
        requests.push(request);
        return [jobFor('db01'), jobFor('db02')];
      },
    });
    expect(await rehearsal.play('backupImage', input)).toBe('COMPLETED');
    expect(requests).toEqual([{ id: input.runId, serverId: input.serverId, moment: 'capture' }]);
    const at = (call: string) => rehearsal.calls.indexOf(call);
    expect(rehearsal.calls.filter((call) => call === 'readMarkers')).toHaveLength(2);
    expect([at('reserveRoom') < at('readMarkers'), rehearsal.calls.lastIndexOf('readMarkers') < at(next)]).toEqual([true, true]);
    expect(rehearsal.steps.get('markers')).toMatchObject({ state: 'succeeded', detail: { read: 4, failed: 0 } });
  });

  it('asks the server itself when its peers have answered: a peer that was ahead of it then is ahead', async () => {
    let underWay = 0;
    const seen: string[] = [];
    const rehearsal = rehearse({
      readingJobs: async () =>
        [jobFor('db01'), jobFor('db02'), jobFor('db03')].map((job) => ({
          ...job,
          target: { ...job.target, serverId: job.target.serverName === 'db01' ? ONLINE.serverId : job.target.serverId },
        })),
      readMarkers: async ({ target, specs }) => {
        underWay += 1;
        await new Promise((resolve) => setTimeout(resolve, target.serverName === 'db03' ? 300 : 10));
        underWay -= 1;
        seen.push(`${target.serverName} ${underWay}`);
        return { read: specs.length, failed: 0 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(seen).toEqual(['db02 1', 'db03 0', 'db01 0']);
    expect(rehearsal.steps.get('markers')).toMatchObject({ detail: { read: 6, failed: 0 } });
  });

  it('has no such step where nobody is asked', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(rehearsal.steps.has('markers')).toBe(false);
  });

  it('is taken without the markers of a relation whose profile was not loaded, and its step says so', async () => {
    const unread = [{ relation: 'own', peers: ['db02'], code: 'PROFILE_INVALID' as const, message: 'Its profile "own" was not loaded: own.yaml:2:10: no' }];
    const problem = 'relation "own": nothing was read for it (PROFILE_INVALID): Its profile "own" was not loaded: own.yaml:2:10: no';
    const none = rehearse({ readingsOfImage: async () => ({ jobs: [], unread }) });
    expect(await none.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(none.steps.get('markers')).toMatchObject({ state: 'succeeded', detail: { read: 0, failed: 0, problem } });
    expect(none.calls).toContain('publish');
    const some = rehearse({ readingsOfImage: async () => ({ jobs: [jobFor('db02')], unread }) });
    expect(await some.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(some.steps.get('markers')).toMatchObject({ state: 'succeeded', detail: { read: 2, failed: 0, problem } });
  });

  it('goes on when a peer cannot be read, or nobody is near it: that is what is written down', async () => {
    const { unread, recordUnread } = recorder();
    const rehearsal = rehearse({
      recordUnread,
      readingJobs: async () => [jobFor('db01'), jobFor('db02'), jobFor('far01', 'kvm9')],
      readMarkers: async ({ target }) => (target.serverName === 'db02' ? failing('SERVER_GONE')() : { read: 1, failed: 1 }),
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(unread.sort()).toEqual(['db02 SERVER_GONE', 'far01 NO_WORKER']);
    expect(rehearsal.steps.get('markers')).toMatchObject({ state: 'succeeded', detail: { read: 1, failed: 5 } });
    expect(rehearsal.calls).toContain('publish');
  });

  it('cancelled while it asks, takes no image and puts everything back', async () => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    const rehearsal = rehearse({ ...relations, readMarkers: untilCancelled(reached) as never });
    const closed = await rehearsal.play('backupImage', ONLINE, async (handle) => {
      await moment;
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect(rehearsal.calls).not.toContain('beginOnlineBackup');
    expect(rehearsal.calls).not.toContain('recordUnread');
    expect(rehearsal.calls.slice(-2)).toEqual(['discardStaged', 'releaseFence']);
  });
});

describe('a plan with relations', () => {
  const INPUT = { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null };

  it('asks the peers while the recovery point is looked at, and is composed after both', async () => {
    let asking!: () => void;
    const asked = new Promise<void>((resolve) => (asking = resolve));
    const rehearsal = rehearse({
      readingJobs: async (request) => {
        expect(request).toEqual({ id: RESTORE.planId, serverId: RESTORE.serverId, moment: 'plan' });
        return [jobFor('db02'), jobFor('db03')];
      },
      // Neither would end if the one waited for the other.
      readMarkers: async () => (asking(), { read: 2, failed: 0 }),
      surveyRestore: async () => (await asked, SURVEY),
    });
    expect(await rehearsal.play('planRestore', INPUT)).toBe('COMPLETED');
    expect(rehearsal.calls.at(-1)).toBe('composePlan');
    expect(rehearsal.calls.filter((call) => call === 'readMarkers')).toHaveLength(2);
  });

  it('is made within its time although nobody is near a peer: that is written down', async () => {
    const { unread, recordUnread } = recorder();
    const rehearsal = rehearse({ recordUnread, readingJobs: async () => [jobFor('far01', 'kvm9'), jobFor('db02')] });
    const startedAt = Date.now();
    expect(await rehearsal.play('planRestore', INPUT)).toBe('COMPLETED');
    expect(Date.now() - startedAt).toBeLessThan(60_000);
    expect([unread, rehearsal.calls.at(-1)]).toEqual([['far01 NO_WORKER'], 'composePlan']);
  });

  it('asks many peers, some at a time', async () => {
    let [now, most] = [0, 0];
    const rehearsal = rehearse({
      readingJobs: async () => Array.from({ length: 20 }, (_, index) => jobFor(`db${index}`)),
      readMarkers: async () => {
        most = Math.max(most, (now += 1));
        await new Promise((resolve) => setTimeout(resolve, 50));
        now -= 1;
        return { read: 2, failed: 0 };
      },
    });
    expect(await rehearsal.play('planRestore', INPUT)).toBe('COMPLETED');
    expect(rehearsal.calls.filter((call) => call === 'readMarkers')).toHaveLength(20);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('fails as it did when the recovery point cannot be read, whatever the peers do', async () => {
    const rehearsal = rehearse({
      readingJobs: async () => [jobFor('db02')],
      readMarkers: failing('SERVER_GONE'),
      surveyRestore: failing('RECOVERY_POINT_INCOMPLETE'),
    });
    expect(await rehearsal.play('planRestore', INPUT)).toBe('COMPLETED');
    expect(rehearsal.calls).toContain('failPlan');
    expect(rehearsal.calls).not.toContain('composePlan');
  });

  it.each<[string, Partial<typeof WAY_BACK>, boolean]>([
    ['asks them for the undo of a restore that was live', {}, true],
    ['does not ask for the undo of one that never was: nobody has followed it', { wentLiveAt: null }, false],
  ])('%s', async (_what, changes, isAsked) => {
    const chooseUndoSource: Scripted['chooseUndoSource'] = async ({ planId }) => ({
      planId,
      runId: UNDO.runId,
      serverId: UNDO.serverId,
      serverName: 'db01',
      uuid: UNDO.uuid,
      hypervisor: 'kvm1',
      lineageId: 'l1',
      wayBack: { ...WAY_BACK, ...changes },
      undoneRun: { kind: 'restore-server', reason: 'x' },
    });
    const rehearsal = rehearse({ chooseUndoSource, readingJobs: async () => [jobFor('db02')] });
    expect(await rehearsal.play('planUndo', { planId: UNDO.planId, serverId: UNDO.serverId, ofRunId: UNDO.ofRunId })).toBe('COMPLETED');
    expect([rehearsal.calls.includes('readMarkers'), rehearsal.calls.includes('composeUndoPlan')]).toEqual([isAsked, true]);
  });
});

describe('a restore with relations', () => {
  it('judges again before the swap, in quarantine after the health checks, and after go-live', async () => {
    const moments: string[] = [];
    const rehearsal = rehearse(restoreJudged(judgedPlan([]), (moment) => void moments.push(`${moment} after ${rehearsal.calls.at(-2) ?? ''}`)));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(moments.map((moment) => moment.split(' ')[0])).toEqual(['recheck', 'quarantine', 'live']);
    const calls = rehearsal.calls.filter((call) => ['judgeRun', 'swapVolumes', 'checkHealth', 'goLive', 'releaseFence'].includes(call));
    expect(calls).toEqual(['judgeRun', 'swapVolumes', 'checkHealth', 'judgeRun', 'goLive', 'judgeRun', 'releaseFence']);
    expect(rehearsal.steps.get('peers-before')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
    expect(rehearsal.steps.get('peers')).toMatchObject({ state: 'succeeded', detail: { judged: 1 } });
    expect([...rehearsal.steps.values()].map(({ state }) => state)).not.toContain('pending');
  });

  it('asks nobody where the plan was judged by no rules', async () => {
    const rehearsal = rehearse({ readingJobs: async () => [jobFor('db02')] });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls.filter((call) => call === 'readMarkers' || call === 'judgeRun')).toEqual([]);
  });

  it('stops before anything is replaced when the peers are worse than the plan says', async () => {
    const rehearsal = rehearse(restoreJudged(judgedPlan([]), (moment) => (moment === 'recheck' ? AGAINST : undefined)));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({
      state: 'failed',
      error: { code: 'PLAN_STALE', message: expect.stringContaining('NOT_TOGETHER'), hint: expect.stringContaining('Rebuild it. Then make a new plan.') },
    });
    for (const never of ['shutDown', 'powerOff', 'swapVolumes']) expect(rehearsal.calls).not.toContain(never);
    expect(rehearsal.calls.slice(-2)).toEqual(['discardVolumes', 'releaseFence']);
  });

  it('runs the programs that rules ask for in their order and part: on the server, and on the peer', async () => {
    const ran: string[] = [];
    const plan = judgedPlan([ruleStep('FIRST'), ruleStep('FENCE', { on: 'peer' }), ruleStep('REBUILD', { on: 'peer', when: 'live' })]);
    const rehearsal = rehearse(
      restoreJudged(plan, fine, {
        applyChange: async (_input, { argv }) => (ran.push(`db01: ${argv.join(' ')}`), { isApplied: true, evidence: 'exit code 0' }),
        runInPeer: async ({ serverName }, { argv }) => (ran.push(`${serverName}: ${argv.join(' ')}`), { isApplied: true, evidence: 'exit code 0' }),
        goLive: async () => (ran.push('go-live'), { raised: [] }),
      }),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(ran).toEqual(['db01: /usr/bin/do FIRST', 'db02: /usr/bin/do FENCE', 'go-live', 'db02: /usr/bin/do REBUILD']);
    expect(rehearsal.steps.get('rule:FENCE:db02')).toMatchObject({ state: 'succeeded', title: 'Do FENCE', detail: { applied: true, evidence: 'exit code 0' } });
    expect(rehearsal.steps.has('sign-off')).toBe(false);
  });

  it('skips what is not asked for any more right before the server is replaced, also the sign-off of it', async () => {
    const plan = judgedPlan([ruleStep('BY_HAND', { argv: null }), ruleStep('LATER', { argv: null, when: 'live' })]);
    expect(plan.steps.map(({ key }) => key)).toEqual(expect.arrayContaining(['sign-off', 'sign-off-live']));
    const rehearsal = rehearse(restoreJudged(plan, (moment) => (moment === 'recheck' ? { steps: [] } : undefined)));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    for (const key of ['rule:BY_HAND:db02', 'rule:LATER:db02', 'sign-off', 'sign-off-live']) {
      expect(rehearsal.steps.get(key)).toMatchObject({ state: 'skipped', detail: { because: expect.stringContaining('not so any more') } });
    }
  });

  it('leaves to people what a program has not done, and what could not be run in a peer; the sign-off shows who', async () => {
    let decided = false;
    const plan = judgedPlan([ruleStep('FAILS'), ruleStep('GONE', { on: 'peer' }), ruleStep('WORKS')]);
    const rehearsal = rehearse(
      restoreJudged(plan, fine, {
        applyChange: async (_input, { argv }) => ({ isApplied: argv[1] === 'WORKS', evidence: `exit code ${argv[1] === 'WORKS' ? 0 : 1}` }),
        runInPeer: failing('HYPERVISOR_NOT_CONFIGURED'),
        readDecision: async (_runId, kind) => (decided && kind === 'sign-off' ? { actor: 'kim', reason: 'by hand', at: '2026-03-02T12:10:00.000Z' } : null),
      }),
    );
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await until('it waits', () => rehearsal.stateOf('sign-off') === 'waiting');
      expect(rehearsal.steps.get('rule:FAILS:db02')).toMatchObject({ state: 'succeeded', detail: { applied: false, evidence: 'exit code 1' } });
      expect(rehearsal.steps.get('rule:GONE:db02')).toMatchObject({ detail: { applied: false, evidence: 'HYPERVISOR_NOT_CONFIGURED: it broke' } });
      expect(rehearsal.calls).not.toContain('goLive');
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:FAILS:db02')).toMatchObject({ detail: { signedOffBy: 'kim', reason: 'by hand' } });
    expect(rehearsal.steps.get('rule:WORKS:db02')).toMatchObject({ detail: { applied: true } });
    expect(rehearsal.steps.get('sign-off')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', reason: 'by hand' } });
  });

  it('leaves a step of a peer that is not in the catalogue any more to people', async () => {
    const decision = async () => ({ actor: 'kim', reason: 'by hand', at: '2026-03-02T12:10:00.000Z' });
    const plan = judgedPlan([ruleStep('FENCE', { on: 'peer' })]);
    const rehearsal = rehearse(restoreJudged(plan, fine, { peersOf: async () => [targetOf('db09')], readDecision: decision }));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('runInPeer');
    expect(rehearsal.steps.get('rule:FENCE:db02')).toMatchObject({ detail: { signedOffBy: 'kim' } });
  });

  it('gives a server that just started a little time to be what its rules ask for', async () => {
    let asked = 0;
    const rehearsal = rehearse(restoreJudged(judgedPlan([]), (moment) => (moment === 'quarantine' && (asked += 1) < 3 ? AGAINST : undefined)));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(asked).toBe(3);
    // Read anew each time: an old answer would never change.
    expect(rehearsal.calls.filter((call) => call === 'readMarkers')).toHaveLength(5);
  });

  it('accepts after a while what the peers do not accept right after go-live', async () => {
    let asked = 0;
    const rehearsal = rehearse(restoreJudged(judgedPlan([]), (moment) => (moment === 'live' && (asked += 1) < 3 ? AGAINST : undefined)));
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect([asked, rehearsal.stateOf('peers')]).toEqual([3, 'succeeded']);
  });

  it('waits after go-live for what people do, and no cancel ends that; then the peers are asked', async () => {
    let decided = false;
    const plan = judgedPlan([ruleStep('BY_HAND', { argv: null, on: 'peer', when: 'live' })]);
    const rehearsal = rehearse(
      restoreJudged(plan, fine, {
        readDecision: async (_runId, kind) =>
          decided && kind === 'sign-off-live' ? { actor: 'kim', reason: 'rebuilt', at: '2026-03-02T12:10:00.000Z' } : null,
      }),
    );
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle: WorkflowHandle) => {
      await until('it waits', () => rehearsal.stateOf('sign-off-live') === 'waiting');
      expect(rehearsal.calls).toContain('goLive');
      expect(rehearsal.stateOf('peers')).toBe('pending');
      await handle.cancel();
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:BY_HAND:db02')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', reason: 'rebuilt' } });
    expect(rehearsal.steps.get('sign-off-live')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim' } });
    expect([rehearsal.stateOf('peers'), rehearsal.stateOf('record')]).toEqual(['succeeded', 'succeeded']);
    for (const never of PUT_BACK) expect(rehearsal.calls.slice(rehearsal.calls.indexOf('goLive'))).not.toContain(never);
  });

  it('finds out in quarantine what rules ask of the restored server, has it signed off with the rest, and proves it afterwards', async () => {
    let decided = false;
    const plan = judgedPlan([], [], ['quarantine']);
    const asked = ruleStep('SET_CLOCK', { argv: null });
    const later = ruleStep('SET_CLOCK_OF_PEER', { on: 'peer', when: 'live' });
    const moments: string[] = [];
    const rehearsal = rehearse(
      restoreJudged(plan, (moment) => (moments.push(moment), moment === 'quarantine' && !decided ? { steps: [asked, later] } : undefined), {
        readDecision: async (_runId, kind) => (decided && kind === 'sign-off' ? { actor: 'kim', reason: 'set', at: '2026-03-02T12:10:00.000Z' } : null),
      }),
    );
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await until('it waits', () => rehearsal.stateOf('sign-off') === 'waiting');
      expect(rehearsal.steps.get('rule:SET_CLOCK:db02')).toMatchObject({ state: 'pending', title: 'Do SET_CLOCK' });
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:SET_CLOCK:db02')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', reason: 'set' } });
    // What it asks for after go-live is done then.
    expect(rehearsal.steps.get('rule:SET_CLOCK_OF_PEER:db02')).toMatchObject({ state: 'succeeded', detail: { applied: true } });
    expect(rehearsal.calls.indexOf('runInPeer')).toBeGreaterThan(rehearsal.calls.indexOf('goLive'));
    expect(moments).toEqual(['recheck', 'quarantine', 'quarantine', 'live']);
  });

  it('asks a server that has just started for half a minute what is to be done, and does what comes to light only in the proof', async () => {
    let asked = 0;
    const unknown = { against: [findingAbout('SERVER_UNKNOWN', 'unknown')] };
    const later = ruleStep('TELL', { on: 'peer', when: 'live' });
    const rehearsal = rehearse(
      restoreJudged(judgedPlan([], [], ['quarantine']), (moment) => {
        if (moment !== 'quarantine') return undefined;
        asked += 1;
        return asked === 1 ? unknown : asked === 2 ? { steps: [ruleStep('SET_CLOCK')] } : { steps: [later] };
      }),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:SET_CLOCK:db02')).toMatchObject({ state: 'succeeded', detail: { applied: true } });
    expect(rehearsal.steps.get('rule:TELL:db02')).toMatchObject({ state: 'succeeded', detail: { applied: true } });
    expect(rehearsal.calls.indexOf('runInPeer')).toBeGreaterThan(rehearsal.calls.indexOf('goLive'));
    expect(asked).toBe(3);
  });

  it('waits for no warning that was there before go-live already, nor where others of a set wait for this server', async () => {
    const behind = { warnings: [findingAbout('DIFFERS', 'warn')] };
    let asked = 0;
    const count = (moment: string) => (asked += Number(moment === 'live'));
    const known = rehearse(restoreJudged(judgedPlan([]), (moment) => (count(moment), moment === 'recheck' ? undefined : behind)));
    expect([await known.play('restoreServer', RESTORE), asked]).toEqual(['COMPLETED', 1]);
    // A member of a set is asked for steps first.
    const set = { id: 'rst_1', basis: 'readings', members: [] } as unknown as NonNullable<RestorePlanBody['restoreSet']>;
    const member = rehearse(restoreJudged({ ...judgedPlan([]), restoreSet: set }, (moment) => (count(moment), moment === 'live' ? behind : undefined)));
    expect([await member.play('restoreServer', RESTORE), asked]).toEqual(['COMPLETED', 3]);
    expect(member.steps.get('peers')).toMatchObject({ detail: { warnings: 'DIFFERS: DIFFERS is so.' } });
  });

  it('does after go-live what rules ask for only then, and nothing twice', async () => {
    const planned = ruleStep('REBUILD', { on: 'peer', when: 'live' });
    const ran: string[] = [];
    const rehearsal = rehearse(
      restoreJudged(
        judgedPlan([planned], [], ['live']),
        (moment) => (moment === 'live' ? { steps: [planned, ruleStep('TELL', { on: 'peer', when: 'live' })] } : undefined),
        {
          runInPeer: async (_peer, { argv }) => (ran.push(argv.join(' ')), { isApplied: true, evidence: 'exit code 0' }),
        },
      ),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(ran).toEqual(['/usr/bin/do REBUILD', '/usr/bin/do TELL']);
  });

  it('asks a member of a set that does not answer yet for its steps until it does, and does them', async () => {
    let asked = 0;
    const set = { id: 'rst_1', basis: 'readings', members: [] } as unknown as NonNullable<RestorePlanBody['restoreSet']>;
    const live = () => ((asked += 1) <= 2 ? { isOpen: true } : asked === 3 ? { steps: [ruleStep('TELL', { when: 'live' })] } : { isOpen: true });
    const rehearsal = rehearse(
      restoreJudged({ ...judgedPlan([], [], ['live']), restoreSet: set }, (moment) => (moment === 'live' ? live() : undefined), {
        applyChange: async () => ({ isApplied: true, evidence: 'exit code 0' }),
      }),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:TELL:db02')).toMatchObject({ state: 'succeeded', detail: { applied: true } });
    // The proof asks once more, and is not kept by what is open.
    expect([asked, rehearsal.stateOf('peers')]).toEqual([4, 'succeeded']);
  });

  it('asks the later member of a set for what rules find out about both, also where the other side alone has declared a relation', async () => {
    const set = { id: 'rst_1', basis: 'readings', members: [] } as unknown as NonNullable<RestorePlanBody['restoreSet']>;
    let asked = 0;
    const rehearsal = rehearse(
      restoreJudged(
        { ...judgedPlan([], [], ['live']), relations: [], restoreSet: set },
        (moment) => (moment === 'live' && (asked += 1) === 1 ? { steps: [ruleStep('REFRESH', { when: 'live' })] } : undefined),
        { applyChange: async () => ({ isApplied: true, evidence: 'exit code 0' }) },
      ),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:REFRESH:db02')).toMatchObject({ state: 'succeeded', detail: { applied: true } });
    expect(rehearsal.stateOf('peers')).toBe('succeeded');
  });

  it('waits for people with what comes to light only after go-live, before it is proven', async () => {
    let decided = false;
    const step = ruleStep('TO_ASK', { argv: null, when: 'live' });
    const rehearsal = rehearse(
      restoreJudged(judgedPlan([], [], ['live']), (moment) => (moment === 'live' && !decided ? { steps: [step], ...AGAINST } : undefined), {
        readDecision: async (_runId, kind) => (decided && kind === 'sign-off-live' ? { actor: 'kim', reason: 'asked', at: '2026-03-02T12:10:00.000Z' } : null),
      }),
    );
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await until('it waits', () => rehearsal.stateOf('sign-off-live') === 'waiting');
      expect([rehearsal.stateOf('rule:TO_ASK:db02'), rehearsal.stateOf('peers')]).toEqual(['pending', 'pending']);
      decided = true;
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('rule:TO_ASK:db02')).toMatchObject({ state: 'succeeded', detail: { signedOffBy: 'kim', reason: 'asked' } });
    expect(rehearsal.stateOf('peers')).toBe('succeeded');
  });

  it('shows warnings of the quarantine, and waits after go-live for those that pass', async () => {
    const warning = (code: string) => ({ warnings: [findingAbout(code, 'warn')] });
    let asked = 0;
    const rehearsal = rehearse(
      restoreJudged(judgedPlan([]), (moment) =>
        moment === 'quarantine' ? warning('SLOW') : moment === 'live' && (asked += 1) < 3 ? warning('BEHIND') : undefined,
      ),
    );
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('peers-before')).toMatchObject({ state: 'succeeded', detail: { judged: 1, warnings: 'SLOW: SLOW is so.' } });
    expect(rehearsal.steps.get('peers')?.detail).toEqual({ judged: 1 });
    expect(asked).toBe(3);
  });

  it('proves once more what a server that has waited for its approval is to its peers, and puts everything back when that is not so', async () => {
    let decided = false;
    const play = async (afterApproval: typeof AGAINST | undefined) => {
      decided = false;
      const rehearsal = rehearse(
        restoreJudged(judgedPlan([]), (moment) => (moment === 'quarantine' && decided ? afterApproval : undefined), {
          readDecision: async () => (decided ? { actor: 'kim', reason: 'looks good', at: '2026-03-02T12:10:00.000Z' } : null),
        }),
      );
      const closed = await rehearsal.play('restoreServer', { ...RESTORE, hold: true }, async (handle) => {
        await until('it waits', () => rehearsal.stateOf('go-live') === 'waiting');
        expect([...rehearsal.steps.keys()].slice(-4)).toEqual(['peers-again', 'go-live', 'peers', 'record']);
        decided = true;
        await handle.signal('decided');
      });
      return { rehearsal, closed };
    };
    const fineStill = await play(undefined);
    expect([fineStill.closed, fineStill.rehearsal.stateOf('peers-again')]).toEqual(['COMPLETED', 'succeeded']);
    const rejected = await play(AGAINST);
    expect(rejected.closed).toBe('FAILED');
    expect(rejected.rehearsal.outcome?.error).toMatchObject({ code: 'PEERS_REJECT' });
    expect(rejected.rehearsal.calls).toContain('revertSwap');
    expect(rejected.rehearsal.calls).not.toContain('goLive');
  });

  // Three minutes of workflow time: real ones, on a real server.
});
