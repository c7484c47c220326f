import { makeRoles, parseGlobals, rolesAsSaved } from './globals';

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

describe('roles of a server that has come back from an older image', () => {
  const SAVED = `CREATE ROLE postgres;
ALTER ROLE postgres WITH NOSUPERUSER NOLOGIN CREATEDB CONNECTION LIMIT 0 PASSWORD 'md5p' VALID UNTIL '2020-01-01';
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'md5a' VALID UNTIL '2030-01-01';
CREATE ROLE team;
ALTER ROLE team WITH NOSUPERUSER NOLOGIN;
CREATE ROLE fresh;
ALTER ROLE fresh WITH NOSUPERUSER LOGIN PASSWORD 'md5f';
CREATE ROLE "fresh team";
ALTER ROLE "fresh team" WITH NOSUPERUSER NOLOGIN;
CREATE ROLE other;
ALTER ROLE other WITH NOSUPERUSER NOLOGIN;
ALTER ROLE app SET work_mem TO '2MB';
GRANT team TO app GRANTED BY postgres;
GRANT "fresh team" TO fresh GRANTED BY postgres;
GRANT gone TO team GRANTED BY postgres;
`;
  const present = {
    names: new Set(['postgres', 'app', 'team', 'later', 'pg_monitor']),
    ours: new Set(['postgres']),
    memberships: [
      { role: 'later', member: 'app', grantor: 'postgres', admin: false },
      { role: 'team', member: 'app', grantor: 'postgres', admin: true },
      { role: 'later', member: 'postgres', grantor: 'postgres', admin: false },
      { role: 'team', member: 'later', grantor: 'postgres', admin: false },
    ],
  };

  it('are what they were, what has been lost since is there again, and our own account keeps what it needs', () => {
    const { sql, unknown, notes } = rolesAsSaved(parseGlobals(SAVED), [], present, 15);
    expect(sql.split('\n')).toEqual([
      'CREATE ROLE "fresh";', `ALTER ROLE "fresh" WITH NOSUPERUSER LOGIN PASSWORD 'md5f';`,
      'CREATE ROLE "fresh team";', 'ALTER ROLE "fresh team" WITH NOSUPERUSER NOLOGIN;',
      'GRANT "fresh team" TO "fresh";',
      `ALTER ROLE "postgres" WITH CREATEDB;`, 'COMMENT ON ROLE "postgres" IS NULL;', 'ALTER ROLE "postgres" RESET ALL;',
      `ALTER ROLE "app" WITH NOSUPERUSER LOGIN CONNECTION LIMIT -1 VALID UNTIL '2030-01-01' PASSWORD 'md5a';`, 'COMMENT ON ROLE "app" IS NULL;', 'ALTER ROLE "app" RESET ALL;', `ALTER ROLE "app" SET "work_mem" TO '2MB';`,
      `ALTER ROLE "team" WITH NOSUPERUSER NOLOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD NULL;`, 'COMMENT ON ROLE "team" IS NULL;', 'ALTER ROLE "team" RESET ALL;',
      'REVOKE "later" FROM "app" CASCADE;', 'REVOKE ADMIN OPTION FOR "team" FROM "app" CASCADE;',
      'GRANT "team" TO "app";',
    ]);
    expect(unknown).toEqual([]);
    expect(notes).toEqual(['Role team is no member of gone, which does not exist here.', 'The password of postgres, as whom this was done, stays as the image has it.', 'Roles that the recovery point does not describe stay as they are: later.']);
    expect(sql).not.toMatch(/DROP ROLE|"other"/);
    expect(rolesAsSaved(parseGlobals(SAVED), [], present, 16).sql).toContain('REVOKE "later" FROM "app" GRANTED BY "postgres" CASCADE;');
  });

  it('a dump without any password takes none away', () => {
    expect(rolesAsSaved(parseGlobals('CREATE ROLE app; ALTER ROLE app WITH LOGIN;'), [], present, 15).sql).not.toContain('PASSWORD');
  });

  it('one that is needed and not described is asked for', () => {
    expect(rolesAsSaved(parseGlobals(SAVED), ['nobody', 'other'], present, 15)).toMatchObject({ unknown: ['nobody'], sql: expect.stringContaining('CREATE ROLE "other";') });
  });
});
