import { columnOf, databaseFactsOf, presentOf, schemaItem, tableItem, tableOf } from '../../../test/support/database-facts';
import { keptObjectsGone, presenceFindings, replicationFindings, requirementFindings, structureFindings, wholeUndoFindings } from './findings';
import type { Requirements } from './requirements';
import type { ObjectItems } from './selection';

const ENGINE = { version: '15.18', major: 15, superuser: true };
const MET: Requirements = {
  engine: ENGINE,
  engineTooOld: false,
  roles: new Set(),
  missingRoles: [],
  missingExtensions: [],
  otherVersions: [],
  pinned: [],
  missingTablespaces: [],
};
const SHOP = databaseFactsOf({ name: 'sh\nop' });
const NOTHING: ObjectItems = { tables: [], schemas: [] };
const many = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `n${index}`);

describe('what a database needs of its server', () => {
  const findings = (changes: Partial<Requirements>, items: ObjectItems | null = null) =>
    requirementFindings({ ...MET, ...changes }, { engineVersion: '14.2' }, SHOP, items);
  const [engine] = findings({});

  it('is an engine that is not older', () => {
    expect(findings({})).toEqual([{ code: 'DATABASE_ENGINE', severity: 'ok', message: 'The dump is of PostgreSQL 14.2, the server is 15.18.', evidence: [] }]);
    expect(findings({ engineTooOld: true })).toEqual([
      {
        code: 'DATABASE_ENGINE_TOO_OLD',
        severity: 'block',
        message: 'The dump is of PostgreSQL 14.2, the server is 15.18: a dump cannot be loaded into an older major version.',
        remedy: 'Upgrade the database server, or choose an older recovery point.',
        evidence: [],
      },
    ]);
  });

  it('is a superuser', () =>
    expect(findings({ engine: { ...ENGINE, superuser: false } })).toEqual([
      engine,
      {
        code: 'DATABASE_NOT_SUPERUSER',
        severity: 'block',
        message: 'The user of the data set is no superuser of the database server.',
        remedy: 'Correct "user" of the data set.',
        evidence: [],
      },
    ]));

  it('are roles, which are made for a whole database', () =>
    expect(findings({ missingRoles: ['a\u001bb'] })).toEqual([
      engine,
      {
        code: 'ROLES_ARE_MADE',
        severity: 'warn',
        message: 'Roles that the database needs are missing: they are made as the recovery point says, with their passwords.',
        evidence: ['a b'],
      },
    ]));

  it('are for objects only the roles that they name, and nobody makes them', () => {
    const items = { tables: [tableItem(tableOf('public', 'orders', { roles: ['app', 'x\ny'] }), 'place')], schemas: [] };
    expect(findings({ missingRoles: ['other', 'x\ny'] }, items)).toEqual([
      engine,
      {
        code: 'DATABASE_ROLE_MISSING',
        severity: 'block',
        message: 'Roles that the selected objects belong or are granted to are missing.',
        remedy: 'Make them, then make a new plan.',
        evidence: ['x y'],
      },
    ]);
    expect(findings({ missingRoles: ['other'] }, items)).toEqual([engine]);
  });

  it('are extensions, in their version if it is to be had', () =>
    expect(findings({ missingExtensions: ['post\ngis'], otherVersions: [{ name: 'h\nstore', version: '1\n6', available: '1\n8' }] })).toEqual([
      engine,
      {
        code: 'DATABASE_EXTENSION_MISSING',
        severity: 'block',
        message: 'Extensions that sh op uses are not to be had in the guest.',
        remedy: 'Install their packages, then make a new plan.',
        evidence: ['post gis'],
      },
      {
        code: 'EXTENSION_VERSION_DIFFERS',
        severity: 'warn',
        message: 'Extensions are not to be had in the version of the recovery point: the present one is used.',
        evidence: ['h store 1 6 then, 1 8 now'],
      },
    ]));

  it('are tablespaces', () =>
    expect(findings({ missingTablespaces: ['fa\nst'] })).toEqual([
      engine,
      {
        code: 'DATABASE_TABLESPACE_MISSING',
        severity: 'block',
        message: 'Tablespaces are missing.',
        remedy: 'Make them, then make a new plan.',
        evidence: ['fa st'],
      },
    ]));

  it('is listed up to twenty', () => {
    const all = findings({
      missingRoles: many(21),
      missingExtensions: many(21),
      missingTablespaces: many(21),
      otherVersions: many(21).map((name) => ({ name, version: '1', available: '2' })),
    });
    expect(all.slice(1).map(({ evidence }) => [evidence.length, evidence[19]])).toEqual([
      [20, 'n19'],
      [20, 'n19'],
      [20, 'n19 1 then, 2 now'],
      [20, 'n19'],
    ]);
    const objects = { tables: [], schemas: [schemaItem('public', [], 'place', many(21))] };
    expect(findings({ missingRoles: many(21) }, objects)[1]?.evidence).toEqual(many(20));
  });
});

describe('a database that is not there', () => {
  it('is put in place as a whole', () =>
    expect(presenceFindings(SHOP, null, null)).toEqual([
      { code: 'DATABASE_ABSENT', severity: 'ok', message: 'The database sh op is not there: it is put in place.', evidence: [] },
    ]));

  it('cannot take tables or schemas', () =>
    expect(presenceFindings(SHOP, null, NOTHING)).toEqual([
      {
        code: 'DATABASE_NOT_FOUND',
        severity: 'block',
        message: 'The database sh op is not there: there is nothing that tables or schemas could be put into.',
        remedy: 'Restore the whole database.',
        evidence: [],
      },
    ]));
});

describe('a database that is there', () => {
  it.each([null, NOTHING])('may be left alone', (items) => expect(presenceFindings(SHOP, presentOf(), items)).toEqual([]));

  it.each([
    [null, 'warn'],
    [NOTHING, 'block'],
  ] as const)('may be closed', (items, severity) =>
    expect(presenceFindings(SHOP, presentOf({ allowsConnections: false }), items)).toEqual([
      {
        code: 'DATABASE_CLOSED',
        severity,
        message: 'The database sh op accepts no connections now.',
        remedy: 'ALTER DATABASE … ALLOW_CONNECTIONS true',
        evidence: [],
      },
    ]),
  );

  it.each([
    [null, 'block'],
    [NOTHING, 'warn'],
  ] as const)('may be held by prepared transactions', (items, severity) =>
    expect(presenceFindings(SHOP, presentOf({ prepared: ['of\nsomebody', ...many(20)] }), items)).toEqual([
      {
        code: 'DATABASE_IN_USE',
        severity,
        message: 'Prepared transactions hold the database.',
        remedy: 'COMMIT PREPARED or ROLLBACK PREPARED them.',
        evidence: ['of somebody', ...many(19)],
      },
    ]),
  );

  it('has sessions, which are ended when it is exchanged', () => {
    expect(presenceFindings(SHOP, presentOf({ sessions: 1 }), null)).toEqual([
      { code: 'DATABASE_SESSIONS', severity: 'warn', message: '1 session is ended when the databases are exchanged.', evidence: [] },
    ]);
    expect(presenceFindings(SHOP, presentOf({ sessions: 2 }), null).map(({ message }) => message)).toEqual([
      '2 sessions are ended when the databases are exchanged.',
    ]);
    expect(presenceFindings(SHOP, presentOf({ sessions: 2 }), NOTHING)).toEqual([]);
  });

  it('is told in this order: closed, held, in use', () =>
    expect(presenceFindings(SHOP, presentOf({ allowsConnections: false, prepared: ['p'], sessions: 1 }), null).map(({ code }) => code)).toEqual([
      'DATABASE_CLOSED',
      'DATABASE_IN_USE',
      'DATABASE_SESSIONS',
    ]));
});

describe('logical replication', () => {
  it('stays with the replaced database', () => {
    expect(replicationFindings({ slots: 0, subscriptions: 0 })).toEqual([]);
    const message = 'Logical replication stays with the replaced database: slots and subscriptions have to be made anew in the restored one.';
    expect(replicationFindings({ slots: 1, subscriptions: 0 })).toEqual([
      { code: 'REPLICATION_STAYS_BEHIND', severity: 'warn', message, evidence: ['1 logical slot', '0 subscriptions'] },
    ]);
    expect(replicationFindings({ slots: 0, subscriptions: 2 })).toHaveLength(1);
    expect(replicationFindings({ slots: 1, subscriptions: 1 })[0]?.evidence).toEqual(['1 logical slot', '1 subscription']);
    expect(replicationFindings({ slots: 2, subscriptions: 2 })[0]?.evidence).toEqual(['2 logical slots', '2 subscriptions']);
  });
});

describe('the columns of a table', () => {
  const orders = tableOf('pub\nlic', 'orders', { columns: [columnOf('a')] });
  const findings = (...tables: ObjectItems['tables']) => structureFindings({ tables, schemas: [] });
  const message = 'The columns of pub lic.orders are not what they were in the recovery point.';

  it('may be what they were, or nothing stands there', () =>
    expect(findings(tableItem(orders, 'replace'), tableItem(orders, 'beside'), tableItem(orders, 'place'))).toEqual([]));

  it('forbid that rows are replaced when they differ', () =>
    expect(findings(tableItem(orders, 'replace', { columns: [columnOf('a'), columnOf('mo\nre')] }))).toEqual([
      {
        code: 'DATABASE_STRUCTURE_DIFFERS',
        severity: 'block',
        message,
        remedy: 'Restore it beside (without --replace), compare, and copy what is needed.',
        evidence: ['+ mo re text'],
      },
    ]));

  it('may differ from those of what is put beside', () =>
    expect(findings(tableItem(orders, 'beside', { columns: [] }))).toEqual([{ code: 'COLUMNS_DIFFER', severity: 'ok', message, evidence: ['- a text'] }]));

  it('say nothing about what is no table now', () => {
    expect(findings(tableItem(orders, 'replace', { kind: 'v' }))[0]?.evidence).toEqual(['it is no table now']);
    expect(findings(tableItem(orders, 'replace', { kind: 'p', columns: [] }))[0]?.evidence).toEqual(['- a text']);
    expect(findings(tableItem({ ...orders, kind: 'partitioned' }, 'replace', { kind: 'r', columns: [] }))[0]?.evidence).toEqual(['- a text']);
  });

  it('are listed up to twenty', () => {
    const columns = many(21).map((name) => columnOf(name));
    expect(findings(tableItem({ ...orders, columns: [] }, 'replace', { columns }))[0]?.evidence).toEqual(many(20).map((name) => `+ ${name} text`));
  });
});

describe('undoing the restore of a whole database', () => {
  const kept = { database: 'shop', keptDatabase: 'replaced\n_1' };
  const there = (...databases: readonly ReturnType<typeof presentOf>[]) => new Map(databases.map((database) => [database.name, database]));

  it('may be possible', () => {
    expect(wholeUndoFindings(kept, there(presentOf(), presentOf({ name: 'replaced\n_1' })))).toEqual([]);
    expect(wholeUndoFindings({ database: 'shop', keptDatabase: null }, there(presentOf()))).toEqual([]);
    expect(wholeUndoFindings({ database: 'shop', keptDatabase: null }, there())).toEqual([]);
  });

  it('needs what was kept', () =>
    expect(wholeUndoFindings(kept, there(presentOf()))).toEqual([
      {
        code: 'DATABASE_NOT_FOUND',
        severity: 'block',
        message: 'The database replaced _1, which was kept, is not there any more: there is nothing to go back to.',
        evidence: [],
      },
    ]));

  it('is kept back by prepared transactions of either', () =>
    expect(wholeUndoFindings(kept, there(presentOf({ prepared: ['a\nb'] }), presentOf({ name: 'replaced\n_1', prepared: many(20) })))).toEqual([
      {
        code: 'DATABASE_IN_USE',
        severity: 'block',
        message: 'Prepared transactions hold the database.',
        remedy: 'COMMIT PREPARED or ROLLBACK PREPARED them.',
        evidence: ['a b', ...many(19)],
      },
    ]));

  it('ends the sessions of the live one', () => {
    const messages = (sessions: number): readonly string[] =>
      wholeUndoFindings(kept, there(presentOf({ sessions }), presentOf({ name: 'replaced\n_1', sessions: 7 }))).map(({ message }) => message);
    expect([messages(0), messages(1), messages(2)]).toEqual([
      [],
      ['1 session is ended when the databases are exchanged.'],
      ['2 sessions are ended when the databases are exchanged.'],
    ]);
  });

  it('is told in this order: gone, held, in use', () =>
    expect(wholeUndoFindings(kept, there(presentOf({ prepared: ['p'], sessions: 1 }))).map(({ code }) => code)).toEqual([
      'DATABASE_NOT_FOUND',
      'DATABASE_IN_USE',
      'DATABASE_SESSIONS',
    ]));
});

it('undoing the restore of objects needs what was kept of them', () =>
  expect(keptObjectsGone('sh\nop')).toEqual({
    code: 'DATABASE_NOT_FOUND',
    severity: 'block',
    message: 'What was kept in sh op is not there any more: there is nothing to go back to.',
    evidence: [],
  }));
