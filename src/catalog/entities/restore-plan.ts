import { EntitySchema } from 'typeorm';
import type { ErrorSummary } from '../../contracts/errors';
import type { PlanScenario, PlanState } from '../../contracts/plan';
import type { Retrying } from '../../contracts/run';
import type { PlanDataInput, PlanRestoreInput } from '../../contracts/workflows';
import { instant, json, nullable, primary, text } from './columns';

/** By scenario. */
export type PlanRequest =
  | Pick<PlanRestoreInput, 'noData' | 'leaveChanges' | 'leaveCredentials' | 'incidentAt' | 'from' | 'findCompatible' | 'set'>
  | Pick<PlanDataInput, 'dataSet' | 'selection' | 'incidentAt' | 'from'>;

export interface RestorePlanRow {
  readonly id: string;
  readonly state: PlanState;
  readonly serverId: string;
  readonly scenario: PlanScenario;
  readonly requestedBy: string;
  readonly createdAt: Date;
  /** What was asked for; null: the newest usable one. The plan itself names the one that was chosen. */
  readonly recoveryPointId: string | null;
  /** What else was asked for; null in plans of an undo, and of earlier versions. */
  readonly request: PlanRequest | null;
  /** Targets of the disks that the server is to keep as they are now; empty: none, and always for an undo. */
  readonly keepDisks: readonly string[];
  /** Targets of the disks whose old volumes are to be attached read-only. */
  readonly attachOldDisks: readonly string[];
  /** The run whose swap is to be undone; null for a restore. */
  readonly undoesRunId: string | null;
  readonly hash: string | null;
  /** Canonical JSON, as text: exactly the bytes the hash was made over. */
  readonly body: string | null;
  readonly error: ErrorSummary | null;
  readonly retrying: Retrying | null;
  readonly runId: string | null;
}

export const RestorePlanEntity = new EntitySchema<RestorePlanRow>({
  name: 'restore_plan',
  columns: {
    id: text(primary),
    state: text(),
    serverId: text({ name: 'server_id' }),
    scenario: text(),
    requestedBy: text({ name: 'requested_by' }),
    createdAt: instant({ name: 'created_at' }),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    request: json(nullable),
    keepDisks: json({ name: 'keep_disks', default: [] }),
    attachOldDisks: json({ name: 'attach_old_disks', default: [] }),
    undoesRunId: text({ name: 'undoes_run_id', nullable: true }),
    hash: text(nullable),
    body: text(nullable),
    error: json(nullable),
    retrying: json(nullable),
    runId: text({ name: 'run_id', nullable: true }),
  },
  uniques: [{ name: 'restore_plan_run_key', columns: ['runId'] }],
  indices: [
    { name: 'restore_plan_planning_idx', columns: ['createdAt'], where: `state = 'planning'` },
    { name: 'restore_plan_server_idx', columns: ['serverId', 'createdAt'] },
  ],
  checks: [
    { name: 'restore_plan_state_check', expression: `state IN ('planning', 'ready', 'failed', 'used')` },
    { name: 'restore_plan_ready_check', expression: `state NOT IN ('ready', 'used') OR (hash IS NOT NULL AND body IS NOT NULL)` },
    { name: 'restore_plan_used_check', expression: `(state = 'used') = (run_id IS NOT NULL)` },
    { name: 'restore_plan_scenario_check', expression: `scenario IN ('server', 'data', 'undo') AND (scenario <> 'data' OR request IS NOT NULL)` },
    {
      name: 'restore_plan_undo_check',
      expression: `(scenario = 'undo') = (undoes_run_id IS NOT NULL) AND (undoes_run_id IS NULL OR recovery_point_id IS NULL)`,
    },
  ],
  foreignKeys: [
    { name: 'restore_plan_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'restore_plan_recovery_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] },
    { name: 'restore_plan_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] },
    { name: 'restore_plan_undoes_run_fkey', target: 'run', columnNames: ['undoesRunId'], referencedColumnNames: ['id'] },
  ],
});
