import { EntitySchema } from 'typeorm';
import type { RestoreSetState, SetBasis } from '../../contracts/restore-set';
import { instant, json, nullable, primary, text } from './columns';

/** One server of a set. Both null: it is made anew from the first one. */
export interface RestoreSetMemberRow {
  readonly serverId: string;
  readonly recoveryPointId: string | null;
  readonly planId: string | null;
}

export interface RestoreSetRow {
  readonly id: string;
  readonly state: Exclude<RestoreSetState, 'planning'>;
  readonly basis: SetBasis;
  readonly choice: readonly string[];
  /** In the order in which they go live. */
  readonly members: readonly RestoreSetMemberRow[];
  readonly requestedBy: string;
  readonly requestedAt: Date;
  /** Who has it carried out; null: nobody. */
  readonly runBy: string | null;
  readonly reason: string | null;
  readonly runAt: Date | null;
  readonly finishedAt: Date | null;
  readonly problem: string | null;
}

export const RestoreSetEntity = new EntitySchema<RestoreSetRow>({
  name: 'restore_set',
  columns: {
    id: text(primary),
    state: text(),
    basis: text(),
    choice: json(),
    members: json(),
    requestedBy: text({ name: 'requested_by' }),
    requestedAt: instant({ name: 'requested_at' }),
    runBy: text({ name: 'run_by', ...nullable }),
    reason: text(nullable),
    runAt: instant({ name: 'run_at', ...nullable }),
    finishedAt: instant({ name: 'finished_at', ...nullable }),
    problem: text(nullable),
  },
  indices: [
    { name: 'restore_set_newest_idx', columns: ['requestedAt', 'id'] },
    { name: 'restore_set_running_idx', columns: ['requestedAt'], where: `state = 'running'` },
  ],
  checks: [
    { name: 'restore_set_state_check', expression: `state IN ('planned', 'running', 'stopped', 'succeeded', 'failed')` },
    { name: 'restore_set_basis_check', expression: `basis IN ('freeze', 'readings', 'reseed', 'unrelated')` },
    {
      name: 'restore_set_run_check',
      expression: `(state = 'planned') = (run_by IS NULL) AND (run_by IS NULL) = (reason IS NULL) AND (run_by IS NULL) = (run_at IS NULL)`,
    },
    { name: 'restore_set_finished_check', expression: `(state IN ('stopped', 'succeeded', 'failed')) = (finished_at IS NOT NULL)` },
  ],
});
