import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ServerRef } from '../../src/contracts/server';
import type { Hypervisor } from '../../src/hypervisors/hypervisor';
import { createLibvirtHypervisor, type LibvirtHypervisorOptions } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { imageName } from '../../src/hypervisors/libvirt/volumes/disk-images';
import { storedImage } from '../../src/hypervisors/libvirt/volumes/stored-chain';
import { runCommand } from '../../src/system/child-process';
import { SOURCE_GUARD } from './guard-command';
import { DISK_BYTES, type HypervisorLab, type LabDisk, type LabServer } from './hypervisor-lab';
import { ownedDirectory } from './owned-directory';

const URI = 'qemu:///system';
const DOMAIN_PREFIX = process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-';
/** Outside private homes: QEMU's user has to reach it. */
const PARENT = process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp';

export interface LibvirtLab extends HypervisorLab {
  readonly stateDirectory: string;
  /** The adapter with other options. */
  adapter(options?: Partial<LibvirtHypervisorOptions>): Hypervisor;
  virsh(...args: string[]): Promise<string>;
  /** Runs a program that has to succeed. */
  run(...argv: [string, ...string[]]): Promise<string>;
  /** Defines a server from pieces of XML. Returns its reference. */
  define(xml: {
    readonly name?: string;
    readonly devices: string;
    readonly os?: string;
    readonly extra?: string;
    readonly start?: 'transient';
  }): Promise<ServerRef>;
  /** A disk file with this content. */
  writeDisk(path: string, disk: Pick<LabDisk, 'format' | 'content' | 'overlay'>): Promise<void>;
}

export const xmlText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll("'", '&apos;').replaceAll('"', '&quot;').replaceAll('\n', '&#10;');

export const diskXml = (target: string, path: string, format: string): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='${format}'/><source file='${xmlText(path)}'/><target dev='${target}' bus='virtio'/></disk>`;

const nicXml = ({ mac, linkUp }: { readonly mac: string; readonly linkUp?: boolean }): string =>
  `<interface type='user'><mac address='${mac}'/><model type='virtio'/>${linkUp === false ? "<link state='down'/>" : ''}</interface>`;

export async function createLibvirtLab(): Promise<LibvirtLab> {
  const root = ownedDirectory(PARENT, 'modosu-libvirt-');
  await chmod(root, 0o711);
  const diskDirectory = join(root, 'disks');
  const exportDirectory = join(root, 'export');
  const stateDirectory = join(root, 'state');
  for (const directory of [diskDirectory, exportDirectory, stateDirectory]) await mkdir(directory);
  const uuids: string[] = [];
  const label = randomBytes(3).toString('hex');

  const run = async (...argv: [string, ...string[]]): Promise<string> => {
    const outcome = await runCommand(argv, { timeoutMs: 60_000 });
    if (outcome.exitCode !== 0) throw new Error(`${argv.join(' ')}: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const virsh = (...args: string[]): Promise<string> => run('virsh', '--quiet', '--connect', URI, ...args);
  const adapter = (options: Partial<LibvirtHypervisorOptions> = {}): Hypervisor =>
    createLibvirtHypervisor({ name: 'lab', uri: URI, stateDirectory, guardCommand: SOURCE_GUARD, ...options });

  const writeDisk: LibvirtLab['writeDisk'] = async (path, { format, content, overlay }) => {
    const imagePath = overlay === true ? `${path}.base` : path;
    const plain = `${imagePath}.plain`;
    await writeFile(plain, Buffer.concat([content, Buffer.alloc(Math.max(0, DISK_BYTES - content.length))]));
    await run('qemu-img', 'convert', '-f', 'raw', '-O', format, plain, imagePath);
    await rm(plain);
    if (overlay === true) await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', format, '-b', imagePath, path);
  };

  const define: LibvirtLab['define'] = async ({ name, devices, os, extra, start }) => {
    const uuid = randomUUID();
    const domainName = name ?? `${DOMAIN_PREFIX}${label}-${uuids.length}`;
    const file = join(root, `${uuid}.xml`);
    await writeFile(
      file,
      `<domain type='qemu'><name>${xmlText(domainName)}</name><uuid>${uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>${extra ?? ''}
      <os><type arch='x86_64' machine='q35'>hvm</type>${os ?? ''}</os><features><acpi/></features>
      <devices>${devices}</devices></domain>`,
    );
    uuids.push(uuid);
    await virsh(start === 'transient' ? 'create' : 'define', file);
    return { uuid, name: domainName };
  };

  const createServer = async (spec: LabServer): Promise<ServerRef> => {
    const files: string[] = [];
    const id = randomBytes(4).toString('hex');
    for (const disk of spec.disks) {
      const path = join(diskDirectory, disk.fileName ?? `${id}-${disk.target}.${disk.format}`);
      await mkdir(dirname(path), { recursive: true });
      await writeDisk(path, disk);
      files.push(diskXml(disk.target, path, disk.format));
    }
    let os = '';
    if (spec.nvram !== undefined) {
      const nvram = join(diskDirectory, `${id}_VARS.fd`);
      // Firmware that starts needs variables of the right size; the content of the first bytes is the test's.
      const variables = await readFile('/usr/share/OVMF/OVMF_VARS_4M.fd');
      await writeFile(nvram, Buffer.concat([variables.subarray(0, variables.length - spec.nvram.length), spec.nvram]));
      os = `<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>${nvram}</nvram>`;
    }
    return define({ name: spec.name, devices: [...files, ...(spec.nics ?? []).map(nicXml)].join(''), os, extra: spec.genid === true ? '<genid/>' : '' });
  };

  const forget = async (server: ServerRef): Promise<void> => {
    await runCommand(['virsh', '--quiet', '--connect', URI, 'destroy', '--domain', server.uuid], { timeoutMs: 60_000 });
    await runCommand(['virsh', '--quiet', '--connect', URI, 'managedsave-remove', '--domain', server.uuid], { timeoutMs: 60_000 });
    await runCommand(
      ['virsh', '--quiet', '--connect', URI, 'undefine', '--domain', server.uuid, '--keep-nvram', '--snapshots-metadata', '--checkpoints-metadata'],
      {
        timeoutMs: 60_000,
      },
    );
  };

  const remember = async (server: ServerRef): Promise<() => Promise<void>> => {
    const file = join(root, `${randomUUID()}.xml`);
    await writeFile(file, await virsh('dumpxml', '--domain', server.uuid, '--inactive', '--security-info'));
    return async () => void (await virsh('define', '--file', file));
  };

  return {
    hypervisor: adapter(),
    diskDirectory,
    exportDirectory,
    stateDirectory,
    adapter,
    virsh,
    run,
    define,
    writeDisk,
    createServer,
    forget,
    remember,
    readDisk: async (path, format, lengthBytes) => {
      const plain = join(root, `${randomUUID()}.plain`);
      await run('qemu-img', 'convert', '-U', '-f', format, '-O', 'raw', path, plain);
      const bytes = (await readFile(plain)).subarray(0, lengthBytes);
      await rm(plain);
      return bytes;
    },
    overwrite: async (server, { path }, { at, bytes, byte }) => {
      const device = await virsh('qemu-monitor-command', server.uuid, '--hmp', 'info block');
      const attached = device.split('\n').findIndex((line) => line.includes(`${path} (`));
      const qdev = /Attached to:\s+(\S+)/.exec(device.split('\n')[attached + 1] ?? '')?.[1];
      for (const command of [`write -P ${byte} ${at} ${bytes}`, 'flush']) {
        const said = await virsh('qemu-monitor-command', server.uuid, '--hmp', `qemu-io -d ${qdev} "${command}"`);
        if (/error|failed/i.test(said)) throw new Error(said);
      }
    },
    readImages: async (files) => {
      const plain = join(root, `${randomUUID()}.plain`);
      await run('qemu-img', 'convert', '-O', 'raw', imageName(storedImage(files)), plain);
      const bytes = await readFile(plain);
      await rm(plain);
      return bytes;
    },
    dispose: async () => {
      for (const uuid of uuids) await forget({ uuid, name: uuid });
      await rm(root, { recursive: true, force: true });
    },
  };
}
