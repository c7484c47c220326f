import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { DataSource, EntityManager } from 'typeorm';
import { GENESIS_HASH } from '../audit/audit-chain';
import type { CatalogCopyHeader } from '../contracts/catalog-copy';
import { AUDIT_FILE, CATALOGUE_FILE, COPIED_TABLES } from './copied-tables';
import { translateDatabaseError } from './database-errors';
import { newestMigration } from './migrate';

const ROWS_AT_A_TIME = 500;

/** An entry as `AuditEntryView` has it, so that its hash can be checked from the file alone. */
const AUDIT_ROWS = `SELECT json_build_object('seq', seq, 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'actor', actor, 'action', action,
  'runId', run_id, 'serverId', server_id, 'details', details, 'previousHash', previous_hash, 'hash', hash)::text AS line FROM audit_entry ORDER BY seq`;

/**
 * Writes the catalogue, as it is at one moment, into two new files of a directory: a line of JSON for each row, and one for each entry of the audit. Read-only.
 * No secret is in them.
 */
export async function exportCatalog(
  dataSource: DataSource,
  directory: string,
  { software, now }: { readonly software: string; readonly now: Date },
): Promise<CatalogCopyHeader> {
  try {
    if (!dataSource.isInitialized) await dataSource.initialize();
    return await dataSource.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('SET TRANSACTION READ ONLY');
      const header: CatalogCopyHeader = {
        format: 'modosu-catalogue',
        version: 1,
        schema: await newestMigration(manager),
        madeAt: now.toISOString(),
        software,
        audit: await auditHead(manager),
      };
      await toFile(join(directory, CATALOGUE_FILE), async (write) => {
        await write(JSON.stringify(header));
        for (const table of COPIED_TABLES) {
          const prefix = `{"table":${JSON.stringify(table)},"row":`;
          // Names of tables come from the list above alone.
          await lines(manager, `SELECT row_to_json(entry)::text AS line FROM ${table} entry`, (line) => write(`${prefix}${line}}`));
        }
      });
      await toFile(join(directory, AUDIT_FILE), (write) => lines(manager, AUDIT_ROWS, write));
      return header;
    });
  } catch (error) {
    throw translateDatabaseError(error);
  }
}

async function auditHead(manager: EntityManager): Promise<CatalogCopyHeader['audit']> {
  const [head] = (await manager.query('SELECT seq::float8 AS seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1')) as readonly {
    readonly seq: number;
    readonly hash: string;
  }[];
  return head ?? { seq: 0, hash: GENESIS_HASH };
}

/** A table of any length, some rows at a time. */
async function lines(manager: EntityManager, select: string, take: (line: string) => Promise<void>): Promise<void> {
  await manager.query(`DECLARE copied NO SCROLL CURSOR FOR ${select}`);
  for (;;) {
    const rows = (await manager.query(`FETCH ${ROWS_AT_A_TIME} FROM copied`)) as readonly { readonly line: string }[];
    for (const { line } of rows) await take(line);
    if (rows.length < ROWS_AT_A_TIME) break;
  }
  await manager.query('CLOSE copied');
}

async function toFile(path: string, fill: (write: (line: string) => Promise<void>) => Promise<void>): Promise<void> {
  const stream: WriteStream = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  const ended = finished(stream);
  // Whoever fills it may fail first: then this is not the error to tell.
  ended.catch(() => undefined);
  try {
    await fill(async (line) => {
      if (!stream.write(`${line}\n`)) await Promise.race([once(stream, 'drain'), ended]);
    });
    stream.end();
    await ended;
  } finally {
    stream.destroy();
  }
}
