import { isNativeError } from 'node:util/types';
import pino, { type DestinationStream, type Logger } from 'pino';
import { REDACTED, redact } from '../contracts/redact';
import type { Config } from './config';

/**
 * Structured log: one JSON object per line on standard error. Children carry what the line is about: `log.child({ runId, serverId, step })`.
 * Secrets are removed twice: by field name, and by pattern from the finished line (URLs' passwords, bearer tokens).
 */
export type Log = Logger;

const SECRET_FIELDS = ['authorization', 'password', 'secret', 'token', 'databaseUrl', 'databaseOwnerUrl'];

export interface LogOptions {
  readonly level: Config['logLevel'] | 'silent';
  /** Which process writes: `up`, `api`, `worker` … */
  readonly role: string;
  /** Standard error where absent. */
  readonly destination?: DestinationStream;
}

export function createLog({ level, role, destination }: LogOptions): Log {
  return pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: REDACTED },
      serializers: { error: serializeError, err: serializeError },
      hooks: { streamWrite: (line) => redact(line) },
    },
    // Synchronous: the last line before a crash is the one that matters.
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

/** An error with its code and hint, and the causes below it: what somebody needs who sees only this line. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error) && !isNativeError(error)) return error;
  const { code, hint, context } = error as Error & { code?: unknown; hint?: unknown; context?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(context === undefined ? {} : { context }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}
