import { isModosuError, ModosuError, type ErrorContext } from '../contracts/errors';

/** What went wrong in PostgreSQL or on the way to it, as the one error type of Modosu. */

const NETWORK_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT']);

/**
 * Of whole classes: 08 connection, 53 resources (disk full, too many connections), 57 operator (shutting down, starting up, cancelled by a time-out), 58
 * system.
 */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '57', '58']);
/** Not in a class of those: wrong password, unknown role, unknown database, a standby that takes no writes, lock time-out, idle in transaction. */
const UNAVAILABLE_STATES = new Set(['28P01', '28000', '3D000', '25006', '55P03', '25P03']);
/** Unknown table, column, sequence or schema; missing right (rights are given by the migration command as well). */
const OUTDATED_STATES = new Set(['42P01', '42703', '3F000', '42883', '42501']);
const RETRYABLE_STATES = new Set(['40001', '40P01']);

/** Texts of pg, its pool and TypeORM (whose query runner is "released" when its connection breaks in mid-transaction); they give no code. */
const LOST_CONNECTION =
  /Query runner (?:was )?already released|Connection terminated|connection error and is not queryable|timeout exceeded when trying to connect|timeout expired|after calling end on the pool|Client was closed|Driver not Connected|Query read timeout/i;

/** SQLSTATE or system error code of a thrown value, looking through TypeORM's wrapper and Node's aggregate of addresses tried. */
export function databaseCode(thrown: unknown): string | null {
  for (const candidate of [thrown, property(thrown, 'driverError'), ...asList(property(thrown, 'errors'))]) {
    const code = property(candidate, 'code');
    if (typeof code === 'string') return code;
  }
  return null;
}

/** A deadlock or a serialization failure: PostgreSQL has undone everything, and the same transaction may work the next time. */
export const mayBeTriedAgain = (thrown: unknown): boolean => RETRYABLE_STATES.has(databaseCode(thrown) ?? '');

/** `CATALOG_UNAVAILABLE`, `CATALOG_SCHEMA_OUTDATED` or `INTERNAL`; a `ModosuError` passes unchanged. Never has a connection URL in it. */
export function translateDatabaseError(thrown: unknown): ModosuError {
  if (isModosuError(thrown)) return thrown;
  const code = databaseCode(thrown);
  const message = thrown instanceof Error && thrown.message !== '' ? thrown.message : String(code ?? thrown);
  const context: ErrorContext = code === null ? {} : { sqlState: code };
  if (code !== null && OUTDATED_STATES.has(code)) {
    return new ModosuError('CATALOG_SCHEMA_OUTDATED', `The catalogue in PostgreSQL does not fit this program: ${message}.`, { context, cause: thrown });
  }
  if (isUnavailable(code, message)) {
    return new ModosuError('CATALOG_UNAVAILABLE', `PostgreSQL does not serve requests: ${message}.`, { context, cause: thrown });
  }
  return new ModosuError('INTERNAL', `PostgreSQL refused a statement: ${message}.`, { context, cause: thrown });
}

function isUnavailable(code: string | null, message: string): boolean {
  if (code === null) return LOST_CONNECTION.test(message);
  if (NETWORK_CODES.has(code) || UNAVAILABLE_STATES.has(code) || RETRYABLE_STATES.has(code)) return true;
  return code.length === 5 && UNAVAILABLE_CLASSES.has(code.slice(0, 2));
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
