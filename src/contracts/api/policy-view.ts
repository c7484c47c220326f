import { z } from 'zod';
import type { Policy } from '../policy';
import { timestamp } from './common';
import { policySchema } from './policy';

/** A policy with what follows from it. */
export interface PolicyView extends Policy {
  readonly servers: readonly string[];
  /** The next five times, without jitter; empty where there is no schedule. */
  readonly nextImages: readonly string[];
  readonly nextData: readonly string[];
}

export const policyViewSchema = policySchema
  .extend({
    servers: z.array(z.string()).meta({ description: 'Names of the servers that have it.' }),
    nextImages: z.array(timestamp).meta({ description: 'The next five times, without jitter.' }),
    nextData: z.array(timestamp),
  })
  .meta({ id: 'PolicyView' }) satisfies z.ZodType<PolicyView>;
