import { EntitySchema } from 'typeorm';
import type { RecoveryPointView } from '../../contracts/recovery-point';
import { bigint, instant, integer, json, primary, text } from './columns';

/** The run that made it is not a foreign key: the catalogue can be rebuilt from a repository whose runs nobody remembers. */
export interface RecoveryPointRow extends Omit<RecoveryPointView, 'pointInTime' | 'publishedAt'> {
  readonly pointInTime: Date;
  readonly publishedAt: Date;
  /** Why it is in its present state, when somebody marked it. */
  readonly stateReason: string | null;
}

export const RecoveryPointEntity = new EntitySchema<RecoveryPointRow>({
  name: 'recovery_point',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    serverName: text({ name: 'server_name' }),
    kind: text(),
    generation: integer(),
    lineageId: text({ name: 'lineage_id' }),
    state: text(),
    stateReason: text({ name: 'state_reason', nullable: true }),
    consistency: text(),
    pointInTime: instant({ name: 'point_in_time' }),
    publishedAt: instant({ name: 'published_at' }),
    repository: text(),
    sizeBytes: bigint({ name: 'size_bytes' }),
    disks: json(),
    reason: text(),
    runId: text({ name: 'run_id' }),
  },
  uniques: [{ name: 'recovery_point_generation_key', columns: ['serverId', 'kind', 'generation'] }],
  indices: [
    { name: 'recovery_point_newest_idx', columns: ['pointInTime', 'id'] },
    { name: 'recovery_point_server_idx', columns: ['serverId', 'pointInTime'] },
  ],
  checks: [{ name: 'recovery_point_state_check', expression: `state IN ('usable', 'damaged')` }],
  foreignKeys: [
    { name: 'recovery_point_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'recovery_point_repository_fkey', target: 'repository', columnNames: ['repository'], referencedColumnNames: ['name'] },
  ],
});
