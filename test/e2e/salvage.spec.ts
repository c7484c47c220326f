import { existsSync, renameSync, statSync } from 'node:fs';
import type { RestorePlanBody, UndoPlanBody } from '../../src/contracts/plan';
import type { RecoveryPointView } from '../../src/contracts/recovery-point';
import type { RunView } from '../../src/contracts/run';
import { breakBoot, checksumFiles, domainState, guestOutput, shutDownGuest, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { E2eStack, type Problem } from '../support/e2e-stack';
import { sha256OfFile, storedDisks } from '../support/oracle';
import { shellBlocks } from '../support/page-shell';

/**
 * The OS of a server no longer starts and its data disk is intact: only the system disk goes back in time. One guest with two disks throughout; each test
 * says in which state it leaves it.
 */
jest.setTimeout(1_200_000);
const NAME = 'e2e-salvage';
const MIB = 1024 * 1024;
const stack = new E2eStack();
let guest: GuestServer;
let point: RecoveryPointView;
/** Contents of the system disk at the point in time, and of the data disk now. */
let system: string;
let data: string;
let dataFile: string;
let dataInode: number;

beforeAll(async () => {
  await stack.start();
  guest = await stack.addServer({
    name: NAME,
    guest: 'minimal',
    withGenerationId: true,
    dataDisk: { sizeBytes: 96 * MIB, format: 'qcow2' },
    protection: { disks: [{ target: 'vdb', role: 'data' }] },
  });
  dataFile = guest.dataDisk?.path ?? '';
  dataInode = statSync(dataFile).ino;
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, [
    'sh',
    '-c',
    'mkdir -p /opt/app /data/files && head -c 1000000 /dev/urandom > /opt/app/random && head -c 2000000 /dev/urandom > /data/files/old && sync',
  ]);
  point = await stack.backup(NAME, 'baseline', { mode: 'online' });
  system = await checksumFiles(guest.uuid, '/opt/app');
  await writeData('newer');
  await guestOutput(guest.uuid, ['sh', '-c', 'echo later > /opt/app/later; sync']);
});
afterAll(() => stack.close());

/** Something new on the data disk. */
async function writeData(name: string): Promise<void> {
  await guestOutput(guest.uuid, ['sh', '-c', `head -c 3000000 /dev/urandom > /data/files/${name}; sync`]);
  data = await checksumFiles(guest.uuid, '/data/files');
}
const now = () => [
  { guest, directory: '/opt/app', sha256: system },
  { guest, directory: '/data/files', sha256: data },
];
const keep = async (): Promise<RestorePlanBody> => (await stack.plan(NAME, point.id, ['vdb'])).body as RestorePlanBody;

it('a server whose boot record is gone runs and does not start', async () => {
  await shutDownGuest(guest.uuid, 60_000);
  await breakBoot(guest.systemDisk.path, 'qcow2');
  await startGuest(guest.uuid);
  await expect(waitForAgent(guest.uuid, 15_000)).rejects.toMatchObject({ code: 'AGENT_SILENT' });
});

it('its plan offers to keep the data disk, and compares what each way loses', async () => {
  const offered = (await stack.plan(NAME)).body as RestorePlanBody;
  expect(offered.volumes.map(({ target }) => target)).toEqual(['vda', 'vdb']);
  expect(offered.findings).toContainEqual({
    code: 'SALVAGE_POSSIBLE',
    severity: 'ok',
    message: expect.any(String) as string,
    remedy: '--keep-disk vdb',
    evidence: [`all disks: everything since ${point.pointInTime} on vda, vdb is lost`, 'keeping vdb: only vda goes back'],
  });

  const shown = await stack.cli(['restore', 'plan', NAME, '--scenario', 'server', '--keep-disk', 'vdb']);
  expect(shown).toMatchObject({ exitCode: 0, stderr: '' });
  expect(shown.stdout).toContain('- vdb stays as now: nothing written to it is lost.');
  expect(shown.stdout).toContain('WARNING  DISKS_KEPT: vdb stays as now and is newer than vda');
  expect(shown.stdout).toContain('the power of the server is cut: crash-consistent, as after a power failure');
  expect(shown.stdout).toMatch(/vdb +96 MiB +\S+ +nothing: it stays as it is/);
  expect(shown.stdout).not.toContain('Copy vdb');
});

it.each([
  ['a disk it does not have', 'vdz', 3, 'DISK_NOT_FOUND', 'It has vda, vdb'],
  ['its system disk', 'vda', 1, 'DISK_NOT_KEEPABLE', 'declare it in the estate file'],
])('refuses to keep %s, and says what to do', async (_what, target, exitCode, code, hint) => {
  const refused = await stack.cli(['restore', 'plan', NAME, '--scenario', 'server', '--keep-disk', target]);
  expect(refused).toMatchObject({ exitCode, stdout: '' });
  expect(refused.stderr).toMatch(new RegExp(`^error: ${code}: .*\\nhint: .*${hint}`));
});

it('refuses to keep a disk whose file is missing', async () => {
  await virsh(['destroy', guest.uuid]);
  const away = `${dataFile}.away`;
  renameSync(dataFile, away);
  const plan = await stack.plan(NAME, point.id, ['vdb']);
  const offered = await stack.plan(NAME, point.id);
  renameSync(away, dataFile);
  expect(plan).toMatchObject({ state: 'failed', error: { code: 'DISK_NOT_KEEPABLE', message: expect.stringContaining(dataFile) as string } });
  expect(offered.body?.findings.map(({ code }) => code)).not.toContain('SALVAGE_POSSIBLE');
  await startGuest(guest.uuid);
});

describe('restored with its data disk kept', () => {
  let restored: RunView;
  let newSystem: string;
  let undone: RunView;

  it('starts, and everything written to the data disk until the end is there', async () => {
    const plan = await stack.plan(NAME, point.id, ['vdb']);
    restored = await stack.finished((await stack.startRestore(plan)).id);
    expect(restored).toMatchObject({ state: 'succeeded', wayBack: { state: 'open', volumes: [{ target: 'vda', path: guest.systemDisk.path }] } });
    expect(restored.steps.map(({ key }) => key)).not.toContain('copy:vdb');
    await waitForAgent(guest.uuid, 120_000);
    newSystem = (await storedDisks(guest.uuid))[0] ?? '';
    expect(newSystem).toContain(restored.id);
    expect(statSync(dataFile).ino).toBe(dataInode);
    await stack.expectOrder(restored, { contents: now(), disks: [{ guest, paths: [newSystem, dataFile] }] });
  });

  it('counts only the old system disk among what is kept', async () => {
    const [kept] = await stack.wayBacks(NAME, 'open');
    expect(kept?.volumes).toEqual([{ target: 'vda', path: guest.systemDisk.path, allocatedBytes: statSync(guest.systemDisk.path).blocks * 512 }]);
  });

  it('is undone to the old system disk; the data disk is not undone, and the plan says so', async () => {
    await writeData('after-restore');
    const plan = await stack.undoPlan(restored.id);
    const body = plan.body as UndoPlanBody;
    expect(body.volumes.find(({ target }) => target === 'vdb')).toMatchObject({ presentPath: dataFile, returnsToPath: dataFile });
    expect(body.losses[0]).toMatch(/^Everything written to vda since it went live/);
    expect(body.losses).toContain('What was written to vdb is NOT undone and not lost: that disk stays as now, before and after.');
    undone = await stack.finished((await stack.startRestore(plan)).id);
    expect(undone).toMatchObject({ kind: 'undo', state: 'succeeded', wayBack: { volumes: [{ target: 'vda', path: newSystem }] } });
    expect(await domainState(guest.uuid)).toBe('running');
    await stack.expectOrder(undone, { disks: [{ guest, paths: [guest.systemDisk.path, dataFile] }] });
  });

  it('is redone, with everything on the data disk', async () => {
    const run = await stack.finished((await stack.undo(undone.id)).id);
    expect(run.state).toBe('succeeded');
    undone = run;
    await waitForAgent(guest.uuid, 120_000);
    await stack.expectOrder(run, { contents: now(), disks: [{ guest, paths: [newSystem, dataFile] }] });
  });

  it('is confirmed: the old system disk is deleted, the data disk stays', async () => {
    const run = await stack.finished((await stack.confirm(undone.id)).id);
    expect(run.state).toBe('succeeded');
    expect([existsSync(guest.systemDisk.path), existsSync(newSystem), existsSync(dataFile)]).toEqual([false, true, true]);
    expect(statSync(dataFile).ino).toBe(dataInode);
    await stack.expectOrder(run, { contents: now(), disks: [{ guest, paths: [newSystem, dataFile] }] });
  });

  it('a restore that fails in quarantine puts the old system disk back, and the data disk has never moved', async () => {
    await stack.declare(NAME, { healthChecks: [{ name: 'never', kind: 'command', argv: ['false'], timeoutSeconds: 3 }] });
    const run = await stack.finished((await stack.startRestore(await stack.plan(NAME, point.id, ['vdb']))).id);
    await stack.declare(NAME, { healthChecks: [] });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'HEALTH_CHECK_FAILED' } });
    await stack.expectOrder(run, { contents: now(), disks: [{ guest, paths: [newSystem, dataFile] }] });
  });

  it('is not restored when the kept disk has another file since the plan was made', async () => {
    const plan = await stack.plan(NAME, point.id, ['vdb']);
    expect((plan.body as RestorePlanBody).keptDisks).toEqual([{ target: 'vdb', path: dataFile, virtualSizeBytes: 96 * MIB }]);
    const snapshot = `${dataFile}.since`;
    await virsh([
      'snapshot-create-as',
      guest.uuid,
      '--disk-only',
      '--no-metadata',
      '--name',
      'since',
      '--diskspec',
      'vda,snapshot=no',
      '--diskspec',
      `vdb,file=${snapshot}`,
    ]);
    const run = await stack.finished((await stack.startRestore(plan)).id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE', message: expect.stringContaining(snapshot) as string } });
    expect((await keep()).keptDisks).toEqual([{ target: 'vdb', path: snapshot, virtualSizeBytes: 96 * MIB }]);
    await stack.expectOrder(run, { contents: now(), disks: [{ guest, paths: [newSystem, snapshot] }] });
  });
});

describe('restored with all disks, the old data disk attached', () => {
  let run: RunView;
  let oldFile: string;
  let oldSum: string;

  it('the restored server can read what the recovery point does not have, and cannot write it', async () => {
    oldFile = (await storedDisks(guest.uuid))[1] ?? '';
    const missing = data;
    const plan = await stack.plan(NAME, point.id, [], ['vdb']);
    expect(plan.body?.findings.map(({ code }) => code)).toContain('OLD_DISKS_ATTACHED');
    run = await stack.finished((await stack.startRestore(plan)).id);
    expect(run).toMatchObject({ state: 'succeeded' });
    expect(run.steps.find(({ key }) => key === 'attach:vdb')).toMatchObject({ state: 'succeeded', detail: { attachedAs: 'vdc' } });
    oldSum = await sha256OfFile(oldFile);
    await guestOutput(guest.uuid, [
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vdc ] && break; sleep 1; done; [ "$(cat /sys/block/vdc/serial)" = modosu-old-vdb ] && [ "$(cat /sys/block/vdc/ro)" = 1 ]',
    ]);
    // As the page says it.
    const page = shellBlocks('docs/OPERATIONS.md', 'The OS no longer starts, the data disk is intact').find((block) => block.includes('/dev/vdc')) ?? '';
    const [mount = '', copy = '', unmount = ''] = page.trim().split('\n');
    await guestOutput(guest.uuid, ['sh', '-euc', mount]);
    expect(await checksumFiles(guest.uuid, '/old/files')).toBe(missing);
    await expect(guestOutput(guest.uuid, ['sh', '-c', 'dd if=/dev/zero of=/dev/vdc bs=512 count=1 conv=fsync'])).rejects.toThrow();
    await guestOutput(guest.uuid, ['sh', '-euc', [copy, 'sync', unmount].join('\n')]);
    data = await checksumFiles(guest.uuid, '/data/files');
    expect(data).not.toBe(missing);
    await stack.expectOrder(run, { contents: now(), unchanged: new Map([[oldFile, oldSum]]) });
  });

  it('is backed up online without the old disk, which is none of its own', async () => {
    const taken = await stack.backup(NAME, 'with the old disk attached', { mode: 'online' });
    expect(taken.disks.map(({ target }) => target)).toEqual(['vda', 'vdb']);
    await stack.expectOrder(await stack.run(taken.runId), { contents: now(), unchanged: new Map([[oldFile, oldSum]]) });
  });

  it('is confirmed: the old volume is detached from the running server, then deleted', async () => {
    const confirmed = await stack.finished((await stack.confirm(run.id)).id);
    expect(confirmed).toMatchObject({ state: 'succeeded' });
    expect(existsSync(oldFile)).toBe(false);
    expect(await virsh(['dumpxml', guest.uuid])).not.toContain('modosu-old-');
    await stack.expectOrder(confirmed, { contents: now() });
  });
});

it('an unknown field and what is no disk are refused by the API', async () => {
  const post = (body: object) => stack.post<Problem>(`/v1/servers/${NAME}/restore-plans`, body);
  expect(await post({ scenario: 'server', keepDisks: ['/dev/vdb'] })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
  expect(await post({ scenario: 'server', keepDisk: ['vdb'] })).toMatchObject({ status: 422, body: { code: 'REQUEST_INVALID' } });
});
