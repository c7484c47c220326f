import { createApiApplication } from '../api/application';
import { loadConfigOfService, requireServices } from '../config/config';
import { createLog } from '../config/log';
import { programVersion } from '../config/version';
import { ModosuError } from '../contracts/errors';
import { directoryProfiles } from '../profiles/directory-profile-source';
import { createRunStarter } from '../temporal/run-starter';
import { tellParent } from './parent';
import { writeSettings } from './settings';
import { aborted } from './shutdown';
import { Adapters, openCatalog, openTemporal } from './wiring';

/**
 * Serves the API until `stop` aborts, then lets open requests finish. Needs PostgreSQL at start (`CATALOG_UNAVAILABLE`, `CATALOG_SCHEMA_OUTDATED`); while
 * Temporal is away it serves reads and refuses new runs. Throws `PORT_TAKEN`.
 */
export async function runApi(env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  const config = requireServices(loadConfigOfService(env));
  const log = createLog({ level: config.logLevel, role: 'api' });
  await writeSettings('api', config, env, log);
  const catalog = openCatalog(config.databaseUrl, log);
  const runStarter = createRunStarter(openTemporal(config));
  try {
    await catalog.check();
    const adapters = new Adapters(config);
    const application = await createApiApplication({
      catalog,
      runStarter,
      hypervisor: adapters.hypervisor,
      repository: adapters.repository,
      profiles: directoryProfiles(config.profileDirectory),
      log,
      config: { version: programVersion() },
    });
    await listen(() => application.listen(config.apiPort, config.apiHost), config);
    log.info({ url: await application.getUrl() }, 'API is listening');
    await tellParent({ type: 'ready' });
    await aborted(stop);
    log.info({}, 'API is stopping');
    await application.close();
  } finally {
    await runStarter.close();
    await catalog.close();
  }
}

async function listen(start: () => Promise<unknown>, { apiHost, apiPort }: { readonly apiHost: string; readonly apiPort: number }): Promise<void> {
  try {
    await start();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new ModosuError('PORT_TAKEN', `Port ${apiPort} on ${apiHost} is taken by another program.`, {
      hint: `Free it (\`ss -ltnp 'sport = :${apiPort}'\` shows who listens), or set MODOSU_API_PORT to another port.`,
      context: { host: apiHost, port: apiPort, variable: 'MODOSU_API_PORT' },
      cause: error,
    });
  }
}
