import type { ForeignKeyFacts, TableFacts, TableName } from '../../contracts/data';
import { JOURNAL_TABLE, type JournalEntry } from '../../domain/postgresql/journal';
import { identifier, literal, literals, qualified } from '../../domain/postgresql/sql';
import { tableNamed } from '../../domain/postgresql/words';
import { lockWritersQuery, writtenQuery } from './facts-query';

/** Longer waits for a table that others hold would hold up them in turn. */
const LOCK_TIMEOUT = '30s';

export type ForeignKey = Pick<ForeignKeyFacts, 'table' | 'references' | 'name' | 'definition' | 'comment'>;

/**
 * One transaction that changes objects of a database and keeps a journal of it, in a schema that it makes: where that schema is, the transaction has happened.
 * Triggers do not fire in it, of tables as of events: rows come back as they were, and nothing is to happen because of it a second time. So foreign keys are
 * checked by hand.
 */
export class ChangeScript {
  private readonly statements: string[] = [];
  private checks = 0;

  constructor(
    /** Also where replaced rows are kept. */
    private readonly journalSchema: string,
  ) {
    this.add(
      'BEGIN;',
      `SET LOCAL lock_timeout = ${literal(LOCK_TIMEOUT)};`,
      'SET LOCAL session_replication_role = replica;',
      `CREATE SCHEMA ${identifier(journalSchema)};`,
      `CREATE TABLE ${this.journalTable} (position integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY, entry jsonb NOT NULL);`,
    );
  }

  /** Puts a table into another schema, with its sequences, indexes and statistics. */
  moveTable(from: TableName, to: TableName, back: TableName | null): void {
    if (from.schema !== to.schema) this.add(`ALTER TABLE ${qualified(from)} SET SCHEMA ${identifier(to.schema)};`, statisticsFollow(to));
    this.journal({ op: 'table', now: bare(to), back: back === null ? null : bare(back) });
  }

  moveSchema(from: string, to: string, back: string | null): void {
    if (from !== to) this.add(`ALTER SCHEMA ${identifier(from)} RENAME TO ${identifier(to)};`);
    this.journal({ op: 'schema', now: to, back });
  }

  ensureSchema(schema: string, owner: string): void {
    this.add(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)} AUTHORIZATION ${identifier(owner)};`);
  }

  /** Nothing but what has been moved out of it was in it; if there is more, it stays. */
  dropEmptied(schema: string): void {
    this.add(
      guarded(`DROP SCHEMA ${identifier(schema)} RESTRICT`, this.noteSql(`Something is left in the schema ${schema}: `), ['dependent_objects_still_exist']),
    );
  }

  drop(schema: string): void {
    this.add(`DROP SCHEMA ${identifier(schema)} CASCADE;`);
  }

  /** Exchanges the rows of a table for those of another relation with the same columns. The present ones are kept under `keptName`. Sequences never go back. */
  replaceRows(table: TableName & Pick<TableFacts, 'kind' | 'columns'>, source: TableName, keptName: string): void {
    const kept = { schema: this.journalSchema, name: keptName };
    const only = table.kind === 'table' ? 'ONLY ' : '';
    const columns = table.columns
      .filter(({ generated }) => !generated)
      .map(({ name }) => identifier(name))
      .join(', ');
    this.add(
      `LOCK TABLE ${only}${qualified(table)} IN SHARE ROW EXCLUSIVE MODE;`,
      `CREATE TABLE ${qualified(kept)} AS SELECT * FROM ${only}${qualified(table)};`,
      `DELETE FROM ${only}${qualified(table)};`,
      `INSERT INTO ${qualified(table)} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${only}${qualified(source)};`,
      sequencesFollow(table, source),
    );
    this.journal({ op: 'rows', table: bare(table), kept });
  }

  /** Fails with a foreign key violation when one does not hold: making it a second time is the engine's own way of checking it. */
  checkForeignKeys(keys: readonly ForeignKey[]): void {
    for (const { table, definition } of keys) {
      this.checks += 1;
      const name = identifier(`modosu_check_${this.checks}`);
      this.add(`ALTER TABLE ${qualified(table)} ADD CONSTRAINT ${name} ${definition};`, `ALTER TABLE ${qualified(table)} DROP CONSTRAINT ${name};`);
    }
  }

  dropForeignKey({ table, references, name, definition, comment }: ForeignKey): void {
    this.add(`ALTER TABLE ${qualified(table)} DROP CONSTRAINT IF EXISTS ${identifier(name)};`);
    this.journal({ op: 'foreign-key', table: bare(table), name, definition, comment, references: bare(references) });
  }

  /** Makes a foreign key again where both tables are and it is not; for new rows only when the present ones contradict it. */
  addForeignKey({ table, references, name, definition, comment }: ForeignKey): void {
    const words = `foreign key ${name} of ${tableNamed(table)}`;
    const make = `ALTER TABLE ${qualified(table)} ADD CONSTRAINT ${identifier(name)} ${definition}`;
    const both = `to_regclass(${literal(qualified(table))}) IS NOT NULL AND to_regclass(${literal(qualified(references))}) IS NOT NULL`;
    const body = `BEGIN
  IF NOT (${both}) THEN
    ${this.noteSql(`The ${words} was left out: one of its tables is not there.`)};
  ELSIF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(${literal(qualified(table))}) AND conname = ${literal(name)}) THEN
    BEGIN
      EXECUTE ${literal(make)};
    EXCEPTION WHEN foreign_key_violation THEN
      EXECUTE ${literal(`${make} NOT VALID`)};
      ${this.noteSql(`The ${words} does not hold for all rows: it was made for new rows only (NOT VALID).`)};
    END;${comment === null ? '' : `\n    EXECUTE ${literal(`COMMENT ON CONSTRAINT ${identifier(name)} ON ${qualified(table)} IS ${literal(comment)}`)};`}
  END IF;
EXCEPTION WHEN ${NOT_POSSIBLE.join(' OR ')} THEN
  ${this.noteSql(`The ${words} could not be made again: `, true)};
END`;
    this.add(`DO ${literal(body)};`);
  }

  detach(table: TableName, parent: TableName, bound: string | null): void {
    this.add(
      bound === null
        ? `ALTER TABLE ${qualified(table)} NO INHERIT ${qualified(parent)};`
        : `ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(table)};`,
    );
    this.journal({ op: 'detached', table: bare(table), parent: bare(parent), bound });
  }

  attach(table: TableName, parent: TableName, bound: string | null): void {
    const make =
      bound === null
        ? `ALTER TABLE ${qualified(table)} INHERIT ${qualified(parent)}`
        : `ALTER TABLE ${qualified(parent)} ATTACH PARTITION ${qualified(table)} ${bound}`;
    this.add(
      guarded(make, this.noteSql(`The table ${tableNamed(table)} could not be attached to ${tableNamed(parent)}: `, true), [
        ...NOT_POSSIBLE,
        'check_violation',
        'duplicate_table',
      ]),
    );
  }

  /** Says which transaction has loaded what is put in place: `stage` is a schema that it has made. */
  loadedBy(stage: string): void {
    this.add(
      `INSERT INTO ${this.journalTable} (entry) SELECT jsonb_build_object('op', 'loaded', 'xid', n.xmin::text) FROM pg_namespace n WHERE n.nspname = ${literal(stage)};`,
    );
  }

  /**
   * Says where others have written since a transaction, whose journal is in `journalSchema`, had put in place what `loadedBy` had loaded, and keeps them from
   * it from now on. By the number of the transaction alone: one that is older may have written later. `condition` is about the table `c` in the schema `n`.
   */
  noteWritten(condition: string, { journalSchema, loadedBy }: { readonly journalSchema: string; readonly loadedBy: string }): void {
    const own = `SELECT ${literal(loadedBy)}::xid UNION ALL SELECT j.xmin FROM ${qualified({ schema: journalSchema, name: JOURNAL_TABLE })} j`;
    this.add(lockWritersQuery(condition), writtenQuery(condition, own, this.journalTable));
  }

  /** Drops schemas, the journal's own among them, unless others have written to what is in them (`noteWritten`) or something outside of them would go too. */
  dropUntouched(schemas: readonly string[]): void {
    const body = `DECLARE
  gone oid[] := ARRAY(SELECT oid FROM pg_namespace WHERE nspname IN (${literals(schemas)}, 'pg_toast'));
  outside bigint := ${OUTSIDE};
BEGIN
  DROP SCHEMA ${schemas.map(identifier).join(', ')} CASCADE;
  IF outside <> ${OUTSIDE} THEN
    RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist', MESSAGE = 'something outside hangs on it';
  END IF;
EXCEPTION WHEN dependent_objects_still_exist THEN
  ${this.noteSql('What was taken back was not dropped: ', true)};
END`;
    this.add(
      `SELECT NOT EXISTS (SELECT FROM ${this.journalTable} WHERE entry->>'op' = 'written') AS untouched \\gset`,
      '\\if :untouched',
      `DO ${literal(body)};`,
      '\\endif',
    );
  }

  /** Fills a materialized view. What keeps it from that is said, and keeps nothing else. */
  refresh(view: TableName): void {
    this.add(
      guarded(`REFRESH MATERIALIZED VIEW ${qualified(view)}`, this.noteSql(`The materialized view ${tableNamed(view)} could not be filled: `, true), [
        'OTHERS',
      ]),
    );
  }

  /** For people. */
  note(text: string): void {
    this.journal({ op: 'note', text });
  }

  /** The whole transaction. */
  text(): string {
    return [...this.statements, 'COMMIT;'].join('\n');
  }

  private get journalTable(): string {
    return `${identifier(this.journalSchema)}.${identifier(JOURNAL_TABLE)}`;
  }

  private journal(entry: JournalEntry): void {
    this.add(`INSERT INTO ${this.journalTable} (entry) VALUES (${literal(JSON.stringify(entry))});`);
  }

  /** For PL/pgSQL. */
  private noteSql(text: string, withReason = false): string {
    return `INSERT INTO ${this.journalTable} (entry) VALUES (jsonb_build_object('op', 'note', 'text', left(${literal(text)}${withReason ? ' || SQLERRM' : ''}, 2000)))`;
  }

  private add(...statements: readonly string[]): void {
    this.statements.push(...statements);
  }
}

/** How much there is outside of the schemas `gone`: what a cascade takes is missing from it. */
const OUTSIDE = `(SELECT count(*) FROM pg_attribute x JOIN pg_class c ON c.oid = x.attrelid WHERE NOT x.attisdropped AND c.relnamespace <> ALL (gone))
    + (SELECT count(*) FROM pg_proc WHERE pronamespace <> ALL (gone)) + (SELECT count(*) FROM pg_type WHERE typnamespace <> ALL (gone)) + (SELECT count(*) FROM pg_constraint WHERE connamespace <> ALL (gone))
    + (SELECT count(*) FROM pg_attrdef x JOIN pg_class c ON c.oid = x.adrelid WHERE c.relnamespace <> ALL (gone)) + (SELECT count(*) FROM pg_trigger x JOIN pg_class c ON c.oid = x.tgrelid WHERE c.relnamespace <> ALL (gone))
    + (SELECT count(*) FROM pg_policy x JOIN pg_class c ON c.oid = x.polrelid WHERE c.relnamespace <> ALL (gone)) + (SELECT count(*) FROM pg_rewrite x JOIN pg_class c ON c.oid = x.ev_class WHERE c.relnamespace <> ALL (gone))`;

/** A name alone, of whatever has one. */
const bare = ({ schema, name }: TableName): TableName => ({ schema, name });

const NOT_POSSIBLE = [
  'undefined_table',
  'undefined_column',
  'undefined_object',
  'undefined_function',
  'invalid_foreign_key',
  'datatype_mismatch',
  'feature_not_supported',
  'duplicate_object',
  'wrong_object_type',
  'invalid_object_definition',
  'invalid_table_definition',
  'object_not_in_prerequisite_state',
];

function guarded(statement: string, note: string, conditions: readonly string[]): string {
  return `DO ${literal(`BEGIN\n  EXECUTE ${literal(statement)};\nEXCEPTION WHEN ${conditions.join(' OR ')} THEN\n  ${note};\nEND`)};`;
}

/** Extended statistics belong to a table, and do not follow it by themselves. */
export const statisticsFollow = (
  table: TableName,
): string => `SELECT format('ALTER STATISTICS %I.%I SET SCHEMA %I', n.nspname, s.stxname, ${literal(table.schema)})
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = to_regclass(${literal(qualified(table))}) AND n.nspname <> ${literal(table.schema)} \\gexec`;

/** Sequences that both tables' columns own go on from where the further one is. */
const sequencesFollow = (table: TableName, source: TableName): string => `SELECT format('SELECT setval(%s, %s)', live.sequence::oid, restored.value)
FROM (${sequencesOf(table)}) AS live JOIN (${sequencesOf(source)}) AS restored USING (attname)
WHERE restored.value IS NOT NULL AND (live.value IS NULL OR (live.step > 0 AND restored.value > live.value) OR (live.step < 0 AND restored.value < live.value)) \\gexec`;

const sequencesOf = (table: TableName): string => `SELECT a.attname, d.objid AS sequence, s.seqincrement AS step, pg_sequence_last_value(d.objid) AS value
FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjid = to_regclass(${literal(qualified(table))})`;
