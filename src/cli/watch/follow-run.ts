import { setTimeout as pause } from 'node:timers/promises';
import { RUN_EVENT } from '../../contracts/api/run';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { isFinal, type RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import { serverEvents } from './event-stream';

/** Three missed heartbeats: the connection is dead, whatever TCP says. */
const SILENCE_MS = 45_000;
const GIVE_UP_MS = 5 * 60_000;
const RECONNECT_MS = 1_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly onRun: (run: RunView) => void;
  /** The connection broke and is made again. */
  readonly onBroken: (why: string) => void;
  readonly giveUpMs?: number;
  /** Following ends here too, before the run has ended: a person has to decide. */
  readonly stopsAt?: (run: RunView) => boolean;
}

/**
 * Follows a run to its end, or to where `stopsAt` says. Broken connections, restarts of the API and of its database are waited out for five minutes: the run
 * goes on meanwhile. Throws what the API refuses with, `API_UNREACHABLE` at last, and the signal's reason.
 */
export async function followRun(client: ApiClient, runId: string, options: FollowOptions): Promise<RunView> {
  const { signal, giveUpMs = GIVE_UP_MS, stopsAt = () => false } = options;
  let latest: RunView | null = null;
  let lastEventId: string | null = null;
  let silentSinceMs = performance.now();
  let toldBroken = false;
  for (;;) {
    try {
      const silence = new AbortController();
      let watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      const signOfLife = (): void => {
        silentSinceMs = performance.now();
        toldBroken = false;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
      };
      try {
        const body = await client.stream(`/v1/runs/${encodeURIComponent(runId)}/events`, lastEventId, AbortSignal.any([signal, silence.signal]));
        for await (const event of serverEvents(body, signOfLife)) {
          if (event.event !== RUN_EVENT) continue;
          latest = JSON.parse(event.data) as RunView;
          lastEventId = event.id;
          options.onRun(latest);
          if (isFinal(latest.state) || stopsAt(latest)) return latest;
        }
      } finally {
        clearTimeout(watchdog);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isModosuError(error) && (error.kind !== 'unavailable' || latest === null)) throw error;
      if (performance.now() - silentSinceMs > giveUpMs) {
        throw new ModosuError('API_UNREACHABLE', `Modosu's API has not answered for ${Math.round(giveUpMs / 60_000)} minutes.`, {
          hint: `The run goes on by itself; follow it later with \`modosu run watch ${runId}\`.`,
        });
      }
      if (!toldBroken) options.onBroken(isModosuError(error) ? error.message : 'The connection to the API broke.');
      toldBroken = true;
    }
    await pause(RECONNECT_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
