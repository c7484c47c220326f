import { posix } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import { literal } from '../../domain/postgresql/sql';
import { words } from '../../domain/postgresql/words';
import { PREAMBLE, type DatabaseServer } from './database-server';
import { locksQuery, MISSING_LOCKS } from './facts-query';

/** Longer waits for a table's lock would hold up the server's own work behind us. */
export const LOCK_WAIT_MS = 60_000;
const APPEARS_WITHIN_MS = 2 * LOCK_WAIT_MS;
const ENDS_WITHIN_MS = 10_000;
const POLL_MS = 300;
const POLL_SLOWLY_MS = 2_000;
const SNAPSHOT = /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{8}-\d{1,10}\s*$/;
const DONE = 'done';

export interface Holding<Name extends string> {
  readonly database: string;
  /** An empty directory of the run, for what the holder hands over. */
  readonly directory: string;
  /**
   * What is asked in the snapshot. The holder asks it itself, while others work with the id: a session of its own would need the tables' locks anew, and would
   * get in line behind whoever waits for the holder to end.
   */
  readonly questions: Readonly<Record<Name, string>>;
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

export interface Snapshot<Name extends string> {
  readonly id: string;
  /** Aborts, with `DUMP_FAILED`, when the holder has ended before it had told everything: nothing that goes on with the id would be of use. */
  readonly lost: AbortSignal;
  /** Waits for the answers. Throws `DUMP_FAILED`. */
  answers(onBeat: () => Promise<void> | void): Promise<Readonly<Record<Name, string>>>;
}

/**
 * Runs `work` with a snapshot of a database, all of whose tables are locked against everything that would not respect it (TRUNCATE, DROP, a rewrite) until
 * `work` has ended. Nobody who reads or writes rows is held up. The transaction that holds it ends with `work`; when nobody comes to end it, it ends by itself
 * some minutes after the last other session of the run, at the latest after a day: a forgotten one would keep the server from cleaning up. Throws
 * `DUMP_FAILED`, with the server's `sqlState` where there is one.
 */
export async function withSnapshot<Name extends string, T>(
  server: DatabaseServer,
  holding: Holding<Name>,
  work: (snapshot: Snapshot<Name>) => Promise<T>,
): Promise<T> {
  const { database, directory, questions, maxAnswerBytes, signal } = holding;
  const file = (name: string): string => posix.join(directory, `told-${name}`);
  const stop = new AbortController();
  const lost = new AbortController();
  let ended: string | null = null;
  const holder = server.programs
    .runLong(server.psql(database), {
      env: server.env(['statement_timeout=86400000']),
      input: holderSql(server.names.application, questions, file),
      signal: AbortSignal.any([signal, stop.signal]),
    })
    .then(
      ({ stderr }) => (ended = stderr),
      (error: unknown) => (ended = error instanceof Error ? error.message : ''),
    );
  const failed = (what: string): ModosuError => {
    const sqlState = /(?:ERROR|FATAL):\s+([0-9A-Z]{5}):/.exec(ended ?? '')?.[1];
    return new ModosuError('DUMP_FAILED', `The database server ${what}: ${ended === null ? 'it did not answer in time' : words(ended)}`, {
      context: sqlState === undefined ? {} : { sqlState },
    });
  };
  void holder.then(() => lost.abort(failed('did not describe the database to the end')));
  const answers: Snapshot<Name>['answers'] = async (onBeat) => {
    while ((await server.programs.agent.readFile(file(DONE), { timeoutMs: 30_000, maxBytes: 100 }))?.toString('latin1').trim() !== DONE) {
      signal.throwIfAborted();
      if (ended !== null) throw failed('did not describe the database to the end');
      await onBeat();
      await delay(POLL_SLOWLY_MS);
    }
    const found: [string, string][] = [];
    for (const name of Object.keys(questions)) found.push([name, await answerOf(server, file(name), database, maxAnswerBytes)]);
    return Object.fromEntries(found) as Record<Name, string>;
  };
  try {
    const giveUpAt = performance.now() + APPEARS_WITHIN_MS;
    for (;;) {
      signal.throwIfAborted();
      const said = (await server.programs.agent.readFile(file('snapshot'), { timeoutMs: 30_000, maxBytes: 100 }))?.toString('latin1') ?? '';
      if (SNAPSHOT.test(said)) return await work({ id: said.trim(), lost: lost.signal, answers });
      if (ended !== null || performance.now() > giveUpAt) throw failed('gave no snapshot');
      await delay(POLL_MS);
    }
  } finally {
    await server.askSessionsToEnd().catch(() => undefined);
    // A client whose session has ended goes by itself.
    await Promise.race([holder, delay(ENDS_WITHIN_MS, undefined, { signal: AbortSignal.any([signal, stop.signal]) }).catch(() => undefined)]);
    stop.abort();
    await holder;
  }
}

async function answerOf(server: DatabaseServer, path: string, database: string, maxBytes: number): Promise<string> {
  const found = await server.programs.readWhole(path, maxBytes);
  if (found === null) throw new ModosuError('DUMP_FAILED', `What the database server has told about ${words(database, 64)} is gone.`);
  if (found === 'too long') {
    throw new ModosuError('DUMP_FAILED', `The database ${words(database, 64)} has more tables than can be described in ${maxBytes / 1024 / 1024} MiB.`);
  }
  return found.toString('utf8');
}

/**
 * The tables are listed and locked before the transaction has its snapshot (LOCK takes none): one that is dropped before that is in neither. Only what was made
 * in between is locked afterwards. Counting rows locks indexes as well, which is given back right after: whoever builds one anew does not wait for the dump.
 */
function holderSql(application: string, questions: Readonly<Record<string, string>>, file: (name: string) => string): string {
  const into = (name: string): string => `\\o '${file(name).replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  return `${PREAMBLE}${locksQuery()} \\gset
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL lock_timeout = ${literal(`${LOCK_WAIT_MS}ms`)};
:locks
${MISSING_LOCKS} \\gexec
${into('snapshot')}
SELECT pg_export_snapshot();
\\o
SET LOCAL lock_timeout = 0;
SAVEPOINT asked;
${Object.entries(questions)
  .map(([name, sql]) => `${into(name)}\n${sql}\n`)
  .join('')}\\o
ROLLBACK TO SAVEPOINT asked;
${into(DONE)}
SELECT ${literal(DONE)};
\\o
SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'plpgsql') AS watches \\gset
\\if :watches
DO $hold$
DECLARE
  began timestamptz := clock_timestamp();
  seen timestamptz := clock_timestamp();
BEGIN
  LOOP
    PERFORM pg_sleep(1);
    PERFORM pg_stat_clear_snapshot();
    IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = ${literal(application)} AND pid <> pg_backend_pid()) THEN
      seen := clock_timestamp();
    END IF;
    EXIT WHEN clock_timestamp() > seen + interval '5 minutes' OR clock_timestamp() > began + interval '1 day';
  END LOOP;
END $hold$;
\\else
SELECT pg_sleep(3600);
\\endif
`;
}
