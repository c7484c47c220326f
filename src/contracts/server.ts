import type { ErrorSummary } from './errors';
import type { Protection } from './protection';

/** Formats of disks that can be imaged. */
export const DISK_FORMATS = ['qcow2', 'raw'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

export const POWER_STATES = ['running', 'paused', 'off'] as const;
export type PowerState = (typeof POWER_STATES)[number];

/** What a run has done to a server that was on. `started-again`: its own start has found it off since, and has come back. */
export type StopByRun = 'none' | 'stopped' | 'started-again';

/** A file below another one in a backing chain, nearest first. */
export interface BackingFile {
  readonly path: string;
  readonly format: DiskFormat;
}

export interface DiskInspection {
  /** Name of the device in the domain, such as `vda`: unique within the server and stable. */
  readonly target: string;
  readonly bus: string;
  /** Absolute path of the active file. */
  readonly path: string;
  readonly format: DiskFormat;
  /** What the guest sees. 0 for a disk whose file cannot be read: a refusal then says why. */
  readonly virtualSizeBytes: number;
  /** Room taken on the host by the active file and its backing files: the upper bound of a full image. */
  readonly allocatedBytes: number;
  /** Empty for a disk that stands alone. */
  readonly backingChain: readonly BackingFile[];
  /** Whether images of it can hold only what has changed; false: they are whole every time. Absent in what an earlier version has written down. */
  readonly holdsCheckpoints?: boolean;
}

export interface NvramInspection {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
}

export interface NicInspection {
  readonly mac: string;
  /** libvirt's interface type: network, bridge, user … */
  readonly type: string;
  readonly source: string | null;
  /** False: the cable is unplugged in the definition (`<link state='down'/>`). */
  readonly linkUp: boolean;
}

export const AGENT_STATES = ['answering', 'silent', 'absent'] as const;
export type AgentState = (typeof AGENT_STATES)[number];

export interface AgentInspection {
  /** `silent`: the channel exists but nobody answers; `absent`: the domain has no channel. A stopped server is `silent`. */
  readonly state: AgentState;
  readonly version: string | null;
  /** Names of the agent's enabled commands, such as `guest-exec`. Empty unless `answering`. */
  readonly commands: readonly string[];
}

/** What a hypervisor says about one server, now. Holds no secrets: the definition itself stays with the hypervisor. */
export interface ServerInspection {
  readonly uuid: string;
  readonly domainName: string;
  readonly powerState: PowerState;
  /** libvirt's domain type: `kvm` or `qemu` (emulation). Never changed by Modosu. */
  readonly domainType: string;
  /** SHA-256 of the stored definition without Modosu's own metadata: changes when anybody edits the server. */
  readonly definitionFingerprint: string;
  readonly disks: readonly DiskInspection[];
  /** CD-ROMs and floppies: recorded, never copied. */
  readonly removableMedia: readonly { readonly target: string; readonly source: string | null }[];
  readonly firmware: 'bios' | 'uefi';
  readonly nvram: NvramInspection | null;
  readonly nics: readonly NicInspection[];
  /** Value of `<genid>`; null for a server without the element. */
  readonly generationId: string | null;
  readonly agent: AgentInspection;
  /** Why an image of this server cannot be taken. Empty when it can. */
  readonly refusals: readonly ErrorSummary[];
  readonly memoryBytes: number;
  readonly vcpus: number;
}

/** A server that is out of service for good, and who has said so. Nothing is backed up, verified or missed any more; it can still be restored. */
export interface Decommissioning {
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  /** For so many days what protects its last recovery points goes on. */
  readonly keepDays: number;
  /** When these days are over, ISO 8601: from then on no rule keeps any of its recovery points. Time in which nobody judged them is added. */
  readonly protectsUntil: string;
}

/** A protected server as the catalogue knows it. */
export interface ServerView {
  readonly id: string;
  readonly name: string;
  /** The domain's UUID: the identity on the hypervisor. */
  readonly uuid: string;
  readonly domainName: string;
  readonly hypervisor: string;
  readonly repository: string;
  /** Name of its policy; null: nothing is backed up by itself. */
  readonly policy: string | null;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
  readonly protection: Protection;
  /** The line of disk states the server is on now. A swap of volumes starts a new one. */
  readonly lineageId: string;
  /** Since when, and why, it is out of service; null: it is in service. */
  readonly decommissioned: Decommissioning | null;
}

/** Where nobody says how long. */
export const DEFAULT_KEEP_DAYS = 90;
/** A hundred years, nearly. */
export const MAX_KEEP_DAYS = 36_500;

/** How to find a server on its hypervisor. The UUID is the identity; names may be shared or changed. */
export interface ServerRef {
  readonly uuid: string;
  /** For messages only. */
  readonly name: string;
}

/**
 * Who may write to a server. The token grows with every run; the newest holder stands in the domain's metadata and is
 * read back right before each irreversible call (FENCED_OFF when it is not ours).
 */
export interface Fence {
  readonly runId: string;
  readonly token: number;
}
