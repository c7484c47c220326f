import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';

interface StoredVersion {
  readonly data: Readonly<Record<string, unknown>>;
  readonly createdAt: string;
  deletedAt: string;
  destroyed: boolean;
}

interface StoredSecret {
  current: number;
  readonly versions: Map<number, StoredVersion>;
}

export interface VaultRequest {
  /** As it came, with its query: what is encoded stays so. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Answers in Vault's place. */
export type Interruption = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * An engine KV version 2, mounted at `secret`, on loopback, which answers reads as Vault 1.x and OpenBao 2.x do (vault-plugin-secrets-kv: path_data.go and
 * path_metadata.go; Vault's core for what is sealed, denied or not mounted). Writes are method calls: who uses it in Vault's place has no need of them over HTTP.
 */
export class VaultServer {
  readonly requests: VaultRequest[] = [];
  readonly tokens = new Set(['root-token-0123456789']);
  isSealed = false;
  interruption: Interruption | null = null;
  private readonly secrets = new Map<string, StoredSecret>();
  private server: Server | null = null;
  private port = 0;

  /** @param tls key and certificate (PEM); plain HTTP where absent */
  async listen(tls?: { readonly key: string; readonly cert: string }): Promise<string> {
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.answer(request, response);
    const server: Server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.server = server;
    // Keeps its place when it listens again.
    this.port = (server.address() as AddressInfo).port;
    return `http${tls === undefined ? '' : 's'}://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    const server = this.server as (Server & { closeAllConnections(): void }) | null;
    this.server = null;
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** A new version. Returns its number. */
  put(path: string, data: Readonly<Record<string, unknown>>, options: { readonly deletedAt?: string; readonly keep?: number } = {}): number {
    const secret = this.secrets.get(path) ?? { current: 0, versions: new Map<number, StoredVersion>() };
    this.secrets.set(path, secret);
    secret.current += 1;
    secret.versions.set(secret.current, { data, createdAt: '2026-03-01T08:00:00.123456789Z', deletedAt: options.deletedAt ?? '', destroyed: false });
    for (const number of [...secret.versions.keys()]) if (number <= secret.current - (options.keep ?? Infinity)) secret.versions.delete(number);
    return secret.current;
  }

  /** Metadata without any version. */
  describe(path: string): void {
    this.secrets.set(path, { current: 0, versions: new Map() });
  }

  delete(path: string, version: number, deletedAt = '2026-03-02T08:00:00.5Z'): void {
    this.version(path, version).deletedAt = deletedAt;
  }

  destroy(path: string, version: number): void {
    this.version(path, version).destroyed = true;
  }

  private version(path: string, version: number): StoredVersion {
    const found = this.secrets.get(path)?.versions.get(version);
    if (found === undefined) throw new Error(`no version ${version} of ${path}`);
    return found;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ url: request.url ?? '', headers: request.headers });
    if (this.interruption !== null) return this.interruption(request, response);
    const [status, body] = this.judge(request);
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
  }

  private judge(request: IncomingMessage): readonly [status: number, body: unknown] {
    if (this.isSealed) return [503, { errors: ['Vault is sealed'] }];
    if (!this.tokens.has(String(request.headers['x-vault-token']))) {
      return [403, { errors: ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'] }];
    }
    const url = new URL(request.url ?? '', 'http://vault');
    const [, kind = '', encodedPath = ''] = /^\/v1\/secret\/(data|metadata)\/(.+)$/.exec(url.pathname) ?? [];
    if (kind === '') return [404, { errors: [`no handler for route "${url.pathname.slice('/v1/'.length)}". route entry not found.`] }];
    const secret = this.secrets.get(decodeURIComponent(encodedPath));
    if (secret === undefined) return [404, { errors: [] }];
    return kind === 'metadata' ? [200, metadataOf(secret)] : dataOf(secret, url.searchParams.get('version'));
  }
}

const envelope = (data: unknown) => ({ request_id: 'r', lease_id: '', renewable: false, lease_duration: 0, data, wrap_info: null, warnings: null, auth: null });

const recordOf = ({ createdAt, deletedAt, destroyed }: StoredVersion) => ({ created_time: createdAt, deletion_time: deletedAt, destroyed });

const metadataOf = ({ current, versions }: StoredSecret) =>
  envelope({
    cas_required: false,
    created_time: '2026-03-01T08:00:00.123456789Z',
    current_version: current,
    custom_metadata: null,
    delete_version_after: '0s',
    max_versions: 0,
    oldest_version: Math.min(...versions.keys(), current),
    updated_time: '2026-03-01T08:00:00.123456789Z',
    versions: Object.fromEntries([...versions].map(([number, version]) => [number, recordOf(version)])),
  });

function dataOf({ current, versions }: StoredSecret, asked: string | null): readonly [status: number, body: unknown] {
  const number = asked === null || asked === '0' ? current : Number(asked);
  const version = versions.get(number);
  if (version === undefined) return [404, { errors: [] }];
  const metadata = { ...recordOf(version), custom_metadata: null, version: number };
  const isGone = version.destroyed || (version.deletedAt !== '' && Date.parse(version.deletedAt) <= Date.now());
  return isGone ? [404, envelope({ data: null, metadata })] : [200, envelope({ data: version.data, metadata })];
}
