import { readdir } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../../catalog/catalog';
import type { ServiceSettings } from '../../config/settings';
import { environmentSchema, SECRET_VARIABLES } from '../../config/variables';
import { ModosuError, toModosuError } from '../../contracts/errors';
import { withinDeadline } from '../../contracts/deadline';
import { errorCode, errorMessage, readEnd } from '../../system/files';

/** A file of the bundle, before secrets are taken out of it. */
export interface BundleFile {
  /** Below the bundle's directory. */
  readonly path: string;
  readonly text: string;
}

/** The end of a log is what matters; this much of each still goes by mail. */
const LOG_BYTES = 2 * 1024 * 1024;
/** Newest first. */
const RUNS = 200;
const RUNS_WITH_STEPS = 50;
const RECOVERY_POINTS = 200;
/** Of one part of the catalogue; the audit of many years is the longest. All are read at once. */
const PART_TIMEOUT_MS = 20_000;

const NOT_SHOWN = '(set, not shown)';

export const json = (path: string, value: unknown): BundleFile => ({ path, text: `${JSON.stringify(value, null, 2)}\n` });

export const about = (version: string, now: Date): BundleFile =>
  json('about.json', {
    madeAt: now.toISOString(),
    modosu: version,
    node: process.version,
    system: {
      type: os.type(),
      release: os.release(),
      version: os.version(),
      architecture: os.arch(),
      hostname: os.hostname(),
      cpus: os.cpus().length,
      memoryBytes: os.totalmem(),
      freeMemoryBytes: os.freemem(),
      uptimeSeconds: Math.round(os.uptime()),
      load: os.loadavg(),
    },
  });

/**
 * Which variables are set, and to what; of those with a secret inside, only that they are set: here, and of each service when it started last. They may differ,
 * and both matter: what a command was typed with, and what the logs were written with.
 */
export function configuration(env: Env, services: readonly ServiceSettings[] = []): BundleFile {
  const of = ({ role, startedAt, variables, notShown }: ServiceSettings): readonly [string, unknown] => [
    role,
    { startedAt, variables: shown({ ...Object.fromEntries(notShown.map((name) => [name, NOT_SHOWN])), ...variables }) },
  ];
  return json('configuration.json', { here: shown(env), services: Object.fromEntries(services.map(of)) });
}

type Env = Readonly<Record<string, string | undefined>>;

function shown(env: Env): Readonly<Record<string, string | undefined>> {
  const known = new Set([...Object.keys(environmentSchema.shape), ...SECRET_VARIABLES.map((name) => `${name}_FILE`)]);
  const isShown = (name: string): boolean => known.has(name) && !(SECRET_VARIABLES as readonly string[]).includes(name);
  const set = Object.entries(env).filter(([name, value]) => name.startsWith('MODOSU_') && value !== undefined);
  return Object.fromEntries(set.map(([name, value]) => [name, isShown(name) ? value : NOT_SHOWN] as const).sort());
}

/** The end of each log. */
export async function logs(directory: string): Promise<readonly BundleFile[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return await Promise.all(entries.filter((entry) => entry.isFile()).map(({ name }) => log(directory, name)));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    return [json('logs/error.json', { message: errorMessage(error) })];
  }
}

async function log(directory: string, name: string): Promise<BundleFile> {
  try {
    return { path: join('logs', name), text: await endOf(join(directory, name)) };
  } catch (error) {
    // It may have been moved away in this moment.
    return json(`logs/${name}.error.json`, { message: errorMessage(error) });
  }
}

async function endOf(path: string): Promise<string> {
  const { text, isCut } = await readEnd(path, LOG_BYTES);
  // A line that was cut could begin with half a secret.
  return isCut ? text.slice(text.indexOf('\n') + 1) : text;
}

/** What the catalogue knows; each part for itself, because what cannot be read is of interest too. */
export function catalogue(catalog: Catalog): Promise<readonly BundleFile[]> {
  const parts: Readonly<Record<string, () => Promise<unknown>>> = {
    estate: async () => ({
      hypervisors: await catalog.listHypervisors(),
      repositories: await catalog.listRepositories(),
      offsite: await catalog.listOffsite(),
      policies: await catalog.listPolicies(),
      servers: await catalog.listServers(),
      groups: await catalog.listGroups(),
      relations: await catalog.listRelations(),
    }),
    runs: async () => {
      const { items } = await catalog.listRuns({}, { limit: RUNS, cursor: null });
      return [...(await Promise.all(items.slice(0, RUNS_WITH_STEPS).map(({ id }) => catalog.getRun(id)))), ...items.slice(RUNS_WITH_STEPS)];
    },
    'recovery-points': async () => (await catalog.listRecoveryPoints({}, { limit: RECOVERY_POINTS, cursor: null })).items,
    'way-backs': () => catalog.listWayBacks({ state: 'open' }),
    figures: () => catalog.figures(),
    audit: () => catalog.verifyAudit(),
  };
  return Promise.all(
    Object.entries(parts).map(async ([name, read]) => {
      try {
        const late = (): ModosuError => new ModosuError('CATALOG_UNAVAILABLE', `PostgreSQL has not answered within ${PART_TIMEOUT_MS / 1000} s.`);
        return json(`catalogue/${name}.json`, await withinDeadline(read(), PART_TIMEOUT_MS, late));
      } catch (error) {
        return json(`catalogue/${name}.error.json`, toModosuError(error).summary());
      }
    }),
  );
}
