import { z } from 'zod';
import { DEFAULT_STATE_DIRECTORY } from '../contracts/api/endpoints';
import { DEFAULT_MAX_DATA_BACKUPS } from '../contracts/due-backup';
import { hasControlCharacters } from '../contracts/text';

/**
 * Every environment variable of the services, in one schema: it validates at start and makes docs/CONFIGURATION.md. The CLI's own variables
 * (MODOSU_API_URL, MODOSU_TOKEN, MODOSU_TOKEN_FILE) are read by the CLI.
 */
const absolutePath = z
  .string()
  .refine((value) => value.startsWith('/') && !value.split('/').includes('..') && !hasControlCharacters(value), 'must be an absolute path without ".."');

const integer = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= most, `must be between ${least} and ${most}`);

const directories = z
  .string()
  .transform((value) => value.split(':'))
  .refine((paths) => paths.every((path) => absolutePath.safeParse(path).success), 'must be absolute paths without "..", separated by colons');

const port = integer(0, 65_535);

const postgresUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== '' && url.username !== '' && url.pathname.length > 1;
}, 'must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE');

const hostAndPort = z.string().refine((value) => {
  const match = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})$/.exec(value);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
}, 'must look like HOST:PORT');

const host = z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/, 'must be an address or a host name');

/** No login: logins are made for each server. */
const restUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  return (
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== '' &&
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === ''
  );
}, 'must look like https://HOST:PORT, without a login');

/** What the receiver has put into it (a path, a token) may be a secret. */
const webhookUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  // fetch refuses a login in an address.
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' && url.username === '' && url.password === '';
}, 'must look like https://HOST/PATH, without a login');

/** What is no Base64 would be cut without a word, down to no key at all. */
const isKey = (text: string): boolean => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length >= 24 && bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
};

const smtpUrl = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : null;
  return url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== '' && ['', '/'].includes(url.pathname) && url.search === '' && url.hash === '';
}, 'must look like smtp://HOST:PORT or smtps://HOST, with a login where the server asks for one');

const mailAddress = z.string().regex(/^[^\s@<>,;:"()]{1,64}@[A-Za-z0-9.-]{1,190}$/, 'must be a mail address');

const mailAddresses = z
  .string()
  .transform((value) => value.split(',').map((part) => part.trim()))
  .refine((addresses) => addresses.every((address) => mailAddress.safeParse(address).success), 'must be mail addresses, separated by commas');

const identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, 'must be a lower-case PostgreSQL identifier');

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export const environmentSchema = z.object({
  MODOSU_STATE_DIR: absolutePath
    .default(DEFAULT_STATE_DIRECTORY)
    .describe('State directory: embedded database, Temporal file, secrets, logs. Outside private homes.'),
  MODOSU_DATABASE_URL: postgresUrl.optional().describe('PostgreSQL, as the application role. Not set: `modosu up` runs an embedded PostgreSQL.'),
  MODOSU_DATABASE_OWNER_URL: postgresUrl
    .optional()
    .describe('The same database as the owner role, for migrations. Not set beside MODOSU_DATABASE_URL: `modosu up` does not migrate, it only checks.'),
  MODOSU_APP_ROLE: identifier
    .default('modosu_app')
    .describe('Name of the application role: what migrations grant rights to. It cannot change the audit trail.'),
  MODOSU_TEMPORAL_ADDRESS: hostAndPort.optional().describe('Temporal, as HOST:PORT. Not set: `modosu up` runs a local Temporal server.'),
  MODOSU_TEMPORAL_NAMESPACE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,199}$/, 'must be 2 to 200 letters, digits, ".", "_" or "-"')
    .default('modosu')
    .describe('Namespace of Temporal; made when it is missing.'),
  MODOSU_TEMPORAL_CLI: absolutePath.optional().describe('The program `temporal`. Not set: the one in PATH, then the one in MODOSU_CACHE_DIR.'),
  MODOSU_CACHE_DIR: absolutePath.default('/var/cache/modosu').describe('Where the set-up keeps programs and images it has built.'),
  MODOSU_RETENTION_DAYS: integer(1, 3650)
    .default(90)
    .describe('Days for which Temporal keeps the history of closed runs. The catalogue keeps its own for ever.'),
  MODOSU_PAYLOAD_KEYS_FILE: absolutePath
    .optional()
    .describe('Keys that encrypt what Temporal stores (mode 0600, the same on every machine). Not set: secrets/payload-keys.json in the state directory.'),
  MODOSU_SECRET_STORES_FILE: absolutePath
    .optional()
    .describe(
      'File in which the secret stores are declared that workers near a hypervisor know (docs/SECRET-STORES.md); nobody but root and the user of Modosu may be able to write it. Not set: secret-stores.yaml in the state directory, where that is there.',
    ),
  MODOSU_API_HOST: host.default('127.0.0.1').describe('Address the API listens on.'),
  MODOSU_API_PORT: port.default(7400).describe('Port of the API. 0: chosen at the first start and kept.'),
  MODOSU_POSTGRES_PORT: port.default(0).describe('Port of the embedded PostgreSQL, on loopback. 0: chosen at the first start and kept.'),
  MODOSU_TEMPORAL_PORT: port.default(0).describe('Port of the local Temporal server, on loopback. 0: chosen at the first start and kept.'),
  MODOSU_TEMPORAL_UI_PORT: integer(1, 65_535).optional().describe("Port of the local Temporal server's web UI, on loopback. Not set: no UI."),
  MODOSU_DATA_DIR: absolutePath
    .optional()
    .describe(
      'Directory of the data repository, on storage large enough; has to exist. Not set: data-repository in the state directory, made at the first start.',
    ),
  MODOSU_DATA_HOST: host
    .default('127.0.0.1')
    .describe('Address the server of the data repository listens on. Other than loopback: MODOSU_DATA_TLS_CERT_FILE and MODOSU_DATA_TLS_KEY_FILE are needed.'),
  MODOSU_DATA_PORT: port.default(0).describe('Port of the server of the data repository. 0: chosen at the first start and kept.'),
  MODOSU_DATA_GUEST_HOST: host
    .optional()
    .describe(
      "Name or address under which guests reach the server of the data repository. Not set: 10.0.2.2 (the host's loopback in QEMU's user-mode networking) while it listens on loopback, else MODOSU_DATA_HOST.",
    ),
  MODOSU_DATA_TLS_CERT_FILE: absolutePath
    .optional()
    .describe('Certificate (PEM) of the server of the data repository; guests are given it to trust. With MODOSU_DATA_URL: the certificate to trust there.'),
  MODOSU_DATA_TLS_KEY_FILE: absolutePath.optional().describe('Its private key (PEM). Needed together with the certificate.'),
  MODOSU_DATA_URL: restUrl
    .optional()
    .describe(
      'A REST server of restic (`rclone serve restic`, rest-server) with private repositories, which reads its logins from secrets/data-logins.htpasswd of the state directory or a copy of it. Not set: `modosu up` runs one.',
    ),
  MODOSU_DATA_MAINTENANCE_URL: restUrl
    .optional()
    .describe(
      'The same storage and logins as MODOSU_DATA_URL behind an endpoint that is not append-only: over it data recovery points are removed. Guests must not reach it. Not set: none of a server elsewhere is removed.',
    ),
  MODOSU_COPY_RATE_LIMIT: integer(1024, 1e15).optional().describe('Upper bound for one copy of a disk, in bytes per second. Not set: none.'),
  MODOSU_STALL_TIMEOUT_SECONDS: integer(1, 86_400).default(300).describe('A copy that moves no byte for this long is given up.'),
  MODOSU_WAY_BACK_DAYS: integer(1, 3650)
    .default(7)
    .describe('Days for which the volumes that a restore has replaced are kept as its way back; then they are deleted as `modosu run confirm` would.'),
  MODOSU_EXPIRED_KEPT_HOURS: integer(0, 8760)
    .default(24)
    .describe(
      'Hours for which a recovery point that no rule keeps any more is still there, and can be had back (`modosu recovery-point hold`); then it is deleted.',
    ),
  MODOSU_JUDGE_HOUR_UTC: integer(0, 23)
    .default(4)
    .describe(
      'Hour of the day, in UTC, from which on it is found out which servers could not come back alone: the newest image of each that has relations with others is judged against its peers as they are then.',
    ),
  MODOSU_CATALOG_COPY_SECONDS: integer(1, 86_400)
    .default(300)
    .describe(
      'How often, at most, a worker writes an encrypted copy of the catalogue and of the secrets into each image repository; nothing is written while nothing happens.',
    ),
  MODOSU_CATALOG_OFFSITE_COPY_SECONDS: integer(1, 86_400).default(900).describe('The same beside each off-site repository.'),
  MODOSU_DATA_MAX_BACKUPS: integer(1, 1000)
    .default(DEFAULT_MAX_DATA_BACKUPS)
    .describe('How many backups may go into the data repository at the same time before one of a schedule waits.'),
  MODOSU_TRANSFER_SLOTS: integer(1, 64).default(2).describe('Copies that run at the same time on one hypervisor.'),
  MODOSU_IMAGE_DIRS: directories
    .prefault('/var/lib/libvirt/images')
    .describe('Directories, separated by colons, in which a backing file may lie that only the header of a disk image names. Others are refused.'),
  MODOSU_PROOF_DIR: absolutePath
    .default('/var/tmp')
    .describe('Directory on a hypervisor in which lies what guests write while their images are booted for a proof. On a disk, passable for the user of QEMU.'),
  MODOSU_PROFILES_DIR: absolutePath
    .optional()
    .describe(
      'Directory of your own consistency profiles, the same on the machine of the API and of every worker. Read anew when a file changes. Not set: the shipped ones alone.',
    ),
  MODOSU_WEBHOOK_URL: webhookUrl
    .optional()
    .describe('Where a worker sends a message when an alert begins and when it is over (POST, Standard Webhooks). Not set: alerts are only kept.'),
  MODOSU_WEBHOOK_SECRET: z
    .string()
    .min(16, 'must have at least 16 characters')
    .refine((value) => !value.startsWith('whsec_') || isKey(value.slice('whsec_'.length)), 'must have Base64 of 24 bytes at least after `whsec_`')
    .optional()
    .describe(
      'Key of the signature of these messages: `whsec_` and Base64 of at least 24 bytes, or any text of at least 16 characters. Needed together with MODOSU_WEBHOOK_URL.',
    ),
  MODOSU_SMTP_URL: smtpUrl
    .optional()
    .describe(
      'Mail server by which a worker sends the same messages as mail: smtp://[USER:PASSWORD@]HOST[:PORT] (STARTTLS where it is offered; with a login always) or smtps://. Not set: no mail.',
    ),
  MODOSU_MAIL_FROM: mailAddress.optional().describe('Whom these mails are from. Needed together with MODOSU_SMTP_URL.'),
  MODOSU_MAIL_TO: mailAddresses.optional().describe('Who gets these mails: addresses, separated by commas. Needed together with MODOSU_SMTP_URL.'),
  MODOSU_LOG_LEVEL: z.enum(LOG_LEVELS).default('info').describe('Least severe log lines that are written.'),
});

/** Variables with a secret inside: `<NAME>_FILE` names a file that holds the value. */
export const SECRET_VARIABLES = [
  'MODOSU_DATABASE_URL',
  'MODOSU_DATABASE_OWNER_URL',
  'MODOSU_WEBHOOK_URL',
  'MODOSU_WEBHOOK_SECRET',
  'MODOSU_SMTP_URL',
] as const satisfies readonly (keyof typeof environmentSchema.shape)[];

export type Environment = z.output<typeof environmentSchema>;
export type VariableName = keyof Environment;
