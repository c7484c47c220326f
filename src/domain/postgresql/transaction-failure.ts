import type { ErrorCode } from '../../contracts/error-codes';
import { ModosuError } from '../../contracts/errors';

/**
 * What it means for people that the transaction which puts objects in place has failed. Nothing of it has happened. `words`: the server's own, fit for
 * messages.
 */
export function transactionFailure({ sqlState, words }: { readonly sqlState: string; readonly words: string }): ModosuError {
  const code = meaningOf(sqlState);
  const hint =
    code === 'DATABASE_IN_USE'
      ? { hint: 'Others hold locks on the tables; look at pg_locks and pg_stat_activity, and start again. Everything is as it was.' }
      : {};
  return new ModosuError(code, `Everything is as it was. The database server says: ${words}`, { context: { sqlState }, ...hint });
}

function meaningOf(sqlState: string): ErrorCode {
  // Integrity constraints.
  if (sqlState.startsWith('23')) return 'DATABASE_ROWS_CONFLICT';
  return MEANINGS.get(sqlState) ?? 'DATA_RESTORE_FAILED';
}

const MEANINGS: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  // A lock that was not to be had, a deadlock, an object in use.
  ['55P03', 'DATABASE_IN_USE'],
  ['40P01', 'DATABASE_IN_USE'],
  ['55006', 'DATABASE_IN_USE'],
  // No such table, no such column, another type.
  ['42P01', 'DATABASE_STRUCTURE_DIFFERS'],
  ['42703', 'DATABASE_STRUCTURE_DIFFERS'],
  ['42804', 'DATABASE_STRUCTURE_DIFFERS'],
]);
