import { z } from 'zod';
import { ACCOUNT_PATTERN, ACCOUNT_RULE, isSecretPath, MOST_CREDENTIALS, SECRET_PATH_RULE, type CredentialDeclaration } from '../credential';
import type { DataSet, DiskDeclaration } from '../data';
import type { HealthCheck, NicDeclaration, OnlineBackupLimits, Protection, QuiesceHooks, SshAccess } from '../protection';
import { PART_NAME_PATTERN, PART_NAME_RULE } from '../names';
import { absoluteDirectory, lineOrNothing, oneLine } from './common';

/**
 * What a server's owner declares beside where it runs: its disks and networks, its health checks, how it is quiesced, and what an online backup may cost it.
 */

const uniqueBy = <T>(items: readonly T[], key: (item: T) => string): boolean => new Set(items.map(key)).size === items.length;

const MAX_ARGUMENTS = 64;
/** Program and arguments; no shell is involved. */
export const argv = z
  .tuple([oneLine(1024, 'the program is missing')], lineOrNothing(4096), 'must be a list: the program, then its arguments')
  .refine((items) => items.length <= MAX_ARGUMENTS, `must not have more than ${MAX_ARGUMENTS} parts`)
  .meta({ description: `Program and arguments, at most ${MAX_ARGUMENTS}; no shell.` });

/** Name of a disk in its domain, as libvirt takes it (`diskTarget` of its basictypes.rng), of bounded length. */
export const diskTarget = z.string().regex(/^(?:fd|hd|sd|vd|xvd|ubd)[a-zA-Z0-9_]{1,12}$/, 'must be the target of a disk, like vda or sdb');

const diskDeclarationSchema = z.strictObject({
  target: diskTarget,
  role: z.enum(['system', 'data']).meta({
    description:
      'data: a restore may keep this disk as it is (--keep-disk). system: it comes back with the image. A disk that is not declared counts as system.',
  }),
}) satisfies z.ZodType<DiskDeclaration>;

const nicDeclarationSchema = z.strictObject({
  mac: z
    .string()
    .regex(/^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/, 'must be a MAC address like 52:54:00:aa:bb:cc')
    .toLowerCase(),
  role: z
    .enum(['production', 'backup'])
    .meta({ description: 'production: down until go-live. backup: up in quarantine too. A NIC that is not declared counts as production.' }),
}) satisfies z.ZodType<NicDeclaration>;

const checkFields = {
  name: z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be 1 to 40 lower-case letters, digits or "-"'),
  timeoutSeconds: z.int().min(1).max(3600).default(60).meta({ description: 'The check is repeated until it passes or this time is over.' }),
};

/** psql reads a database name with "=" or ":" in it as a connection string, which may lead to another host. */
const databaseName = oneLine(63).regex(/^[^-=:/\\][^=:/\\]*$/, 'must be the plain name of a database: no leading "-", no "=", ":", "/" or "\\"');
const databaseUser = oneLine(63).regex(/^[^-]/, 'must not begin with "-"');

export const hostAddress = z
  .string()
  .max(253)
  .regex(/^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$/, 'must be an IP address or the name of a host');
const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be the name of an account');

export const healthCheckSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ ...checkFields, kind: z.literal('command'), argv }),
    z.strictObject({
      ...checkFields,
      kind: z.literal('tcp'),
      host: hostAddress,
      port: z.int().min(1).max(65_535),
    }),
    z.strictObject({
      ...checkFields,
      kind: z.literal('sql'),
      engine: z.literal('postgresql').default('postgresql'),
      database: databaseName,
      user: databaseUser.default('postgres'),
      socketDirectory: absoluteDirectory.nullable().default(null),
      query: oneLine(2000).refine((value) => !value.trimStart().startsWith('\\'), "must be a query: psql's own commands are not run"),
      expect: lineOrNothing(2000)
        .nullable()
        .default(null)
        .meta({ description: 'What the first value has to be, as text. Absent: the query only has to end well.' }),
    }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'must be command, tcp or sql' : undefined) },
) satisfies z.ZodType<HealthCheck>;

const QUIESCE_DEFAULT = { before: null, after: null } as const;
const quiesceSchema = z.strictObject({ before: argv.nullable().default(null), after: argv.nullable().default(null) }) satisfies z.ZodType<QuiesceHooks>;

const LIMITS_DEFAULT = { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null } as const;
const onlineBackupSchema = z.strictObject({
  // Less than this would look like a copy that stands still.
  rateLimitBytesPerSecond: z.int().min(65_536).nullable().default(null).meta({ description: 'Per disk.' }),
  maxGuestLatencyMs: z.int().min(1).max(600_000).nullable().default(null).meta({
    description: "The backup gives up when the guest's writes take longer than this on average for ten seconds.",
  }),
}) satisfies z.ZodType<OnlineBackupLimits>;

const guestDirectory = oneLine(1024)
  .refine((value) => value.startsWith('/'), 'must be an absolute path')
  .refine((value) => !value.split('/').some((part) => part === '..' || part === '.'), 'must not contain "." or ".."')
  .refine((value) => value === '/' || (!value.endsWith('/') && !value.includes('//')), 'must not end with "/" or contain "//"');

const isInside = (path: string, other: string): boolean => path === other || path.startsWith(other === '/' ? '/' : `${other}/`);

const dataSetFields = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be 1 to 40 lower-case letters, digits or "-"'),
  before: argv.nullable().default(null).meta({ description: 'Run in the guest before anything is read; its failure ends the backup of this data set.' }),
  after: argv.nullable().default(null).meta({ description: 'Run after everything was read, also when that has failed.' }),
};

export const dataSetSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      ...dataSetFields,
      kind: z.literal('files'),
      paths: z
        .tuple([guestDirectory], guestDirectory, 'must be a list of absolute paths')
        .refine((paths) => paths.length <= 100, 'must not have more than 100 parts')
        .refine((paths) => paths.every((path, index) => paths.every((other, at) => at === index || !isInside(path, other))), 'no path may lie inside another'),
      excludes: z.array(oneLine(1024)).max(200).default([]).meta({ description: "restic's patterns." }),
    }),
    z.strictObject({
      ...dataSetFields,
      kind: z.literal('postgresql'),
      databases: z
        .tuple([databaseName], databaseName, 'must be a list of databases')
        .refine((names) => names.length <= 100, 'must not have more than 100 parts')
        .refine((names) => uniqueBy(names, (name) => name), 'databases must be unique'),
      user: databaseUser.default('postgres').meta({ description: 'A superuser of the database server.' }),
      osUser: accountName
        .nullable()
        .default('postgres')
        .meta({ description: "The guest's account that runs the client programs; null: the guest agent's own." }),
      socketDirectory: absoluteDirectory.nullable().default(null),
      port: z.int().min(1).max(65_535).default(5432),
      spoolDirectory: guestDirectory
        .refine((value) => value.split('/').length > 2, 'must not be "/" or a directory directly below it')
        .default('/var/tmp/modosu-spool')
        .meta({
          description: 'Where dumps lie while they are saved or loaded.',
        }),
    }),
  ],
  { error: (issue) => (issue.code === 'invalid_union' ? 'must be files or postgresql' : undefined) },
) satisfies z.ZodType<DataSet>;

const sshAccessSchema = z.strictObject({
  host: hostAddress,
  port: z.int().min(1).max(65_535).default(22),
  user: accountName.default('root'),
  sudo: z.boolean().default(false).meta({ description: 'Through "sudo -n".' }),
  hostKey: z
    .string()
    .regex(
      /^(?:ssh-ed25519|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) [A-Za-z0-9+/]{40,2000}={0,2}$/,
      'must be a public host key: its type and the key in base64, without a comment',
    )
    .meta({ description: 'The only host key that is accepted, as in /etc/ssh/ssh_host_ed25519_key.pub of the guest, without the comment.' }),
}) satisfies z.ZodType<SshAccess>;

const credentialSchema = z.strictObject({
  account: z.string().regex(ACCOUNT_PATTERN, ACCOUNT_RULE).meta({ description: 'As the operating system of the server names it.' }),
  store: z.string().regex(PART_NAME_PATTERN, PART_NAME_RULE).meta({ description: 'Name of a secret store that the workers of its hypervisor declare.' }),
  path: oneLine(500)
    .refine(isSecretPath, `must be made of plain parts separated by "/". ${SECRET_PATH_RULE}`)
    .meta({ description: 'Where in the store, without the mount.' }),
  field: oneLine(100).optional().meta({ description: 'Which of the values under the path; password where absent.' }),
  reapply: z
    .boolean()
    .default(false)
    .meta({ description: 'After a restore of an image that has another version, the current value is set in the guest, before go-live.' }),
}) satisfies z.ZodType<CredentialDeclaration>;

/** Fields of a server in the estate file; all optional there. */
export const protectionFields = {
  disks: z
    .array(diskDeclarationSchema)
    .max(64)
    .refine((disks) => uniqueBy(disks, ({ target }) => target), 'targets must be unique')
    .default([]),
  nics: z
    .array(nicDeclarationSchema)
    .max(32)
    .refine((nics) => uniqueBy(nics, ({ mac }) => mac), 'MAC addresses must be unique')
    .default([]),
  healthChecks: z
    .array(healthCheckSchema)
    .max(20)
    .refine((checks) => uniqueBy(checks, ({ name }) => name), 'names must be unique')
    .default([]),
  quiesce: quiesceSchema.default({ ...QUIESCE_DEFAULT }).meta({ description: 'Programs run in the guest around the freeze of an online backup.' }),
  onlineBackup: onlineBackupSchema.default({ ...LIMITS_DEFAULT }),
  dataSets: z
    .array(dataSetSchema)
    .max(50)
    .refine((sets) => uniqueBy(sets, ({ name }) => name), 'names must be unique')
    .default([])
    .meta({ description: 'Files and databases that are backed up from inside the guest.' }),
  configurationPaths: z
    .array(guestDirectory)
    .max(50)
    .optional()
    .meta({ description: 'Files and directories in the guest that are compared by their checksums from generation to generation.' }),
  credentials: z
    .array(credentialSchema)
    .max(MOST_CREDENTIALS)
    .refine((credentials) => uniqueBy(credentials, ({ account }) => account), 'accounts must be unique')
    .optional()
    .meta({ description: 'Accounts whose passwords stand in a secret store: each recovery point remembers which version was valid.' }),
  ssh: sshAccessSchema
    .nullable()
    .default(null)
    .meta({ description: 'How programs are run in the guest where its agent must not run any. null: by the guest agent.' }),
};

/** What the API shows of it. */
export const protectionSchema = z.strictObject(protectionFields).meta({ id: 'Protection' }) satisfies z.ZodType<Protection>;
