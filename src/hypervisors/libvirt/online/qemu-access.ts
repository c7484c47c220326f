import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { runCommand } from '../../../system/child-process';
import { errorCode } from '../../../system/files';

/** The process of a running server, and as whom it opens files. */
export interface QemuProcess {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

const USERS = ['libvirt-qemu', 'qemu'];
const TIMEOUT_MS = 10_000;

/** Null when it cannot be found out (another place for its pid file): then `passwd` says who it would be. */
export async function qemuProcessOf(domainName: string, uuid: string): Promise<QemuProcess | null> {
  if (domainName.includes('/') || domainName.includes('\0')) return null;
  const text = await readFile(join('/run/libvirt/qemu', `${domainName}.pid`), 'utf8').catch(() => '');
  const pid = Number(/^\s*(\d{1,10})\s*$/.exec(text)?.[1]);
  if (!Number.isSafeInteger(pid) || pid < 2) return null;
  // A stale pid file may name anybody.
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  if (!commandLine.toLowerCase().includes(uuid.toLowerCase())) return null;
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const ids = (key: string): number[] =>
    (new RegExp(`^${key}:\\s*([\\d\\s]*)$`, 'm').exec(status)?.[1] ?? '')
      .split(/\s+/)
      .filter((id) => id !== '')
      .map(Number);
  // The file-system ids are the last ones.
  const [uid, gid] = [ids('Uid').at(-1), ids('Gid').at(-1)];
  return uid === undefined || gid === undefined ? null : { pid, uid, gid, groups: ids('Groups') };
}

/** As whom QEMU would run where no process tells. Null: nobody of the usual names is known here. */
export async function usualUser(): Promise<Omit<QemuProcess, 'pid'> | null> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const name of USERS) {
    const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(passwd) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid), groups: [] };
  }
  return null;
}

/**
 * Throws `REPOSITORY_NOT_TRAVERSABLE`, naming the first directory above `path` that QEMU may not pass through, or saying that QEMU does not see the file system
 * at all. The kernel is asked, so that access lists count. The file itself has to be there; libvirt gives it to QEMU.
 */
export async function requireReachable(server: ServerRef, qemu: QemuProcess | null, path: string): Promise<void> {
  const user = qemu ?? (await usualUser());
  // Whoever may pass through the last directory may pass through all of them.
  if (user !== null && user.uid !== 0 && !(await mayPass(user, dirname(path)))) {
    const above: string[] = [];
    for (let directory = dirname(path); ; directory = dirname(directory)) {
      above.unshift(directory);
      if (directory === dirname(directory)) break;
    }
    for (const directory of above) {
      if (await mayPass(user, directory)) continue;
      throw new ModosuError('REPOSITORY_NOT_TRAVERSABLE', `QEMU of ${server.name} (user ${user.uid}) cannot pass through ${directory}.`, {
        hint: `chmod o+x ${directory} (it lets nobody list or read anything), or give the user an access list entry: setfacl -m u:${user.uid}:x ${directory}`,
        context: { directory, uid: user.uid },
      });
    }
  }
  if (qemu !== null) await requireSameFile(server, qemu, path);
}

/** QEMU has a mount namespace of its own, made when the server was started. */
async function requireSameFile(server: ServerRef, qemu: QemuProcess, path: string): Promise<void> {
  const [ours, theirs] = await Promise.all([
    stat(path, { bigint: true }),
    stat(`/proc/${qemu.pid}/root${path}`, { bigint: true }).catch((error: unknown) => (errorCode(error) === undefined ? Promise.reject(error as Error) : null)),
  ]);
  if (theirs !== null && theirs.dev === ours.dev && theirs.ino === ours.ino) return;
  throw new ModosuError(
    'REPOSITORY_NOT_TRAVERSABLE',
    `QEMU of ${server.name} does not see ${dirname(path)}: its file system was mounted after the server was started.`,
    {
      hint: 'Restart the server once, so that its QEMU sees the mount; or take an offline backup.',
      context: { directory: dirname(path) },
    },
  );
}

async function mayPass(user: Omit<QemuProcess, 'pid'>, directory: string): Promise<boolean> {
  const groups = user.groups.length === 0 ? ['--clear-groups'] : ['--groups', user.groups.join(',')];
  const outcome = await runCommand(['setpriv', '--reuid', String(user.uid), '--regid', String(user.gid), ...groups, '--', 'test', '-x', directory], {
    timeoutMs: TIMEOUT_MS,
  });
  return outcome.exitCode === 0;
}
