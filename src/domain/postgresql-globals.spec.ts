import { makeRoles, parseGlobals } from './postgresql-globals';

const GLOBALS = String.raw`--
-- PostgreSQL database cluster dump
--
\restrict 1kJ3
SET standard_conforming_strings = on;
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 9 PASSWORD 'SCRAM-SHA-256$4096:x''y' VALID UNTIL '2030-01-01 00:00:00+00';
COMMENT ON ROLE app IS 'it''s; CREATE ROLE evil; --
\! rm -rf /';
CREATE ROLE "App 注文 ""x""";
ALTER ROLE "App 注文 ""x""" WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE readers;
ALTER ROLE readers WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
ALTER ROLE app SET search_path TO '$user', 'public';
ALTER ROLE app SET my.setting TO 'x';
ALTER ROLE app IN DATABASE shop SET work_mem TO '1MB';
GRANT readers TO app GRANTED BY postgres;
GRANT gone TO app WITH ADMIN OPTION GRANTED BY postgres;
GRANT readers TO postgres;
GRANT readers TO "App 注文 ""x""" WITH ADMIN OPTION, INHERIT FALSE, SET TRUE GRANTED BY postgres;
CREATE TABLESPACE small OWNER postgres LOCATION '/x';
\unrestrict 1kJ3
`;

describe('roles of a globals file', () => {
  it('are read with everything that makes them', () => {
    const { roles, memberships } = parseGlobals(GLOBALS);
    expect([...roles.keys()]).toEqual(['postgres', 'app', 'App 注文 "x"', 'readers']);
    expect(roles.get('app')).toMatchObject({
      connectionLimit: 9, password: "SCRAM-SHA-256$4096:x'y", validUntil: '2030-01-01 00:00:00+00', comment: "it's; CREATE ROLE evil; --\n\\! rm -rf /",
      settings: [{ name: ['search_path'], values: ['$user', 'public'] }, { name: ['my', 'setting'], values: ['x'] }],
    });
    expect(memberships).toHaveLength(4);
  });

  it('are made as they were, only those wanted, and never make an existing one more than it is', () => {
    const { sql, unknown, notes } = makeRoles(parseGlobals(GLOBALS), ['app', 'App 注文 "x"', 'nobody'], new Set(['postgres', 'readers']), 15);
    expect(sql.split('\n')).toEqual([
      'CREATE ROLE "app";',
      `ALTER ROLE "app" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 9 PASSWORD 'SCRAM-SHA-256$4096:x''y' VALID UNTIL '2030-01-01 00:00:00+00';`,
      "COMMENT ON ROLE \"app\" IS 'it''s; CREATE ROLE evil; --",
      "\\! rm -rf /';",
      `ALTER ROLE "app" SET "search_path" TO '$user', 'public';`,
      `ALTER ROLE "app" SET "my"."setting" TO 'x';`,
      'CREATE ROLE "App 注文 ""x""";',
      'ALTER ROLE "App 注文 ""x""" WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;',
      'GRANT "readers" TO "app";',
      'GRANT "readers" TO "App 注文 ""x""" WITH ADMIN OPTION;',
    ]);
    expect(unknown).toEqual(['nobody']);
    expect(notes).toEqual(['Role app is no member of gone, which does not exist here.']);
    expect(makeRoles(parseGlobals(GLOBALS), ['App 注文 "x"'], new Set(['readers']), 16).sql).toContain('WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;');
  });

  it.each([
    ['an attribute nobody knows', 'CREATE ROLE x; ALTER ROLE x WITH LOGIN EVERYTHING;'],
    ['something behind it', "CREATE ROLE x; ALTER ROLE x WITH LOGIN, SUPERUSER;"],
    ['a password that is none', 'CREATE ROLE x; ALTER ROLE x WITH PASSWORD md5;'],
    ['a setting without a text', 'CREATE ROLE x; ALTER ROLE x SET work_mem TO DEFAULT;'],
    ['more than its name', 'CREATE ROLE x SUPERUSER;'],
  ])('with %s are left out', (_what, sql) => expect(makeRoles(parseGlobals(sql), ['x'], new Set(), 15)).toEqual({ sql: '', unknown: ['x'], notes: [] }));
});
