import { createLog, type Log } from '../config/log';
import { loadConfig } from '../config/config';
import { ModosuError } from '../contracts/errors';
import { writeSettings } from './settings';
import { aborted } from './shutdown';
import { Installation } from './up/installation';
import { prepareStateDirectory } from './up/state-directory';
import { acquireStateLock } from './up/state-lock';

/**
 * Everything on one machine: starts and supervises the embedded PostgreSQL, a local Temporal server (each only where no address is configured), the API and a
 * worker, until `stop` aborts; then ends them in order. Throws what kept it from starting, after ending what it had started. One per state directory
 * (`ALREADY_RUNNING`).
 */
export async function runUp(env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void> {
  const config = loadConfig(env);
  const log = createLog({ level: config.logLevel, role: 'up' });
  await prepareStateDirectory(config.layout);
  const lock = await acquireStateLock(config.layout.lockFile);
  const lockLost = lock.lost.then(() => {
    throw new ModosuError('ALREADY_RUNNING', `The lock ${config.layout.lockFile} was lost: somebody ended its holder.`, { hint: 'Start `modosu up` again.' });
  });
  await writeSettings('up', config, env, log);
  lockLost.catch(() => undefined); // it also rejects at our own release, when nobody listens any more
  const installation = new Installation(config, env, log);
  try {
    await untilReady(installation, stop, lockLost, log);
    if (!stop.aborted) await Promise.race([aborted(stop), lockLost]);
  } finally {
    log.info({}, 'stopping');
    await installation.stop();
    await lock.release();
    log.info({}, 'stopped');
  }
}

async function untilReady(installation: Installation, stop: AbortSignal, lockLost: Promise<never>, log: Log): Promise<void> {
  const startedAt = performance.now();
  const starting = installation.start();
  starting.catch(() => undefined); // when stopped meanwhile
  await Promise.race([starting, aborted(stop), lockLost]);
  if (stop.aborted) return;
  const { apiUrl, tokenFile } = await starting;
  log.info({ apiUrl, tokenFile, readyMs: Math.round(performance.now() - startedAt) }, 'ready');
  process.stdout.write(`ready: ${apiUrl}\ntoken: ${tokenFile}\n`);
}
