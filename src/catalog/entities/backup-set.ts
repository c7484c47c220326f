import { EntitySchema } from 'typeorm';
import type { ServerGroup } from '../../contracts/backup-set';
import { instant, json, primary, text } from './columns';

/** Names of servers: one is never removed from the catalogue, and keeps its name. */
export type BackupGroupRow = ServerGroup;

export const BackupGroupEntity = new EntitySchema<BackupGroupRow>({
  name: 'backup_group',
  columns: { name: text(primary), servers: json() },
});

/** The group is a name, no foreign key: what was taken stays written down when the group is gone. */
export interface BackupSetRow {
  readonly id: string;
  readonly groupName: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly deadline: Date;
}

export const BackupSetEntity = new EntitySchema<BackupSetRow>({
  name: 'backup_set',
  columns: {
    id: text(primary),
    groupName: text({ name: 'group_name' }),
    reason: text(),
    requestedBy: text({ name: 'requested_by' }),
    requestedAt: instant({ name: 'requested_at' }),
    deadline: instant(),
  },
  indices: [
    { name: 'backup_set_newest_idx', columns: ['requestedAt', 'id'] },
    { name: 'backup_set_group_idx', columns: ['groupName', 'requestedAt'] },
  ],
});
