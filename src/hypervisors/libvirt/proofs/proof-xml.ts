import { ModosuError } from '../../../contracts/errors';
import { describeDomain, parseDomain } from '../domains/domain-xml';
import { attribute, child, childNodes, childOrNew, children, isElement, removeChildren, serializeXml, type Element } from '../xml';

export interface ProofDefinition {
  readonly name: string;
  readonly uuid: string;
  /** Put in where the definition has the element. */
  readonly generationId: string;
  /** Sockets of the servers that show the images, by target. */
  readonly sockets: ReadonlyMap<string, string>;
  /** A copy of the firmware's variables; null: it has none. */
  readonly nvramPath: string | null;
}

/** What a boot needs. Everything else (host devices, file systems, consoles, tuning for the host, our own metadata) stays away. */
const OF_DOMAIN = new Set([
  'name',
  'uuid',
  'genid',
  'memory',
  'currentMemory',
  'vcpu',
  'cpu',
  'os',
  'features',
  'clock',
  'pm',
  'sysinfo',
  'on_poweroff',
  'on_reboot',
  'on_crash',
  'devices',
]);
const OF_DEVICES = new Set(['disk', 'controller', 'channel', 'rng', 'interface', 'video', 'input']);
const OF_DISK = new Set(['target', 'address', 'serial', 'wwn', 'boot', 'blockio', 'geometry']);
const OF_INTERFACE = new Set(['mac', 'model', 'address', 'boot']);
const OF_CONTROLLER = new Set(['model', 'address', 'target', 'master']);
/** No kernel, no ROM and no table of the host. */
const OF_OS = new Set(['type', 'boot', 'bootmenu', 'bios', 'smbios', 'loader', 'nvram', 'firmware']);
const HOSTS_KERNEL = new Set(['kernel', 'initrd', 'cmdline', 'dtb', 'acpi', 'init']);
const INPUTS = new Set(['mouse', 'tablet', 'keyboard']);
const AGENT_CHANNEL = 'org.qemu.guest_agent.0';

/**
 * A definition as it boots for a proof: under another name, on images that are shown over sockets, without any network, and with nothing of the host but CPU
 * and memory. Pure. Throws `START_FAILED` for one whose disks are not those of the recovery point.
 */
export function proofXml(xml: string, { name, uuid, generationId, sockets, nvramPath }: ProofDefinition): string {
  const document = parseDomain(xml);
  const domain = document.documentElement as Element;
  keepOnly(domain, OF_DOMAIN);
  childOrNew(domain, 'name').textContent = name;
  childOrNew(domain, 'uuid').textContent = uuid;
  const genid = child(domain, 'genid');
  if (genid !== null) genid.textContent = generationId;
  // The two have to be the same.
  for (const system of children(domain, 'sysinfo').flatMap((info) => children(info, 'system'))) {
    for (const entry of children(system, 'entry')) if (attribute(entry, 'name') === 'uuid') system.removeChild(entry);
  }
  for (const info of children(domain, 'sysinfo')) if (attribute(info, 'type') !== 'smbios') domain.removeChild(info);
  for (const vcpu of children(domain, 'vcpu')) for (const name of ['cpuset', 'placement']) vcpu.removeAttribute(name);
  // An image that restarts itself once, as after an update, still comes up.
  childOrNew(domain, 'on_reboot').textContent = 'restart';
  const os = child(domain, 'os');
  if (os !== null) {
    const own = childNodes(os)
      .filter(isElement)
      .find(({ localName }) => HOSTS_KERNEL.has(localName ?? ''));
    if (own !== undefined) throw refused(`it starts with files of the host (${own.localName ?? ''})`);
    keepOnly(os, OF_OS);
    for (const loader of children(os, 'loader')) loader.setAttribute('readonly', 'yes');
  }
  putNvram(domain, nvramPath);

  const devices = childOrNew(domain, 'devices');
  keepOnly(devices, OF_DEVICES);
  const left = new Map(sockets);
  for (const disk of children(devices, 'disk')) {
    if ((attribute(disk, 'device') ?? 'disk') !== 'disk') {
      devices.removeChild(disk);
      continue;
    }
    const target = attribute(child(disk, 'target'), 'dev') ?? '';
    const socket = left.get(target);
    if (socket === undefined) throw refused(`disk ${target} of the definition is not in the recovery point`);
    left.delete(target);
    showImage(disk, socket);
  }
  if (left.size > 0) throw refused(`the definition has no disk ${[...left.keys()].join(', ')}`);
  for (const nic of children(devices, 'interface')) {
    keepOnly(nic, OF_INTERFACE);
    for (const { name: other } of [...nic.attributes]) if (other !== 'type') nic.removeAttribute(other);
    nic.setAttribute('type', 'user');
    childOrNew(nic, 'link').setAttribute('state', 'down');
  }
  for (const controller of children(devices, 'controller')) keepOnly(controller, OF_CONTROLLER);
  for (const input of children(devices, 'input')) if (!INPUTS.has(attribute(input, 'type') ?? '')) devices.removeChild(input);
  for (const channel of children(devices, 'channel')) {
    if (attribute(child(channel, 'target'), 'name') !== AGENT_CHANNEL) devices.removeChild(channel);
    else removeChildren(channel, 'source');
  }
  for (const rng of children(devices, 'rng')) {
    for (const backend of children(rng, 'backend')) {
      for (const node of childNodes(backend)) backend.removeChild(node);
      for (const { name: other } of [...backend.attributes]) backend.removeAttribute(other);
      backend.setAttribute('model', 'random');
      backend.textContent = '/dev/urandom';
    }
  }
  for (const video of children(devices, 'video')) keepOnly(video, new Set(['model']));
  for (const model of children(devices, 'video').flatMap((video) => children(video, 'model'))) {
    // They want a display that is not there.
    keepOnly(model, new Set());
    if (attribute(model, 'type') === 'qxl') for (const { name: other } of [...model.attributes]) model.removeAttribute(other);
    if (attribute(model, 'type') === null) model.setAttribute('type', 'vga');
  }
  return serializeXml(document);
}

/** What its boot needs of the host's memory. */
export const memoryOf = (xml: string): number => describeDomain(parseDomain(xml)).memoryBytes;

function keepOnly(parent: Element, names: ReadonlySet<string>): void {
  for (const node of childNodes(parent)) {
    if (isElement(node) && (node.namespaceURI || !names.has(node.localName ?? ''))) parent.removeChild(node);
  }
}

function showImage(disk: Element, socket: string): void {
  keepOnly(disk, OF_DISK);
  for (const { name } of [...disk.attributes]) if (name !== 'device') disk.removeAttribute(name);
  disk.setAttribute('type', 'network');
  const driver = childOrNew(disk, 'driver');
  driver.setAttribute('name', 'qemu');
  driver.setAttribute('type', 'raw');
  const source = childOrNew(disk, 'source');
  source.setAttribute('protocol', 'nbd');
  const host = childOrNew(source, 'host');
  host.setAttribute('transport', 'unix');
  host.setAttribute('socket', socket);
}

function putNvram(domain: Element, path: string | null): void {
  const os = child(domain, 'os');
  const nvram = child(os, 'nvram');
  if (os === null || (nvram === null && path === null)) return;
  const format = attribute(nvram, 'format');
  if (nvram !== null) os.removeChild(nvram);
  if (path === null) return;
  const own = childOrNew(os, 'nvram');
  own.textContent = path;
  if (format !== null) own.setAttribute('format', format);
}

const refused = (problem: string): ModosuError => new ModosuError('START_FAILED', `The image cannot be booted for a proof: ${problem}.`);
