import { z } from 'zod';
import { ESTATE_CHANGES, ESTATE_SUBJECTS, type EstateChange } from '../estate';
import { PRUNES } from '../prune';
import { estateSchema } from './estate';

export const estateRequestSchema = z
  .strictObject({
    estate: estateSchema,
    prune: z
      .boolean()
      .default(false)
      .meta({ description: `Deletes ${PRUNES}.` }),
  })
  .meta({ id: 'EstateRequest' });
export type EstateRequest = z.output<typeof estateRequestSchema>;

export const estateChangesSchema = z
  .object({
    changes: z.array(
      z.object({
        subject: z.enum(ESTATE_SUBJECTS),
        name: z.string(),
        change: z.enum(ESTATE_CHANGES),
        fields: z.array(z.string()),
        note: z.string().optional().meta({ description: 'What should be known of it beside what changes.' }),
      }) satisfies z.ZodType<EstateChange>,
    ),
  })
  .meta({ id: 'EstateChanges' });

export interface EstateChangesView {
  readonly changes: readonly EstateChange[];
}
