import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fsyncFile } from '../src/system/files';
import type { GuestServer } from '../test/guests/guest-server';
import { PLACE } from './place';
import { fsyncTree, run, timed, virsh } from './programs';
import { DISK_BYTES, RANDOM_BYTES } from './server';

/** The same work by other means. All of them end with what they have written on stable storage, as Modosu does. */

const NBD_BACKUP = join(PLACE.peers, 'virtnbdbackup');
/** What virtnbdbackup has made of the disk. */
export const NBD_DATA = join(NBD_BACKUP, 'vda.full.data');
const LISTENS_AFTER_MS = 1_000;

/** QEMU's push job and nothing else: no freeze, no checksums, the target made beforehand. Seconds until the file is durable. */
export async function barePush(server: GuestServer, signal: AbortSignal): Promise<number> {
  const target = join(PLACE.peers, 'push.qcow2');
  try {
    await run(signal, 'qemu-img', 'create', '-q', '-f', 'qcow2', target, String(DISK_BYTES));
    const seconds = await pushJob(server, { target }, signal);
    await requireWritten(target);
    return seconds;
  } finally {
    await rm(target, { force: true });
  }
}

export interface PushRequest {
  /** Made beforehand. */
  readonly target: string;
  /** XML of the checkpoint that is made together with the point in time. */
  readonly checkpointXml?: string;
  /** Name of the checkpoint since which the changes are written; without it the whole disk is. */
  readonly since?: string;
}

/** Seconds from `virsh backup-begin` until the target is durable. */
export async function pushJob(server: GuestServer, { target, checkpointXml, since }: PushRequest, signal: AbortSignal): Promise<number> {
  const [request, checkpoint] = [join(PLACE.peers, 'push.xml'), join(PLACE.peers, 'checkpoint.xml')];
  const incremental = since === undefined ? '' : `<incremental>${since}</incremental>`;
  try {
    await writeFile(
      request,
      `<domainbackup mode="push">${incremental}<disks><disk name="vda" backup="yes" type="file"><driver type="qcow2"/><target file="${target}"/></disk></disks></domainbackup>`,
    );
    if (checkpointXml !== undefined) await writeFile(checkpoint, checkpointXml);
    // Listens before the job begins: a small one may have ended before a listener that starts together with it is heard by libvirt.
    const completed = virsh(signal, 'event', '--domain', server.uuid, '--event', 'job-completed', '--timeout', '600');
    completed.catch(() => undefined);
    await delay(LISTENS_AFTER_MS, undefined, { signal });
    const seconds = await timed(async () => {
      await virsh(signal, 'backup-begin', server.uuid, request, ...(checkpointXml === undefined ? [] : [checkpoint]), '--reuse-external');
      await completed;
      await fsyncFile(target);
    });
    const outcome = await virsh(signal, 'domjobinfo', server.uuid, '--completed', '--anystats');
    if (!/^Job type:\s+Completed/m.test(outcome)) throw new Error(`The bare push job did not end well: ${outcome.trim()}`);
    return seconds;
  } finally {
    await rm(request, { force: true });
    await rm(checkpoint, { force: true });
  }
}

/** `virtnbdbackup -l full`. What it has written stays for `nbdRestore`; the checkpoint that it leaves in the domain is deleted, outside the time. */
export async function nbdBackup(server: GuestServer, signal: AbortSignal): Promise<number> {
  await rm(NBD_BACKUP, { recursive: true, force: true });
  try {
    const seconds = await nbdJob(server, 'full', NBD_BACKUP, signal);
    await requireWritten(NBD_DATA);
    return seconds;
  } finally {
    for (const checkpoint of (await virsh(signal, 'checkpoint-list', server.uuid, '--name')).split('\n').filter((name) => name !== '')) {
      await virsh(signal, 'checkpoint-delete', server.uuid, checkpoint);
    }
  }
}

/** Seconds of `virtnbdbackup` until all in its directory is durable. It makes a checkpoint, which stays. */
export async function nbdJob(server: GuestServer, level: 'full' | 'inc', output: string, signal: AbortSignal): Promise<number> {
  const scratch = join(PLACE.peers, 'scratch');
  await mkdir(scratch);
  await chmod(scratch, 0o1777); // QEMU, another user, makes its socket in it
  try {
    return await timed(async () => {
      await run(signal, 'virtnbdbackup', '-n', '-d', server.name, '-l', level, '-o', output, '-S', scratch, '-f', join(scratch, 'socket'));
      await fsyncTree(output);
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
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
