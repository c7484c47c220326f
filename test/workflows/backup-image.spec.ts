import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import { BACKUP, failing, ONLINE, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(60_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const rehearse = (scripted: Scripted = {}) => new Rehearsal(stage, scripted);
/** Waits inside an activity until the run is cancelled, as a copy does. */
const untilCancelled = (reached: () => void) => async (): Promise<never> => {
  reached();
  const timer = setInterval(() => Context.current().heartbeat(), 100);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(timer);
  }
};

const examined = {
  mode: 'offline' as const,
  domainName: 'db01',
  agent: 'silent' as const,
  neededBytes: 512,
  definitionFingerprint: 'f1',
  hasNvram: false,
  disks: [{ target: 'vda', path: '/srv/vm/vda.qcow2', format: 'raw' as const, flattened: false, allocatedBytes: 512 }],
};

describe('backupImage', () => {
  it('stops, copies every disk, starts again, and only then publishes', async () => {
    const rehearsal = rehearse();
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'examineForBackup',
      'takeFence',
      'reserveRoom',
      'shutDown',
      'copyDiskToRepository vda',
      'copyDiskToRepository vdb',
      'saveDefinition',
      'start',
      'publish',
      'recordRecoveryPoint',
      'releaseFence',
    ]);
    expect(rehearsal.outcome).toEqual({ state: 'succeeded', error: null, recoveryPointId: BACKUP.recoveryPointId });
    expect([...rehearsal.steps.values()].every(({ state }) => state === 'succeeded')).toBe(true);
  });

  it('leaves a server that is off alone', async () => {
    const rehearsal = rehearse({ examineForBackup: async () => ({ ...examined, powerState: 'off' }) });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('shutDown');
    expect(rehearsal.calls).not.toContain('start');
  });

  it.each([
    ['examine', 'examineForBackup', 'SERVER_HAS_NO_DISKS', []],
    ['fence', 'takeFence', 'FENCED_OFF', ['releaseFence']],
    ['reserve', 'reserveRoom', 'NOT_ENOUGH_SPACE', ['discardStaged', 'releaseFence']],
    ['stop', 'shutDown', 'STOP_TIMED_OUT', ['startAfterShutdown', 'discardStaged', 'releaseFence']],
    ['copy:vda', 'copyDiskToRepository', 'DISK_FILE_MISSING', ['start', 'discardStaged', 'releaseFence']],
    ['definition', 'saveDefinition', 'DEFINITION_CHANGED', ['start', 'discardStaged', 'releaseFence']],
    ['power', 'start', 'START_FAILED', ['publish', 'recordRecoveryPoint', 'start', 'releaseFence']],
    ['publish', 'publish', 'RECOVERY_POINT_CORRUPT', ['discardStaged', 'releaseFence']],
    ['catalogue', 'recordRecoveryPoint', 'RECOVERY_POINT_CORRUPT', ['releaseFence']],
  ] as const)('when %s fails for good, it puts everything back and says why', async (key, activity, code, undone) => {
    let attempts = 0;
    const rehearsal = rehearse({
      [activity]: async () => {
        attempts += 1;
        if (attempts === 1) return failing(code)();
        return undefined;
      },
    } as Scripted);
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code, message: 'it broke' } });
    expect(rehearsal.outcome?.error?.hint).toMatch(/\S/);
    expect(rehearsal.stateOf(key)).toBe('failed');
    const failedAt = rehearsal.calls.findIndex((call) => call.split(' ')[0] === activity);
    expect(rehearsal.calls.slice(failedAt + 1)).toEqual(undone);
    expect([...rehearsal.steps.values()].map(({ state }) => state)).not.toContain('pending');
  });

  it('tries again when the cause may pass', async () => {
    let attempts = 0;
    const rehearsal = rehearse({
      reserveRoom: async () => {
        attempts += 1;
        if (attempts < 3) await failing('REPOSITORY_UNREACHABLE')();
      },
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(attempts).toBe(3);
  });

  it.each(['shutDown', 'copyDiskToRepository', 'saveDefinition', 'start'] as const)(
    'cancelled during %s, it puts the power state back and removes what it wrote',
    async (activity) => {
      let reached!: () => void;
      const moment = new Promise<void>((resolve) => (reached = resolve));
      let calls = 0;
      // Only the first call waits: undoing may call the same activity again.
      const rehearsal = rehearse({ [activity]: async () => ((calls += 1) === 1 ? untilCancelled(reached)() : undefined) } as Scripted);
      const closed = await rehearsal.play('backupImage', BACKUP, async (handle) => {
        await moment;
        await handle.cancel();
      });
      expect(closed).toBe('CANCELLED');
      expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
      expect(rehearsal.calls.slice(-3)).toEqual([activity === 'shutDown' ? 'startAfterShutdown' : 'start', 'discardStaged', 'releaseFence']);
      expect(rehearsal.calls).not.toContain('publish');
    },
  );

  it('says what could not be undone, and goes on undoing the rest', async () => {
    const rehearsal = rehearse({ publish: failing('RECOVERY_POINT_CORRUPT'), discardStaged: failing('PATH_NOT_ALLOWED', 'not mine') });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    expect(rehearsal.outcome?.error?.message).toContain('not mine (PATH_NOT_ALLOWED)');
    expect(rehearsal.calls.at(-1)).toBe('releaseFence');
    expect(rehearsal.steps.get('reserve')?.detail).toMatchObject({ undone: false });
  });

  it('keeps the image of a server that refuses to start, and goes on trying to start it', async () => {
    let attempts = 0;
    const rehearsal = rehearse({
      start: async () => {
        attempts += 1;
        if (attempts <= 2) await failing('START_FAILED', 'no memory')();
      },
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('FAILED');
    expect(attempts).toBe(3);
    expect(rehearsal.outcome).toMatchObject({
      state: 'failed',
      recoveryPointId: BACKUP.recoveryPointId,
      error: { code: 'START_FAILED', message: 'no memory' },
    });
    expect(rehearsal.stateOf('catalogue')).toBe('succeeded');
  });

  it('does not let a cancel come between publishing and the catalogue', async () => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    let goOn!: () => void;
    const cancelled = new Promise<void>((resolve) => (goOn = resolve));
    const rehearsal = rehearse({
      publish: async ({ input }) => {
        reached();
        await cancelled;
        return { recoveryPointId: input.recoveryPointId, serverId: input.serverId, repository: 'main', sizeBytes: 1 };
      },
    });
    await rehearsal.play('backupImage', BACKUP, async (handle) => {
      await moment;
      await handle.cancel();
      goOn();
    });
    expect(rehearsal.calls.slice(-3)).toEqual(['publish', 'recordRecoveryPoint', 'releaseFence']);
    expect(rehearsal.calls).not.toContain('discardStaged');
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded' });
  });

  it('starts the server again although its steps cannot be written down, and writes them before the outcome', async () => {
    let away = true;
    const written: string[] = [];
    const rehearsal = rehearse({
      start: async () => {
        away = false;
      },
      recordSteps: async (_runId, steps) => {
        if (away) await failing('CATALOG_UNAVAILABLE')();
        written.push(...steps.map(({ key, state }) => `${key} ${state}`));
      },
      examineForBackup: async () => ({ ...examined, powerState: 'running' }),
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(rehearsal.calls).toContain('start');
    expect(written).toEqual(expect.arrayContaining(['stop succeeded', 'copy:vda succeeded', 'publish succeeded']));
  }, 300_000);

  it('succeeds although the fence cannot be released: the next one is higher', async () => {
    const rehearsal = rehearse({ releaseFence: failing('FENCED_OFF', 'somebody else has it') });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(rehearsal.steps.get('release')?.detail).toMatchObject({ fenceProblem: 'somebody else has it' });
  });

  it('says when a guest that was asked to shut down may still do so', async () => {
    const rehearsal = rehearse({ shutDown: failing('STOP_TIMED_OUT'), startAfterShutdown: async () => ({ mayStillStop: true }) });
    await rehearsal.play('backupImage', BACKUP);
    expect(rehearsal.steps.get('stop')?.detail).toMatchObject({ mayStillStop: true, undone: true });
  });

  it('calls a fault of its own INTERNAL instead of hiding it', async () => {
    const rehearsal = rehearse({
      saveDefinition: async () => {
        throw ApplicationFailure.nonRetryable('x is not a function');
      },
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('FAILED');
    expect(rehearsal.outcome?.error).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('backupImage, online', () => {
  it('takes the point in time, lets the server run, and publishes what QEMU has written', async () => {
    let published: unknown;
    const rehearsal = rehearse({
      publish: async (request) => {
        published = request;
        return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(rehearsal.calls).toEqual([
      'examineForBackup',
      'takeFence',
      'reserveRoom',
      'beginOnlineBackup',
      'saveDefinition',
      'followOnlineBackup',
      'hashStagedDisk vda',
      'hashStagedDisk vdb',
      'publish',
      'recordRecoveryPoint',
      'cancelOnlineBackup',
      'releaseFence',
    ]);
    expect(published).toMatchObject({ pointInTime: '2026-03-02T12:00:01.000Z', consistency: 'filesystem' });
    expect([...rehearsal.steps.values()].map(({ key, state }) => `${key} ${state}`)).toEqual(
      ['examine', 'fence', 'reserve', 'begin', 'definition', 'copy:vda', 'copy:vdb', 'checksum:vda', 'checksum:vdb', 'publish', 'catalogue', 'release'].map(
        (key) => `${key} succeeded`,
      ),
    );
  });

  it.each([
    ['begin', 'beginOnlineBackup', 'QUIESCE_FAILED', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['definition', 'saveDefinition', 'DEFINITION_CHANGED', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['copy:vda', 'followOnlineBackup', 'BACKUP_JOB_LOST', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['checksum:vda', 'hashStagedDisk', 'RECOVERY_POINT_INCOMPLETE', ['discardStaged', 'releaseFence']],
  ] as const)('when %s fails for good, the job is cancelled, and the server is never stopped or started', async (key, activity, code, undone) => {
    const rehearsal = rehearse({ [activity]: failing(code) } as Scripted);
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code } });
    expect(rehearsal.stateOf(key)).toBe('failed');
    const failedAt = rehearsal.calls.findIndex((call) => call.startsWith(activity));
    expect(rehearsal.calls.slice(failedAt + 1)).toEqual(undone);
    expect(rehearsal.calls).not.toContain('shutDown');
    expect(rehearsal.calls).not.toContain('start');
  });

  it('cancelled while QEMU copies: the job is cancelled, nothing is left', async () => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    const rehearsal = rehearse({ followOnlineBackup: untilCancelled(reached) });
    const closed = await rehearsal.play('backupImage', ONLINE, async (handle) => {
      await moment;
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(rehearsal.calls.slice(-3)).toEqual(['cancelOnlineBackup', 'discardStaged', 'releaseFence']);
  });
});
