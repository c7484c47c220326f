import { rmSync } from 'node:fs';
import { breakBoot, checksumFiles, domainState, guestOutput, shutDownGuest, startGuest, waitForAgent, type GuestServer } from '../guests/guest-server';
import { virsh } from '../guests/run-program';
import { E2eStack, type Problem } from '../support/e2e-stack';
import { filledIn, shellBlocks, type } from '../support/page-shell';
import { describeInFull, inFull } from '../support/thorough';

/** Image backup and restore of real guests: what is in the guest afterwards is compared with what was in it before. */
jest.setTimeout(1_200_000);
const MIB = 1024 * 1024;
const stack = new E2eStack();
beforeAll(() => stack.start());
afterAll(() => stack.close());

const writeAndSum = async (guest: GuestServer, directory: string, text: string): Promise<string> => {
  await guestOutput(guest.uuid, [
    'sh',
    '-c',
    'mkdir -p "$1" && printf %s "$2" > "$1/note" && head -c 3000000 /dev/urandom > "$1/random" && sync',
    'sh',
    directory,
    text,
  ]);
  return checksumFiles(guest.uuid, directory);
};

describe('two disks, one of them raw, the other an overlay, and a CD-ROM', () => {
  let guest: GuestServer;
  let system: string;
  let data: string;

  beforeAll(async () => {
    guest = await stack.addServer({
      name: 'e2e-two-disks',
      guest: 'minimal',
      overlay: true,
      dataDisk: { sizeBytes: 96 * MIB, format: 'raw' },
      cdrom: true,
      withGenerationId: true,
    });
    await waitForAgent(guest.uuid, 120_000);
    system = await writeAndSum(guest, '/opt/app', 'before');
    data = await writeAndSum(guest, '/data/files', 'before');
  });

  it('are backed up offline, with the power state put back and the service answering again', async () => {
    const point = await stack.backup('e2e-two-disks', 'baseline');
    expect(point).toMatchObject({ generation: 1, consistency: 'offline', state: 'usable', kind: 'image' });
    expect(point.disks.map(({ target }) => target)).toEqual(['vda', 'vdb']);
    expect(await domainState(guest.uuid)).toBe('running');
    await waitForAgent(guest.uuid, 120_000);
    expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(system);
  });

  it('come back as they were, in their formats and beside the old files, after the OS no longer starts', async () => {
    await guestOutput(guest.uuid, ['sh', '-c', 'echo later > /opt/app/note; echo later > /data/files/note; sync']);
    const before = await virsh(['dumpxml', guest.uuid]);
    await shutDownGuest(guest.uuid, 60_000);
    await breakBoot(guest.systemDisk.path, 'qcow2');
    await startGuest(guest.uuid);

    const run = await stack.restore('e2e-two-disks');

    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(run.recoverySeconds).toBeGreaterThan(0);
    expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(system);
    expect(await checksumFiles(guest.uuid, '/data/files')).toBe(data);
    const after = await virsh(['dumpxml', guest.uuid]);
    expect(after).toContain(`${guest.systemDisk.path}.${run.id}`);
    expect(after).toContain(`${guest.dataDisk?.path}.${run.id}`);
    expect(after).not.toContain("<backingStore type='file'");
    const generation = (xml: string) => /<genid>([^<]+)</.exec(xml)?.[1];
    expect(generation(after)).toMatch(/^[0-9a-f-]{36}$/);
    expect(generation(after)).not.toBe(generation(before));
    await stack.expectOrder(run);
  });

  it('show the flattened chain, the CD-ROM and the lost time in the plan', async () => {
    const { body } = await stack.plan('e2e-two-disks');
    expect(body?.findings.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['SERVER_ALIVE', 'CHAIN_FLATTENED', 'REMOVABLE_MEDIA', 'GENERATION_ID_RENEWED']),
    );
    expect(body?.losses[0]).toContain('vda, vdb');
  });

  inFull('can be restored a second time: the names do not grow', async () => {
    const run = await stack.restore('e2e-two-disks');
    expect(run.state).toBe('succeeded');
    const xml = await virsh(['dumpxml', guest.uuid]);
    expect(xml.match(/run_[0-9a-z]{26}/g)?.every((id) => id === run.id)).toBe(true);
    expect(await checksumFiles(guest.uuid, '/data/files')).toBe(data);
    await stack.expectOrder(run);
  });
});

describe('a server with UEFI and NVRAM', () => {
  it('comes back with its firmware variables even when the hypervisor has forgotten it', async () => {
    const guest = await stack.addServer({ name: 'e2e-uefi', guest: 'minimal-uefi' });
    await waitForAgent(guest.uuid, 180_000);
    const sum = await writeAndSum(guest, '/opt/app', 'uefi');
    await stack.backup('e2e-uefi');

    // As the first steps of the README lose a server, and more than that.
    const lost = shellBlocks('README.md', 'Your first server').find((block) => block.startsWith('virsh ')) ?? '';
    expect(await type(filledIn(lost, [['db01', guest.name]]))).toMatchObject({ failed: [] });
    for (const path of [guest.systemDisk.path, guest.nvram ?? '']) rmSync(path);
    expect(await domainState(guest.uuid)).toBeNull();

    const plan = await stack.plan('e2e-uefi');
    expect(plan.body).toMatchObject({ definitionFrom: 'recovery-point', server: { powerState: null } });
    expect(plan.body?.findings.map(({ code }) => code)).toContain('SERVER_GONE');
    const run = await stack.finished((await stack.startRestore(plan)).id);

    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(await domainState(guest.uuid)).toBe('running');
    expect(await checksumFiles(guest.uuid, '/opt/app')).toBe(sum);
    expect(await virsh(['dumpxml', guest.uuid])).toContain(`${guest.nvram}.${run.id}`);
    await stack.expectOrder(run);
  });
});

describe('a server that is off', () => {
  it('is backed up and stays off; requests are neither doubled nor let in beside a run', async () => {
    const guest = await stack.addServer({ name: 'e2e-off', guest: 'minimal', format: 'raw', start: false });
    const key = { 'idempotency-key': 'the-same-request' };
    const body = { kind: 'image', mode: 'offline', reason: 'while it is off' };

    const answers = await Promise.all(Array.from({ length: 5 }, () => stack.post<{ id: string }>('/v1/servers/e2e-off/backups', body, key)));
    expect(new Set(answers.map(({ body: { id } }) => id)).size).toBe(1);
    const [first] = answers;
    const runId = first?.body.id ?? '';
    const second = await stack.post<Problem>('/v1/servers/e2e-off/backups', body);
    if (second.status === 409) expect(second.body).toMatchObject({ code: 'SERVER_BUSY', runId });
    const other = await stack.post<Problem>('/v1/servers/e2e-off/backups', { ...body, reason: 'another' }, key);
    expect(other).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });

    const run = await stack.finished(runId);
    expect(run).toMatchObject({ state: 'succeeded' });
    expect(second.status).toBe(409);
    expect(run.steps.map(({ key: step }) => step)).not.toContain('stop');
    expect(await domainState(guest.uuid)).toBe('shut off');
    await stack.expectOrder(run);
  });
});

describe('a plan whose world has changed', () => {
  it('is refused before anything is touched', async () => {
    const guest = stack.guests.find(({ name }) => name === 'e2e-off') as GuestServer;
    const plan = await stack.plan('e2e-off');
    await virsh(['setmaxmem', guest.uuid, '524288', '--config']);
    const run = await stack.finished((await stack.startRestore(plan)).id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE' } });
    expect(run.steps.filter(({ state }) => state === 'succeeded')).toEqual([]);
    expect(await virsh(['dumpxml', guest.uuid])).toContain(guest.systemDisk.path);
    await stack.expectOrder(run);
    const again = await stack.post<Problem>(`/v1/restore-plans/${plan.id}/run`, { reason: 'again', confirm: 'e2e-off' });
    expect(again).toMatchObject({ status: 409, body: { code: 'PLAN_ALREADY_USED' } });
  });
});

describeInFull('a guest whose shutdown never ends', () => {
  it('fails the backup after its deadline and leaves the server running', async () => {
    const guest = await stack.addServer({ name: 'e2e-stubborn', guest: 'minimal', stopTimeoutSeconds: 8 });
    await waitForAgent(guest.uuid, 120_000);
    await guestOutput(guest.uuid, [
      'sh',
      '-c',
      'printf "#!/bin/sh\\nexec sleep 3600\\n" > /tmp/never; chmod +x /tmp/never; for f in /sbin/shutdown /sbin/poweroff /sbin/halt; do rm -f $f; cp /tmp/never $f; done; sync',
    ]);
    const run = await stack.finished((await stack.startBackup('e2e-stubborn')).id);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'STOP_TIMED_OUT' } });
    expect(await domainState(guest.uuid)).toBe('running');
    const stop = run.steps.find(({ key }) => key === 'stop');
    expect(Date.parse(stop?.finishedAt ?? '') - Date.parse(stop?.startedAt ?? '')).toBeGreaterThanOrEqual(8_000);
    expect(await stack.images('e2e-stubborn')).toEqual([]);
    await stack.expectOrder(run);
  });
});
