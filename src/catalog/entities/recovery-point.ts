import { EntitySchema } from 'typeorm';
import type { GenerationChanges } from '../../contracts/change';
import type { CredentialReference } from '../../contracts/credential';
import type { CollectedFacts, StoredFacts } from '../../contracts/generation';
import type { DataContent, DataPurpose, DataSet } from '../../contracts/data';
import type { Consistency, ImageRecoveryPointView, RecoveryPointKind, RecoveryPointState } from '../../contracts/recovery-point';
import type { ReadingMethod } from '../../contracts/verification';
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
  readonly verifiedBy: ReadingMethod | null;
  /** When somebody last tried to read it, and what came of it; null: it passed. */
  readonly checkedAt: Date | null;
  readonly checkProblem: { readonly code: string; readonly message: string } | null;
  /** Of one that is damaged only because of what it builds on: where that began; null: it is damaged by itself, or not at all. */
  readonly damageOrigin: string | null;
  /** Of one that is damaged by itself: in which of its files, where that is known. */
  readonly damageFile: string | null;
  /** Since when no rule keeps it; when it will be given up for good, and was; when its files were gone. */
  readonly expiredAt: Date | null;
  readonly deletesAt: Date | null;
  readonly deletedAt: Date | null;
  readonly removedAt: Date | null;
  /** Which versions of its server's credentials were valid; null: it remembers none. */
  readonly credentials: readonly CredentialReference[] | null;
  /** Images only, from here on. */
  /** When it was last booted for a proof; its seconds, or why it did not come up. */
  readonly bootAt: Date | null;
  readonly bootSeconds: number | null;
  readonly bootProblem: { readonly code: string; readonly message: string } | null;
  readonly generation: number | null;
  readonly lineageId: string | null;
  /** What it builds on; null: it is whole. No foreign key, as above. */
  readonly parentId: string | null;
  /** Of its manifest, when it was recorded; null: an earlier version has recorded it. */
  readonly manifestSha256: string | null;
  readonly consistency: Consistency | null;
  /** The set it was taken with. No foreign key, as above. */
  readonly setId: string | null;
  readonly repository: string | null;
  /** What it says of the configuration changes of its server; null: an earlier version has taken it. */
  readonly changes: GenerationChanges | null;
  /** How complete its facts are, and which they are; null: it has none. */
  readonly facts: CollectedFacts | null;
  readonly factsSha256: string | null;
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
    setId: text({ name: 'set_id', nullable: true }),
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
    expiredAt: instant({ name: 'expired_at', nullable: true }),
    deletesAt: instant({ name: 'deletes_at', nullable: true }),
    deletedAt: instant({ name: 'deleted_at', nullable: true }),
    removedAt: instant({ name: 'removed_at', nullable: true }),
    bootAt: instant({ name: 'boot_at', nullable: true }),
    bootSeconds: integer({ name: 'boot_seconds', nullable: true }),
    bootProblem: json({ name: 'boot_problem', nullable: true }),
    parentId: text({ name: 'parent_id', nullable: true }),
    manifestSha256: text({ name: 'manifest_sha256', nullable: true }),
    damageOrigin: text({ name: 'damage_origin', nullable: true }),
    damageFile: text({ name: 'damage_file', nullable: true }),
    dataSet: text({ name: 'data_set', nullable: true }),
    purpose: text(nullable),
    snapshotId: text({ name: 'snapshot_id', nullable: true }),
    addedBytes: bigint({ name: 'added_bytes', nullable: true }),
    declared: json(nullable),
    content: json(nullable),
    changes: json(nullable),
    facts: json(nullable),
    factsSha256: text({ name: 'facts_sha256', nullable: true }),
    credentials: json(nullable),
  },
  uniques: [{ name: 'recovery_point_generation_key', columns: ['serverId', 'kind', 'generation'] }],
  indices: [
    { name: 'recovery_point_newest_idx', columns: ['pointInTime', 'id'] },
    { name: 'recovery_point_server_idx', columns: ['serverId', 'pointInTime'] },
    { name: 'recovery_point_unread_idx', columns: ['pointInTime'], where: `kind = 'image' AND state = 'usable' AND verified_at IS NULL` },
    { name: 'recovery_point_retired_idx', columns: ['serverId'], where: `state IN ('expired', 'deleted') AND removed_at IS NULL` },
    { name: 'recovery_point_read_idx', columns: ['verifiedAt'], where: `kind = 'image' AND state = 'usable'` },
    { name: 'recovery_point_parent_idx', columns: ['parentId'], where: 'parent_id IS NOT NULL' },
    { name: 'recovery_point_line_idx', columns: ['lineageId', 'generation'], where: `kind = 'image' AND changes IS NOT NULL` },
    { name: 'recovery_point_data_set_idx', columns: ['serverId', 'dataSet', 'pointInTime'], where: `kind = 'data'` },
  ],
  checks: [
    { name: 'recovery_point_purpose_check', expression: `purpose IN ('backup', 'safety')` },
    { name: 'recovery_point_hold_check', expression: 'num_nonnulls(hold_reason, held_by, held_at) IN (0, 3)' },
    {
      name: 'recovery_point_verified_check',
      expression: `num_nonnulls(verified_at, verified_by) IN (0, 2) AND verified_by IN ('checksums', 'structure')`,
    },
    {
      name: 'recovery_point_boot_check',
      expression: `num_nonnulls(boot_seconds, boot_problem) = num_nonnulls(boot_at) AND (boot_at IS NULL OR kind = 'image')`,
    },
    { name: 'recovery_point_parent_check', expression: `parent_id IS NULL OR (kind = 'image' AND parent_id <> id)` },
    { name: 'recovery_point_changes_check', expression: `kind = 'image' OR num_nonnulls(changes, facts, facts_sha256) = 0` },
    { name: 'recovery_point_facts_check', expression: 'facts_sha256 IS NULL OR facts IS NOT NULL' },
    { name: 'recovery_point_set_check', expression: `set_id IS NULL OR kind = 'image'` },
    { name: 'recovery_point_manifest_check', expression: `manifest_sha256 IS NULL OR (kind = 'image' AND manifest_sha256 ~ '^[0-9a-f]{64}$')` },
    {
      name: 'recovery_point_damage_check',
      expression: `num_nonnulls(damage_origin, damage_file) <= 1 AND (damage_origin IS NULL OR (parent_id IS NOT NULL AND damage_origin <> id))`,
    },
    { name: 'recovery_point_state_check', expression: `state IN ('usable', 'damaged', 'expired', 'deleted')` },
    {
      name: 'recovery_point_retired_check',
      expression: `CASE state
    WHEN 'expired' THEN expired_at IS NOT NULL AND num_nonnulls(deleted_at, removed_at, held_at) = 0
    WHEN 'deleted' THEN num_nonnulls(expired_at, deletes_at, deleted_at) = 3
    ELSE num_nonnulls(expired_at, deletes_at, deleted_at, removed_at) = 0 END`,
    },
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
    { name: 'recovery_point_facts_fkey', target: 'server_facts', columnNames: ['factsSha256'], referencedColumnNames: ['sha256'] },
    { name: 'recovery_point_repository_fkey', target: 'repository', columnNames: ['repository'], referencedColumnNames: ['name'] },
  ],
});

/** Facts of servers, each kept once, under the SHA-256 of their canonical JSON. */
export interface ServerFactsRow {
  readonly sha256: string;
  readonly facts: StoredFacts;
}

export const ServerFactsEntity = new EntitySchema<ServerFactsRow>({
  name: 'server_facts',
  columns: { sha256: text(primary), facts: json() },
});
