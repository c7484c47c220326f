import type { RunState } from './run';

/** Workflow types by name: the API starts them without importing their code. */
export const WORKFLOW_BACKUP_IMAGE = 'backupImage';
export const WORKFLOW_PLAN_RESTORE = 'planRestore';
export const WORKFLOW_RESTORE_SERVER = 'restoreServer';

/** What every run of a server knows. Ids and small values only: never bytes, never secrets. */
export interface RunInput {
  readonly runId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly uuid: string;
  readonly hypervisor: string;
  readonly repository: string;
  readonly fencingToken: number;
  /** When the request was accepted, ISO 8601 in UTC: recovery time is measured from here. */
  readonly acceptedAt: string;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
}

export interface BackupImageInput extends RunInput {
  readonly recoveryPointId: string;
  readonly mode: 'offline';
  readonly reason: string;
}

export interface RestoreServerInput extends RunInput {
  readonly planId: string;
  readonly planHash: string;
  readonly reason: string;
}

export interface PlanRestoreInput {
  readonly planId: string;
  readonly serverId: string;
  /** Null: the newest usable one. */
  readonly recoveryPointId: string | null;
}

export interface RunResult {
  readonly state: Extract<RunState, 'succeeded' | 'failed' | 'cancelled'>;
}

/** Query: the steps as the workflow sees them. */
export const QUERY_STEPS = 'steps';

/** Typed search attributes, registered at start. */
export const SEARCH_ATTRIBUTES = {
  ModosuServer: 'KEYWORD',
  ModosuHypervisor: 'KEYWORD',
  ModosuKind: 'KEYWORD',
  ModosuRun: 'KEYWORD',
} as const;
