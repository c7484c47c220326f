import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import type { FilesDataSet } from '../../src/contracts/data';
import { serverWorkflowId } from '../../src/contracts/ids';
import type { DataRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import {
  checksumRows,
  cutPower,
  domainState,
  guestOutput,
  guestSql,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
} from '../guests/guest-server';
import { runProgram } from '../guests/run-program';
import { must } from '../support/online-lab';
import { Gate } from '../support/activity-gate';
import { SHOP, UPLOADS as PLAIN_UPLOADS } from '../support/e2e-data-sets';
import { E2eStack } from '../support/e2e-stack';
import { GuestHold, type Held, type HoldAt } from '../support/guest-hold';
import { eventually } from '../support/up-process';

/**
 * Faults in the middle of work on data. The program that works in the guest is stopped there first (`GuestHold`), or the worker at the end of a step
 * (`Gate`): the moment is known, and nothing can come to its end before the fault. After each of them the order of `expectOrder`, and nothing of Modosu left
 * in the guest but the way back.
 */
jest.setTimeout(1_200_000);
const FULL = process.env['MODOSU_TEST_FULL'] === '1';
const slow = FULL ? it : it.skip;

const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}data-faults`;
const UPLOADS: FilesDataSet = { ...PLAIN_UPLOADS, before: ['touch', '/data/stopped'] };
const BLOB_BYTES = 12 * 1024 * 1024;
/** restic is held when it has come so far: it has read and sent some of it, and most is still to come. */
const MIDDLE_BYTES = 4 * 1024 * 1024;
const SMALL_FILES = 260;
const REPLACED = 40;
const ADDED = 200;
const SAVE = { program: 'restic', argument: ' backup ', counter: 'rchar', leastBytes: MIDDLE_BYTES } as const;
const FETCH = { program: 'restic', argument: ' restore ', counter: 'wchar', leastBytes: MIDDLE_BYTES } as const;

/** A file system of its own, to be filled. Room enough for everything that is saved here, and for what a backup wants free. */
const storage = join(mkdtempSync(join(tmpdir(), 'modosu-storage-')), 'data-repository');
const STORAGE_MIB = 768;
const gate = new Gate();
const stack = new E2eStack({ ...gate.env, MODOSU_DATA_DIR: storage }, 480_000);
let guest: GuestServer;
let hold: GuestHold;

const sh = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-euc', script], { timeoutMs: 120_000 });
const sql = (statement: string): Promise<string> => guestSql(guest.uuid, statement);
/** Names and contents, without what restores have put aside. */
const uploads = (): Promise<string> =>
  sh('cd /data/uploads; find . -name ".modosu-restore-*" -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum');
/** New bytes: the repository has none of them. */
const newBlob = (): Promise<string> => sh(`/usr/bin/head -c ${BLOB_BYTES} /dev/urandom > /data/uploads/blob; sync`);
const pointOf = async (runId: string): Promise<readonly DataRecoveryPointView[]> => (await stack.dataPoints(NAME)).filter((point) => point.runId === runId);

beforeAll(async () => {
  mkdirSync(storage);
  await must('mount', '-t', 'tmpfs', '-o', `size=${STORAGE_MIB}m,mode=0700`, 'tmpfs', storage);
  await stack.start();
  guest = await stack.addServer({
    name: NAME,
    guest: 'postgresql',
    memoryMiB: 384,
    dataDisk: { sizeBytes: 512 * 1024 * 1024, format: 'qcow2' },
    protection: { dataSets: [UPLOADS, SHOP] },
  });
  hold = new GuestHold(guest.uuid);
  await waitForAgent(guest.uuid, 120_000);
  await waitForPostgresql(guest.uuid, 120_000);
  await sh(`mkdir -p /data/uploads/many; cd /data/uploads/many; n=0; while [ $n -lt ${SMALL_FILES} ]; do echo $n > $n; n=$((n+1)); done`);
  await newBlob();
});
afterAll(async () => {
  gate.openAll();
  await stack.close();
  gate.close();
  await must('umount', storage);
  rmSync(join(storage, '..'), { recursive: true });
});

/** Waits for the step, and until the program stands in the middle of it. */
async function heldIn(runId: string, step: string, at: HoldAt): Promise<Held> {
  await eventually(
    () => stateOf(runId, step),
    (state) => state !== undefined && state !== 'pending',
    240_000,
  );
  await hold.watch(at);
  const held = await hold.held();
  expect(await stateOf(runId, step)).toBe('running');
  return held;
}

/** Starts to save the files, and comes back when restic stands in the middle of it. */
async function savingIsHeld(): Promise<{ readonly id: string; readonly held: Held }> {
  await newBlob();
  const { id } = await stack.startDataBackup(NAME, ['uploads']);
  const held = await heldIn(id, 'save:uploads', SAVE);
  expect(held.bytes).toBeLessThan(BLOB_BYTES);
  return { id, held };
}

/** The first test has made one, when it is not the only one that runs. */
const needPoint = async (): Promise<void> => {
  if ((await stack.dataPoints(NAME)).length === 0) await stack.backupData(NAME, ['uploads']);
};

/** Starts to bring back the blob, which was lost, and comes back when restic stands in the middle of it. */
async function fetchingIsHeld(): Promise<{ readonly id: string; readonly held: Held; readonly whole: string; readonly without: string }> {
  // Of what is there now: a run that was cancelled before has left bytes that nobody saved.
  await stack.backupData(NAME, ['uploads']);
  const whole = await uploads();
  await sh('rm /data/uploads/blob');
  const without = await uploads();
  const { id } = await stack.startRestore(await stack.planData(NAME, 'uploads', { kind: 'files', paths: [], replace: false }));
  const held = await heldIn(id, 'fetch', FETCH);
  expect(held.bytes).toBeLessThan(BLOB_BYTES);
  return { id, held, whole, without };
}

const stateOf = async (runId: string, key: string): Promise<string | undefined> => (await stack.run(runId)).steps.find((step) => step.key === key)?.state;

async function killWorker(): Promise<void> {
  const pid = stack.killPart('worker');
  await eventually(
    () => existsSync(`/proc/${pid}`),
    (alive) => !alive,
    10_000,
  );
}

async function succeeded(runId: string): Promise<RunView> {
  const run = await stack.finished(runId);
  expect(run).toMatchObject({ state: 'succeeded', error: null });
  return run;
}

const undone = async (runId: string): Promise<RunView> => succeeded((await stack.undo(runId)).id);
const confirmed = async (runId: string): Promise<RunView> => succeeded((await stack.confirm(runId)).id);

/** Nothing of a run is left in the guest: no program, no dump, no staging directory but those of open ways back. */
async function expectTidy(run: RunView): Promise<void> {
  expect(await sh('ps -eo comm,args | grep -E "^(restic|pg_dump|pg_restore|xargs) " || true')).toBe('');
  expect(await sh('ls -A /data/spool 2>/dev/null || true')).toBe('');
  const kept = (await stack.wayBacks(NAME, 'open')).map(({ runId }) => `.modosu-restore-${runId}`);
  const staging = (await sh('find /data -name ".modosu-restore-*" | sed "s,.*/,,"')).split('\n').filter((name) => name !== '');
  expect(staging.filter((name) => !kept.includes(name))).toEqual([]);
  await stack.expectOrder(run);
}

/** One whole recovery point of this run: what was saved comes back as it was. */
async function expectWhole(runId: string): Promise<void> {
  const points = await pointOf(runId);
  expect(points).toMatchObject([{ state: 'usable', dataSet: 'uploads' }]);
  const then = await uploads();
  await sh('rm -r /data/uploads/blob /data/uploads/many');
  const plan = await stack.planData(NAME, 'uploads', { kind: 'files', paths: [], replace: false }, { recoveryPointId: points[0]?.id });
  const run = await succeeded((await stack.startRestore(plan)).id);
  expect(await uploads()).toBe(then);
  await confirmed(run.id);
}

describe('in the middle of saving', () => {
  it('SIGKILL of the worker: the run goes on by itself, restic in the guest is ended and begun again', async () => {
    const { id, held } = await savingIsHeld();
    await killWorker();
    const run = await succeeded(id);
    expect(await hold.stateOf(held.pid)).toBe('');
    await expectWhole(id);
    await expectTidy(run);
  });

  slow('SIGKILL of restic in the guest: it is tried again', async () => {
    const { id, held } = await savingIsHeld();
    await hold.kill(held.pid);
    const run = await succeeded(id);
    await expectWhole(id);
    await expectTidy(run);
  });

  slow("SIGKILL of the data repository's server: restic goes on when it is back", async () => {
    const { id, held } = await savingIsHeld();
    const pid = stack.killPart('data');
    await stack.partCameBack('data', pid);
    await hold.goOn(held.pid);
    const run = await succeeded(id);
    await expectWhole(id);
    await expectTidy(run);
  });

  slow('power-off of the guest: nothing is published, and the run goes on when the guest is back', async () => {
    const { id } = await savingIsHeld();
    await cutPower(guest.uuid);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(await pointOf(id)).toEqual([]);
    expect((await stack.run(id)).state).toBe('running');
    await startGuest(guest.uuid);
    await waitForAgent(guest.uuid, 120_000);
    const run = await succeeded(id);
    await expectWhole(id);
    await expectTidy(run);
  });

  slow('power-off of the guest, and a cancel: it ends, and the server is free', async () => {
    const { id } = await savingIsHeld();
    await cutPower(guest.uuid);
    await eventually(
      () => domainState(guest.uuid),
      (state) => state === 'shut off',
      10_000,
    );
    const run = await stack.cancel(id);
    expect(run).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect(await pointOf(id)).toEqual([]);
    await stack.expectOrder(run);
    await startGuest(guest.uuid);
    await waitForAgent(guest.uuid, 120_000);
    await waitForPostgresql(guest.uuid, 120_000);
    await expectTidy(run);
  });
});

describe('in the middle of fetching', () => {
  it('SIGKILL of restic in the guest: it is tried again', async () => {
    const { id, held, whole } = await fetchingIsHeld();
    await hold.kill(held.pid);
    const run = await succeeded(id);
    expect(await uploads()).toBe(whole);
    await expectTidy(await confirmed(run.id));
  });

  it('the workflow is terminated in Temporal: the guest is as it was before', async () => {
    const { id, held, whole, without } = await fetchingIsHeld();
    const { temporalAddress, temporalNamespace: namespace } = JSON.parse(readFileSync(join(stack.stateDirectory, 'run', 'endpoints.json'), 'utf8')) as {
      readonly temporalAddress: string;
      readonly temporalNamespace: string;
    };
    const temporal = await Connection.connect({ address: temporalAddress });
    await temporal.workflowService.terminateWorkflowExecution({
      namespace,
      workflowExecution: { workflowId: serverWorkflowId((await stack.run(id)).serverId) },
      reason: 'somebody in the web UI',
    });
    await temporal.close();
    const run = await stack.finished(id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'RUN_ENDED_OUTSIDE', message: expect.stringContaining('as it was before') as string } });
    expect(await uploads()).toBe(without);
    await eventually(
      () => hold.stateOf(held.pid),
      (state) => state === '',
      60_000,
    );
    await expectTidy(run);

    const again = await succeeded((await stack.restoreData(NAME, 'uploads', { kind: 'files', paths: [], replace: false })).id);
    expect(await uploads()).toBe(whole);
    await confirmed(again.id);
  });
});

describe('while files are put in place', () => {
  it('SIGKILL of the worker, some are and some are not: all come to their place, and undo brings back what stood there', async () => {
    await needPoint();
    const then = await uploads();
    await sh(
      `cd /data/uploads/many; n=0; while [ $n -lt ${ADDED} ]; do rm $n; n=$((n+1)); done; while [ $n -lt ${ADDED + REPLACED} ]; do echo spoilt > $n; n=$((n+1)); done`,
    );
    const now = await uploads();
    const { id } = await stack.startRestore(await stack.planData(NAME, 'uploads', { kind: 'files', paths: [], replace: true }));
    const held = await heldIn(id, 'place', { program: 'xargs', argument: '--process-slot-var=MODOSU_RUN_' });
    const placed = Number(await sh('ls /data/uploads/many | wc -l')) - (SMALL_FILES - ADDED);
    expect(placed).toBeLessThan(ADDED);
    await killWorker();

    const run = await succeeded(id);
    expect(await hold.stateOf(held.pid)).toBe('');
    expect(await uploads()).toBe(then);
    await expectTidy(run);
    const undo = await undone(id);
    expect(await uploads()).toBe(now);
    const redo = await undone(undo.id);
    expect(await uploads()).toBe(then);
    await expectTidy(await confirmed(redo.id));
  });

  slow('SIGKILL of the worker when all are, and nobody has been told: the same', async () => {
    const then = await uploads();
    await sh('echo spoilt > /data/uploads/many/1; rm /data/uploads/many/2');
    const now = await uploads();
    gate.hold('placeData.after');
    const { id } = await stack.startRestore(await stack.planData(NAME, 'uploads', { kind: 'files', paths: [], replace: true }));
    await gate.reached('placeData.after', 240_000);
    expect(await uploads()).toBe(then);
    await killWorker();
    gate.openAll();
    await succeeded(id);
    expect(await uploads()).toBe(then);
    const undo = await undone(id);
    expect(await uploads()).toBe(now);
    await expectTidy(await confirmed((await undone(undo.id)).id));
  });
});

describe('while the data repository is full to its last block', () => {
  const filler = join(storage, 'filler');
  afterEach(() => rmSync(filler, { force: true }));

  slow('nothing is saved, which is said with numbers, and everything comes back: files, and a table', async () => {
    await stack.backupData(NAME);
    const [whole, orders, points] = [
      await uploads(),
      await sql('SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o'),
      await stack.dataPoints(NAME),
    ];
    expect(await runProgram('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('No space left on device') as string,
    });

    await sh('rm /data/stopped');
    const backup = await stack.finished((await stack.startDataBackup(NAME)).id);
    expect(await sh('ls /data/stopped 2>/dev/null || true')).toBe('');
    expect(backup).toMatchObject({ state: 'failed', error: { code: 'NOT_ENOUGH_SPACE', message: expect.stringContaining(storage) as string } });
    expect((await stack.dataPoints(NAME)).map(({ id }) => id)).toEqual(points.map(({ id }) => id));
    await expectTidy(backup);

    await sh('rm -r /data/uploads/blob /data/uploads/many');
    const files = await succeeded((await stack.restoreData(NAME, 'uploads', { kind: 'files', paths: [], replace: false })).id);
    expect(files.steps.find(({ key }) => key === 'safety')?.detail).toEqual({ notSaved: expect.stringMatching(/^NOT_ENOUGH_SPACE: /) as string });
    expect(await uploads()).toBe(whole);
    await sql('DROP TABLE orders');
    const table = await succeeded(
      (
        await stack.restoreData(NAME, 'shop', {
          kind: 'postgresql',
          database: 'shop',
          tables: [{ schema: 'public', name: 'orders' }],
          schemas: [],
          whole: false,
          replace: false,
        })
      ).id,
    );
    expect(await sql('SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o')).toBe(orders);
    for (const { id } of [files, table]) await expectTidy(await confirmed(id));

    rmSync(filler);
    expect((await stack.backupData(NAME)).size).toBe(2);
  });
});

describe('of a whole database', () => {
  const selection = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true } as const;
  const databases = (): Promise<string> => sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate");
  let then: string;
  let now: string;

  /** A recovery point, and rows that are newer. */
  const prepare = async (): Promise<void> => {
    then = await checksumRows(guest.uuid);
    await stack.backupData(NAME, ['shop']);
    await sql("INSERT INTO customers SELECT (SELECT max(id) FROM customers) + n, 'New ' || n, 'Osaka' FROM generate_series(1, 20) AS n");
    now = await checksumRows(guest.uuid);
  };
  const expectThenAndBack = async (id: string): Promise<void> => {
    const run = await succeeded(id);
    expect(await checksumRows(guest.uuid)).toBe(then);
    await expectTidy(run);
    const undo = await undone(id);
    expect(await checksumRows(guest.uuid)).toBe(now);
    await expectTidy(await confirmed(undo.id));
    expect(await databases()).toBe('postgres,shop\n');
  };

  slow('SIGKILL of the worker while the dump is loaded: it is loaded again, the live database is in use all the time', async () => {
    await prepare();
    const { id } = await stack.startRestore(await stack.planData(NAME, 'shop', selection));
    const held = await heldIn(id, 'load', { program: 'pg_restore', argument: 'dbname' });
    expect(await databases()).toMatch(/^postgres,restored_\w+,shop\n$/);
    await killWorker();
    expect(await checksumRows(guest.uuid)).toBe(now);
    await expectThenAndBack(id);
    expect(await hold.stateOf(held.pid)).toBe('');
  });

  slow('SIGKILL of the worker when the databases have been exchanged, and nobody has been told: they are not exchanged again', async () => {
    await prepare();
    gate.hold('placeData.after');
    const { id } = await stack.startRestore(await stack.planData(NAME, 'shop', selection));
    await gate.reached('placeData.after', 240_000);
    expect(await checksumRows(guest.uuid)).toBe(then);
    await killWorker();
    gate.openAll();
    await expectThenAndBack(id);
  });
});
