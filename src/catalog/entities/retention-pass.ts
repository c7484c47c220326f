import { EntitySchema } from 'typeorm';
import { instant, primary } from './columns';

/** When recovery points were last judged; one row. */
export interface RetentionPassRow {
  readonly id: true;
  readonly at: Date;
}

export const RetentionPassEntity = new EntitySchema<RetentionPassRow>({
  name: 'retention_pass',
  columns: {
    id: { type: 'boolean', ...primary },
    at: instant(),
  },
  checks: [{ name: 'retention_pass_one_check', expression: 'id' }],
});
