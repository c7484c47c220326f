import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../config/config';
import { ModosuError } from '../../contracts/errors';
import { findProgram } from '../../system/child-process';
import type { TemporalClient } from '../../temporal/client';
import type { PartDefinition } from './part';

/** The version the set-up builds and the tests run with. */
const TEMPORAL_CLI_VERSION = '1.5.1';
const POLL_MS = 50;

/** Configured path, then PATH, then the cache of the set-up. Throws `PROGRAM_MISSING`. */
export function findTemporalCli(config: Pick<Config, 'temporalCli' | 'cacheDirectory'>): string {
  const cached = join(config.cacheDirectory, `temporal-${TEMPORAL_CLI_VERSION}`, 'temporal');
  const candidates = config.temporalCli !== null ? [config.temporalCli] : ['temporal', cached];
  for (const candidate of candidates) {
    try {
      return findProgram(candidate);
    } catch {
      // the next place
    }
  }
  throw new ModosuError('PROGRAM_MISSING', `The program \`temporal\` was not found (looked for ${candidates.join(', ')}).`, {
    hint: 'Run `npm run setup`, set MODOSU_TEMPORAL_CLI to its path, or point MODOSU_TEMPORAL_ADDRESS to a Temporal server.',
    context: { candidates },
  });
}

export interface TemporalPartOptions {
  readonly cli: string;
  readonly databaseFile: string;
  readonly port: number;
  readonly uiPort: number | null;
  /** Connected lazily to the address of this part. */
  readonly client: TemporalClient;
  /** Namespace, retention and search attributes; also after each restart. */
  readonly ensureNamespace: (client: TemporalClient) => Promise<void>;
}

/**
 * What makes a local server with one shard quick (one activity from one workflow task to the next, measured on two processors: 154 ms as it comes, 25 ms like this):
 * more than twenty looks a second at the queue of what is to be handed out, each activity takes two; and, as durable as SQLite's default, one wait for the disk for
 * each commit instead of four. A file of before is taken over.
 */
export const LOCAL_TEMPORAL_ARGS: readonly string[] = [
  ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=500'],
  ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=FULL'],
];

/** A local Temporal server that keeps its state in one SQLite file. It has no authentication: loopback only, payloads encrypted. */
export function temporalPart(options: TemporalPartOptions): PartDefinition {
  const { cli, databaseFile, port, uiPort, client } = options;
  return {
    name: 'temporal',
    reports: false,
    command: () => ({
      argv: [
        findProgram('setpriv'),
        ...['--pdeathsig', 'TERM', '--', cli, 'server', 'start-dev'],
        ...['--db-filename', databaseFile, '--ip', '127.0.0.1', '--port', String(port)],
        ...(uiPort === null ? ['--headless'] : ['--ui-port', String(uiPort)]),
        ...LOCAL_TEMPORAL_ARGS,
        ...['--log-level', 'warn', '--log-format', 'json', '--disable-config-file', '--disable-config-env'],
      ],
      env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    }),
    becomesReady: async ({ ended }) => {
      await untilAnswering(client, ended);
      await options.ensureNamespace(client);
    },
    stopSignals: [{ signal: 'SIGTERM', graceMs: 10_000 }],
    readyTimeoutMs: 60_000,
  };
}

async function untilAnswering(client: TemporalClient, ended: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await client.call(({ workflowService }) => workflowService.getSystemInfo({}), 1000);
      return;
    } catch (error) {
      if (ended.aborted) throw error;
      await delay(POLL_MS);
    }
  }
}
