import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import { attribute, child, children, escapeXml, parseXml, type Element } from '../xml';
import { checkpointXml, nameOf } from './checkpoints';
import { libvirtMessage, type Virsh } from '../virsh';

export interface JobDisk {
  readonly target: string;
  readonly targetPath: string;
  /** There: only what has changed is written. */
  readonly backingName?: string | undefined;
}

/** Which checkpoint a job makes, in which disks, and since which one disks with a backing file have changed. */
export interface JobCheckpoints {
  readonly name: string;
  readonly able: readonly string[];
  readonly since: string | null;
}

/** `ours`: the job that runs writes to our targets. `foreign`: another backup, or another job that libvirt runs for the server. */
export type PresentJob = { readonly kind: 'none' } | { readonly kind: 'ours' } | { readonly kind: 'foreign'; readonly what: string };

const NO_BACKUP = /no domain backup job present|domain is not running|Domain backup job id not found/i;
/** Over, or just about to be. */
const NO_JOB = /does not have an active block job|cannot accept command verb|domain is not running/i;
/** Without the checkpoint, or without one to begin from, the job might have begun. */
const CHECKPOINT_REFUSED = /checkpoint|bitmap|is empty or readonly/i;
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
   * returns, the point in time is taken, and the checkpoint is made. Throws `CHECKPOINT_LOST` (nothing has begun; whole images, or none with a checkpoint, could), `BACKUP_JOB_FAILED`,
   * `HYPERVISOR_COMMAND_TIMED_OUT` (libvirt may begin it yet).
   */
  async begin(left: readonly string[], checkpoints: JobCheckpoints | null, timeoutMs: number): Promise<void> {
    const outcome = await this.virsh.withFile(backupXml(this.disks, left, checkpoints?.since ?? null), (backup) => {
      const begin = (more: readonly string[]) =>
        this.virsh.attemptOn(this.server.uuid, 'backup-begin', ['--backupxml', backup, '--reuse-external', ...more], { timeoutMs });
      return checkpoints === null ? begin([]) : this.virsh.withFile(this.checkpointXml(left, checkpoints), (path) => begin(['--checkpointxml', path]));
    });
    if (outcome.exitCode === 0) return;
    if (checkpoints !== null && CHECKPOINT_REFUSED.test(outcome.stderr)) throw checkpointLost(this.server, libvirtMessage(outcome.stderr));
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
   * Has libvirt forget how the last job ended, before ours begins: the end of last night's, of the same size, must never be taken for that of one whose QEMU was
   * killed in this moment. Reading it once is what makes libvirt forget.
   */
  async forgetLastEnd(): Promise<void> {
    await this.virsh.attemptOn(this.server.uuid, 'domjobinfo', ['--completed']);
  }

  /**
   * How the last job ended, as long as libvirt remembers: until the next one, or until it is restarted. Null: it does not, or it was no backup of this size. How
   * much has changed nobody knows exactly before the job begins: of what is incremental it is at most as large.
   */
  async lastEnd(totalBytes: number): Promise<'completed' | 'failed' | null> {
    const { exitCode, stdout } = await this.virsh.attemptOn(this.server.uuid, 'domjobinfo', ['--completed', '--keep-completed']);
    if (exitCode !== 0 || !/^Operation:\s*Backup\s*$/m.test(stdout)) return null;
    const type = /^Job type:\s*(\S+)/m.exec(stdout)?.[1];
    if (type === 'Failed' || type === 'Cancelled') return 'failed';
    const [, amount, unit] = /^File total:\s*([\d.]+)\s*(\w+)/m.exec(stdout) ?? [];
    // Where nothing had changed, nothing is said about how much it was.
    const counted = amount === undefined && this.isIncremental ? 0 : Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
    // Printed with three decimals of its unit.
    const precision = (UNITS[unit ?? ''] ?? 1) / 1000;
    const fits = this.isIncremental ? counted <= totalBytes + precision : Math.abs(counted - totalBytes) <= precision;
    return type === 'Completed' && fits ? 'completed' : null;
  }

  private get isIncremental(): boolean {
    return this.disks.some(({ backingName }) => backingName !== undefined);
  }

  private checkpointXml(left: readonly string[], { name, able }: JobCheckpoints): string {
    return checkpointXml(name, able, [...this.disks.map(({ target }) => target).filter((target) => !able.includes(target)), ...left]);
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

/** Said before anything has begun: then images can be whole. */
export const checkpointLost = (server: ServerRef, why: string): ModosuError =>
  new ModosuError('CHECKPOINT_LOST', `What has changed on ${server.name} since its last image cannot be told: ${why}`, { context: { uuid: server.uuid } });

/** One checkpoint for all: a libvirt that does not know how to make an exception for a disk refuses what it cannot do, instead of writing something else. */
function backupXml(disks: readonly JobDisk[], left: readonly string[], since: string | null): string {
  const mode = ({ backingName }: JobDisk): string => (since === null ? '' : ` backupmode="${backingName === undefined ? 'full' : 'incremental'}"`);
  return [
    '<domainbackup mode="push">',
    ...(since === null ? [] : [`<incremental>${nameOf(since)}</incremental>`]),
    '<disks>',
    ...disks.map(
      (disk) =>
        `<disk name="${escapeXml(disk.target)}" backup="yes" type="file"${mode(disk)}><target file="${escapeXml(disk.targetPath)}"/><driver type="qcow2"/></disk>`,
    ),
    ...left.map((target) => `<disk name="${escapeXml(target)}" backup="no"/>`),
    '</disks></domainbackup>',
  ].join('\n');
}
