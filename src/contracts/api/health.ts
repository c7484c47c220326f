import { z } from 'zod';
import { errorCode } from './common';

export const healthSchema = z.object({ status: z.literal('ok'), version: z.string() }).meta({ id: 'Health' });
export type Health = z.output<typeof healthSchema>;

/** Whether a new run can be accepted now. Names the part that is missing and a code for `modosu explain`, no address: everybody may ask. */
export const readinessSchema = z
  .object({
    status: z.enum(['ready', 'not-ready']),
    parts: z.array(z.object({ name: z.enum(['catalogue', 'temporal']), status: z.enum(['ok', 'failed']), code: errorCode.nullable() })),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.output<typeof readinessSchema>;
