import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { newId } from '../../src/contracts/ids';
import { eventually } from '../support/processes';
import { BACKUP, PLAN, RESTORE, SURVEY } from './cast';
import { failing, openStage, Rehearsal, waitsForNextTry, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);

const PARENT = newId('rp');

describe('restoreServer', () => {
  it('copies and checks everything beside the old volumes before it stops the server', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'surveyRestore',
      'takeFence',
      'copyDiskToVolume vda',
      'copyDiskToVolume vdb',
      'restoreNvram',
      'surveyRestore',
      'powerOff',
      'swapVolumes',
      'openWayBack',
      'start',
      'waitForAgent',
      'checkHealth',
      'recordGoLive',
      'goLive',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', error: null, recoveryPointId: BACKUP.recoveryPointId });
    expect(rehearsal.outcome?.recoverySeconds).toBeGreaterThan(0);
    expect([...rehearsal.steps.keys()]).toEqual(PLAN.steps.map(({ key }) => key));
  });

  it('shuts a server down properly when its agent answers', async () => {
    const alive = { ...SURVEY, present: SURVEY.present && { ...SURVEY.present, agent: { state: 'answering' as const, version: '7', commands: [] } } };
    const rehearsal = rehearse({
      surveyRestore: async () => alive,
      loadPlan: async () => ({ ...PLAN, findings: [{ code: 'SERVER_ALIVE', severity: 'warn', message: 'alive', evidence: [] }] }),
    });
    await rehearsal.play('restoreServer', RESTORE);
    expect(rehearsal.calls).toContain('shutDown');
    expect(rehearsal.calls).not.toContain('powerOff');
  });

  it.each([
    ['copy:vda', 'copyDiskToVolume', 'COPY_FAILED_FOR_GOOD', ['discardVolumes', 'releaseFence']],
    ['nvram', 'restoreNvram', 'RECOVERY_POINT_INCOMPLETE', ['discardVolumes', 'discardVolumes', 'discardVolumes', 'releaseFence']],
    ['swap', 'swapVolumes', 'SWAP_REFUSED', ['revertSwap', 'start', 'discardVolumes', 'discardVolumes', 'discardVolumes', 'releaseFence', 'revertWayBack']],
    [
      'health:database',
      'checkHealth',
      'HEALTH_CHECK_FAILED',
      ['powerOff', 'revertSwap', 'start', 'discardVolumes', 'discardVolumes', 'discardVolumes', 'releaseFence', 'revertWayBack'],
    ],
    [
      'agent',
      'waitForAgent',
      'RUN_FAILED',
      ['powerOff', 'revertSwap', 'start', 'discardVolumes', 'discardVolumes', 'discardVolumes', 'releaseFence', 'revertWayBack'],
    ],
  ] as const)('when %s fails for good, the old server is put back', async (key, activity, code, undone) => {
    const known = code === 'COPY_FAILED_FOR_GOOD' ? 'NOT_ENOUGH_SPACE' : code;
    const rehearsal = rehearse({ [activity]: failing(known) } as Scripted);
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: known } });
    expect(rehearsal.stateOf(key)).toBe('failed');
    const failedAt = rehearsal.calls.findIndex((call) => call.startsWith(activity));
    expect(rehearsal.calls.slice(failedAt + 1)).toEqual(undone);
  });

  it('goes on when a part is back that was away for half a minute: what was copied before is not copied again', async () => {
    let tried = 0;
    const rehearsal = rehearse({
      copyDiskToVolume: async (_input, _plan, target) => {
        if (target === 'vdb' && (tried += 1) <= 5) await failing('HYPERVISOR_UNREACHABLE', 'libvirtd is being updated')();
      },
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(tried).toBe(6);
    expect(rehearsal.calls.filter((call) => call === 'copyDiskToVolume vda')).toHaveLength(1);
    expect(rehearsal.calls).not.toContain('discardVolumes');
    // Before anything is copied who stays away is told of soon; afterwards there is much to lose.
    expect((await rehearsal.attempts()).filter((of) => /^(surveyRestore|copyDiskToVolume|restoreNvram) /.test(of))).toEqual([
      'surveyRestore 10',
      'copyDiskToVolume 25',
      'copyDiskToVolume 25',
      'restoreNvram 40',
      'surveyRestore 40',
    ]);
  });

  it('marks a recovery point whose bytes differ as damaged, and leaves the server alone', async () => {
    const marked: unknown[] = [];
    const context = { recoveryPointId: PARENT, file: 'disks/vda.qcow2' };
    const rehearsal = rehearse({
      copyDiskToVolume: failing('RECOVERY_POINT_INCOMPLETE', 'vda.qcow2 is missing', context),
      markDamaged: async (...said) => {
        marked.push(said);
        // Whatever becomes of that: what was found is what the run says.
        return failing('RECOVERY_POINT_NOT_FOUND')();
      },
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_INCOMPLETE', message: 'vda.qcow2 is missing' } });
    // Which of the two it is, the catalogue says.
    const damage = { code: 'RECOVERY_POINT_INCOMPLETE', file: 'disks/vda.qcow2', named: PARENT };
    expect(marked).toContainEqual([expect.any(String), 'vda.qcow2 is missing', damage]);
    expect(rehearsal.calls).not.toContain('powerOff');
    expect(rehearsal.calls).not.toContain('swapVolumes');
  });

  it('refuses a plan whose world has changed before it touches anything', async () => {
    const changed = { ...SURVEY, present: SURVEY.present && { ...SURVEY.present, definitionFingerprint: 'f2' } };
    const rehearsal = rehearse({ surveyRestore: async () => changed });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('the definition of the server was changed') as string,
    });
    expect(rehearsal.calls).toEqual(['surveyRestore']);
  });

  it.each([
    ['before it begins', 1, ['surveyRestore']],
    ['during the copy', 2, ['discardVolumes', 'releaseFence']],
  ] as const)('refuses it when a configuration change was completed since, %s', async (_when, atLook, last) => {
    let looks = 0;
    const rehearsal = rehearse({
      changesSincePlan: async () => ((looks += 1) === atLook ? ['configuration change "kernel" (chg_1) was completed since'] : []),
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'PLAN_STALE',
      message: 'The plan no longer holds: configuration change "kernel" (chg_1) was completed since. Nothing was replaced.',
    });
    expect(rehearsal.calls.slice(-last.length)).toEqual(last);
    expect(rehearsal.calls).not.toContain('swapVolumes');
  });

  it('refuses it also when the world changes during the copy', async () => {
    const changed = { ...SURVEY, present: SURVEY.present && { ...SURVEY.present, definitionFingerprint: 'f2' } };
    let surveys = 0;
    const rehearsal = rehearse({ surveyRestore: async () => ((surveys += 1) === 1 ? SURVEY : changed) });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.stateOf('recheck')).toBe('failed');
    expect(rehearsal.calls).not.toContain('powerOff');
    expect(rehearsal.calls.slice(-2)).toEqual(['discardVolumes', 'releaseFence']);
  });

  it('defines a server anew that is gone, without stopping anything', async () => {
    const gone = { ...SURVEY, present: null };
    const plan = { ...PLAN, basis: { ...PLAN.basis, definitionFingerprint: null, disks: [] }, steps: PLAN.steps.filter(({ key }) => key !== 'stop') };
    const rehearsal = rehearse({ surveyRestore: async () => gone, loadPlan: async () => plan });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('powerOff');
    expect(rehearsal.stateOf('stop')).toBeUndefined();
  });

  it.each(['copyDiskToVolume', 'restoreNvram', 'powerOff', 'swapVolumes', 'start', 'waitForAgent'] as const)(
    'cancelled during %s, the old server is put back',
    async (activity) => {
      let reached!: () => void;
      const moment = new Promise<void>((resolve) => (reached = resolve));
      let calls = 0;
      const rehearsal = rehearse({
        [activity]: async () => {
          calls += 1;
          if (calls > 1) return undefined;
          reached();
          const timer = setInterval(() => Context.current().heartbeat(), 100);
          return Context.current().cancelled.finally(() => clearInterval(timer));
        },
      } as Scripted);
      const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
        await moment;
        await handle.cancel();
      });
      expect(closed).toBe('CANCELLED');
      expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
      const mayHaveSwapped = ['swapVolumes', 'start', 'waitForAgent'].includes(activity);
      const last = ['discardVolumes', 'releaseFence', ...(mayHaveSwapped ? ['revertWayBack'] : [])];
      expect(rehearsal.calls.slice(-last.length)).toEqual(last);
      if (mayHaveSwapped) expect(rehearsal.calls).toContain('revertSwap');
    },
  );

  it.each([
    ['copyDiskToVolume', ['discardVolumes', 'releaseFence']],
    ['start', ['revertSwap', 'discardVolumes', 'releaseFence', 'revertWayBack']],
  ] as const)('cancelled while %s waits for its next try, when no worker is at it, the old server is put back', async (activity, last) => {
    let tries = 0;
    // Only the first call fails: undoing may call the same activity again.
    const rehearsal = rehearse({
      [activity]: async () => {
        if ((tries += 1) === 1) throw ApplicationFailure.create({ type: 'TARGET_UNREACHABLE', message: 'away', nextRetryDelay: '1 hour' });
      },
    } as Scripted);
    const closed = await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await waitsForNextTry(handle, activity);
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect([...new Set(rehearsal.calls.filter((call) => (last as readonly string[]).includes(call)))]).toEqual(last);
  });
});

describe('go-live', () => {
  /** Waits until the run holds, then lets `meanwhile` act. */
  const holding = async (scripted: Scripted, meanwhile: (handle: WorkflowHandle, decide: () => void, calls: readonly string[]) => Promise<void>) => {
    let decided = false;
    const rehearsal = rehearse({
      readDecision: async () => (decided ? { actor: 'kim', reason: 'looks good', at: '2026-03-02T12:10:00.000Z' } : null),
      ...scripted,
    });
    const closed = await rehearsal.play('restoreServer', { ...RESTORE, hold: true }, async (handle) => {
      const until = Date.now() + 20_000;
      while (rehearsal.stateOf('go-live') !== 'waiting' && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(rehearsal.stateOf('go-live')).toBe('waiting');
      await meanwhile(handle, () => (decided = true), rehearsal.calls);
    });
    return { rehearsal, closed };
  };

  it('waits for a person with --hold, and says who has decided', async () => {
    const { rehearsal, closed } = await holding({}, async (handle, decide) => {
      decide();
      await handle.signal('decided');
    });
    expect(closed).toBe('COMPLETED');
    expect(rehearsal.steps.get('go-live')).toMatchObject({ state: 'succeeded', detail: { linksRaised: 1, approvedBy: 'kim', reason: 'looks good' } });
  });

  it('proves a server again that was held: one that has died meanwhile is started, one that does not answer is undone', async () => {
    let waits = 0;
    const { rehearsal, closed } = await holding(
      { waitForAgent: async () => ((waits += 1) === 1 ? undefined : failing('RUN_FAILED', 'silent')()) },
      async (handle, decide) => {
        decide();
        await handle.signal('decided');
      },
    );
    expect(closed).toBe('FAILED');
    expect(rehearsal.calls.filter((call) => call === 'start')).toHaveLength(3);
    expect(rehearsal.calls).not.toContain('recordGoLive');
    expect(rehearsal.calls).toContain('revertSwap');
  });

  it('believes a decision only from PostgreSQL, whoever sends a signal', async () => {
    let looks = 0;
    let before: readonly string[] = [];
    const readDecision: Scripted['readDecision'] = async () => {
      looks += 1;
      return null;
    };
    const { rehearsal, closed } = await holding({ readDecision }, async (handle, _decide, calls) => {
      const looked = (times: number): Promise<unknown> => eventually(`look ${times} for a decision`, async () => looks === times, 20_000);
      await looked(1);
      before = [...calls];
      await handle.signal('decided');
      await looked(2);
      // It looks a third time only where it has waited on after the second.
      await handle.signal('decided');
      await looked(3);
      expect(calls).toEqual(before);
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.calls[before.length]).toBe('powerOff');
    expect(rehearsal.calls).not.toContain('goLive');
  });

  it('cancelled while it waits, the old server is put back', async () => {
    const { rehearsal, closed } = await holding({}, async (handle) => void (await handle.cancel()));
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.calls.slice(-8)).toEqual([
      'powerOff',
      'revertSwap',
      'start',
      'discardVolumes',
      'discardVolumes',
      'discardVolumes',
      'releaseFence',
      'revertWayBack',
    ]);
  });

  it.each([true, false])('does not come after a cancel that is written down and arrives only later (held: %s)', async (hold) => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    const rehearsal = rehearse({
      readDecision: async () => ({ actor: 'alice', reason: 'looks good', at: '2026-03-02T12:10:00.000Z' }),
      isCancelRequested: async () => {
        reached();
        return true;
      },
    });
    const closed = await rehearsal.play('restoreServer', { ...RESTORE, hold }, async (handle) => {
      // Where nobody asks, it ends by itself.
      await Promise.race([moment.then(() => handle.cancel()), handle.result().catch(() => undefined)]);
    });
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.calls).not.toContain('recordGoLive');
    expect(rehearsal.calls).not.toContain('goLive');
    expect(rehearsal.calls).toEqual(expect.arrayContaining(['powerOff', 'revertSwap', 'revertWayBack', 'start', 'releaseFence']));
    expect(rehearsal.outcome).toMatchObject({ state: 'cancelled' });
  });

  it('is written down before the first link is raised; when raising fails, nothing is undone any more', async () => {
    const rehearsal = rehearse({ goLive: failing('HYPERVISOR_COMMAND_FAILED', 'no such link') });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.calls.slice(-2)).toEqual(['recordGoLive', 'goLive']);
    expect(rehearsal.calls).not.toContain('revertSwap');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code: 'HYPERVISOR_COMMAND_FAILED' }, recoveryPointId: BACKUP.recoveryPointId });
  });
});

describe('a restored server that answers', () => {
  it('stays although the fence cannot be released', async () => {
    const rehearsal = rehearse({ releaseFence: failing('FENCED_OFF', 'somebody else has it') });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('revertSwap');
    expect(rehearsal.steps.get('record')?.detail).toMatchObject({ fenceProblem: 'somebody else has it' });
  });

  it('stays when the cancel comes too late', async () => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    let goOn!: () => void;
    const cancelled = new Promise<void>((resolve) => (goOn = resolve));
    const rehearsal = rehearse({
      releaseFence: async () => {
        reached();
        await cancelled;
      },
    });
    await rehearsal.play('restoreServer', RESTORE, async (handle) => {
      await moment;
      await handle.cancel();
      goOn();
    });
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded' });
    expect(rehearsal.calls).not.toContain('revertSwap');
  });

  it('is not overwritten when somebody repaired it during the copy', async () => {
    const alive = { ...SURVEY, present: SURVEY.present && { ...SURVEY.present, agent: { state: 'answering' as const, version: '7', commands: [] } } };
    let surveys = 0;
    const rehearsal = rehearse({ surveyRestore: async () => ((surveys += 1) === 1 ? SURVEY : alive) });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'PLAN_STALE', message: expect.stringContaining('the server is alive') as string });
    expect(rehearsal.calls).not.toContain('powerOff');
  });
});

describe('a restore that attaches an old disk', () => {
  const OLD = { target: 'vdb', path: '/srv/vm/vdb.qcow2', format: 'qcow2' as const };
  const [goLive, record] = PLAN.steps.slice(-2);
  const plan: typeof PLAN = {
    ...PLAN,
    oldDisks: [OLD],
    steps: [...PLAN.steps.slice(0, -2), { key: 'attach:vdb', title: 'Attach the old vdb read-only' }, goLive!, record!],
  };

  it('does so once the restored server has been proven, before go-live', async () => {
    const asked: unknown[] = [];
    const rehearsal = rehearse({
      loadPlan: async () => plan,
      attachOldDisk: async (_input, disk) => {
        asked.push(disk);
        return { target: 'vdc' };
      },
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls.slice(-5)).toEqual(['checkHealth', 'attachOldDisk', 'recordGoLive', 'goLive', 'releaseFence']);
    expect(asked).toEqual([OLD]);
    expect(rehearsal.steps.get('attach:vdb')).toMatchObject({ state: 'succeeded', detail: { attachedAs: 'vdc' } });
  });

  it('goes live all the same when it cannot be attached, and says so', async () => {
    const rehearsal = rehearse({ loadPlan: async () => plan, attachOldDisk: failing('HYPERVISOR_COMMAND_FAILED', 'No more available PCI slots') });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('attach:vdb')).toMatchObject({ state: 'succeeded', detail: { notAttached: 'No more available PCI slots' } });
    expect(rehearsal.calls).toContain('goLive');
  });
});

describe('a restore that keeps a disk', () => {
  const KEPT_DISK = { target: 'vdb', path: '/srv/vm/vdb.qcow2', virtualSizeBytes: 1024 };
  const plan: typeof PLAN = {
    ...PLAN,
    volumes: PLAN.volumes.filter(({ target }) => target !== 'vdb'),
    keptDisks: [KEPT_DISK],
    steps: PLAN.steps.filter(({ key }) => key !== 'copy:vdb'),
  };
  const keeping = (scripted: Scripted = {}) => rehearse({ loadPlan: async () => plan, ...scripted });

  it('copies only the others, asks for no volume in its place, and names it in the swap', async () => {
    const asked: unknown[] = [];
    const swapped: unknown[] = [];
    const rehearsal = keeping({
      surveyRestore: async (source) => {
        asked.push(source.keepDisks);
        return SURVEY;
      },
      swapVolumes: async (_input, carriedOut) => {
        swapped.push(carriedOut.keptDisks);
        return { generationId: null, kept: { wasGone: false, volumes: [], unchanged: [KEPT_DISK], nvramPath: null, generationId: null, complete: true } };
      },
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).toContain('copyDiskToVolume vda');
    expect(rehearsal.calls).not.toContain('copyDiskToVolume vdb');
    expect({ asked, swapped }).toEqual({ asked: [['vdb'], ['vdb']], swapped: [[KEPT_DISK]] });
    expect([...rehearsal.steps.keys()]).toEqual(plan.steps.map(({ key }) => key));
  });

  it.each([
    ['has another path', { path: '/srv/vm/snapshot.qcow2' }, 'vdb /srv/vm/snapshot.qcow2'],
    ['cannot be read any more', { virtualSizeBytes: 0 }, 'vdb can no longer be kept'],
  ])('is stale when the disk %s, and touches nothing', async (_what, change, sentence) => {
    const { present } = SURVEY;
    const changed = {
      ...SURVEY,
      present: present && { ...present, disks: present.disks.map((disk) => (disk.target === 'vdb' ? { ...disk, ...change } : disk)) },
    };
    const rehearsal = keeping({ surveyRestore: async () => changed });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'PLAN_STALE', message: expect.stringContaining(sentence) as string });
    expect(rehearsal.calls).toEqual(['surveyRestore']);
  });
});
