import { readFileSync } from 'node:fs';
import { CREDENTIAL_VARIABLE_PREFIX } from '../contracts/credential';
import { isProvenBy, proofOf } from './secret-proof';
import { SERVICE_ROLES, type ServiceRole, type StateLayout } from './state-layout';
import { environmentSchema, SECRET_VARIABLES } from './variables';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * What `run/settings.ROLE.json` says of the service that started last in this role on this state directory: its variables, as far as they hold no secret. Commands
 * that people type take them where their own environment says nothing: a unit of systemd gives its variables to the service alone. It stays when the service stops.
 */
export interface ServiceSettings {
  readonly role: ServiceRole;
  readonly startedAt: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Names of the others that begin with MODOSU_; their values may be secrets. */
  readonly notShown: readonly string[];
  /** Of those of them that are secrets of ours: by which their values are recognised, see `isProvenBy`. */
  readonly proofs: Readonly<Record<string, string>>;
}

/** Variables whose value is written down; of those with a secret inside, the file that holds it. The state directory is where it is written. */
const SHOWN: ReadonlySet<string> = new Set([
  ...Object.keys(environmentSchema.shape).filter((name) => !(SECRET_VARIABLES as readonly string[]).includes(name) && name !== 'MODOSU_STATE_DIR'),
  ...SECRET_VARIABLES.map((name) => `${name}_FILE`),
]);

/** Variables that say nothing without each other: what somebody says of one is not mixed with what a service was told of the others. */
const isOfData = (name: string): boolean => name.startsWith('MODOSU_DATA_') && name !== 'MODOSU_DATA_MAX_BACKUPS';

/** What an installation stands on. Its parts are never taken from two: a migration would change the database of one for the sake of the other. */
const GROUND = /^MODOSU_(?:DATABASE_(?:OWNER_)?URL(?:_FILE)?|TEMPORAL_(?:ADDRESS|NAMESPACE)|APP_ROLE)$/;
const isOfGround = (name: string): boolean => GROUND.test(name);

/** Where alerts are told: no command does, and half of what a channel needs would be refused. */
const CHANNEL = /^MODOSU_(?:WEBHOOK|SMTP|MAIL)_/;

const isSecret = (name: string): boolean => (SECRET_VARIABLES as readonly string[]).includes(name) || name.startsWith(CREDENTIAL_VARIABLE_PREFIX);
const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';
const namesSet = (env: Env): readonly string[] => Object.keys(env).filter((name) => isSet(env[name]));

/** @param env of a service, after it was found to be valid */
export function settingsOf(role: ServiceRole, env: Env, now: Date): ServiceSettings {
  const set = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith('MODOSU_') && name !== 'MODOSU_STATE_DIR' && isSet(value) ? [[name, value] as const] : [],
  );
  const hidden = set.filter(([name]) => !SHOWN.has(name)).sort();
  return {
    role,
    startedAt: now.toISOString(),
    variables: Object.fromEntries(set.filter(([name]) => SHOWN.has(name)).sort()),
    notShown: hidden.map(([name]) => name),
    proofs: Object.fromEntries(hidden.flatMap(([name, value]) => (isSecret(name) ? [[name, proofOf(value)]] : []))),
  };
}

/** Of every role that has written any and whose file is ours to read, also of one that another has taken over from. */
export const readSettings = (layout: Pick<StateLayout, 'settingsFiles'>): readonly ServiceSettings[] =>
  SERVICE_ROLES.flatMap((role) => readOne(role, layout.settingsFiles[role]) ?? []);

function readOne(role: ServiceRole, path: string): ServiceSettings | null {
  try {
    const { startedAt, variables, notShown, proofs } = JSON.parse(readFileSync(path, 'utf8')) as ServiceSettings;
    const known = Object.entries(variables).filter(([name, value]) => SHOWN.has(name) && typeof value === 'string');
    const proven = Object.entries(proofs).filter(([, value]) => typeof value === 'string');
    return {
      role,
      startedAt: String(startedAt),
      variables: Object.fromEntries(known),
      notShown: notShown.filter((name) => typeof name === 'string'),
      proofs: Object.fromEntries(proven),
    };
  } catch {
    return null; // half-written by a machine that lost power, perhaps; the next start writes it anew
  }
}

/**
 * Whose settings commands take, the first of them first: those of `up` alone, unless a worker or the API was started without it later (beside a running `up`
 * they write nothing), and then theirs. What a unit that is no longer started was told is no longer so.
 */
function inForce(all: readonly ServiceSettings[]): readonly ServiceSettings[] {
  const up = all.find(({ role }) => role === 'up');
  const later = all.filter(({ role, startedAt }) => role !== 'up' && (up === undefined || startedAt > up.startedAt));
  return up === undefined || later.length > 0 ? later : [up];
}

export interface Told {
  readonly env: Env;
  /** Whose settings a variable was taken from. */
  readonly from: ReadonlyMap<string, ServiceRole>;
  /** Whose database and Temporal these are, also where their addresses are secrets that it alone knows. */
  readonly ground: ServiceRole | null;
}

/**
 * What the environment says, and for a command where it says nothing what services were told. What an installation stands on is taken from one service alone,
 * and only while the environment says nothing else of it than that service was told.
 */
export function withSettings(env: Env, all: readonly ServiceSettings[]): Told {
  const services = inForce(all);
  const ground = groundOf(env, services);
  const values: Record<string, string | undefined> = { ...env };
  const from = new Map<string, ServiceRole>();
  const said = new Set(namesSet(env));
  for (const service of services) {
    const isDataSaid = [...said].some(isOfData);
    for (const [name, value] of Object.entries(service.variables)) {
      const isOther = isOfGround(name) ? service !== ground || isSaidOtherwise(name, env) : isOfData(name) && isDataSaid;
      if (said.has(name) || isOther || CHANNEL.test(name)) continue;
      values[name] = value;
      from.set(name, service.role);
    }
    for (const name of [...Object.keys(service.variables), ...service.notShown]) said.add(name);
  }
  return { env: values, from, ground: ground?.role ?? null };
}

/** A secret that is set itself and one in a file are refused together. */
const isSaidOtherwise = (name: string, env: Env): boolean => isSet(env[name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : `${name}_FILE`]);

const groundOf = (env: Env, services: readonly ServiceSettings[]): ServiceSettings | undefined => {
  const first = services.filter((one) => [...Object.keys(one.variables), ...one.notShown].some(isOfGround));
  return first.find((service) => isGround(env, (name, value) => wasTold(service, name, value)));
};

/** Whether all that the environment says of the ground of an installation is what `isKnown` says of it. */
export const isGround = (env: Env, isKnown: (name: string, value: string) => boolean): boolean =>
  namesSet(env)
    .filter(isOfGround)
    .map((name) => name.replace(/_FILE$/, ''))
    .every((name) => valuesIn(env, name).every((value) => isKnown(name, value)));

const DEFAULTS: Readonly<Record<string, unknown>> = environmentSchema.parse({});

/** Whether a service was told this value, itself or in a file; of what it was not told, the default counts. */
export function wasTold({ variables, notShown, proofs }: ServiceSettings, name: string, value: string): boolean {
  const told = valuesIn(variables, name);
  if (told.length === 0 && !notShown.includes(name)) return DEFAULTS[name] === value;
  return told.includes(value) || isProvenBy(proofs[name], value);
}

/** What an environment says of a variable with a secret inside, itself and in a file; a file that cannot be read says nothing that anybody knows. */
function valuesIn(env: Env, name: string): readonly string[] {
  const [value, file] = [env[name], env[`${name}_FILE`]];
  return [...(isSet(value) ? [value.trim()] : []), ...(isSet(file) ? [contentOf(file)] : [])];
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * Names of variables in which a service was given a secret itself that none of these environments has. Another value under the same name is another secret.
 *
 * @param kept values that are known otherwise
 */
export function secretsUnknownTo(envs: readonly Env[], { notShown, proofs }: ServiceSettings, kept: readonly string[] = []): readonly string[] {
  const isKnown = (name: string): boolean => [...kept, ...envs.flatMap((env) => valuesIn(env, name))].some((value) => isProvenBy(proofs[name], value));
  return notShown.filter((name) => isSecret(name) && !isKnown(name));
}
