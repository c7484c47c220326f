import { EntitySchema } from 'typeorm';
import type { OffsiteDeclaration } from '../../contracts/estate';
import type { OffsiteCopyState, OffsiteState, TransferKind, TransferState } from '../../contracts/offsite-copies';
import { bigint, instant, integer, json, nullable, primary, text } from './columns';
import { QUEUED_WORK, type QueuedWorkRow } from './queued-work';

/** What was declared, and what was seen of it. */
export interface OffsiteRepositoryRow extends OffsiteDeclaration {
  readonly state: OffsiteState;
  readonly seenAt: Date | null;
  readonly lookedAt: Date | null;
  readonly askedSince: Date | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

export const OffsiteRepositoryEntity = new EntitySchema<OffsiteRepositoryRow>({
  name: 'offsite_repository',
  columns: {
    name: text(primary),
    location: text(),
    media: text(),
    state: text({ default: 'unknown' }),
    seenAt: instant({ name: 'seen_at', nullable: true }),
    lookedAt: instant({ name: 'looked_at', nullable: true }),
    askedSince: instant({ name: 'asked_since', nullable: true }),
    problem: json(nullable),
  },
  checks: [
    { name: 'offsite_repository_media_check', expression: `media IN ('fixed', 'removable')` },
    { name: 'offsite_repository_state_check', expression: `state IN ('here', 'offline', 'unreachable', 'unknown')` },
  ],
});

/** At most one of each recovery point in each off-site repository. */
export interface OffsiteCopyRow {
  readonly recoveryPointId: string;
  readonly offsite: string;
  readonly state: OffsiteCopyState;
  /** Failed ones, one after the other. */
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
  readonly copiedAt: Date | null;
  readonly sizeBytes: number | null;
  readonly snapshotIds: readonly string[];
  readonly verifiedAt: Date | null;
  /** Since when no rule keeps it; when it was gone. */
  readonly deletedAt: Date | null;
  readonly removedAt: Date | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

export const OffsiteCopyEntity = new EntitySchema<OffsiteCopyRow>({
  name: 'offsite_copy',
  columns: {
    recoveryPointId: text({ name: 'recovery_point_id', primary: true }),
    offsite: text(primary),
    state: text(),
    attempts: integer(),
    nextAttemptAt: instant({ name: 'next_attempt_at', nullable: true }),
    copiedAt: instant({ name: 'copied_at', nullable: true }),
    sizeBytes: bigint({ name: 'size_bytes', nullable: true }),
    snapshotIds: json({ name: 'snapshot_ids' }),
    verifiedAt: instant({ name: 'verified_at', nullable: true }),
    deletedAt: instant({ name: 'deleted_at', nullable: true }),
    removedAt: instant({ name: 'removed_at', nullable: true }),
    problem: json(nullable),
  },
  indices: [{ name: 'offsite_copy_offsite_idx', columns: ['offsite', 'state'] }],
  checks: [
    {
      name: 'offsite_copy_state_check',
      expression: `CASE state
    WHEN 'waiting' THEN true
    WHEN 'copying' THEN true
    WHEN 'copied' THEN num_nonnulls(copied_at, size_bytes) = 2 AND problem IS NULL AND num_nonnulls(deleted_at, removed_at) = 0
    WHEN 'failed' THEN problem IS NOT NULL
    WHEN 'damaged' THEN problem IS NOT NULL AND copied_at IS NOT NULL
    WHEN 'deleted' THEN deleted_at IS NOT NULL
    ELSE false END`,
    },
  ],
  foreignKeys: [
    { name: 'offsite_copy_recovery_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] },
    { name: 'offsite_copy_offsite_fkey', target: 'offsite_repository', columnNames: ['offsite'], referencedColumnNames: ['name'] },
  ],
});

export interface OffsiteTransferRow extends QueuedWorkRow {
  readonly id: string;
  readonly kind: TransferKind;
  readonly offsite: string;
  readonly serverId: string | null;
  readonly recoveryPointId: string | null;
  /** Ids of all recovery points that it moves, what others build on first. */
  readonly points: readonly string[];
  readonly hypervisor: string;
  readonly state: TransferState;
}

export const OffsiteTransferEntity = new EntitySchema<OffsiteTransferRow>({
  name: 'offsite_transfer',
  columns: {
    id: text(primary),
    kind: text(),
    offsite: text(),
    serverId: text({ name: 'server_id', nullable: true }),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    points: json(),
    hypervisor: text(),
    state: text(),
    ...QUEUED_WORK,
  },
  indices: [
    { name: 'offsite_transfer_newest_idx', columns: ['requestedAt', 'id'] },
    { name: 'offsite_transfer_open_idx', columns: ['offsite'], where: `state IN ('waiting', 'running')` },
  ],
  checks: [
    { name: 'offsite_transfer_kind_check', expression: `kind IN ('copy', 'fetch', 'check', 'forget')` },
    { name: 'offsite_transfer_part_check', expression: 'num_nonnulls(part, parts) IN (0, 2)' },
    {
      name: 'offsite_transfer_state_check',
      expression: `CASE state
    WHEN 'waiting' THEN started_at IS NULL AND finished_at IS NULL
    WHEN 'running' THEN started_at IS NOT NULL AND finished_at IS NULL
    WHEN 'succeeded' THEN finished_at IS NOT NULL AND error IS NULL
    WHEN 'failed' THEN finished_at IS NOT NULL AND error IS NOT NULL
    WHEN 'cancelled' THEN finished_at IS NOT NULL AND error IS NOT NULL
    ELSE false END`,
    },
  ],
  foreignKeys: [
    { name: 'offsite_transfer_offsite_fkey', target: 'offsite_repository', columnNames: ['offsite'], referencedColumnNames: ['name'] },
    { name: 'offsite_transfer_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'offsite_transfer_recovery_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] },
  ],
});
