import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import { checksumFiles, domainState, guestOutput, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { mustRun, virsh } from '../guests/run-program';
import { E2eStack } from '../support/e2e-stack';
import { askAgent } from '../support/hostile-agent';
import { seedOfThisRun, dice } from '../support/seed';
import { eventually } from '../support/up-process';

/**
 * One server through a history: backups that continue each other, with everything between them that breaks the line or must not. At the end every recovery point is
 * what the server was when it was taken. `npm run test:full` makes the history long.
 */
jest.setTimeout(1_200_000);
const NAME = 'e2e-incrementals';
const ROUNDS = process.env['MODOSU_TEST_FULL'] === '1' ? 16 : 3;
/** So many incrementals may follow a full. */
const LONGEST = 6;
const seed = seedOfThisRun();
const random = dice(seed);
const stack = new E2eStack();
let guest: GuestServer;

/** What a recovery point must show, written down in the guest right before it was taken. */
interface Shown {
  readonly point: ImageRecoveryPointView;
  /** Checksum by name of every file of the data disk. */
  readonly files: ReadonlyMap<string, string>;
  /** Checksum of a directory of the system disk. */
  readonly system: string;
}
const history: Shown[] = [];

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({ name: NAME, guest: 'minimal', dataDisk: { sizeBytes: 96 * 1024 * 1024, format: 'qcow2' } });
  await stack.declarePolicy({
    name: 'short-chains',
    image: { schedule: { cron: '0 3 29 2 *' }, retention: { last: 100 }, maxIncrements: LONGEST },
    verification: null,
  });
  await stack.declare(NAME, { policy: 'short-chains' });
  await waitForAgent(guest.uuid, 120_000);
  await inGuest('mkdir -p /opt/app; head -c 3000000 /dev/urandom > /opt/app/random; mount -o remount,discard /data; sync');
  await write();
});
afterAll(() => stack.close());

const inGuest = (script: string): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', script]);

/** Some files written anew, some overwritten in place, some deleted (and discarded on the disk). */
async function write(): Promise<void> {
  const scripts = Array.from({ length: 3 + random(4) }, () => {
    const name = `/data/file.${random(12)}`;
    const what = random(4);
    if (what === 0) return `rm -f ${name}`;
    if (what === 1) return `[ -e ${name} ] && dd if=/dev/urandom of=${name} bs=4096 seek=${random(200)} count=${1 + random(30)} conv=notrunc 2>/dev/null`;
    return `head -c ${1 + random(2_000_000)} /dev/urandom > ${name}`;
  });
  await inGuest(`${scripts.join('; ')}; head -c ${1 + random(100_000)} /dev/urandom > /opt/app/small; sync; sleep 1; sync`);
}

/** Takes an image and writes down what it must show. */
async function take(reason: string, options: { readonly allowCrashConsistent?: boolean } = {}): Promise<ImageRecoveryPointView> {
  const files = await filesInGuest();
  const system = await checksumFiles(guest.uuid, '/opt/app');
  const point = await stack.backup(NAME, reason, { mode: 'online', full: false, ...options });
  history.push({ point, files, system });
  return point;
}

async function filesInGuest(): Promise<ReadonlyMap<string, string>> {
  const lines = (await inGuest('cd /data; for f in file.*; do [ -e "$f" ] && sha256sum "$f"; done; true')).split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)] as const));
}

/** Of the data disk of a recovery point, read from its chain with QEMU and e2fsprogs alone. */
async function filesInImage({ serverId, id }: ImageRecoveryPointView): Promise<ReadonlyMap<string, string>> {
  const repository = createDirectoryImageRepository({ name: 'main', path: stack.repository });
  const { imagesOf } = await repository.open(serverId, id);
  const [raw, tree] = [join(stack.directory, 'plain.raw'), join(stack.directory, 'tree')];
  await rm(tree, { recursive: true, force: true });
  await mkdir(tree);
  const options = imagesOf('vdb').flatMap(({ path }, depth) => {
    const prefix = 'backing.'.repeat(depth);
    return [`${prefix}driver=qcow2`, `${prefix}file.driver=file`, `${prefix}file.filename=${path}`];
  });
  await mustRun('COPY_FAILED', 'qemu-img', ['convert', '--image-opts', '-O', 'raw', options.join(','), raw]);
  await mustRun('COPY_FAILED', 'debugfs', ['-R', `rdump / ${tree}`, raw]);
  const found = new Map<string, string>();
  for (const name of await readdir(tree)) {
    if (name.startsWith('file.')) {
      found.set(
        name,
        createHash('sha256')
          .update(await readFile(join(tree, name)))
          .digest('hex'),
      );
    }
  }
  await rm(raw);
  return found;
}

const stepOf = async ({ runId }: { readonly runId: string }, key: string) => (await stack.run(runId)).steps.find((step) => step.key === key);
const last = (): Shown => {
  const newest = history.at(-1);
  if (newest === undefined) throw new Error('nothing was taken yet');
  return newest;
};
const runOf = (point: ImageRecoveryPointView): Promise<RunView> => stack.run(point.runId);

it('the first image is whole, those after it hold what has changed', async () => {
  const full = await take('first');
  expect(full.parentId).toBeNull();
  expect((await stepOf(full, 'basis'))?.detail).toMatchObject({ fullBecause: expect.stringContaining('no usable recovery point yet') as string });
  for (let round = 0; round < ROUNDS; round += 1) {
    await write();
    const before = last().point;
    const point = await take(`round ${round}`);
    const isMerged = (round + 1) % (LONGEST + 1) === 0;
    expect(await stepOf(point, 'basis')).toMatchObject({ state: 'succeeded', detail: { [isMerged ? 'mergedWith' : 'incrementalOn']: before.id } });
    expect(point.parentId).toBe(isMerged ? null : before.id);
    if (!isMerged) expect(point.sizeBytes).toBeLessThan(full.sizeBytes / 2);
  }
  await stack.expectOrder(await runOf(last().point));
});

it('an agent that is away breaks no line', async () => {
  await write();
  const before = last().point;
  const files = await filesInGuest();
  const system = await checksumFiles(guest.uuid, '/opt/app');
  await inGuest('(sleep 1; killall -STOP qemu-ga; sleep 30; killall -CONT qemu-ga) >/dev/null 2>&1 &');
  await eventually(
    async () => (await askAgent(guest.uuid, 'guest-ping', 1)).exitCode,
    (exitCode) => exitCode !== 0,
    30_000,
  );
  const point = await stack.backup(NAME, 'no agent', { mode: 'online', full: false, allowCrashConsistent: true });
  history.push({ point, files, system });
  expect(point).toMatchObject({ parentId: before.id, consistency: 'crash' });
  await waitForAgent(guest.uuid, 120_000);
});

it('a backup that was cancelled leaves nothing that the next one builds on', async () => {
  await write();
  const before = last().point;
  const { id } = await stack.startBackup(NAME, 'cancelled', { mode: 'online', full: false });
  await stack.stepIs(id, 'begin', 'succeeded');
  const cancelled = await stack.cancel(id);
  await write();
  const point = await take('after the cancel');
  // It may have been too late to cancel it: then it is a recovery point like any other.
  expect([before.id, cancelled.recoveryPointId]).toContain(point.parentId);
  await stack.expectOrder(await runOf(point));
});

it('a worker that is killed while QEMU writes: the line goes on', async () => {
  await write();
  const before = last().point;
  const files = await filesInGuest();
  const system = await checksumFiles(guest.uuid, '/opt/app');
  const { id } = await stack.startBackup(NAME, 'a worker dies', { mode: 'online', full: false });
  await stack.stepIs(id, 'begin', 'succeeded');
  const killed = stack.killPart('worker');
  const run = await stack.finished(id);
  await stack.partCameBack('worker', killed);
  expect(run.state).toBe('succeeded');
  const [point] = await stack.images(NAME);
  if (point === undefined) throw new Error('there is no image');
  history.push({ point, files, system });
  expect(point.parentId).toBe(before.id);
});

it('a chain that is as long as it may be is made whole in the repository: the server is not read again', async () => {
  let point = last().point;
  for (let taken = 0; taken <= LONGEST && point.parentId !== null; taken += 1) {
    await write();
    point = await take(`until it is whole ${taken}`);
  }
  expect(point.parentId).toBeNull();
  expect((await stepOf(point, 'basis'))?.detail).toMatchObject({ mergedWith: expect.stringMatching(/^rp_/) as string });
  expect(await stepOf(point, 'merge:vdb')).toMatchObject({ state: 'succeeded' });
  await write();
  expect((await take('on what was merged')).parentId).toBe(point.id);
  await stack.expectOrder(await runOf(point));
});

it('a QEMU that is killed: the next image is whole, and says why', async () => {
  await write();
  const pid = Number(await readFile(`/run/libvirt/qemu/${NAME}.pid`, 'utf8'));
  process.kill(pid, 'SIGKILL');
  await eventually(
    () => domainState(guest.uuid),
    (state) => state === 'shut off',
    30_000,
  );
  await startGuest(guest.uuid);
  await waitForAgent(guest.uuid, 120_000);
  await inGuest('mount -o remount,discard /data; true');
  await write();
  const point = await take('after the death of QEMU');
  expect(point.parentId).toBeNull();
  expect((await stepOf(point, 'basis'))?.detail).toMatchObject({
    fullBecause: expect.stringMatching(/no checkpoint can be believed: .*bitmap/) as string,
  });
  await write();
  expect((await take('and on')).parentId).toBe(point.id);
});

it('back to the middle of a chain; its disks are new, and so is the line; undo brings the old line back, and it goes on', async () => {
  const middle = history[2];
  const newest = last();
  if (middle === undefined) throw new Error('the history is too short');
  await write();
  const plan = await stack.plan(NAME, middle.point.id);
  expect(plan).toMatchObject({ state: 'ready', body: { recoveryPoint: { reads: { recoveryPoints: 3 } } } });
  const restored = await stack.finished((await stack.startRestore(plan)).id);
  expect(restored.state).toBe('succeeded');
  await waitForAgent(guest.uuid, 120_000);
  expect(await filesInGuest()).toEqual(middle.files);
  expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(middle.system);
  // A server that went back in time and has no image of its new disks is due for one: the schedule takes it without being asked.
  const [whole] = await eventually(
    async () => (await stack.images(NAME)).filter(({ lineageId }) => lineageId !== newest.point.lineageId),
    (points) => points.length > 0,
    120_000,
  );
  if (whole === undefined) throw new Error('there is no image of the restored disks');
  expect(whole.parentId).toBeNull();
  expect((await stack.finished(whole.runId)).state).toBe('succeeded');
  history.push({ point: whole, files: middle.files, system: middle.system });
  const undone = await stack.finished((await stack.undo(restored.id)).id);
  expect(undone.state).toBe('succeeded');
  await waitForAgent(guest.uuid, 120_000);
  await write();
  const returned = await take('on the old disks again');
  expect(returned).toMatchObject({ parentId: newest.point.id, lineageId: newest.point.lineageId });
  await stack.expectOrder(await runOf(returned));
});

it('every recovery point shows what the server was when it was taken', async () => {
  for (const { point, files } of history) {
    expect(`${point.reason} (seed ${seed}): ${JSON.stringify([...(await filesInImage(point))].sort())}`).toBe(
      `${point.reason} (seed ${seed}): ${JSON.stringify([...files].sort())}`,
    );
  }
});

it('between backups libvirt knows of no checkpoint of ours: nothing keeps anybody from anything', async () => {
  expect((await virsh(['checkpoint-list', guest.uuid, '--name'])).trim()).toBe('');
});

it('a damaged parent is found, and takes with it what builds on it', async () => {
  const child = last().point;
  expect(child.parentId).not.toBeNull();
  const repository = createDirectoryImageRepository({ name: 'main', path: stack.repository });
  const { diskPath } = await repository.open(child.serverId, child.parentId ?? '');
  await mustRun('COPY_FAILED', 'dd', ['if=/dev/urandom', `of=${diskPath('vdb')}`, 'bs=512', 'seek=700', 'count=1', 'conv=notrunc']);
  const run = await stack.finished((await stack.startRestore(await stack.plan(NAME, child.id))).id);
  expect(run).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT', message: expect.stringContaining(child.parentId ?? '-') as string } });
  const states = new Map((await stack.images(NAME)).map(({ id, state }) => [id, state]));
  expect([states.get(child.parentId ?? ''), states.get(child.id)]).toEqual(['damaged', 'damaged']);
  expect(states.get(history[0]?.point.id ?? '')).toBe('usable');
  expect(await domainState(guest.uuid)).toBe('running');
});
