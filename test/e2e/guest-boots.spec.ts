import { existsSync } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import {
  agentAnswers,
  breakBoot,
  checksumFiles,
  checksumRows,
  createGuestServer,
  cutPower,
  domainState,
  guestExec,
  guestOutput,
  guestSql,
  shutDownGuest,
  startGuest,
  waitForAgent,
  waitForPostgresql,
  type GuestServer,
  type GuestServerOptions,
} from '../guests/guest-server';
import { ownedDirectory } from '../support/owned-directory';

/** Under emulation a start takes 6 to 8 s on an idle machine; the suite shares its cores. */
const BOOT_DEADLINE_MS = 90_000;
const SILENCE_MS = 25_000;
const MIB = 1024 * 1024;

jest.setTimeout(1_200_000);

let directory: string;
const servers: GuestServer[] = [];
let serial = 0;

async function create(options: Omit<GuestServerOptions, 'name' | 'directory'>): Promise<GuestServer> {
  serial += 1;
  const server = await createGuestServer({ name: `h1-boots-${process.pid}-${serial}`, directory, ...options });
  servers.push(server);
  return server;
}

/** Polls for the whole time: an agent that answers late is found too. */
async function staysSilent(uuid: string, ms: number): Promise<boolean> {
  const endAt = performance.now() + ms;
  while (performance.now() < endAt) {
    if (await agentAnswers(uuid)) return false;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return true;
}

beforeEach(async () => {
  directory = ownedDirectory('/var/lib', 'modosu-h1-');
  await chmod(directory, 0o755);
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.destroy()));
  expect(existsSync(directory)).toBe(false);
});

describe('the minimal guest', () => {
  it('starts, has its own name, and comes back with its files after a clean stop and after a power cut', async () => {
    const server = await create({ guest: 'minimal', dataDisk: { sizeBytes: 16 * MIB, format: 'qcow2' } });
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    expect(await guestOutput(server.uuid, ['hostname'])).toBe(`${server.name}\n`);
    expect(await guestOutput(server.uuid, ['sh', '-c', 'grep " /data " /proc/mounts'])).toMatch(/^\/dev\/vdb \/data ext4 /);
    await guestOutput(server.uuid, ['sqlite3', '/data/shop.db', 'create table t(a); insert into t values (42);']);
    await guestOutput(server.uuid, ['sh', '-c', 'sha256sum /usr/bin/busybox > /root/note; sync']);
    const files = [await checksumFiles(server.uuid, '/data'), await checksumFiles(server.uuid, '/root')];

    expect(await shutDownGuest(server.uuid, 30_000)).toBeLessThan(30_000);
    await startGuest(server.uuid);
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    expect([await checksumFiles(server.uuid, '/data'), await checksumFiles(server.uuid, '/root')]).toEqual(files);

    await cutPower(server.uuid);
    await startGuest(server.uuid);
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    expect([await checksumFiles(server.uuid, '/data'), await checksumFiles(server.uuid, '/root')]).toEqual(files);
    expect(await guestOutput(server.uuid, ['sqlite3', '/data/shop.db', 'select a from t'])).toBe('42\n');
    await guestOutput(server.uuid, ['sh', '-c', 'echo more >> /root/note']);
    expect(await checksumFiles(server.uuid, '/root')).not.toBe(files[1]);
  });

  it('starts from a raw disk, and from an overlay with generation id and CD-ROM', async () => {
    const raw = await create({ guest: 'minimal', format: 'raw' });
    const overlay = await create({ guest: 'minimal', overlay: true, withGenerationId: true, cdrom: true });
    await waitForAgent(raw.uuid, BOOT_DEADLINE_MS);
    await waitForAgent(overlay.uuid, BOOT_DEADLINE_MS);
    expect(await guestOutput(raw.uuid, ['hostname'])).toBe(`${raw.name}\n`);
    expect(await guestOutput(overlay.uuid, ['hostname'])).toBe(`${overlay.name}\n`);
    const failed = await guestExec(overlay.uuid, ['sh', '-c', 'echo bad >&2; exit 3']);
    expect(failed).toEqual({ exitCode: 3, stdout: '', stderr: 'bad\n' });
  });
});

describe('the PostgreSQL guest', () => {
  it('keeps its rows over a clean restart and a power cut, and falls silent without its boot code while libvirt says "running"', async () => {
    const server = await create({ guest: 'postgresql' });
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    await waitForPostgresql(server.uuid, BOOT_DEADLINE_MS);
    expect(await guestSql(server.uuid, 'select count(*) from orders')).toBe('5000\n');
    const rows = await checksumRows(server.uuid);

    await shutDownGuest(server.uuid, 60_000);
    await startGuest(server.uuid);
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    await waitForPostgresql(server.uuid, BOOT_DEADLINE_MS);
    expect(await checksumRows(server.uuid)).toBe(rows);

    await guestSql(server.uuid, 'update orders set quantity = quantity + 1 where id = 17');
    const changed = await checksumRows(server.uuid);
    expect(changed).not.toBe(rows);
    await cutPower(server.uuid);
    await startGuest(server.uuid);
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    await waitForPostgresql(server.uuid, BOOT_DEADLINE_MS);
    expect(await checksumRows(server.uuid)).toBe(changed);

    await cutPower(server.uuid);
    await breakBoot(server.systemDisk.path);
    await startGuest(server.uuid);
    expect(await staysSilent(server.uuid, SILENCE_MS)).toBe(true);
    expect(await domainState(server.uuid)).toBe('running');
  });
});

describe('the UEFI guest', () => {
  it('starts with NVRAM of its own and falls silent without its boot partition', async () => {
    const server = await create({ guest: 'minimal-uefi', format: 'raw' });
    await waitForAgent(server.uuid, BOOT_DEADLINE_MS);
    expect(existsSync(server.nvram ?? '')).toBe(true);
    expect((await guestExec(server.uuid, ['test', '-d', '/sys/firmware/efi'])).exitCode).toBe(0);
    await expect(breakBoot(server.systemDisk.path, 'raw')).rejects.toMatchObject({ code: 'HYPERVISOR_COMMAND_FAILED' });

    await shutDownGuest(server.uuid, 60_000);
    await breakBoot(server.systemDisk.path);
    await startGuest(server.uuid);
    expect(await staysSilent(server.uuid, SILENCE_MS)).toBe(true);
    expect(await domainState(server.uuid)).toBe('running');
  });
});

describe('a guest server', () => {
  it('leaves nothing when it cannot be made, and refuses to overwrite another', async () => {
    const first = await create({ guest: 'minimal', start: false });
    expect(await domainState(first.uuid)).toBe('shut off');
    await expect(createGuestServer({ name: first.name, guest: 'minimal', directory, start: false })).rejects.toMatchObject({ code: 'VOLUME_EXISTS' });
    expect(existsSync(first.systemDisk.path)).toBe(true);
    const before = await readdir(directory);
    await expect(createGuestServer({ name: `${first.name}.b`, guest: 'minimal', directory, memoryMiB: 1_000_000 })).rejects.toMatchObject({
      code: 'START_FAILED',
    });
    expect(await readdir(directory)).toEqual(before);
    await expect(createGuestServer({ name: '../x', guest: 'minimal', directory })).rejects.toMatchObject({ code: 'NAME_INVALID' });
  });
});
