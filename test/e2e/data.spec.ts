import type { FilesDataSet } from '../../src/contracts/data';
import type { DataRestorePlanBody, RestorePlanBody, RestorePlanView } from '../../src/contracts/plan';
import type { DataRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import {
  breakBoot,
  checksumFiles,
  checksumRows,
  cutPower,
  guestExec,
  guestOutput,
  guestSql,
  macOf,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
} from '../guests/guest-server';
import { SHOP, UPLOADS } from '../support/e2e-data-sets';
import { E2eStack } from '../support/e2e-stack';
import { inFull } from '../support/thorough';

jest.setTimeout(1_200_000);

const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}data`;
const FILES: FilesDataSet = { ...UPLOADS, excludes: ['*.tmp'], before: ['touch', '/data/before'], after: ['touch', '/data/after'] };

/** The two scenarios of the mission, and their ways back, on one server with its system on one disk and files on another. */
describe('data of a server', () => {
  const stack = new E2eStack();
  let guest: GuestServer;
  let points: ReadonlyMap<string, DataRecoveryPointView>;
  const sh = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', script]);
  const sql = (statement: string): Promise<string> => guestSql(guest.uuid, statement);
  const exists = async (path: string): Promise<boolean> => (await guestExec(guest.uuid, ['test', '-e', path])).exitCode === 0;
  const bodyOf = (plan: RestorePlanView): DataRestorePlanBody => {
    if (plan.state !== 'ready' || plan.body?.scenario !== 'data') throw new Error(`no plan of data: ${JSON.stringify(plan)}`);
    return plan.body;
  };
  const succeeded = (run: RunView): RunView => {
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    return run;
  };
  const undone = async (runId: string): Promise<RunView> => succeeded(await stack.finished((await stack.undo(runId)).id));

  beforeAll(async () => {
    await stack.start();
    guest = await stack.addServer({
      name: NAME,
      guest: 'postgresql',
      dataDisk: { sizeBytes: 512 * 1024 * 1024, format: 'qcow2' },
      protection: { dataSets: [FILES, SHOP] },
    });
    await waitForAgent(guest.uuid, 120_000);
    await waitForPostgresql(guest.uuid, 120_000);
    // Its only NIC: restored in quarantine, it reaches the data repository over it.
    await stack.declare(NAME, { nics: [{ mac: await macOf(guest.uuid), role: 'backup' }] });
    await sh(
      'mkdir -p /data/uploads/2026 && cd /data/uploads && for i in 1 2 3; do head -c 30000 /dev/urandom > 2026/$i; done && echo first > note && echo junk > x.tmp && ln -s note link && chmod 640 note && chown 1000:1000 2026',
    );
  });
  afterAll(() => stack.close());

  it('is saved with a recovery point for each data set, and nothing stays in the guest', async () => {
    points = await stack.backupData(NAME);
    const uploads = points.get('uploads');
    const shop = points.get('shop');
    expect(uploads).toMatchObject({ state: 'usable', declared: FILES, content: { kind: 'files', paths: ['/data/uploads'], problems: [] } });
    expect(shop).toMatchObject({ state: 'usable', content: { kind: 'postgresql', engineMajor: 15, databases: [{ name: 'shop', tables: 2, rows: 5500 }] } });
    expect(await exists('/data/before')).toBe(true);
    expect(await exists('/data/after')).toBe(true);
    expect(await sh('ls /data/spool 2>/dev/null || true')).toBe('');
    await stack.expectOrder(await stack.run(uploads?.runId ?? ''));
  });

  it('files deleted by mistake come back into the running server; newer ones stay; undo and redo', async () => {
    const before = await checksumFiles(guest.uuid, '/data/uploads/2026');
    await sh('rm -r /data/uploads/2026 && echo newer > /data/uploads/note && echo new > /data/uploads/later');
    const plan = await stack.planData(NAME, 'uploads', { kind: 'files', paths: [], replace: false });
    const { changes, loss } = bodyOf(plan);
    expect(changes).toContainEqual(expect.objectContaining({ effect: 'added', what: 'files', count: 3 }));
    expect(changes).toContainEqual(expect.objectContaining({ effect: 'kept', count: 1, examples: ['/data/uploads/note'] }));
    expect(loss.seconds).toBeGreaterThan(0);
    const run = succeeded(await stack.finished((await stack.startRestore(plan)).id));
    expect(await checksumFiles(guest.uuid, '/data/uploads/2026')).toBe(before);
    expect(await sh('stat -c "%u:%g" /data/uploads/2026; cat /data/uploads/note /data/uploads/later')).toBe('1000:1000\nnewer\nnew\n');
    expect(run.recoverySeconds).toBeGreaterThan(0);
    expect(run.lostSeconds).toBe(loss.seconds);

    const undo = await undone(run.id);
    expect(await exists('/data/uploads/2026')).toBe(false);
    expect(await sh('cat /data/uploads/note')).toBe('newer\n');
    await undone(undo.id);
    expect(await checksumFiles(guest.uuid, '/data/uploads/2026')).toBe(before);
  });

  it('a mistyped path is refused, and damages no recovery point', async () => {
    const points = async (): Promise<readonly string[]> => (await stack.dataPoints(NAME)).map(({ id, state }) => `${id} ${state}`);
    const before = await points();
    const plan = await stack.planData(NAME, 'uploads', { kind: 'files', paths: ['/data/uploads/2O26'], replace: false });
    expect(plan).toMatchObject({
      state: 'failed',
      error: { code: 'DATA_NOT_IN_RECOVERY_POINT', message: expect.stringContaining('"/data/uploads/2O26"') as string },
    });
    expect(await points()).toEqual(before);
  });

  inFull('a file whose directories are gone comes back alone', async () => {
    await sh('mv /data/uploads/2026 /data/aside');
    const selection = { kind: 'files', paths: ['/data/uploads/2026/1'], replace: false } as const;
    expect(bodyOf(await stack.planData(NAME, 'uploads', selection)).changes).toContainEqual(
      expect.objectContaining({ effect: 'added', what: 'files', count: 1 }),
    );
    const run = succeeded(await stack.restoreData(NAME, 'uploads', selection));
    expect(await sh('ls /data/uploads/2026; stat -c %u:%g /data/uploads/2026; cmp /data/uploads/2026/1 /data/aside/1 && echo same')).toBe(
      '1\n1000:1000\nsame\n',
    );
    await undone(run.id);
    await sh('rm -rf /data/uploads/2026; mv /data/aside /data/uploads/2026');
  });

  it('files that were changed are replaced when that is asked for; what stood there is kept until confirm', async () => {
    await sh('echo spoilt > /data/uploads/2026/1; echo newest > /data/uploads/note');
    const run = succeeded(await stack.restoreData(NAME, 'uploads', { kind: 'files', paths: ['/data/uploads/note'], replace: true }));
    expect(await sh('cat /data/uploads/note; stat -c %a /data/uploads/note; cat /data/uploads/2026/1')).toBe('first\n640\nspoilt\n');
    expect(await sh('find /data -name ".modosu-restore-*" | wc -l')).not.toBe('0\n');
    const confirm = succeeded(await stack.finished((await stack.confirm(run.id)).id));
    await stack.expectOrder(confirm);
    expect(await sh(`find /data -name ".modosu-restore-${run.id}"`)).toBe('');
    expect(await sh('cat /data/uploads/note')).toBe('first\n');
  });

  it('a dropped table comes back; rows written since elsewhere survive', async () => {
    const orders = await sql('SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o');
    await sql("INSERT INTO customers SELECT n, 'New ' || n, 'Osaka' FROM generate_series(501, 520) AS n");
    await sql('DROP TABLE orders');
    const plan = await stack.planData(NAME, 'shop', {
      kind: 'postgresql',
      database: 'shop',
      tables: [{ schema: 'public', name: 'orders' }],
      schemas: [],
      whole: false,
      replace: false,
    });
    expect(bodyOf(plan).changes).toContainEqual(expect.objectContaining({ effect: 'added' }));
    const run = succeeded(await stack.finished((await stack.startRestore(plan)).id));
    expect(await sql('SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o')).toBe(orders);
    expect(await sql('SELECT count(*) FROM customers')).toBe('520\n');
    expect(await sql("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'orders'::regclass")).toBe('1\n');
    const undo = await undone(run.id);
    expect(await sql("SELECT to_regclass('public.orders') IS NULL")).toBe('t\n');
    await undone(undo.id);
    expect(await sql('SELECT md5(string_agg(o::text, chr(10) ORDER BY id)) FROM orders o')).toBe(orders);
  });

  inFull('a whole database goes back in time, by explicit choice; undo brings the newer rows back', async () => {
    await sql("INSERT INTO customers SELECT n, 'Newer ' || n, 'Kobe' FROM generate_series(801, 820) AS n");
    const rows = Number(await sql('SELECT count(*) FROM customers'));
    const now = await checksumRows(guest.uuid);
    const selection = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true } as const;
    const plan = await stack.planData(NAME, 'shop', selection);
    expect(bodyOf(plan).changes).toContainEqual(
      expect.objectContaining({ what: expect.stringContaining('customers') as string, rows: { now: rows, then: 500 } }),
    );
    const run = succeeded(await stack.finished((await stack.startRestore(plan)).id));
    expect(await sql('SELECT count(*) FROM customers')).toBe('500\n');
    const undo = await undone(run.id);
    expect(await checksumRows(guest.uuid)).toBe(now);
    succeeded(await stack.finished((await stack.confirm(undo.id)).id));
    expect(await sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")).toBe('postgres,shop\n');
  });

  it('the OS no longer starts: image, then data, in one runbook', async () => {
    await stack.backup(NAME, 'before the disaster', { mode: 'online', allowCrashConsistent: false });
    await sql("INSERT INTO customers SELECT n, 'After the image ' || n, 'Kyoto' FROM generate_series(600, 649) AS n");
    await sh('echo after the image > /data/uploads/after');
    await stack.backupData(NAME);
    const saved = await checksumRows(guest.uuid);
    const files = await checksumFiles(guest.uuid, '/data/uploads');
    await sql("INSERT INTO customers VALUES (700, 'Lost', 'Nagoya')");
    await cutPower(guest.uuid);
    await breakBoot(guest.systemDisk.path);
    await startGuest(guest.uuid);

    const plan = await stack.plan(NAME);
    const body = plan.body as RestorePlanBody;
    expect(plan).toMatchObject({ state: 'ready', body: { data: [{ item: { dataSet: { name: 'uploads' } } }, { item: { dataSet: { name: 'shop' } } }] } });
    expect(body.loss?.seconds).toBeGreaterThan(0);
    const run = succeeded(await stack.finished((await stack.startRestore(plan)).id));
    expect(await checksumRows(guest.uuid)).toBe(saved);
    expect(await checksumFiles(guest.uuid, '/data/uploads')).toBe(files);
    expect(run.lostSeconds).toBe(body.loss?.seconds);
    expect(await sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate")).toBe('postgres,shop\n');
    expect(await sh(`ls -d /data/spool/* 2>/dev/null; find /data -name '.modosu-restore-${run.id}'`)).toBe('');
    await stack.expectOrder(run);
  });
});
