import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { TokenRecord } from '../../catalog/catalog';
import { RUN_EVENT } from '../../contracts/api/run';
import { isFinal, type RunView } from '../../contracts/run';
import { Dependencies, type ApiDependencies } from '../dependencies';
import { etagOf } from '../http/etag';

const HEARTBEAT_MS = 15_000;
const POLL_MS = 500;
/** How long a browser waits before it connects again. */
const RECONNECT_MS = 2_000;
const CLOSING_GRACE_MS = 1_000;

export interface StreamOptions {
  readonly lastEventId: string | null;
  /** The caller's token; the stream ends when its time is over, also when it is revoked meanwhile (seen at the next heartbeat). */
  readonly token: Pick<TokenRecord, 'id' | 'expiresAt'>;
}

/**
 * Sends a run each time it changes. An event's id is a hash of its content, so a client that connects again, to this process or another, misses nothing
 * and gets nothing twice: only the newest state matters.
 */
@Injectable()
export class RunEvents implements BeforeApplicationShutdown {
  private readonly closing = new AbortController();

  constructor(@Dependencies() private readonly dependencies: ApiDependencies) {}

  beforeApplicationShutdown(): void {
    this.closing.abort();
  }

  /** Resolves when the run has ended, the client has gone, the token has expired, or the API shuts down. Never rejects. */
  async stream(first: RunView, options: StreamOptions, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.closing.signal]);
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    response.write(`retry: ${RECONNECT_MS}\n\n`);
    const heartbeat = setInterval(() => response.write(': still here\n\n'), this.dependencies.config.heartbeatMs ?? HEARTBEAT_MS);
    try {
      await this.follow(first, options, response, signal);
    } catch (error) {
      // The client connects again and then gets a proper answer; a stream has no room for a problem document.
      if (!signal.aborted) this.dependencies.log.warn({ runId: first.id, error: String(error) }, 'event stream broken off');
    } finally {
      clearInterval(heartbeat);
      response.end();
      // A client that no longer reads would keep the shutdown waiting for ever.
      if (this.closing.signal.aborted) setTimeout(() => response.destroy(), CLOSING_GRACE_MS).unref();
    }
  }

  private async follow(first: RunView, options: StreamOptions, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const heartbeatMs = this.dependencies.config.heartbeatMs ?? HEARTBEAT_MS;
    let { expiresAt } = options.token;
    let lookedAtMs = performance.now();
    let sent = options.lastEventId;
    let run = first;
    for (;;) {
      const id = etagOf(run).replaceAll('"', '');
      if (id !== sent) {
        sent = id;
        const buffered = !response.write(`id: ${id}\nevent: ${RUN_EVENT}\ndata: ${JSON.stringify(run)}\n\n`);
        // A slow reader gets fewer, newer states instead of a growing queue.
        if (buffered) await once(response, 'drain', { signal });
      }
      if (isFinal(run.state) || isOver(expiresAt)) return;
      await pause(this.dependencies.config.runPollMs ?? POLL_MS, undefined, { signal });
      if (performance.now() - lookedAtMs >= heartbeatMs) {
        lookedAtMs = performance.now();
        const token = (await this.dependencies.catalog.listTokens()).find(({ id: tokenId }) => tokenId === options.token.id);
        if (token === undefined || isOver(token.expiresAt)) return;
        ({ expiresAt } = token);
      }
      run = await this.dependencies.catalog.getRun(run.id);
    }
  }
}

const isOver = (expiresAt: string | null): boolean => expiresAt !== null && Date.now() >= Date.parse(expiresAt);
