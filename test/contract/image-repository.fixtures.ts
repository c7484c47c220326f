import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newId } from '../../src/contracts/ids';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { imageName } from '../../src/hypervisors/libvirt/volumes/disk-images';
import { storedImage } from '../../src/hypervisors/libvirt/volumes/stored-chain';
import type { ImageRepository, ManifestDraft, StagedRecoveryPoint } from '../../src/repositories/image/image-repository';

export const MIB = 1024 ** 2;
export const VIRTUAL_SIZE_BYTES = 64 * MIB;
export const NOW = new Date('2026-02-03T04:05:06.000Z');
export const DEFINITION = '<domain type="qemu"><name>db01</name></domain>\n';
export const NVRAM = randomBytes(131_072);

const execute = promisify(execFile);
/** Runs a program; rejects when it fails. */
export const run = async (program: string, ...argv: string[]): Promise<string> => (await execute(program, argv)).stdout;

/** A temporary directory with one image of random data in it. Default: two full segments and a short one. */
export async function makeImages(dataMiB = 40): Promise<{ readonly directory: string; readonly image: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-images-'));
  const raw = join(directory, 'source.raw');
  writeFileSync(raw, randomBytes(dataMiB * MIB));
  await run('truncate', '-s', String(VIRTUAL_SIZE_BYTES), raw);
  const image = join(directory, 'source.qcow2');
  await run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, image);
  rmSync(raw);
  return { directory, image };
}

export interface Taken {
  readonly serverId: string;
  readonly recoveryPointId: string;
  readonly draft: ManifestDraft;
  readonly staged: StagedRecoveryPoint;
}

export interface StageOptions {
  readonly serverId?: string;
  readonly recoveryPointId?: string;
  readonly targets?: readonly string[];
  readonly nvram?: boolean;
}

/** Stages a recovery point as a backup does: copy, hash, definition, NVRAM. Not published yet. */
export async function stageOne(repository: ImageRepository, image: string, options: StageOptions = {}): Promise<Taken> {
  const { serverId = newId('srv'), recoveryPointId = newId('rp'), targets = ['vda'], nvram = false } = options;
  const staged = await repository.stage(recoveryPointId);
  const disks: ManifestDraft['disks'][number][] = [];
  for (const target of targets) {
    const checksums = await repository.hashWhileWritten(recoveryPointId, target, copyDurably(image, staged.diskPath(target)), {
      signal: new AbortController().signal,
    });
    disks.push({ target, virtualSizeBytes: VIRTUAL_SIZE_BYTES, checksums, origin: originOf(target) });
  }
  writeFileSync(staged.definitionPath, DEFINITION);
  if (nvram) writeFileSync(staged.nvramPath, NVRAM);
  return { serverId, recoveryPointId, draft: draftOf({ serverId, recoveryPointId, disks, nvram }), staged };
}

const originOf = (target: string): ManifestDraft['disks'][number]['origin'] => ({
  path: `/var/lib/libvirt/images/デー タ-${target}.img`,
  format: 'raw',
  flattened: false,
});

function draftOf(parts: {
  readonly serverId: string;
  readonly recoveryPointId: string;
  readonly disks: ManifestDraft['disks'];
  readonly nvram: boolean;
  readonly parentId?: string;
}): ManifestDraft {
  const { serverId, recoveryPointId, disks, nvram, parentId = null } = parts;
  return {
    recoveryPointId,
    server: { id: serverId, name: 'データベース01', uuid: '6f1c7a0e-4f64-4f0a-9a52-0c7e4f3b9d11' },
    generation: 1,
    lineageId: 'lin-1',
    parentId,
    runId: newId('run'),
    reason: 'after "service pack" 2\n; rm -rf --no-preserve-root',
    consistency: 'offline',
    pointInTime: '2026-02-03T04:00:00.000Z',
    disks,
    definitionFingerprint: 'a'.repeat(64),
    nvramOrigin: nvram ? { path: '/var/lib/libvirt/qemu/nvram/db01_VARS.fd', format: 'raw' } : null,
    removableMedia: [{ target: 'sda', source: null }],
    nics: [{ mac: '52:54:00:12:34:56', type: 'network', source: 'default' }],
    generationId: null,
    firmware: nvram ? 'uefi' : 'bios',
    domainType: 'qemu',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: '0.1.0' },
  };
}

/** What a guest has written since the parent. */
export interface Change {
  readonly atMiB: number;
  readonly lengthMiB: number;
  readonly byte: number;
}

export interface IncrementalOptions {
  readonly recoveryPointId?: string;
  /** By target. Default: one change to `vda`. */
  readonly changes?: Readonly<Record<string, readonly Change[]>>;
  /** Images of disks that do not build on the parent, by target. */
  readonly whole?: Readonly<Record<string, string>>;
}

/** Stages an incremental as an online backup does: its images name the parent's, as they will lie from them, and hold only what has changed. */
export async function stageIncremental(
  repository: ImageRepository,
  parent: { readonly serverId: string; readonly recoveryPointId: string },
  options: IncrementalOptions = {},
): Promise<Taken> {
  const { recoveryPointId = newId('rp'), changes = { vda: [{ atMiB: 1, lengthMiB: 1, byte: 0x77 }] }, whole = {} } = options;
  const below = await repository.open(parent.serverId, parent.recoveryPointId);
  const staged = await repository.stage(recoveryPointId);
  const disks: ManifestDraft['disks'][number][] = [];
  const add = async (target: string, incremental: boolean): Promise<void> => {
    const checksums = await repository.hashWhileWritten(recoveryPointId, target, Promise.resolve(), { signal: new AbortController().signal });
    disks.push({ target, virtualSizeBytes: VIRTUAL_SIZE_BYTES, incremental, checksums, origin: originOf(target) });
  };
  for (const [target, written] of Object.entries(changes)) {
    const path = staged.diskPath(target);
    await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', below.backingName(target), '-F', 'qcow2', path, String(VIRTUAL_SIZE_BYTES));
    const writes = written.flatMap(({ atMiB, lengthMiB, byte }) => ['-c', `write -q -P ${byte} ${atMiB}M ${lengthMiB}M`]);
    if (writes.length > 0) await run('qemu-io', ...writes, spelledOut([path, ...below.imagesOf(target).map((image) => image.path)]));
    await add(target, true);
  }
  for (const [target, image] of Object.entries(whole)) {
    copyFileSync(image, staged.diskPath(target));
    await add(target, false);
  }
  writeFileSync(staged.definitionPath, DEFINITION);
  const { serverId } = parent;
  return { serverId, recoveryPointId, draft: draftOf({ serverId, recoveryPointId, disks, nvram: false, parentId: parent.recoveryPointId }), staged };
}

export async function takeIncremental(...args: Parameters<typeof stageIncremental>): Promise<Taken & { readonly manifest: ImageManifest }> {
  const taken = await stageIncremental(...args);
  return { ...taken, manifest: await args[0].publish(taken.draft, NOW) };
}

/** A chain for QEMU's tools that follows no header. */
export const spelledOut = (paths: readonly string[]): string => imageName(storedImage(paths));

/** What the guest would see of these files, each before the one below it. */
export async function contentOf(paths: readonly string[]): Promise<Buffer> {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-content-'));
  try {
    await run('qemu-img', 'convert', '-O', 'raw', spelledOut(paths), join(directory, 'raw'));
    return readFileSync(join(directory, 'raw'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Rewrites the manifest with a fitting checksum: what somebody would do who can write to the repository. */
export function forge(place: string, text: string): void {
  writeFileSync(join(place, 'manifest.json'), text);
  const sums = readFileSync(join(place, 'SHA256SUMS'), 'utf8').split('\n');
  sums[0] = `${sha256(text)}  manifest.json`;
  writeFileSync(join(place, 'SHA256SUMS'), sums.join('\n'));
}

export const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

export async function takeOne(repository: ImageRepository, image: string, options: StageOptions = {}): Promise<Taken & { readonly manifest: ImageManifest }> {
  const taken = await stageOne(repository, image, options);
  return { ...taken, manifest: await repository.publish(taken.draft, NOW) };
}

async function copyDurably(from: string, to: string): Promise<void> {
  copyFileSync(from, to);
  const handle = await open(to, 'r');
  await handle.sync();
  await handle.close();
}

export function flipBit(path: string, offset: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  writeSync(fd, byte, 0, 1, offset);
  closeSync(fd);
}

/** Everything a restore checks before it swaps. */
export async function verifyAll(repository: ImageRepository, serverId: string, recoveryPointId: string): Promise<ImageManifest> {
  const { manifest } = await repository.open(serverId, recoveryPointId);
  await repository.verifySmallFiles(serverId, recoveryPointId);
  for (const disk of manifest.disks) await repository.verifyImage(serverId, recoveryPointId, disk.image, { signal: new AbortController().signal });
  return manifest;
}
