import { Runtime, type LogLevel, type Logger } from '@temporalio/worker';
import type { Log } from '../config/log';

/**
 * Installs the SDK's runtime: once per process, before the first connection of a worker. Signals stay ours: a role drains its workers itself, in the right
 * order.
 */
export function installRuntime(log: Log): void {
  Runtime.install({
    shutdownSignals: [],
    logger: sdkLogger(log.child({ part: 'temporal-sdk' })),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
  });
}

/** The SDK's own messages, and those of workflows and activities, as lines of our log. */
function sdkLogger(log: Log): Logger {
  const write = (level: LogLevel, message: string, meta: Record<string | symbol, unknown> = {}): void => {
    log[EXPECTED.test(message) ? 'debug' : PINO_LEVELS[level]]({ ...meta }, message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

/** What the SDK finds odd about our workers is meant: each serves one kind of task. */
const EXPECTED = /^No (workflows|activities|Nexus services) registered/;

const PINO_LEVELS = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<LogLevel, string>;
