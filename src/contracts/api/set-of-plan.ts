import { z } from 'zod';
import { SET_BASES, type SetOfPlan } from '../restore-set';

export const setBasis = z.enum(SET_BASES).meta({
  description:
    'Why the recovery points may meet. freeze: they are of one backup set. readings: each server was read before and after its point in time. reseed: none agree; the first server is restored, the others are made anew from it. unrelated: nothing that is judged is between them.',
});

export const setOfPlanSchema = z
  .object({
    id: z.string(),
    basis: setBasis,
    members: z
      .array(z.object({ server: z.string(), serverId: z.string(), planId: z.string(), recoveryPointId: z.string() }))
      .meta({ description: 'Those that are restored, in the order in which they go live.' }),
  })
  .meta({ id: 'SetOfPlan' }) satisfies z.ZodType<SetOfPlan>;
