import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TokenRecord } from '../../catalog/catalog';
import { newId } from '../../contracts/ids';
import type { ApiLog } from '../dependencies';

/** A request as the API's guard and filter have marked it. */
export interface ApiRequest extends IncomingMessage {
  requestId?: string;
  /** Set by the token guard. */
  token?: TokenRecord;
  originalUrl?: string;
}

/** Numbers every request, answers with the number, and writes one log line when the answer has gone out. */
export function requestLog(log: ApiLog): (request: ApiRequest, response: ServerResponse, next: () => void) => void {
  return (request, response, next) => {
    const startedMs = performance.now();
    request.requestId = newId('req');
    response.setHeader('X-Request-Id', request.requestId);
    response.setHeader('Cache-Control', 'private, no-cache');
    response.once('close', () => {
      const fields = {
        requestId: request.requestId,
        method: request.method,
        path: (request.originalUrl ?? request.url ?? '').slice(0, 500),
        status: response.statusCode,
        durationMs: Math.round(performance.now() - startedMs),
        actor: request.token?.name ?? null,
      };
      log.info(fields, response.writableFinished ? 'request answered' : 'request broken off');
    });
    next();
  };
}
