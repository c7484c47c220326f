import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AlertView } from '../../src/contracts/alert';
import type { EstateStatus } from '../../src/contracts/protection-status';
import type { DataRecoveryPointView, ImageRecoveryPointView, RecoveryPointView } from '../../src/contracts/recovery-point';
import type { VerificationView } from '../../src/contracts/verification';
import { guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { sha256OfFile } from '../../src/system/files';
import { flipByte } from '../support/data-lab';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/** What lies in the repositories of a real guest's server is read again: whole, damaged, away. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-verification';
const DATA_SETS = [{ kind: 'files', name: 'app', paths: ['/opt/app'], excludes: [], before: null, after: null }] as const;
const CHECKS = [
  { kind: 'command', name: 'saved', argv: ['test', '-d', '/opt/app/files'], timeoutSeconds: 20 },
  { kind: 'tcp', name: 'port', host: '127.0.0.1', port: 9, timeoutSeconds: 5 },
] as const;
const stack = new E2eStack();
let guest: GuestServer;
let image: ImageRecoveryPointView;

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({
    name: NAME,
    guest: 'postgresql',
    protection: { dataSets: DATA_SETS, healthChecks: CHECKS },
  });
  await waitForAgent(guest.uuid, 120_000);
  await save('first');
  image = await stack.backup(NAME, 'baseline', { mode: 'online' });
});
afterAll(() => stack.close());

/** Puts a file into the guest, and saves it; gives the recovery point. */
async function save(file: string): Promise<string> {
  await guestOutput(guest.uuid, ['sh', '-c', `mkdir -p /opt/app/files && head -c 300000 /dev/urandom > /opt/app/files/${file} && sync`]);
  const run = await stack.finished((await stack.startDataBackup(NAME)).id);
  expect(run.state).toBe('succeeded');
  return run.recoveryPointId ?? '';
}

/** Every hour at the minute after the next. */
const soon = (): string => `${new Date(Date.now() + 90_000).getUTCMinutes()} * * * *`;

const point = async (id: string): Promise<RecoveryPointView> => (await stack.get<RecoveryPointView>(`/v1/recovery-points/${id}`)).body;
const all = async (query = ''): Promise<readonly VerificationView[]> =>
  (await stack.get<{ items: VerificationView[] }>(`/v1/verifications?server=${NAME}${query}`)).body.items;
const ended = (id: string): Promise<VerificationView> =>
  eventually(
    async () => (await stack.get<VerificationView>(`/v1/verifications/${id}`)).body,
    ({ finishedAt }) => finishedAt !== null,
    200_000,
  );
const verify = async (id: string): Promise<VerificationView> =>
  ended((await stack.post<VerificationView>(`/v1/recovery-points/${id}/verifications`, { reason: 'to know' })).body.id);
const diskOf = ({ serverId, id }: ImageRecoveryPointView): string => join(stack.repository, 'servers', serverId, id, 'disks', 'vda.qcow2');

it('nothing is verified that nobody asks for, and an image that is asked for is read whole', async () => {
  expect(await all()).toEqual([]);
  expect((await point(image.id)).verification.state).toBe('unverified');
  const passed = await verify(image.id);
  expect(passed).toMatchObject({ state: 'passed', kind: 'image', method: 'checksums', error: null });
  const stored = image.disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  expect([passed.doneBytes, passed.totalBytes]).toEqual([stored, stored]);
  expect((await point(image.id)).verification).toMatchObject({ state: 'verified', method: 'checksums', problem: null });
});

it('a byte that has changed is found, with its file and segment; nobody restores from it, people are told, and it is usable again once it is mended', async () => {
  flipByte(diskOf(image), 0.5);
  const failed = await verify(image.id);
  expect(failed).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT' } });
  expect(failed.error?.message).toMatch(/vda\.qcow2.*segment \d+/);
  expect(await point(image.id)).toMatchObject({ state: 'damaged', verification: { state: 'corrupt', problem: { message: failed.error?.message } } });
  const plan = await stack.post(`/v1/servers/${NAME}/restore-plans`, { scenario: 'server', recoveryPointId: image.id });
  expect(plan).toMatchObject({ status: 409, body: { code: 'RECOVERY_POINT_NOT_USABLE' } });
  await eventually(
    async () => (await stack.get<{ items: AlertView[] }>(`/v1/alerts?server=${NAME}&state=open`)).body.items,
    (alerts) => alerts.some(({ kind, message }) => kind === 'damaged' && message.includes(image.id)),
    60_000,
  );
  flipByte(diskOf(image), 0.5);
  expect((await verify(image.id)).state).toBe('passed');
  // The first byte of the header keeps the image from being looked at as one: that is damage, too.
  flipByte(diskOf(image), 0);
  expect(await verify(image.id)).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT' } });
  expect((await point(image.id)).state).toBe('damaged');
  flipByte(diskOf(image), 0);
  expect((await verify(image.id)).state).toBe('passed');
  expect(await point(image.id)).toMatchObject({ state: 'usable', verification: { state: 'verified' } });
  const ready = await stack.plan(NAME, image.id);
  expect(ready.state).toBe('ready');
});

it('an image is booted beside its server, without a network; it comes up, or people are told; its files stay as they were', async () => {
  const boot = async (): Promise<VerificationView> => {
    const { body } = await stack.post<VerificationView>(`/v1/servers/${NAME}/verifications`, { reason: 'does it come up?', method: 'boot' });
    return ended(body.id);
  };
  const trace = () => [statSync(diskOf(image)).mtimeMs, statSync(diskOf(image)).uid, statSync(diskOf(image)).mode];
  const before = trace();
  const sha256 = await sha256OfFile(diskOf(image));
  const passed = await boot();
  expect(passed).toMatchObject({ state: 'passed', method: 'boot', recoveryPointId: image.id, boot: { checks: [{ name: 'saved' }], notMade: ['port'] } });
  expect(passed.boot?.seconds).toBeGreaterThan(0);
  expect((await point(image.id)).verification.boot).toMatchObject({ state: 'passed', seconds: passed.boot?.seconds });
  expect([trace(), await sha256OfFile(diskOf(image))]).toEqual([before, sha256]);

  // What the image holds does not satisfy what is declared.
  await stack.declare(NAME, { healthChecks: [{ ...CHECKS[0], argv: ['test', '-d', '/nowhere'], timeoutSeconds: 2 }] });
  const failed = await boot();
  expect(failed).toMatchObject({ state: 'failed', error: { code: 'HEALTH_CHECK_FAILED' }, boot: null });
  expect(await point(image.id)).toMatchObject({ state: 'usable', verification: { boot: { state: 'failed', problem: { code: 'HEALTH_CHECK_FAILED' } } } });
  await stack.declare(NAME, { healthChecks: CHECKS });
  expect((await guestOutput(guest.uuid, ['echo', 'undisturbed'])).trim()).toBe('undisturbed');
  expect(readdirSync('/var/tmp').filter((name) => name.includes(failed.id) || name.includes(passed.id))).toEqual([]);
});

it('a repository that is away is unreachable, never damaged; what was known stays known', async () => {
  const away = `${stack.repository}.away`;
  renameSync(stack.repository, away);
  let ending: VerificationView;
  try {
    ending = await verify(image.id);
  } finally {
    renameSync(away, stack.repository);
  }
  expect(ending).toMatchObject({ state: 'not-run', error: { code: 'REPOSITORY_UNREACHABLE' } });
  expect(await point(image.id)).toMatchObject({
    state: 'usable',
    verification: { state: 'unreachable', method: 'checksums', problem: { code: 'REPOSITORY_UNREACHABLE' } },
  });
  expect((await verify(image.id)).state).toBe('passed');
});

it('a policy has all of it verified by itself: images by their checksums, data by its structure and a part of its bytes', async () => {
  const retention = { last: 3 };
  await stack.declarePolicy({
    name: 'yearly',
    image: { schedule: { cron: '0 0 1 1 *' }, retention },
    data: { schedule: { cron: '0 0 1 1 *' }, retention },
    verification: { withinHours: 1, everyDays: 1, boot: { cron: soon() } },
  });
  await stack.declare(NAME, { policy: 'yearly' });
  const newer = await stack.backup(NAME, 'second', { mode: 'online' });
  const asked = async () => (await all()).filter(({ requestedBy, method }) => requestedBy === 'schedule' && method !== 'boot');
  await eventually(asked, (some) => ['image', 'data'].every((kind) => some.some((one) => one.kind === kind && one.finishedAt !== null)), 200_000);
  expect((await point(newer.id)).verification.state).toBe('verified');
  const scheduled = await asked();
  expect(scheduled.map(({ kind, method, state, reason }) => `${kind} ${method} ${state} ${reason}`).toSorted()).toEqual([
    'data structure passed policy yearly',
    'image checksums passed policy yearly',
  ]);
  const { items } = (await stack.get<{ items: RecoveryPointView[] }>(`/v1/recovery-points?server=${NAME}`)).body;
  expect(items.map(({ kind, verification }) => `${kind} ${verification.state}`).toSorted()).toEqual(['data verified', 'image verified', 'image verified']);
  // It came not up the last time.
  expect((await stack.get<EstateStatus>('/v1/status')).body.servers[0]?.breaches).toMatchObject([{ code: 'BOOT_PROOF_FAILED' }]);
});

it('of data, the recovery points that need what is damaged are found by reading them; the others stay', async () => {
  const packs = join(stack.stateDirectory, 'data-repository', image.serverId, 'data');
  const files = (): readonly string[] =>
    readdirSync(packs, { recursive: true })
      .map((name) => join(packs, String(name)))
      .filter((path) => statSync(path).isFile());
  expect(existsSync(packs)).toBe(true);
  const before = new Set(files());
  const [whole] = (await stack.get<{ items: RecoveryPointView[] }>(`/v1/recovery-points?server=${NAME}`)).body.items.filter(({ kind }) => kind === 'data');
  const later = await save('second');
  const [pack] = files()
    .filter((path) => !before.has(path))
    .toSorted((a, b) => statSync(b).size - statSync(a).size);
  flipByte(pack ?? '', 0.3);
  const all = async (): Promise<VerificationView> =>
    ended((await stack.post<VerificationView>(`/v1/servers/${NAME}/verifications`, { reason: 'the storage made a noise' })).body.id);
  const failed = await all();
  expect(failed).toMatchObject({ state: 'failed', kind: 'data', recoveryPointId: null, error: { code: 'RECOVERY_POINT_CORRUPT' } });
  expect(failed.error?.message).toContain(`Damaged: ${later}.`);
  expect(await point(later)).toMatchObject({ state: 'damaged', verification: { state: 'corrupt' } });
  expect(await point(whole?.id ?? '')).toMatchObject({ state: 'usable', verification: { state: 'verified', method: 'checksums' } });
  flipByte(pack ?? '', 0.3);
  expect((await verify(later)).state).toBe('passed');
  expect((await all()).state).toBe('passed');

  // A snapshot that is gone: what is left is well, and it is missed all the same.
  const { snapshotId } = (await point(later)) as DataRecoveryPointView;
  const snapshot = join(stack.stateDirectory, 'data-repository', image.serverId, 'snapshots', snapshotId);
  renameSync(snapshot, `${stack.repository}.snapshot`);
  const missed = await all();
  expect(missed).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_INCOMPLETE', message: `1 recovery point(s) are missing: ${later}.` } });
  expect((await point(later)).state).toBe('damaged');
  expect((await point(whole?.id ?? '')).state).toBe('usable');
  renameSync(`${stack.repository}.snapshot`, snapshot);
  expect((await all()).state).toBe('passed');
  expect((await point(later)).state).toBe('usable');
});

it('a policy has the newest image booted at its time', async () => {
  const booted = await eventually(
    async () => (await all()).find(({ method, requestedBy, finishedAt }) => method === 'boot' && requestedBy === 'schedule' && finishedAt !== null),
    (one) => one !== undefined,
    200_000,
  );
  const { items } = (await stack.get<{ items: RecoveryPointView[] }>(`/v1/recovery-points?server=${NAME}`)).body;
  expect(booted).toMatchObject({ state: 'passed', recoveryPointId: items.find(({ kind }) => kind === 'image')?.id });
  const [server] = (await stack.get<EstateStatus>('/v1/status')).body.servers;
  expect(server).toMatchObject({ booted: { recoveryPointId: booted?.recoveryPointId }, breaches: [] });
});
