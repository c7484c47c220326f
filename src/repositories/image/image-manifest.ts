import { z } from 'zod';
import { RECORDED_CHANGES_LIMIT } from '../../contracts/change';
import { ModosuError } from '../../contracts/errors';
import { isId, type IdPrefix } from '../../contracts/ids';
import type { ImageManifest } from '../../contracts/recovery-point';
import { hasControlCharacters } from '../../contracts/text';
import { credentialReferencesSchema } from '../credential-references';

/**
 * What a `manifest.json` may hold. Strict: a field this version does not know means that a newer program wrote it under an old
 * version number, and guessing what it says about a disk is not an option. Whoever adds a field raises the version.
 */
export const MANIFEST_FORMAT = 'modosu-image-recovery-point';
/** As low as can be: what earlier programs know they read, and nothing else is for them. */
export function manifestVersion({ parentId, setId, changes }: Pick<ImageManifest, 'parentId' | 'setId' | 'changes'>): ImageManifest['version'] {
  if (changes !== undefined) return parentId === null ? 5 : 6;
  if (setId === undefined) return parentId === null ? 1 : 2;
  return parentId === null ? 3 : 4;
}
const KNOWN_VERSIONS: readonly unknown[] = [1, 2, 3, 4, 5, 6] satisfies ImageManifest['version'][];
/** Far above any real one (a manifest of one disk has 2 KiB). */
export const MAX_MANIFEST_BYTES = 4 * 1024 ** 2;

export const DEFINITION_FILE = 'domain.xml';
export const NVRAM_FILE = 'nvram.fd';
export const FACTS_FILE = 'facts.json';
export const imagePath = (target: string): string => `disks/${target}.qcow2`;
export const segmentsPath = (target: string): string => `disks/${target}.segments`;
/** The backing file that an incremental's image of a disk names: the parent's image of the same disk, as it lies from there once both are published. */
export const backingName = (parentId: string, target: string): string => `../../${parentId}/${imagePath(target)}`;
/** The only backing file that a stored image may name; null: none. */
export const backingOf = (parentId: string | null, { target, incremental }: { readonly target: string; readonly incremental?: boolean }): string | null =>
  parentId !== null && incremental === true ? backingName(parentId, target) : null;

/** Device names such as `vda`, `sdab`, `nvme0n1`: the only text of a server that becomes a file name here. */
const TARGET_PATTERN = /^[a-z]{2,4}[a-z0-9]{0,4}$/;
export const isTarget = (value: string): boolean => TARGET_PATTERN.test(value);

const id = (prefix: IdPrefix) => z.string().refine((value) => isId(prefix, value), `is not an id beginning with "${prefix}_"`);
const target = z.string().regex(TARGET_PATTERN, 'is not the name of a disk device');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hex');
const sizeBytes = z.int().min(0);
const line = z
  .string()
  .max(4096)
  .refine((value) => !hasControlCharacters(value), 'has control characters');
const originPath = line.refine((value) => value.startsWith('/'), 'is not an absolute path');
const moment = z.iso.datetime();
const diskFormat = z.enum(['qcow2', 'raw']);
const storedFile = <Path extends z.ZodType<string>>(path: Path) => ({ path, sizeBytes, sha256 });

const storedDiskFields = {
  target,
  image: z.strictObject({
    ...storedFile(z.string()),
    format: z.literal('qcow2'),
    segmentsPath: z.string(),
    segmentSizeBytes: z
      .int()
      .min(4096)
      .max(1024 ** 3),
  }),
  virtualSizeBytes: sizeBytes,
  origin: z.strictObject({ path: originPath, format: diskFormat, flattened: z.boolean() }),
};

interface StoredPaths {
  readonly target: string;
  readonly image: { readonly path: string; readonly segmentsPath: string };
}

const disksOf = <Disk extends z.ZodType<StoredPaths>>(disk: Disk) =>
  z
    .array(
      disk
        // Paths follow from the target; a manifest that says anything else points somewhere it should not.
        .refine((stored) => stored.image.path === imagePath(stored.target), { path: ['image', 'path'], message: "is not the place of this disk's image" })
        .refine((stored) => stored.image.segmentsPath === segmentsPath(stored.target), {
          path: ['image', 'segmentsPath'],
          message: "is not the place of this disk's segment list",
        }),
    )
    .min(1)
    .max(1000)
    .refine((disks) => new Set(disks.map((stored) => stored.target)).size === disks.length, 'two disks have the same target');

const commonFields = {
  format: z.literal(MANIFEST_FORMAT),
  recoveryPointId: id('rp'),
  server: z.strictObject({ id: id('srv'), name: line, uuid: z.string().regex(/^[0-9a-f-]{36}$/i, 'is not a UUID') }),
  generation: z.int().min(1),
  lineageId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is not the id of a lineage'),
  runId: id('run'),
  reason: z.string().max(10_000),
  consistency: z.enum(['offline', 'application', 'filesystem', 'crash']),
  pointInTime: moment,
  publishedAt: moment,
  definition: z.strictObject(storedFile(z.literal(DEFINITION_FILE))),
  definitionFingerprint: line.min(1).max(128),
  nvram: z.strictObject({ ...storedFile(z.literal(NVRAM_FILE)), origin: z.strictObject({ path: originPath, format: diskFormat }) }).nullable(),
  removableMedia: z.array(z.strictObject({ target: line, source: line.nullable() })).max(1000),
  nics: z.array(z.strictObject({ mac: line, type: line, source: line.nullable() })).max(1000),
  generationId: line.nullable(),
  firmware: z.enum(['bios', 'uefi']),
  domainType: line,
  powerStateBefore: z.enum(['running', 'paused', 'off']),
  agentBefore: z.enum(['answering', 'silent', 'absent']),
  software: z.strictObject({ modosu: line }),
};

const recordedChange = z.strictObject({ id: id('chg'), title: line, ticket: line.nullable(), completedAt: moment.nullable() });
const recordedChanges = z.array(recordedChange).max(RECORDED_CHANGES_LIMIT);
/** Guests have said it: bounded, and never taken for more than text. */
const markerReading = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('read'), value: z.string().max(64 * 1024), raw: z.string().max(64 * 1024), at: moment }),
  z.strictObject({ state: z.literal('failed'), code: line, message: z.string().max(10_000), at: moment }),
]);
const sideReadings = z.strictObject({ relation: line, peer: line, of: z.enum(['server', 'peer']), readings: z.record(line, markerReading) });

/** From version 5 on; whether it belongs to a set is not told by the version any more. */
const changesFields = {
  changes: z.strictObject({ contained: recordedChanges, partly: recordedChanges, more: z.int().min(0) }),
  facts: z.strictObject(storedFile(z.literal(FACTS_FILE))).nullable(),
  credentials: credentialReferencesSchema.optional(),
  setId: id('set').optional(),
  markers: z.array(sideReadings).max(20_000).optional(),
};

const fullFields = { ...commonFields, parentId: z.null(), disks: disksOf(z.strictObject(storedDiskFields)) };
const incrementalFields = {
  ...commonFields,
  parentId: id('rp'),
  parentSha256: sha256,
  disks: disksOf(z.strictObject({ ...storedDiskFields, incremental: z.boolean() })).refine(
    (disks) => disks.some(({ incremental }) => incremental),
    'no disk builds on the parent',
  ),
};

const imageManifestSchema = z.discriminatedUnion('version', [
  z.strictObject({ ...fullFields, version: z.literal(1) }),
  z.strictObject({ ...incrementalFields, version: z.literal(2) }),
  z.strictObject({ ...fullFields, version: z.literal(3), setId: id('set') }),
  z.strictObject({ ...incrementalFields, version: z.literal(4), setId: id('set') }),
  z.strictObject({ ...fullFields, ...changesFields, version: z.literal(5) }),
  z.strictObject({ ...incrementalFields, ...changesFields, version: z.literal(6) }),
]) satisfies z.ZodType<ImageManifest>;

/** What is wrong with a manifest, in one line; null when nothing is. */
export function manifestProblem(value: unknown): string | null {
  const result = imageManifestSchema.safeParse(value);
  if (result.success) return null;
  return result.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.map(String).join('.') || 'the manifest'}: ${issue.message}`)
    .join('; ');
}

/**
 * A manifest as it lies in a repository. `recoveryPointId`: what it is looked for as, for the errors.
 * @throws REPOSITORY_FORMAT_UNKNOWN for another format or version, RECOVERY_POINT_CORRUPT for anything that breaks the schema
 */
export function parseManifest(text: string, path: string, recoveryPointId: string): ImageManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest ${path} is not JSON`, { context: { recoveryPointId, path }, cause: error });
  }
  const { format, version } = (typeof value === 'object' && value !== null ? value : {}) as { readonly format?: unknown; readonly version?: unknown };
  if (format === MANIFEST_FORMAT && typeof version === 'number' && !KNOWN_VERSIONS.includes(version)) {
    throw new ModosuError('REPOSITORY_FORMAT_UNKNOWN', `The manifest ${path} has version ${version}; this program reads versions 1 to 6`, {
      hint: 'Use the version of Modosu that wrote it, or a newer one.',
      context: { recoveryPointId, path, version },
    });
  }
  const result = imageManifestSchema.safeParse(value);
  if (!result.success) {
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `The manifest ${path} is not valid: ${manifestProblem(value) ?? 'unknown problem'}`, {
      context: { recoveryPointId, path },
    });
  }
  return result.data;
}
