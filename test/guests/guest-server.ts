/**
 * Real servers for tests and for the demo: a libvirt domain made from a cached guest image, and what one needs to look
 * into it. Driven through `virsh` alone, independent of the code under test.
 */
import { randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, rmdir, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { ModosuError } from '../../src/contracts/errors';
import { guestDomainXml } from './guest-domain-xml';
import { guestImage, type GuestKind } from './guest-images';
import type { LanEnd } from './lan';
import { mustRun, runProgram, virsh } from './run-program';

export { breakBoot } from './break-boot';
export {
  agentAnswers,
  checksumFiles,
  checksumRows,
  guestExec,
  guestOutput,
  guestSql,
  waitForAgent,
  waitForPostgresql,
  type GuestExecResult,
} from './guest-commands';
export type { GuestKind } from './guest-images';
export { joinLan, layWire, setLanLink, type LanEnd } from './lan';

export type DiskFormat = 'qcow2' | 'raw';

export interface GuestServerOptions {
  /** The domain's name and, from the first boot on, the guest's host name: letters, digits, "." and "-". */
  readonly name: string;
  readonly guest: GuestKind;
  /** An absolute directory that the user `libvirt-qemu` can reach; made when missing. */
  readonly directory: string;
  /** Format of the system disk. Default `qcow2`. */
  readonly format?: DiskFormat;
  /** A second disk, `vdb`: an empty ext4 file system that the guest mounts at /data. */
  readonly dataDisk?: { readonly sizeBytes: number; readonly format: DiskFormat };
  /** Gives the domain a `<genid/>`. Default: none. */
  readonly withGenerationId?: boolean;
  /** Attaches a CD-ROM with a small image. */
  readonly cdrom?: boolean;
  /** The system disk is a qcow2 overlay on a backing file in the same directory. */
  readonly overlay?: boolean;
  /** A second NIC, which is one end of a wire to another guest (`layWire`). The guest gets its address by `joinLan`, once its agent answers. */
  readonly lan?: LanEnd;
  /** Default 256. With 128 restic in the guest gets the agent killed. */
  readonly memoryMiB?: number;
  /** Default true. `false`: defined only. */
  readonly start?: boolean;
}

export interface GuestDisk {
  readonly target: 'vda' | 'vdb';
  readonly path: string;
  readonly format: DiskFormat;
}

export interface GuestServer {
  readonly uuid: string;
  readonly name: string;
  readonly guest: GuestKind;
  readonly directory: string;
  readonly domainType: 'kvm' | 'qemu';
  /** As created; a restore gives the domain other files. */
  readonly disks: readonly GuestDisk[];
  readonly systemDisk: GuestDisk;
  readonly dataDisk: GuestDisk | null;
  /** The backing file of an overlay. */
  readonly backingFile: string | null;
  readonly nvram: string | null;
  readonly cdrom: string | null;
  readonly lan: LanEnd | null;
  /** What the guest's kernel wrote to its serial console. */
  readonly consoleLog: string;
  /** Cuts the power, undefines the domain and deletes its files, also volumes beside them that a restore has made. Idempotent. */
  destroy(): Promise<void>;
}

const OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const OVMF_VARS = '/usr/share/OVMF/OVMF_VARS_4M.fd';
const NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/;

/**
 * Makes a server from a cached guest image (copied into `directory`), defines it and, unless told otherwise, starts it. It
 * does not wait for the guest: see `waitForAgent`. Whatever fails, nothing of the server is left.
 * Throws `VOLUME_EXISTS` when files of this name lie in the directory, `START_FAILED` or `HYPERVISOR_COMMAND_FAILED` with libvirt's message.
 */
export async function createGuestServer(options: GuestServerOptions): Promise<GuestServer> {
  const { name, directory } = options;
  if (!NAME.test(name)) throw new ModosuError('NAME_INVALID', `"${name}" cannot be the name of a guest server.`);
  if (!isAbsolute(directory)) throw new ModosuError('PATH_NOT_ALLOWED', `The directory of a guest server must be absolute, not "${directory}".`);
  if (options.overlay && options.format === 'raw') throw new ModosuError('REQUEST_INVALID', 'An overlay is always qcow2.');
  const { path: image, domainType } = await guestImage(options.guest);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const leftOver = (await ownFiles(directory, name))[0];
  if (leftOver !== undefined) throw new ModosuError('VOLUME_EXISTS', `${leftOver} is already there: another server of the name ${name}, or a left-over.`);

  const file = (part: string, ending: string): string => join(directory, `${name}.${part}.${ending}`);
  const uuid = randomUUID();
  const format = options.format ?? 'qcow2';
  const systemDisk: GuestDisk = { target: 'vda', path: file('disk', format), format };
  const dataDisk: GuestDisk | null = options.dataDisk ? { target: 'vdb', path: file('data', options.dataDisk.format), format: options.dataDisk.format } : null;
  const server: GuestServer = {
    uuid,
    name,
    guest: options.guest,
    directory,
    domainType,
    disks: dataDisk === null ? [systemDisk] : [systemDisk, dataDisk],
    systemDisk,
    dataDisk,
    backingFile: options.overlay ? file('base', 'qcow2') : null,
    nvram: options.guest === 'minimal-uefi' ? file('nvram', 'fd') : null,
    cdrom: options.cdrom ? file('cd', 'iso') : null,
    lan: options.lan ?? null,
    consoleLog: file('console', 'log'),
    destroy: () => destroyGuestServer({ uuid, name, directory }),
  };
  try {
    await writeFiles(server, image, options.dataDisk?.sizeBytes ?? 0);
    await define(server, { memoryMiB: options.memoryMiB ?? 256, generationId: options.withGenerationId ?? false });
    if (options.start ?? true) await startGuest(uuid);
  } catch (error) {
    await server.destroy();
    throw error;
  }
  return server;
}

async function writeFiles(server: GuestServer, image: string, dataSizeBytes: number): Promise<void> {
  const { systemDisk, dataDisk, backingFile, nvram, cdrom } = server;
  if (backingFile !== null) {
    await copyFile(image, backingFile, constants.COPYFILE_FICLONE);
    await mustRun('COPY_FAILED', 'qemu-img', ['create', '-q', '-f', 'qcow2', '-b', backingFile, '-F', 'qcow2', systemDisk.path]);
  } else if (systemDisk.format === 'qcow2') {
    await copyFile(image, systemDisk.path, constants.COPYFILE_FICLONE);
  } else {
    await mustRun('COPY_FAILED', 'qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, systemDisk.path]);
  }
  if (dataDisk !== null) await makeDataDisk(dataDisk, dataSizeBytes);
  if (nvram !== null) await copyFile(OVMF_VARS, nvram);
  if (cdrom !== null) await writeFile(cdrom, Buffer.alloc(64 * 1024, 'modosu'));
}

async function makeDataDisk(disk: GuestDisk, sizeBytes: number): Promise<void> {
  const raw = disk.format === 'raw' ? disk.path : `${disk.path}.raw`;
  await writeFile(raw, '');
  await truncate(raw, sizeBytes);
  await mustRun('COPY_FAILED', 'mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', '-L', 'data', '-O', '^metadata_csum', raw]);
  if (raw === disk.path) return;
  await mustRun('COPY_FAILED', 'qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, disk.path]);
  await rm(raw);
}

async function define(server: GuestServer, machine: { readonly memoryMiB: number; readonly generationId: boolean }): Promise<void> {
  const xml = guestDomainXml({
    name: server.name,
    uuid: server.uuid,
    domainType: server.domainType,
    memoryMiB: machine.memoryMiB,
    disks: server.disks,
    uefi: server.nvram === null ? null : { loader: OVMF_CODE, nvram: server.nvram },
    generationId: machine.generationId,
    cdrom: server.cdrom,
    lan: server.lan,
    consoleLog: server.consoleLog,
  });
  const scratch = await mkdtemp(join(tmpdir(), 'modosu-guest-'));
  try {
    await writeFile(join(scratch, 'domain.xml'), xml);
    await virsh(['define', join(scratch, 'domain.xml')]);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Removes a guest server by what is known about it, also one that another process has made. Missing parts are fine. */
export async function destroyGuestServer(server: { readonly uuid: string; readonly name: string; readonly directory: string }): Promise<void> {
  const ask = (args: readonly string[]) => runProgram('virsh', ['-q', '-c', 'qemu:///system', ...args], { timeoutMs: 60_000 });
  await ask(['destroy', server.uuid]);
  const removed = await ask(['undefine', server.uuid, '--nvram', '--snapshots-metadata', '--checkpoints-metadata', '--managed-save']);
  // libvirt refuses when the NVRAM file has gone already; the domain must go all the same.
  if (removed.exitCode !== 0) await ask(['undefine', server.uuid, '--keep-nvram', '--snapshots-metadata', '--checkpoints-metadata', '--managed-save']);
  if ((await domainState(server.uuid)) !== null) {
    throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `The domain ${server.name} could not be removed: ${removed.stderr.trim()}`);
  }
  for (const path of await ownFiles(server.directory, server.name)) await rm(path, { force: true });
  await rmdir(server.directory).catch(() => undefined); // only when it is empty
}

/** Our own files and volumes that a restore has put beside them (`<disk>.<run id>`). */
async function ownFiles(directory: string, name: string): Promise<string[]> {
  if (!existsSync(directory)) return [];
  const parts = ['disk.qcow2', 'disk.raw', 'data.qcow2', 'data.raw', 'base.qcow2', 'nvram.fd', 'cd.iso', 'console.log'].map((part) => `${name}.${part}`);
  const entries = await readdir(directory);
  return entries.filter((entry) => parts.some((part) => entry === part || entry.startsWith(`${part}.`))).map((entry) => join(directory, entry));
}

/** libvirt's word for the state ("running", "shut off", "paused" …); null when it knows no such domain. "running" says nothing about the OS. */
export async function domainState(uuid: string): Promise<string | null> {
  const result = await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'domstate', uuid], { timeoutMs: 30_000 });
  if (result.exitCode === 0) return result.stdout.trim();
  if (/failed to get domain/.test(result.stderr)) return null;
  throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `virsh domstate ${uuid}: ${result.stderr.trim()}`);
}

/** The MAC address of the guest's NIC to the host: the first one. */
export async function macOf(uuid: string): Promise<string> {
  const mac = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(await virsh(['domiflist', uuid]))?.[0];
  if (mac === undefined) throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `The domain ${uuid} has no NIC.`);
  return mac;
}

/** Starts a stopped guest. Throws `START_FAILED` with libvirt's message. */
export async function startGuest(uuid: string): Promise<void> {
  await virsh(['start', uuid], { code: 'START_FAILED', timeoutMs: 60_000 });
}

/** Pulls the plug: nothing is written back in the guest. The guest must be running. */
export async function cutPower(uuid: string): Promise<void> {
  await virsh(['destroy', uuid], { timeoutMs: 60_000 });
}

/** Shuts the guest down through its agent and waits until it is off; returns how long that took. Throws `STOP_TIMED_OUT`. */
export async function shutDownGuest(uuid: string, deadlineMs: number): Promise<number> {
  const startedAt = performance.now();
  await virsh(['shutdown', uuid, '--mode', 'agent']);
  while ((await domainState(uuid)) !== 'shut off') {
    if (performance.now() - startedAt > deadlineMs) throw new ModosuError('STOP_TIMED_OUT', `The guest ${uuid} was not off within ${deadlineMs / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return Math.round(performance.now() - startedAt);
}
