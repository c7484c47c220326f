import type { Log } from '../../config/log';
import { embeddedPostgresArgv, postgresUrl, SUPERUSER, waitForPostgres, type PreparedCluster } from '../../system/embedded-postgres';
import { freeDataDirectory } from './leftovers';
import type { PartDefinition } from './part';

export interface PostgresPartOptions {
  readonly prepared: PreparedCluster;
  readonly dataDirectory: string;
  readonly port: number;
  readonly superuserPassword: string;
  readonly log: Log;
}

/** The embedded PostgreSQL. */
export function postgresPart({ prepared, dataDirectory, port, superuserPassword, log }: PostgresPartOptions): PartDefinition {
  return {
    name: 'postgres',
    reports: false,
    prepare: () => freeDataDirectory(dataDirectory, log),
    command: () => ({ argv: embeddedPostgresArgv(prepared, { dataDirectory, port }), env: { PATH: process.env.PATH, LC_ALL: 'C' } }),
    becomesReady: (life) => waitForPostgres(postgresUrl(SUPERUSER, superuserPassword, port, 'postgres'), { hasEnded: () => life.ended.aborted }),
    // Fast shutdown: ends sessions and writes a checkpoint. Immediate shutdown: recovers from its log at the next start.
    stopSignals: [
      { signal: 'SIGINT', graceMs: 20_000 },
      { signal: 'SIGQUIT', graceMs: 5_000 },
    ],
    readyTimeoutMs: 60_000,
  };
}
