import { databaseFactsOf, schemaItem, tableItem, tableOf } from '../../../test/support/database-facts';
import { compareRequirements, refuseMissingRoles, refuseUnmet, type Requirements, type ServerHas } from './requirements';

const ENGINE = { version: '15.18', major: 15, superuser: true };
const HAS: ServerHas = { roles: ['o', 'app'], tablespaces: ['pg_default', 'fast'], extensions: [{ name: 'hstore', default: '1.8', versions: ['1.6', '1.8'] }] };
const hstore = (version: string) => ({ name: 'hstore', version, schema: 'public' });
const compared = (changes: Parameters<typeof databaseFactsOf>[0] = {}, engineMajor = 15): Requirements =>
  compareRequirements(ENGINE, HAS, { engineMajor }, databaseFactsOf(changes));
const met: Requirements = compared();
const thrown = (work: () => void): unknown => {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
};

describe('what a database needs of its server', () => {
  it('is there', () => {
    expect(compared({ extensions: [hstore('1.8')], tablespaces: ['fast'], roles: ['o', 'app'] })).toEqual({
      engine: ENGINE,
      engineTooOld: false,
      roles: new Set(['o', 'app']),
      missingRoles: [],
      missingExtensions: [],
      otherVersions: [],
      pinned: [],
      missingTablespaces: [],
    });
  });

  it.each([
    [14, false],
    [15, false],
    [16, true],
  ])('of PostgreSQL %i is a server of 15: too old is %s', (major, tooOld) => expect(compared({}, major).engineTooOld).toBe(tooOld));

  it('is missing, in the order of the recovery point', () => {
    const found = compared({
      roles: ['z', 'o', 'b'],
      extensions: [{ name: 'postgis', version: '3.4', schema: 'public' }],
      tablespace: 'gone',
      tablespaces: ['pg_default', 'gone', 'slow'],
    });
    expect(found).toMatchObject({
      missingRoles: ['z', 'b'],
      missingExtensions: ['postgis'],
      otherVersions: [],
      pinned: [],
      missingTablespaces: ['gone', 'slow'],
    });
  });

  it('is an extension in a version: asked for where it is to be had, the default where not', () => {
    expect(compared({ extensions: [hstore('1.6')] })).toMatchObject({ missingExtensions: [], otherVersions: [], pinned: [hstore('1.6')] });
    expect(compared({ extensions: [hstore('1.4')] })).toMatchObject({
      missingExtensions: [],
      otherVersions: [{ name: 'hstore', version: '1.4', available: '1.8' }],
      pinned: [],
    });
  });
});

describe('a load', () => {
  const refusal = (changes: Partial<Requirements>): unknown => thrown(() => refuseUnmet({ ...met, ...changes }, { engineVersion: '16.2' }, 'shop\n'));

  it('is not refused for roles or for versions of extensions', () => {
    expect(refusal({})).toBeNull();
    expect(refusal({ missingRoles: ['app'], otherVersions: [{ name: 'hstore', version: '1', available: '2' }] })).toBeNull();
  });

  it('is refused by an older server', () =>
    expect(refusal({ engineTooOld: true, missingExtensions: ['x'] })).toMatchObject({
      code: 'DATABASE_ENGINE_TOO_OLD',
      message: 'The dump of shop  is of PostgreSQL 16.2; the server in the guest is 15.18.',
    }));

  it('is refused without its extensions', () =>
    expect(refusal({ missingExtensions: ['post\u001bgis', 'b'], missingTablespaces: ['x'] })).toMatchObject({
      code: 'DATABASE_EXTENSION_MISSING',
      message: 'The guest has no package of post gis, b, which shop  uses.',
      context: { extensions: ['post gis', 'b'] },
    }));

  it('is refused without its tablespaces', () =>
    expect(refusal({ missingTablespaces: ['fa\nst', '2', '3', '4', '5', '6'] })).toMatchObject({
      code: 'DATABASE_TABLESPACE_MISSING',
      message: 'The database server has no tablespace fa st, 2, 3, 4, 5 and 1 more, which shop  uses.',
      context: { tablespaces: ['fa st', '2', '3', '4', '5', '6'] },
    }));
});

describe('objects', () => {
  const items = {
    tables: [tableItem(tableOf('public', 'orders', { roles: ['o', 'app', 'ap\np2'] }), 'place')],
    schemas: [schemaItem('audit', [], 'place', ['auditor'])],
  };

  it('are refused without a role that they name', () => {
    expect(thrown(() => refuseMissingRoles(items, { roles: new Set(['o', 'app']) }, { name: 'shop' }))).toMatchObject({
      code: 'DATABASE_ROLE_MISSING',
      message: 'The database server has no role ap p2, auditor, to which the selected objects of shop belong or are granted.',
      context: { roles: ['ap p2', 'auditor'] },
    });
  });

  it('are not refused for roles that others need', () =>
    expect(thrown(() => refuseMissingRoles(items, { roles: new Set(['o', 'app', 'ap\np2', 'auditor']) }, { name: 'shop' }))).toBeNull());

  it('name at most twenty missing roles', () => {
    const many = {
      tables: [],
      schemas: [
        schemaItem(
          'audit',
          [],
          'place',
          Array.from({ length: 25 }, (_, index) => `r${index}`),
        ),
      ],
    };
    expect(thrown(() => refuseMissingRoles(many, { roles: new Set() }, { name: 'shop' }))).toMatchObject({
      context: { roles: Array.from({ length: 20 }, (_, index) => `r${index}`) },
    });
  });
});
