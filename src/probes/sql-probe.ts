import { isModosuError } from '../contracts/errors';
import type { ProbeSpec } from '../contracts/profile';
import type { Account } from '../guests/account';
import type { CommandResult, GuestProgram } from '../guests/guest-agent';
import { timedOut } from './deadline';
import { accountNamed, endedBadly, runProgram } from './guest-program';
import { linesOf, mysqlValues, psqlValues } from './sql-output';
import { portOf, probeInvalid, type Asked } from './transport';

type SqlProbe = Extract<ProbeSpec, { kind: 'sql' }>;

/** The server ends the query this long before its client is ended: a killed client leaves its query running. */
const BEFORE_THE_CLIENT_MS = 300;
/** A database server that runs takes a local connection at once. */
const CONNECT_SECONDS = 5;
/** SQLSTATE of PostgreSQL: `query_canceled`. */
const CANCELED = /\b57014:/;
/** MySQL: `ER_QUERY_TIMEOUT`; MariaDB: `ER_STATEMENT_TIMEOUT`. */
const TOO_LONG = /^ERROR (?:3024|1969) /m;

/**
 * The first column of all rows of one query, a row a line, of a value that has lines all of them. Run in the guest by the database's own client, with what that
 * knows of the server there, and as the guest's account of the same name as `user` where there is one: what local logins rest on.
 *
 * The engine is told to write nothing, and a query that is several is `PROBE_INVALID`, so that none of them can tell it otherwise. That is against mistakes:
 * functions of the server that reach beyond transactions (`pg_promote`, `pg_switch_wal`) are the business of whoever declares them. The engine is also told to
 * end it in time; nothing is left running, in the guest or in its database server.
 */
export async function askBySql(probe: SqlProbe, asked: Asked): Promise<string> {
  const query = oneQuery(probe.query);
  const account = await accountNamed(asked, probe.user);
  return probe.engine === 'postgresql' ? askPostgresql(probe, query, account, asked) : askMysql(probe, query, account, asked);
}

/** A semicolon at its end is taken away; another one might stand in a literal, and nobody here reads SQL well enough to know. Throws `PROBE_INVALID`. */
export function oneQuery(text: string): string {
  const query = text.trim().replace(/;$/, '').trimEnd();
  if (query === '' || query.includes(';') || query.startsWith('\\')) {
    throw probeInvalid('A probe has one query, without a semicolon but at its end, and no command of the client.');
  }
  return query;
}

/**
 * A zero byte ends a row, which no value has; between columns stands a character that no marker has. Times are told in one way, whatever the server is set to,
 * and errors with a code that no language changes. Names go through the environment: a database as an argument could be a whole connection string.
 */
async function askPostgresql({ user, database, port }: SqlProbe, query: string, account: Account | null, asked: Asked): Promise<string> {
  const format = ['--tuples-only', '--no-align', '--field-separator=\u001f', '--record-separator-zero'];
  const argv = [
    'psql',
    '--no-psqlrc',
    '--no-password',
    '--quiet',
    ...format,
    '--set=ON_ERROR_STOP=1',
    '--set=VERBOSITY=verbose',
    `--command=${query}`,
  ] as const;
  let timeoutMs = 0;
  const result = await runProgram(asked, account, (seconds) => {
    timeoutMs = seconds * 1000 - BEFORE_THE_CLIENT_MS;
    const env = {
      PGDATABASE: database,
      PGUSER: user,
      ...(port === undefined ? {} : { PGPORT: String(portOf(port)) }),
      PGOPTIONS: `-c default_transaction_read_only=on -c statement_timeout=${timeoutMs}`,
      PGCONNECT_TIMEOUT: String(Math.min(CONNECT_SECONDS, seconds)),
      PGCLIENTENCODING: 'UTF8',
      PGDATESTYLE: 'ISO',
      PGTZ: 'UTC',
    };
    return { argv, env };
  });
  if (result.exitCode !== 0) throw CANCELED.test(result.stderr) ? timedOut(timeoutMs) : endedBadly('psql', result);
  return linesOf(psqlValues(result.stdout));
}

/**
 * Not `--raw`: only escaped values tell a row from a line in a value. MySQL (from 5.7.20) and MariaDB name the same settings otherwise; each reads the comment
 * that is meant for it alone, and a server that knows neither refuses the connection.
 */
async function askMysql({ user, database }: SqlProbe, query: string, account: Account | null, asked: Asked): Promise<string> {
  let timeoutMs = 0;
  const program =
    (name: 'mysql' | 'mariadb') =>
    (seconds: number): GuestProgram => {
      timeoutMs = seconds * 1000 - BEFORE_THE_CLIENT_MS;
      const mysql = `/*!50720 transaction_read_only=1, max_execution_time=${timeoutMs} */`;
      const mariadb = `/*M!100101 tx_read_only=1, max_statement_time=${timeoutMs / 1000} */`;
      const connection = [`--user=${user}`, `--database=${database}`, `--connect-timeout=${Math.min(CONNECT_SECONDS, seconds)}`];
      const format = ['--batch', '--skip-column-names', '--binary-mode', '--default-character-set=utf8mb4'];
      return { argv: [name, ...connection, ...format, `--init-command=SET SESSION ${mysql}${mariadb}`, `--execute=${query}`] };
    };
  let result: CommandResult;
  try {
    result = await runProgram(asked, account, program('mysql'));
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'GUEST_PROGRAM_MISSING' || error.context['program'] !== 'mysql') throw error;
    result = await runProgram(asked, account, program('mariadb'));
  }
  if (result.exitCode !== 0) throw TOO_LONG.test(result.stderr) ? timedOut(timeoutMs) : endedBadly('mysql', result);
  return linesOf(mysqlValues(result.stdout));
}
