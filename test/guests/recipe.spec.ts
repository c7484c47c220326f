import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askModule } from './module-answers';

const BUILDER = join(__dirname, 'build.mjs');

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modosu-recipe-'));
  await chmod(directory, 0o755);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('packages of a guest', () => {
  it("come from apt's list with their epoch, without what a guest has no use for", () => {
    const uris = [
      "'http://mirror/x/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 275 MD5Sum:aa",
      "'http://mirror/x/qemu-guest-agent_7.2_amd64.deb' qemu-guest-agent_1%3a7.2+dfsg-7_amd64.deb 346 SHA256:bb",
      "'http://mirror/x/perl-base_5.36_amd64.deb' perl-base_5.36_amd64.deb 16 SHA256:cc",
      'Some warning',
    ].join('\n');
    const found = askModule('test/guests/recipe/packages.mjs', 'module.parseUris(input).filter(module.isNeeded)', uris);
    expect(found).toEqual([
      { name: 'libc6', spec: 'libc6=2.36-9' },
      { name: 'qemu-guest-agent', spec: 'qemu-guest-agent=1:7.2+dfsg-7' },
    ]);
  });
});

describe('the initial ram disk', () => {
  it('loads a module after everything it needs, once, and leaves out what the kernel does not have', () => {
    const dep = [
      'kernel/drivers/virtio/virtio_pci.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko.xz',
      'kernel/drivers/virtio/virtio_ring.ko.xz:',
      'kernel/drivers/virtio/virtio.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz',
      'kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz kernel/drivers/virtio/virtio_ring.ko.xz',
    ].join('\n');
    const order = askModule('test/guests/recipe/initrd.mjs', "module.modulesInLoadOrder(input, ['virtio_pci', 'virtio_blk', 'ext4'])", dep);
    expect((order as string[]).map((file) => file.split('/').at(-1))).toEqual(['virtio_ring.ko.xz', 'virtio.ko.xz', 'virtio_pci.ko.xz', 'virtio_blk.ko.xz']);
  });

  it('is an archive whose entries are padded to four bytes and end with the trailer', () => {
    const hex = askModule(
      'test/guests/recipe/initrd.mjs',
      "module.cpioArchive([{ name: 'ab', mode: 0o100644, content: Buffer.from(input) }]).toString('hex')",
      'xyz',
    ) as string;
    const archive = Buffer.from(hex, 'hex');
    expect(archive.length % 4).toBe(0);
    expect(archive.subarray(0, 6).toString()).toBe('070701');
    expect(parseInt(archive.subarray(54, 62).toString(), 16)).toBe(3); // size of the content
    expect(parseInt(archive.subarray(94, 102).toString(), 16)).toBe(3); // length of the name with its end
    expect(archive.subarray(116, 120)).toEqual(Buffer.from('xyz\0')); // 110 + 3, padded to 116
    expect(archive.toString('latin1')).toContain('TRAILER!!!\0');
  });
});

describe('the builder', () => {
  it('names images after the recipe, in the cache that was asked for', () => {
    const path = askModule('test/guests/build.mjs', "module.imagePath('minimal')", null, { MODOSU_CACHE_DIR: directory });
    expect(path).toMatch(new RegExp(`^${directory}/guests/minimal-[0-9a-f]{16}\\.qcow2$`));
  });

  it('refuses a guest it does not know, and says which there are', async () => {
    const { code, output } = await build(['nonsense']);
    expect(code).toBe(1);
    expect(output).toContain('Unknown guest nonsense. There are: minimal, minimal-uefi, postgresql, name-server, openldap.');
  });

  it('leaves nothing half-made when it is interrupted', async () => {
    const { code, output } = await build(['minimal'], 'looking up packages');
    expect(output).toContain('looking up packages');
    expect(code).toBe(143);
    expect(await readdir(join(directory, 'guests'))).toEqual([]);
  });

  it('takes over from a build that was killed', async () => {
    const lock = join(directory, 'guests', '.building');
    await mkdir(lock, { recursive: true });
    await writeFile(join(lock, 'owner'), '999999999');
    await writeFile(join(lock, 'left-over'), '');
    await build(['minimal'], 'looking up packages');
    expect(existsSync(lock)).toBe(false);
  });
});

/** Runs the builder on an empty cache; ends it with SIGTERM as soon as it says `stopAt`. */
function build(args: readonly string[], stopAt?: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BUILDER, ...args], { env: { ...process.env, MODOSU_CACHE_DIR: directory }, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (stopAt !== undefined && output.includes(stopAt)) child.kill('SIGTERM');
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}
