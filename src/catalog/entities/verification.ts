import { EntitySchema } from 'typeorm';
import type { RecoveryPointKind } from '../../contracts/recovery-point';
import type { BootResult, VerificationMethod, VerificationState } from '../../contracts/verification';
import { json, nullable, primary, text } from './columns';
import { QUEUED_WORK, type QueuedWorkRow } from './queued-work';

export interface VerificationRow extends QueuedWorkRow {
  readonly id: string;
  readonly serverId: string;
  readonly kind: RecoveryPointKind;
  readonly recoveryPointId: string | null;
  /** What is read: one at a time is waited for or read. */
  readonly subject: string;
  /** Where it lies: so many of a place are read at a time. */
  readonly place: string;
  readonly method: VerificationMethod;
  readonly state: VerificationState;
  readonly boot: BootResult | null;
  /** Of a boot: whether it was that of the server's newest image when it was asked for; of others nothing is promised. Null: no boot. */
  readonly ofNewest: boolean | null;
}

export const VerificationEntity = new EntitySchema<VerificationRow>({
  name: 'verification',
  columns: {
    id: text(primary),
    serverId: text({ name: 'server_id' }),
    kind: text(),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    subject: text(),
    place: text(),
    method: text(),
    state: text(),
    ...QUEUED_WORK,
    boot: json(nullable),
    ofNewest: { type: 'boolean', name: 'of_newest', nullable: true },
  },
  indices: [
    { name: 'verification_open_key', columns: ['subject'], unique: true, where: `state IN ('waiting', 'running')` },
    { name: 'verification_newest_idx', columns: ['requestedAt', 'id'] },
    { name: 'verification_server_idx', columns: ['serverId', 'requestedAt'] },
    { name: 'verification_subject_idx', columns: ['subject', 'finishedAt'] },
    { name: 'verification_ended_idx', columns: ['finishedAt'] },
    { name: 'verification_boot_idx', columns: ['serverId', 'finishedAt'], where: `method = 'boot'` },
  ],
  checks: [
    { name: 'verification_kind_check', expression: `kind IN ('image', 'data')` },
    { name: 'verification_method_check', expression: `method IN ('checksums', 'structure', 'boot')` },
    { name: 'verification_newest_check', expression: `(of_newest IS NOT NULL) = (method = 'boot')` },
    { name: 'verification_boot_check', expression: `(boot IS NOT NULL) = (method = 'boot' AND state = 'passed')` },
    { name: 'verification_part_check', expression: 'num_nonnulls(part, parts) IN (0, 2)' },
    {
      name: 'verification_state_check',
      expression: `CASE state
    WHEN 'waiting' THEN started_at IS NULL AND finished_at IS NULL
    WHEN 'running' THEN started_at IS NOT NULL AND finished_at IS NULL
    WHEN 'passed' THEN finished_at IS NOT NULL AND error IS NULL
    WHEN 'failed' THEN finished_at IS NOT NULL AND error IS NOT NULL
    WHEN 'not-run' THEN finished_at IS NOT NULL AND error IS NOT NULL
    ELSE false END`,
    },
  ],
  foreignKeys: [
    { name: 'verification_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'verification_recovery_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] },
  ],
});
