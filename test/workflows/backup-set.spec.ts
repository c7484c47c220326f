import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import type { BackupSetInput } from '../../src/contracts/backup-set';
import type { RunOutcome } from '../../src/contracts/activities/catalogue';
import { backupSetWorkflowId, CONTROL_TASK_QUEUE, serverWorkflowId } from '../../src/contracts/ids';
import type { BackupImageInput } from '../../src/contracts/workflows';
import { eventually } from '../support/up-process';
import { ONLINE } from './cast';
import { failing, openStage, Rehearsal, type Role, type Scripted } from './harness';
import { jobFor } from './relations';

/** Runs of a set meet right before their freeze, on a real Temporal server; what they do there is scripted. */
jest.setTimeout(180_000);
let stage: Awaited<ReturnType<typeof openStage>>;
beforeAll(async () => void (stage = await openStage()));
afterAll(() => stage.close());

const NAMES = ['a', 'b', 'c'] as const;
type Name = (typeof NAMES)[number];
const GRACE_MS = 60_000;
let nth = 0;

/** A set of three servers with ids of its own. */
class SetRehearsal {
  readonly log: string[] = [];
  readonly outcomes = new Map<string, RunOutcome>();
  readonly set: BackupSetInput;
  readonly inputs: Readonly<Record<Name, BackupImageInput>>;

  constructor(
    private readonly scripted: Scripted = {},
    deadlineMs = 60_000,
  ) {
    nth += 1;
    const id = (prefix: string, name: string): string => `${prefix}_01${name.repeat(23)}${'0123456789'[nth % 10]}`;
    const set = { id: id('set', 's'), group: 'shop', deadline: new Date(Date.now() + deadlineMs).toISOString() };
    const input = (name: Name): BackupImageInput => ({
      ...ONLINE,
      maxIncrements: 13,
      set,
      serverName: name,
      serverId: id('srv', name),
      runId: id('run', name),
      recoveryPointId: id('rp', name),
    });
    this.inputs = { a: input('a'), b: input('b'), c: input('c') };
    this.set = {
      setId: set.id,
      group: set.group,
      deadline: set.deadline,
      members: NAMES.map((name) => ({ runId: this.inputs[name].runId, serverId: this.inputs[name].serverId, serverName: name })),
    };
  }

  readonly coordinator = (): Role => ({ type: 'backupSet', input: this.set, workflowId: backupSetWorkflowId(this.set.setId) });
  readonly member = (name: Name): Role => ({ type: 'backupImage', input: this.inputs[name], workflowId: serverWorkflowId(this.inputs[name].serverId) });

  /** Plays them in this order; says how each closed. */
  play(cast: readonly Role[], meanwhile?: (handles: readonly WorkflowHandle[]) => Promise<void>): Promise<readonly string[]> {
    const noted = (name: keyof Scripted, otherwise: (...args: never[]) => Promise<unknown>) => ({
      [name]: async (...args: never[]) => {
        this.log.push(`${name} ${(args[0] as unknown as BackupImageInput).serverName}`);
        return ((this.scripted[name] ?? otherwise) as typeof otherwise)(...args);
      },
    });
    return new Rehearsal(stage, {
      ...this.scripted,
      finishRun: async (runId, outcome) => void this.outcomes.set(runId, outcome),
      ...noted('prepareOnlineBackup', async (_input: never, _subject: never, basis: never) => basis),
      ...noted('beginOnlineBackup', async (_input: never, _subject: never, basis: { readonly parentId: string | null }) => ({
        pointInTime: new Date().toISOString(),
        consistency: 'filesystem',
        frozenMs: 120,
        note: null,
        since: basis.parentId,
        basis,
      })),
      publish: async ({ input }) => {
        this.log.push(`published ${input.serverName}`);
        return { recoveryPointId: input.recoveryPointId, serverId: input.serverId, repository: 'main', sizeBytes: 1024 };
      },
      ...noted('cancelOnlineBackup', async () => undefined),
      ...noted('discardStaged', async () => undefined),
      ...noted('releaseFence', async () => undefined),
    } as Scripted).playTogether(cast, meanwhile);
  }

  readonly ended = (name: Name): Promise<unknown> =>
    eventually(
      () => this.outcome(name),
      (outcome) => outcome !== undefined,
      30_000,
    );
  readonly outcome = (name: Name): RunOutcome | undefined => this.outcomes.get(this.inputs[name].runId);
  readonly did = (what: string): readonly string[] => this.log.filter((line) => line.startsWith(`${what} `));
  /** Nothing was frozen or published, and all that had been made was put back. */
  expectNothingOf(...names: readonly Name[]): void {
    for (const name of names) {
      expect(this.log).not.toContain(`beginOnlineBackup ${name}`);
      expect(this.log).not.toContain(`published ${name}`);
      expect(this.log.filter((line) => line === `releaseFence ${name}`)).toHaveLength(1);
    }
  }
}

const all = (rehearsal: SetRehearsal): readonly Role[] => [rehearsal.coordinator(), ...NAMES.map(rehearsal.member)];

/** Holds an activity, which goes on giving signs of life, until the test lets it go. */
class Gate {
  private isOpen = false;

  open(): void {
    this.isOpen = true;
  }

  async passed(): Promise<void> {
    await eventually(
      () => {
        Context.current().heartbeat();
        return this.isOpen;
      },
      (isOpen) => isOpen,
      60_000,
    );
  }
}

/** Waits until so many members have spoken to the workflow of the set. */
const heard = (coordinator: WorkflowHandle | undefined, signals: number): Promise<unknown> =>
  eventually(
    async () => (await coordinator?.fetchHistory())?.events?.filter(({ workflowExecutionSignaledEventAttributes: signal }) => signal != null).length,
    (count) => count === signals,
    20_000,
  );

describe('a backup set', () => {
  it('freezes nothing before the last server is ready, then all of them', async () => {
    const begunAt: number[] = [];
    const gate = new Gate();
    const rehearsal = new SetRehearsal({
      prepareOnlineBackup: async ({ serverName }, _subject, basis) => {
        // The slowest of them decides.
        if (serverName === 'b') await gate.passed();
        return basis;
      },
      beginOnlineBackup: async (_input, _subject, basis) => {
        begunAt.push(Date.now());
        return { pointInTime: new Date().toISOString(), consistency: 'filesystem', frozenMs: 1, note: null, since: basis?.parentId ?? null, basis };
      },
    });
    const closed = await rehearsal.play(all(rehearsal), async ([coordinator]) => {
      await heard(coordinator, 2);
      expect(rehearsal.did('beginOnlineBackup')).toEqual([]);
      gate.open();
    });
    expect(closed).toEqual(['COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED']);
    const order = rehearsal.log.filter((line) => /^(prepare|begin)/.test(line)).map((line) => line.split(' ')[0]);
    expect(order).toEqual([...NAMES.map(() => 'prepareOnlineBackup'), ...NAMES.map(() => 'beginOnlineBackup')]);
    expect(Math.max(...begunAt) - Math.min(...begunAt)).toBeLessThan(1_000);
    for (const name of NAMES) expect(rehearsal.outcome(name)).toMatchObject({ state: 'succeeded', recoveryPointId: rehearsal.inputs[name].recoveryPointId });
    expect(rehearsal.did('cancelOnlineBackup')).toEqual([]);
  });

  it('has the markers of each server read before they meet; a peer that cannot be asked holds nobody up', async () => {
    const read: string[] = [];
    const rehearsal = new SetRehearsal({
      readingJobs: async () => [jobFor('db02'), jobFor('db03')],
      readMarkers: async ({ target, specs }) => {
        if (target.serverName === 'db03') await failing('SERVER_GONE')();
        read.push(`read, ${rehearsal.did('beginOnlineBackup').length} begun`);
        return { read: specs.length, failed: 0 };
      },
    });
    expect(await rehearsal.play(all(rehearsal))).toEqual(['COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED']);
    expect(read).toEqual(Array(3).fill('read, 0 begun'));
    expect(rehearsal.did('published')).toHaveLength(3);
  });

  it('is not taken when one server fails before: the others put everything back at once, and say why', async () => {
    const rehearsal = new SetRehearsal({
      prepareOnlineBackup: async ({ serverName }, _subject, basis) => (serverName === 'c' ? failing('NOT_ENOUGH_SPACE', 'the repository is full')() : basis),
    });
    const startedAt = Date.now();
    expect(await rehearsal.play(all(rehearsal))).toEqual(['COMPLETED', 'FAILED', 'FAILED', 'FAILED']);
    expect(Date.now() - startedAt).toBeLessThan(60_000);
    expect(rehearsal.outcome('c')).toMatchObject({ state: 'failed', error: { code: 'NOT_ENOUGH_SPACE' } });
    for (const name of ['a', 'b'] as const) {
      expect(rehearsal.outcome(name)).toMatchObject({
        state: 'failed',
        error: {
          code: 'BACKUP_SET_INCOMPLETE',
          message: expect.stringContaining('c is not in it: the repository is full') as string,
          hint: expect.stringContaining(`modosu backup-set show ${rehearsal.set.setId}`) as string,
        },
      });
      expect(rehearsal.log).toContain(`discardStaged ${name}`);
      expect(rehearsal.log).toContain(`cancelOnlineBackup ${name}`);
    }
    rehearsal.expectNothingOf('a', 'b', 'c');
  });

  it('is not taken when a run cannot even begin', async () => {
    const rehearsal: SetRehearsal = new SetRehearsal({
      startRun: async (runId) => (runId === rehearsal.inputs.b.runId ? failing('FENCED_OFF', 'another run holds b')() : undefined),
    });
    expect(await rehearsal.play(all(rehearsal))).toEqual(['COMPLETED', 'FAILED', 'FAILED', 'FAILED']);
    expect(rehearsal.outcome('a')?.error?.message).toContain('b is not in it: another run holds b');
    rehearsal.expectNothingOf('a', 'c');
  });

  it('is not taken when one run is cancelled while it waits; one that is still at work hears it when it is ready', async () => {
    const gate = new Gate();
    const rehearsal = new SetRehearsal({
      prepareOnlineBackup: async ({ serverName }, _subject, basis) => {
        if (serverName === 'c') await gate.passed();
        return basis;
      },
    });
    const closed = await rehearsal.play(all(rehearsal), async ([coordinator, a]) => {
      await heard(coordinator, 2);
      await a?.cancel();
      await rehearsal.ended('b');
      expect(rehearsal.outcome('c')).toBeUndefined();
      gate.open();
    });
    expect(closed).toEqual(['COMPLETED', 'CANCELLED', 'FAILED', 'FAILED']);
    expect(rehearsal.outcome('a')).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    for (const name of ['b', 'c'] as const) {
      expect(rehearsal.outcome(name)).toMatchObject({ error: { code: 'BACKUP_SET_INCOMPLETE', message: expect.stringContaining('a is not in it') as string } });
    }
    rehearsal.expectNothingOf('a', 'b', 'c');
  });

  it('is given up at its deadline, and says who was missing', async () => {
    const rehearsal = new SetRehearsal({}, 3_000);
    const closed = await rehearsal.play([rehearsal.coordinator(), rehearsal.member('a'), rehearsal.member('b')]);
    expect(closed).toEqual(['COMPLETED', 'FAILED', 'FAILED']);
    expect(rehearsal.outcome('a')?.error).toMatchObject({
      code: 'BACKUP_SET_INCOMPLETE',
      message: expect.stringContaining(`c had not become ready by ${rehearsal.set.deadline}`) as string,
    });
    rehearsal.expectNothingOf('a', 'b');
  });

  it('tells one that is started late at once that nobody waits for it', async () => {
    const rehearsal = new SetRehearsal({
      examineForBackup: async ({ serverName }) => (serverName === 'a' ? failing('SERVER_HAS_NO_DISKS', 'a has no disks')() : SUBJECT),
    });
    const { workflowId, type, input } = rehearsal.member('c');
    const closed = await rehearsal.play([rehearsal.coordinator(), rehearsal.member('a'), rehearsal.member('b')], async ([coordinator]) => {
      await rehearsal.ended('b');
      expect((await coordinator?.describe())?.status.name).toBe('RUNNING');
      await coordinator?.client.start(type, { workflowId, taskQueue: CONTROL_TASK_QUEUE, args: [input] });
      await rehearsal.ended('c');
    });
    expect(closed).toEqual(['COMPLETED', 'FAILED', 'FAILED']);
    expect(rehearsal.outcome('c')?.error).toMatchObject({
      code: 'BACKUP_SET_INCOMPLETE',
      message: expect.stringContaining('a is not in it: a has no disks') as string,
    });
    rehearsal.expectNothingOf('b', 'c');
  });

  it('lets the others go on when one fails after all were frozen: their recovery points are ordinary ones', async () => {
    const rehearsal = new SetRehearsal({
      followOnlineBackup: async ({ serverName }) =>
        serverName === 'b' ? failing('BACKUP_JOB_LOST', 'its QEMU died')() : { virtualSizeBytes: { vda: 1, vdb: 1 } },
    });
    expect(await rehearsal.play(all(rehearsal))).toEqual(['COMPLETED', 'COMPLETED', 'FAILED', 'COMPLETED']);
    expect(rehearsal.outcome('b')).toMatchObject({ error: { code: 'BACKUP_JOB_LOST' } });
    expect(rehearsal.did('published')).toHaveLength(2);
  });

  it('whose workflow is terminated lets nobody wait for ever', async () => {
    // The runs have waited longer than they may, but for some seconds; their set has not.
    const rehearsal = new SetRehearsal({}, 8_000 - GRACE_MS);
    const patient = { ...rehearsal.coordinator(), input: { ...rehearsal.set, deadline: new Date(Date.now() + GRACE_MS).toISOString() } };
    const closed = await rehearsal.play([patient, rehearsal.member('a'), rehearsal.member('b')], async ([coordinator]) => {
      await heard(coordinator, 2);
      await coordinator?.terminate('somebody ends it');
    });
    expect(closed.slice(1)).toEqual(['FAILED', 'FAILED']);
    for (const name of ['a', 'b'] as const) {
      expect(rehearsal.outcome(name)?.error).toMatchObject({
        code: 'BACKUP_SET_INCOMPLETE',
        message: expect.stringContaining('nobody has said') as string,
      });
    }
    rehearsal.expectNothingOf('a', 'b');
  });

  it('whose workflow is not there when the deadline is over is not taken either', async () => {
    const rehearsal = new SetRehearsal({}, -1_000);
    expect(await rehearsal.play([rehearsal.member('a')])).toEqual(['FAILED']);
    expect(rehearsal.outcome('a')?.error).toMatchObject({ code: 'BACKUP_SET_INCOMPLETE', message: expect.stringContaining('does not run') as string });
    rehearsal.expectNothingOf('a');
  });

  it('whose workflow is cancelled sends everybody home', async () => {
    const rehearsal = new SetRehearsal();
    const closed = await rehearsal.play([rehearsal.coordinator(), rehearsal.member('a'), rehearsal.member('b')], async ([coordinator]) => {
      await heard(coordinator, 2);
      await coordinator?.cancel();
    });
    expect(closed).toEqual(['CANCELLED', 'FAILED', 'FAILED']);
    expect(rehearsal.outcome('a')?.error?.message).toContain('cancelled in Temporal');
    rehearsal.expectNothingOf('a', 'b');
  });

  it('whose member was terminated hears it from the clean-up', async () => {
    const rehearsal = new SetRehearsal();
    const cleanUp: Role = {
      type: 'cleanUpRun',
      input: { kind: 'backup-image', input: rehearsal.inputs.c },
      workflowId: serverWorkflowId(rehearsal.inputs.c.serverId),
    };
    expect(await rehearsal.play([rehearsal.coordinator(), rehearsal.member('a'), rehearsal.member('b'), cleanUp])).toEqual([
      'COMPLETED',
      'FAILED',
      'FAILED',
      'FAILED',
    ]);
    expect(rehearsal.outcome('a')?.error?.message).toContain('c is not in it: its workflow was ended in Temporal');
    rehearsal.expectNothingOf('a', 'b');
  });

  it('takes a server that is off at the same moment', async () => {
    const rehearsal = new SetRehearsal({
      examineForBackup: async ({ serverName }) => (serverName === 'a' ? { ...SUBJECT, mode: 'offline', powerState: 'off' } : SUBJECT),
      copyDiskToRepository: async ({ serverName }, disk) => {
        rehearsal.log.push(`copied ${serverName}`);
        return { ...COPIED, target: disk.target };
      },
    });
    expect(await rehearsal.play(all(rehearsal))).toEqual(['COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED']);
    const firstCopy = rehearsal.log.indexOf('copied a');
    expect(firstCopy).toBeGreaterThan(rehearsal.log.indexOf('prepareOnlineBackup b'));
    expect(firstCopy).toBeGreaterThan(rehearsal.log.indexOf('prepareOnlineBackup c'));
  });
});

const SUBJECT = {
  mode: 'online' as const,
  domainName: 'x',
  powerState: 'running' as const,
  agent: 'answering' as const,
  neededBytes: 1024,
  definitionFingerprint: 'f1',
  hasNvram: false,
  disks: [{ target: 'vda', path: '/srv/vm/vda.qcow2', format: 'qcow2' as const, flattened: false, allocatedBytes: 512 }],
};
const COPIED = {
  virtualSizeBytes: 1024,
  origin: { path: '/srv/vm/vda.qcow2', format: 'qcow2' as const, flattened: false },
  checksums: { sizeBytes: 512, sha256: 'b'.repeat(64), segmentSizeBytes: 16 },
};
