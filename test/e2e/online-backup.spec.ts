import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import { checksumFiles, domainState, guestExec, guestOutput, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { mustRun, virsh } from '../guests/run-program';
import { E2eStack } from '../support/e2e-stack';
import { eventually } from '../support/up-process';

/**
 * Online backups of a server that works meanwhile: two disks, one raw; what happens behind our back; storage that fills up. Copies are throttled, so that
 * there is a middle.
 */
jest.setTimeout(1_200_000);
const NAME = 'e2e-online';
const stack = new E2eStack({ MODOSU_COPY_RATE_LIMIT: String(24 * 1024 * 1024) });
let guest: GuestServer;

beforeAll(async () => {
  await stack.start();
  await stack.slowRepository();
  guest = await stack.addServer({ name: NAME, guest: 'minimal', start: false, cdrom: true, dataDisk: { sizeBytes: 400 * 1024 * 1024, format: 'raw' } });
  await fillDataDisk();
  await startGuest(guest.uuid);
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, ['sh', '-c', 'mkdir -p /opt/app; for dir in /opt/app /data; do head -c 3000000 /dev/urandom > $dir/random; done; sync']);
});
afterAll(() => stack.close());

/** A limit takes hold some moments after QEMU has begun to copy: only a disk with a few hundred MiB on it has a middle. */
async function fillDataDisk(): Promise<void> {
  const bulk = join(stack.directory, 'bulk');
  await writeFile(bulk, randomBytes(240 * 1024 * 1024));
  await mustRun('COPY_FAILED', 'debugfs', ['-w', '-R', `write ${bulk} bulk`, guest.dataDisk?.path ?? '']);
  await rm(bulk);
}
const both = async (): Promise<readonly string[]> => [await checksumFiles(guest.uuid, '/opt/app'), await checksumFiles(guest.uuid, '/data')];
/** Writes to both disks until it is told to stop; returns how often it did. */
const keepWriting = (): Promise<unknown> =>
  guestExec(guest.uuid, [
    'sh',
    '-c',
    'rm -f /tmp/stop; (n=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); head -c 200000 /dev/urandom > /data/busy.$((n%20)); echo $n > /opt/app/busy; sync; done) >/dev/null 2>&1 &',
  ]);
const stopWriting = (): Promise<string> => guestOutput(guest.uuid, ['sh', '-c', 'touch /tmp/stop; sleep 1; cat /opt/app/busy']);

let point: ImageRecoveryPointView;
let atPoint: readonly string[];

it('holds both disks as they were when the file systems were frozen, although the guest goes on writing to a slow target', async () => {
  atPoint = await both();
  const { id } = await stack.startBackup(NAME, 'busy', { mode: 'online' });
  const running = await stack.copyUnderWay(id, 'vdb');
  await keepWriting();
  expect(running.steps.find(({ key }) => key === 'begin')).toMatchObject({ state: 'succeeded', detail: { consistency: 'filesystem' } });
  const withRate = await eventually(
    () => stack.run(id),
    ({ steps }) =>
      steps.some(({ key, progress }) => key === 'copy:vdb' && progress !== null && progress.bytesPerSecond !== null && progress.secondsLeft !== null),
    60_000,
  );
  expect(withRate.state).toBe('running');

  const run = await stack.finished(id);

  expect(run.state).toBe('succeeded');
  expect(Number(await stopWriting())).toBeGreaterThan(3);
  expect(await domainState(guest.uuid)).toBe('running');
  [point] = (await stack.images(NAME)) as [ImageRecoveryPointView];
  expect(point.consistency).toBe('filesystem');
  await stack.expectOrder(run);
});

it('restores to exactly that', async () => {
  const run = await stack.restore(NAME);
  expect(run.state).toBe('succeeded');
  await waitForAgent(guest.uuid, 120_000);
  expect(await both()).toEqual(atPoint);
  await stack.expectOrder(run);
  await stack.finished((await stack.confirm(run.id)).id);
});

it('a disk added in mid-copy is not in it, and does no harm', async () => {
  const { id } = await stack.startBackup(NAME, 'disk added', { mode: 'online' });
  await stack.copyUnderWay(id, 'vdb');
  const added = join(guest.directory, 'added.qcow2');
  await mustRun('COPY_FAILED', 'qemu-img', ['create', '-q', '-f', 'qcow2', added, '16M']);
  await virsh(['attach-disk', guest.uuid, added, 'vdz', '--subdriver', 'qcow2', '--persistent']);
  const run = await stack.finished(id);
  await virsh(['detach-disk', guest.uuid, 'vdz', '--persistent']);
  expect(run.state).toBe('succeeded');
  expect((await stack.images(NAME))[0]?.disks.map(({ target }) => target)).toEqual(['vda', 'vdb']);
  await mustRun('COPY_FAILED', 'rm', [added]);
  await stack.expectOrder(run);
});

it.each([
  [
    'an external snapshot taken',
    async () =>
      virsh([
        'snapshot-create-as',
        guest.uuid,
        '--disk-only',
        '--no-metadata',
        '--diskspec',
        `vda,file=${join(guest.directory, 'behind.qcow2')}`,
        '--diskspec',
        'vdb,snapshot=no',
        '--diskspec',
        'sda,snapshot=no',
      ]),
  ],
  [
    'a disk added',
    async () => {
      await mustRun('COPY_FAILED', 'qemu-img', ['create', '-q', '-f', 'qcow2', join(guest.directory, 'behind.qcow2'), '16M']);
      return virsh(['attach-disk', guest.uuid, join(guest.directory, 'behind.qcow2'), 'vdz', '--subdriver', 'qcow2', '--persistent']);
    },
  ],
  ['the domain edited', async () => virsh(['setmem', guest.uuid, '200M', '--config'])],
] as const)('%s in the middle of a restore: refused before anything is replaced', async (what, meddle) => {
  const before = await virsh(['dumpxml', '--inactive', guest.uuid]);
  const { id } = await stack.startRestore(await stack.plan(NAME, point.id));
  await stack.copyUnderWay(id, 'vdb');
  await meddle();
  const run = await stack.finished(id);
  expect(run).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE' } });
  expect(await domainState(guest.uuid)).toBe('running');
  if (what === 'a disk added') await virsh(['detach-disk', guest.uuid, 'vdz', '--persistent']);
  if (what === 'an external snapshot taken') await virsh(['blockcommit', guest.uuid, 'vda', '--active', '--pivot', '--wait']);
  await mustRun('COPY_FAILED', 'rm', ['-f', join(guest.directory, 'behind.qcow2')]);
  const file = join(stack.directory, 'before.xml');
  await writeFile(file, before);
  await virsh(['define', file]);
  await stack.expectOrder(run);
});

it('a domain deleted in the middle of an online backup: the image is whole, the run says what is missing', async () => {
  const xml = await virsh(['dumpxml', '--inactive', '--security-info', guest.uuid]);
  const { id } = await stack.startBackup(NAME, 'undefined meanwhile', { mode: 'online' });
  await stack.copyUnderWay(id, 'vdb');
  await virsh(['undefine', guest.uuid]);
  const run = await stack.finished(id);
  const file = join(stack.directory, 'undefined.xml');
  await writeFile(file, xml);
  await virsh(['define', file]);
  expect(run.state === 'succeeded' || run.error?.code !== 'INTERNAL').toBe(true);
  expect(await domainState(guest.uuid)).toBe('running');
  await stack.expectOrder(run);
});

describe('without an agent that answers', () => {
  it('is refused with the hint that names the way out, and nothing has been done', async () => {
    const before = await virsh(['dumpxml', guest.uuid]);
    await guestExec(guest.uuid, ['sh', '-c', '(sleep 1; killall -STOP qemu-ga) >/dev/null 2>&1 &']);
    await eventually(
      async () => (await stack.get<{ inspection: { agent: { state: string } } }>(`/v1/servers/${NAME}`)).body.inspection.agent.state,
      (state) => state === 'silent',
      60_000,
    );
    const run = await stack.finished((await stack.startBackup(NAME, 'silent', { mode: 'online' })).id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'QUIESCE_FAILED', hint: expect.stringContaining('--allow-crash-consistent') as string } });
    expect(run.steps.map(({ key }) => key)).toEqual(['examine']);
    expect(await virsh(['dumpxml', guest.uuid])).toBe(before);
    await stack.expectOrder(run);
  });

  it('goes on with --allow-crash-consistent and says so in the recovery point', async () => {
    const run = await stack.finished((await stack.startBackup(NAME, 'crash', { mode: 'online', allowCrashConsistent: true })).id);
    expect(run.state).toBe('succeeded');
    expect((await stack.images(NAME))[0]?.consistency).toBe('crash');
    await stack.expectOrder(run);
  });
});
