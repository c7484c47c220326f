import type { EntityManager } from 'typeorm';
import { z } from 'zod';
import { appendAudit } from '../audit/append-audit';
import type { CatalogCopyHeader, RebuildReport } from '../contracts/catalog-copy';
import { ModosuError } from '../contracts/errors';
import { parseJson } from '../contracts/json';
import { quoted } from '../contracts/text';
import { MIGRATIONS } from '../../migrations';
import { COPIED_TABLES, type CopiedTable } from './copied-tables';
import { asOwner } from './migrate';

const headerSchema = z.object({
  format: z.literal('modosu-catalogue'),
  version: z.literal(1),
  schema: z.string().max(200),
  madeAt: z.iso.datetime(),
  software: z.string().max(200),
  audit: z.object({ seq: z.int().min(0), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
}) satisfies z.ZodType<CatalogCopyHeader>;

const lineSchema = z.object({ table: z.enum(COPIED_TABLES), row: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), z.unknown()) });

const ROWS_AT_A_TIME = 500;

const unreadable = (message: string): ModosuError => new ModosuError('CATALOG_COPY_UNREADABLE', `The copy of the catalogue cannot be read: ${message}.`);

/** The first line of a copy. Throws `CATALOG_COPY_UNREADABLE`, also for one of another schema than this program's: what changed in between nobody has changed in it. */
export function readHeader(line: string | undefined): CatalogCopyHeader {
  const parsed = headerSchema.safeParse(line === undefined ? null : parseJson(line));
  if (!parsed.success) throw unreadable('its first line does not say what it is');
  const { schema, software } = parsed.data;
  const own = MIGRATIONS.at(-1)?.name ?? '';
  if (schema !== own) throw unreadable(`Modosu ${quoted(software)} has made it, with the schema ${quoted(schema)}; this program has ${own}`);
  return parsed.data;
}

export interface ImportOptions {
  readonly ownerUrl: string;
  readonly copy: { readonly id: string; readonly repository: string; readonly header: CatalogCopyHeader };
  /** Where a repository of the copy lies now, by its name. */
  readonly paths: ReadonlyMap<string, string>;
  readonly actor: string;
  readonly now: Date;
  /** Everything is done, and taken back. */
  readonly isDryRun?: boolean;
}

/** Why a run counts as failed that was open when the copy was made. */
const INTERRUPTED = {
  code: 'CATALOG_REBUILT',
  message: 'The catalogue was rebuilt from a copy that was made while this run was under way. Nobody carries it on; what it has done last stands nowhere.',
  hint: 'Look at the server: `modosu server show NAME`. Then take a backup, or plan a restore.',
} as const;

/**
 * Reads a copy back into a catalogue that has no servers: one transaction, all or nothing. Runs that were open count as failed; fencing tokens begin above
 * every one that was ever given. Throws `CATALOG_NOT_EMPTY`, `CATALOG_COPY_UNREADABLE`.
 *
 * @param lines of the copy, without its header
 */
export async function importCatalog(
  lines: AsyncIterable<string>,
  { ownerUrl, copy, paths, actor, now, isDryRun = false }: ImportOptions,
): Promise<Pick<RebuildReport, 'rows' | 'interruptedRuns'>> {
  return asOwner(ownerUrl, async (dataSource) => {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    try {
      const { manager } = runner;
      await requireEmpty(manager);
      const rows = await readRows(manager, lines);
      for (const [name, path] of paths) await manager.query('UPDATE repository SET path = $2 WHERE name = $1', [name, path]);
      const interruptedRuns = await endRuns(manager, now);
      await giveTime(manager, copy.header, now);
      await raiseFencingTokens(manager, now);
      const event = {
        actor,
        action: 'catalog.rebuilt',
        details: { copy: copy.id, repository: copy.repository, madeAt: copy.header.madeAt, auditBefore: copy.header.audit, rows },
      };
      await appendAudit((sql, parameters) => manager.query(sql, [...(parameters ?? [])]), [event]);
      if (isDryRun) await runner.rollbackTransaction();
      else await runner.commitTransaction();
      return { rows, interruptedRuns };
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction();
      throw error;
    } finally {
      await runner.release();
    }
  });
}

/**
 * Of a catalogue that begins anew without a copy: domains carry tokens of the one before. Idempotent; a catalogue that has given tokens goes on above them.
 */
export const beginFencingTokens = (ownerUrl: string, now: Date): Promise<void> =>
  asOwner(ownerUrl, (dataSource) => raiseFencingTokens(dataSource.manager, now));

async function requireEmpty(manager: EntityManager): Promise<void> {
  // Nobody adds one meanwhile, either.
  await manager.query('LOCK TABLE server, recovery_point, run IN SHARE ROW EXCLUSIVE MODE');
  const [{ servers }] = (await manager.query('SELECT count(*)::int AS servers FROM server')) as [{ readonly servers: number }];
  if (servers > 0) throw new ModosuError('CATALOG_NOT_EMPTY', `The catalogue already has ${servers} server${servers === 1 ? '' : 's'}.`);
}

async function readRows(manager: EntityManager, lines: AsyncIterable<string>): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  let table: CopiedTable | null = null;
  let rows: Readonly<Record<string, unknown>>[] = [];
  const flush = async (): Promise<void> => {
    if (table !== null && rows.length > 0) counts[table] = (counts[table] ?? 0) + (await insertRows(manager, table, rows));
    rows = [];
  };
  for await (const line of lines) {
    const parsed = lineSchema.safeParse(parseJson(line));
    if (!parsed.success) throw unreadable('a line of it is no row of a table');
    if (parsed.data.table !== table || rows.length === ROWS_AT_A_TIME) {
      await flush();
      table = parsed.data.table;
    }
    rows.push(parsed.data.row);
  }
  await flush();
  return counts;
}

/** Columns that have come since get what they get in a new row. One that this schema lacks is refused: something would be lost. */
async function insertRows(manager: EntityManager, table: CopiedTable, rows: readonly Readonly<Record<string, unknown>>[]): Promise<number> {
  const known = new Set(
    (
      (await manager.query(`SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1`, [
        table,
      ])) as readonly {
        readonly column_name: string;
      }[]
    ).map(({ column_name }) => column_name),
  );
  const columns = Object.keys(rows[0] ?? {});
  const strange = columns.find((column) => !known.has(column));
  if (strange !== undefined) throw unreadable(`its table ${table} has a column ${strange}, which this program does not know`);
  const list = columns.map((column) => `"${column}"`).join(', ');
  // What is there already was declared here before: it stays.
  const inserted = (await manager.query(
    `WITH added AS (INSERT INTO ${table} (${list}) SELECT ${list} FROM json_populate_recordset(NULL::${table}, $1::json) ON CONFLICT DO NOTHING RETURNING 1)
     SELECT count(*)::int AS count FROM added`,
    [JSON.stringify(rows)],
  )) as [{ readonly count: number }];
  return inserted[0].count;
}

async function endRuns(manager: EntityManager, now: Date): Promise<RebuildReport['interruptedRuns']> {
  const error = JSON.stringify(INTERRUPTED);
  const [ended] = (await manager.query(
    `UPDATE run SET state = 'failed', finished_at = $1, waiting_for = NULL, error = $2::jsonb FROM server
     WHERE server.id = run.server_id AND run.state IN ('accepted', 'running') RETURNING run.id, run.kind, server.name`,
    [now, error],
  )) as [readonly { readonly id: string; readonly kind: string; readonly name: string }[], number];
  const ids = ended.map(({ id }) => id);
  await manager.query(`UPDATE run_step SET state = 'failed', finished_at = $1, error = $2::jsonb WHERE run_id = ANY ($3) AND state IN ('running', 'waiting')`, [
    now,
    error,
    ids,
  ]);
  await manager.query(`UPDATE run_step SET state = 'skipped' WHERE run_id = ANY ($1) AND state = 'pending'`, [ids]);
  await manager.query(`UPDATE offsite_copy SET state = 'waiting', next_attempt_at = NULL WHERE state = 'copying'`);
  await manager.query(`UPDATE offsite_repository SET state = 'unknown', looked_at = NULL, problem = NULL`);
  await manager.query(`UPDATE restore_plan SET state = 'failed', error = $1::jsonb WHERE state = 'planning'`, [error]);
  return ended.map(({ id, kind, name }) => ({ runId: id, kind, serverName: name }));
}

/** What was kept from being deleted for a time has been watched by nobody since: it gets its time anew, so that nothing goes before people have looked. */
async function giveTime(manager: EntityManager, { madeAt }: CatalogCopyHeader, now: Date): Promise<void> {
  await manager.query(`UPDATE recovery_point SET deletes_at = NULL WHERE state = 'expired'`);
  await manager.query(`UPDATE offsite_copy SET deleted_at = $1 WHERE state = 'deleted' AND removed_at IS NULL`, [now]);
  await manager.query(`UPDATE server SET protects_until = protects_until + ($1::timestamptz - $2::timestamptz) WHERE protects_until > $2::timestamptz`, [
    now,
    madeAt,
  ]);
  await manager.query(`UPDATE way_back SET expires_at = greatest(expires_at, $1::timestamptz + interval '7 days') WHERE state = 'open'`, [now]);
}

/**
 * A domain carries the highest token that was used on it, and that may have been given after the copy was made. Seconds since 1970 are above every number of runs,
 * and above those of an earlier rebuild.
 */
async function raiseFencingTokens(manager: EntityManager, now: Date): Promise<void> {
  await manager.query(`SELECT setval('fencing_token_seq', greatest((SELECT last_value FROM fencing_token_seq), $1::bigint))`, [
    Math.floor(now.getTime() / 1000),
  ]);
}
