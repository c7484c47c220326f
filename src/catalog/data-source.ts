import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../migrations';
import { ENTITIES } from './entities';

export interface DataSourceOptions {
  /** postgresql://user:password@host:port/database. Holds a password: never log it. */
  readonly url: string;
  /** Connections kept by this process. Default 10. */
  readonly poolSize?: number;
  /** One statement may take this long; waiting for a lock counts. 0: no limit (migrations). Default 30 s. */
  readonly statementTimeoutMs?: number;
  /** An idle connection was lost (PostgreSQL restarted, the network broke). The next query makes a new one; this is for the log. */
  readonly onConnectionLost?: (error: Error) => void;
}

export const MIGRATIONS_TABLE = 'schema_migration';
const CONNECT_TIMEOUT_MS = 5000;

/** A data source of the catalogue, not connected yet: `createTypeormCatalog` connects it with the first call, so a process can start before PostgreSQL. */
export function createDataSource({ url, poolSize = 10, statementTimeoutMs = 30_000, onConnectionLost }: DataSourceOptions): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'all',
    synchronize: false,
    logging: false,
    installExtensions: false,
    // findOneBy({ id: undefined }) would otherwise give the first row of the table.
    invalidWhereValuesBehavior: { null: 'throw', undefined: 'throw' },
    poolSize,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    applicationName: 'modosu',
    // Without a handler the first lost connection would end the process. pg hangs the client, with its settings, onto the error: that must not reach a log.
    poolErrorHandler: (error: Error) => onConnectionLost?.(new Error(error.message)),
    extra: {
      keepAlive: true,
      statement_timeout: statementTimeoutMs,
      // A worker that hangs in mid-transaction must not keep the audit's lock from everybody else.
      idle_in_transaction_session_timeout: statementTimeoutMs,
    },
  });
}
