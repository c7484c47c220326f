import { EntitySchema } from 'typeorm';
import type { Finding, FindingSeverity } from '../../contracts/plan';
import { instant, json, nullable, text } from './columns';

/** Whether a judgement of a server is asked for, and what came of the last one. */
export interface NightlyJudgementRow {
  readonly serverId: string;
  /** Null: none is asked for. */
  readonly askedAt: Date | null;
  readonly recoveryPointId: string | null;
  /** These four: all or none. */
  readonly judgedAt: Date | null;
  readonly worst: FindingSeverity | null;
  readonly worstSince: Date | null;
  readonly findings: readonly Finding[] | null;
}

export const NightlyJudgementEntity = new EntitySchema<NightlyJudgementRow>({
  name: 'nightly_judgement',
  columns: {
    serverId: text({ name: 'server_id', primary: true }),
    askedAt: instant({ name: 'asked_at', nullable: true }),
    recoveryPointId: text({ name: 'recovery_point_id', nullable: true }),
    judgedAt: instant({ name: 'judged_at', nullable: true }),
    worst: text(nullable),
    worstSince: instant({ name: 'worst_since', nullable: true }),
    findings: json(nullable),
  },
  indices: [{ name: 'nightly_judgement_asked_idx', columns: ['askedAt'], where: 'asked_at IS NOT NULL' }],
  checks: [
    { name: 'nightly_judgement_worst_check', expression: `worst IN ('ok', 'warn', 'step', 'block', 'unknown')` },
    { name: 'nightly_judgement_judged_check', expression: 'num_nonnulls(judged_at, worst, worst_since, findings) IN (0, 4)' },
  ],
  foreignKeys: [
    { name: 'nightly_judgement_server_fkey', target: 'server', columnNames: ['serverId'], referencedColumnNames: ['id'] },
    { name: 'nightly_judgement_recovery_point_fkey', target: 'recovery_point', columnNames: ['recoveryPointId'], referencedColumnNames: ['id'] },
  ],
});
