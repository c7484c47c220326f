import type { DataContent, DataPurpose, DataSet } from './data';
import type { RecoveryPointVerification } from './verification';
import type { AgentState, DiskFormat, NicInspection, PowerState } from './server';

export type RecoveryPointKind = 'image' | 'data';
export type Consistency = 'offline' | 'application' | 'filesystem' | 'crash';
/** `usable` only after everything is on disk and published; `damaged` once a verification failed. */
export type RecoveryPointState = 'usable' | 'damaged';

/** A file of a recovery point, relative to its directory, with `/` separators. */
export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hex, of the whole file. For images: of the list of segment checksums (`segments`), see REPOSITORY-FORMAT. */
  readonly sha256: string;
}

export interface StoredImage extends StoredFile {
  /** Always qcow2 without a backing file. */
  readonly format: 'qcow2';
  /** File with one checksum per segment; `sha256` above is that file's checksum. */
  readonly segmentsPath: string;
  readonly segmentSizeBytes: number;
}

export interface StoredDisk {
  readonly target: string;
  readonly image: StoredImage;
  readonly virtualSizeBytes: number;
  /** Where the disk was, and in which format it has to be restored. */
  readonly origin: { readonly path: string; readonly format: DiskFormat; readonly flattened: boolean };
}

/** `manifest.json` of an image recovery point: the truth about it; the catalogue can be rebuilt from it. */
export interface ImageManifest {
  readonly format: 'modosu-image-recovery-point';
  readonly version: 1;
  readonly recoveryPointId: string;
  readonly server: { readonly id: string; readonly name: string; readonly uuid: string };
  readonly generation: number;
  readonly lineageId: string;
  /** Id of the recovery point this one builds on; null for a full. */
  readonly parentId: null;
  readonly runId: string;
  readonly reason: string;
  readonly consistency: Consistency;
  /** The moment whose state the recovery point holds, ISO 8601 in UTC. */
  readonly pointInTime: string;
  readonly publishedAt: string;
  readonly disks: readonly StoredDisk[];
  readonly definition: StoredFile;
  readonly definitionFingerprint: string;
  readonly nvram: (StoredFile & { readonly origin: { readonly path: string; readonly format: DiskFormat } }) | null;
  readonly removableMedia: readonly { readonly target: string; readonly source: string | null }[];
  /** Without the state of the link, which is no property of the server. */
  readonly nics: readonly Omit<NicInspection, 'linkUp'>[];
  readonly generationId: string | null;
  readonly firmware: 'bios' | 'uefi';
  readonly domainType: string;
  readonly powerStateBefore: PowerState;
  /** Whether the guest agent answered before the backup: only an agent that has been seen can be waited for after a restore. */
  readonly agentBefore: AgentState;
  readonly software: { readonly modosu: string };
}

/** A person's word that a recovery point stays, whatever its policy says. */
export interface RecoveryPointHold {
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

interface RecoveryPointViewBase {
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly state: RecoveryPointState;
  readonly pointInTime: string;
  readonly publishedAt: string;
  /** Images: bytes taken in the repository. Data: bytes of files and dumps, before deduplication. */
  readonly sizeBytes: number;
  readonly reason: string;
  readonly runId: string;
  /** Null: its policy alone says how long it stays. */
  readonly hold: RecoveryPointHold | null;
  readonly verification: RecoveryPointVerification;
}

export interface ImageRecoveryPointView extends RecoveryPointViewBase {
  readonly kind: 'image';
  readonly generation: number;
  readonly lineageId: string;
  readonly consistency: Consistency;
  readonly repository: string;
  readonly disks: readonly { readonly target: string; readonly virtualSizeBytes: number; readonly storedBytes: number }[];
}

export interface DataRecoveryPointView extends RecoveryPointViewBase {
  readonly kind: 'data';
  /** Name of the data set. */
  readonly dataSet: string;
  /** `safety`: taken of what was there before a restore; never chosen by itself, only by its id. */
  readonly purpose: DataPurpose;
  /** restic's full id. */
  readonly snapshotId: string;
  readonly addedBytes: number;
  /** The data set as it was declared then: where the data lies in it. */
  readonly declared: DataSet;
  readonly content: DataContent;
}

/** What catalogue, API and CLI show of a recovery point. */
export type RecoveryPointView = ImageRecoveryPointView | DataRecoveryPointView;
