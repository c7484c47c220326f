import type { ErrorCode, ErrorKind } from '../../contracts/error-codes';

/** The one place where a kind of error becomes an HTTP status. */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  precondition: 409,
  capacity: 507,
  corrupt: 409,
  unavailable: 503,
  timeout: 504,
  cancelled: 409,
  internal: 500,
};

/** Codes for which HTTP itself prescribes the status. */
export const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  IF_MATCH_FAILED: 412,
};
