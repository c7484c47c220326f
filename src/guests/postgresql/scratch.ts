import { posix } from 'node:path';
import type { DatabaseFacts, TableFacts } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { rowsKey } from '../../domain/postgresql/names';
import { proveRows } from '../../domain/postgresql/proof';
import type { Requirements } from '../../domain/postgresql/requirements';
import type { ObjectAction } from '../../domain/postgresql/selection';
import { tocForScratch, type TocEntry } from '../../domain/postgresql/toc';
import { identifier, literal, pattern, qualified } from '../../domain/postgresql/sql';
import { words } from '../../domain/postgresql/words';
import { statisticsFollow } from './change-script';
import { createDatabase, dropDatabase } from './databases';
import type { DatabaseServer } from './database-server';
import { countRows } from './dump';
import { loadDump, readToc } from './load';

/** Where the objects of one schema, which have the same fate, lie until they are put in place. */
export interface Stage {
  /** The schema they come from. */
  readonly source: string;
  /** Its name meanwhile, in the scratch database and then in the live one. */
  readonly schema: string;
  readonly action: ObjectAction;
  /** The whole schema, or some of its tables. */
  readonly whole: boolean;
  readonly tables: readonly TableFacts[];
}

export interface Scratch {
  readonly facts: DatabaseFacts;
  readonly found: Requirements;
  readonly path: string;
  readonly workDirectory: string;
  readonly stages: readonly Stage[];
  /** Extensions that go with the staged schemas. */
  readonly extensions: readonly string[];
  readonly signal: AbortSignal;
  readonly onBeat: () => Promise<void> | void;
}

/**
 * Loads the structure of a whole dump and the rows of the staged tables into a database of its own, and dumps from it what is staged. Returns the path of that
 * dump, and the whole dump's contents; nothing else is left.
 */
export async function stageFromScratch(server: DatabaseServer, scratch: Scratch): Promise<{ readonly path: string; readonly contents: readonly TocEntry[] }> {
  const { facts, found, path, workDirectory, stages, signal, onBeat } = scratch;
  const database = server.names.scratch;
  await makePlaceholders(server, found.missingRoles, scratch);
  await createDatabase(server, database, facts, { owner: null, tablespace: null });
  const wanted = stages.flatMap(({ tables }) => tables);
  const contents = await readToc(server, { path, workDirectory, encoding: facts.encoding });
  const entries = tocForScratch(contents, facts, wanted);
  await loadDump(server, { path, encoding: facts.encoding, into: database, workDirectory, entries, pinned: found.pinned, signal, onBeat });
  await proveRowsOf(server, database, wanted, { signal, onBeat });
  await server.executeScript(
    database,
    ['BEGIN;', ...stages.flatMap((stage) => stagingSql(stage, stages, facts)), 'COMMIT;'].join('\n'),
    posix.join(workDirectory, 'stage.sql'),
    { signal, onBeat },
  );
  const staged = posix.join(workDirectory, 'staged.dump');
  const which = [...stages.flatMap(({ schema }) => ['-n', pattern(schema)]), ...scratch.extensions.flatMap((extension) => ['-e', pattern(extension)])];
  const result = await server.programs.runLong(server.argv('pg_dump', database, '-Fc', '-Z0', '-f', staged, ...which), {
    env: server.envOfDump(),
    signal,
    onBeat,
  });
  if (result.exitCode !== 0) {
    await server.refuseKnown('pg_dump', result);
    throw new ModosuError('DATA_RESTORE_FAILED', `What is restored could not be taken from the scratch database: ${words(result.stderr)}`);
  }
  await dropScratch(server);
  return { path: staged, contents };
}

/** Takes tables out of parents that stay behind, and puts them into the stage. */
function stagingSql({ source, schema, whole, tables, action }: Stage, stages: readonly Stage[], facts: DatabaseFacts): readonly string[] {
  if (whole) {
    const renamed = `ALTER SCHEMA ${identifier(source)} RENAME TO ${identifier(schema)};`;
    // Where the schema exists, its extensions do too, under its name: what is beside it has to speak of those.
    const extensions = action === 'place' ? [] : extensionsIn(facts, [source]);
    return extensions.length === 0
      ? [renamed]
      : [
          renamed,
          `CREATE SCHEMA ${identifier(source)};`,
          ...extensions.map((extension) => `ALTER EXTENSION ${identifier(extension)} SET SCHEMA ${identifier(source)};`),
        ];
  }
  const together = new Set(stages.flatMap((stage) => stage.tables).map(rowsKey));
  return [
    `CREATE SCHEMA ${identifier(schema)};`,
    ...tables.flatMap((table) =>
      table.parents
        .filter((parent) => !together.has(rowsKey(parent)))
        .map((parent) =>
          table.bound === null
            ? `ALTER TABLE ${qualified(table)} NO INHERIT ${qualified(parent)};`
            : `ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(table)};`,
        ),
    ),
    ...tables.flatMap((table) => [`ALTER TABLE ${qualified(table)} SET SCHEMA ${identifier(schema)};`, statisticsFollow({ schema, name: table.name })]),
  ];
}

/** Rows of tables that are where the recovery point has them. Throws `DUMP_INCOMPLETE`. */
async function proveRowsOf(
  server: DatabaseServer,
  database: string,
  tables: readonly TableFacts[],
  { signal, onBeat }: Pick<Scratch, 'signal' | 'onBeat'>,
): Promise<void> {
  proveRows(tables, await countRows(server, database, { signal, onBeat: () => void onBeat() }));
}

/**
 * The dump names roles that nothing selected needs and that exist no more: they are made for the time of the scratch database, without any right, and told by
 * their comment.
 */
async function makePlaceholders(server: DatabaseServer, roles: readonly string[], { workDirectory, signal, onBeat }: Scratch): Promise<void> {
  if (roles.length === 0) return;
  const made = roles.flatMap((role) => [
    `CREATE ROLE ${identifier(role)} NOLOGIN;`,
    `COMMENT ON ROLE ${identifier(role)} IS ${literal(server.names.application)};`,
  ]);
  await server.executeScript(await server.maintenanceDatabase(), ['BEGIN;', ...made, 'COMMIT;'].join('\n'), posix.join(workDirectory, 'placeholders.sql'), {
    signal,
    onBeat,
  });
}

/** Idempotent. */
export async function dropScratch(server: DatabaseServer): Promise<void> {
  await dropDatabase(server, server.names.scratch);
  const sql = `SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = ${literal(server.names.application)} \\gexec`;
  await server.execute(await server.maintenanceDatabase(), sql);
}

/** Extensions of the recovery point that go with a schema. */
export const extensionsIn = (facts: DatabaseFacts, schemas: readonly string[]): readonly string[] =>
  facts.extensions.filter(({ schema }) => schemas.includes(schema)).map(({ name }) => name);
