import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupSetMember, BackupSetView } from '../../src/contracts/backup-set';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { checksumFiles, domainState, guestExec, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { Gate } from '../support/activity-gate';
import { E2eStack } from '../support/e2e-stack';
import { askAgent } from '../support/hostile-agent';
import { eventually } from '../support/up-process';
import { inFull } from '../support/thorough';

/** Two servers that depend on each other, taken as a set: frozen together, or not at all. */
jest.setTimeout(1_200_000);
const [ONE, TWO] = ['e2e-set-one', 'e2e-set-two'] as const;
const gate = new Gate();
const stack = new E2eStack(gate.env);
let one: GuestServer;
let two: GuestServer;

beforeAll(async () => {
  await stack.start();
  one = await stack.addServer({ name: ONE, guest: 'minimal', dataDisk: { sizeBytes: 96 * 1024 * 1024, format: 'qcow2' } });
  two = await stack.addServer({ name: TWO, guest: 'minimal' });
  await stack.declareGroup('pair', [ONE, TWO]);
  await Promise.all([one, two].map(({ uuid }) => waitForAgent(uuid, 120_000)));
  for (const { uuid } of [one, two]) {
    await guestOutput(uuid, ['sh', '-c', 'mkdir -p /opt/app; head -c 2000000 /dev/urandom > /opt/app/random; sync']);
  }
});
afterAll(async () => {
  gate.openAll();
  await stack.close();
  gate.close();
});

const set = async (id: string): Promise<BackupSetView> => (await stack.get<BackupSetView>(`/v1/backup-sets/${id}`)).body;
const ended = (id: string): Promise<BackupSetView> =>
  eventually(
    () => set(id),
    ({ state }) => state !== 'running',
    180_000,
  );
const begin = async (reason: string): Promise<string> => {
  const answer = await stack.post<BackupSetView>('/v1/groups/pair/backups', { reason });
  expect(answer.status).toBe(202);
  return answer.body.id;
};
const take = async (reason: string): Promise<BackupSetView> => ended(await begin(reason));
const manifestOf = async ({ serverId, recoveryPointId }: BackupSetMember): Promise<ImageManifest> =>
  JSON.parse(await readFile(join(stack.repository, 'servers', serverId, recoveryPointId ?? '', 'manifest.json'), 'utf8')) as ImageManifest;

let contents: string;

it('both images are whole, and the spread that is recorded is that of their manifests', async () => {
  contents = await checksumFiles(two.uuid, '/opt/app');
  const taken = await take('before the migration');
  expect(taken).toMatchObject({
    state: 'complete',
    members: [
      { serverName: ONE, consistency: 'filesystem' },
      { serverName: TWO, consistency: 'filesystem' },
    ],
  });
  const manifests = await Promise.all(taken.members.map(manifestOf));
  const moments = manifests.map(({ pointInTime }) => Date.parse(pointInTime));
  expect(manifests).toMatchObject([
    { version: 5, setId: taken.id },
    { version: 5, setId: taken.id },
  ]);
  expect(taken.members.map(({ pointInTime }) => pointInTime)).toEqual(manifests.map(({ pointInTime }) => pointInTime));
  expect(taken.spreadMs).toBe(Math.max(...moments) - Math.min(...moments));
  // Emulated guests on a busy machine freeze within a second or two; minutes lie between backups that nobody coordinates.
  expect(taken.spreadMs).toBeLessThan(10_000);
  for (const { runId } of taken.members) await stack.expectOrder(await stack.run(runId));
  console.info(`the points in time of the two servers lie ${taken.spreadMs} ms apart`);
});

it('the next set holds only what has changed', async () => {
  await guestOutput(one.uuid, ['sh', '-c', 'echo changed > /opt/app/small; sync']);
  contents = await checksumFiles(two.uuid, '/opt/app');
  const taken = await take('once more');
  expect(taken.state).toBe('complete');
  const manifests = await Promise.all(taken.members.map(manifestOf));
  for (const manifest of manifests) {
    expect(manifest).toMatchObject({ version: 6, setId: taken.id });
    expect(manifest.parentId).not.toBeNull();
  }
});

inFull('a recovery point of a set restores as any other', async () => {
  const run = await stack.restore(TWO);
  expect(run.state).toBe('succeeded');
  await waitForAgent(two.uuid, 120_000);
  expect(await checksumFiles(two.uuid, '/opt/app')).toBe(contents);
  await stack.finished((await stack.confirm(run.id)).id);
});

it('a worker that is killed when all are ready, before anything is frozen: the next one takes the set, as close together', async () => {
  gate.hold('beginOnlineBackup.before');
  const id = await begin('its worker dies');
  // All of them: one that is begun a moment later goes to the next worker at once, while those that this one had wait until their heartbeats are missed.
  for (const { runId } of (await set(id)).members) await gate.reached('beginOnlineBackup.before', 120_000, runId);
  const pid = stack.killPart('worker');
  await eventually(
    () => existsSync(`/proc/${pid}`),
    (alive) => !alive,
    10_000,
  );
  const diedAt = Date.now();
  gate.open('beginOnlineBackup.before');
  const taken = await ended(id);
  expect(taken).toMatchObject({
    state: 'complete',
    members: [
      { serverName: ONE, consistency: 'filesystem' },
      { serverName: TWO, consistency: 'filesystem' },
    ],
  });
  for (const { pointInTime } of taken.members) expect(Date.parse(pointInTime ?? '')).toBeGreaterThan(diedAt);
  expect(taken.spreadMs).toBeLessThan(10_000);
  for (const { runId } of taken.members) await stack.expectOrder(await stack.run(runId));
});

it('a server whose agent does not answer fails the set: nothing is published, and the other server is as it was', async () => {
  const before = (await stack.images(ONE)).length + (await stack.images(TWO)).length;
  await guestExec(two.uuid, ['sh', '-c', '(sleep 1; killall -STOP qemu-ga) >/dev/null 2>&1 &']);
  await eventually(
    async () => (await askAgent(two.uuid, 'guest-ping', 1)).exitCode,
    (exitCode) => exitCode !== 0,
    30_000,
  );
  const failed = await take('one is silent');
  expect(failed).toMatchObject({
    state: 'failed',
    spreadMs: null,
    members: [
      { serverName: ONE, runState: 'failed', error: { code: 'BACKUP_SET_INCOMPLETE', message: expect.stringContaining(`${TWO} is not in it`) as string } },
      { serverName: TWO, runState: 'failed', error: { code: expect.stringMatching(/^(QUIESCE_FAILED|AGENT_SILENT)$/) as string } },
    ],
  });
  expect((await stack.images(ONE)).length + (await stack.images(TWO)).length).toBe(before);
  expect(await domainState(one.uuid)).toBe('running');
  expect(await guestOutput(one.uuid, ['sh', '-c', 'echo it writes > /opt/app/after; sync; cat /opt/app/after'])).toContain('it writes');
  await stack.expectOrder(await stack.run(failed.members[0]?.runId ?? ''));
});
