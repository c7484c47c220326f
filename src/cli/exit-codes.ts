import { ERROR_CODES, type ErrorCode, type ErrorKind } from '../contracts/error-codes';

/** What scripts may rely on. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  conflict: 5,
  runFailed: 6,
  waitingForPerson: 7,
  timedOut: 8,
  planBlocked: 9,
  apiUnreachable: 10,
  interrupted: 130,
} as const;

const OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: EXIT.usage,
  unauthenticated: EXIT.notAllowed,
  forbidden: EXIT.notAllowed,
  'not-found': EXIT.notFound,
  conflict: EXIT.conflict,
  precondition: EXIT.failed,
  capacity: EXIT.failed,
  corrupt: EXIT.failed,
  unavailable: EXIT.failed,
  timeout: EXIT.failed,
  cancelled: EXIT.runFailed,
  internal: EXIT.failed,
};

const OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  PLAN_BLOCKED: EXIT.planBlocked,
  RUN_FAILED: EXIT.runFailed,
  WAIT_TIMED_OUT: EXIT.timedOut,
  API_UNREACHABLE: EXIT.apiUnreachable,
};

export const exitCodeOf = (code: ErrorCode): number => OF_CODE[code] ?? OF_KIND[ERROR_CODES[code].kind];
