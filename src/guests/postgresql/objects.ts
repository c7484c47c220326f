import { posix } from 'node:path';
import type { DatabaseFacts, PostgresqlFacts, PostgresqlSelection, TableFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { databaseOf } from '../../domain/postgresql/facts';
import { name, record } from '../../domain/postgresql/guards';
import { numbered, rowsKey, uniqueName } from '../../domain/postgresql/names';
import { proveRows } from '../../domain/postgresql/proof';
import { refuseMissingRoles, refuseUnmet, type Requirements } from '../../domain/postgresql/requirements';
import { refuseMisfits, type ObjectAction, type ObjectItems } from '../../domain/postgresql/selection';
import { literal, literals } from '../../domain/postgresql/sql';
import { filledViews, withoutActing, withPartitions, type TocEntry } from '../../domain/postgresql/toc';
import { transactionFailure } from '../../domain/postgresql/transaction-failure';
import { named, tableNamed } from '../../domain/postgresql/words';
import { ChangeScript } from './change-script';
import { lookAt } from './databases';
import { SqlFailure, type DatabaseServer } from './database-server';
import { countRows, proveReadable } from './dump';
import { insideSpool } from './guest-programs';
import { keptByJournal, readJournal } from './journal';
import { loadDump, readToc } from './load';
import { foreignKeysAt, lookAtObjects } from './objects-look';
import { dropPlainRole, makePlainRole } from './plain-role';
import type { KeptPostgresql, Waiting } from './postgresql';
import { requirementsOf } from './requirements';
import { dropScratch, extensionsIn, stageFromScratch, type Stage } from './scratch';
import { discardDirectory, makeDirectory } from './spool';

const RESERVE_BYTES = 32 * 1024 * 1024;
/** Of the recovery point in the scratch database, and once more where it is to go. */
const COPIES = 2;

export type KeptObjects = KeptPostgresql & { readonly notes: readonly string[] };

/** See `Postgresql.restoreObjects`. */
export async function restoreObjects(
  server: DatabaseServer,
  directory: string,
  all: PostgresqlFacts,
  selection: PostgresqlSelection,
  waiting: Waiting,
): Promise<KeptObjects> {
  insideSpool(server.dataSet.spoolDirectory, directory, 'anywhere');
  waiting.signal.throwIfAborted();
  if (selection.whole) throw new ModosuError('INTERNAL', 'A whole database is restored beside the present one and exchanged.');
  const facts = databaseOf(all, selection.database);
  const workDirectory = posix.join(server.dataSet.spoolDirectory, server.names.work);
  await server.endLeftovers([directory, workDirectory]);
  await dropScratch(server);
  if (!(await lookAt(server, [selection.database])).has(selection.database)) {
    throw new ModosuError('DATABASE_NOT_FOUND', `The database ${named(selection.database)} is not there; restore it as a whole.`, {
      hint: 'Restore the whole database: there is nothing that tables or schemas could be put into.',
    });
  }
  const done = await readJournal(server, selection.database, server.names.replaced);
  if (done !== null) {
    await discardDirectory(server, workDirectory);
    return keptByJournal(server, selection.database, server.names.replaced, done);
  }
  await dropStages(server, selection.database);

  const found = await requirementsOf(server, all, facts);
  refuseUnmet(found, all, facts.name);
  const items = await lookAtObjects(server, facts, selection, found.engine.major);
  refuseMisfits(items);
  refuseMissingRoles(items, found, facts);
  const stages = stagesOf(server, facts, items);
  const neededBytes = stages.flatMap(({ tables }) => tables).reduce((sum, { bytes }) => sum + bytes, 0) * COPIES + RESERVE_BYTES;
  if ((await server.programs.freeBytes(await server.dataDirectory())) < neededBytes) {
    throw await server.full(`the restored tables would not fit beside the present ones`, neededBytes);
  }
  await makeDirectory(server, workDirectory);
  try {
    await stageAndPlace(server, { facts, items, found, stages, path: posix.join(directory, facts.file), workDirectory, waiting });
  } catch (error) {
    const ended = await server.endLeftovers([directory, workDirectory]).then(
      () => true,
      () => false,
    );
    await dropScratch(server).catch(() => undefined);
    // Whoever has lost the agent does not know whether its transaction has been committed; as long as its session lives, nobody does.
    if (ended) await dropUncommitted(server, selection.database).catch(() => undefined);
    throw error;
  } finally {
    await discardDirectory(server, workDirectory).catch(() => undefined);
  }
  const journal = await readJournal(server, selection.database, server.names.replaced);
  if (journal === null) throw new ModosuError('DATA_RESTORE_FAILED', 'The transaction that puts the objects in place left no trace.');
  return keptByJournal(server, selection.database, server.names.replaced, journal);
}

interface Work {
  readonly facts: DatabaseFacts;
  readonly items: ObjectItems;
  readonly found: Requirements;
  readonly stages: readonly Stage[];
  readonly path: string;
  readonly workDirectory: string;
  readonly waiting: Waiting;
}

async function stageAndPlace(server: DatabaseServer, { facts, items, found, stages, path, workDirectory, waiting }: Work): Promise<void> {
  const { signal } = waiting;
  const wanted = stages.flatMap(({ tables }) => tables);
  const totalBytes = wanted.reduce((sum, { bytes }) => sum + bytes, 0) * COPIES;
  let doneBytes = 0;
  const say = (): void => waiting.onProgress?.({ doneBytes, totalBytes });
  await proveReadable(server, path, facts.name, signal, say);
  const extensions = extensionsIn(
    facts,
    stages.filter(({ whole, action }) => whole && action === 'place').map(({ source }) => source),
  );
  const { path: staged, contents } = await stageFromScratch(server, { facts, found, path, workDirectory, stages, extensions, signal, onBeat: say });
  doneBytes = totalBytes / COPIES;
  // Beside, and where rows are only taken from it, nothing is to act or to be looked up by who it is for.
  const asleep = stages.filter(({ action }) => action !== 'place').map(({ schema }) => schema);
  const entries = withoutActing(await readToc(server, { path: staged, workDirectory, encoding: facts.encoding }), asleep);
  const role = await makePlainRole(server, facts.name);
  const options = ['--single-transaction', ...(role === null ? [] : [`--role=${role}`])];
  await loadDump(server, {
    path: staged,
    encoding: facts.encoding,
    into: facts.name,
    workDirectory,
    entries,
    pinned: [],
    options,
    settings: ['session_replication_role=replica'],
    signal,
    onBeat: say,
  });
  if (role !== null) await dropPlainRole(server, facts.name);
  const stageOf = new Map(stages.flatMap((stage) => stage.tables.map((table) => [rowsKey(table), stage.schema] as const)));
  const as = (table: TableFacts): { schema: string; name: string } => ({ schema: stageOf.get(rowsKey(table)) ?? '', name: table.name });
  const rows = await countRows(server, facts.name, { signal, onBeat: say, condition: `n.nspname IN (${literals(stages.map(({ schema }) => schema))})` });
  proveRows(wanted, rows, as);
  doneBytes = totalBytes;
  const script = await placingScript(server, { facts, items, found, stages, contents });
  signal.throwIfAborted();
  await carryOut(server, facts.name, script, posix.join(workDirectory, 'place.sql'), { signal, onBeat: say });
}

/** Runs a transaction that changes objects. Throws what its failure means: everything is as it was then. */
export async function carryOut(
  server: DatabaseServer,
  database: string,
  script: ChangeScript,
  file: string,
  options: { readonly signal: AbortSignal; readonly onBeat: () => void },
): Promise<void> {
  try {
    await server.attemptScript(database, script.text(), file, options);
  } catch (error) {
    if (!(error instanceof SqlFailure)) throw error;
    throw transactionFailure(error);
  }
}

/** Tables and schemas by where they come from and what becomes of them. The first that is put beside gets the plain name, which people are told. */
function stagesOf(server: DatabaseServer, facts: DatabaseFacts, { tables, schemas }: ObjectItems): readonly Stage[] {
  const stages: Omit<Stage, 'schema'>[] = schemas.map(({ schema, tables: own, action }) => ({ source: schema.name, action, whole: true, tables: own }));
  for (const action of ['beside', 'place', 'replace'] satisfies ObjectAction[]) {
    const chosen = tables.filter((item) => item.action === action).map(({ table }) => table);
    const wanted = withPartitions(facts.tables, chosen);
    // In the order in which they were named.
    for (const source of new Set([...chosen, ...wanted].map(({ schema }) => schema))) {
      stages.push({
        source,
        action,
        whole: false,
        tables: wanted.filter(({ schema }) => schema === source),
      });
    }
  }
  const ordered = [...stages.filter(({ action }) => action === 'beside'), ...stages.filter(({ action }) => action !== 'beside')];
  return ordered.map((stage, index) => ({ ...stage, schema: numbered(server.names.restored, index) }));
}

async function placingScript(
  server: DatabaseServer,
  { facts, items, found, stages, contents }: Pick<Work, 'facts' | 'items' | 'found' | 'stages'> & { readonly contents: readonly TocEntry[] },
): Promise<ChangeScript> {
  const script = new ChangeScript(server.names.replaced);
  if (stages[0] !== undefined) script.loadedBy(stages[0].schema);
  const placed = new Set<string>();
  for (const { source, schema, whole, tables, action } of stages) {
    if (action === 'beside') script.moveSchema(schema, schema, null);
    if (action !== 'place') continue;
    for (const table of tables) placed.add(rowsKey(table));
    if (whole) {
      script.moveSchema(schema, source, null);
      continue;
    }
    script.ensureSchema(source, facts.schemas.find((entry) => entry.name === source)?.owner ?? server.dataSet.user);
    for (const table of tables) script.moveTable({ schema, name: table.name }, table, null);
    script.dropEmptied(schema);
  }
  for (const stage of stages.filter(({ whole, action }) => action === 'place' && !whole)) {
    for (const table of stage.tables) {
      for (const parent of table.parents.filter((entry) => !placed.has(rowsKey(entry)))) script.attach(table, parent, table.bound);
    }
  }
  const replaced = items.tables.filter(({ action }) => action === 'replace').map(({ table }) => table);
  const taken = new Set<string>();
  for (const table of replaced) {
    const stage = stages.find(({ action, source }) => action === 'replace' && source === table.schema);
    script.replaceRows(table, { schema: stage?.schema ?? '', name: table.name }, uniqueName(table, taken));
  }
  if (replaced.length > 0) script.checkForeignKeys(await foreignKeysAt(server, facts.name, found.engine.major, withPartitions(facts.tables, replaced)));
  for (const { schema } of stages.filter(({ action }) => action === 'replace')) script.drop(schema);
  await fillViews(server, { facts, stages, contents }, script);
  for (const key of facts.foreignKeys) if (placed.has(rowsKey(key.table)) || placed.has(rowsKey(key.references))) script.addForeignKey(key);
  return script;
}

/** Materialized views came without their rows, which are made of tables that may not have been restored with them: they are made of what is there now. */
async function fillViews(
  server: DatabaseServer,
  { facts, stages, contents }: Pick<Work, 'facts' | 'stages'> & { readonly contents: readonly TocEntry[] },
  script: ChangeScript,
): Promise<void> {
  const whole = stages.filter((stage) => stage.whole);
  if (whole.length === 0) return;
  const sql = `SELECT jsonb_build_object('schema', n.nspname, 'name', c.relname, 'owner', pg_get_userbyid(c.relowner)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND n.nspname IN (${literals(whole.map(({ schema }) => schema))});`;
  const found = await server.query(facts.name, sql, record({ schema: name, name, owner: name }));
  const views = found.flatMap((view) =>
    whole.filter(({ schema }) => schema === view.schema).map(({ source, schema, action }) => ({ ...view, schema: source, stage: schema, action })),
  );
  for (const view of filledViews(contents, views)) {
    if (view.action === 'place') script.refresh(view);
    else script.note(`The materialized view ${tableNamed({ schema: view.stage, name: view.name })} holds no rows: REFRESH MATERIALIZED VIEW fills it.`);
  }
}

/** What an attempt has left whose transaction has not been committed; its sessions have ended. False: it has been, and nothing was dropped. Idempotent. */
export async function dropUncommitted(server: DatabaseServer, database: string): Promise<boolean> {
  if ((await readJournal(server, database, server.names.replaced)) !== null) return false;
  await dropStages(server, database);
  return true;
}

/** Staging schemas of an attempt that has not come to its end, and who has made them. Idempotent. */
async function dropStages(server: DatabaseServer, database: string): Promise<void> {
  const base = server.names.restored;
  const stages = await server.query(
    database,
    `SELECT to_jsonb(nspname) FROM pg_namespace WHERE nspname = ${literal(base)} OR nspname ~ ${literal(`^${base}_[0-9]+$`)};`,
    name,
  );
  const script = new Set(stages);
  for (const stage of script) await server.execute(database, `DROP SCHEMA IF EXISTS "${stage}" CASCADE;`, { timeoutMs: 600_000 });
  await dropPlainRole(server, database);
}
