import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import { literal } from '../../domain/postgresql-sql';
import { words } from '../../domain/postgresql-words';
import type { DatabaseServer } from './database-server';

const APPEARS_WITHIN_MS = 120_000;
const ENDS_WITHIN_MS = 10_000;
const POLL_MS = 300;
const SNAPSHOT = /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{8}-\d{1,10}\s*$/;

/**
 * Runs `work` with the id of a snapshot of `database`. The transaction that holds it ends with `work`; when nobody comes to end it, it ends by itself some minutes after the last other session of the run,
 * at the latest after a day: a forgotten one would keep the server from cleaning up. `file` is where the id is handed over; it is removed with its directory.
 */
export async function withSnapshot<T>(server: DatabaseServer, database: string, file: string, signal: AbortSignal, work: (snapshot: string) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let ended: string | null = null;
  const holding = server.programs.runLong(server.psql(database), { env: server.env(['statement_timeout=86400000']), input: holder(server.names.application, file), signal: AbortSignal.any([signal, stop.signal]) }).then(
    ({ stderr }) => (ended = words(stderr)),
    (error: unknown) => (ended = error instanceof Error ? error.message : ''),
  );
  try {
    const giveUpAt = performance.now() + APPEARS_WITHIN_MS;
    for (;;) {
      signal.throwIfAborted();
      const said = (await server.programs.agent.readFile(file, { timeoutMs: 30_000, maxBytes: 100 }))?.toString('latin1') ?? '';
      if (SNAPSHOT.test(said)) return await work(said.trim());
      if (ended !== null || performance.now() > giveUpAt) throw new ModosuError('DUMP_FAILED', `The database server gave no snapshot: ${ended ?? 'it did not answer in time'}`);
      await delay(POLL_MS);
    }
  } finally {
    await server.askSessionsToEnd().catch(() => undefined);
    // A client whose session has ended goes by itself.
    await Promise.race([holding, delay(ENDS_WITHIN_MS, undefined, { signal: AbortSignal.any([signal, stop.signal]) }).catch(() => undefined)]);
    stop.abort();
    await holding;
  }
}

function holder(application: string, file: string): string {
  return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
\\o '${file.replaceAll('\\', '\\\\').replaceAll("'", "''")}'
SELECT pg_export_snapshot();
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
