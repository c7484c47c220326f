import { ApplicationFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import type { BackupSubject, PublishRequest } from '../../src/contracts/activities/images';
import { ModosuError } from '../../src/contracts/errors';
import { BACKUP, ONLINE } from './cast';
import { failing, openStage, Rehearsal, type Scripted } from './harness';

jest.setTimeout(180_000);
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

const AWAY = new ModosuError('CATALOG_UNAVAILABLE', 'PostgreSQL does not answer.');
const failingOnce = (code: Parameters<typeof failing>[0]): (() => Promise<undefined>) => {
  let isFirst = true;
  return async () => {
    if (!isFirst) return;
    isFirst = false;
    await failing(code)();
  };
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
      'collectFacts',
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

  it.each([
    ['while its server stands still gives up soon', BACKUP, {}, ['copyDiskToRepository 5', 'copyDiskToRepository 5', 'saveDefinition 10', 'publish 40']],
    ['that was not started again publishes soon, and tries to start it once more', BACKUP, { start: failingOnce('START_FAILED') }, ['publish 10']],
    ['of a server that goes on waits for a part that is away', ONLINE, {}, ['saveDefinition 40', 'followOnlineBackup 25', 'hashStagedDisk 25', 'publish 40']],
  ] as const)('a backup %s', async (_what, input, scripted, expected) => {
    const rehearsal = rehearse({ ...scripted, examineForBackup: async () => ({ ...examined, mode: input.mode, powerState: 'running' }) } as Scripted);
    await rehearsal.play('backupImage', input);
    const attempts = await rehearsal.attempts();
    expect(attempts).toEqual(expect.arrayContaining([...expected, 'recordRecoveryPoint 10']));
  });

  it('waits until what is published is recorded, and puts nothing back, while the catalogue is away', async () => {
    let tried = 0;
    const rehearsal = rehearse({
      recordRecoveryPoint: async () => {
        tried += 1;
        // What Temporal does not try again ends a round: the next one is the runbook's.
        if (tried === 1) throw ApplicationFailure.create({ type: 'CATALOG_UNAVAILABLE', nonRetryable: true, details: [AWAY.summary()] });
      },
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect(tried).toBe(2);
    expect(rehearsal.calls).not.toContain('discardStaged');
  });

  it.each([
    ['a repository that is away', 'REPOSITORY_UNREACHABLE', {}],
    ['a catalogue, where its server has still to be started again', 'CATALOG_UNAVAILABLE', { start: failingOnce('START_FAILED') }],
  ] as const)('holds its server for no row that waits for %s', async (_what, code, scripted) => {
    let tried = 0;
    const rehearsal = rehearse({
      ...scripted,
      examineForBackup: async () => ({ ...examined, powerState: 'running' }),
      recordRecoveryPoint: async () => {
        tried += 1;
        throw ApplicationFailure.create({ type: code, nonRetryable: true, details: [new ModosuError(code, 'away').summary()] });
      },
    } as Scripted);
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('FAILED');
    expect([tried, rehearsal.outcome?.error?.code]).toEqual([1, code]);
    expect(rehearsal.calls.at(-2)).toBe(code === 'CATALOG_UNAVAILABLE' ? 'start' : 'recordRecoveryPoint');
  });

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

describe('what an image says of its server', () => {
  const CHANGES = {
    contained: [{ id: 'chg_01aaaaaaaaaaaaaaaaaaaaaaaa', title: 'one', ticket: null, completedAt: '2026-03-01T00:00:00.000Z' }],
    partly: [],
    more: 0,
  };
  const published: PublishRequest[] = [];
  const publish: Scripted['publish'] = async (request) => {
    published.push(request);
    return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
  };
  beforeEach(() => void published.splice(0));

  it.each([
    ['offline', BACKUP],
    ['online', ONLINE],
  ] as const)('%s: which changes it held at its point in time', async (_mode, input) => {
    const asked: unknown[] = [];
    const rehearsal = rehearse({
      publish,
      changesAt: async (serverId, at) => {
        asked.push([serverId, at]);
        return CHANGES;
      },
    });
    expect(await rehearsal.play('backupImage', input)).toBe('COMPLETED');
    expect(published).toMatchObject([{ changes: CHANGES }]);
    expect(asked).toEqual([[input.serverId, published[0]?.pointInTime]]);
  });

  it.each([
    ['offline', BACKUP],
    ['online', ONLINE],
  ] as const)('%s: what was collected stands in its step, also where that is not all', async (_mode, input) => {
    const rehearsal = rehearse({
      publish,
      collectFacts: async () => ({
        state: 'collected',
        collectedAt: '2026-03-01T00:00:00.000Z',
        family: 'linux',
        entries: 7,
        failed: ['ports', 'tasks'],
        truncated: ['packages'],
      }),
    });
    expect(await rehearsal.play('backupImage', input)).toBe('COMPLETED');
    expect(rehearsal.steps.get('facts')).toMatchObject({ state: 'succeeded', detail: { entries: 7, failed: 'ports, tasks', truncated: 'packages' } });
  });

  it.each([
    ['offline', BACKUP, 'REPOSITORY_FORMAT_UNKNOWN'],
    ['online', ONLINE, 'SERVER_GONE'],
  ] as const)('%s: facts that cannot be collected keep no image from being published, and the step says why', async (_mode, input, code) => {
    const rehearsal = rehearse({ publish, collectFacts: failing(code, 'nobody answers') });
    expect(await rehearsal.play('backupImage', input)).toBe('COMPLETED');
    expect(rehearsal.outcome).toMatchObject({ state: 'succeeded', error: null });
    expect(rehearsal.steps.get('facts')).toMatchObject({ state: 'succeeded', detail: { problem: `${code}: nobody answers` } });
    expect(published).toHaveLength(1);
    expect(rehearsal.calls).not.toContain('discardStaged');
  });

  it.each<[string, typeof BACKUP, Partial<BackupSubject>]>([
    ['that is off', BACKUP, { powerState: 'off', agent: 'absent' }],
    ['that is off, whatever is said of its agent', BACKUP, { powerState: 'off', agent: 'answering' }],
    ['whose agent is silent', BACKUP, { powerState: 'running', agent: 'silent' }],
    ['without an agent, while it runs', { ...ONLINE, allowCrashConsistent: true }, { powerState: 'running', agent: 'absent' }],
  ])('asks nothing of a server %s; there is no such step', async (_what, input, subject) => {
    const rehearsal = rehearse({ publish, examineForBackup: async () => ({ ...examined, powerState: 'running', ...subject, mode: input.mode }) });
    expect(await rehearsal.play('backupImage', input)).toBe('COMPLETED');
    expect(rehearsal.calls).not.toContain('collectFacts');
    expect(rehearsal.steps.has('facts')).toBe(false);
    expect(published).toMatchObject([{ changes: { contained: [] } }]);
  });

  it.each([
    ['offline', BACKUP, ['discardStaged', 'releaseFence']],
    ['online', ONLINE, ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
  ] as const)(
    '%s: cancelled while it is asked, all is undone as in the step before; the server is neither stopped nor started',
    async (_mode, input, undone) => {
      let reached!: () => void;
      const moment = new Promise<void>((resolve) => (reached = resolve));
      const rehearsal = rehearse({ publish, collectFacts: untilCancelled(reached) });
      const closed = await rehearsal.play('backupImage', input, async (handle) => {
        await moment;
        await handle.cancel();
      });
      expect(closed).toBe('CANCELLED');
      expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
      // While a server runs on, its images are written meanwhile.
      const since = rehearsal.calls.slice(rehearsal.calls.indexOf('collectFacts') + 1);
      expect(since.filter((call) => !/^(followOnlineBackup|hashStagedDisk)/.test(call))).toEqual(undone);
      expect(rehearsal.calls).not.toContain('shutDown');
      expect(published).toEqual([]);
    },
  );

  it('online: cancelled while it is asked and QEMU writes, the one that ends last is waited for, and the run ends', async () => {
    let reached!: () => void;
    const moment = new Promise<void>((resolve) => (reached = resolve));
    let asked!: () => void;
    const both = new Promise<void>((resolve) => (asked = resolve));
    const order: string[] = [];
    const rehearsal = rehearse({
      publish,
      collectFacts: () => untilCancelled(asked)().finally(() => order.push('facts')),
      followOnlineBackup: () =>
        untilCancelled(reached)().catch(async (thrown: unknown) => {
          // A job takes its time to end; until then nobody waits for the facts.
          await new Promise((resolve) => setTimeout(resolve, 1_500));
          order.push('copy');
          throw thrown;
        }),
      discardStaged: async () => void order.push('discard'),
    });
    const closed = await rehearsal.play('backupImage', ONLINE, async (handle) => {
      await Promise.all([moment, both]);
      await handle.cancel();
    });
    expect(closed).toBe('CANCELLED');
    expect(order).toEqual(['facts', 'copy', 'discard']);
    expect(rehearsal.outcome).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect(rehearsal.calls.slice(-3)).toEqual(['cancelOnlineBackup', 'discardStaged', 'releaseFence']);
  });

  it('online: cancelled in the moment in which it has answered, the run ends like any other', async () => {
    // Whether the two fall into one moment is a matter of luck: of six tries one at least, nearly always.
    for (let attempt = 0; attempt < 6; attempt += 1) {
      let reached!: () => void;
      const moment = new Promise<void>((resolve) => (reached = resolve));
      const rehearsal = rehearse({ publish, followOnlineBackup: untilCancelled(reached) });
      const closed = await rehearsal.play('backupImage', ONLINE, async (handle) => {
        await moment;
        await handle.cancel();
      });
      expect(closed).toBe('CANCELLED');
    }
  });

  it('waits for a catalogue that is away before anything is published: an image that does not say what it holds is worth less', async () => {
    let attempts = 0;
    const rehearsal = rehearse({
      publish,
      changesAt: async () => {
        attempts += 1;
        if (attempts < 3) await failing('CATALOG_UNAVAILABLE')();
        return CHANGES;
      },
    });
    expect(await rehearsal.play('backupImage', BACKUP)).toBe('COMPLETED');
    expect([attempts, published.length]).toEqual([3, 1]);
    expect(rehearsal.calls.indexOf('start')).toBeLessThan(rehearsal.calls.indexOf('publish'));
  });
});

describe('backupImage, online', () => {
  it.each<[string, Scripted, string]>([
    ['a guest that tells its facts slowly is waited for before anything is published', {}, 'COMPLETED'],
    ['and before what it is written beside is discarded', { followOnlineBackup: failing('BACKUP_JOB_LOST') }, 'FAILED'],
  ])('%s', async (_what, scripted, closed) => {
    const order: string[] = [];
    const facts = { state: 'collected', collectedAt: '2026-03-02T12:00:00.000Z', family: 'debian', entries: 1, failed: [], truncated: [] } as const;
    const rehearsal = rehearse({
      collectFacts: async () => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        order.push('facts');
        return facts;
      },
      publish: async ({ input }) => {
        order.push('publish');
        return { recoveryPointId: input.recoveryPointId, serverId: input.serverId, repository: 'main', sizeBytes: 1 };
      },
      discardStaged: async () => void order.push('discard'),
      ...scripted,
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe(closed);
    expect(order).toEqual(['facts', closed === 'COMPLETED' ? 'publish' : 'discard']);
  });

  it('takes the point in time, lets the server run, and publishes what QEMU has written', async () => {
    let published: unknown;
    const rehearsal = rehearse({
      publish: async (request) => {
        published = request;
        return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    // What the guest tells is asked while QEMU writes.
    expect(rehearsal.calls).toContain('collectFacts');
    expect(rehearsal.calls.filter((call) => call !== 'collectFacts')).toEqual([
      'examineForBackup',
      'takeFence',
      'parentCandidates',
      'chooseBasis',
      'reserveRoom',
      'beginOnlineBackup',
      'saveDefinition',
      'followOnlineBackup',
      'hashStagedDisk vda',
      'hashStagedDisk vdb',
      'publish',
      'recordRecoveryPoint',
      'settleOnlineBackup',
      'releaseFence',
    ]);
    expect(published).toMatchObject({ pointInTime: '2026-03-02T12:00:01.000Z', consistency: 'filesystem', parentId: null });
    expect([...rehearsal.steps.values()].map(({ key, state }) => `${key} ${state}`)).toEqual(
      [
        ...['examine', 'fence', 'basis', 'reserve', 'begin', 'definition', 'facts'],
        ...['copy:vda', 'copy:vdb', 'checksum:vda', 'checksum:vdb', 'publish', 'catalogue', 'release'],
      ].map((key) => `${key} succeeded`),
    );
  });

  it.each([
    ['begin', 'beginOnlineBackup', 'QUIESCE_FAILED', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['definition', 'saveDefinition', 'DEFINITION_CHANGED', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['copy:vda', 'followOnlineBackup', 'BACKUP_JOB_LOST', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    // Complete, and worth nothing: its checkpoint must not stay.
    ['checksum:vda', 'hashStagedDisk', 'RECOVERY_POINT_INCOMPLETE', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['publish', 'publish', 'RECOVERY_POINT_CORRUPT', ['cancelOnlineBackup', 'discardStaged', 'releaseFence']],
    ['basis', 'chooseBasis', 'SERVER_GONE', ['releaseFence']],
  ] as const)('when %s fails for good, the job is cancelled, and the server is never stopped or started', async (key, activity, code, undone) => {
    const rehearsal = rehearse({ [activity]: failing(code) } as Scripted);
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('FAILED');
    expect(rehearsal.outcome).toMatchObject({ state: 'failed', error: { code } });
    expect(rehearsal.stateOf(key)).toBe('failed');
    const failedAt = rehearsal.calls.findIndex((call) => call.startsWith(activity));
    // The guest is asked meanwhile.
    expect(rehearsal.calls.slice(failedAt + 1).filter((call) => call !== 'collectFacts')).toEqual(undone);
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

  const incremental = {
    parentId: 'rp_00aaaaaaaaaaaaaaaaaaaaaaaa',
    incremental: [{ target: 'vda', backingName: '../../rp_00aaaaaaaaaaaaaaaaaaaaaaaa/disks/vda.qcow2' }],
    changedBytes: 65_536,
    neededBytes: 66_048,
    fullBecause: null,
    alwaysFull: ['vdb'],
    leavesCheckpoint: true,
  };

  it('continues an earlier recovery point: reserves what has changed, says so, and gives its checkpoint up once the new one is there', async () => {
    const given: Record<string, unknown> = {};
    const rehearsal = rehearse({
      chooseBasis: async () => incremental,
      reserveRoom: async (_input, neededBytes) => void (given['reserved'] = neededBytes),
      publish: async (request) => {
        given['published'] = request;
        return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(given).toMatchObject({
      reserved: 66_048,
      published: {
        parentId: incremental.parentId,
        copied: [
          { target: 'vda', incremental: true },
          { target: 'vdb', incremental: false },
        ],
      },
    });
    expect(rehearsal.steps.get('basis')?.detail).toEqual({ incrementalOn: incremental.parentId, changedBytes: 65_536, alwaysFull: 'vdb', neededBytes: 66_048 });
  });

  it('a chain that is as long as it may be is made whole before anything is hashed, and the recovery point is a full', async () => {
    let published: unknown;
    const rehearsal = rehearse({
      chooseBasis: async () => ({ ...incremental, merges: true }),
      publish: async (request) => {
        published = request;
        return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    // vdb is whole anyway.
    expect(rehearsal.calls.filter((call) => /merge|hash|publish/.test(call))).toEqual([
      'mergeStagedDisk vda',
      'hashStagedDisk vda',
      'hashStagedDisk vdb',
      'publish',
    ]);
    expect(published).toMatchObject({ parentId: null });
    expect(JSON.stringify(published)).not.toContain('incremental":true');
    expect(rehearsal.steps.get('basis')?.detail).toMatchObject({ mergedWith: incremental.parentId });
    expect(rehearsal.stateOf('merge:vda')).toBe('succeeded');
  });

  it('a parent that is found damaged by the way is marked, and the image is whole', async () => {
    const marked: unknown[] = [];
    const parentId = incremental.parentId;
    const damage = new ModosuError('RECOVERY_POINT_INCOMPLETE', 'disks/vda.qcow2 is missing', { context: { recoveryPointId: parentId } }).summary();
    const rehearsal = rehearse({
      chooseBasis: async () => ({
        ...incremental,
        parentId: null,
        incremental: [],
        fullBecause: 'it cannot be continued',
        damage: { recoveryPointId: parentId, error: damage },
      }),
      markDamaged: async (id) => void marked.push(id),
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(marked).toEqual([parentId]);
  });

  it('what a merge finds damaged is marked, and nothing is published', async () => {
    const marked: string[] = [];
    const rehearsal = rehearse({
      chooseBasis: async () => ({ ...incremental, merges: true }),
      mergeStagedDisk: failing('RECOVERY_POINT_CORRUPT', 'segment 3'),
      markDamaged: async (id) => void marked.push(id),
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('FAILED');
    expect(marked).toEqual([incremental.parentId]);
    expect(rehearsal.calls.slice(-3)).toEqual(['cancelOnlineBackup', 'discardStaged', 'releaseFence']);
  });

  it('whole images although incremental ones were intended: said, and published as what they are', async () => {
    let published: unknown;
    const rehearsal = rehearse({
      chooseBasis: async () => incremental,
      beginOnlineBackup: async () => ({
        ...{ pointInTime: '2026-03-02T12:00:01.000Z', consistency: 'filesystem' as const, frozenMs: 120, note: null, since: null },
        basis: { ...incremental, parentId: null, incremental: [], fullBecause: 'missing or broken bitmap' },
      }),
      publish: async (request) => {
        published = request;
        return { recoveryPointId: request.input.recoveryPointId, serverId: request.input.serverId, repository: 'main', sizeBytes: 1024 };
      },
    });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(published).toMatchObject({ parentId: null, copied: [{ target: 'vda' }, { target: 'vdb' }] });
    expect(JSON.stringify(published)).not.toContain('incremental":true');
    expect(rehearsal.steps.get('begin')?.detail).toMatchObject({ fullBecause: 'missing or broken bitmap' });
  });

  it('succeeds although the checkpoints cannot be put in order: the next backup finds out', async () => {
    const rehearsal = rehearse({ settleOnlineBackup: failing('HYPERVISOR_COMMAND_FAILED', 'not now') });
    expect(await rehearsal.play('backupImage', ONLINE)).toBe('COMPLETED');
    expect(rehearsal.steps.get('release')?.detail).toMatchObject({ guardProblem: 'not now' });
    expect(rehearsal.calls.at(-1)).toBe('releaseFence');
  });
});
