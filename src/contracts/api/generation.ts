import { z } from 'zod';
import { OS_FAMILIES, FACT_KINDS, type FactDiff, type FactSection } from '../facts';
import type { DefinitionDiff, DefinitionSummary, GenerationDefinition } from '../definition';
import type { FactsState, GenerationView, ShownGeneration, ShownGenerationDiff } from '../generation';
import { CONSISTENCIES, RECOVERY_POINT_STATES } from '../recovery-point';
import { generationChangesSchema } from './change';
import { credentialReferenceSchema } from './credential';
import { errorCode, errorSummarySchema, pageQueryFields, timestamp } from './common';

/** Generations of a server: what each contains, what it says of the server, and in what two of them differ. */

const kind = z.enum(FACT_KINDS);
const kinds = z.array(kind);

const factsStateSchema = z
  .discriminatedUnion('state', [
    z.object({
      state: z.literal('collected'),
      collectedAt: timestamp,
      family: z.enum(OS_FAMILIES),
      entries: z.int(),
      failed: kinds.meta({ description: 'Kinds that could not be collected.' }),
      truncated: kinds.meta({ description: 'Kinds of which there was more than is kept.' }),
    }),
    z.object({ state: z.literal('missing'), why: z.string() }),
  ])
  .meta({ id: 'FactsState' }) satisfies z.ZodType<FactsState>;

const generationFields = {
  generation: z.int(),
  recoveryPointId: z.string(),
  serverId: z.string(),
  serverName: z.string(),
  state: z.enum(RECOVERY_POINT_STATES),
  pointInTime: timestamp,
  consistency: z.enum(CONSISTENCIES),
  reason: z.string(),
  isOnPresentLine: z
    .boolean()
    .meta({ description: 'Whether it is of the disks that the server has now: a restore begins a new line, undoing it returns to the old one.' }),
  changes: generationChangesSchema.nullable().meta({ description: 'null: an earlier version has taken it, and nobody knows.' }),
  facts: factsStateSchema,
  credentials: z
    .array(credentialReferenceSchema)
    .meta({ description: 'Which versions of the credentials were valid. Empty: none was declared, or an earlier version has taken it.' }),
};

export const generationSchema = z.object(generationFields).meta({ id: 'Generation' }) satisfies z.ZodType<GenerationView>;

const entry = z.object({ key: z.string(), value: z.string() });
const entries = z.array(entry);
const changedEntries = z.array(z.object({ key: z.string(), before: z.string(), after: z.string() }));

const sectionSchema = z
  .discriminatedUnion('state', [
    z.object({ kind, state: z.literal('collected'), entries, truncated: z.boolean() }),
    z.object({ kind, state: z.literal('failed'), error: errorSummarySchema }),
  ])
  .meta({ id: 'FactSection' }) satisfies z.ZodType<FactSection>;

const definitionSummarySchema = z
  .object({
    vcpus: z.int().nullable(),
    memoryBytes: z.int().nullable(),
    machine: z.string().nullable(),
    firmware: z.enum(['bios', 'uefi']),
    generationId: z.string().nullable(),
    disks: z
      .array(z.object({ target: z.string(), device: z.string(), bus: z.string().nullable(), source: z.string().nullable() }))
      .meta({ description: 'Drives for removable media among them.' }),
    nics: z.array(z.object({ mac: z.string().nullable(), type: z.string(), source: z.string().nullable() })),
  })
  .meta({ id: 'DefinitionSummary' }) satisfies z.ZodType<DefinitionSummary>;

const definitionSchema = z
  .discriminatedUnion('state', [
    z.object({
      state: z.literal('read'),
      summary: definitionSummarySchema,
      xml: z.string().optional().meta({
        description: 'All of it, where it was asked for; [hidden] in place of passwords and of what is handed through to QEMU, firmware or kernel.',
      }),
    }),
    z.object({ state: z.literal('not-read'), code: errorCode, why: z.string() }),
  ])
  .meta({ id: 'GenerationDefinition' }) satisfies z.ZodType<GenerationDefinition>;

export const generationDetailSchema = z
  .object({ ...generationFields, sections: z.array(sectionSchema).nullable().meta({ description: 'null: see facts.' }), definition: definitionSchema })
  .meta({ id: 'GenerationDetail' }) satisfies z.ZodType<ShownGeneration>;

const factDiffSchema = z
  .object({
    sections: z.array(
      z.discriminatedUnion('state', [
        z.object({ kind, state: z.literal('compared'), added: entries, removed: entries, changed: changedEntries }),
        z.object({
          kind,
          state: z.literal('incomplete').meta({ description: 'Not to be taken for "no difference": what was added or removed is not known.' }),
          gap: z.discriminatedUnion('reason', [
            z.object({ reason: z.literal('failed'), side: z.enum(['before', 'after', 'both']), code: z.string().nullable() }),
            z.object({ reason: z.literal('truncated') }),
          ]),
          changed: changedEntries,
        }),
      ]),
    ),
  })
  .meta({ id: 'FactDiff' }) satisfies z.ZodType<FactDiff>;

const definitionDiffSchema = z
  .discriminatedUnion('state', [
    z.object({
      state: z.literal('compared'),
      parts: z
        .array(z.array(z.object({ kind: z.enum(['same', 'removed', 'added']), text: z.string() })))
        .meta({ description: 'Lines that differ, with their surroundings; empty: none does.' }),
      removed: z.int(),
      added: z.int(),
      more: z.int().meta({ description: 'How many lines that differ are not in parts, because there are too many.' }),
      hiddenDiffers: z.boolean().meta({ description: 'Whether values differ that are not shown.' }),
    }),
    z.object({
      state: z.literal('not-compared').meta({ description: 'Not to be taken for "no difference".' }),
      notRead: z.array(z.object({ generation: z.int(), code: errorCode, why: z.string() })),
    }),
  ])
  .meta({ id: 'DefinitionDiff' }) satisfies z.ZodType<DefinitionDiff>;

const recordedChanges = generationChangesSchema.shape.contained;

export const generationDiffSchema = z
  .object({
    serverId: z.string(),
    serverName: z.string(),
    before: generationSchema,
    after: generationSchema,
    changes: z
      .object({ added: recordedChanges, removed: recordedChanges })
      .nullable()
      .meta({ description: 'Changes that only one of the two contains; null: one of them says nothing about changes.' }),
    facts: factDiffSchema.nullable().meta({ description: 'null: one of them has no facts.' }),
    definition: definitionDiffSchema,
    summary: z.array(z.string()).meta({ description: 'In sentences.' }),
  })
  .meta({ id: 'GenerationDiff' }) satisfies z.ZodType<ShownGenerationDiff>;

export const generationQuerySchema = z.strictObject({ ...pageQueryFields });
export type GenerationQuery = z.output<typeof generationQuerySchema>;

export const generationShowQuerySchema = z.strictObject({
  definition: z.enum(['summary', 'whole']).optional().meta({ description: 'How much of the definition; a summary when left out.' }),
});
export type GenerationShowQuery = z.output<typeof generationShowQuerySchema>;

export const generationDiffQuerySchema = z.strictObject({ with: z.coerce.number().int().min(1).meta({ description: 'Number of the other generation.' }) });
export type GenerationDiffQuery = z.output<typeof generationDiffQuerySchema>;
