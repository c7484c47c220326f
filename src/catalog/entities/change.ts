import { EntitySchema } from 'typeorm';
import type { ApplyAgain, ChangeState } from '../../contracts/change';
import { instant, integer, json, nullable, primary, text } from './columns';

export interface ConfigurationChangeRow {
  readonly id: string;
  readonly serverId: string;
  readonly title: string;
  readonly ticket: string | null;
  readonly author: string;
  readonly applyAgain: ApplyAgain | null;
  readonly externalId: string | null;
  readonly state: ChangeState;
  readonly openedAt: Date;
  readonly openedBy: string;
  /** The line of disk states that the server had then. */
  readonly openedOn: string;
  readonly completedAt: Date | null;
  readonly completedBy: string | null;
  readonly cancelledAt: Date | null;
  readonly cancelledBy: string | null;
  readonly cancelReason: string | null;
}

export const ConfigurationChangeEntity = new EntitySchema<ConfigurationChangeRow>({
  name: 'configuration_change',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    title: text(),
    ticket: text(nullable),
    author: text(),
    applyAgain: json({ name: 'apply_again', nullable: true }),
    externalId: text({ name: 'external_id', nullable: true }),
    state: text(),
    openedAt: instant({ name: 'opened_at' }),
    openedBy: text({ name: 'opened_by' }),
    openedOn: text({ name: 'opened_on' }),
    completedAt: instant({ name: 'completed_at', nullable: true }),
    completedBy: text({ name: 'completed_by', nullable: true }),
    cancelledAt: instant({ name: 'cancelled_at', nullable: true }),
    cancelledBy: text({ name: 'cancelled_by', nullable: true }),
    cancelReason: text({ name: 'cancel_reason', nullable: true }),
  },
  uniques: [{ name: 'configuration_change_external_key', columns: ['serverId', 'externalId'] }],
  indices: [
    { name: 'configuration_change_newest_idx', columns: ['openedAt', 'id'] },
    { name: 'configuration_change_server_idx', columns: ['serverId', 'openedAt'] },
  ],
  checks: [
    { name: 'configuration_change_state_check', expression: `state IN ('open', 'completed', 'cancelled')` },
    {
      name: 'configuration_change_end_check',
      expression: `num_nonnulls(completed_at, completed_by) = CASE state WHEN 'completed' THEN 2 ELSE 0 END
        AND num_nonnulls(cancelled_at, cancelled_by, cancel_reason) = CASE state WHEN 'cancelled' THEN 3 ELSE 0 END`,
    },
  ],
  foreignKeys: [{ name: 'configuration_change_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] }],
});

/** A change on one line of disk states: where it was first made, and where it was applied again. */
export interface AppliedChangeRow {
  readonly changeId: string;
  readonly lineageId: string;
  readonly appliedAt: Date;
  readonly appliedBy: string;
  /** The restore in which it was applied again; null: it was made. */
  readonly runId: string | null;
  /** Until then further changes may join the image that is taken because of it. */
  readonly imageNotBefore: Date;
  /** The first image of this line that holds it; both, or none. */
  readonly recoveryPointId: string | null;
  readonly generation: number | null;
}

export const AppliedChangeEntity = new EntitySchema<AppliedChangeRow>({
  name: 'applied_change',
  columns: {
    changeId: text({ name: 'change_id', primary: true }),
    lineageId: text({ name: 'lineage_id', primary: true }),
    appliedAt: instant({ name: 'applied_at' }),
    appliedBy: text({ name: 'applied_by' }),
    runId: text({ name: 'run_id', nullable: true }),
    imageNotBefore: instant({ name: 'image_not_before' }),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    generation: integer(nullable),
  },
  indices: [{ name: 'applied_change_unimaged_idx', columns: ['lineageId'], where: 'recovery_point_id IS NULL' }],
  checks: [{ name: 'applied_change_generation_check', expression: 'num_nonnulls(recovery_point_id, generation) IN (0, 2)' }],
  foreignKeys: [
    { name: 'applied_change_change_fkey', target: 'configuration_change', columnNames: ['changeId'], referencedColumnNames: ['id'] },
    { name: 'applied_change_lineage_fkey', target: 'lineage', columnNames: ['lineageId'], referencedColumnNames: ['id'] },
  ],
});
