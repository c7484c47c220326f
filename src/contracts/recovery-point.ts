import type { GenerationChanges } from './change';
import type { CredentialReference } from './credential';
import type { DataContent, DataPurpose, DataSet } from './data';
import type { RecoveryPointCopy } from './offsite-copies';
import type { SideReadings } from './reading';
import type { RecoveryPointVerification } from './verification';
import type { AgentState, DiskFormat, NicInspection, PowerState } from './server';

export const RECOVERY_POINT_KINDS = ['image', 'data'] as const;
export type RecoveryPointKind = (typeof RECOVERY_POINT_KINDS)[number];
export const CONSISTENCIES = ['offline', 'application', 'filesystem', 'crash'] as const;
export type Consistency = (typeof CONSISTENCIES)[number];
/**
 * `usable` only after everything is on disk and published; `damaged` once a verification failed; `expired`: no rule keeps it any more, it is still there, and a
 * hold has it back; `deleted`: its files are gone, or going.
 */
export const RECOVERY_POINT_STATES = ['usable', 'damaged', 'expired', 'deleted'] as const;
export type RecoveryPointState = (typeof RECOVERY_POINT_STATES)[number];

/** A file of a recovery point, relative to its directory, with `/` separators. */
export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hex, of the whole file. For images: of the list of segment checksums (`segments`), see REPOSITORY-FORMAT. */
  readonly sha256: string;
}

export interface StoredImage extends StoredFile {
  /** Always qcow2. Without a backing file; that of an incremental disk names the same disk of the parent. */
  readonly format: 'qcow2';
  /** File with one checksum per segment; `sha256` above is that file's checksum. */
  readonly segmentsPath: string;
  readonly segmentSizeBytes: number;
}

export interface StoredDisk {
  readonly target: string;
  readonly image: StoredImage;
  readonly virtualSizeBytes: number;
  /** Incremental recovery points only. True: the image holds what has changed since the parent, and the rest is read from the parent's image of this disk. */
  readonly incremental?: boolean;
  /** Where the disk was, and in which format it has to be restored. */
  readonly origin: { readonly path: string; readonly format: DiskFormat; readonly flattened: boolean };
}

/** `manifest.json` of an image recovery point: the truth about it; the catalogue can be rebuilt from it. */
export interface ImageManifest {
  readonly format: 'modosu-image-recovery-point';
  /** 2: an incremental. 3 and 4: the same two, of a backup set. 5 and 6: a full and an incremental that say which changes they contain, with facts of the server. */
  readonly version: 1 | 2 | 3 | 4 | 5 | 6;
  readonly recoveryPointId: string;
  readonly server: { readonly id: string; readonly name: string; readonly uuid: string };
  readonly generation: number;
  readonly lineageId: string;
  /** Id of the recovery point this one builds on; null for a full. */
  readonly parentId: string | null;
  /** Incremental recovery points only: SHA-256 of the parent's manifest, which stands for all that the parent is made of. */
  readonly parentSha256?: string;
  readonly runId: string;
  /** Id of the set that it was taken with; absent: it was taken alone. */
  readonly setId?: string;
  readonly reason: string;
  /** Which configuration changes of its server it contains. Absent: an earlier version has written it, and nobody knows. */
  readonly changes?: GenerationChanges;
  /** `facts.json` (`ServerFacts`): what the guest's agent told of the server. Null: nobody could ask it. Absent as `changes`. */
  readonly facts?: StoredFile | null;
  /** What the server and its peers said of themselves right before the point in time, for the rules of their relations. Absent: nobody was asked. */
  readonly markers?: readonly SideReadings[];
  /** Which versions of its credentials were valid. Absent: none was declared. Only with `changes`. */
  readonly credentials?: readonly CredentialReference[];
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
  /** Since when no rule keeps it, when it will be given up for good, and when it was; null: it is kept. */
  readonly expiredAt: string | null;
  readonly deletesAt: string | null;
  readonly deletedAt: string | null;
  /** Images: bytes taken in the repository. Data: bytes of files and dumps, before deduplication. */
  readonly sizeBytes: number;
  readonly reason: string;
  readonly runId: string;
  /** Null: its policy alone says how long it stays. */
  readonly hold: RecoveryPointHold | null;
  readonly verification: RecoveryPointVerification;
  /** Copies in off-site repositories, by name. Absent where it is shown as a part of something else. */
  readonly copies?: readonly RecoveryPointCopy[];
  /** Which versions of its server's credentials were valid. Absent: none was declared, or an earlier version has taken it. */
  readonly credentials?: readonly CredentialReference[];
}

export interface ImageRecoveryPointView extends RecoveryPointViewBase {
  readonly kind: 'image';
  readonly generation: number;
  readonly lineageId: string;
  /** What it builds on, and is nothing without; null: it is a full. */
  readonly parentId: string | null;
  readonly consistency: Consistency;
  /** The backup set it was taken with; null: it was taken alone. */
  readonly setId: string | null;
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
