import { Context } from '@temporalio/activity';
import type { CredentialDeclaration, CredentialReference } from '../../src/contracts/credential';
import type { DataSurvey } from '../../src/contracts/plan';
import { BACKUP_DATA, DATA_PLAN, KEPT_DATA, RESTORE, RESTORE_DATA, SHOP, UNDO, UNDO_PLAN, CONFIRM, WAY_BACK, PLAN, DATA_ITEM, DATA_POINT } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);
/** Waits inside an activity until the run is cancelled, as long work in a guest does. */
const untilCancelled = (reached: () => void) => async (): Promise<never> => {
  reached();
  const timer = setInterval(() => Context.current().heartbeat(), 100);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(timer);
  }
};

describe('backupData', () => {
  it('saves each data set: hooks around it, dumps first, proof before publication', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'examineDataSets',
      'takeFence',
      'runDataHook',
      'saveDataSet',
      'runDataHook',
      'verifySavedData',
      'publishData',
      'dumpDataSet',
      'saveDataSet',
      'discardSpool',
      'verifySavedData',
      'publishData',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', error: null });
    expect([...rehearsal.steps.values()].every(({ state }) => state === 'succeeded')).toBe(true);
  });

  it.each([
    [
      'before:uploads',
      { runDataHook: async (_input: unknown, _item: unknown, which: string) => (which === 'before' ? failing('DATA_HOOK_FAILED')() : { exitCode: 0 }) },
      'DATA_HOOK_FAILED',
    ],
    [
      'save:uploads',
      {
        saveDataSet: async (_input: unknown, { dataSet }: { dataSet: { name: string } }, dumped: { content: unknown } | null) =>
          dataSet.name === 'uploads'
            ? failing('DATA_INCOMPLETE')()
            : { snapshotId: 'e'.repeat(64), pointInTime: 'x', content: dumped?.content, totalBytes: 1, addedBytes: 1, resticVersion: '0.14.0' },
      },
      'DATA_INCOMPLETE',
    ],
    [
      'verify:uploads',
      {
        verifySavedData: async (_input: unknown, { dataSet }: { dataSet: { name: string } }) =>
          dataSet.name === 'uploads' ? failing('RECOVERY_POINT_INCOMPLETE')() : { files: 1, totalBytes: 1 },
      },
      'RECOVERY_POINT_INCOMPLETE',
    ],
  ])('goes on with the others when one fails at %s, and ends as its worst step', async (key, scripted, code) => {
    const rehearsal = rehearse(scripted as Scripted);
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code } });
    expect(rehearsal.stateOf(key)).toBe('failed');
    expect(rehearsal.stateOf('publish:uploads')).toBe('skipped');
    expect(rehearsal.stateOf('publish:shop')).toBe('succeeded');
    expect(rehearsal.calls.at(-1)).toBe('releaseFence');
  });

  it('runs the program after when the one before has failed: it may have stopped half of what it should', async () => {
    const ran: string[] = [];
    const rehearsal = rehearse({
      runDataHook: async (_input, _item, which) => {
        ran.push(which);
        return which === 'before' ? failing('DATA_HOOK_FAILED')() : { exitCode: 0 };
      },
    });
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('FAILED');
    expect(ran).toEqual(['before', 'after']);
    expect(rehearsal.stateOf('after:uploads')).toBe('succeeded');
    expect(rehearsal.stateOf('save:uploads')).toBe('skipped');
  });

  it('cancelled while the program before runs, it runs the one after', async () => {
    let reached = (): void => undefined;
    const running = new Promise<void>((resolve) => (reached = resolve));
    const ran: string[] = [];
    const rehearsal = rehearse({
      runDataHook: async (_input, _item, which) => {
        ran.push(which);
        return which === 'before' ? untilCancelled(() => reached())() : { exitCode: 0 };
      },
    });
    expect(
      await rehearsal.play('backupData', BACKUP_DATA, async (handle) => {
        await running;
        await handle.cancel();
      }),
    ).toBe('CANCELLED');
    expect(ran).toEqual(['before', 'after']);
  });

  it('says what stays in the guest of a backup that has succeeded otherwise', async () => {
    const rehearsal = rehearse({ discardSpool: failing('AGENT_ABSENT', 'nobody there') });
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('COMPLETED');
    expect(rehearsal.steps.get('publish:shop')?.detail).toMatchObject({ leftBehind: 'nobody there' });
  });

  it('leaves it to the catalogue which of several recovery points stands for the run: the first', async () => {
    const rehearsal = rehearse();
    await rehearsal.play('backupData', BACKUP_DATA);
    expect(rehearsal.outcome).not.toHaveProperty('recoveryPointId');
  });

  it('runs the program after, and removes the dumps, whatever became of the data', async () => {
    const rehearsal = rehearse({ saveDataSet: failing('DATA_REPOSITORY_KEY_WRONG') });
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('FAILED');
    expect(rehearsal.stateOf('after:uploads')).toBe('succeeded');
    expect(rehearsal.calls.filter((call) => call === 'discardSpool')).toHaveLength(1);
    expect(rehearsal.calls).not.toContain('publishData');
  });

  it('dumps that cannot be removed, as in a guest that is off, do not keep the server from anybody: they are said', async () => {
    const rehearsal = rehearse({ saveDataSet: failing('DATA_REPOSITORY_KEY_WRONG'), discardSpool: failing('AGENT_ABSENT', 'nobody there') });
    expect(await rehearsal.play('backupData', BACKUP_DATA)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({
      error: { code: 'DATA_REPOSITORY_KEY_WRONG', message: expect.not.stringContaining('could not be undone') as string },
    });
    expect(rehearsal.steps.get('dump:shop')?.detail).toMatchObject({ leftBehind: 'nobody there' });
    expect(rehearsal.calls.at(-1)).toBe('releaseFence');
  });

  it('cancelled in the middle of saving, it tidies up and gives the server back', async () => {
    let reached = (): void => undefined;
    const saving = new Promise<void>((resolve) => (reached = resolve));
    const rehearsal = rehearse({ saveDataSet: untilCancelled(() => reached()) });
    expect(
      await rehearsal.play('backupData', { ...BACKUP_DATA, items: [{ recoveryPointId: 'rp_03aaaaaaaaaaaaaaaaaaaaaaaa', dataSet: SHOP }] }, async (handle) => {
        await saving;
        await handle.cancel();
      }),
    ).toBe('CANCELLED');
    expect(rehearsal.calls).toEqual(['examineDataSets', 'takeFence', 'dumpDataSet', 'saveDataSet', 'discardSpool', 'releaseFence']);
    expect(rehearsal.outcome).toMatchObject({ state: 'cancelled' });
  });
});

describe('credentials', () => {
  const ROOT: CredentialDeclaration = { account: 'root', store: 'vault', path: 'servers/db01', reapply: true };
  const REFERENCE: CredentialReference = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: null, problem: null };
  /** What each recovery point that was published remembers. */
  const published = async (type: 'backupData' | 'restoreData', input: unknown, scripted: Scripted = {}) => {
    const remembered: unknown[] = [];
    const rehearsal = rehearse({ publishData: async (...args) => void remembered.push(args[4]), ...scripted });
    expect(await rehearsal.play(type, input)).toBe('COMPLETED');
    return { rehearsal, remembered };
  };

  it('are remembered once for a backup, before its first data set is read, and each of its recovery points has them', async () => {
    const declared: unknown[] = [];
    const { rehearsal, remembered } = await published(
      'backupData',
      { ...BACKUP_DATA, credentials: [ROOT] },
      {
        rememberCredentials: async (...args) => {
          declared.push(...args);
          return [REFERENCE];
        },
      },
    );
    expect(declared).toEqual([[ROOT]]);
    expect(rehearsal.calls.slice(0, 4)).toEqual(['examineDataSets', 'takeFence', 'rememberCredentials', 'runDataHook']);
    expect(rehearsal.calls.filter((call) => call === 'rememberCredentials')).toHaveLength(1);
    expect(remembered).toEqual([[REFERENCE], [REFERENCE]]);
    expect([...rehearsal.steps.keys()].slice(0, 4)).toEqual(['examine', 'fence', 'credentials', 'before:uploads']);
    expect(rehearsal.steps.get('credentials')).toMatchObject({ state: 'succeeded', detail: { root: 'version 7' } });
  });

  it('keep no data from being saved where a store is sealed, and where nobody could ask', async () => {
    const sealed = { ...REFERENCE, version: null, problem: 'SECRET_STORE_SEALED' };
    const input = { ...BACKUP_DATA, credentials: [ROOT] };
    const { rehearsal, remembered } = await published('backupData', input, { rememberCredentials: async () => [sealed] });
    expect(remembered).toEqual([[sealed], [sealed]]);
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', error: null });
    expect(rehearsal.steps.get('credentials')).toMatchObject({ state: 'succeeded', detail: { root: 'version not known, SECRET_STORE_SEALED' } });
    const unknown = { ...REFERENCE, version: null, problem: 'CONFIG_INVALID' };
    expect((await published('backupData', input, { rememberCredentials: failing('CONFIG_INVALID') })).remembered).toEqual([[unknown], [unknown]]);
  });

  it.each([
    ['backupData', BACKUP_DATA],
    ['restoreData', RESTORE_DATA],
  ] as const)('that are not declared are nothing to %s: no store is asked, and no step says so', async (type, input) => {
    const { rehearsal, remembered } = await published(type, input);
    expect(rehearsal.calls).not.toContain('rememberCredentials');
    expect([...rehearsal.steps.keys()]).not.toContain('credentials');
    expect(new Set(remembered)).toEqual(new Set([undefined]));
  });

  it('are remembered with what is saved before a restore, which goes on when the store is away', async () => {
    const input = { ...RESTORE_DATA, credentials: [ROOT] };
    const { rehearsal, remembered } = await published('restoreData', input, { rememberCredentials: async () => [REFERENCE] });
    expect(remembered).toEqual([[REFERENCE]]);
    expect(rehearsal.calls.slice(0, 4)).toEqual(['examineDataRestore', 'takeFence', 'rememberCredentials', 'dumpDataSet']);
    const away = await published('restoreData', input, { rememberCredentials: failing('CONFIG_INVALID') });
    expect(away.remembered).toEqual([[{ ...REFERENCE, version: null, problem: 'CONFIG_INVALID' }]]);
    expect(away.rehearsal.steps.get('safety')?.detail).toEqual({ recoveryPointId: RESTORE_DATA.safetyRecoveryPointId });
  });

  describe('in a plan', () => {
    const input = {
      planId: RESTORE_DATA.planId,
      serverId: RESTORE_DATA.serverId,
      dataSet: 'shop',
      recoveryPointId: null,
      selection: DATA_ITEM.selection,
      incidentAt: null,
    };
    const planned = async (credentials: readonly CredentialReference[] | undefined, scripted: Scripted = {}) => {
      const surveys: DataSurvey[] = [];
      const asked: unknown[] = [];
      const rehearsal = rehearse({
        chooseDataSource: async ({ planId }) => ({
          planId,
          runId: RESTORE_DATA.runId,
          serverId: RESTORE_DATA.serverId,
          serverName: 'db01',
          uuid: RESTORE_DATA.uuid,
          hypervisor: RESTORE_DATA.hypervisor,
          point: { ...DATA_POINT, ...(credentials === undefined ? {} : { credentials }) },
          item: DATA_ITEM,
          selection: DATA_ITEM.selection,
          measuredRecoverySeconds: [],
          incidentAt: null,
          ...(credentials === undefined ? {} : { credentials: [ROOT] }),
        }),
        surveyCredentials: async (...args) => {
          asked.push(args);
          return [said];
        },
        composeDataPlan: async (_source, survey) => void surveys.push(survey),
        ...scripted,
      });
      expect(await rehearsal.play('planDataRestore', input)).toBe('COMPLETED');
      return { rehearsal, survey: surveys[0], asked };
    };
    const said = { account: 'root', current: { version: '8', createdAt: null }, problem: null, remembered: 'there' as const };

    it('are asked for where the recovery point remembers some, and nobody is asked where it remembers none', async () => {
      const { survey, asked } = await planned([REFERENCE]);
      expect(asked).toEqual([[{ protection: { credentials: [ROOT] } }, { credentials: [REFERENCE] }]]);
      expect(survey?.credentials).toEqual([said]);
      const none = await planned(undefined);
      expect(none.rehearsal.calls).toEqual(['chooseDataSource', 'surveyData', 'composeDataPlan']);
      expect(none.survey).not.toHaveProperty('credentials');
    });

    it('keep no plan from being made when nobody can be asked', async () => {
      const { survey } = await planned([REFERENCE], { surveyCredentials: failing('CONFIG_INVALID') });
      expect(survey?.credentials).toEqual([{ account: 'root', current: null, problem: 'CONFIG_INVALID', remembered: null }]);
    });
  });
});

describe('restoreData', () => {
  const SAVING = ['dumpDataSet', 'saveDataSet', 'verifySavedData', 'publishData', 'discardSpool'];

  it('saves what is there, loads beside, swaps, and keeps the way back', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'examineDataRestore',
      'takeFence',
      ...SAVING,
      'fetchData',
      'loadData',
      'placeData',
      'openWayBack',
      'discardFetched',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', recoveryPointId: DATA_POINT.id, lostSeconds: 3600 });
    expect(rehearsal.outcome?.recoverySeconds).toBeGreaterThan(0);
    expect(rehearsal.steps.get('safety')?.detail).toEqual({ recoveryPointId: RESTORE_DATA.safetyRecoveryPointId });
  });

  it('is refused, before anything is saved, by what stands against the plan by now', async () => {
    const blocked = {
      code: 'DATABASE_IN_USE',
      severity: 'block' as const,
      message: 'Prepared transactions hold the database.',
      remedy: 'COMMIT PREPARED them.',
      evidence: [],
    };
    const rehearsal = rehearse({ examineDataRestore: async () => ({ restic: '0.14.0', agentVersion: '7.2', findings: [blocked] }) });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringContaining('Prepared transactions hold the database. Nothing was changed.') as string,
      hint: 'COMMIT PREPARED them. Then make a new plan.',
    });
    expect(rehearsal.calls).toEqual(['examineDataRestore']);
  });

  it('tells what is not as people may expect it, in the steps', async () => {
    const rehearsal = rehearse({
      loadData: async () => ({ notes: ['A role is no member.'] }),
      placeData: async () => ({ record: KEPT_DATA, notes: ['One.', 'Two.'], complete: true }),
    });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('COMPLETED');
    expect(rehearsal.steps.get('load')?.detail).toMatchObject({ notes: 'A role is no member.' });
    expect(rehearsal.steps.get('place')?.detail).toMatchObject({ notes: 'One. Two.' });
  });

  it('cancelled while what is there is saved, it removes the dumps of it', async () => {
    let reached = (): void => undefined;
    const saving = new Promise<void>((resolve) => (reached = resolve));
    const rehearsal = rehearse({ saveDataSet: untilCancelled(() => reached()) });
    expect(
      await rehearsal.play('restoreData', RESTORE_DATA, async (handle) => {
        await saving;
        await handle.cancel();
      }),
    ).toBe('CANCELLED');
    expect(rehearsal.calls).toEqual(['examineDataRestore', 'takeFence', 'dumpDataSet', 'saveDataSet', 'discardSpool', 'releaseFence']);
  });

  it('taken back, it says what others have written meanwhile and where that is', async () => {
    const rehearsal = rehearse({ placeData: failing('DATA_RESTORE_FAILED'), takeDataBack: async () => ({ leftBehind: 'kept in /srv' }) });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('FAILED');
    expect(rehearsal.steps.get('place')?.detail).toMatchObject({ leftBehind: 'kept in /srv' });
  });

  it('goes on when what is damaged cannot be saved any more, and says so', async () => {
    const rehearsal = rehearse({ dumpDataSet: failing('DUMP_FAILED', 'invalid page in block 7') });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('COMPLETED');
    expect(rehearsal.stateOf('safety')).toBe('succeeded');
    expect(rehearsal.steps.get('safety')?.detail).toMatchObject({ notSaved: expect.stringContaining('invalid page in block 7') as string });
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded' });
  });

  it.each([
    ['fetch', 'fetchData', 'GUEST_DISK_FULL', ['discardFetched', 'releaseFence']],
    ['load', 'loadData', 'DATABASE_ROLE_MISSING', ['takeDataBack', 'discardFetched', 'releaseFence']],
    ['place', 'placeData', 'DATABASE_IN_USE', ['takeDataBack', 'revertWayBack', 'takeDataBack', 'discardFetched', 'releaseFence']],
  ] as const)('when %s fails for good, the guest is as it was', async (key, activity, code, undone) => {
    const rehearsal = rehearse({ [activity]: async () => failing(code)() } as Scripted);
    // Every attempt is refused by the same fault; what may pass is tried for minutes, so the codes here are final ones.
    expect(await rehearsal.play('restoreData', { ...RESTORE_DATA })).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code } });
    expect(rehearsal.stateOf(key)).toBe('failed');
    expect(rehearsal.calls.slice(-undone.length)).toEqual(undone);
  });

  it('what was fetched and cannot be removed, as from a guest that is off, does not keep the server from anybody', async () => {
    const rehearsal = rehearse({ fetchData: failing('AGENT_COMMAND_FAILED'), discardFetched: failing('AGENT_ABSENT', 'nobody there') });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ error: { code: 'AGENT_COMMAND_FAILED', message: expect.not.stringContaining('could not be undone') as string } });
    expect(rehearsal.steps.get('fetch')?.detail).toMatchObject({ leftBehind: 'nobody there' });
    expect(rehearsal.calls.at(-1)).toBe('releaseFence');
  });

  it('marks a recovery point whose stored bytes are damaged', async () => {
    const marked: string[] = [];
    const rehearsal = rehearse({ fetchData: failing('RECOVERY_POINT_CORRUPT'), markDamaged: async (id) => void marked.push(id) });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('FAILED');
    expect(marked).toEqual([DATA_POINT.id]);
  });

  it('what cannot be tidied away is said, not failed for', async () => {
    const rehearsal = rehearse({ discardFetched: failing('AGENT_COMMAND_FAILED', 'rm said no') });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('COMPLETED');
    expect(rehearsal.steps.get('tidy')?.detail).toEqual({ leftBehind: 'rm said no' });
  });

  it('refuses a plan of another kind', async () => {
    const rehearsal = rehearse({ loadPlan: async () => PLAN });
    expect(await rehearsal.play('restoreData', RESTORE_DATA)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'PLAN_STALE', message: expect.stringContaining('an image restore') as string });
    expect(rehearsal.calls).toEqual([]);
  });
});

describe('the way back of data', () => {
  const dataWayBack = { ...WAY_BACK, data: KEPT_DATA, volumes: [] };
  const undoOfData = { ...UNDO_PLAN, data: { record: KEPT_DATA, changes: [] } };

  it('undo puts back what was replaced while the server runs on', async () => {
    const taken: unknown[] = [];
    const rehearsal = rehearse({ loadPlan: async () => undoOfData, takeWayBack: async (...args) => void taken.push(args) });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual(['surveyDataUndo', 'takeFence', 'returnData', 'takeWayBack', 'releaseFence']);
    expect(taken).toMatchObject([[UNDO.runId, UNDO.ofRunId, { data: KEPT_DATA, volumes: [] }, UNDO_PLAN.before]]);
  });

  it('undo is refused by what stands against it by now', async () => {
    const gone = { code: 'DATABASE_NOT_FOUND', severity: 'block' as const, message: 'What was kept is not there any more.', evidence: [] };
    const rehearsal = rehearse({ loadPlan: async () => undoOfData, surveyDataUndo: async () => ({ changes: [], findings: [gone], losses: [] }) });
    expect(await rehearsal.play('undoRestore', UNDO)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'PLAN_STALE', message: expect.stringContaining('What was kept is not there any more.') as string });
    expect(rehearsal.calls).toEqual(['surveyDataUndo']);
  });

  it('confirm deletes what is kept in the guest, and no volume', async () => {
    const rehearsal = rehearse({ requireConfirmable: async () => dataWayBack });
    expect(await rehearsal.play('confirmRestore', CONFIRM)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual(['takeFence', 'discardKeptData', 'closeWayBack', 'releaseFence']);
  });
});

describe('image, then data', () => {
  const withData = { ...PLAN, data: [{ item: DATA_ITEM, pointInTime: DATA_POINT.pointInTime }], loss: DATA_PLAN.loss };

  it('brings the data into the restored server before its health checks, in quarantine', async () => {
    const rehearsal = rehearse({ loadPlan: async () => withData });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    const from = rehearsal.calls.indexOf('waitForAgent');
    expect(rehearsal.calls.slice(from)).toEqual([
      'waitForAgent',
      'fetchData',
      'loadData',
      'placeData',
      'discardKeptData',
      'discardFetched',
      'checkHealth',
      'recordGoLive',
      'goLive',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', lostSeconds: 3600 });
  });

  it.each([
    ['restoreServer', RESTORE, withData, 'restored'],
    ['restoreData', RESTORE_DATA, DATA_PLAN, 'running'],
  ] as const)('%s says whose roles are older: those of the server, or of the recovery point', async (type, input, plan, expected) => {
    const told: unknown[] = [];
    const rehearsal = rehearse({
      loadPlan: async () => plan,
      loadData: async (_input, _item, _key, server) => {
        told.push(server);
        return { notes: [] };
      },
    });
    expect(await rehearsal.play(type, input)).toBe('COMPLETED');
    expect(told).toEqual([expected]);
  });

  it('what could not be put in place is said and kept; what cannot be removed undoes nothing', async () => {
    const rehearsal = rehearse({
      loadPlan: async () => withData,
      placeData: async () => ({ record: KEPT_DATA, notes: ['"/srv/a" lies in /srv/.modosu.'], complete: false }),
      discardFetched: failing('AGENT_COMMAND_FAILED', 'rm said no'),
    });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('discardKeptData');
    expect(rehearsal.steps.get('data-place:shop:shop')?.detail).toMatchObject({ notes: '"/srv/a" lies in /srv/.modosu. rm said no' });
  });

  it('data that cannot be brought back undoes the restore: the old server comes back', async () => {
    const rehearsal = rehearse({ loadPlan: async () => withData, loadData: failing('DATABASE_ENGINE_TOO_OLD') });
    expect(await rehearsal.play('restoreServer', RESTORE)).toBe('FAILED');
    expect(rehearsal.calls).not.toContain('goLive');
    expect(rehearsal.calls).toContain('revertSwap');
    expect(rehearsal.outcome).toMatchObject({ error: { code: 'DATABASE_ENGINE_TOO_OLD' } });
  });
});

describe('cleaning up after a run of data that was ended outside', () => {
  it.each([
    [
      'backup-data',
      { kind: 'backup-data', input: BACKUP_DATA },
      null,
      ['takeFence', 'discardSpool', 'discardSpool', 'releaseFence'],
      'Recovery points that it had published stay',
    ],
    [
      'restore-data before it was in place',
      { kind: 'restore-data', input: RESTORE_DATA },
      null,
      ['takeFence', 'takeDataBack', 'revertWayBack', 'discardFetched', 'discardSpool', 'releaseFence'],
      'as it was before',
    ],
    [
      'restore-data afterwards',
      { kind: 'restore-data', input: RESTORE_DATA },
      { ...WAY_BACK, data: KEPT_DATA },
      ['takeFence', 'discardFetched', 'releaseFence'],
      'stays; the way back is kept',
    ],
  ] as const)('%s', async (_what, ended, wayBack, calls, words) => {
    const rehearsal = rehearse({ traceOfRun: async () => ({ steps: [], wayBack, cancelRequested: false }) });
    expect(await rehearsal.play('cleanUpRun', ended)).toBe('FAILED');
    expect(rehearsal.calls).toEqual(calls);
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'RUN_ENDED_OUTSIDE', message: expect.stringContaining(words) as string });
  });

  it('runs the program after, which the ended workflow owes, and says what stays in a guest that is off', async () => {
    const steps = [
      { seq: 1, key: 'before:uploads', title: 'before', state: 'succeeded' as const },
      { seq: 2, key: 'save:uploads', title: 'save', state: 'running' as const },
    ];
    const rehearsal = rehearse({
      traceOfRun: async () => ({ steps, wayBack: null, cancelRequested: false }),
      discardSpool: failing('AGENT_ABSENT', 'nobody there'),
    });
    expect(await rehearsal.play('cleanUpRun', { kind: 'backup-data', input: BACKUP_DATA })).toBe('FAILED');
    expect(rehearsal.calls).toEqual(['takeFence', 'runDataHook', 'discardSpool', 'discardSpool', 'releaseFence']);
    expect(rehearsal.outcome?.error).toMatchObject({
      code: 'RUN_ENDED_OUTSIDE',
      message: expect.stringContaining('still in the guest: nobody there') as string,
    });
  });
});
