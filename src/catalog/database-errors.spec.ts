import { ModosuError } from '../contracts/errors';
import { databaseCode, mayBeTriedAgain, translateDatabaseError } from './database-errors';

const withCode = (code: string, message = 'text'): Error => Object.assign(new Error(message), { code });
/** TypeORM's wrapper around pg's error. */
const wrapped = (code: string): Error => Object.assign(new Error('query failed'), { driverError: withCode(code) });

describe('translateDatabaseError', () => {
  it.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    '57P01',
    '57P03',
    '57014',
    '08006',
    '53300',
    '53100',
    '28P01',
    '3D000',
    '25006',
    '55P03',
    '40P01',
    '40001',
  ])('%s: unavailable, retry later', (code) => {
    expect(translateDatabaseError(withCode(code))).toMatchObject({ code: 'CATALOG_UNAVAILABLE', retry: 'later', context: { sqlState: code } });
    expect(translateDatabaseError(wrapped(code)).code).toBe('CATALOG_UNAVAILABLE');
  });

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'timeout exceeded when trying to connect',
    'Client has encountered a connection error and is not queryable',
    'Cannot use a pool after calling end on the pool',
    'Query runner already released. Cannot run queries anymore.',
    'Database connection provided by a query runner was already released, cannot continue to use its querying methods anymore.',
  ])('"%s": unavailable, although there is no code', (message) => {
    expect(translateDatabaseError(new Error(message)).code).toBe('CATALOG_UNAVAILABLE');
  });

  it.each(['42P01', '42703', '42501'])('%s: the schema is outdated', (code) => {
    expect(translateDatabaseError(wrapped(code))).toMatchObject({ code: 'CATALOG_SCHEMA_OUTDATED', hint: 'Run `modosu migrate`.' });
  });

  it.each(['23505', '22P02', 'XX000', 'ERR_SOMETHING'])('%s: a fault of ours', (code) => {
    expect(translateDatabaseError(withCode(code)).code).toBe('INTERNAL');
  });

  it('looks into the addresses that were tried', () => {
    const error = new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNREFUSED')], '');
    expect(databaseCode(error)).toBe('ECONNREFUSED');
    expect(translateDatabaseError(error)).toMatchObject({ code: 'CATALOG_UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') });
  });

  it('leaves its own errors alone, and takes anything', () => {
    const own = new ModosuError('SERVER_BUSY', 'held');
    expect(translateDatabaseError(own)).toBe(own);
    expect(translateDatabaseError('text')).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('text') });
    expect(translateDatabaseError(undefined).code).toBe('INTERNAL');
  });

  it('tries deadlocks and serialization failures again, nothing else', () => {
    expect(['40001', '40P01', '57P01', '23505'].map((code) => mayBeTriedAgain(wrapped(code)))).toEqual([true, true, false, false]);
    expect(mayBeTriedAgain(new Error('text'))).toBe(false);
  });
});
