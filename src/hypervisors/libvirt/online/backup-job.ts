import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { attribute, child, children, parseXml, type Element } from '../xml';
import { libvirtMessage, type Virsh } from '../virsh';

export interface JobDisk {
  readonly target: string;
  readonly targetPath: string;
}

/** `ours`: the job that runs writes to our targets. `foreign`: another backup, or another job that libvirt runs for the server. */
export type PresentJob = { readonly kind: 'none' } | { readonly kind: 'ours' } | { readonly kind: 'foreign'; readonly what: string };

const NO_BACKUP = /no domain backup job present|domain is not running|Domain backup job id not found/i;
/** Over, or just about to be. */
const NO_JOB = /does not have an active block job|cannot accept command verb|domain is not running/i;
const ABORT_DEADLINE_MS = 60_000;
const POLL_MS = 200;
/** A statistic of libvirt: `Key:   value` with a unit. */
const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4, PiB: 1024 ** 5 };

/** QEMU's push job for all disks of one server, as libvirt shows it. */
export class BackupJob {
  constructor(
    private readonly virsh: Virsh,
    private readonly server: ServerRef,
    private readonly disks: readonly JobDisk[],
  ) {}

  /** Throws `SERVER_GONE`. A server that is off has no job. */
  async present(): Promise<PresentJob> {
    const outcome = await this.virsh.attemptOn(this.server.uuid, 'backup-dumpxml');
    if (outcome.exitCode === 0) return this.judge(outcome.stdout);
    if (!NO_BACKUP.test(outcome.stderr)) throw this.virsh.failure('backup-dumpxml', outcome, 'HYPERVISOR_COMMAND_FAILED');
    return { kind: 'none' };
  }

  async isOurs(): Promise<boolean> {
    return (await this.present()).kind === 'ours';
  }

  /** As `present`, with other jobs of libvirt (migration, dump, save) too. */
  async presentOfAnyKind(): Promise<PresentJob> {
    const backup = await this.present();
    if (backup.kind !== 'none') return backup;
    const outcome = await this.virsh.attemptOn(this.server.uuid, 'domjobinfo');
    const type = /^Job type:\s*(\S+)/m.exec(outcome.stdout)?.[1];
    if (outcome.exitCode !== 0 || type === undefined || type === 'None') return { kind: 'none' };
    const operation = /^Operation:\s*(.+)$/m.exec(outcome.stdout)?.[1]?.trim() ?? 'unknown';
    return { kind: 'foreign', what: `a job "${operation}"` };
  }

  /**
   * Begins to write every disk named to its target, which must be there; all other disks of the running server (`left`) are left out. One transaction: when it
   * returns, the point in time is taken. Throws `BACKUP_JOB_FAILED`, `HYPERVISOR_COMMAND_TIMED_OUT` (libvirt may begin it yet).
   */
  async begin(left: readonly string[], timeoutMs: number): Promise<void> {
    const outcome = await this.virsh.withFile(backupXml(this.disks, left), (path) =>
      this.virsh.attemptOn(this.server.uuid, 'backup-begin', ['--backupxml', path, '--reuse-external'], { timeoutMs }),
    );
    if (outcome.exitCode === 0) return;
    throw new ModosuError('BACKUP_JOB_FAILED', `The backup of ${this.server.name} could not be begun: ${libvirtMessage(outcome.stderr)}`, {
      context: { uuid: this.server.uuid },
    });
  }

  /** Holds every disk to this rate. A disk that is done already is fine. */
  async limit(bytesPerSecond: number): Promise<void> {
    const bytes = String(Math.max(1, Math.floor(bytesPerSecond)));
    await Promise.all(
      this.disks.map(async ({ target }) => {
        const outcome = await this.virsh.attemptOn(this.server.uuid, 'blockjob', ['--path', target, '--bandwidth', bytes, '--bytes']);
        if (outcome.exitCode !== 0 && !NO_JOB.test(outcome.stderr)) throw this.virsh.failure('blockjob', outcome, 'HYPERVISOR_COMMAND_FAILED');
      }),
    );
  }

  /** Bytes of a disk that are done; null: nothing runs for it (yet, or any more). */
  async progress(target: string): Promise<{ readonly doneBytes: number; readonly totalBytes: number } | null> {
    const { exitCode, stdout } = await this.virsh.attemptOn(this.server.uuid, 'blockjob', ['--path', target, '--info', '--raw']);
    const done = /^\s*cur=(\d{1,16})$/m.exec(stdout)?.[1];
    const total = /^\s*end=(\d{1,16})$/m.exec(stdout)?.[1];
    if (exitCode !== 0 || done === undefined || total === undefined || !/type=Backup/.test(stdout)) return null;
    return { doneBytes: Number(done), totalBytes: Number(total) };
  }

  /**
   * Cancels our job, if it runs, and returns when it is gone. Another's is left alone. Returns whether there was one. Throws `HYPERVISOR_COMMAND_TIMED_OUT`.
   */
  async cancel(): Promise<boolean> {
    const giveUpAt = performance.now() + ABORT_DEADLINE_MS;
    for (let found = false; ; found = true) {
      if (!(await this.isOurs())) return found;
      // Refused when it has ended in this moment: the next look tells.
      const outcome = await this.virsh.attemptOn(this.server.uuid, 'domjobabort');
      if (performance.now() > giveUpAt) {
        throw new ModosuError(
          'HYPERVISOR_COMMAND_TIMED_OUT',
          `The backup job of ${this.server.name} does not end although it was cancelled: ${libvirtMessage(outcome.stderr)}`,
          { context: { uuid: this.server.uuid } },
        );
      }
      await delay(POLL_MS);
    }
  }

  /**
   * How the last job ended, as long as libvirt remembers: until the next one, or until it is restarted. Null: it does not, or it was no backup of this size.
   */
  async lastEnd(totalBytes: number): Promise<'completed' | 'failed' | null> {
    const { exitCode, stdout } = await this.virsh.attemptOn(this.server.uuid, 'domjobinfo', ['--completed', '--keep-completed']);
    if (exitCode !== 0 || !/^Operation:\s*Backup\s*$/m.test(stdout)) return null;
    const type = /^Job type:\s*(\S+)/m.exec(stdout)?.[1];
    if (type === 'Failed' || type === 'Cancelled') return 'failed';
    const [, amount, unit] = /^File total:\s*([\d.]+)\s*(\w+)/m.exec(stdout) ?? [];
    const counted = Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
    // Printed with three decimals of its unit.
    const precision = (UNITS[unit ?? ''] ?? 1) / 1000;
    return type === 'Completed' && Math.abs(counted - totalBytes) <= precision ? 'completed' : null;
  }

  private judge(xml: string): PresentJob {
    const root = parseXml(xml, 'domainbackup', 'The backup job of the server').documentElement as Element;
    const disks = child(root, 'disks');
    const present = new Map(
      (disks === null ? [] : children(disks, 'disk'))
        .filter((disk) => attribute(disk, 'backup') !== 'no')
        .map((disk) => [attribute(disk, 'name') ?? '', attribute(child(disk, 'target'), 'file')] as const),
    );
    const ours = present.size === this.disks.length && this.disks.every(({ target, targetPath }) => present.get(target) === targetPath);
    if (ours) return { kind: 'ours' };
    return { kind: 'foreign', what: `a backup to ${[...present.values()].map((path) => path ?? 'an unnamed place').join(', ') || 'an unnamed place'}` };
  }
}

const escapeXml = (text: string): string => text.replace(/[&<>"'\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`);

function backupXml(disks: readonly JobDisk[], left: readonly string[]): string {
  return [
    '<domainbackup mode="push"><disks>',
    ...disks.map(
      ({ target, targetPath }) =>
        `<disk name="${escapeXml(target)}" backup="yes" type="file"><target file="${escapeXml(targetPath)}"/><driver type="qcow2"/></disk>`,
    ),
    ...left.map((target) => `<disk name="${escapeXml(target)}" backup="no"/>`),
    '</disks></domainbackup>',
  ].join('\n');
}
