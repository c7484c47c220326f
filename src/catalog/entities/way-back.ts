import { EntitySchema } from 'typeorm';
import type { WayBackView } from '../../contracts/way-back';
import { bigint, instant, json, nullable, text } from './columns';

/** What a run has kept of the server it replaced. */
export interface WayBackRow extends Omit<WayBackView, 'serverName' | 'createdAt' | 'expiresAt' | 'wentLiveAt' | 'closedAt'> {
  /** Of the run: the order of the swaps of a server, whatever the clocks of the workers said. */
  readonly fencingToken: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly wentLiveAt: Date | null;
  readonly closedAt: Date | null;
}

export const WayBackEntity = new EntitySchema<WayBackRow>({
  name: 'way_back',
  columns: {
    runId: text({ name: 'run_id', primary: true }),
    serverId: text({ name: 'server_id' }),
    fencingToken: bigint({ name: 'fencing_token' }),
    state: text(),
    wasGone: { type: 'boolean', name: 'was_gone' },
    volumes: json(),
    nvramPath: text({ name: 'nvram_path', nullable: true }),
    data: json(nullable),
    before: json(),
    lineageBefore: text({ name: 'lineage_before' }),
    lineageAfter: text({ name: 'lineage_after' }),
    createdAt: instant({ name: 'created_at' }),
    expiresAt: instant({ name: 'expires_at' }),
    wentLiveAt: instant({ name: 'went_live_at', nullable: true }),
    closedBy: text({ name: 'closed_by', nullable: true }),
    closedAt: instant({ name: 'closed_at', nullable: true }),
  },
  indices: [
    { name: 'way_back_open_expiry_idx', columns: ['expiresAt'], where: `state = 'open'` },
    { name: 'way_back_server_idx', columns: ['serverId', 'fencingToken'] },
    { name: 'way_back_closed_by_idx', columns: ['closedBy'] },
  ],
  checks: [
    { name: 'way_back_state_check', expression: `state IN ('open', 'reverted', 'undone', 'confirmed')` },
    { name: 'way_back_closed_check', expression: `(state = 'open') = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)` },
  ],
  foreignKeys: [
    { name: 'way_back_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] },
    { name: 'way_back_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'way_back_lineage_before_fkey', target: 'lineage', columnNames: ['lineageBefore'], referencedColumnNames: ['id'] },
    { name: 'way_back_lineage_after_fkey', target: 'lineage', columnNames: ['lineageAfter'], referencedColumnNames: ['id'] },
    { name: 'way_back_closed_by_fkey', target: 'run', columnNames: ['closedBy'], referencedColumnNames: ['id'] },
  ],
});
