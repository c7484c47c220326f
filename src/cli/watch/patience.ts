import { setTimeout as pause } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../contracts/errors';
import type { ApiClient } from '../api-client';
import { line, type CliIo } from '../io';

const GIVE_UP_MS = 5 * 60_000;
const AGAIN_MS = 1_000;

export interface PatienceOptions {
  readonly signal: AbortSignal;
  /** That what is waited for goes on, and how to see it later. */
  readonly goesOn: string;
  /** The API does not answer, or cannot; said once until it answers again. */
  readonly onBroken: (why: string) => void;
  readonly giveUpMs?: number;
}

/**
 * Waits out restarts of the API and of what it needs, five minutes after it was heard last: what is waited for goes on meanwhile. An API that has not known of it
 * once is no restart: that fails at once.
 */
export class Patience {
  private isKnown = false;
  private isTold = false;
  private heardAtMs = performance.now();

  constructor(private readonly options: PatienceOptions) {}

  /** The API knows what is waited for. */
  known(): void {
    this.isKnown = true;
  }

  /** The API lives. */
  heard(): void {
    this.heardAtMs = performance.now();
    this.isTold = false;
  }

  /** Returns when it is time to try again. Throws what does not pass by itself, at last what it has met again and again, and the signal's reason. */
  async endure(error: unknown): Promise<void> {
    const { signal, goesOn, onBroken, giveUpMs = GIVE_UP_MS } = this.options;
    signal.throwIfAborted();
    if (!this.isKnown || !isModosuError(error) || error.kind !== 'unavailable') throw error;
    if (performance.now() - this.heardAtMs > giveUpMs) {
      throw atLast(error, `${Math.round(giveUpMs / 60_000)} minutes`, goesOn);
    }
    if (!this.isTold) onBroken(error.message);
    this.isTold = true;
    await pause(AGAIN_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** As it was met last: an API that answers that its database is away is not one that does not answer. */
function atLast(last: ModosuError, time: string, goesOn: string): ModosuError {
  const { code, message, hint, context } = last;
  const words = code === 'API_UNREACHABLE' ? `Modosu's API has not answered for ${time}. ${message}` : `${message} It has been asked again for ${time}.`;
  return new ModosuError(code, words, { hint: `${hint} ${goesOn}`, context, cause: last });
}

export type Get = <T>(path: string, query?: Readonly<Record<string, string | number | undefined>>) => Promise<T>;

/** Reads for those who ask again and again until something has come about: see `Patience`. */
export function patientGet(io: Pick<CliIo, 'stderr'>, client: Pick<ApiClient, 'get'>, options: Omit<PatienceOptions, 'onBroken'>): Get {
  const patience = new Patience({ ...options, onBroken: (why) => line(io.stderr, `${why} It goes on by itself; asking again.`) });
  return async <T>(path: string, query: Parameters<Get>[1] = {}): Promise<T> => {
    for (;;) {
      try {
        const { value } = await client.get<T>(path, query, options.signal);
        patience.known();
        patience.heard();
        return value;
      } catch (error) {
        await patience.endure(error);
      }
    }
  };
}
