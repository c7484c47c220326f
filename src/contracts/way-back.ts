import type { DataSet, KeptData } from './data';
import type { AgentState, PowerState } from './server';

/**
 * `open`: the old volumes are there and can be returned to. `reverted`: the run that made it has undone itself. `undone`: a later run has returned to the old
 * volumes.
 * `confirmed`: the old volumes were deleted, by a person or because their time was over.
 */
export const WAY_BACK_STATES = ['open', 'reverted', 'undone', 'confirmed'] as const;
export type WayBackState = (typeof WAY_BACK_STATES)[number];

export interface KeptVolume {
  readonly target: string;
  readonly path: string;
  /** Room it takes on the host. 0 when the file was not there. */
  readonly allocatedBytes: number;
}

/** What a restore of data has kept inside the guest. */
export interface KeptDataRecord {
  /** The run after which what it keeps in the guest is named. */
  readonly runId: string;
  /** True: what is kept is the restored state, and what had been replaced stands in its place again. */
  readonly undone: boolean;
  readonly dataSet: DataSet;
  readonly recoveryPointId: string;
  readonly kept: KeptData;
}

/** What stood there before a run swapped the volumes of a server, or put data in place, and is kept. */
export interface WayBackFacts {
  /** The hypervisor did not know the server: there is nothing to go back to. */
  readonly wasGone: boolean;
  /** Those that were replaced. */
  readonly volumes: readonly KeptVolume[];
  /**
   * Disks the swap has left as they were: the same files before and after, so that returning neither undoes what is written to them nor deleting the kept ones
   * frees them. Absent: none.
   */
  readonly unchanged?: readonly { readonly target: string; readonly path: string }[];
  readonly nvramPath: string | null;
  readonly generationId: string | null;
  /** The files named in it are all there, unchanged in identity. */
  readonly complete: boolean;
  /** Restores of data only: the volumes stayed, the line of disk states goes on. */
  readonly data?: KeptDataRecord | null;
}

/** How the server was before the swap: undo puts it back into this state, and waits only for an agent that has been seen. */
export interface StateBefore {
  readonly powerState: PowerState;
  readonly agent: AgentState;
}

/** The way back of one run, as catalogue, API and CLI show it. */
export interface WayBackView {
  /** The run that swapped the volumes, a restore or an undo. */
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly state: WayBackState;
  readonly wasGone: boolean;
  readonly volumes: readonly KeptVolume[];
  readonly nvramPath: string | null;
  /** Null: volumes were swapped. */
  readonly data: KeptDataRecord | null;
  readonly before: StateBefore;
  readonly lineageBefore: string;
  readonly lineageAfter: string;
  readonly createdAt: string;
  /** When the old volumes are deleted by themselves. */
  readonly expiresAt: string;
  /** Null: the swapped server has never had its production network. */
  readonly wentLiveAt: string | null;
  /** Run that has closed it. */
  readonly closedBy: string | null;
  readonly closedAt: string | null;
}

/** Room on the host, or, for data, in the guest. */
export const keptBytes = (wayBack: Pick<WayBackView, 'volumes'> & { readonly data?: KeptDataRecord | null }): number =>
  wayBack.volumes.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0) + (wayBack.data?.kept.keptBytes ?? 0);
