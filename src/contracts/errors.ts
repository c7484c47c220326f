import { ERROR_CODES, isErrorCode, type ErrorCode, type ErrorKind, type RetryAdvice } from './error-codes';

/** Small facts for people and logs. Never a secret: contexts reach logs, histories and API answers. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface ModosuErrorOptions {
  /** What to do next, when it can be said more exactly than the code's own hint. */
  readonly hint?: string;
  readonly context?: ErrorContext;
  readonly cause?: unknown;
}

/** The form in which an error crosses a boundary (Temporal failure details, PostgreSQL, API). */
export interface ErrorSummary {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly context?: ErrorContext;
}

/**
 * The one error type of Modosu. `code` says which condition (see `ERROR_CODES`), `message` what happened here,
 * `hint` what to do next. It is translated in exactly two places: to Temporal failures (`activities/`) and to
 * RFC 9457 problems (`src/api/`).
 */
export class ModosuError extends Error {
  override readonly name = 'ModosuError';
  readonly kind: ErrorKind;
  readonly retry: RetryAdvice;
  readonly hint: string;
  readonly context: ErrorContext;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: ModosuErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const entry = ERROR_CODES[code];
    this.kind = entry.kind;
    this.retry = entry.retry;
    this.hint = options.hint ?? entry.hint;
    this.context = options.context ?? {};
  }

  summary(): ErrorSummary {
    const hasContext = Object.keys(this.context).length > 0;
    return { code: this.code, message: this.message, hint: this.hint, ...(hasContext ? { context: this.context } : {}) };
  }

  static fromSummary(summary: ErrorSummary, cause?: unknown): ModosuError {
    const code = isErrorCode(summary.code) ? summary.code : 'INTERNAL';
    return new ModosuError(code, summary.message, { hint: summary.hint, context: summary.context, cause });
  }
}

export const isModosuError = (value: unknown): value is ModosuError =>
  value instanceof ModosuError || (value instanceof Error && value.name === 'ModosuError' && 'code' in value);

/** What has crossed a boundary as an `ErrorSummary`; null: it is none. */
export const summaryIn = (value: unknown): ErrorSummary | null =>
  typeof value === 'object' && value !== null && 'code' in value && isErrorCode(value.code) && 'message' in value && 'hint' in value
    ? (value as ErrorSummary)
    : null;

/** Any thrown value as a `ModosuError`; what is not one yet becomes `INTERNAL` with its message. */
export function toModosuError(thrown: unknown): ModosuError {
  if (isModosuError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ModosuError('INTERNAL', message, { cause: thrown });
}
