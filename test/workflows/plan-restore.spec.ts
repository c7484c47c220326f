import { Context } from '@temporalio/activity';
import { newId } from '../../src/contracts/ids';
import type { RestoreSurvey } from '../../src/contracts/plan';
import type { ProbeJob } from '../../src/contracts/reading';
import type { PlanRestoreInput } from '../../src/contracts/workflows';
import { NO_PROTECTION } from '../../src/contracts/protection';
import { BACKUP, RESTORE, SURVEY } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);

const PARENT = newId('rp');

describe('planRestore', () => {
  it('passes on which disks are to be kept, and writes down why one cannot be', async () => {
    let written: unknown;
    const asked: unknown[] = [];
    const rehearsal = rehearse({
      choosePlanSource: async ({ planId, serverId, recoveryPointId, keepDisks }) => {
        asked.push(keepDisks);
        return {
          planId,
          runId: RESTORE.runId,
          serverId,
          serverName: 'db01',
          uuid: RESTORE.uuid,
          hypervisor: 'kvm1',
          repository: 'main',
          recoveryPointId: recoveryPointId ?? 'rp',
          keepDisks,
          measuredRecoverySeconds: [],
          protection: NO_PROTECTION,
          openWayBacks: [],
        };
      },
      surveyRestore: async (source) => {
        asked.push(source.keepDisks);
        return SURVEY;
      },
      composePlan: failing('DISK_NOT_KEEPABLE', 'vda counts as a system disk'),
      failPlan: async (_planId, error) => void (written = error),
    });
    await rehearsal.play('planRestore', { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null, keepDisks: ['vda'] });
    expect(asked).toEqual([['vda'], ['vda']]);
    expect(written).toMatchObject({ code: 'DISK_NOT_KEEPABLE', message: 'vda counts as a system disk' });
    expect(rehearsal.calls.filter((call) => call === 'composePlan')).toHaveLength(1);
  });

  it('passes on everything that was asked for', async () => {
    const asked: unknown[] = [];
    const rehearsal = rehearse({
      choosePlanSource: async (request) => {
        asked.push(request);
        return failing('NO_RECOVERY_POINT')();
      },
    });
    const input = { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null };
    const incidentAt = '2026-03-01T02:10:00.000Z';
    const all = { ...input, keepDisks: ['vdb'], attachOldDisks: ['vdc'], noData: true, incidentAt };
    await rehearsal.play('planRestore', all);
    await rehearsal.play('planRestore', input);
    expect(asked).toEqual([all, input]);
  });

  it('says whose bytes are missing, with the one that was to be restored', async () => {
    const marked: unknown[] = [];
    let written: unknown;
    const rehearsal = rehearse({
      surveyRestore: failing('RECOVERY_POINT_INCOMPLETE', 'vda.qcow2 is missing', { recoveryPointId: PARENT, file: 'disks/vda.qcow2' }),
      markDamaged: async (...said) => void marked.push(said),
      failPlan: async (_planId, error) => void (written = error),
    });
    await rehearsal.play('planRestore', { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null });
    expect(marked).toEqual([[BACKUP.recoveryPointId, 'vda.qcow2 is missing', { code: 'RECOVERY_POINT_INCOMPLETE', file: 'disks/vda.qcow2', named: PARENT }]]);
    expect(written).toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
  });

  it('chooses, surveys, composes', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('planRestore', { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null })).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual(['choosePlanSource', 'surveyRestore', 'composePlan']);
  });

  describe('beside the server itself', () => {
    const input = { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null };
    const choosePlanSource: Scripted['choosePlanSource'] = async ({ planId, serverId }) => ({
      planId,
      runId: RESTORE.runId,
      serverId,
      serverName: 'db01',
      uuid: RESTORE.uuid,
      hypervisor: 'kvm1',
      repository: 'main',
      recoveryPointId: BACKUP.recoveryPointId,
      measuredRecoverySeconds: [],
      protection: NO_PROTECTION,
      openWayBacks: [],
      lostChanges: { changes: [], returning: [], isKnown: true, drift: null, notCompared: { why: 'newest', generations: [1], sentences: [] } },
    });
    const planned = async (scripted: Scripted, asked: Partial<PlanRestoreInput> = {}) => {
      const surveys: RestoreSurvey[] = [];
      const composePlan: Scripted['composePlan'] = async (_source, survey) => void surveys.push(survey);
      const rehearsal = rehearse({ choosePlanSource, composePlan, ...scripted });
      expect(await rehearsal.play('planRestore', { ...input, ...asked })).toBe('COMPLETED');
      return { calls: rehearsal.calls, factsNow: surveys[0]?.factsNow };
    };
    const told = { state: 'compared', of: 1, at: '2026-03-02T12:00:00.000Z', sentences: ['1 user added ("eve")'], gaps: [] } as const;

    it('asks it while the recovery point is looked at, also where the peers choose or several go back together', async () => {
      const all: RestoreSurvey['factsNow'][] = [];
      const set = { id: 'rset_1', members: [{ serverId: 'srv_2', server: 'db02' }] } as unknown as PlanRestoreInput['set'];
      for (const asked of [{}, { findCompatible: true }, { set }]) {
        let asking!: () => void;
        const isAsked = new Promise<void>((resolve) => (asking = resolve));
        const of: unknown[] = [];
        const { factsNow, calls } = await planned(
          {
            // Neither would end if the one waited for the other.
            compareFacts: async (source) => (of.push(source), asking(), told),
            surveyRestore: async () => (await isAsked, SURVEY),
          },
          asked,
        );
        all.push(factsNow);
        expect(calls.at(-1)).toBe('composePlan');
        expect(of).toEqual([
          { serverId: RESTORE.serverId, serverName: 'db01', uuid: RESTORE.uuid, hypervisor: 'kvm1', recoveryPointId: BACKUP.recoveryPointId },
        ]);
      }
      expect(all).toEqual([told, told, told]);
    });

    it('is made without it where it cannot be asked: once, and why is passed on', async () => {
      const silent = { state: 'not-compared', why: 'no-agent', reason: 'its guest agent does not answer' } as const;
      expect((await planned({ compareFacts: async () => silent })).factsNow).toEqual(silent);
      const { factsNow, calls } = await planned({ compareFacts: failing('HYPERVISOR_UNREACHABLE', 'it is away') });
      expect(factsNow).toEqual({ state: 'not-compared', why: 'failed', reason: 'HYPERVISOR_UNREACHABLE: it is away' });
      expect(calls.filter((call) => call === 'compareFacts')).toHaveLength(1);
    });

    it('is made within its time although it does not get to an end', async () => {
      let release!: () => void;
      const released = new Promise<void>((resolve) => (release = resolve));
      const composed: unknown[] = [];
      const startedAt = performance.now();
      await planned({
        compareFacts: async () => {
          const alive = setInterval(() => Context.current().heartbeat(), 1_000);
          await released;
          clearInterval(alive);
          return told;
        },
        composePlan: async (_source, { factsNow }) => {
          composed.push(factsNow, performance.now() - startedAt);
          release();
        },
      });
      expect(composed).toEqual([{ state: 'not-compared', why: 'failed', reason: expect.stringContaining('NO_WORKER') as string }, expect.any(Number)]);
      expect(composed[1]).toBeLessThan(75_000);
    });

    it('fails as it did where the recovery point cannot be read, without waiting for it', async () => {
      let release!: () => void;
      const released = new Promise<void>((resolve) => (release = resolve));
      let written: unknown;
      await planned({
        surveyRestore: failing('RECOVERY_POINT_INCOMPLETE'),
        compareFacts: async () => (await released, told),
        failPlan: async (_planId, error) => {
          written = error;
          release();
        },
      });
      expect(written).toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
    });
  });

  describe('with the newest recovery point that the peers accept', () => {
    const input = { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null, findCompatible: true };
    const job: ProbeJob = {
      occasion: RESTORE.planId,
      sides: [{ relation: 'copies', peer: 'db02', of: 'peer' }],
      target: { serverId: 'srv_2', serverName: 'db02', uuid: RESTORE.uuid, hypervisor: 'kvm1', address: null },
      specs: [],
    };

    it('asks the peers once, before it chooses', async () => {
      const asked: unknown[] = [];
      const readingJobs: Scripted['readingJobs'] = async (request) => {
        asked.push(request);
        return [job];
      };
      const rehearsal = rehearse({ readingJobs });
      expect(await rehearsal.play('planRestore', input)).toBe('COMPLETED');
      expect(rehearsal.calls).toEqual(['readMarkers', 'choosePlanSource', 'surveyRestore', 'composePlan']);
      expect(asked).toEqual([{ id: RESTORE.planId, serverId: RESTORE.serverId, moment: 'plan' }]);
    });

    it('chooses by what is known where a peer cannot be asked; any other plan asks them while it looks', async () => {
      const unread: unknown[] = [];
      const scripted: Scripted = {
        readingJobs: async () => [job],
        readMarkers: failing('HYPERVISOR_NOT_CONFIGURED', 'nobody is there'),
        recordUnread: async (...said) => void unread.push(said),
      };
      const rehearsal = rehearse(scripted);
      expect(await rehearsal.play('planRestore', input)).toBe('COMPLETED');
      expect(unread).toMatchObject([[job, { code: 'HYPERVISOR_NOT_CONFIGURED' }]]);
      expect(rehearsal.calls.slice(-3)).toEqual(['choosePlanSource', 'surveyRestore', 'composePlan']);
      const usual = rehearse({ readingJobs: async () => [job] });
      await usual.play('planRestore', { ...input, findCompatible: undefined });
      expect(usual.calls[0]).toBe('choosePlanSource');
      expect(usual.calls.filter((call) => call === 'readMarkers')).toHaveLength(1);
    });

    it('writes down at once that there is none', async () => {
      let written: unknown;
      const rehearsal = rehearse({
        choosePlanSource: failing('NO_COMPATIBLE_RECOVERY_POINT', 'PEER_AHEAD stands against every one'),
        failPlan: async (_planId, error) => void (written = error),
      });
      await rehearsal.play('planRestore', input);
      expect(written).toMatchObject({ code: 'NO_COMPATIBLE_RECOVERY_POINT', message: 'PEER_AHEAD stands against every one' });
      expect(rehearsal.calls).toEqual(['choosePlanSource', 'failPlan']);
    });
  });

  it('writes down why no plan could be made', async () => {
    let written: unknown;
    const rehearsal = rehearse({ choosePlanSource: failing('NO_RECOVERY_POINT', 'db01 has none'), failPlan: async (_planId, error) => void (written = error) });
    await rehearsal.play('planRestore', { planId: RESTORE.planId, serverId: RESTORE.serverId, recoveryPointId: null });
    expect(written).toMatchObject({ code: 'NO_RECOVERY_POINT', message: 'db01 has none' });
  });

  it.each(['HYPERVISOR_UNREACHABLE', 'REPOSITORY_UNREACHABLE', 'TARGET_UNREACHABLE'] as const)(
    'says within seconds that a part stays away, after trying again: %s',
    async (code) => {
      let attempts = 0;
      let written: unknown;
      const surveyRestore = async (): Promise<never> => {
        attempts += 1;
        return failing(code, 'it is away')();
      };
      const startedAt = performance.now();
      await rehearse({ surveyRestore, failPlan: async (_planId, error) => void (written = error) }).play('planRestore', {
        planId: RESTORE.planId,
        serverId: RESTORE.serverId,
        recoveryPointId: null,
      });
      expect(written).toMatchObject({ code, message: 'it is away' });
      expect(attempts).toBe(5);
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    },
  );
});
