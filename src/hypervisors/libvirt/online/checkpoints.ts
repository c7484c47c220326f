import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { CheckpointSurvey } from '../../../contracts/activities/images';
import { isId } from '../../../contracts/ids';
import type { ServerRef } from '../../../contracts/server';
import type { DefinedDisk } from '../domains/domain-xml';
import type { Domains } from '../domains/domains';
import type { Inspector } from '../domains/inspect';
import { libvirtMessage, type Virsh } from '../virsh';
import type { ImageChain } from '../volumes/disk-images';
import { attribute, child, children, escapeXml, parseXml, type Element } from '../xml';
import { CheckpointRecords, type MarkedDisk } from './checkpoint-records';
import { ServerControl } from './server-control';

/** Tells ours from those of other tools. */
const PREFIX = 'modosu-';
/** One that is not new has a time, which says nothing to us. */
const KNOWN_BEFORE = '<creationTime>1</creationTime>';

/**
 * Ours among the checkpoints of one server. What counts is the dirty bitmap that each has in the disks: it goes where the disk goes, and QEMU itself says whether
 * it can be believed. libvirt's own record of a checkpoint is there only while it is used, and is made again from nothing but the name: so no directory of
 * libvirt's can be lost, a swap of disks leaves nothing behind that speaks of others, disks that come back bring theirs along, and `virsh undefine` is not
 * refused because of us. A bitmap says of which moment it is, and not of which disk: that stands in a record of our own (`CheckpointRecords`), and without it
 * none is believed.
 */
export class Checkpoints {
  private readonly records: CheckpointRecords;

  constructor(
    private readonly virsh: Virsh,
    private readonly server: ServerRef,
    stateDirectory: string,
  ) {
    this.records = new CheckpointRecords(stateDirectory, server.uuid);
  }

  /** Written down before the job makes it: what is in no record is never used, and never removed. */
  async announce(name: string, disks: readonly MarkedDisk[]): Promise<void> {
    await this.records.write(nameOf(name), disks);
  }

  /** Null: libvirt knows it now, and the bitmap of each disk is there, is of that disk, and can be believed. Else why not, in words. */
  async recall(name: string, disks: readonly MarkedDisk[]): Promise<string | null> {
    const problem = await this.records.problem(nameOf(name), disks);
    if (problem !== null) return problem;
    const outcome = await this.redefine(name, targetsOf(disks), ['--redefine-validate']);
    return outcome.exitCode === 0 ? null : libvirtMessage(outcome.stderr);
  }

  /** Of one that libvirt knows: what has changed since, by target. */
  async changedBytes(name: string): Promise<Readonly<Record<string, number>>> {
    const xml = await this.virsh.runOn(this.server.uuid, 'checkpoint-dumpxml', ['--checkpointname', nameOf(name), '--size', '--no-domain']);
    const root = parseXml(xml, 'domaincheckpoint', 'The checkpoint of the server').documentElement as Element;
    const disks = child(root, 'disks');
    const sizes: Record<string, number> = {};
    for (const disk of disks === null ? [] : children(disks, 'disk')) {
      const [target, bytes] = [attribute(disk, 'name'), Number(attribute(disk, 'size') ?? Number.NaN)];
      if (target !== null && attribute(disk, 'checkpoint') === 'bitmap' && Number.isSafeInteger(bytes) && bytes >= 0) sizes[target] = bytes;
    }
    return sizes;
  }

  /** libvirt forgets it; the bitmaps stay. Also of a server that is off, or gone. Not there: nothing. */
  async forget(name: string): Promise<void> {
    await this.delete(nameOf(name), ['--metadata']);
  }

  /** The same for all of ours that libvirt knows, whoever has left them. */
  async forgetAll(): Promise<void> {
    const outcome = await this.onServer('checkpoint-list', ['--name']);
    for (const name of (outcome?.stdout ?? '').split('\n').map((line) => line.trim())) {
      if (name.startsWith(PREFIX) && isId('rp', name.slice(PREFIX.length))) await this.delete(name, ['--metadata']);
    }
  }

  /** Bitmaps, record and all, of a server that runs. One that QEMU does not believe any more goes, too: it would stand in the way of whoever resizes the disk. */
  async remove(name: string, disks: readonly MarkedDisk[]): Promise<void> {
    if (!(await this.delete(nameOf(name), []))) {
      const isWhole = (await this.redefine(name, targetsOf(disks), ['--redefine-validate'])).exitCode === 0 && (await this.delete(nameOf(name), []));
      // By disk: libvirt stops at the first that has none.
      for (const { target } of isWhole ? [] : disks) {
        await this.redefine(name, [target], []);
        if (!(await this.delete(nameOf(name), []))) await this.delete(nameOf(name), ['--metadata']);
      }
    }
    await this.records.remove(nameOf(name));
  }

  /** Removes all but this one (null: all) that are in the disks the server has now. Those of disks that may come back stay: they are of use then. */
  async removeOthers(kept: string | null, disks: readonly MarkedDisk[]): Promise<void> {
    for (const recorded of await this.records.list()) {
      const name = recorded.slice(PREFIX.length);
      if (name === kept || !isId('rp', name)) continue;
      const whose = await this.records.whose(recorded, disks);
      if (whose === 'present') await this.remove(name, disks);
      else if (whose === 'gone') await this.records.remove(recorded);
    }
  }

  /** See `Hypervisor.findCheckpoints`. `able`: the disks that can hold one. Stops at the first that is whole: older ones say nothing better. */
  async find(names: readonly string[], able: readonly MarkedDisk[]): Promise<Pick<CheckpointSurvey, 'found' | 'problem'>> {
    if (able.length === 0) return { found: null, problem: 'none of its disks can hold a checkpoint' };
    let problem: string | null = null;
    const known = new Set(await this.records.list());
    for (const name of names.filter((one) => known.has(nameOf(one)))) {
      const why = await this.recall(name, able);
      try {
        if (why === null) return { found: { name, changedBytes: await this.changedBytes(name) }, problem: null };
        problem ??= `that of ${name}: ${why}`;
      } finally {
        if (why === null) await this.forget(name);
      }
    }
    return { found: null, problem: problem ?? 'none was left in the disks that the server has now' };
  }

  private redefine(name: string, targets: readonly string[], more: readonly string[]): ReturnType<Virsh['attemptOn']> {
    return this.virsh.withFile(checkpointXml(name, targets, [], KNOWN_BEFORE), (path) =>
      this.virsh.attemptOn(this.server.uuid, 'checkpoint-create', ['--xmlfile', path, '--redefine', ...more]),
    );
  }

  /** False: libvirt has refused, or did not know it. */
  private async delete(name: string, options: readonly string[]): Promise<boolean> {
    return (await this.onServer('checkpoint-delete', ['--checkpointname', name, ...options]))?.exitCode === 0;
  }

  /** Null: the server is gone. */
  private async onServer(command: string, args: readonly string[]): Promise<Awaited<ReturnType<Virsh['attemptOn']>> | null> {
    try {
      return await this.virsh.attemptOn(this.server.uuid, command, args);
    } catch (error) {
      if (isModosuError(error) && error.code === 'SERVER_GONE') return null;
      throw error;
    }
  }
}

const targetsOf = (disks: readonly MarkedDisk[]): readonly string[] => disks.map(({ target }) => target);

/** What libvirt is given: every disk is named, so that it decides about none by itself. */
export function checkpointXml(name: string, targets: readonly string[], left: readonly string[], more = ''): string {
  return [
    `<domaincheckpoint><name>${nameOf(name)}</name>${more}<disks>`,
    ...targets.map((target) => `<disk name="${escapeXml(target)}" checkpoint="bitmap" bitmap="${nameOf(name)}"/>`),
    ...left.map((target) => `<disk name="${escapeXml(target)}" checkpoint="no"/>`),
    '</disks></domaincheckpoint>',
  ].join('\n');
}

/** The name that libvirt and QEMU know it by. */
export function nameOf(name: string): string {
  if (isId('rp', name)) return `${PREFIX}${name}`;
  throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(name)} cannot be the name of a checkpoint.`);
}

/** See `Hypervisor.findCheckpoints`. */
export async function findCheckpoints(
  parts: { readonly virsh: Virsh; readonly domains: Domains; readonly inspector: Inspector; readonly settings: { readonly stateDirectory: string } },
  server: ServerRef,
  names: readonly string[],
): Promise<CheckpointSurvey> {
  if ((await new ServerControl(parts.virsh, server).standing()) === 'off') {
    await parts.domains.stored(server);
    return { able: [], virtualSizeBytes: {}, found: null, problem: `${server.name} is off` };
  }
  const able: MarkedDisk[] = [];
  const virtualSizeBytes: Record<string, number> = {};
  for (const disk of (await parts.domains.live(server)).description.disks) {
    const chain = await parts.inspector.chainOf(disk);
    virtualSizeBytes[disk.target] = chain.virtualSizeBytes;
    if (canHold(disk, chain)) able.push({ target: disk.target, path: disk.path });
  }
  const checkpoints = new Checkpoints(parts.virsh, server, parts.settings.stateDirectory);
  return { able: able.map(({ target }) => target), virtualSizeBytes, ...(await checkpoints.find(names, able)) };
}

/** libvirt refuses the whole job for a disk that is only read. */
export const canHold = ({ readOnly }: Pick<DefinedDisk, 'readOnly'>, { holdsBitmaps }: Pick<ImageChain, 'holdsBitmaps'>): boolean =>
  holdsBitmaps && readOnly !== true;
