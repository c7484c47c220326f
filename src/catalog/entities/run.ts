import { EntitySchema } from 'typeorm';
import type { ErrorSummary } from '../../contracts/errors';
import type { DecisionKind, Retrying, RunKind, RunState, RunStepView, StepProgress, StepState } from '../../contracts/run';
import type { StartableRun } from '../../contracts/workflows';
import { bigint, instant, integer, json, nullable, primary, text } from './columns';

export interface RunRow {
  readonly id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  readonly serverId: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly planId: string | null;
  readonly recoveryPointId: string | null;
  /** The backup set it belongs to. */
  readonly setId: string | null;
  readonly cancelRequested: boolean;
  /** The decision that one of its steps waits for. */
  readonly waitingFor: DecisionKind | null;
  readonly error: ErrorSummary | null;
  /** Since its last step was recorded. */
  readonly retrying: Retrying | null;
  readonly recoverySeconds: number | null;
  readonly lostSeconds: number | null;
  /** What its workflow is started with: written down first, so that any process can start it again. */
  readonly input: StartableRun['input'];
}

export const RunEntity = new EntitySchema<RunRow>({
  name: 'run',
  columns: {
    id: text(primary),
    kind: text(),
    state: text(),
    serverId: text({ name: 'server_id' }),
    reason: text(),
    requestedBy: text({ name: 'requested_by' }),
    requestedAt: instant({ name: 'requested_at' }),
    startedAt: instant({ name: 'started_at', nullable: true }),
    finishedAt: instant({ name: 'finished_at', nullable: true }),
    planId: text({ name: 'plan_id', nullable: true }),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    setId: text({ name: 'set_id', nullable: true }),
    cancelRequested: { type: 'boolean', name: 'cancel_requested' },
    waitingFor: text({ name: 'waiting_for', nullable: true }),
    error: json(nullable),
    retrying: json(nullable),
    recoverySeconds: { type: 'double precision', name: 'recovery_seconds', nullable: true },
    lostSeconds: { type: 'double precision', name: 'lost_seconds', nullable: true },
    input: json(),
  },
  indices: [
    { name: 'run_newest_idx', columns: ['requestedAt', 'id'] },
    { name: 'run_server_idx', columns: ['serverId', 'requestedAt'] },
    { name: 'run_open_idx', columns: ['requestedAt'], where: `state IN ('accepted', 'running')` },
    { name: 'run_ended_idx', columns: ['serverId', 'kind', 'requestedAt', 'id'], where: `state IN ('succeeded', 'failed', 'cancelled')` },
    { name: 'run_set_idx', columns: ['setId'], where: 'set_id IS NOT NULL' },
    { name: 'run_waiting_idx', columns: ['id'], where: 'waiting_for IS NOT NULL' },
  ],
  checks: [
    { name: 'run_kind_check', expression: `kind IN ('backup-image', 'backup-data', 'restore-server', 'restore-data', 'undo', 'confirm')` },
    { name: 'run_set_check', expression: `set_id IS NULL OR kind = 'backup-image'` },
    { name: 'run_state_check', expression: `state IN ('accepted', 'running', 'succeeded', 'failed', 'cancelled')` },
    { name: 'run_finished_check', expression: `(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))` },
    {
      name: 'run_waiting_check',
      expression: `waiting_for IS NULL OR (waiting_for IN ('go-live', 'sign-off', 'sign-off-live') AND state IN ('accepted', 'running'))`,
    },
  ],
  foreignKeys: [
    { name: 'run_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'run_set_fkey', target: 'backup_set', columnNames: ['setId'], referencedColumnNames: ['id'] },
  ],
});

export interface RunStepRow {
  readonly runId: string;
  readonly seq: number;
  readonly key: string;
  readonly title: string;
  readonly state: StepState;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly progress: StepProgress | null;
  readonly detail: RunStepView['detail'];
  readonly error: ErrorSummary | null;
}

export const RunStepEntity = new EntitySchema<RunStepRow>({
  name: 'run_step',
  columns: {
    runId: text({ name: 'run_id', primary: true }),
    seq: integer(primary),
    key: text(),
    title: text(),
    state: text(),
    startedAt: instant({ name: 'started_at', nullable: true }),
    finishedAt: instant({ name: 'finished_at', nullable: true }),
    progress: json(nullable),
    detail: json(),
    error: json(nullable),
  },
  checks: [{ name: 'run_step_state_check', expression: `state IN ('pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'undone')` }],
  foreignKeys: [{ name: 'run_step_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] }],
});

/** What a person has decided about a run that waits; written once. */
export interface RunDecisionRow {
  readonly runId: string;
  readonly kind: DecisionKind;
  readonly actor: string;
  readonly reason: string;
  readonly decidedAt: Date;
  /** Of a sign-off; null: all are applied, or it is none. */
  readonly notApplied: readonly string[] | null;
}

export const RunDecisionEntity = new EntitySchema<RunDecisionRow>({
  name: 'run_decision',
  columns: {
    runId: text({ name: 'run_id', primary: true }),
    kind: text(primary),
    actor: text(),
    reason: text(),
    decidedAt: instant({ name: 'decided_at' }),
    notApplied: json({ name: 'not_applied', nullable: true }),
  },
  checks: [
    { name: 'run_decision_kind_check', expression: `kind IN ('go-live', 'sign-off', 'sign-off-live')` },
    { name: 'run_decision_not_applied_check', expression: `not_applied IS NULL OR kind = 'sign-off'` },
  ],
  foreignKeys: [{ name: 'run_decision_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] }],
});

/** A row while a run holds the server; the primary key is the lock. */
export interface ServerLockRow {
  readonly serverId: string;
  readonly runId: string;
  readonly fencingToken: number;
  readonly acquiredAt: Date;
}

export const ServerLockEntity = new EntitySchema<ServerLockRow>({
  name: 'server_lock',
  columns: {
    serverId: text({ name: 'server_id', primary: true }),
    runId: text({ name: 'run_id' }),
    fencingToken: bigint({ name: 'fencing_token' }),
    acquiredAt: instant({ name: 'acquired_at' }),
  },
  uniques: [{ name: 'server_lock_run_key', columns: ['runId'] }],
  foreignKeys: [
    { name: 'server_lock_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    // Checked at the commit: the lock is taken first, the run that holds it is written afterwards, with the token it got.
    { name: 'server_lock_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'], deferrable: 'INITIALLY DEFERRED' },
  ],
});
