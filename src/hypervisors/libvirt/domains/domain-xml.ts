import { ModosuError, type ErrorSummary } from '../../../contracts/errors';
import type { BackingFile, DiskFormat, NicInspection } from '../../../contracts/server';
import type { ErrorCode } from '../../../contracts/error-codes';
import { sha256Of } from '../../../system/sha256';
import { isFenceElement } from './fence-xml';
import { attribute, child, childNodes, children, isElement, isText, parseXml, textOf, type Document, type Element } from '../xml';

/** A disk of a definition that can be imaged as far as the definition tells. */
export interface DefinedDisk {
  readonly target: string;
  readonly bus: string;
  readonly path: string;
  readonly format: DiskFormat;
  /** Backing files the definition spells out, nearest first; null when it leaves them to the image headers (the usual case). */
  readonly backing: readonly BackingFile[] | null;
  /** The guest can only read it. Absent: it can write. */
  readonly readOnly?: boolean;
}

export interface DefinedNvram {
  /** Null: libvirt chooses the path when the domain starts. */
  readonly path: string | null;
  readonly format: DiskFormat;
}

/** What a definition says, without a look at any file. */
export interface DomainDescription {
  readonly uuid: string;
  readonly name: string;
  readonly domainType: string;
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly disks: readonly DefinedDisk[];
  /** Targets of disks that are neither imaged nor removable; each has a refusal. */
  readonly unsupportedDisks: readonly string[];
  readonly removableMedia: readonly { readonly target: string; readonly source: string | null }[];
  readonly firmware: 'bios' | 'uefi';
  readonly nvram: DefinedNvram | null;
  readonly nics: readonly NicInspection[];
  readonly generationId: string | null;
  readonly hasAgentChannel: boolean;
  readonly hasTpm: boolean;
  readonly refusals: readonly ErrorSummary[];
}

/**
 * Serial numbers of old volumes that are attached read-only begin with this (see `old-disks.ts`). Like CD-ROMs they are no disks of the server: neither
 * imaged nor restored.
 */
export const OLD_DISK_SERIAL = 'modosu-old-';

const AGENT_CHANNEL = 'org.qemu.guest_agent.0';

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1e3,
  k: 1024,
  KiB: 1024,
  MB: 1e6,
  M: 1024 ** 2,
  MiB: 1024 ** 2,
  GB: 1e9,
  G: 1024 ** 3,
  GiB: 1024 ** 3,
  TB: 1e12,
  T: 1024 ** 4,
  TiB: 1024 ** 4,
};

export const parseDomain = (xml: string): Document => parseXml(xml, 'domain', 'The definition of the server');

const refusal = (code: ErrorCode, message: string): ErrorSummary => new ModosuError(code, message).summary();

/** Reads a parsed definition. Pure; problems that forbid an image become refusals. */
export function describeDomain(document: Document): DomainDescription {
  const domain = document.documentElement as Element;
  const devices = child(domain, 'devices');
  const refusals: ErrorSummary[] = [];
  const disks: DefinedDisk[] = [];
  const unsupportedDisks: string[] = [];
  const removableMedia: { target: string; source: string | null }[] = [];

  for (const disk of devices === null ? [] : children(devices, 'disk')) {
    const target = attribute(child(disk, 'target'), 'dev') ?? 'unnamed';
    const device = attribute(disk, 'device') ?? 'disk';
    if (device === 'cdrom' || device === 'floppy' || isOldDisk(disk)) {
      removableMedia.push({ target, source: sourceName(child(disk, 'source')) });
      continue;
    }
    const judged = judgeDisk(disk, target, device);
    if ('code' in judged) {
      refusals.push(judged);
      unsupportedDisks.push(target);
    } else {
      disks.push(child(disk, 'readonly') === null ? judged : { ...judged, readOnly: true });
    }
  }
  for (const [index, disk] of disks.entries()) {
    const twin = disks.slice(0, index).find((other) => other.path === disk.path);
    if (twin !== undefined) refusals.push(refusal('DISK_SHARED', `The disks ${twin.target} and ${disk.target} are the same file ${disk.path}.`));
  }
  refusals.push(...judgeDevices(devices));
  const { firmware, nvram, problem } = readFirmware(child(domain, 'os'));
  if (problem !== null) refusals.push(problem);

  return {
    uuid: textOf(child(domain, 'uuid')) ?? '',
    name: textOf(child(domain, 'name')) ?? '',
    domainType: attribute(domain, 'type') ?? '',
    memoryBytes: readMemory(child(domain, 'memory')),
    vcpus: Number(textOf(child(domain, 'vcpu')) ?? '1'),
    disks,
    unsupportedDisks,
    removableMedia,
    firmware,
    nvram,
    nics: devices === null ? [] : children(devices, 'interface').map(readNic),
    generationId: textOf(child(domain, 'genid')),
    hasAgentChannel: devices !== null && children(devices, 'channel').some((channel) => attribute(child(channel, 'target'), 'name') === AGENT_CHANNEL),
    hasTpm: devices !== null && child(devices, 'tpm') !== null,
    refusals,
  };
}

export const isOldDisk = (disk: Element): boolean => child(disk, 'readonly') !== null && textOf(child(disk, 'serial'))?.startsWith(OLD_DISK_SERIAL) === true;

/** Old volumes that are attached. */
export function oldDisksOf(document: Document): readonly { readonly target: string; readonly path: string }[] {
  const devices = child(document.documentElement as Element, 'devices');
  return (devices === null ? [] : children(devices, 'disk'))
    .filter(isOldDisk)
    .map((disk) => ({ target: attribute(child(disk, 'target'), 'dev') ?? '', path: attribute(child(disk, 'source'), 'file') ?? '' }));
}

function judgeDisk(disk: Element, target: string, device: string): DefinedDisk | ErrorSummary {
  const type = attribute(disk, 'type') ?? 'file';
  const source = child(disk, 'source');
  const shown = sourceName(source) ?? 'nothing';
  if (device === 'lun' || type === 'block' || type === 'nvme' || type === 'vhostvdpa') {
    return refusal('DISK_PASSTHROUGH', `Disk ${target} is a device of the host (${shown}).`);
  }
  if (device !== 'disk' || type !== 'file') return refusal('DISK_NOT_SUPPORTED', `Disk ${target} is of type ${type} (${shown}).`);
  const path = attribute(source, 'file');
  if (path === null || !path.startsWith('/')) return refusal('DISK_NOT_SUPPORTED', `Disk ${target} names no file.`);
  if (child(disk, 'encryption') !== null || child(source, 'encryption') !== null) {
    return refusal('DISK_NOT_SUPPORTED', `Disk ${target} (${path}) is encrypted by the hypervisor.`);
  }
  if (child(source, 'slices') !== null) return refusal('DISK_NOT_SUPPORTED', `Disk ${target} is a slice of ${path}.`);
  if (child(source, 'dataStore') !== null) return refusal('IMAGE_HEADER_REFUSED', `Disk ${target} (${path}) keeps its data in another file.`);
  if (child(disk, 'shareable') !== null) return refusal('DISK_SHARED', `Disk ${target} (${path}) is shared with other servers.`);
  const format = attribute(child(disk, 'driver'), 'type');
  if (format !== 'qcow2' && format !== 'raw') {
    return refusal(
      'DISK_NOT_SUPPORTED',
      format === null
        ? `The definition does not say the format of disk ${target} (${path}), and a guess could be led astray.`
        : `Disk ${target} (${path}) has the format ${format}.`,
    );
  }
  const backing = readBacking(child(disk, 'backingStore'));
  if (backing === 'unsupported') return refusal('DISK_NOT_SUPPORTED', `Disk ${target} (${path}) has backing storage that is not a qcow2 or raw file.`);
  return { target, bus: attribute(child(disk, 'target'), 'bus') ?? '', path, format, backing };
}

/** The chain below a disk as the definition spells it out; an empty element ends it. */
function readBacking(first: Element | null): readonly BackingFile[] | null | 'unsupported' {
  if (first === null) return null;
  const files: BackingFile[] = [];
  for (let store: Element | null = first; store !== null && childNodes(store).some(isElement); store = child(store, 'backingStore')) {
    const path = attribute(child(store, 'source'), 'file');
    const format = attribute(child(store, 'format'), 'type');
    if (path === null || (format !== 'qcow2' && format !== 'raw')) return 'unsupported';
    files.push({ path, format });
  }
  return files;
}

function judgeDevices(devices: Element | null): ErrorSummary[] {
  if (devices === null) return [];
  const found: ErrorSummary[] = [];
  for (const hostdev of children(devices, 'hostdev')) {
    found.push(
      refusal('DEVICE_PASSTHROUGH', `The server uses a device of the host (${attribute(hostdev, 'type') ?? attribute(hostdev, 'mode') ?? 'unnamed'}).`),
    );
  }
  for (const nic of children(devices, 'interface')) {
    const type = attribute(nic, 'type') ?? '';
    if (type === 'hostdev' || type === 'vdpa') {
      found.push(refusal('DEVICE_PASSTHROUGH', `A network interface of the server is a device of the host (${type}).`));
    }
  }
  for (const tpm of children(devices, 'tpm')) {
    if (attribute(child(tpm, 'backend'), 'type') === 'passthrough') found.push(refusal('DEVICE_PASSTHROUGH', 'The server uses the TPM of the host.'));
  }
  for (const memory of children(devices, 'memory')) {
    const model = attribute(memory, 'model') ?? '';
    if (model === 'nvdimm' || model === 'virtio-pmem') found.push(refusal('DISK_NOT_SUPPORTED', `The server keeps data in persistent memory (${model}).`));
  }
  return found;
}

/** What a source points to, for people. */
export function sourceName(source: Element | null): string | null {
  if (source === null) return null;
  for (const name of ['file', 'dev', 'dir', 'name', 'volume', 'type']) {
    const value = attribute(source, name);
    if (value !== null) return value;
  }
  return null;
}

function readFirmware(os: Element | null): { firmware: 'bios' | 'uefi'; nvram: DefinedNvram | null; problem: ErrorSummary | null } {
  const loader = child(os, 'loader');
  const nvram = child(os, 'nvram');
  const uefi = attribute(os, 'firmware') === 'efi' || attribute(loader, 'type') === 'pflash' || nvram !== null;
  if (!uefi) return { firmware: 'bios', nvram: null, problem: null };
  if (attribute(loader, 'stateless') === 'yes') return { firmware: 'uefi', nvram: null, problem: null };
  const type = attribute(nvram, 'type') ?? 'file';
  const path = attribute(child(nvram, 'source'), 'file') ?? textOf(nvram);
  const format = attribute(nvram, 'format') ?? 'raw';
  if (type !== 'file' || (format !== 'raw' && format !== 'qcow2')) {
    return { firmware: 'uefi', nvram: null, problem: refusal('DISK_NOT_SUPPORTED', `The NVRAM of the server is of type ${type}, format ${format}.`) };
  }
  return { firmware: 'uefi', nvram: { path, format }, problem: null };
}

const readNic = (nic: Element): NicInspection => ({
  mac: attribute(child(nic, 'mac'), 'address') ?? '',
  type: attribute(nic, 'type') ?? '',
  source: ['network', 'bridge', 'dev', 'portgroup', 'address'].map((name) => attribute(child(nic, 'source'), name)).find((value) => value !== null) ?? null,
  linkUp: attribute(child(nic, 'link'), 'state') !== 'down',
});

function readMemory(memory: Element | null): number {
  const factor = UNIT_BYTES[attribute(memory, 'unit') ?? 'KiB'] ?? Number.NaN;
  const bytes = Number(textOf(memory) ?? '0') * factor;
  return Number.isFinite(bytes) ? Math.round(bytes) : 0;
}

/**
 * SHA-256 of what a definition says: attribute order, white space, comments and Modosu's own fence do not count.
 * Made from the stored definition without security info, so that no password goes into it.
 */
export function fingerprint(document: Document): string {
  return sha256Of(JSON.stringify(canonical(document.documentElement as Element)));
}

type Canonical = readonly [name: string, attributes: readonly string[], content: readonly (string | Canonical)[]];

function canonical(element: Element): Canonical {
  const attributes: string[] = [];
  for (let i = 0; i < element.attributes.length; i += 1) {
    const item = element.attributes.item(i);
    if (item !== null && item.name !== 'xmlns' && !item.name.startsWith('xmlns:')) {
      attributes.push(`${item.namespaceURI ?? ''}|${item.localName ?? item.name}=${item.value}`);
    }
  }
  const nodes = childNodes(element);
  const hasElements = nodes.some(isElement);
  const content: (string | Canonical)[] = [];
  for (const node of nodes) {
    if (isElement(node)) {
      if (isFenceElement(node)) continue;
      if (node.localName === 'metadata' && !childNodes(node).some((inner) => isElement(inner) && !isFenceElement(inner))) continue;
      content.push(canonical(node));
    } else if (isText(node) && (!hasElements || (node.nodeValue ?? '').trim() !== '')) {
      content.push((node.nodeValue ?? '').trim());
    }
  }
  return [`${element.namespaceURI ?? ''}|${element.localName ?? element.nodeName}`, attributes.sort(), content];
}
