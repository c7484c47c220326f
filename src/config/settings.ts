import { readFileSync } from 'node:fs';
import { CREDENTIAL_VARIABLE_PREFIX } from '../contracts/credential';
import type { StateLayout } from './state-layout';
import { environmentSchema, SECRET_VARIABLES } from './variables';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * What `run/settings.json` says of the service that started last on this state directory: its variables, as far as they hold no secret. Commands that people
 * type take them where their own environment says nothing: a unit of systemd gives its variables to the service alone. It stays when the service stops.
 */
export interface ServiceSettings {
  readonly role: 'up' | 'api' | 'worker';
  readonly startedAt: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Names of the others that begin with MODOSU_; their values may be secrets. */
  readonly notShown: readonly string[];
}

/** Variables whose value is written down; of those with a secret inside, the file that holds it. The state directory is where it is written. */
const SHOWN: ReadonlySet<string> = new Set([
  ...Object.keys(environmentSchema.shape).filter((name) => !(SECRET_VARIABLES as readonly string[]).includes(name) && name !== 'MODOSU_STATE_DIR'),
  ...SECRET_VARIABLES.map((name) => `${name}_FILE`),
]);

/** Variables that say nothing without each other: what somebody says of one is not mixed with what a service was told of the others. */
const TOGETHER: readonly ((name: string) => boolean)[] = ['MODOSU_DATA_', 'MODOSU_DATABASE_URL', 'MODOSU_DATABASE_OWNER_URL'].map(
  (prefix) => (name) => name.startsWith(prefix) && name !== 'MODOSU_DATA_MAX_BACKUPS',
);

/** Where alerts are told: no command does. */
const CHANNEL = /^MODOSU_(?:WEBHOOK|SMTP|MAIL)_/;

const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';

/** @param env of a service, after it was found to be valid */
export function settingsOf(role: ServiceSettings['role'], env: Env, now: Date): ServiceSettings {
  const set = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith('MODOSU_') && name !== 'MODOSU_STATE_DIR' && isSet(value) ? [[name, value] as const] : [],
  );
  return {
    role,
    startedAt: now.toISOString(),
    variables: Object.fromEntries(set.filter(([name]) => SHOWN.has(name)).sort()),
    notShown: set.flatMap(([name]) => (SHOWN.has(name) ? [] : [name])).sort(),
  };
}

/** Null: no service has written any, or they are not ours to read. */
export function readSettings(layout: Pick<StateLayout, 'settingsFile'>): ServiceSettings | null {
  try {
    const { variables, notShown, ...more } = JSON.parse(readFileSync(layout.settingsFile, 'utf8')) as ServiceSettings;
    const known = Object.entries(variables).filter(([name, value]) => SHOWN.has(name) && typeof value === 'string');
    return { ...more, variables: Object.fromEntries(known), notShown: notShown.filter((name) => typeof name === 'string') };
  } catch {
    return null; // half-written by a machine that lost power, perhaps; the next start writes it anew
  }
}

/** What the environment says, and where it says nothing what the service was told. */
export function withSettings(env: Env, settings: ServiceSettings | null): Env {
  if (settings === null) return env;
  const said = Object.keys(env).filter((name) => isSet(env[name]));
  const own = new Set(said);
  const kept = Object.entries(settings.variables).filter(([name]) => !own.has(name) && !TOGETHER.some((isOfGroup) => isOfGroup(name) && said.some(isOfGroup)));
  return { ...env, ...Object.fromEntries(kept) };
}

/** The same for a configuration: half of what a channel needs would be refused, and whoever sends alerts has its own. */
export const withSettingsOfCommands = (env: Env, settings: ServiceSettings | null): Env =>
  withSettings(
    env,
    settings === null ? null : { ...settings, variables: Object.fromEntries(Object.entries(settings.variables).filter(([name]) => !CHANNEL.test(name))) },
  );

/** Names of variables in which a service was given a secret itself that this environment does not have. */
export function secretsUnknownTo(env: Env, { notShown }: ServiceSettings): readonly string[] {
  const isSecret = (name: string): boolean => (SECRET_VARIABLES as readonly string[]).includes(name) || name.startsWith(CREDENTIAL_VARIABLE_PREFIX);
  return notShown.filter((name) => isSecret(name) && !isSet(env[name]));
}
