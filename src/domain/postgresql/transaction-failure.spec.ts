import { ERROR_CODES } from '../../contracts/error-codes';
import { transactionFailure } from './transaction-failure';

const LOCKS = 'Others hold locks on the tables; look at pg_locks and pg_stat_activity, and start again. Everything is as it was.';

describe('a transaction that has failed', () => {
  it.each([
    ['23503', 'DATABASE_ROWS_CONFLICT', ERROR_CODES.DATABASE_ROWS_CONFLICT.hint],
    ['23505', 'DATABASE_ROWS_CONFLICT', ERROR_CODES.DATABASE_ROWS_CONFLICT.hint],
    ['55P03', 'DATABASE_IN_USE', LOCKS],
    ['40P01', 'DATABASE_IN_USE', LOCKS],
    ['55006', 'DATABASE_IN_USE', LOCKS],
    ['42P01', 'DATABASE_STRUCTURE_DIFFERS', ERROR_CODES.DATABASE_STRUCTURE_DIFFERS.hint],
    ['42703', 'DATABASE_STRUCTURE_DIFFERS', ERROR_CODES.DATABASE_STRUCTURE_DIFFERS.hint],
    ['42804', 'DATABASE_STRUCTURE_DIFFERS', ERROR_CODES.DATABASE_STRUCTURE_DIFFERS.hint],
    ['42601', 'DATA_RESTORE_FAILED', ERROR_CODES.DATA_RESTORE_FAILED.hint],
    ['12323', 'DATA_RESTORE_FAILED', ERROR_CODES.DATA_RESTORE_FAILED.hint],
  ])('with %s means %s', (sqlState, code, hint) =>
    expect(transactionFailure({ sqlState, words: 'no' })).toMatchObject({
      code,
      message: 'Everything is as it was. The database server says: no',
      hint,
      context: { sqlState },
    }),
  );
});
