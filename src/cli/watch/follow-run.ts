import { setTimeout as pause } from 'node:timers/promises';
import { RUN_EVENT } from '../../contracts/api/run';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { isFinal, type RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import { serverEvents } from './event-stream';
import { Patience, type PatienceOptions } from './patience';

/** Three missed heartbeats: the connection is dead, whatever TCP says. */
const SILENCE_MS = 45_000;
const RECONNECT_MS = 1_000;

export interface FollowOptions extends PatienceOptions {
  readonly onRun: (run: RunView) => void;
  /** Following ends here too, before the run has ended: a person has to decide. */
  readonly stopsAt?: (run: RunView) => boolean;
}

/**
 * Follows a run to its end, or to where `stopsAt` says. Broken connections, restarts of the API and of its database are waited out: see `Patience`. Throws what
 * the API refuses with, what `Patience` has met at last, and the signal's reason.
 */
export async function followRun(client: ApiClient, runId: string, options: FollowOptions): Promise<RunView> {
  const { signal, stopsAt = () => false } = options;
  const patience = new Patience(options);
  let lastEventId: string | null = null;
  for (;;) {
    try {
      const silence = new AbortController();
      let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      const signOfLife = (): void => {
        patience.heard();
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      };
      try {
        const body = await client.stream(`/v1/runs/${encodeURIComponent(runId)}/events`, lastEventId, AbortSignal.any([signal, silence.signal]));
        patience.known();
        for await (const event of serverEvents(body, signOfLife)) {
          if (event.event !== RUN_EVENT) continue;
          const run = JSON.parse(event.data) as RunView;
          lastEventId = event.id;
          options.onRun(run);
          if (isFinal(run.state) || stopsAt(run)) return run;
        }
      } finally {
        clearTimeout(watchdog);
      }
    } catch (error) {
      await patience.endure(isModosuError(error) ? error : new ModosuError('API_UNREACHABLE', 'The connection to the API broke.', { cause: error }));
      continue;
    }
    await pause(RECONNECT_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
