import { EntitySchema } from 'typeorm';
import type { HypervisorDeclaration, RepositoryDeclaration } from '../../contracts/estate';
import type { RoomSample } from '../../contracts/capacity';
import type { CatalogCopyPlace } from '../../contracts/catalog-copy';
import { NO_PROTECTION } from '../../contracts/protection';
import type { ServerRecord } from '../catalog';
import { bigint, instant, integer, json, nullable, primary, text } from './columns';

type Limited<Declaration> = Omit<Declaration, 'maxBackups'> & { readonly maxBackups: number | null };

/** Null: nothing was declared. */
const maxBackups = integer({ name: 'max_backups', nullable: true });

export type HypervisorRow = Limited<HypervisorDeclaration>;

export const HypervisorEntity = new EntitySchema<HypervisorRow>({
  name: 'hypervisor',
  columns: { name: text(primary), kind: text(), uri: text(), maxBackups },
});

export type RepositoryRow = Limited<RepositoryDeclaration>;

export const RepositoryEntity = new EntitySchema<RepositoryRow>({
  name: 'repository',
  columns: { name: text(primary), kind: text(), path: text(), maxBackups },
});

/** What was free in a repository at a moment. */
export interface RepositoryRoomRow extends RoomSample {
  readonly repository: string;
}

export const RepositoryRoomEntity = new EntitySchema<RepositoryRoomRow>({
  name: 'repository_room',
  columns: { repository: text(primary), at: instant(primary), freeBytes: bigint({ name: 'free_bytes' }) },
  foreignKeys: [{ name: 'repository_room_repository_fkey', target: 'repository', columnNames: ['repository'], referencedColumnNames: ['name'] }],
});

/** How far the copies of the catalogue in an image repository, or beside an off-site one, are. */
export interface CatalogCopyRow {
  readonly kind: CatalogCopyPlace['kind'];
  /** Its name. */
  readonly repository: string;
  /** Of the newest one; both null: there is none. */
  readonly copiedAt: Date | null;
  readonly auditSeq: number | null;
  /** When a worker last began one. */
  readonly triedAt: Date;
  /** What came of that; null: it went well, or goes on. */
  readonly problem: { readonly code: string; readonly message: string } | null;
}

export const CatalogCopyEntity = new EntitySchema<CatalogCopyRow>({
  name: 'catalog_copy',
  columns: {
    kind: text(primary),
    repository: text(primary),
    copiedAt: instant({ name: 'copied_at', nullable: true }),
    auditSeq: bigint({ name: 'audit_seq', nullable: true }),
    triedAt: instant({ name: 'tried_at' }),
    problem: json(nullable),
  },
  checks: [
    { name: 'catalog_copy_copied_check', expression: '(copied_at IS NULL) = (audit_seq IS NULL)' },
    { name: 'catalog_copy_kind_check', expression: `kind IN ('image', 'offsite')` },
  ],
});

/** All five, or none: the server is in service. */
export interface DecommissionedColumns {
  readonly decommissionedAt: Date | null;
  readonly decommissionedBy: string | null;
  readonly decommissionReason: string | null;
  readonly keepDays: number | null;
  readonly protectsUntil: Date | null;
}

export interface ServerRow extends Omit<ServerRecord, 'decommissioned'>, DecommissionedColumns {
  readonly createdAt: Date;
  /** Since when it has its policy; null: since before there were policies, or it has none. */
  readonly policySince: Date | null;
}

export const ServerEntity = new EntitySchema<ServerRow>({
  name: 'server',
  columns: {
    id: text(primary),
    name: text(),
    uuid: text(),
    domainName: text({ name: 'domain_name' }),
    hypervisor: text(),
    repository: text(),
    policy: text(nullable),
    policySince: instant({ name: 'policy_since', nullable: true }),
    stopTimeoutSeconds: integer({ name: 'stop_timeout_seconds' }),
    agentTimeoutSeconds: integer({ name: 'agent_timeout_seconds' }),
    protection: json({ default: NO_PROTECTION }),
    lineageId: text({ name: 'lineage_id' }),
    createdAt: instant({ name: 'created_at' }),
    decommissionedAt: instant({ name: 'decommissioned_at', nullable: true }),
    decommissionedBy: text({ name: 'decommissioned_by', nullable: true }),
    decommissionReason: text({ name: 'decommission_reason', nullable: true }),
    keepDays: integer({ name: 'keep_days', nullable: true }),
    protectsUntil: instant({ name: 'protects_until', nullable: true }),
  },
  checks: [
    {
      name: 'server_decommissioned_check',
      expression: `num_nonnulls(decommissioned_at, decommissioned_by, decommission_reason, keep_days, protects_until) IN (0, 5)
    AND (keep_days IS NULL OR keep_days BETWEEN 1 AND 36500)`,
    },
  ],
  uniques: [
    { name: 'server_name_key', columns: ['name'] },
    { name: 'server_hypervisor_uuid_key', columns: ['hypervisor', 'uuid'] },
  ],
  foreignKeys: [
    { name: 'server_hypervisor_fkey', target: 'hypervisor', columnNames: ['hypervisor'], referencedColumnNames: ['name'] },
    { name: 'server_policy_fkey', target: 'policy', columnNames: ['policy'], referencedColumnNames: ['name'] },
    { name: 'server_repository_fkey', target: 'repository', columnNames: ['repository'], referencedColumnNames: ['name'] },
  ],
});

/** A line of disk states; the first of a server has no run, each later one was begun by a restore. */
export interface LineageRow {
  readonly id: string;
  readonly serverId: string;
  readonly runId: string | null;
  readonly startedAt: Date;
}

export const LineageEntity = new EntitySchema<LineageRow>({
  name: 'lineage',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    runId: text({ name: 'run_id', nullable: true }),
    startedAt: instant({ name: 'started_at' }),
  },
  uniques: [{ name: 'lineage_run_key', columns: ['runId'] }],
  foreignKeys: [
    { name: 'lineage_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'lineage_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] },
  ],
});
