import { z } from 'zod';
import { ModosuError } from '../../contracts/errors';
import type { DataManifest, DataSet } from '../../contracts/data';
import { isId, type IdPrefix } from '../../contracts/ids';
import { hasControlCharacters } from '../../contracts/text';
import { credentialReferencesSchema } from '../credential-references';

/**
 * What the manifest of a data recovery point may hold. Strict: a field this version does not know means that a newer program wrote it under an old version
 * number. Whoever adds a field raises the version.
 */
const DATA_MANIFEST_FORMAT = 'modosu-data-recovery-point';
const KNOWN_VERSIONS: readonly unknown[] = [1, 2] satisfies DataManifest['version'][];
/** Far above any real one: a data set of 1000 databases has 200 KiB. */
export const MAX_DATA_MANIFEST_BYTES = 4 * 1024 ** 2;

const id = (prefix: IdPrefix) => z.string().refine((value) => isId(prefix, value), `is not an id beginning with "${prefix}_"`);
const count = z.int().min(0);
const text = (most: number) =>
  z
    .string()
    .max(most)
    .refine((value) => !value.includes('\u0000'), 'has a null character');
const line = z
  .string()
  .min(1)
  .max(4096)
  .refine((value) => !hasControlCharacters(value), 'has control characters');
/** Names of files may hold anything but a null character, also line feeds. */
const absolutePath = text(4096).refine(
  (value) => value.startsWith('/') && !value.split('/').some((part) => part === '..' || part === '.'),
  'is not an absolute path without ".."',
);
/** Names of files that lie beside each other in one directory of a snapshot. */
const fileName = line.refine((value) => !value.includes('/') && value !== '.' && value !== '..', 'is not the name of a file');
const moment = z.iso.datetime();
const argv = z
  .array(text(100_000))
  .min(1)
  .max(1000)
  .transform((values): [string, ...string[]] => values as [string, ...string[]]);
const nonEmpty = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .min(1)
    .max(10_000)
    .transform((values) => values as [z.output<T>, ...z.output<T>[]]);

const dataSetBase = { name: line.max(64), before: argv.nullable(), after: argv.nullable() };

const dataSetSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...dataSetBase, kind: z.literal('files'), paths: nonEmpty(absolutePath), excludes: z.array(text(4096)).max(10_000) }),
  z.strictObject({
    ...dataSetBase,
    kind: z.literal('postgresql'),
    databases: nonEmpty(line),
    user: line,
    osUser: line.nullable(),
    socketDirectory: absolutePath.nullable(),
    port: z.int().min(1).max(65_535),
    spoolDirectory: absolutePath,
  }),
]) satisfies z.ZodType<DataSet>;

const contentSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('files'),
    paths: nonEmpty(absolutePath),
    files: count,
    totalBytes: count,
    problems: z.array(text(4096)).max(1000),
  }),
  z.strictObject({
    kind: z.literal('postgresql'),
    engineVersion: line.max(64),
    engineMajor: z.int().min(1).max(10_000),
    directory: absolutePath,
    factsFile: fileName,
    globalsFile: fileName,
    databases: z.array(z.strictObject({ name: line, file: fileName, sizeBytes: count, tables: count, rows: count })).max(10_000),
  }),
]);

const commonFields = {
  format: z.literal(DATA_MANIFEST_FORMAT),
  recoveryPointId: id('rp'),
  server: z.strictObject({ id: id('srv'), name: line, uuid: z.string().regex(/^[0-9a-f-]{36}$/i, 'is not a UUID') }),
  dataSet: dataSetSchema,
  runId: id('run'),
  purpose: z.enum(['backup', 'safety']),
  reason: z.string().max(10_000),
  pointInTime: moment,
  publishedAt: moment,
  snapshotId: z.string().regex(/^[0-9a-f]{64}$/, "is not restic's full id of a snapshot"),
  keyId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not the id of a key'),
  totalBytes: count,
  addedBytes: count,
  content: contentSchema,
  software: z.strictObject({ modosu: line.max(64), restic: line.max(64) }),
};

const dataManifestSchema = z
  .discriminatedUnion('version', [
    z.strictObject({ ...commonFields, version: z.literal(1) }),
    z.strictObject({ ...commonFields, version: z.literal(2), credentials: credentialReferencesSchema }),
  ])
  .refine((manifest) => manifest.dataSet.kind === manifest.content.kind, {
    path: ['content', 'kind'],
    message: 'is not the kind of the data set',
  }) satisfies z.ZodType<DataManifest>;

/** As it is stored. Throws `RECOVERY_POINT_CORRUPT` for one that breaks the schema: it could never be read again. */
export function renderDataManifest(manifest: DataManifest): Buffer {
  const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`, 'utf8');
  parseDataManifest(bytes, manifest.recoveryPointId);
  return bytes;
}

/**
 * @throws REPOSITORY_FORMAT_UNKNOWN for another format or version, RECOVERY_POINT_CORRUPT for anything that breaks the schema or names another recovery point
 */
export function parseDataManifest(bytes: Uint8Array, recoveryPointId: string): DataManifest {
  const corrupt = (problem: string): ModosuError =>
    new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest of the recovery point ${recoveryPointId} is not valid: ${problem}`, {
      context: { recoveryPointId },
    });
  if (bytes.length > MAX_DATA_MANIFEST_BYTES) throw corrupt(`it has ${bytes.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw corrupt('it is not JSON');
  }
  const { format, version } = (typeof value === 'object' && value !== null ? value : {}) as { readonly format?: unknown; readonly version?: unknown };
  if (format === DATA_MANIFEST_FORMAT && typeof version === 'number' && !KNOWN_VERSIONS.includes(version)) {
    throw new ModosuError(
      'REPOSITORY_FORMAT_UNKNOWN',
      `The recovery point ${recoveryPointId} has version ${version} of the format; this program reads versions 1 and 2`,
      {
        hint: 'Use the version of Modosu that wrote it, or a newer one.',
        context: { recoveryPointId },
      },
    );
  }
  const result = dataManifestSchema.safeParse(value);
  if (!result.success) {
    throw corrupt(
      result.error.issues
        .slice(0, 3)
        .map((issue) => `${issue.path.map(String).join('.') || 'the manifest'}: ${issue.message}`)
        .join('; '),
    );
  }
  if (result.data.recoveryPointId !== recoveryPointId) throw corrupt(`it is that of ${result.data.recoveryPointId}`);
  return result.data;
}
