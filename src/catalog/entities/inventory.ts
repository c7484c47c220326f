import { EntitySchema } from 'typeorm';
import type { HypervisorDeclaration, RepositoryDeclaration } from '../../contracts/api/estate';
import { NO_PROTECTION } from '../../contracts/protection';
import type { ServerRecord } from '../catalog';
import { instant, integer, json, primary, text } from './columns';

export type HypervisorRow = HypervisorDeclaration;

export const HypervisorEntity = new EntitySchema<HypervisorRow>({
  name: 'hypervisor',
  columns: { name: text(primary), kind: text(), uri: text() },
});

export type RepositoryRow = RepositoryDeclaration;

export const RepositoryEntity = new EntitySchema<RepositoryRow>({
  name: 'repository',
  columns: { name: text(primary), kind: text(), path: text() },
});

export interface ServerRow extends ServerRecord {
  readonly createdAt: Date;
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
    stopTimeoutSeconds: integer({ name: 'stop_timeout_seconds' }),
    agentTimeoutSeconds: integer({ name: 'agent_timeout_seconds' }),
    protection: json({ default: NO_PROTECTION }),
    lineageId: text({ name: 'lineage_id' }),
    createdAt: instant({ name: 'created_at' }),
  },
  uniques: [
    { name: 'server_name_key', columns: ['name'] },
    { name: 'server_hypervisor_uuid_key', columns: ['hypervisor', 'uuid'] },
  ],
  foreignKeys: [
    { name: 'server_hypervisor_fkey', target: 'hypervisor', columnNames: ['hypervisor'], referencedColumnNames: ['name'] },
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
