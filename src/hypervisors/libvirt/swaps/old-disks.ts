import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../../contracts/errors';
import type { OldDisk } from '../../../contracts/plan';
import type { Fence, ServerRef } from '../../../contracts/server';
import { OLD_DISK_SERIAL, oldDisksOf, type DomainDescription } from '../domains/domain-xml';
import type { Domains } from '../domains/domains';
import type { Fences } from '../domains/fence';
import type { Inspector } from '../domains/inspect';
import { replacedFiles, type WayBacks } from './way-back';
import type { Virsh } from '../virsh';
import { parseXml, serializeXml, type Element } from '../xml';

const DETACH_TIMEOUT_MS = 30_000;
const POLL_MS = 500;
/** virtio takes no more; the guest shows it as /dev/disk/by-id/virtio-<serial>. */
const MAX_SERIAL_LENGTH = 20;

/**
 * Old volumes of a restored server, attached to it read-only while it runs. Never in the stored definition: they carry the labels and UUIDs of the restored
 * disks, and a guest that mounts by them at its start may take the wrong one; also the definition is what undo, the next restore and the next backup go by.
 * Cutting the power ends it.
 */
export class OldDisks {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
    private readonly inspector: Pick<Inspector, 'chainOf'>,
    private readonly wayBacks: WayBacks,
    private readonly detachTimeoutMs = DETACH_TIMEOUT_MS,
  ) {}

  /** See `Hypervisor.attachOldDisk`. */
  async attach(server: ServerRef, fence: Fence, disk: OldDisk): Promise<{ readonly target: string }> {
    await this.fences.require(server, fence);
    const record = await this.wayBacks.readOpen(server, fence.runId);
    const isReplaced =
      record !== null &&
      !record.wasGone &&
      record.volumes.some(({ target, path }) => target === disk.target && path === disk.path) &&
      replacedFiles(record).some(({ path }) => path === disk.path);
    if (!isReplaced) {
      throw new ModosuError('PATH_NOT_ALLOWED', `${disk.path} is not what run ${fence.runId} has replaced as ${disk.target}; it is not attached.`, {
        context: { path: disk.path },
      });
    }
    const { powerState, libvirtState } = await this.domains.state(server);
    if (powerState === 'off') {
      throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `${server.name} is ${libvirtState}: an old disk is attached only while it runs.`, {
        hint: 'Start the server first.',
        context: { uuid: server.uuid },
      });
    }
    const live = await this.domains.live(server);
    const present = oldDisksOf(live.document).find(({ path }) => path === disk.path);
    if (present !== undefined) return { target: present.target };
    const bus = live.description.disks.find(({ target }) => target === disk.target)?.bus ?? 'virtio';
    await this.inspector.chainOf({ ...disk, bus, backing: null });
    const target = freeTarget(disk.target, live.description);
    await this.virsh.withFile(deviceXml(disk, target, bus), async (file) => {
      await this.fences.require(server, fence);
      await this.virsh.runOn(server.uuid, 'attach-device', ['--file', file, '--live']);
    });
    return { target };
  }

  /** Detaches those of `paths` that are attached, and waits until the guest has let go of them. Throws `OLD_DISK_IN_USE`. */
  async detach(server: ServerRef, fence: Fence, paths: readonly string[]): Promise<void> {
    const attached = async (): Promise<ReturnType<typeof oldDisksOf>> => {
      const state = await this.domains.stateOrNull(server);
      if (state === null || state.powerState === 'off') return [];
      return oldDisksOf((await this.domains.live(server)).document).filter(({ path }) => paths.includes(path));
    };
    for (const { target, path } of await attached()) {
      await this.fences.require(server, fence);
      const refused = await this.virsh.attemptOn(server.uuid, 'detach-disk', ['--target', target, '--live']);
      const giveUpAt = performance.now() + this.detachTimeoutMs;
      while ((await attached()).some((disk) => disk.path === path)) {
        if (performance.now() >= giveUpAt) {
          throw new ModosuError('OLD_DISK_IN_USE', `${server.name} does not let go of ${target}, the old volume ${path}. Nothing was deleted.`, {
            context: { path, target, ...(refused.exitCode === 0 ? {} : { libvirt: refused.stderr.slice(0, 500) }) },
          });
        }
        await delay(POLL_MS);
      }
    }
  }
}

/** The next free name on the same bus. */
function freeTarget(like: string, { disks, unsupportedDisks, removableMedia }: DomainDescription): string {
  const prefix = /^(?:xvd|ubd|.d)/.exec(like)?.[0] ?? 'vd';
  const taken = new Set([...disks.map(({ target }) => target), ...unsupportedDisks, ...removableMedia.map(({ target }) => target)]);
  const letter = [...'abcdefghijklmnopqrstuvwxyz'].find((candidate) => !taken.has(`${prefix}${candidate}`));
  if (letter === undefined) throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `There is no free name for one more disk like ${like}.`);
  return `${prefix}${letter}`;
}

function deviceXml({ target: of, path, format }: OldDisk, target: string, bus: string): string {
  const document = parseXml("<disk type='file' device='disk'><driver name='qemu'/><source/><target/><readonly/><serial/></disk>", 'disk', 'A disk');
  const set = (name: string, attributes: Readonly<Record<string, string>>): void => {
    const element = document.getElementsByTagName(name)[0] as Element;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  };
  set('driver', { type: format });
  set('source', { file: path });
  set('target', { dev: target, bus });
  (document.getElementsByTagName('serial')[0] as Element).textContent = `${OLD_DISK_SERIAL}${of}`.slice(0, MAX_SERIAL_LENGTH);
  return serializeXml(document);
}
