import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { OffsiteRepositoryView } from '../../src/contracts/offsite-copies';
import type { DataRecoveryPointView } from '../../src/contracts/recovery-point';
import { checksumRows, guestOutput, guestSql, waitForAgent, waitForPostgresql, type GuestServer } from '../guests/guest-server';
import { mustRun } from '../guests/run-program';
import { SHOP, UPLOADS } from '../support/e2e-data-sets';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

jest.setTimeout(1_200_000);
const NAME = `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}offsite-data`;
const ORDERS = { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false, replace: false } as const;

/** Data of a real guest lies on a disk that is carried away, and comes back from there after the storage of the data repositories was lost. */
describe('data on a medium that is taken away', () => {
  const stack = new E2eStack();
  let guest: GuestServer;
  let serverId: string;
  const [medium, vault] = [join(stack.directory, 'medium'), join(stack.directory, 'vault')];
  /** A file system of its own, which is seen in its place only while it is connected. */
  const connect = (): Promise<unknown> => mustRun('INTERNAL', 'mount', ['--bind', medium, vault]);
  const takeAway = (): Promise<unknown> => mustRun('INTERNAL', 'umount', [vault]);
  const sh = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', script]);
  /** Without what a restore keeps for its way back. */
  const contents = async (): Promise<string> =>
    `${await sh("cd /data/uploads && find . -type f -not -path './.modosu-restore-*' | sort | tr '\\n' '\\0' | xargs -0 -r sha256sum")}${await checksumRows(guest.uuid)}`;
  const offsite = async (): Promise<OffsiteRepositoryView> => (await stack.get<{ items: OffsiteRepositoryView[] }>('/v1/offsite')).body.items[0]!;
  const seen = (wanted: (view: OffsiteRepositoryView) => boolean): Promise<OffsiteRepositoryView> => eventually(offsite, wanted, 120_000);
  const copiesOf = (points: ReadonlyMap<string, DataRecoveryPointView>, state: string): Promise<unknown> =>
    eventually(
      async () => (await stack.dataPoints(NAME)).filter(({ id }) => [...points.values()].some((point) => point.id === id)),
      (now) => now.length === points.size && now.every(({ copies }) => copies?.[0]?.state === state),
      180_000,
    );
  let newest: ReadonlyMap<string, DataRecoveryPointView>;
  let was: string;

  beforeAll(async () => {
    for (const directory of [medium, vault]) mkdirSync(directory);
    await mustRun('INTERNAL', 'mount', ['-t', 'tmpfs', '-o', 'size=512m,mode=700', 'tmpfs', medium]);
    await connect();
    await stack.start();
    await stack.declareOffsite({ name: 'disk', location: vault, media: 'removable' });
    guest = await stack.addServer({
      name: NAME,
      guest: 'postgresql',
      dataDisk: { sizeBytes: 512 * 1024 * 1024, format: 'qcow2' },
      protection: { dataSets: [UPLOADS, SHOP] },
    });
    await waitForAgent(guest.uuid, 120_000);
    await waitForPostgresql(guest.uuid, 120_000);
    await sh('mkdir -p /data/uploads/2026 && cd /data/uploads && for i in 1 2 3; do head -c 30000 /dev/urandom > 2026/$i; done');
    await stack.declarePolicy({
      name: 'yearly',
      data: { schedule: { cron: '0 0 1 1 *' }, retention: { last: 5 } },
      verification: null,
      offsite: { repository: 'disk', retention: { last: 5 } },
    });
    await stack.declare(NAME, { policy: 'yearly' });
    serverId = (await stack.get<{ id: string }>(`/v1/servers/${NAME}`)).body.id;
  });
  afterAll(async () => {
    await stack.goDown();
    for (const place of [vault, medium]) await mustRun('INTERNAL', 'umount', [place]).catch(() => undefined);
    await stack.close();
  });

  it('is copied to it by itself; what is saved while it is away waits, and nothing has failed', async () => {
    await copiesOf(await stack.backupData(NAME), 'copied');
    await takeAway();
    await sh('echo later > /data/uploads/later');
    await guestSql(guest.uuid, 'INSERT INTO orders SELECT id + 100000, customer_id, ordered_on, item, quantity, price_cents FROM orders ORDER BY id LIMIT 20');
    was = await contents();
    newest = await stack.backupData(NAME);
    const away = await seen(({ askedForSince }) => askedForSince !== null);
    expect(away).toMatchObject({ state: 'offline', seenAt: expect.stringMatching(/Z$/) as string, copies: 2 });
    // One has found it away, the others were not tried then.
    const states = (await stack.dataPoints(NAME))
      .filter(({ id }) => [...newest.values()].some((point) => point.id === id))
      .flatMap(({ copies }) => copies ?? []);
    expect(states).toMatchObject([{ state: 'waiting', problem: { code: 'OFFSITE_OFFLINE' } }]);
    await connect();
    await copiesOf(newest, 'copied');
    expect(await offsite()).toMatchObject({ state: 'here', askedForSince: null, copies: 4 });
  });

  it('comes back into the running server after the storage of the data repositories was lost, once they were begun anew', async () => {
    rmSync(join(stack.stateDirectory, 'data-repository', serverId), { recursive: true });
    await sh('rm -r /data/uploads/2026 /data/uploads/later');
    await guestSql(guest.uuid, 'DROP TABLE orders');
    const refused = await stack.finished((await stack.startDataBackup(NAME)).id);
    expect(refused.error).toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE', hint: expect.stringContaining('data-repository renew') as string });

    const looked = await stack.cli(['data-repository', 'renew', '--all', '--dry-run']);
    expect(looked).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`${NAME}: is gone; would begin anew, without the 4 recovery points`) as string,
    });
    expect(looked.stderr).toContain('mount it instead');
    const renewed = await stack.cli(['data-repository', 'renew', '--server', NAME, '--reason', 'the storage burnt', '--output', 'json']);
    expect(JSON.parse(renewed.stdout)).toMatchObject({ isDryRun: false, servers: [{ server: NAME, presence: 'gone', renewed: true, problem: null }] });
    expect((await stack.dataPoints(NAME)).map(({ state }) => state)).toEqual(['damaged', 'damaged', 'damaged', 'damaged']);

    for (const [dataSet, selection] of [
      ['uploads', { kind: 'files', paths: [], replace: false }],
      ['shop', ORDERS],
    ] as const) {
      const plan = await stack.planData(NAME, dataSet, selection, { from: 'disk' });
      expect(plan).toMatchObject({ state: 'ready', error: null });
      expect(await stack.finished((await stack.startRestore(plan)).id)).toMatchObject({ state: 'succeeded', recoveryPointId: newest.get(dataSet)?.id });
    }
    expect(await contents()).toBe(was);
    expect((await stack.dataPoints(NAME)).find(({ id }) => id === newest.get('shop')?.id)).toMatchObject({ state: 'usable' });

    await copiesOf(await stack.backupData(NAME), 'copied');
    expect((await stack.verifyAudit()).intact).toBe(true);
  });
});
