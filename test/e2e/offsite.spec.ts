import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerView } from '../../src/contracts/server';
import type { RebuildReport } from '../../src/contracts/catalog-copy';
import type { RestorePlanView } from '../../src/contracts/plan';
import type { OffsiteRepositoryView, TransferView } from '../../src/contracts/offsite-copies';
import type { EstateStatus, ServerProtection } from '../../src/contracts/protection-status';
import type { ImageRecoveryPointView, RecoveryPointView } from '../../src/contracts/recovery-point';
import { guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { flipByte } from '../support/data-lab';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/** An image of a real guest lies in a second place by itself, and comes back from there when the first one has lost it. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-offsite';
const stack = new E2eStack({ MODOSU_CATALOG_OFFSITE_COPY_SECONDS: '1' });
let guest: GuestServer;
let image: ImageRecoveryPointView;
let sum: string;

beforeAll(async () => {
  await stack.start();
  mkdirSync(vault());
  await stack.declareOffsite({ name: 'vault', location: vault() });
  guest = await stack.addServer({ name: NAME, guest: 'minimal' });
  await waitForAgent(guest.uuid, 120_000);
  sum = await checksum('head -c 300000 /dev/urandom > /root/kept && sync');
  await stack.declarePolicy({
    name: 'weekly',
    image: { schedule: { every: 'week', on: ['sunday'], at: '01:00' }, retention: { last: 3 } },
    verification: null,
    offsite: { repository: 'vault', retention: { last: 2 } },
  });
  await stack.declare(NAME, { policy: 'weekly' });
});
afterAll(() => stack.close());

const vault = (): string => join(stack.directory, 'vault');
/** Of a file in the guest. */
const checksum = async (before = 'true'): Promise<string> => (await guestOutput(guest.uuid, ['sh', '-c', `${before} && sha256sum /root/kept`])).trim();
const point = async (): Promise<RecoveryPointView> => (await stack.get<RecoveryPointView>(`/v1/recovery-points/${image.id}`)).body;
const published = (): string => join(stack.repository, 'servers', image.serverId, image.id);
const protection = async (): Promise<ServerProtection> => (await stack.get<EstateStatus>('/v1/status')).body.servers[0]!;

it('is copied by itself, and its server is not protected on site only any more', async () => {
  image = await stack.backup(NAME, 'baseline', { mode: 'online' });
  expect((await protection()).isOnSiteOnly).toBe(true);
  const copied = await eventually(
    async () => (await point()).copies ?? [],
    (copies) => copies.some(({ state }) => state === 'copied'),
    120_000,
  );
  expect(copied).toMatchObject([{ offsite: 'vault', state: 'copied', problem: null }]);
  expect(await protection()).toMatchObject({ offsite: 'vault', isOnSiteOnly: false });
  const { items } = (await stack.get<{ items: OffsiteRepositoryView[] }>('/v1/offsite')).body;
  expect(items).toMatchObject([{ name: 'vault', state: 'here', copies: 1 }]);
  expect((await stack.cli(['status'])).stdout).toMatch(/e2e-offsite +weekly +image .* \d{4}-/);
});

it('that was damaged is fetched, and usable again', async () => {
  flipByte(join(published(), 'disks', 'vda.qcow2'), 0.5);
  const { body } = await stack.post<{ id: string }>(`/v1/recovery-points/${image.id}/verifications`, { reason: 'to know' });
  await eventually(point, ({ state }) => state === 'damaged', 60_000);
  expect(body.id).toMatch(/^vrf_/);
  const fetched = await stack.cli(['recovery-point', 'fetch', image.id, '--from', 'vault', '--reason', 'a bad sector', '--wait', '-o', 'json']);
  expect(fetched.exitCode).toBe(0);
  expect(JSON.parse(fetched.stdout)).toMatchObject({ kind: 'fetch', state: 'succeeded', error: null });
  expect(await point()).toMatchObject({ state: 'usable', verification: { state: 'verified' } });
});

it('that is gone with all of its repository comes back by the plan of a restore, and the server with it', async () => {
  rmSync(published(), { recursive: true });
  await guestOutput(guest.uuid, ['sh', '-c', 'rm /root/kept && sync']);
  const asked = await stack.post<RestorePlanView>(`/v1/servers/${NAME}/restore-plans`, { scenario: 'server', from: 'vault' });
  expect(asked.status).toBe(202);
  const plan = await stack.planned(asked.body.id);
  expect(plan).toMatchObject({ state: 'ready', error: null });
  expect(existsSync(published())).toBe(true);
  const { items } = (await stack.get<{ items: TransferView[] }>(`/v1/offsite/transfers?server=${NAME}&state=succeeded`)).body;
  expect(items.map(({ kind }) => kind)).toEqual(['fetch', 'fetch', 'copy']);
  const run = await stack.finished((await stack.startRestore(plan)).id);
  expect(run).toMatchObject({ state: 'succeeded', recoveryPointId: image.id });
  await waitForAgent(guest.uuid, 120_000);
  expect(await checksum()).toBe(sum);
  expect((await stack.verifyAudit()).intact).toBe(true);
});

it('brings everything back when the machine of the restore system and the image repository are lost together: the recovery key and the off-site repository are enough', async () => {
  const keyFile = join(stack.directory, 'recovery-key');
  writeFileSync(keyFile, (await stack.cli(['catalog', 'key'])).stdout, { mode: 0o600 });
  const copies = async (): Promise<readonly { readonly copy: string }[]> => {
    const { exitCode, stdout } = await stack.cli(['catalog', 'copies', '--offsite', vault(), '--key-file', keyFile, '--output', 'json']);
    return exitCode === 0 ? (JSON.parse(stdout) as readonly { readonly copy: string }[]) : [];
  };
  await eventually(copies, (found) => found.length > 0, 60_000);
  const copied = await stack.cli(['catalog', 'copy', '--output', 'json']);
  expect(JSON.parse(copied.stdout)).toMatchObject({
    copies: [
      { kind: 'image', name: 'main' },
      { kind: 'offsite', name: 'vault' },
    ],
    problems: [],
  });
  const before = (await stack.get<ServerView>(`/v1/servers/${NAME}`)).body;
  await stack.loseEverything();
  stack.loseRepository();

  const rebuilt = await stack.cli(['catalog', 'rebuild', '--offsite', vault(), '--key-file', keyFile, '--output', 'json']);
  expect(rebuilt.stderr).not.toContain('Error');
  const report = JSON.parse(rebuilt.stdout) as RebuildReport;
  expect(report).toMatchObject({
    copy: { repository: vault() },
    rows: { server: 1, policy: 1, offsite_repository: 1, offsite_copy: 1 },
    audit: { intact: true },
  });
  expect(report.notLooked).toContainEqual({ where: 'image repository main', what: expect.stringContaining('REPOSITORY_UNREACHABLE') as string });
  expect(rebuilt.exitCode).toBe(1);
  const { id, uuid, policy } = before;
  expect((await stack.get<ServerView>(`/v1/servers/${NAME}`)).body).toMatchObject({ id, uuid, policy });

  await stack.replaceRepository('new-repository');
  await guestOutput(guest.uuid, ['sh', '-c', 'rm /root/kept && sync']);
  const asked = await stack.post<RestorePlanView>(`/v1/servers/${NAME}/restore-plans`, { scenario: 'server', from: 'vault' });
  const plan = await stack.planned(asked.body.id);
  expect(plan).toMatchObject({ state: 'ready', error: null });
  expect(existsSync(published())).toBe(true);
  await expect(stack.finished((await stack.startRestore(plan)).id)).resolves.toMatchObject({ state: 'succeeded', recoveryPointId: image.id });
  await waitForAgent(guest.uuid, 120_000);
  expect(await checksum()).toBe(sum);
});
