import { EntitySchema } from 'typeorm';
import type { DataContent, DataPurpose, DataSet } from '../../contracts/data';
import type { Consistency, ImageRecoveryPointView, RecoveryPointKind, RecoveryPointState } from '../../contracts/recovery-point';
import type { VerificationMethod } from '../../contracts/verification';
import { bigint, instant, integer, json, nullable, primary, text } from './columns';

/** The run that made it is not a foreign key: the catalogue can be rebuilt from a repository whose runs nobody remembers. */
export interface RecoveryPointRow {
  readonly id: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly kind: RecoveryPointKind;
  readonly state: RecoveryPointState;
  /** Why it is in its present state, when somebody marked it. */
  readonly stateReason: string | null;
  readonly pointInTime: Date;
  readonly publishedAt: Date;
  readonly sizeBytes: number;
  readonly disks: ImageRecoveryPointView['disks'];
  readonly reason: string;
  readonly runId: string;
  /** All three, or none. */
  readonly holdReason: string | null;
  readonly heldBy: string | null;
  readonly heldAt: Date | null;
  /** When and how it last passed a verification; both, or none. */
  readonly verifiedAt: Date | null;
  readonly verifiedBy: VerificationMethod | null;
  /** When somebody last tried to read it, and what came of it; null: it passed. */
  readonly checkedAt: Date | null;
  readonly checkProblem: { readonly code: string; readonly message: string } | null;
  /** Images only, from here on. */
  readonly generation: number | null;
  readonly lineageId: string | null;
  readonly consistency: Consistency | null;
  readonly repository: string | null;
  /** Data only, from here on. */
  readonly dataSet: string | null;
  readonly purpose: DataPurpose | null;
  readonly snapshotId: string | null;
  readonly addedBytes: number | null;
  readonly declared: DataSet | null;
  readonly content: DataContent | null;
}

export const RecoveryPointEntity = new EntitySchema<RecoveryPointRow>({
  name: 'recovery_point',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    serverName: text({ name: 'server_name' }),
    kind: text(),
    generation: integer(nullable),
    lineageId: text({ name: 'lineage_id', nullable: true }),
    state: text(),
    stateReason: text({ name: 'state_reason', nullable: true }),
    consistency: text(nullable),
    pointInTime: instant({ name: 'point_in_time' }),
    publishedAt: instant({ name: 'published_at' }),
    repository: text(nullable),
    sizeBytes: bigint({ name: 'size_bytes' }),
    disks: json(),
    reason: text(),
    runId: text({ name: 'run_id' }),
    holdReason: text({ name: 'hold_reason', nullable: true }),
    heldBy: text({ name: 'held_by', nullable: true }),
    heldAt: instant({ name: 'held_at', nullable: true }),
    verifiedAt: instant({ name: 'verified_at', nullable: true }),
    verifiedBy: text({ name: 'verified_by', nullable: true }),
    checkedAt: instant({ name: 'checked_at', nullable: true }),
    checkProblem: json({ name: 'check_problem', nullable: true }),
    dataSet: text({ name: 'data_set', nullable: true }),
    purpose: text(nullable),
    snapshotId: text({ name: 'snapshot_id', nullable: true }),
    addedBytes: bigint({ name: 'added_bytes', nullable: true }),
    declared: json(nullable),
    content: json(nullable),
  },
  uniques: [{ name: 'recovery_point_generation_key', columns: ['serverId', 'kind', 'generation'] }],
  indices: [
    { name: 'recovery_point_newest_idx', columns: ['pointInTime', 'id'] },
    { name: 'recovery_point_server_idx', columns: ['serverId', 'pointInTime'] },
    { name: 'recovery_point_unread_idx', columns: ['pointInTime'], where: `kind = 'image' AND state = 'usable' AND verified_at IS NULL` },
    { name: 'recovery_point_read_idx', columns: ['verifiedAt'], where: `kind = 'image' AND state = 'usable'` },
    { name: 'recovery_point_data_set_idx', columns: ['serverId', 'dataSet', 'pointInTime'], where: `kind = 'data'` },
  ],
  checks: [
    { name: 'recovery_point_purpose_check', expression: `purpose IN ('backup', 'safety')` },
    { name: 'recovery_point_hold_check', expression: 'num_nonnulls(hold_reason, held_by, held_at) IN (0, 3)' },
    {
      name: 'recovery_point_verified_check',
      expression: `num_nonnulls(verified_at, verified_by) IN (0, 2) AND verified_by IN ('checksums', 'structure')`,
    },
    { name: 'recovery_point_state_check', expression: `state IN ('usable', 'damaged')` },
    {
      name: 'recovery_point_kind_check',
      expression: `CASE kind
    WHEN 'image' THEN num_nonnulls(generation, lineage_id, consistency, repository) = 4 AND num_nonnulls(data_set, purpose, snapshot_id, added_bytes, declared, content) = 0
    WHEN 'data' THEN num_nonnulls(generation, lineage_id, consistency, repository) = 0 AND num_nonnulls(data_set, purpose, snapshot_id, added_bytes, declared, content) = 6
    ELSE false END`,
    },
  ],
  foreignKeys: [
    { name: 'recovery_point_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'recovery_point_repository_fkey', target: 'repository', columnNames: ['repository'], referencedColumnNames: ['name'] },
  ],
});
