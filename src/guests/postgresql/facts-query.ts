/**
 * SQL that reads what a database is, for one major version of the engine. Every statement gives lines of JSON; names come with their schema (search_path is
 * empty).
 */

/** Ordinary and partitioned tables that no extension owns, as `c` in schema `n`. */
const TABLES = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')`;

const jsonArray = (value: string, from: string): string => `(SELECT coalesce(jsonb_agg(${value}), '[]') FROM ${from})`;
const rolesOf = (condition: string): string =>
  `SELECT pg_get_userbyid(s.refobjid) AS role FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid = d.oid AND (${condition})`;
const distinct = (query: string): string => jsonArray('r.role ORDER BY r.role', `(SELECT DISTINCT q.role FROM (${query}) AS q WHERE q.role IS NOT NULL) AS r`);

/** Columns of the table `c`. */
export const columnsOf = (major: number): string =>
  jsonArray(
    `jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull, 'generated', ${major >= 12 ? "a.attgenerated <> ''" : 'false'}, 'identity', ${major >= 10 ? "a.attidentity <> ''" : 'false'}) ORDER BY a.attnum`,
    'pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped',
  );

/**
 * `[schema, name, rows]` of every table, by schema and name; `condition` is about `c` and `n`. A table that others inherit from counts its own rows, a
 * partitioned one those of its partitions.
 */
export const rowsQuery = (condition = 'true'): string =>
  `SELECT format('SELECT jsonb_build_array(%L::text, %L::text, count(*)) FROM %s%I.%I', n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname)
FROM ${TABLES} AND (${condition}) ORDER BY n.nspname, c.relname \\gexec`;

/** `[schema, name, rows, new rows]` of every ordinary table; new ones were written by transactions that are younger than `moment`, a query for an age. */
export const newRowsQuery = (condition: string, moment: string): string =>
  `SELECT format('SELECT jsonb_build_array(%L::text, %L::text, count(*), count(*) FILTER (WHERE age(t.xmin) < (%s))) FROM ONLY %I.%I AS t', n.nspname, c.relname, '${moment.replaceAll("'", "''")}', n.nspname, c.relname)
FROM ${TABLES} AND c.relkind = 'r' AND (${condition}) ORDER BY n.nspname, c.relname \\gexec`;

const LOCK = "format('LOCK TABLE ONLY %I.%I IN ACCESS SHARE MODE;', n.nspname, c.relname)";

/** `locks`: statements that lock every table whose rows are counted. One that has just been dropped fails (42P01). */
export const locksQuery = (): string => `SELECT coalesce(string_agg(${LOCK}, ' ' ORDER BY n.nspname, c.relname), '') AS locks FROM ${TABLES}`;

/** The same for those that the asking session has not locked, a row each. */
export const MISSING_LOCKS = `SELECT ${LOCK} FROM ${TABLES}
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.relation = c.oid AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))`;

/** Statements that keep everybody from writing to some tables; `condition` is about `c` and `n`. */
export const lockWritersQuery = (condition: string): string =>
  `SELECT format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', n.nspname, c.relname) FROM ${TABLES} AND (${condition}) ORDER BY n.nspname, c.relname \\gexec`;

/** Notes into the table `journal` how many rows of each table come from other transactions than `own`, a query for their ids. */
export const writtenQuery = (condition: string, own: string, journal: string): string =>
  `SELECT format('INSERT INTO ${journal.replaceAll("'", "''").replaceAll('%', '%%')} (entry) SELECT jsonb_build_object(''op'', ''written'', ''table'', jsonb_build_object(''schema'', %L::text, ''name'', %L::text), ''rows'', count(*)) FROM ONLY %I.%I AS t WHERE t.xmin NOT IN (${own.replaceAll("'", "''").replaceAll('%', '%%')}) HAVING count(*) > 0', n.nspname, c.relname, n.nspname, c.relname)
FROM ${TABLES} AND c.relkind = 'r' AND (${condition}) ORDER BY n.nspname, c.relname \\gexec`;

/**
 * How many bytes the tables of a database hold, about what a dump of it needs: bytes are written as two digits each, and what is long of them lies in a table
 * of its own.
 */
export const DUMP_SIZE_QUERY = `SELECT to_jsonb(coalesce(sum(pg_table_size(c.oid)
  + CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.atttypid = 'pg_catalog.bytea'::regtype AND NOT a.attisdropped) THEN coalesce(pg_table_size(nullif(c.reltoastrelid, 0)), 0) ELSE 0 END), 0)::bigint)
FROM pg_class c WHERE c.relkind IN ('r', 'm') AND (c.oid >= 16384 OR c.relname = 'pg_largeobject');`;

/** One line per table: everything of `TableFacts` but its rows. */
export const tablesQuery = (major: number): string => `
SELECT jsonb_build_object('schema', n.nspname, 'name', c.relname, 'oid', c.oid::bigint, 'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' ELSE 'table' END,
  'bytes', CASE c.relkind WHEN 'p' THEN 0 ELSE pg_total_relation_size(c.oid) END, 'owner', pg_get_userbyid(c.relowner),
  'roles', ${distinct(`SELECT pg_get_userbyid(c.relowner) AS role UNION ALL ${rolesOf("s.classid = 'pg_class'::regclass AND s.objid = c.oid OR s.classid = 'pg_policy'::regclass AND s.objid IN (SELECT p.oid FROM pg_policy p WHERE p.polrelid = c.oid)")}`)},
  'columns', ${columnsOf(major)},
  'parents', ${jsonArray("jsonb_build_object('schema', pn.nspname, 'name', pc.relname) ORDER BY i.inhseqno", 'pg_inherits i JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE i.inhrelid = c.oid')},
  'bound', ${major >= 10 ? 'pg_get_expr(c.relpartbound, c.oid)' : 'NULL'})
FROM pg_database d, ${TABLES.replace(' WHERE ', ' WHERE d.datname = current_database() AND ')} ORDER BY n.nspname, c.relname;`;

/** One line per foreign key that is not part of a partitioned table's. */
export const foreignKeysQuery = (major: number, condition = 'true'): string => `
SELECT jsonb_build_object('table', jsonb_build_object('schema', n.nspname, 'name', c.relname), 'references', jsonb_build_object('schema', fn.nspname, 'name', f.relname), 'name', k.conname,
  'definition', pg_get_constraintdef(k.oid), 'validated', k.convalidated, 'comment', obj_description(k.oid, 'pg_constraint'))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f' AND ${major >= 11 ? 'k.conparentid = 0' : 'true'} AND n.nspname !~ '^pg_' AND (${condition}) ORDER BY n.nspname, c.relname, k.conname;`;

/** One line: everything of `DatabaseFacts` but its tables, foreign keys, file and size. */
export const databaseQuery = (major: number): string => {
  const locale = major >= 17 ? 'd.datlocale' : major >= 15 ? 'd.daticulocale' : 'NULL';
  const extensionOwned = "EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')";
  const inSchema = `s.classid = 'pg_namespace'::regclass AND s.objid = n.oid
    OR s.classid = 'pg_class'::regclass AND s.objid IN (SELECT o.oid FROM pg_class o WHERE o.relnamespace = n.oid)
    OR s.classid = 'pg_proc'::regclass AND s.objid IN (SELECT o.oid FROM pg_proc o WHERE o.pronamespace = n.oid)
    OR s.classid = 'pg_type'::regclass AND s.objid IN (SELECT o.oid FROM pg_type o WHERE o.typnamespace = n.oid)
    OR s.classid = 'pg_default_acl'::regclass AND s.objid IN (SELECT o.oid FROM pg_default_acl o WHERE o.defaclnamespace = n.oid)
    OR s.classid = 'pg_policy'::regclass AND s.objid IN (SELECT p.oid FROM pg_policy p JOIN pg_class o ON o.oid = p.polrelid WHERE o.relnamespace = n.oid)`;
  return `
SELECT jsonb_build_object('name', d.datname, 'owner', pg_get_userbyid(d.datdba), 'encoding', pg_encoding_to_char(d.encoding), 'collate', d.datcollate, 'ctype', d.datctype,
  'localeProvider', ${major >= 15 ? 'd.datlocprovider' : "'c'"}, 'icuLocale', ${locale}, 'icuRules', ${major >= 16 ? 'd.daticurules' : 'NULL'},
  'connectionLimit', d.datconnlimit, 'tablespace', t.spcname, 'comment', shobj_description(d.oid, 'pg_database'),
  'acl', CASE WHEN d.datacl IS NOT NULL THEN ${jsonArray("jsonb_build_object('grantee', CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END, 'grantor', pg_get_userbyid(a.grantor), 'privilege', a.privilege_type, 'grantable', a.is_grantable)", 'aclexplode(d.datacl) a')} END,
  'settings', ${jsonArray("jsonb_build_object('role', CASE s.setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END, 'setting', c) ORDER BY s.setrole, c", "pg_db_role_setting s, unnest(s.setconfig) AS c WHERE s.setdatabase = d.oid AND c NOT LIKE 'modosu.%'")},
  'extensions', ${jsonArray("jsonb_build_object('name', e.extname, 'version', e.extversion, 'schema', n.nspname) ORDER BY e.extname", 'pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace')},
  'tablespaces', ${jsonArray('x.spcname ORDER BY x.spcname', '(SELECT DISTINCT o.spcname FROM pg_class c JOIN pg_tablespace o ON o.oid = c.reltablespace WHERE c.relisshared = false) AS x')},
  'roles', ${distinct(`SELECT pg_get_userbyid(d.datdba) AS role
    UNION ALL ${rolesOf('true')}
    UNION ALL SELECT pg_get_userbyid(o.relowner) FROM pg_class o WHERE o.oid >= 16384
    UNION ALL SELECT pg_get_userbyid(s.refobjid) FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = d.oid
    UNION ALL SELECT pg_get_userbyid(s.setrole) FROM pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole <> 0`)},
  'schemas', ${jsonArray(`jsonb_build_object('name', n.nspname, 'owner', pg_get_userbyid(n.nspowner), 'roles', ${distinct(`SELECT pg_get_userbyid(n.nspowner) AS role UNION ALL ${rolesOf(inSchema)}`)}) ORDER BY n.nspname`, `pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT ${extensionOwned}`)})
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = current_database();`;
};
