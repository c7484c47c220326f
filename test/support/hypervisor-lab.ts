import type { ImageManifest } from '../../src/contracts/recovery-point';
import type { DiskFormat, ServerInspection, ServerRef } from '../../src/contracts/server';
import type { Hypervisor, TransferContext } from '../../src/hypervisors/hypervisor';
import { newId } from '../../src/contracts/ids';

export interface LabDisk {
  readonly target: string;
  readonly format: DiskFormat;
  /** What the guest has written at the start of the disk; the rest is zeros. */
  readonly content: Uint8Array;
  /** Name of the file; may be as odd as file names can be. */
  readonly fileName?: string;
  /** The content lies in a backing file, and the active file is an overlay. Only qcow2. */
  readonly overlay?: boolean;
}

export interface LabServer {
  readonly name?: string;
  readonly disks: readonly LabDisk[];
  readonly nvram?: Uint8Array;
  readonly genid?: boolean;
  /** Network cards, with user-mode networking. Default: none, or whatever the implementation gives every server. */
  readonly nics?: readonly { readonly mac: string; readonly linkUp?: boolean }[];
}

/** One hypervisor with everything a contract test does behind its back. Implemented for libvirt and for the fake. */
export interface HypervisorLab {
  readonly hypervisor: Hypervisor;
  /** Directory the servers' disks lie in. */
  readonly diskDirectory: string;
  /** Directory for exported files, as a repository would be. */
  readonly exportDirectory: string;
  /** A stopped server without an operating system. */
  createServer(spec: LabServer): Promise<ServerRef>;
  /** The hypervisor forgets the server; its files stay. */
  forget(server: ServerRef): Promise<void>;
  /** Remembers the stored definition as it is, with whoever holds the server. What it gives defines it again, as people do. */
  remember(server: ServerRef): Promise<() => Promise<void>>;
  /** What a guest that runs would write: this byte, over and over. */
  overwrite(
    server: ServerRef,
    disk: { readonly target: string; readonly path: string },
    part: { readonly at: number; readonly bytes: number; readonly byte: number },
  ): Promise<void>;
  /** All of what a stored image shows that stands on others: its own file first. */
  readImages(files: readonly string[]): Promise<Buffer>;
  /** First bytes of what the guest would see on a disk. */
  readDisk(path: string, format: DiskFormat, lengthBytes: number): Promise<Buffer>;
  /** Removes everything that was made. */
  dispose(): Promise<void>;
}

export const DISK_BYTES = 4 * 1024 * 1024;

/** Bytes that say where they come from: never zero, never compressible to nothing. */
export function pattern(seed: number, lengthBytes = 1024 * 1024): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < lengthBytes; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE((state | 0x0101_0101) >>> 0, i);
  }
  return bytes;
}

/** A context that records progress. */
export function transferContext(
  signal: AbortSignal = new AbortController().signal,
): TransferContext & { readonly seen: { doneBytes: number; totalBytes: number }[] } {
  const seen: { doneBytes: number; totalBytes: number }[] = [];
  return { signal, seen, onProgress: (progress) => void seen.push({ ...progress }) };
}

/** A manifest for images that were exported by hand. */
export function manifestOf(server: ServerRef, inspection: ServerInspection, sizes: { readonly imageBytes: number } = { imageBytes: 1024 }): ImageManifest {
  const stored = { sizeBytes: sizes.imageBytes, sha256: '0'.repeat(64) };
  return {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: newId('srv'), name: server.name, uuid: server.uuid },
    generation: 1,
    lineageId: 'lineage',
    parentId: null,
    runId: newId('run'),
    reason: 'contract test',
    consistency: 'offline',
    pointInTime: '2026-01-01T00:00:00.000Z',
    publishedAt: '2026-01-01T00:00:00.000Z',
    disks: inspection.disks.map((disk) => ({
      target: disk.target,
      image: { ...stored, path: `disks/${disk.target}.qcow2`, format: 'qcow2', segmentsPath: 'segments', segmentSizeBytes: 1 },
      virtualSizeBytes: disk.virtualSizeBytes,
      origin: { path: disk.path, format: disk.format, flattened: disk.backingChain.length > 0 },
    })),
    definition: { path: 'definition.xml', ...stored },
    definitionFingerprint: inspection.definitionFingerprint,
    nvram: inspection.nvram === null ? null : { path: 'nvram.fd', ...stored, origin: { path: inspection.nvram.path, format: inspection.nvram.format } },
    removableMedia: inspection.removableMedia,
    nics: inspection.nics.map(({ mac, type, source }) => ({ mac, type, source })),
    generationId: inspection.generationId,
    firmware: inspection.firmware,
    domainType: inspection.domainType,
    powerStateBefore: inspection.powerState,
    agentBefore: inspection.agent.state,
    software: { modosu: 'test' },
  };
}
