import { rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { GuestServer } from '../test/guests/guest-server';
import { CHANGED_BYTES } from './change';
import { nbdJob, pushJob, requireWritten } from './peers';
import { PLACE } from './place';
import { run, virsh } from './programs';
import { RANDOM_BYTES } from './server';

/** Incremental images by other means. Each has a line of checkpoints of its own on the server, and what it writes continues what it has written before. */

/** What one side has taken, and what its image of the changes holds. */
export interface Side {
  readonly seconds: number;
  readonly writtenBytes: number;
}

/** QEMU's push job and nothing else: no freeze, no checksums, the target made beforehand. */
export class PushLine {
  private constructor(
    private readonly server: GuestServer,
    private readonly diskBytes: number,
    private readonly signal: AbortSignal,
    private last: number,
  ) {}

  /** With a whole image. */
  static async begin(server: GuestServer, diskBytes: number, signal: AbortSignal): Promise<PushLine> {
    const line = new PushLine(server, diskBytes, signal, 0);
    const target = line.pathOf(0);
    await run(signal, 'qemu-img', 'create', '-q', '-f', 'qcow2', target, String(diskBytes));
    await pushJob(server, { target, checkpointXml: checkpointXml(0) }, signal);
    await requireWritten(target);
    await line.forget(0);
    return line;
  }

  /** Only the job and making its result durable is in the time; tidying up is not. */
  async increment(): Promise<Side> {
    const { server, signal, last } = this;
    const next = last + 1;
    const target = this.pathOf(next);
    // The name of the image before is for the header alone: nothing opens it.
    await run(signal, 'qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-F', 'qcow2', '-b', basename(this.pathOf(last)), target, String(this.diskBytes));
    await this.recall(last);
    const seconds = await pushJob(server, { target, checkpointXml: checkpointXml(next), since: nameOf(last) }, signal);
    const writtenBytes = await requireIncrement(target);
    await virsh(signal, 'checkpoint-delete', server.uuid, nameOf(last));
    await this.forget(next);
    this.last = next;
    return { seconds, writtenBytes };
  }

  /** libvirt alone forgets it, the bitmap goes on counting: virtnbdbackup refuses a server on which libvirt knows a checkpoint that is not its own. */
  private async forget(number: number): Promise<void> {
    await virsh(this.signal, 'checkpoint-delete', this.server.uuid, nameOf(number), '--metadata');
  }

  private async recall(number: number): Promise<void> {
    const path = join(PLACE.peers, 'recalled.xml');
    try {
      await writeFile(path, checkpointXml(number, '<creationTime>1</creationTime>'));
      await virsh(this.signal, 'checkpoint-create', this.server.uuid, '--xmlfile', path, '--redefine', '--redefine-validate');
    } finally {
      await rm(path, { force: true });
    }
  }

  private pathOf(number: number): string {
    return join(PLACE.peers, `${this.server.name}.push.${number}.qcow2`);
  }
}

const nameOf = (number: number): string => `bench-push-${number}`;
const checkpointXml = (number: number, more = ''): string =>
  `<domaincheckpoint><name>${nameOf(number)}</name>${more}<disks><disk name="vda" checkpoint="bitmap" bitmap="${nameOf(number)}"/></disks></domaincheckpoint>`;

/** `virtnbdbackup -l inc`, into the directory of its full. Its checkpoints stay, as it wants them. */
export class NbdLine {
  private constructor(
    private readonly server: GuestServer,
    private readonly signal: AbortSignal,
    private last: number,
  ) {}

  /** With `-l full`. */
  static async begin(server: GuestServer, signal: AbortSignal): Promise<NbdLine> {
    await nbdJob(server, 'full', NBD_LINE, signal);
    await requireWritten(join(NBD_LINE, 'vda.full.data'));
    return new NbdLine(server, signal, 0);
  }

  async increment(): Promise<Side> {
    const seconds = await nbdJob(this.server, 'inc', NBD_LINE, this.signal);
    this.last += 1;
    return { seconds, writtenBytes: await requireIncrement(join(NBD_LINE, `vda.inc.virtnbdbackup.${this.last}.data`)) };
  }
}

const NBD_LINE = join(PLACE.peers, 'virtnbdbackup-line');

/** Bytes that an image of what has changed takes. One that holds less has not done the work, one that holds much more has done another. */
export async function requireIncrement(path: string): Promise<number> {
  const bytes = (await stat(path)).blocks * 512;
  if (bytes < CHANGED_BYTES) throw new Error(`${path} holds ${bytes} bytes, less than was changed on the disk: it does not count.`);
  if (bytes > RANDOM_BYTES / 4) throw new Error(`${path} holds ${bytes} bytes, far more than was changed on the disk: it does not count.`);
  return bytes;
}
