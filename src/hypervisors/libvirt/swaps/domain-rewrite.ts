import { ModosuError } from '../../../contracts/errors';
import type { PlannedVolume } from '../../../contracts/plan';
import type { Fence } from '../../../contracts/server';
import { describeDomain, parseDomain } from '../domain-xml';
import { removeFence, writeFence } from '../fence-xml';
import { attribute, child, childNodes, childOrNew, children, removeChildren, serializeXml, type Document, type Element } from '../xml';

export interface Rewrite {
  readonly volumes: readonly PlannedVolume[];
  readonly nvramNewPath: string | null;
  /** Put in where the definition has the element; null leaves it as it is. */
  readonly generationId: string | null;
  readonly fence: Fence;
  /** MACs of the interfaces whose links are put down. */
  readonly linksDown: readonly string[];
  /** Name the domain has now, where it was renamed since the definition was kept; null leaves the definition's. */
  readonly name: string | null;
}

/**
 * The definition with new volumes in place of the disks, and nothing else changed but NVRAM path, generation id, links and fence. Every disk
 * that holds data must have a volume: a server must never start with one restored disk and one that was forgotten.
 * Throws `SWAP_REFUSED`.
 */
export function rewriteForSwap(xml: string, rewrite: Rewrite): string {
  const document = parseDomain(xml);
  const domain = document.documentElement as Element;
  const described = describeDomain(document);
  const planned = new Map(rewrite.volumes.map((volume) => [volume.target, volume]));
  if (planned.size !== rewrite.volumes.length) throw refused('two volumes are planned for one disk');
  if (described.unsupportedDisks.length > 0) throw refused(`the definition has disks that cannot be restored: ${described.unsupportedDisks.join(', ')}`);

  const devices = child(domain, 'devices');
  for (const disk of devices === null ? [] : children(devices, 'disk')) {
    const device = attribute(disk, 'device') ?? 'disk';
    if (device !== 'disk') continue;
    const target = attribute(child(disk, 'target'), 'dev') ?? '';
    const volume = planned.get(target);
    if (volume === undefined) throw refused(`disk ${target} of the definition has no restored volume`);
    planned.delete(target);
    putVolume(disk, volume);
  }
  if (planned.size > 0) throw refused(`the definition has no disk ${[...planned.keys()].join(', ')}`);

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

/** A kept definition as it is defined again: with our fence, and under the name the domain has now (libvirt refuses to rename by a define; null leaves the definition's). */
export function rewriteForReturn(xml: string, fence: Fence, name: string | null): string {
  const document = parseDomain(xml);
  if (name !== null) childOrNew(document.documentElement as Element, 'name').textContent = name;
  writeFence(document, fence);
  return serializeXml(document);
}

function putVolume(disk: Element, volume: PlannedVolume): void {
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
