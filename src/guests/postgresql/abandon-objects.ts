import { posix } from 'node:path';
import { literal, qualified } from '../../domain/postgresql/sql';
import type { JournalEntry } from '../../domain/postgresql/journal';
import { ChangeScript } from './change-script';
import { lookAt } from './databases';
import type { DatabaseServer } from './database-server';
import { readJournal } from './journal';
import { carryOut, dropUncommitted } from './objects';
import type { Waiting } from './postgresql';
import { dropScratch } from './scratch';
import { discardDirectory, makeDirectory } from './spool';
import { reverse } from './undo-objects';

/**
 * See `Postgresql.abandon`, for objects. Returns the schema with what was not dropped, because others have written to it or have made something that hangs on
 * it.
 */
export async function abandonObjects(server: DatabaseServer, database: string, { signal }: Waiting): Promise<string | null> {
  await dropScratch(server);
  const workDirectory = posix.join(server.dataSet.spoolDirectory, server.names.work);
  const open = (await lookAt(server, [database])).get(database)?.allowsConnections === true;
  const left = open ? await takeBack(server, database, workDirectory, signal) : null;
  await discardDirectory(server, workDirectory);
  return left;
}

/** What has been committed is undone, and what that leaves is dropped, in one transaction: a second call finds all of it or nothing. */
async function takeBack(server: DatabaseServer, database: string, workDirectory: string, signal: AbortSignal): Promise<string | null> {
  const { replaced, undone } = server.names;
  const journal = await readJournal(server, database, replaced);
  if (journal === null) await dropUncommitted(server, database);
  else {
    const script = new ChangeScript(undone);
    const loaded = journal.find((entry) => entry.op === 'loaded');
    if (loaded !== undefined) script.noteWritten(restored(journal), { journalSchema: replaced, loadedBy: loaded.xid });
    const away = await reverse(server, database, replaced, journal, script);
    // Who does not know which rows are the restore's own drops none.
    if (loaded !== undefined) script.dropUntouched([undone, ...away]);
    await makeDirectory(server, workDirectory);
    await carryOut(server, database, script, posix.join(workDirectory, 'abandon.sql'), { signal, onBeat: () => undefined });
  }
  return (await readJournal(server, database, undone)) === null ? null : undone;
}

/** Where rows of the restore are, as a condition about the table `c` in the schema `n`. */
function restored(journal: readonly JournalEntry[]): string {
  const inside = (table: { readonly schema: string; readonly name: string }): string =>
    `c.oid IN (WITH RECURSIVE t AS (SELECT to_regclass(${literal(qualified(table))})::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN t ON i.inhparent = t.oid) SELECT t.oid FROM t)`;
  const conditions = journal.flatMap((entry) =>
    entry.op === 'table'
      ? [inside(entry.now)]
      : entry.op === 'rows'
        ? [inside(entry.table)]
        : entry.op === 'schema'
          ? [`n.nspname = ${literal(entry.now)}`]
          : [],
  );
  return conditions.length === 0 ? 'false' : conditions.join(' OR ');
}
