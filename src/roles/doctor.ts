import { existsSync } from 'node:fs';
import { DOCTOR } from '../cli/role-commands';
import { loadConfigOfInstallation, readEndpoints, type Config } from '../config/config';
import { createLog } from '../config/log';
import { toModosuError } from '../contracts/errors';
import { directoryProfiles } from '../profiles/directory-profile-source';
import { DirectorySecrets } from '../secrets/directory-secrets';
import { createRunStarter } from '../temporal/run-starter';
import { readArguments } from './arguments';
import { withEnvFile } from './env-file';
import { fail, failed, look, ok, type Check } from './doctor/check';
import { checkEstate } from './doctor/estate';
import { render, reportOf } from './doctor/report';
import { checkProfiles } from './doctor/profiles';
import { checkSecretStores } from './doctor/secret-stores';
import {
  checkApi,
  checkControlWorker,
  checkCatalog,
  checkCatalogCopies,
  checkDataRepository,
  checkPayloadKeys,
  checkPrograms,
  checkTemporal,
} from './doctor/services';
import { Adapters, openCatalog, openDataRepository, openTemporal } from './wiring';

/**
 * Looks at each thing a run needs and says what is wrong and what to do. Changes nothing. Returns the exit code: 0 only when nothing failed. Throws `USAGE`.
 */
export async function runDoctor(env: NodeJS.ProcessEnv, args: readonly string[], write: (text: string) => void): Promise<number> {
  const { output, text } = readArguments(DOCTOR, args);
  const report = reportOf(await examine(await withEnvFile(env, text('variables'))));
  write(render(report, output));
  return report.failed === 0 ? 0 : 1;
}

/** Everything that `modosu doctor` looks at. */
export async function examine(env: NodeJS.ProcessEnv): Promise<readonly Check[]> {
  let config: Config;
  try {
    config = loadConfigOfInstallation(env);
  } catch (error) {
    return [failed('configuration', error)];
  }
  return [
    ...checkInstallation(config),
    ...checkPrograms(config.dataServer.directory !== null),
    ...(await checkPayloadKeys(config)),
    ...(await checkServices(config, env)),
    ...(await checkDataRepository(() => openDataRepository(config), config.dataServer.directory)),
    ...(await checkApi(config)),
  ];
}

function checkInstallation(config: Config): readonly Check[] {
  const endpoints = readEndpoints(config.layout);
  if (endpoints !== null && !existsSync(`/proc/${endpoints.supervisorPid}`)) {
    const problem = `\`modosu up\` on ${config.stateDirectory} was not stopped cleanly: its process ${endpoints.supervisorPid} is gone.`;
    return [fail('installation', problem, 'Start `modosu up` again: it brings everything back.')];
  }
  if (endpoints !== null) {
    return [ok('installation', `\`modosu up\` runs on ${config.stateDirectory} since ${endpoints.startedAt} (process ${endpoints.supervisorPid})`)];
  }
  if (config.databaseUrl !== null && config.temporalAddress !== null) return [ok('installation', 'PostgreSQL and Temporal by address')];
  return [
    fail(
      'installation',
      `\`modosu up\` does not run on ${config.stateDirectory}.`,
      'Start it, set MODOSU_STATE_DIR to its state directory, or set MODOSU_DATABASE_URL and MODOSU_TEMPORAL_ADDRESS.',
    ),
  ];
}

/** Without the catalogue nobody knows what else to look at. */
async function checkServices(config: Config, env: NodeJS.ProcessEnv): Promise<readonly Check[]> {
  const log = createLog({ level: 'silent', role: 'doctor' });
  const { databaseUrl } = config;
  if (databaseUrl === null) {
    return [fail('catalogue', 'No address is known.', 'Start `modosu up`, or set MODOSU_DATABASE_URL.', 'CONFIG_INVALID'), ...(await checkRuns(config, null))];
  }
  const catalog = openCatalog(databaseUrl, log);
  try {
    const found = await checkCatalog(catalog);
    const answers = found.every(({ state }) => state === 'ok');
    const copies = answers ? await checkCatalogCopies(catalog, new DirectorySecrets(config.layout.secrets)) : [];
    const stores = answers ? await checkSecretStores(catalog, new Adapters(config, env).secretStores()) : [];
    const profiles = answers ? await look('profiles', () => checkProfiles(catalog, directoryProfiles(config.profileDirectory))) : [];
    return [...found, ...copies, ...stores, ...profiles, ...(await checkRuns(config, answers ? catalog : null))];
  } finally {
    // A connection that hangs is not waited for: what it would have told stands in the report as missing.
    void catalog.close().catch(() => undefined);
  }
}

async function checkRuns(config: Config, catalog: ReturnType<typeof openCatalog> | null): Promise<readonly Check[]> {
  const { temporalAddress } = config;
  const estate = async (runs: Parameters<typeof checkEstate>[0]['runs']): Promise<readonly Check[]> =>
    catalog === null
      ? [fail('estate', 'Not looked at: the catalogue does not answer.', 'Mend the catalogue first.')]
      : look('estate', () => checkEstate({ catalog, adapters: new Adapters(config), runs }), 300_000);
  if (temporalAddress === null) {
    return [fail('temporal', 'No address is known.', 'Start `modosu up`, or set MODOSU_TEMPORAL_ADDRESS.', 'CONFIG_INVALID'), ...(await estate(null))];
  }
  let temporal: ReturnType<typeof openTemporal>;
  try {
    temporal = openTemporal({ ...config, temporalAddress });
  } catch (error) {
    // Only the payload keys can be at fault, and their own line says so.
    return [fail('temporal', `Not looked at: ${toModosuError(error).message}`, 'Mend the payload keys first.'), ...(await estate(null))];
  }
  try {
    const server = await checkTemporal(temporal, config);
    const answers = server.every(({ state }) => state !== 'fail');
    const runs = createRunStarter(temporal);
    return [...server, ...(answers ? await checkControlWorker(runs) : []), ...(await estate(answers ? runs : null))];
  } finally {
    await temporal.close();
  }
}
