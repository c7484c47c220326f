import { z } from 'zod';
import type { Comeback, JudgementView } from '../judgement';
import { serverQueryField, timestamp } from './common';
import { findingSchema, findingSeverity } from './restore-plan';

/** What newest images are judged to be, before anybody needs them. */

const judgedSchema = z.object({
  judgedAt: timestamp,
  since: timestamp.meta({ description: 'Since when the worst finding is as severe as this.' }),
  recoveryPointId: z.string().nullable().meta({ description: 'The image that was judged; null: it could not be judged, and that is the finding.' }),
  worst: findingSeverity,
  findings: z.array(findingSchema),
});

export const judgementSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    isAsked: z.boolean().meta({ description: 'A judgement is asked for, and has not come yet.' }),
    judged: judgedSchema.nullable().meta({ description: 'null: it was never judged.' }),
  })
  .meta({ id: 'Judgement' }) satisfies z.ZodType<JudgementView>;

export const comebackSchema = z
  .object({
    verdict: findingSeverity.nullable().meta({
      description: 'block: it could not come back alone. unknown: nobody knows. step: it could, with steps that its rules name. null: it was not judged yet.',
    }),
    since: timestamp.nullable().meta({ description: 'Since when the verdict is so.' }),
    judgedAt: timestamp.nullable(),
    isOutdated: z.boolean().meta({ description: 'Nobody has judged it for 36 hours: it may be otherwise by now.' }),
    recoveryPointId: z.string().nullable(),
    findings: z.array(findingSchema.omit({ evidence: true })).meta({ description: 'Those that keep it from coming back as it is, or may.' }),
  })
  .meta({ id: 'Comeback' }) satisfies z.ZodType<Comeback>;

export const judgementQuerySchema = z.strictObject({ server: serverQueryField });
export type JudgementQuery = z.output<typeof judgementQuerySchema>;

export const judgeRequestSchema = z
  .strictObject({ server: z.string().min(1).max(255).optional().meta({ description: 'Name or id; absent: every server that rules judge.' }) })
  .meta({ id: 'JudgeRequest' });
export type JudgeRequest = z.output<typeof judgeRequestSchema>;
