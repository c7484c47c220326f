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
      connectionLimit: 9,
      password: "SCRAM-SHA-256$4096:x'y",
      validUntil: '2030-01-01 00:00:00+00',
      comment: "it's; CREATE ROLE evil; --\n\\! rm -rf /",
      settings: [
        { name: ['search_path'], values: ['$user', 'public'] },
        { name: ['my', 'setting'], values: ['x'] },
      ],
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

  it('are read whatever the case of words, and changed by each statement in its turn', () => {
    const { roles } =
      parseGlobals(`;; create role x; alter role X with login; alter role x with login connection limit 100 password 'p'; alter role x with login connection limit -1; alter role x with nologin; alter role x set a = 'b'; alter role x in database d set c to 'd';
      comment on role x is 'first'; comment on role x is null; comment on role x is; create role; comment on role x is 'a' 'b'; comment on role y is 'y'; ALTER ROLE y WITH SUPERUSER; CREATE ROLE "create"; -- CREATE ROLE no;
      COMMENT ON ROLE "create" 'c'; ALTER ROLE "create" SET "a b".c TO 'x', 'y';`);
    expect([...roles.values()]).toEqual([
      {
        name: 'x',
        attributes: ['NOLOGIN'],
        connectionLimit: -1,
        password: 'p',
        validUntil: null,
        comment: 'first',
        settings: [{ name: ['a'], values: ['b'] }],
      },
      {
        name: 'create',
        attributes: [],
        connectionLimit: null,
        password: null,
        validUntil: null,
        comment: null,
        settings: [{ name: ['a b', 'c'], values: ['x', 'y'] }],
      },
    ]);
  });

  it.each<[string, object | null]>([
    ['GRANT a TO b;', { admin: false, inherit: null, set: null }],
    ['GRANT "a" TO "b" GRANTED BY c;', { admin: false, inherit: null, set: null }],
    ['GRANT a TO b WITH ADMIN OPTION;', { admin: true }],
    ['GRANT a TO b WITH ADMIN TRUE;', { admin: true }],
    ['GRANT a TO b WITH ADMIN FALSE, INHERIT TRUE, SET FALSE;', { admin: false, inherit: true, set: false }],
    ['GRANT a TO b WITH INHERIT OPTION, SET OPTION GRANTED BY c;', { admin: false, inherit: true, set: true }],
    ['GRANT a TO b WITH INHERIT FALSE;', { inherit: false, set: null }],
    ['GRANT a TO b WITH EVERYTHING;', null],
    ['GRANT a TO b WITH;', null],
    ['GRANT a TO b WITH SET TRUE, ;', null],
    ['GRANT a TO;', null],
    ['GRANT a TO b, c;', null],
    ['GRANT a, c TO b;', null],
    ["GRANT 'a' TO b;", null],
    ["GRANT a TO 'b';", null],
    ['GRANT SELECT ON t TO b;', null],
    ['GRANT a TO b GRANTED BY c CASCADE;', null],
    ['GRANT a FROM b;', null],
  ])('are members as %s says', (sql, expected) => {
    const { memberships } = parseGlobals(sql);
    expect(memberships).toMatchObject(expected === null ? [] : [{ role: 'a', member: 'b', ...expected }]);
    expect(memberships).toHaveLength(expected === null ? 0 : 1);
  });

  it('are made with what they are members of, in the words of the version', () => {
    const saved = parseGlobals("CREATE ROLE x; COMMENT ON ROLE x IS 'c'; GRANT a TO x WITH ADMIN OPTION, INHERIT TRUE, SET FALSE; GRANT b TO x; GRANT a TO y;");
    const made = (version: number): readonly string[] =>
      makeRoles(saved, ['x'], new Set(['a', 'b']), version)
        .sql.split('\n')
        .slice(-2);
    expect(made(15)).toEqual(['GRANT "a" TO "x" WITH ADMIN OPTION;', 'GRANT "b" TO "x";']);
    expect(made(16)).toEqual(['GRANT "a" TO "x" WITH ADMIN TRUE, INHERIT TRUE, SET FALSE;', 'GRANT "b" TO "x";']);
    // A statement needs an attribute: one that makes nobody more than he was.
    expect(makeRoles(saved, ['x'], new Set(), 15)).toEqual({
      sql: 'CREATE ROLE "x";\nALTER ROLE "x" WITH NOSUPERUSER;\nCOMMENT ON ROLE "x" IS \'c\';',
      unknown: [],
      notes: ['Role x is no member of a, which does not exist here.', 'Role x is no member of b, which does not exist here.'],
    });
    expect(makeRoles(parseGlobals('CREATE ROLE x; CREATE ROLE y; GRANT x TO y;'), ['x', 'y'], new Set(), 15).sql).toContain('GRANT "x" TO "y";');
  });

  it.each([
    ['an attribute nobody knows', 'CREATE ROLE x; ALTER ROLE x WITH LOGIN EVERYTHING;'],
    ['something behind it', 'CREATE ROLE x; ALTER ROLE x WITH LOGIN, SUPERUSER;'],
    ['a password that is none', 'CREATE ROLE x; ALTER ROLE x WITH PASSWORD md5;'],
    ['a setting without a text', 'CREATE ROLE x; ALTER ROLE x SET work_mem TO DEFAULT;'],
    ['more than its name', 'CREATE ROLE x SUPERUSER;'],
    ['a limit that is no number', 'CREATE ROLE x; ALTER ROLE x WITH CONNECTION LIMIT many;'],
    ['a limit beyond all numbers', 'CREATE ROLE x; ALTER ROLE x WITH CONNECTION LIMIT 12345678901;'],
    ['a limit that is a text', "CREATE ROLE x; ALTER ROLE x WITH CONNECTION LIMIT '9';"],
    ['an end that is no text', 'CREATE ROLE x; ALTER ROLE x WITH VALID UNTIL infinity;'],
    ['an attribute in quotes', 'CREATE ROLE x; ALTER ROLE x WITH "LOGIN";'],
    ['an attribute that begins with one', 'CREATE ROLE x; ALTER ROLE x WITH LOGINS;'],
    ['an attribute that ends with one', 'CREATE ROLE x; ALTER ROLE x WITH XLOGIN;'],
    ['a statement of another form', 'CREATE ROLE x; ALTER ROLE x RENAME TO y;'],
    ['a setting without a name', "CREATE ROLE x; ALTER ROLE x SET 'a' TO 'b';"],
    ['half a name of a setting before a sign', "CREATE ROLE x; ALTER ROLE x SET a. = 'b';"],
    ['a sign that is a text', "CREATE ROLE x; ALTER ROLE x SET a '=' 'b';"],
    ['no password', 'CREATE ROLE x; ALTER ROLE x WITH PASSWORD;'],
    ['no end', 'CREATE ROLE x; ALTER ROLE x WITH VALID UNTIL;'],
    ['half a name of a setting', "CREATE ROLE x; ALTER ROLE x SET a. TO 'b';"],
    ['a setting that is given nothing', 'CREATE ROLE x; ALTER ROLE x SET a TO;'],
    ['a setting without its sign', "CREATE ROLE x; ALTER ROLE x SET a 'b';"],
    ['a list of settings with a hole', "CREATE ROLE x; ALTER ROLE x SET a TO 'b', , 'c';"],
    ['something behind a setting', "CREATE ROLE x; ALTER ROLE x SET a TO 'b' 'c';"],
    ['a statement that is understood behind one that is not', 'CREATE ROLE x; ALTER ROLE x WITH EVERYTHING; ALTER ROLE x WITH LOGIN;'],
    ['no end of its statement', 'CREATE ROLE x'],
    ['a name that is a text', "CREATE ROLE 'x';"],
    ['a name without its end', 'CREATE ROLE "x;'],
    ['words in quotes', '"CREATE" ROLE x;'],
    ['a comment before it', '-- CREATE ROLE x;'],
    ['a command of psql before it', '\\connect y; CREATE ROLE x;'],
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
      'CREATE ROLE "fresh";',
      `ALTER ROLE "fresh" WITH NOSUPERUSER LOGIN PASSWORD 'md5f';`,
      'CREATE ROLE "fresh team";',
      'ALTER ROLE "fresh team" WITH NOSUPERUSER NOLOGIN;',
      'GRANT "fresh team" TO "fresh";',
      `ALTER ROLE "postgres" WITH CREATEDB;`,
      'COMMENT ON ROLE "postgres" IS NULL;',
      'ALTER ROLE "postgres" RESET ALL;',
      `ALTER ROLE "app" WITH NOSUPERUSER LOGIN CONNECTION LIMIT -1 VALID UNTIL '2030-01-01' PASSWORD 'md5a';`,
      'COMMENT ON ROLE "app" IS NULL;',
      'ALTER ROLE "app" RESET ALL;',
      `ALTER ROLE "app" SET "work_mem" TO '2MB';`,
      `ALTER ROLE "team" WITH NOSUPERUSER NOLOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD NULL;`,
      'COMMENT ON ROLE "team" IS NULL;',
      'ALTER ROLE "team" RESET ALL;',
      'REVOKE "later" FROM "app" CASCADE;',
      'REVOKE ADMIN OPTION FOR "team" FROM "app" CASCADE;',
      'GRANT "team" TO "app";',
    ]);
    expect(unknown).toEqual([]);
    expect(notes).toEqual([
      'Role team is no member of gone, which does not exist here.',
      'The password of postgres, as whom this was done, stays as the image has it.',
      'Roles that the recovery point does not describe stay as they are: later.',
    ]);
    expect(sql).not.toMatch(/DROP ROLE|"other"/);
    expect(rolesAsSaved(parseGlobals(SAVED), [], present, 16).sql).toContain('REVOKE "later" FROM "app" GRANTED BY "postgres" CASCADE;');
  });

  it('groups of those that are there, and groups of groups, are there again', () => {
    const saved = parseGlobals(
      'CREATE ROLE app; ALTER ROLE app WITH NOLOGIN; CREATE ROLE above; CREATE ROLE top; CREATE ROLE beside; GRANT above TO app; GRANT top TO above; GRANT gone TO top; GRANT beside TO nobody;',
    );
    const { sql, notes } = rolesAsSaved(saved, [], { names: new Set(['app']), memberships: [], ours: new Set() }, 15);
    expect(sql.split('\n').filter((line) => /^(CREATE|GRANT)/.test(line))).toEqual([
      'CREATE ROLE "above";',
      'CREATE ROLE "top";',
      'GRANT "top" TO "above";',
      'GRANT "above" TO "app";',
    ]);
    expect(notes).toEqual(['Role top is no member of gone, which does not exist here.']);
    // Not of those that are neither there nor wanted, and cannot log in.
    expect(
      rolesAsSaved(
        parseGlobals('CREATE ROLE absent; CREATE ROLE above; GRANT above TO absent;'),
        [],
        { names: new Set(), memberships: [], ours: new Set() },
        15,
      ).sql,
    ).toBe('');
  });

  it('memberships are taken that were not saved, and the right to give them', () => {
    const saved = parseGlobals(
      'CREATE ROLE app; ALTER ROLE app WITH LOGIN; CREATE ROLE team; GRANT team TO app; GRANT team TO app WITH ADMIN OPTION; GRANT other TO app; GRANT team TO second; GRANT third TO second;',
    );
    const taken = (role: string, member: string, admin: boolean, version = 15): readonly string[] =>
      rolesAsSaved(
        saved,
        [],
        { names: new Set(['app', 'team', 'other', 'second']), memberships: [{ role, member, grantor: 'g', admin }], ours: new Set() },
        version,
      )
        .sql.split('\n')
        .filter((line) => !/^(ALTER|COMMENT|GRANT) /.test(line));
    expect(taken('team', 'app', true)).toEqual([]);
    expect(taken('other', 'app', false)).toEqual([]);
    expect(taken('other', 'app', true)).toEqual(['REVOKE ADMIN OPTION FOR "other" FROM "app" CASCADE;']);
    expect(taken('other', 'app', true, 16)).toEqual(['REVOKE ADMIN OPTION FOR "other" FROM "app" GRANTED BY "g" CASCADE;']);
    expect(taken('second', 'app', false)).toEqual(['REVOKE "second" FROM "app" CASCADE;']);
    // What another one is a member of, or was twice in two ways, says what it says.
    expect(taken('third', 'app', false)).toEqual(['REVOKE "third" FROM "app" CASCADE;']);
    // Not of a role that the recovery point does not describe.
    expect(taken('app', 'second', true)).toEqual([]);
  });

  it('one of ours keeps what opens its door, and nothing is said of it where nothing is left to say', () => {
    const of = (sql: string, names: readonly string[]): ReturnType<typeof rolesAsSaved> =>
      rolesAsSaved(parseGlobals(sql), [], { names: new Set(names), memberships: [], ours: new Set(['postgres']) }, 15);
    expect(of("CREATE ROLE postgres; ALTER ROLE postgres WITH NOSUPERUSER NOLOGIN CONNECTION LIMIT 0; COMMENT ON ROLE postgres IS 'c';", ['postgres'])).toEqual(
      { sql: 'COMMENT ON ROLE "postgres" IS \'c\';\nALTER ROLE "postgres" RESET ALL;', unknown: [], notes: [] },
    );
    expect(of('CREATE ROLE app; ALTER ROLE app WITH LOGIN CONNECTION LIMIT 0;', ['app']).sql).toContain("CONNECTION LIMIT 0 VALID UNTIL 'infinity';");
    expect(of('', ['postgres', 'pg_monitor', 'mypg_x', 'a', 'b', 'c', 'd']).notes).toEqual([
      'Roles that the recovery point does not describe stay as they are: postgres, mypg_x, a, b, c and 1 more.',
    ]);
    expect(of('', ['pg_monitor'])).toEqual({ sql: '', unknown: [], notes: [] });
  });

  it('a dump without any password takes none away', () => {
    expect(rolesAsSaved(parseGlobals('CREATE ROLE app; ALTER ROLE app WITH LOGIN;'), [], present, 15).sql).not.toContain('PASSWORD');
  });

  it('one that is needed and not described is asked for', () => {
    expect(rolesAsSaved(parseGlobals(SAVED), ['nobody', 'other'], present, 15)).toMatchObject({
      unknown: ['nobody'],
      sql: expect.stringContaining('CREATE ROLE "other";'),
    });
  });
});
