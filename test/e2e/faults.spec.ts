import { existsSync, readdirSync, renameSync } from 'node:fs';
import { open, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { checksumFiles, domainState, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { mustRun, virsh } from '../guests/run-program';
import { E2eStack, type Problem } from '../support/e2e-stack';
import { eventually } from '../support/up-process';
import { inFull } from '../support/thorough';

/**
 * Faults caused for real, at a moment that is proven to have been reached: copies are throttled, so that there is a middle. After each of
 * them the same order must hold (`expectOrder`).
 */
jest.setTimeout(1_200_000);
const NAME = 'e2e-faults';
const stack = new E2eStack({ MODOSU_COPY_RATE_LIMIT: String(8 * 1024 * 1024) });
let guest: GuestServer;
let files: string;
let point: ImageRecoveryPointView;

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({ name: NAME, guest: 'minimal', agentTimeoutSeconds: 120 });
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, ['sh', '-c', 'mkdir -p /opt/app && head -c 8000000 /dev/urandom > /opt/app/random && sync']);
  files = await checksumFiles(guest.uuid, '/opt/app');
});
afterAll(() => stack.close());

const attempts = (run: RunView, key: string): string | undefined => run.steps.find((step) => step.key === key)?.state;
const activeDisk = async (): Promise<string> => /<source file='([^']+)'/.exec(await virsh(['dumpxml', guest.uuid]))?.[1] ?? '';
const expectSameGuest = async (): Promise<void> => {
  await waitForAgent(guest.uuid, 180_000);
  expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(files);
};

describe('an offline backup', () => {
  it('cancelled while the guest is being shut down: the server runs on', async () => {
    const { id } = await stack.startBackup(NAME, 'cancelled early');
    await stack.stepIs(id, 'stop', 'running');
    const run = await stack.cancel(id);
    expect(run).toMatchObject({ state: 'cancelled', error: { code: 'RUN_CANCELLED' } });
    expect(await domainState(guest.uuid)).toBe('running');
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('cancelled in the middle of the copy: nothing is left, the server is started again', async () => {
    const { id } = await stack.startBackup(NAME, 'cancelled');
    await stack.copyUnderWay(id, 'vda');
    expect(await stack.copies()).toHaveLength(1);
    const run = await stack.cancel(id);
    expect(run.state).toBe('cancelled');
    expect(attempts(run, 'power')).toBe('skipped');
    expect(await domainState(guest.uuid)).toBe('running');
    expect(await stack.images(NAME)).toEqual([]);
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('goes on after SIGKILL of the worker in the middle of the copy, and no copying process survives it', async () => {
    const { id } = await stack.startBackup(NAME, 'worker killed');
    await stack.copyUnderWay(id, 'vda');
    const [copy] = await stack.copies();
    expect(copy).toBeDefined();
    stack.killPart('worker');
    await eventually(
      () => existsSync(`/proc/${copy}`),
      (alive) => !alive,
      5_000,
    );
    const run = await stack.finished(id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    point = (await stack.images(NAME))[0] as ImageRecoveryPointView;
    expect(point.runId).toBe(id);
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('fails cleanly when the repository vanishes in the middle of the copy, and the server is started again', async () => {
    const { id } = await stack.startBackup(NAME, 'repository gone');
    await stack.copyUnderWay(id, 'vda');
    const aside = `${stack.repository}.unmounted`;
    renameSync(stack.repository, aside);
    const failing = stack.finished(id);
    try {
      await eventually(
        () => stack.run(id),
        (seen) => seen.steps.some(({ key, state }) => key === 'copy:vda' && state === 'failed'),
        180_000,
      );
    } finally {
      renameSync(aside, stack.repository);
    }
    const run = await failing;
    expect(run).toMatchObject({ state: 'failed', error: { code: 'REPOSITORY_UNREACHABLE' } });
    expect(await domainState(guest.uuid)).toBe('running');
    await expectSameGuest();
    await stack.expectOrder(run);
  });
});

describe('a restore', () => {
  it('cancelled in the middle of the copy: the server has not even been stopped', async () => {
    const before = await activeDisk();
    const { id } = await stack.startRestore(await stack.plan(NAME, point.id));
    await stack.copyUnderWay(id, 'vda');
    expect(await stack.copies()).toHaveLength(1);
    const run = await stack.cancel(id);
    expect(run.state).toBe('cancelled');
    expect(await activeDisk()).toBe(before);
    expect(attempts(run, 'stop')).toBe('skipped');
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('cancelled while the restored guest boots: the old volumes and the old definition are back', async () => {
    const before = await activeDisk();
    const { id } = await stack.startRestore(await stack.plan(NAME, point.id));
    await stack.stepIs(id, 'agent', 'running');
    expect(await activeDisk()).not.toBe(before);
    const run = await stack.cancel(id);
    expect(run.state).toBe('cancelled');
    expect(attempts(run, 'swap')).toBe('undone');
    expect(await activeDisk()).toBe(before);
    expect(await domainState(guest.uuid)).toBe('running');
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  inFull('goes on after SIGKILL of the worker in the middle of the copy, and after SIGKILL of the API', async () => {
    await guestOutput(guest.uuid, ['sh', '-c', 'echo later > /opt/app/later; sync']);
    const { id } = await stack.startRestore(await stack.plan(NAME, point.id));
    await stack.copyUnderWay(id, 'vda');
    const [copy] = await stack.copies();
    stack.killPart('worker');
    stack.killPart('api');
    await eventually(
      () => existsSync(`/proc/${copy}`),
      (alive) => !alive,
      5_000,
    );
    await eventually(
      () => stack.run(id).catch(() => null),
      (run) => run !== null,
      60_000,
    );
    const run = await stack.finished(id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await activeDisk()).toMatch(new RegExp(`\\.${id}$`));
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('goes on after SIGKILL of Temporal and of PostgreSQL in the middle of the copy', async () => {
    const { id } = await stack.startRestore(await stack.plan(NAME, point.id));
    await stack.copyUnderWay(id, 'vda');
    stack.killPart('temporal');
    stack.killPart('postgres');
    await eventually(
      () => stack.run(id).catch(() => null),
      (run) => run !== null && typeof run.state === 'string',
      90_000,
    );
    const run = await stack.finished(id);
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    await expectSameGuest();
    await stack.expectOrder(run);
  });

  it('fails before anything is touched when the room is too small, with the numbers', async () => {
    const mount = join(stack.directory, 'small');
    await mustRun('COPY_FAILED', 'mkdir', ['-p', mount]);
    await mustRun('COPY_FAILED', 'mount', ['-t', 'tmpfs', '-o', 'size=80m,mode=0755', 'tmpfs', mount]);
    try {
      const small = await stack.addServer({ name: 'e2e-small', guest: 'minimal', start: false, format: 'qcow2' });
      await stack.backup('e2e-small');
      // The disk moves to the small file system; the definition follows.
      const target = join(mount, 'disk.qcow2');
      await mustRun('COPY_FAILED', 'qemu-img', ['create', '-q', '-f', 'qcow2', target, '256M']);
      const xml = (await virsh(['dumpxml', small.uuid])).replace(small.systemDisk.path, target);
      const file = join(stack.directory, 'small.xml');
      await writeFile(file, xml);
      await virsh(['define', file]);
      const plan = await stack.plan('e2e-small');
      expect(plan.body?.findings.find(({ code }) => code === 'NOT_ENOUGH_SPACE')).toMatchObject({
        severity: 'block',
        remedy: expect.stringMatching(/^Free at least [\d.]+ MiB in /) as string,
      });
      const refused = await stack.post<{ code: string }>(`/v1/restore-plans/${plan.id}/run`, { reason: 'try', confirm: 'e2e-small' });
      expect(refused).toMatchObject({ status: 409, body: { code: 'PLAN_BLOCKED' } });
      expect(readdirSync(mount)).toEqual(['disk.qcow2']);
      await writeFile(file, xml.replace(target, small.systemDisk.path));
      await virsh(['define', file]);
    } finally {
      await mustRun('COPY_FAILED', 'umount', [mount]);
    }
  });
});

describe('a recovery point that was damaged on its repository', () => {
  it('by one flipped bit: the restore fails, names the place and leaves the server alone; nobody can choose it again', async () => {
    const second = await stack.backup(NAME, 'to be damaged');
    const path = join(stack.repository, 'servers', second.serverId, second.id, 'disks', 'vda.qcow2');
    const file = await open(path, 'r+');
    const { size } = await file.stat();
    const at = Math.floor(size / 2);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    await file.write(Buffer.from([(byte[0] ?? 0) ^ 0x10]), 0, 1, at);
    await file.close();
    const before = await activeDisk();
    // A plan that has seen no life in the server is stale as soon as there is some.
    await waitForAgent(guest.uuid, 120_000);

    const run = await stack.finished((await stack.startRestore(await stack.plan(NAME, second.id))).id);

    expect(run).toMatchObject({ state: 'failed', error: { code: 'RECOVERY_POINT_CORRUPT' } });
    expect(run.error?.message).toMatch(/vda/);
    expect(await activeDisk()).toBe(before);
    expect(await domainState(guest.uuid)).toBe('running');
    await expectSameGuest();
    await stack.expectOrder(run);
    expect((await stack.images(NAME)).find(({ id }) => id === second.id)?.state).toBe('damaged');
    const again = await stack.post<Problem>(`/v1/servers/${NAME}/restore-plans`, { scenario: 'server', recoveryPointId: second.id });
    expect(again).toMatchObject({ status: 409, body: { code: 'RECOVERY_POINT_NOT_USABLE' } });
  });

  it.each([
    ['truncated', (image: string) => truncate(image, 4096 * 100), 'RECOVERY_POINT_CORRUPT'],
    ['missing', (image: string) => rm(image), 'RECOVERY_POINT_INCOMPLETE'],
  ])('by a %s file: there is no plan, and nobody can choose it again', async (how, damage, code) => {
    const { id, serverId } = await stack.backup('e2e-small', `${how} later`);
    await damage(join(stack.repository, 'servers', serverId, id, 'disks', 'vda.qcow2'));
    expect(await stack.plan('e2e-small', id)).toMatchObject({ state: 'failed', error: { code } });
    expect((await stack.images('e2e-small')).find((found) => found.id === id)?.state).toBe('damaged');
  });
});
