import { existsSync, readFileSync } from 'node:fs';
import type { z } from 'zod';
import { DEFAULT_STATE_DIRECTORY } from '../contracts/api/endpoints';
import { ModosuError } from '../contracts/errors';
import { dataAddresses, dataServerProblems, type DataAddresses, type DataServerConfig } from './data-server';
import { isGround, readSettings, wasTold, withSettings } from './settings';
import { stateLayout, type InstallationEndpoints, type StateLayout } from './state-layout';
import { environmentSchema, SECRET_VARIABLES, type Environment } from './variables';

/** The validated environment. Absent optional values are null. Holds secrets (URLs with passwords): never log it. */
export interface Config {
  readonly stateDirectory: string;
  readonly layout: StateLayout;
  readonly databaseUrl: string | null;
  readonly databaseOwnerUrl: string | null;
  readonly appRole: string;
  readonly temporalAddress: string | null;
  readonly temporalNamespace: string;
  readonly temporalCli: string | null;
  readonly cacheDirectory: string;
  readonly retentionDays: number;
  readonly payloadKeysFile: string;
  readonly secretStoresFile: string;
  readonly apiHost: string;
  readonly apiPort: number;
  readonly postgresPort: number;
  readonly temporalPort: number;
  readonly temporalUiPort: number | null;
  readonly dataServer: DataServerConfig;
  readonly copyRateLimitBytesPerSecond: number | null;
  readonly stallTimeoutMs: number;
  readonly wayBackDays: number;
  readonly expiredKeptMs: number;
  readonly judgeHourUtc: number;
  readonly catalogCopyMs: number;
  readonly catalogOffsiteCopyMs: number;
  readonly maxDataBackups: number;
  readonly transferSlots: number;
  readonly imageDirectories: readonly string[];
  readonly proofDirectory: string;
  /** Profiles that people have written; null: none. */
  readonly profileDirectory: string | null;
  /** Where alerts are told; null: nowhere. Holds secrets. */
  readonly webhook: { readonly url: string; readonly secret: string } | null;
  /** The same by mail. */
  readonly email: { readonly url: string; readonly from: string; readonly to: readonly string[] } | null;
  readonly logLevel: Environment['MODOSU_LOG_LEVEL'];
}

/** A configuration with everything the API and the workers need. */
export type ServiceConfig = Config & { readonly databaseUrl: string; readonly temporalAddress: string };

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads and validates the environment. This is the only place that does. Throws `CONFIG_INVALID` naming each wrong variable and never its value
 * (values may be secrets).
 */
export function loadConfig(env: Env = process.env): Config {
  return validated(env, () => null);
}

/** @param sourceOf of a variable, in words, where it is not the environment of this process */
function validated(env: Env, sourceOf: (name: string) => string | null): Config {
  const problems: string[] = [];
  const values = withSecretFiles(env, problems);
  const result = environmentSchema.safeParse(values);
  if (!result.success) problems.push(...result.error.issues.map(describeIssue));
  if (problems.length > 0 || !result.success) throw invalidIn(problems, sourceOf);
  const halves = notifyProblems(result.data);
  if (halves.length > 0) throw invalidIn(halves, sourceOf);
  const config = toConfig(result.data);
  const contradictions = dataServerProblems(config.dataServer);
  if (contradictions.length > 0) throw invalidIn(contradictions, sourceOf);
  return config;
}

/** A variable that this process was never given is looked for in vain where it is called. */
function invalidIn(problems: readonly string[], sourceOf: (name: string) => string | null): ModosuError {
  const sources = problems.map((problem) => sourceOf(/^MODOSU_\w+/.exec(problem)?.[0] ?? ''));
  const told = problems.map((problem, index) => (sources[index] == null ? problem : `${problem}, as ${sources[index]} says`));
  const isElsewhere = sources.some((source) => source !== null);
  return invalid(told, isElsewhere ? 'Start that service anew, if it is told otherwise by now; or say otherwise in a variable of this command.' : undefined);
}

/** The configuration of a command that people type. */
export interface CommandConfig extends Config {
  /** Where the address for the owner of the database stands, if not in the environment of the command; in words. */
  readonly databaseOwnerUrlFrom: string | null;
}

/**
 * The same, for commands that people type beside services (`doctor`, `migrate`): what the environment leaves open is taken from the state directory, where
 * services have written their settings and `up` its addresses. Where the environment names another database or Temporal, nothing of these two is.
 */
export function loadConfigOfInstallation(env: Env = process.env): CommandConfig {
  const layout = stateLayout(env.MODOSU_STATE_DIR || DEFAULT_STATE_DIRECTORY);
  const told = withSettings(env, readSettings(layout));
  const sourceOf = (name: string): string | null => {
    const role = told.from.get(name) ?? told.from.get(`${name}_FILE`);
    return role === undefined ? null : `${layout.settingsFiles[role]} (what \`modosu ${role}\` was told)`;
  };
  const config = validated(told.env, sourceOf);
  const isUp = isOfUp(env, layout) && (told.ground ?? 'up') === 'up';
  const complete = isUp ? withAddresses(config, env) : withAddressesOfServers(config, env);
  const isFromUp = config.databaseOwnerUrl === null && complete.databaseOwnerUrl !== null;
  return { ...complete, databaseOwnerUrlFrom: isFromUp ? layout.databaseOwnerUrlFile : sourceOf('MODOSU_DATABASE_OWNER_URL_FILE') };
}

/** Whether the environment says nothing of the database and of Temporal but what `up` has written down of its own. */
function isOfUp(env: Env, layout: StateLayout): boolean {
  const endpoints = readEndpoints(layout);
  const ofUp: Readonly<Record<string, () => string | null | undefined>> = {
    MODOSU_DATABASE_URL: () => readIfPresent(layout.databaseUrlFile),
    MODOSU_DATABASE_OWNER_URL: () => readIfPresent(layout.databaseOwnerUrlFile),
    MODOSU_TEMPORAL_ADDRESS: () => endpoints?.temporalAddress,
    MODOSU_TEMPORAL_NAMESPACE: () => endpoints?.temporalNamespace,
  };
  const ofService = readSettings(layout).find(({ role }) => role === 'up');
  return isGround(env, (name, value) => ofUp[name]?.() === value || (ofService !== undefined && wasTold(ofService, name, value)));
}

/** The same, for a service, which may be one beside `up` that was started by hand: what it leaves open is taken from the addresses of `up` alone. */
export function loadConfigOfService(env: Env = process.env): Config {
  return withAddresses(loadConfig(env), env);
}

function withAddresses(config: Config, env: Env): Config {
  const { layout } = config;
  const endpoints = readEndpoints(layout);
  const embedded = config.databaseUrl === null;
  return {
    ...withAddressesOfServers(config, env),
    databaseUrl: config.databaseUrl ?? readIfPresent(layout.databaseUrlFile),
    databaseOwnerUrl: config.databaseOwnerUrl ?? (embedded ? readIfPresent(layout.databaseOwnerUrlFile) : null),
    temporalAddress: config.temporalAddress ?? endpoints?.temporalAddress ?? null,
    temporalNamespace: env.MODOSU_TEMPORAL_NAMESPACE ? config.temporalNamespace : (endpoints?.temporalNamespace ?? config.temporalNamespace),
  };
}

/** Of the server of the data repository and of the API, whichever the database is. */
function withAddressesOfServers(config: Config, env: Env): Config {
  const endpoints = readEndpoints(config.layout);
  if (endpoints === null) return config;
  return {
    ...config,
    dataServer: config.dataServer.addresses === null ? dataServerOf(config.dataServer, endpoints) : config.dataServer,
    apiPort: env.MODOSU_API_PORT === undefined ? Number(new URL(endpoints.apiUrl).port) : config.apiPort,
  };
}

/** Throws `CONFIG_INVALID` naming what is missing. */
export function requireServices(config: Config): ServiceConfig {
  const { databaseUrl, temporalAddress } = config;
  if (databaseUrl === null || temporalAddress === null) {
    const missing = [...(databaseUrl === null ? ['MODOSU_DATABASE_URL'] : []), ...(temporalAddress === null ? ['MODOSU_TEMPORAL_ADDRESS'] : [])];
    throw invalid(
      missing.map((name) => `${name}: must be set, or \`modosu up\` must run on ${config.stateDirectory}`),
      'Start `modosu up`, which brings both parts along, or set the variables named.',
    );
  }
  return { ...config, databaseUrl, temporalAddress };
}

/** Throws `CONFIG_INVALID` when nobody knows yet where the data repository's server is. */
export function requireDataAddresses(config: Config): DataAddresses {
  const { addresses } = config.dataServer;
  if (addresses !== null) return addresses;
  throw invalid(
    [`MODOSU_DATA_URL: must be set, or \`modosu up\` must run on ${config.stateDirectory}`],
    'Start `modosu up`, which runs the server of the data repository, or set MODOSU_DATA_URL or MODOSU_DATA_PORT.',
  );
}

/** Addresses of the installation that runs on this state directory, or null. */
export function readEndpoints(layout: StateLayout): InstallationEndpoints | null {
  const text = readIfPresent(layout.endpointsFile);
  if (text === null) return null;
  try {
    return JSON.parse(text) as InstallationEndpoints;
  } catch {
    return null; // half-written by a machine that lost power; `up` writes it anew
  }
}

function toConfig(environment: Environment): Config {
  const layout = stateLayout(environment.MODOSU_STATE_DIR);
  return {
    stateDirectory: environment.MODOSU_STATE_DIR,
    layout,
    databaseUrl: environment.MODOSU_DATABASE_URL ?? null,
    databaseOwnerUrl: environment.MODOSU_DATABASE_OWNER_URL ?? null,
    appRole: environment.MODOSU_APP_ROLE,
    temporalAddress: environment.MODOSU_TEMPORAL_ADDRESS ?? null,
    temporalNamespace: environment.MODOSU_TEMPORAL_NAMESPACE,
    temporalCli: environment.MODOSU_TEMPORAL_CLI ?? null,
    cacheDirectory: environment.MODOSU_CACHE_DIR,
    retentionDays: environment.MODOSU_RETENTION_DAYS,
    payloadKeysFile: environment.MODOSU_PAYLOAD_KEYS_FILE ?? layout.payloadKeysFile,
    secretStoresFile: environment.MODOSU_SECRET_STORES_FILE ?? layout.secretStoresFile,
    apiHost: environment.MODOSU_API_HOST,
    apiPort: environment.MODOSU_API_PORT,
    postgresPort: environment.MODOSU_POSTGRES_PORT,
    temporalPort: environment.MODOSU_TEMPORAL_PORT,
    temporalUiPort: environment.MODOSU_TEMPORAL_UI_PORT ?? null,
    dataServer: toDataServer(environment, layout),
    copyRateLimitBytesPerSecond: environment.MODOSU_COPY_RATE_LIMIT ?? null,
    stallTimeoutMs: environment.MODOSU_STALL_TIMEOUT_SECONDS * 1000,
    wayBackDays: environment.MODOSU_WAY_BACK_DAYS,
    expiredKeptMs: environment.MODOSU_EXPIRED_KEPT_HOURS * 3_600_000,
    judgeHourUtc: environment.MODOSU_JUDGE_HOUR_UTC,
    catalogCopyMs: environment.MODOSU_CATALOG_COPY_SECONDS * 1000,
    catalogOffsiteCopyMs: environment.MODOSU_CATALOG_OFFSITE_COPY_SECONDS * 1000,
    maxDataBackups: environment.MODOSU_DATA_MAX_BACKUPS,
    transferSlots: environment.MODOSU_TRANSFER_SLOTS,
    imageDirectories: environment.MODOSU_IMAGE_DIRS,
    proofDirectory: environment.MODOSU_PROOF_DIR,
    profileDirectory: environment.MODOSU_PROFILES_DIR ?? null,
    ...toNotify(environment),
    logLevel: environment.MODOSU_LOG_LEVEL,
  };
}

/** Variables that say nothing without each other. */
const CHANNELS = [
  ['MODOSU_WEBHOOK_URL', 'MODOSU_WEBHOOK_SECRET'],
  ['MODOSU_SMTP_URL', 'MODOSU_MAIL_FROM', 'MODOSU_MAIL_TO'],
] as const;

const notifyProblems = (environment: Environment): readonly string[] =>
  CHANNELS.flatMap((names) => {
    const missing = names.filter((name) => environment[name] === undefined);
    return missing.length === names.length ? [] : missing.map((name) => `${name}: must be set as well, the others say nothing without it`);
  });

function toNotify({
  MODOSU_WEBHOOK_URL: webhookUrl,
  MODOSU_WEBHOOK_SECRET: secret,
  MODOSU_SMTP_URL: smtpUrl,
  MODOSU_MAIL_FROM: from,
  MODOSU_MAIL_TO: to,
}: Environment): Pick<Config, 'webhook' | 'email'> {
  return {
    webhook: webhookUrl === undefined || secret === undefined ? null : { url: webhookUrl, secret },
    email: smtpUrl === undefined || from === undefined || to === undefined ? null : { url: smtpUrl, from, to },
  };
}

function toDataServer(environment: Environment, layout: StateLayout): DataServerConfig {
  const given = {
    host: environment.MODOSU_DATA_HOST,
    port: environment.MODOSU_DATA_PORT,
    guestHost: environment.MODOSU_DATA_GUEST_HOST ?? null,
    certificateFile: environment.MODOSU_DATA_TLS_CERT_FILE ?? null,
    keyFile: environment.MODOSU_DATA_TLS_KEY_FILE ?? null,
    externalUrl: environment.MODOSU_DATA_URL ?? null,
    maintenanceUrl: environment.MODOSU_DATA_MAINTENANCE_URL === undefined ? null : new URL(environment.MODOSU_DATA_MAINTENANCE_URL).origin,
  };
  const directory = given.externalUrl === null ? (environment.MODOSU_DATA_DIR ?? layout.dataRepository) : null;
  return { ...given, directory, addresses: dataServerProblems(given).length === 0 ? dataAddresses(given) : null };
}

/** As `up` has started it. */
const dataServerOf = (
  config: DataServerConfig,
  { dataUrl, dataGuestUrl, dataCertificateFile, dataDirectory }: Partial<InstallationEndpoints>,
): DataServerConfig =>
  dataUrl === undefined || dataGuestUrl === undefined
    ? config // of an earlier version
    : { ...config, addresses: { url: dataUrl, guestUrl: dataGuestUrl }, certificateFile: dataCertificateFile ?? null, directory: dataDirectory ?? null };

/** Empty counts as unset: compose files and unit files write `NAME=` for "not given". */
function withSecretFiles(env: Env, problems: string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(environmentSchema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  for (const name of SECRET_VARIABLES) {
    const file = env[`${name}_FILE`];
    if (file === undefined || file === '') continue;
    if (values[name] !== undefined) {
      problems.push(`${name}: set either it or ${name}_FILE, not both`);
      continue;
    }
    try {
      values[name] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push(`${name}_FILE: ${file} cannot be read (${errorCode(error)})`);
    }
  }
  return values;
}

const describeIssue = (issue: z.core.$ZodIssue): string => `${issue.path.join('.')}: ${issue.message}`;

const invalid = (problems: readonly string[], hint?: string): ModosuError =>
  new ModosuError('CONFIG_INVALID', `The configuration is not valid. ${problems.join('; ')}.`, { hint, context: { problems } });

const readIfPresent = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8').trim() : null);

const errorCode = (error: unknown): string => (typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown error');
