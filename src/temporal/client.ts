import { Client, Connection } from '@temporalio/client';
import { NamespaceNotFoundError, type DataConverter } from '@temporalio/common';
import { ModosuError, isModosuError } from '../contracts/errors';

export interface TemporalClientOptions {
  /** HOST:PORT. */
  readonly address: string;
  readonly namespace: string;
  /** Absent: only for calls without payloads, such as making the namespace. */
  readonly dataConverter?: DataConverter;
  /** Bound on each call, connecting included. Default 5000. */
  readonly deadlineMs?: number;
}

/**
 * A client that connects with its first call, so that a process can start while Temporal is away. Every call through `call` has a deadline and throws
 * `TEMPORAL_UNAVAILABLE` (retry later) when Temporal does not answer in time; other failures come as the SDK throws them.
 */
export class TemporalClient {
  readonly connection: Connection;
  readonly client: Client;
  private readonly pending = new Set<Promise<unknown>>();

  constructor(private readonly options: TemporalClientOptions) {
    const { address, namespace, dataConverter } = options;
    this.connection = Connection.lazy({ address, connectTimeout: options.deadlineMs ?? 5000 });
    this.client = new Client({ connection: this.connection, namespace, dataConverter });
  }

  get namespace(): string {
    return this.options.namespace;
  }

  get address(): string {
    return this.options.address;
  }

  async call<T>(action: (client: Client) => Promise<T>, deadlineMs = this.options.deadlineMs ?? 5000): Promise<T> {
    const answer = this.connection.withDeadline(Date.now() + deadlineMs, () => action(this.client));
    this.pending.add(answer);
    try {
      return await answer;
    } catch (error) {
      throw translate(error, this.options);
    } finally {
      this.pending.delete(answer);
    }
  }

  /** Throws `TEMPORAL_UNAVAILABLE` when the server does not answer or the namespace is missing. */
  async check(): Promise<void> {
    await this.call((client) => client.workflowService.describeNamespace({ namespace: this.namespace }));
  }

  /** Waits for open calls, each bound by its deadline: a call that tries again on a closed connection would end the process. */
  async close(): Promise<void> {
    await Promise.allSettled(this.pending);
    await this.connection.close();
  }
}

/** gRPC: cancelled, deadline exceeded, permission denied, resource exhausted, unavailable, unauthenticated. */
const UNAVAILABLE_CODES = new Set([1, 4, 7, 8, 14, 16]);
const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;

/** The gRPC status behind an error of the SDK, which wraps it more than once. */
export function grpcStatusOf(error: unknown): { readonly code: number; readonly details: string } | null {
  for (let current = error, depth = 0; typeof current === 'object' && current !== null && depth < 5; depth += 1) {
    const { code, details, cause } = current as { code?: unknown; details?: unknown; cause?: unknown };
    if (typeof code === 'number') return { code, details: typeof details === 'string' ? details : '' };
    current = cause;
  }
  return null;
}

function translate(error: unknown, { address, namespace }: TemporalClientOptions): unknown {
  if (isModosuError(error)) return error;
  const context = { address, namespace };
  const status = grpcStatusOf(error);
  const namespaceMissing = error instanceof NamespaceNotFoundError || (status?.code === NOT_FOUND && /namespace/i.test(status.details));
  if (namespaceMissing) {
    return new ModosuError('TEMPORAL_UNAVAILABLE', `Temporal at ${address} has no namespace "${namespace}".`, {
      hint: 'Make it with `modosu up` or `modosu migrate`, or correct MODOSU_TEMPORAL_NAMESPACE. Nothing was started.',
      context,
      cause: error,
    });
  }
  if (status?.code === INVALID_ARGUMENT && /search attribute/i.test(status.details)) {
    return new ModosuError('TEMPORAL_UNAVAILABLE', `Temporal at ${address} does not know a search attribute yet: ${status.details}.`, {
      hint: 'Register them with `modosu migrate`; a new one takes up to a minute to become usable.',
      context,
      cause: error,
    });
  }
  const isConnectTimeout = error instanceof Error && /failed to connect|deadline/i.test(error.message);
  if ((status !== null && UNAVAILABLE_CODES.has(status.code)) || isConnectTimeout) {
    return new ModosuError('TEMPORAL_UNAVAILABLE', `Temporal at ${address} does not answer: ${status?.details || (error as Error).message}.`, {
      context,
      cause: error,
    });
  }
  return error;
}
