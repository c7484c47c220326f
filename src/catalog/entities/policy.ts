import { EntitySchema } from 'typeorm';
import type { DueBackupState, DueCause } from '../../contracts/due-backup';
import type { Policy } from '../../contracts/policy';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import { instant, integer, json, nullable, primary, text } from './columns';

export interface PolicyRow extends Policy {
  /** Since when the schedule of images is what it is; what it was before is not caught up. */
  readonly imageSince: Date;
  readonly dataSince: Date;
  /** Since when verification is promised as it is. */
  readonly verificationSince: Date;
  /** Since when copies are promised as they are; null: none are. */
  readonly offsiteSince: Date | null;
}

export const PolicyEntity = new EntitySchema<PolicyRow>({
  name: 'policy',
  columns: {
    name: text(primary),
    timeZone: text({ name: 'time_zone' }),
    image: json(nullable),
    data: json(nullable),
    verification: json(nullable),
    offsite: json(nullable),
    rtoMinutes: integer({ name: 'rto_minutes', nullable: true }),
    imageSince: instant({ name: 'image_since' }),
    dataSince: instant({ name: 'data_since' }),
    verificationSince: instant({ name: 'verification_since' }),
    offsiteSince: instant({ name: 'offsite_since', nullable: true }),
  },
});

/** The policy is a name, no foreign key: what was due stays written down when the policy is gone. */
export interface DueBackupRow {
  readonly id: string;
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly policy: string | null;
  readonly cause: DueCause;
  readonly dueAt: Date;
  readonly notBefore: Date;
  readonly state: DueBackupState;
  readonly waitsFor: string | null;
  readonly missedBefore: number;
  readonly runId: string | null;
}

export const DueBackupEntity = new EntitySchema<DueBackupRow>({
  name: 'due_backup',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    kind: text(),
    policy: text(nullable),
    cause: text(),
    dueAt: instant({ name: 'due_at' }),
    notBefore: instant({ name: 'not_before' }),
    state: text(),
    waitsFor: text({ name: 'waits_for', nullable: true }),
    missedBefore: integer({ name: 'missed_before' }),
    runId: text({ name: 'run_id', nullable: true }),
  },
  uniques: [{ name: 'due_backup_once_key', columns: ['serverId', 'kind', 'dueAt'] }],
  indices: [
    { name: 'due_backup_newest_idx', columns: ['dueAt', 'id'] },
    { name: 'due_backup_waiting_key', columns: ['serverId', 'kind'], unique: true, where: `state = 'waiting'` },
  ],
  checks: [
    { name: 'due_backup_kind_check', expression: `kind IN ('image', 'data')` },
    { name: 'due_backup_cause_check', expression: `cause IN ('schedule', 'restore', 'change', 'baseline') AND (policy IS NOT NULL OR cause = 'change')` },
    { name: 'due_backup_state_check', expression: `state IN ('waiting', 'started', 'superseded', 'withdrawn') AND (state = 'started') = (run_id IS NOT NULL)` },
  ],
  foreignKeys: [
    { name: 'due_backup_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'due_backup_run_fkey', target: 'run', columnNames: ['runId'], referencedColumnNames: ['id'] },
  ],
});
