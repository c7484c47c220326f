import type { PostgresqlFacts, TableFacts } from '../../contracts/data';
import { asFacts, columnDifferences, databaseOf, MAX_FACTS_BYTES, parseFacts, sameColumns } from './facts';
import { decide, fits, refuseMisfits, rolesOf, selected } from './selection';
import { filledViews, parseToc, tocForScratch, tocList, tocText, withoutActing, withPartitions } from './toc';

const column = (name: string, type = 'text') => ({ name, type, notNull: false, generated: false, identity: false });
const table = (schema: string, name: string, changes: Partial<TableFacts> = {}): TableFacts => ({
  schema,
  name,
  oid: 16_400,
  kind: 'table',
  rows: 3,
  bytes: 8192,
  owner: 'o',
  roles: ['o'],
  columns: [column('a')],
  parents: [],
  bound: null,
  ...changes,
});
const FACTS: PostgresqlFacts = {
  format: 'modosu-postgresql-facts',
  version: 1,
  engineVersion: '15.18',
  engineMajor: 15,
  takenAt: '2026-11-26T04:57:49.505Z',
  roles: ['o', 'postgres'],
  databases: [
    {
      name: 'shop',
      file: '0.dump',
      owner: 'o',
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      localeProvider: 'c',
      icuLocale: null,
      icuRules: null,
      connectionLimit: -1,
      tablespace: 'pg_default',
      acl: [{ grantee: null, grantor: 'o', privilege: 'CONNECT', grantable: false }],
      comment: null,
      settings: [{ role: null, setting: 'work_mem=1MB' }],
      extensions: [{ name: 'hstore', version: '1.6', schema: 'public' }],
      tablespaces: [],
      roles: ['o'],
      schemas: [
        { name: 'public', owner: 'o', roles: ['o'] },
        { name: 'audit', owner: 'o', roles: ['o', 'auditor'] },
      ],
      tables: [
        table('public', 'orders', { oid: 16_401, roles: ['o', 'app'] }),
        table('public', 'customers', { oid: 16_402 }),
        table('audit', 'log', { oid: 16_403 }),
        table('public', 'part', { oid: 16_404, kind: 'partitioned' }),
        table('other', 'part_1', { oid: 16_405, parents: [{ schema: 'public', name: 'part' }], bound: "FOR VALUES IN ('x')" }),
      ],
      foreignKeys: [
        {
          table: { schema: 'public', name: 'orders' },
          references: { schema: 'public', name: 'customers' },
          name: 'fk',
          definition: 'FOREIGN KEY (c) REFERENCES public.customers(id)',
          validated: true,
          comment: 'why',
        },
      ],
      sizeBytes: 100,
    },
  ],
};
const [SHOP] = FACTS.databases;
if (SHOP === undefined) throw new Error('no database');
const encoded = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const altered = (change: (copy: { databases: Record<string, unknown>[] } & Record<string, unknown>) => void): Uint8Array => {
  const copy = structuredClone(FACTS) as never;
  change(copy);
  return encoded(copy);
};

const [LETTER_O, QUOTE] = ['o', '"'].map((character) => character.charCodeAt(0));

describe('facts beside the dumps', () => {
  it('come out as they went in', () => expect(parseFacts(encoded(FACTS))).toEqual(FACTS));

  it.each([
    ['no JSON', new TextEncoder().encode('{')],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['another version', altered((facts) => (facts['version'] = 2))],
    ['a field nobody knows', altered((facts) => (facts['more'] = 1))],
    ['a file elsewhere', altered(({ databases }) => (databases[0]!['file'] = '../0.dump'))],
    ['two databases in one file', altered(({ databases }) => databases.push({ ...databases[0], name: 'second' }))],
    ['a database twice', altered(({ databases }) => databases.push({ ...databases[0], file: '1.dump' }))],
    ['a name that ends early', altered(({ databases }) => (databases[0]!['owner'] = 'a\0b'))],
    ['no name', altered(({ databases }) => (databases[0]!['owner'] = ''))],
    ['rows that are no number', altered(({ databases }) => ((databases[0]!['tables'] as { rows: unknown }[])[0]!.rows = '5'))],
    ['fewer than no rows', altered(({ databases }) => ((databases[0]!['tables'] as { rows: unknown }[])[0]!.rows = -1))],
    ...(
      [
        ['encoding', ['utf8', 'UTF 8', '', 'X'.repeat(33), 'x UTF8', 'UTF8; x']],
        ['collate', ['x'.repeat(256)]],
        ['ctype', ['x'.repeat(256)]],
        ['localeProvider', ['cc', '', 'C', 'xc', 'c ']],
        ['icuLocale', ['x'.repeat(256)]],
        ['icuRules', ['x'.repeat(100_001)]],
        ['connectionLimit', [-2, 2 ** 31, null]],
        ['tablespace', ['']],
        ['acl', [[{ grantee: null, grantor: 'o', privilege: 'ALL', grantable: false }]]],
        ['comment', ['x'.repeat(100_001)]],
        ['settings', [[{ role: '', setting: 'a=b' }]]],
        ['extensions', [[{ name: 'hstore', version: 'x'.repeat(256), schema: 'public' }]]],
        ['tablespaces', [['']]],
        ['roles', [['']]],
        ['schemas', [[{ name: '', owner: 'o', roles: [] }]]],
        ['sizeBytes', [-1]],
        ['file', ['.dump', '12345.dump', 'x1.dump', '1.dump.x', '1xdump']],
      ] as const
    ).flatMap(([field, values]) =>
      values.map((value): [string, Uint8Array] => [
        `${field} ${JSON.stringify(value).slice(0, 40)}`,
        altered(({ databases }) => (databases[0]![field] = value)),
      ]),
    ),
    ...(
      [
        ['oid', [0, 2 ** 32]],
        ['kind', ['view']],
        ['bytes', [-1]],
        ['owner', ['']],
        ['parents', [[{ schema: '', name: 'x' }]]],
        ['bound', ['DEFAULT x', 'x DEFAULT', 'for values', 'x FOR VALUES IN (1)']],
        ['columns', [[{ name: 'a', type: 'x'.repeat(1_001), notNull: false, generated: false, identity: false }]]],
      ] as const
    ).flatMap(([field, values]) =>
      values.map((value): [string, Uint8Array] => [
        `a table's ${field} ${JSON.stringify(value).slice(0, 40)}`,
        altered(({ databases }) => ((databases[0]!['tables'] as Record<string, unknown>[])[0]![field] = value)),
      ]),
    ),
    ...(
      [
        ['engineVersion', ['15.18; x', 'x15', '', '15.1.2.3', '15.18 ']],
        ['engineMajor', [8, 1000]],
        ['takenAt', ['2026-11-26', 'x2026-11-26T04:57:49Z', '2026-11-26T04:57:49Zx', '2026-11-26T04:57:49.Z']],
        ['roles', [['']]],
        ['format', ['other']],
      ] as const
    ).flatMap(([field, values]) =>
      values.map((value): [string, Uint8Array] => [`${field} ${JSON.stringify(value)}`, altered((facts) => (facts[field] = value))]),
    ),
    [
      'a foreign key that is something else',
      altered(({ databases }) => ((databases[0]!['foreignKeys'] as { definition: unknown }[])[0]!.definition = 'CHECK (true)')),
    ],
  ])('with %s are refused', (_what, bytes) => expect(() => parseFacts(bytes)).toThrow(expect.objectContaining({ code: 'DUMP_INCOMPLETE' })));

  it.each<[string, Uint8Array, string]>([
    ['what is no JSON', new TextEncoder().encode('{'), 'it is not JSON in UTF-8'],
    ['what is no UTF-8', encoded(FACTS).map((byte, index, all) => (byte === LETTER_O && all[index - 1] === QUOTE ? 0xff : byte)), 'it is not JSON in UTF-8'],
    ['another version', altered((facts) => (facts['version'] = 2)), 'facts.version is not a version this program reads'],
    ['a name twice', altered(({ databases }) => databases.push({ ...databases[0], file: '1.dump' })), 'facts.databases has a name twice'],
    ['a file twice', altered(({ databases }) => databases.push({ ...databases[0], name: 'second' })), 'facts.databases has a file twice'],
    ['a wrong field', altered(({ databases }) => (databases[0]!['owner'] = '')), 'facts.databases[0].owner is not a name'],
  ])('say what is wrong with them: %s', (_what, bytes, why) => expect(() => parseFacts(bytes)).toThrow(`The facts beside the dumps cannot be read: ${why}.`));

  it('may say all that their form allows', () => {
    const values = {
      encoding: 'SQL_ASCII',
      localeProvider: 'i',
      icuLocale: 'de',
      icuRules: '&a < b',
      connectionLimit: 2 ** 31 - 1,
      comment: 'c',
      acl: null,
      file: '1234.dump',
      tablespaces: ['fast'],
      roles: [],
    };
    expect(parseFacts(altered(({ databases }) => Object.assign(databases[0]!, values))).databases[0]).toMatchObject(values);
    for (const bound of ['DEFAULT', 'FOR VALUES FROM (1) TO (2)', null]) {
      expect(() => parseFacts(altered(({ databases }) => ((databases[0]!['tables'] as { bound: unknown }[])[0]!.bound = bound)))).not.toThrow();
    }
    for (const engineVersion of ['9', '9.6.24', '17beta1', '15.18', '18devel']) {
      expect(parseFacts(altered((facts) => (facts['engineVersion'] = engineVersion))).engineVersion).toBe(engineVersion);
    }
    for (const takenAt of ['2026-11-26T04:57:49Z', '2026-11-26T04:57:49.123456Z']) {
      expect(parseFacts(altered((facts) => (facts['takenAt'] = takenAt))).takenAt).toBe(takenAt);
    }
  });

  it('are read up to their limit, and hide no fault of ours', () => {
    const padded = (bytes: number): Uint8Array => Buffer.concat([encoded(FACTS), Buffer.alloc(bytes - encoded(FACTS).length, ' ')]);
    expect(parseFacts(padded(MAX_FACTS_BYTES))).toEqual(FACTS);
    expect(() => parseFacts(padded(MAX_FACTS_BYTES + 1))).toThrow('cannot be read: it has 16777217 bytes.');
    const fault = new TypeError('ours');
    expect(() =>
      asFacts(
        new Proxy(
          {},
          {
            ownKeys: () => {
              throw fault;
            },
          },
        ),
      ),
    ).toThrow(fault);
  });

  it('name at most ten of what they hold', () => {
    const all = { ...FACTS, databases: Array.from({ length: 11 }, (_, index) => ({ ...SHOP, name: `d${index}`, file: `${index}.dump` })) };
    expect(() => databaseOf(all, 'x'.repeat(70))).toThrow(
      expect.objectContaining({
        message: `The recovery point holds no database "${'x'.repeat(63)}…".`,
        hint: 'It holds: d0, d1, d2, d3, d4, d5, d6, d7, d8, d9.',
      }),
    );
  });

  it('forge no lines with the names of databases', () => {
    const all = { ...FACTS, databases: [{ ...SHOP, name: 'shop\n2026-01-01 restored\u202e' }] };
    expect(() => databaseOf(all, 'a\u001b[2Jb')).toThrow(
      expect.objectContaining({ message: 'The recovery point holds no database "a [2Jb".', hint: 'It holds: shop 2026-01-01 restored .' }),
    );
  });

  it('name what they hold for a database they do not hold', () => {
    expect(databaseOf(FACTS, 'shop')).toBe(FACTS.databases[0]);
    expect(() => databaseOf(FACTS, 'shops')).toThrow(expect.objectContaining({ code: 'DATA_NOT_IN_RECOVERY_POINT', hint: 'It holds: shop.' }));
  });
});

describe('columns', () => {
  it('are the same by name, type, order and what is demanded of them', () => {
    const [a, b] = [column('a'), column('b', 'integer')];
    expect(sameColumns([a, b], [{ ...a }, { ...b }])).toBe(true);
    for (const other of [
      [b, a],
      [a],
      [a, { ...b, type: 'bigint' }],
      [a, { ...b, notNull: true }],
      [a, { ...b, generated: true }],
      [a, { ...b, identity: true }],
    ]) {
      expect(sameColumns([a, b], other)).toBe(false);
      expect(columnDifferences([a, b], other).length).toBeGreaterThan(0);
    }
    expect(columnDifferences([a, b], [a, b])).toEqual([]);
    expect(columnDifferences([a, b], [b, a])).toEqual(['the order of the columns']);
    expect(columnDifferences([a, column('c')], [a, b])).toEqual(['- b integer', '+ c text']);
    expect(
      columnDifferences(
        [
          { ...a, notNull: true },
          { ...b, identity: true },
        ],
        [
          { ...a, generated: true },
          { ...b, notNull: true, generated: true, identity: true },
        ],
      ),
    ).toEqual(['- a text generated', '- b integer not null generated identity', '+ a text not null', '+ b integer identity']);
  });
});

describe('what a selection means', () => {
  const select = { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: false, replace: false } as const;
  const live = (schema: string, name: string, kind = 'r', columns = [column('a')]) => ({ schema, name, kind, columns });

  it('a name that is not there is answered with one that is near', () => {
    expect(() => selected(SHOP, { tables: [{ schema: 'public', name: 'order' }], schemas: [] })).toThrow(
      expect.objectContaining({ code: 'DATA_NOT_IN_RECOVERY_POINT', hint: 'It holds public.orders.' }),
    );
    expect(() => selected(SHOP, { tables: [], schemas: ['Audit'] })).toThrow(expect.objectContaining({ hint: 'It holds audit.' }));
    const two = { ...SHOP, schemas: SHOP.schemas.flatMap((schema) => [schema, { ...schema, name: `${schema.name}s` }]) };
    expect(() => selected(two, { tables: [], schemas: ['audi'] })).toThrow(expect.objectContaining({ hint: 'It holds audit, audits.' }));
    expect(() => selected(SHOP, { tables: [{ schema: 'x', name: 'completely-different' }], schemas: [] })).toThrow(
      expect.objectContaining({ hint: 'Choose what the recovery point holds, or another recovery point.' }),
    );
  });

  it('a name that is not there is told with what was looked for, and where', () => {
    expect(() => selected(SHOP, { tables: [{ schema: 'public', name: 'order' }], schemas: [] })).toThrow(
      expect.objectContaining({ message: 'The recovery point of shop holds no table public.order.', context: { near: ['public.orders'] } }),
    );
    expect(() => selected(SHOP, { tables: [], schemas: ['Audit\n'] })).toThrow(
      expect.objectContaining({ message: 'The recovery point of shop holds no schema Audit .', context: { near: ['audit'] } }),
    );
    // Not of a schema that has a table of this name.
    expect(() => selected(SHOP, { tables: [{ schema: 'audit', name: 'orders' }], schemas: [] })).toThrow(
      expect.objectContaining({ code: 'DATA_NOT_IN_RECOVERY_POINT' }),
    );
  });

  it('is each thing once, and no table that its schema brings', () => {
    const [orders, log] = [
      { schema: 'public', name: 'orders' },
      { schema: 'audit', name: 'log' },
    ];
    const found = selected(SHOP, { tables: [orders, { ...orders }, log], schemas: ['audit', 'audit'] });
    expect([found.tables.map(({ name }) => name), found.schemas.map(({ name }) => name)]).toEqual([['orders'], ['audit']]);
  });

  it('finds what stands there by schema and name', () => {
    const tables = [{ schema: 'public', name: 'orders' }];
    const [found] = decide(
      SHOP,
      { ...select, tables },
      { relations: [live('audit', 'orders'), live('public', 'log'), live('public', 'orders', 'v')], schemas: [] },
    ).tables;
    expect(found).toMatchObject({ live: { schema: 'public', name: 'orders', kind: 'v' }, action: 'beside' });
    expect(decide(SHOP, { ...select, tables }, { relations: [live('audit', 'orders')], schemas: [] }).tables).toMatchObject([{ live: null, action: 'place' }]);
  });

  it('a schema comes with its tables and roles, missing or not', () => {
    const [missing] = decide(SHOP, { ...select, schemas: ['audit'], replace: true }, { relations: [], schemas: ['public'] }).schemas;
    expect(missing).toMatchObject({ schema: { name: 'audit' }, action: 'place' });
    expect(missing?.tables.map(({ name }) => name)).toEqual(['log']);
    expect(rolesOf(decide(SHOP, { ...select, schemas: ['audit'] }, { relations: [], schemas: [] }))).toEqual(['o', 'auditor']);
    const both = decide(SHOP, { ...select, schemas: ['audit', 'public'], replace: true }, { relations: [], schemas: ['public'] });
    expect([both.schemas.map(({ schema }) => schema.name), both.tables.map(({ table: { name } }) => name)]).toEqual([
      ['audit'],
      ['orders', 'customers', 'part'],
    ]);
  });

  it('partitioned tables take the rows of partitioned tables alone', () => {
    const chosen = { ...select, tables: [{ schema: 'public', name: 'part' }], replace: true };
    for (const [kind, fit] of [
      ['p', true],
      ['r', false],
    ] as const) {
      expect(decide(SHOP, chosen, { relations: [live('public', 'part', kind)], schemas: [] }).tables.map(fits)).toEqual([fit]);
    }
    expect(decide(SHOP, chosen, { relations: [], schemas: [] }).tables.map(fits)).toEqual([false]);
  });

  it('misfits are named, five of them in the message', () => {
    const tables = Array.from({ length: 21 }, (_, index) => table('public', `t${index}`));
    const items = { tables: tables.map((one) => ({ table: one, live: live('public', one.name, 'v'), action: 'replace' as const })), schemas: [] };
    expect(() => refuseMisfits(items)).toThrow(
      expect.objectContaining({
        message: 'The columns of public.t0, public.t1, public.t2, public.t3, public.t4 are not what they were in the recovery point.',
        context: { tables: tables.slice(0, 20).map(({ name }) => `public.${name}`) },
      }),
    );
    expect(() => refuseMisfits({ tables: items.tables.map((item) => ({ ...item, action: 'beside' as const })), schemas: [] })).not.toThrow();
  });

  it('missing: in place; existing: beside, or its rows replaced', () => {
    const tables = [
      { schema: 'public', name: 'orders' },
      { schema: 'public', name: 'customers' },
    ];
    const now = { relations: [live('public', 'orders')], schemas: ['public'] };
    expect(decide(SHOP, { ...select, tables }, now).tables.map(({ action }) => action)).toEqual(['beside', 'place']);
    expect(decide(SHOP, { ...select, tables, replace: true }, now).tables.map(({ action }) => action)).toEqual(['replace', 'place']);
    expect(rolesOf(decide(SHOP, { ...select, tables }, now))).toEqual(['o', 'app']);
  });

  it('schemas: missing in place, existing beside, and with replace table by table', () => {
    expect(decide(SHOP, { ...select, schemas: ['audit'] }, { relations: [], schemas: ['public'] }).schemas.map(({ action }) => action)).toEqual(['place']);
    expect(decide(SHOP, { ...select, schemas: ['audit'] }, { relations: [], schemas: ['audit'] }).schemas.map(({ action }) => action)).toEqual(['beside']);
    const replaced = decide(SHOP, { ...select, schemas: ['audit'], replace: true }, { relations: [live('audit', 'log')], schemas: ['audit'] });
    expect([replaced.schemas, replaced.tables.map(({ table: { name }, action }) => [name, action])]).toEqual([[], [['log', 'replace']]]);
    // What the schema brings is not brought twice.
    expect(decide(SHOP, { ...select, schemas: ['audit'], tables: [{ schema: 'audit', name: 'log' }] }, { relations: [], schemas: [] }).tables).toEqual([]);
  });

  it('rows only take the place of rows of the same columns in a table', () => {
    const chosen = { ...select, tables: [{ schema: 'public', name: 'orders' }], replace: true };
    for (const relation of [live('public', 'orders', 'v'), live('public', 'orders', 'p'), live('public', 'orders', 'r', [column('b')])]) {
      const items = decide(SHOP, chosen, { relations: [relation], schemas: ['public'] });
      expect(items.tables.map(fits)).toEqual([false]);
      expect(() => refuseMisfits(items)).toThrow(expect.objectContaining({ code: 'DATABASE_STRUCTURE_DIFFERS' }));
    }
    expect(() => refuseMisfits(decide(SHOP, chosen, { relations: [live('public', 'orders')], schemas: ['public'] }))).not.toThrow();
  });

  it('partitions go with their table', () => {
    expect(withPartitions(SHOP.tables, [{ schema: 'public', name: 'part' }]).map(({ name }) => name)).toEqual(['part', 'part_1']);
    expect(
      decide(SHOP, { ...select, tables: [{ schema: 'other', name: 'part_1' }] }, { relations: [], schemas: [] }).tables.map((item) => item.table.name),
    ).toEqual(['part_1']);
    expect(
      decide(
        SHOP,
        {
          ...select,
          tables: [
            { schema: 'other', name: 'part_1' },
            { schema: 'public', name: 'part' },
          ],
        },
        { relations: [], schemas: [] },
      ).tables.map((item) => item.table.name),
    ).toEqual(['part']);
  });
});

describe('a table of contents', () => {
  const listing = `;
; Archive created at 2026-11-26
;     TOC Entries: 12
5; 2615 16388 SCHEMA - audit o
215; 1259 16402 TABLE public customers o
216; 1259 16401 TABLE DATA orders o
3350; 0 16401 TABLE DATA public orders o
3351; 0 16402 TABLE DATA public customers o
3352; 0 16403 TABLE DATA audit log o
3353; 0 0 MATERIALIZED VIEW DATA public m o
3360; 2606 16410 FK CONSTRAINT public orders fk o
3361; 0 0 COMMENT public CONSTRAINT fk ON orders o
3362; 0 0 COMMENT public CONSTRAINT other ON orders o
3363; 3466 16411 EVENT TRIGGER - guard o
3364; 0 0 COMMENT - EVENT TRIGGER guard o
3365; 6100 16412 SUBSCRIPTION - sub o
no entry
`;
  it('of a scratch database: all structure, some rows, no foreign keys, nothing that acts', () => {
    const entries = parseToc(listing);
    expect(entries).toHaveLength(13);
    // A table in a schema called DATA is structure.
    expect(tocForScratch(entries, SHOP, [{ oid: 16_401 }]).map(({ id }) => id)).toEqual([5, 215, 216, 3350, 3362]);
    expect(tocList(entries.slice(0, 2))).toBe('5;\n215;\n');
  });

  it('without what acts in a schema, and without what is said about that', () => {
    const entries = parseToc(`1; 2620 9 TRIGGER stage orders refuses o
2; 0 0 COMMENT stage TRIGGER refuses ON orders o
3; 3256 9 POLICY stage orders mine o
4; 0 0 COMMENT stage POLICY mine ON orders o
5; 2618 9 RULE stage orders r o
6; 0 0 COMMENT stage RULE r ON orders o
7; 0 0 COMMENT stage TABLE orders o
8; 0 0 COMMENT stage COLUMN orders.id o
9; 0 0 COMMENT stage_2 TRIGGER refuses ON orders o
10; 2618 9 RULE stage totals _RETURN o
`);
    // A view that hangs on a primary key is told as a rule of an empty one.
    expect(withoutActing(entries, ['stage']).map(({ id }) => id)).toEqual([7, 8, 9, 10]);
    expect(withoutActing(entries, [])).toEqual(entries);
  });

  it('tells which materialized views held rows, in the order in which they can be filled', () => {
    const entries = parseToc(`1; 1259 7 MATERIALIZED VIEW s a o
2; 0 8 MATERIALIZED VIEW DATA s z of a line o
3; 0 7 MATERIALIZED VIEW DATA s a o
`);
    const views = ['a', 'z of\na line', 'unfilled'].map((name) => ({ schema: 's', name, owner: 'o' }));
    expect(filledViews(entries, views).map(({ name }) => name)).toEqual(['z of\na line', 'a']);
  });

  it('is read in the encoding of its database', () => {
    expect(tocText(Uint8Array.of(0x67, 0x72, 0xfc, 0x6e), 'LATIN1')).toBe('grün');
    expect(tocText(Uint8Array.of(0xc3, 0xed, 0xca, 0xb8), 'EUC_JP')).toBe('注文');
    expect(tocText(new TextEncoder().encode('注文'), 'UTF8')).toBe('注文');
    expect(tocText(Uint8Array.of(0x61, 0xfc), 'SQL_ASCII')).toBe('a\ufffd');
    // All that a database can be in: whatever it is, letters of ASCII are read.
    const numbered = [...Array(10).keys()]
      .map((n) => `LATIN${n + 1}`)
      .concat(
        [5, 6, 7, 8].map((n) => `ISO_8859_${n}`),
        [1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 866, 874].map((n) => `WIN${n}`),
      );
    for (const encoding of [...numbered, 'EUC_CN', 'EUC_JP', 'EUC_JIS_2004', 'EUC_KR', 'EUC_TW', 'KOI8R', 'KOI8U', 'MULE_INTERNAL', 'SQL_ASCII', 'UTF8']) {
      expect([encoding, tocText(new TextEncoder().encode('a TABLE'), encoding)]).toEqual([encoding, 'a TABLE']);
    }
  });
});
