import { ModosuError } from '../../../contracts/errors';
import type { KeptDisk, PlannedVolume } from '../../../contracts/plan';
import type { Fence } from '../../../contracts/server';
import { describeDomain, isOldDisk, parseDomain, type DefinedDisk } from '../domains/domain-xml';
import { removeFence, writeFence } from '../domains/fence-xml';
import { attribute, child, childNodes, childOrNew, children, removeChildren, serializeXml, type Document, type Element } from '../xml';

export interface Rewrite {
  readonly volumes: readonly PlannedVolume[];
  /** Disks whose source stays exactly as it is; each has to be this file. */
  readonly keptDisks: readonly Pick<KeptDisk, 'target' | 'path'>[];
  readonly nvramNewPath: string | null;
  /** Put in where the definition has the element; null leaves it as it is. */
  readonly generationId: string | null;
  readonly fence: Fence;
  /** MACs of the interfaces whose links are put down. */
  readonly linksDown: readonly string[];
  /** Files of removable media that are not there: their drives come up empty, and an old disk is no longer attached. */
  readonly missingMedia: readonly string[];
  /** Name the domain has now, where it was renamed since the definition was kept; null leaves the definition's. */
  readonly name: string | null;
}

/**
 * The definition with new volumes in place of the disks, and nothing else changed but NVRAM path, generation id, links, fence, and drives whose medium is
 * missing. Every disk that holds data must have a volume or be kept: a server must never start with one restored disk and one that was forgotten. Throws
 * `SWAP_REFUSED`.
 */
export function rewriteForSwap(xml: string, rewrite: Rewrite): string {
  const document = parseDomain(xml);
  const domain = document.documentElement as Element;
  const described = describeDomain(document);
  const planned = new Map(rewrite.volumes.map((volume) => [volume.target, volume]));
  const kept = new Map(rewrite.keptDisks.map(({ target, path }) => [target, path]));
  if (planned.size !== rewrite.volumes.length) throw refused('two volumes are planned for one disk');
  if (kept.size !== rewrite.keptDisks.length || [...kept.keys()].some((target) => planned.has(target))) {
    throw refused('a disk is to be kept and restored, or kept twice');
  }
  if (described.unsupportedDisks.length > 0) throw refused(`the definition has disks that cannot be restored: ${described.unsupportedDisks.join(', ')}`);

  const devices = child(domain, 'devices');
  for (const disk of devices === null ? [] : children(devices, 'disk')) {
    if (isRemovable(disk)) {
      emptyWhereMissing(disk, rewrite.missingMedia);
      continue;
    }
    const target = attribute(child(disk, 'target'), 'dev') ?? '';
    const keptPath = kept.get(target);
    if (keptPath !== undefined) {
      const path = described.disks.find((candidate) => candidate.target === target)?.path;
      if (path !== keptPath) throw refused(`disk ${target}, which is to be kept, is ${path ?? 'no file'} and not ${keptPath}`);
      kept.delete(target);
      continue;
    }
    const volume = planned.get(target);
    if (volume === undefined) throw refused(`disk ${target} of the definition has no restored volume`);
    planned.delete(target);
    putVolume(disk, volume);
  }
  const missing = [...planned.keys(), ...kept.keys()];
  if (missing.length > 0) throw refused(`the definition has no disk ${missing.join(', ')}`);

  if (rewrite.nvramNewPath !== null) putNvram(domain, described.firmware, rewrite.nvramNewPath);
  const linksDown = new Set(rewrite.linksDown.map((mac) => mac.toLowerCase()));
  for (const nic of devices === null ? [] : children(devices, 'interface')) {
    if (linksDown.has(attribute(child(nic, 'mac'), 'address')?.toLowerCase() ?? '')) childOrNew(nic, 'link').setAttribute('state', 'down');
  }
  if (rewrite.name !== null) childOrNew(domain, 'name').textContent = rewrite.name;
  const genid = child(domain, 'genid');
  if (genid !== null && rewrite.generationId !== null) genid.textContent = rewrite.generationId;
  writeFence(document, rewrite.fence);
  return serializeXml(document);
}

/** The definition with this fence, or with none. */
export function withFence(xml: string, fence: Fence | null): string {
  const document: Document = parseDomain(xml);
  if (fence === null) removeFence(document);
  else writeFence(document, fence);
  return serializeXml(document);
}

/**
 * A kept definition as it is defined again: with our fence, and under the name the domain has now (libvirt refuses to rename by a define; null leaves the
 * definition's). Disks that the swap had left as they were (`unchanged`) keep the file they have now: somebody may have taken a snapshot of them since, and the
 * newest data would stay behind in it.
 */
export function rewriteForReturn(
  xml: string,
  fence: Fence,
  name: string | null,
  unchanged: readonly Pick<DefinedDisk, 'target' | 'path' | 'format'>[],
  missingMedia: readonly string[],
): string {
  const document = parseDomain(xml);
  const staying = new Map(unchanged.map((disk) => [disk.target, disk]));
  const devices = child(document.documentElement as Element, 'devices');
  for (const disk of devices === null ? [] : children(devices, 'disk')) {
    if (isRemovable(disk)) emptyWhereMissing(disk, missingMedia);
    const now = staying.get(attribute(child(disk, 'target'), 'dev') ?? '');
    if (now !== undefined && attribute(child(disk, 'source'), 'file') !== now.path) putVolume(disk, { newPath: now.path, format: now.format });
  }
  if (name !== null) childOrNew(document.documentElement as Element, 'name').textContent = name;
  writeFence(document, fence);
  return serializeXml(document);
}

const isRemovable = (disk: Element): boolean => (attribute(disk, 'device') ?? 'disk') !== 'disk' || isOldDisk(disk);

/** libvirt starts no server with a medium that is not there; a drive without a medium is none that keeps it from its OS. */
function emptyWhereMissing(disk: Element, missingMedia: readonly string[]): void {
  const source = child(disk, 'source');
  const file = attribute(source, 'file') ?? attribute(source, 'dev');
  if (file === null || !missingMedia.includes(file)) return;
  if (isOldDisk(disk)) disk.parentNode?.removeChild(disk);
  else removeChildren(disk, 'source');
}

function putVolume(disk: Element, volume: Pick<PlannedVolume, 'newPath' | 'format'>): void {
  disk.setAttribute('type', 'file');
  // The old chain and a mirror of it belong to the files that are replaced.
  removeChildren(disk, 'backingStore');
  removeChildren(disk, 'mirror');
  const source = childOrNew(disk, 'source');
  source.setAttribute('file', volume.newPath);
  source.removeAttribute('index');
  const driver = childOrNew(disk, 'driver');
  if (attribute(driver, 'name') === null) driver.setAttribute('name', 'qemu');
  driver.setAttribute('type', volume.format);
}

function putNvram(domain: Element, firmware: 'bios' | 'uefi', path: string): void {
  const os = child(domain, 'os');
  if (os === null || firmware !== 'uefi') throw refused('the recovery point holds an NVRAM file, but the definition has no UEFI firmware');
  const nvram = childOrNew(os, 'nvram');
  const source = child(nvram, 'source');
  if (source !== null) {
    source.setAttribute('file', path);
    return;
  }
  for (const node of childNodes(nvram)) nvram.removeChild(node);
  nvram.textContent = path;
}

const refused = (problem: string): ModosuError => new ModosuError('SWAP_REFUSED', `The definition was not changed: ${problem}.`);
