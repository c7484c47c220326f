import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../contracts/ids';
import { PROBLEM_MEDIA_TYPE, problemSchema } from '../contracts/api/common';
import { ModosuError, type ErrorContext } from '../contracts/errors';
import type { Connection } from './connection';
import { causeOf, codeOf, messageOf } from './thrown';

const ANSWER_TIMEOUT_MS = 60_000;
const ATTEMPTS = 3;
const RETRY_PAUSE_MS = 500;

export interface Answer<T> {
  readonly value: T;
  readonly etag: string | null;
}

export interface PostOptions {
  /** Sent once only: the API does not know it again. */
  readonly once?: boolean;
  readonly ifMatch?: string | null;
  readonly signal?: AbortSignal;
}

/** Modosu's API over HTTP. Every refusal becomes the `ModosuError` it was on the other side; silence becomes `API_UNREACHABLE`. */
export class ApiClient {
  constructor(private readonly connection: Connection) {}

  async get<T>(path: string, query: Readonly<Record<string, string | number | undefined>> = {}, signal?: AbortSignal): Promise<Answer<T>> {
    const response = await this.send('GET', this.address(path, query), { signal });
    return this.read<T>(response);
  }

  /** Carries an Idempotency-Key, so that a broken connection can be answered by sending the same request again, unless `once`. */
  async post<T>(path: string, body: unknown, options: PostOptions = {}): Promise<Answer<T>> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json', 'Idempotency-Key': newId('req') };
    if (typeof options.ifMatch === 'string') headers['If-Match'] = options.ifMatch;
    const request = { headers, body: body === undefined ? undefined : JSON.stringify(body), signal: options.signal };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.read<T>(await this.send('POST', this.address(path), request));
      } catch (error) {
        const broken = error instanceof ModosuError && error.code === 'API_UNREACHABLE' && error.context['refused'] !== true;
        if (!broken || options.once === true || attempt >= ATTEMPTS) throw error;
        await pause(RETRY_PAUSE_MS, undefined, { signal: options.signal });
      }
    }
  }

  /** The open body of an event stream. */
  async stream(path: string, lastEventId: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId;
    const response = await this.send('GET', this.address(path), { headers, signal, endless: true });
    if (response.status !== 200 || response.body === null) await this.read(response);
    if (response.body === null) throw this.unreachable('the answer was empty');
    return response.body as ReadableStream<Uint8Array>;
  }

  private address(path: string, query: Readonly<Record<string, string | number | undefined>> = {}): URL {
    const base = this.connection.apiUrl.href.replace(/\/+$/, '');
    const url = new URL(`${base}${path}`);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    return url;
  }

  private async send(
    method: string,
    url: URL,
    request: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string; readonly signal?: AbortSignal; readonly endless?: boolean },
  ): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json', ...request.headers };
    if (this.connection.token !== null) headers['Authorization'] = `Bearer ${this.connection.token}`;
    const deadline = request.endless === true ? [] : [AbortSignal.timeout(ANSWER_TIMEOUT_MS)];
    const signals = [...(request.signal === undefined ? [] : [request.signal]), ...deadline];
    try {
      // A redirect could carry the token to another place.
      return await fetch(url, { method, headers, body: request.body, redirect: 'error', signal: AbortSignal.any(signals) });
    } catch (error) {
      request.signal?.throwIfAborted();
      throw this.unreachable(reasonOf(error), isRefused(error));
    }
  }

  private async read<T>(response: Response): Promise<Answer<T>> {
    let body: unknown;
    try {
      body = await response.json();
    } catch {
      throw this.unreachable(`its answer (status ${response.status}) is not JSON`);
    }
    if (response.ok) return { value: body as T, etag: response.headers.get('etag') };
    const isProblem = (response.headers.get('content-type') ?? '').startsWith(PROBLEM_MEDIA_TYPE);
    const problem = isProblem ? problemSchema.safeParse(body) : null;
    if (problem?.success !== true) throw this.unreachable(`its answer (status ${response.status}) is not one of Modosu's`);
    const { code, detail, hint, runId, errors, context, requestId } = problem.data;
    const facts: ErrorContext = {
      ...context,
      ...(runId === undefined ? {} : { runId }),
      ...(errors === undefined ? {} : { errors: errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)) }),
      ...(code === 'INTERNAL' ? { requestId } : {}),
    };
    throw new ModosuError(code, detail, { hint, context: facts });
  }

  private unreachable(why: string, refused = false): ModosuError {
    return new ModosuError('API_UNREACHABLE', `Modosu's API at ${this.connection.apiUrl.origin} does not answer: ${why}.`, { context: { refused } });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return `no answer within ${ANSWER_TIMEOUT_MS / 1000} s`;
  const cause = causeOf(error);
  return cause === undefined ? messageOf(error) : messageOf(cause) || (codeOf(cause) ?? 'the connection failed');
}

/** Nobody listens: the request has not been sent, and sending it again at once changes nothing. */
const isRefused = (error: unknown): boolean => ['ECONNREFUSED', 'ENOTFOUND'].includes(codeOf(causeOf(error)) ?? '');
