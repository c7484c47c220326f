import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fsyncFile } from '../src/system/files';
import type { GuestServer } from '../test/guests/guest-server';
import { PLACE } from './place';
import { fsyncTree, run, timed, virsh } from './programs';
import { DISK_BYTES, RANDOM_BYTES } from './server';

/** The same work by other means. All of them end with what they have written on stable storage, as Modosu does. */

const NBD_BACKUP = join(PLACE.peers, 'virtnbdbackup');
/** What virtnbdbackup has made of the disk. */
export const NBD_DATA = join(NBD_BACKUP, 'vda.full.data');

/** QEMU's push job and nothing else: no freeze, no checksums, the target made beforehand. Seconds until the file is durable. */
export async function barePush(server: GuestServer, signal: AbortSignal): Promise<number> {
  const target = join(PLACE.peers, 'push.qcow2');
  const request = join(PLACE.peers, 'push.xml');
  try {
    await run(signal, 'qemu-img', 'create', '-q', '-f', 'qcow2', target, String(DISK_BYTES));
    await writeFile(
      request,
      `<domainbackup mode="push"><disks><disk name="vda" backup="yes" type="file"><driver type="qcow2"/><target file="${target}"/></disk></disks></domainbackup>`,
    );
    const seconds = await timed(async () => {
      // Listens before the job begins.
      const completed = virsh(signal, 'event', '--domain', server.uuid, '--event', 'job-completed', '--timeout', '600');
      completed.catch(() => undefined);
      await virsh(signal, 'backup-begin', server.uuid, request, '--reuse-external');
      await completed;
      await fsyncFile(target);
    });
    const outcome = await virsh(signal, 'domjobinfo', server.uuid, '--completed', '--anystats');
    if (!/^Job type:\s+Completed/m.test(outcome)) throw new Error(`The bare push job did not end well: ${outcome.trim()}`);
    await requireWritten(target);
    return seconds;
  } finally {
    await rm(target, { force: true });
    await rm(request, { force: true });
  }
}

/** `virtnbdbackup -l full`. What it has written stays for `nbdRestore`; the checkpoint that it leaves in the domain is deleted, outside the time. */
export async function nbdBackup(server: GuestServer, signal: AbortSignal): Promise<number> {
  const scratch = join(PLACE.peers, 'scratch');
  await rm(NBD_BACKUP, { recursive: true, force: true });
  await mkdir(scratch);
  await chmod(scratch, 0o1777); // QEMU, another user, makes its socket in it
  try {
    const seconds = await timed(async () => {
      await run(signal, 'virtnbdbackup', '-n', '-d', server.name, '-l', 'full', '-o', NBD_BACKUP, '-S', scratch, '-f', join(scratch, 'socket'));
      await fsyncTree(NBD_BACKUP);
    });
    await requireWritten(NBD_DATA);
    return seconds;
  } finally {
    await rm(scratch, { recursive: true, force: true });
    for (const checkpoint of (await virsh(signal, 'checkpoint-list', server.uuid, '--name')).split('\n').filter((name) => name !== '')) {
      await virsh(signal, 'checkpoint-delete', server.uuid, checkpoint);
    }
  }
}

/** `qemu-img convert -W -m 8`, from an image of a recovery point to a new disk. */
export async function convert(imagePath: string, signal: AbortSignal): Promise<number> {
  const target = join(PLACE.peers, 'convert.qcow2');
  try {
    const seconds = await timed(async () => {
      await run(signal, 'qemu-img', 'convert', '-W', '-m', '8', '-f', 'qcow2', '-O', 'qcow2', imagePath, target);
      await fsyncFile(target);
    });
    await requireWritten(target);
    return seconds;
  } finally {
    await rm(target, { force: true });
  }
}

/** `virtnbdrestore` of what `nbdBackup` has written. */
export async function nbdRestore(signal: AbortSignal): Promise<number> {
  const target = join(PLACE.peers, 'virtnbdrestore');
  await mkdir(target);
  try {
    const seconds = await timed(async () => {
      await run(
        signal,
        'virtnbdrestore',
        '-n',
        '-a',
        'restore',
        '-i',
        NBD_BACKUP,
        '-o',
        target,
        '-f',
        join(PLACE.peers, 'socket'),
        '-L',
        join(PLACE.peers, 'virtnbdrestore.log'),
      );
      await fsyncTree(target);
    });
    // It names the disk after the file it was in.
    const sizes = await Promise.all((await readdir(target)).map(async (name) => ({ name, size: (await stat(join(target, name))).size })));
    const largest = sizes.sort((a, b) => b.size - a.size)[0]?.name ?? 'nothing';
    await requireWritten(join(target, largest));
    return seconds;
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}

/** A side that has moved less than the random data has not done the work. */
export async function requireWritten(path: string): Promise<void> {
  const { blocks } = await stat(path);
  if (blocks * 512 < RANDOM_BYTES) throw new Error(`${path} holds ${blocks * 512} bytes, less than the random data of the disk: it does not count.`);
}
