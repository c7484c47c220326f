import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { readEndpoints, type Config } from '../config/config';
import type { Log } from '../config/log';
import { settingsOf } from '../config/settings';
import type { ServiceRole } from '../config/state-layout';
import { errorMessage, writeFileDurably } from '../system/files';

/**
 * Writes down what the service was told, for the commands that people type beside it: each role in a file of its own, as a worker and the API may share a state
 * directory. A service that runs under `modosu up`, or on its state directory, writes
 * nothing: there the settings of `up` hold. A disk that does not let it is no reason not to start.
 */
export async function writeSettings(role: ServiceRole, { layout }: Pick<Config, 'layout'>, env: NodeJS.ProcessEnv, log: Log): Promise<void> {
  if (role !== 'up' && (process.send !== undefined || isUpAlive(layout))) return;
  const path = layout.settingsFiles[role];
  try {
    await mkdir(layout.run, { recursive: true, mode: 0o755 });
    await writeFileDurably(path, `${JSON.stringify(settingsOf(role, env, new Date()), null, 2)}\n`);
  } catch (error) {
    log.warn({ path, problem: errorMessage(error) }, 'settings could not be written down: commands beside this service know only their own environment');
  }
}

function isUpAlive(layout: Config['layout']): boolean {
  const endpoints = readEndpoints(layout);
  return endpoints !== null && existsSync(`/proc/${endpoints.supervisorPid}`);
}
