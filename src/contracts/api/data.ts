import { z } from 'zod';
import type { DataChange, DataContent, DataSelection, KeptData } from '../data';
import type { KeptDataRecord } from '../way-back';
import { oneLine } from './common';
import { dataSetSchema } from './protection';

/** What plans, recovery points and ways back say about data. */

export const dataContentSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('files'),
    paths: z.tuple([z.string()], z.string()),
    files: z.int(),
    totalBytes: z.number(),
    problems: z.array(z.string()).meta({ description: 'Files that changed while they were read. Empty: none did.' }),
  }),
  z.object({
    kind: z.literal('postgresql'),
    engineVersion: z.string(),
    engineMajor: z.int(),
    directory: z.string(),
    factsFile: z.string(),
    globalsFile: z.string(),
    databases: z.array(z.object({ name: z.string(), file: z.string(), sizeBytes: z.number(), tables: z.int(), rows: z.number() })),
  }),
]) satisfies z.ZodType<DataContent>;

const guestPath = z
  .string()
  .min(1)
  .max(4096)
  .refine((value) => value.startsWith('/'), 'must be an absolute path')
  .refine((value) => !/\0|\p{Cs}/u.test(value), 'must not contain NUL or half a character')
  .refine((value) => !value.split('/').some((part) => part === '..' || part === '.'), 'must not contain "." or ".."')
  .refine((value) => value === '/' || (!value.endsWith('/') && !value.includes('//')), 'must not end with "/" or contain "//"');

/** Of one that may be declared no more: whatever PostgreSQL can store. */
export const dataSetName = oneLine(64);

/** Identifiers of PostgreSQL hold at most 63 bytes. */
const identifier = oneLine(63);

const filesSelectionSchema = z.strictObject({
  kind: z.literal('files'),
  paths: z.array(guestPath).max(1000).default([]).meta({ description: 'Inside the declared ones; everything where empty.' }),
  replace: z.boolean().default(false).meta({ description: 'Whether files that exist and differ are replaced; what stood there is kept.' }),
});

const postgresqlSelectionSchema = z
  .strictObject({
    kind: z.literal('postgresql'),
    database: identifier,
    tables: z
      .array(z.strictObject({ schema: identifier, name: identifier }))
      .max(500)
      .default([]),
    schemas: z.array(identifier).max(100).default([]),
    whole: z.boolean().default(false).meta({ description: 'The whole database goes back in time.' }),
    replace: z.boolean().default(false).meta({
      description: 'Whether tables that exist get the rows of the recovery point; false: the restored ones land in a schema of their own to compare.',
    }),
  })
  .refine(({ tables, schemas, whole }) => whole !== (tables.length > 0 || schemas.length > 0), {
    path: ['whole'],
    message: 'name tables or schemas, or the whole database',
  });

export const dataSelectionSchema = z.discriminatedUnion('kind', [filesSelectionSchema, postgresqlSelectionSchema]) satisfies z.ZodType<DataSelection>;

export const dataChangeSchema = z
  .object({
    effect: z.enum(['added', 'replaced', 'beside', 'kept', 'untouched']).meta({
      description:
        'added: missing now, put in place. replaced: exists and differs, replaced. beside: exists, the restored one is put beside it. kept: exists and differs, stays. untouched: the same.',
    }),
    what: z.string(),
    count: z.number(),
    bytes: z.number().nullable(),
    examples: z.array(z.string()),
    rows: z.object({ now: z.number().nullable(), then: z.number().nullable() }).optional(),
  })
  .meta({ id: 'DataChange' }) satisfies z.ZodType<DataChange>;

const keptDataSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('files'), directories: z.array(z.string()), added: z.int(), replaced: z.int(), keptBytes: z.number() }),
  z.object({
    kind: z.literal('postgresql'),
    database: z.string(),
    whole: z.boolean().meta({ description: 'Whether the whole database was exchanged, or objects inside it were put in place.' }),
    keptDatabase: z.string().nullable(),
    restoredSchema: z.string().nullable(),
    keptSchema: z.string().nullable(),
    added: z.array(z.string()),
    replaced: z.array(z.string()),
    keptBytes: z.number(),
  }),
]) satisfies z.ZodType<KeptData>;

export const keptDataRecordSchema = z
  .object({
    runId: z.string(),
    undone: z.boolean(),
    dataSet: dataSetSchema,
    recoveryPointId: z.string(),
    kept: keptDataSchema,
  })
  .meta({ id: 'KeptData' }) satisfies z.ZodType<KeptDataRecord>;

export const dataRestoreItemSchema = z.object({
  dataSet: dataSetSchema,
  recoveryPointId: z.string(),
  snapshotId: z.string(),
  content: dataContentSchema,
  selection: dataSelectionSchema,
});
