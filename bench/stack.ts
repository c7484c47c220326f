import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataSelection, DataSet } from '../src/contracts/data';
import type { RestorePlanView } from '../src/contracts/plan';
import type { ImageRecoveryPointView } from '../src/contracts/recovery-point';
import { isFinal, type RunView } from '../src/contracts/run';
import type { BackupMode } from '../src/contracts/workflows';
import { stateLayout } from '../src/config/state-layout';
import { API_PORT, DOMAIN, PLACE, rememberStack } from './place';

const PROGRAM = join(__dirname, '..', '..', 'bin', 'modosu');
const POLL_MS = 100;
const SERVER = 'bench';

/** A server as the installation knows it. */
export interface Declared {
  readonly name: string;
  readonly domain: string;
  readonly dataSets?: readonly DataSet[];
}

/** Nothing of a real installation on this machine may reach the benchmark. */
const PASSED_ON = new Set(['MODOSU_CACHE_DIR', 'MODOSU_TEMPORAL_CLI']);

/** A finished run, and how long it took from the request to its end, in seconds. */
export interface Carried {
  readonly run: RunView;
  readonly wallSeconds: number;
}

/** A whole installation (`modosu up`), driven over its API as any client would. */
export class Stack {
  private up: ChildProcess | null = null;
  private ended: Promise<number> = Promise.resolve(0);
  private apiUrl = '';
  private token = '';

  constructor(private readonly signal: AbortSignal) {}

  /** It drains when this process dies, however it dies; Ctrl-C reaches it only through `stop`. */
  async start(): Promise<void> {
    const env = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MODOSU_') || PASSED_ON.has(name))),
      MODOSU_STATE_DIR: PLACE.state,
      MODOSU_API_PORT: API_PORT,
      MODOSU_LOG_LEVEL: 'warn',
    };
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', process.execPath, PROGRAM, 'up'], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.up = child;
    this.ended = new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
    if (child.pid !== undefined) await rememberStack(child.pid);
    let log = '';
    child.stderr.on('data', (piece: Buffer) => (log = (log + piece.toString()).slice(-4000)));
    await new Promise<void>((resolve, reject) => {
      let out = '';
      child.stdout.on('data', (piece: Buffer) => {
        out = (out + piece.toString()).slice(-4000);
        if (/^ready: /m.test(out)) resolve();
      });
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
      void this.ended.then((code) => reject(new Error(`modosu up ended with exit code ${code}:\n${log}`)));
    });
    const layout = stateLayout(PLACE.state);
    this.apiUrl = (JSON.parse(await readFile(layout.endpointsFile, 'utf8')) as { readonly apiUrl: string }).apiUrl;
    this.token = (await readFile(layout.adminTokenFile, 'utf8')).trim();
  }

  /** SIGTERM, and wait: it drains and stops what it supervises. */
  async stop(): Promise<void> {
    if (this.up === null || this.up.exitCode !== null) return;
    this.up.kill('SIGTERM');
    await this.ended;
  }

  declareServer(dataSets: readonly DataSet[] = []): Promise<void> {
    return this.declareServers([{ name: SERVER, domain: DOMAIN, dataSets }]);
  }

  async declareServers(servers: readonly Declared[]): Promise<void> {
    await this.post('/v1/estate', {
      estate: {
        hypervisors: [{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }],
        repositories: [{ name: 'main', kind: 'directory', path: PLACE.repository }],
        servers: servers.map((server) => ({ dataSets: [], ...server, hypervisor: 'local', repository: 'main' })),
      },
    });
  }

  /**
   * From the command to the end of the run: the recovery point is published and checksummed by then. `full`: a whole image although an incremental would do;
   * online only, every image of a stopped server is whole.
   */
  backup(mode: BackupMode, { full = false, server = SERVER } = {}): Promise<Carried> {
    const request = { kind: 'image', mode, reason: 'benchmark', ...(mode === 'online' ? { full } : {}) };
    return this.carried(() => this.post<RunView>(`/v1/servers/${server}/backups`, request));
  }

  /** One data set, in its first recovery point or a later one. */
  backupData(dataSet: string): Promise<Carried> {
    return this.carried(() => this.post<RunView>(`/v1/servers/${SERVER}/backups`, { kind: 'data', dataSets: [dataSet], reason: 'benchmark' }));
  }

  plan(recoveryPointId: string): Promise<RestorePlanView> {
    return this.planned({ scenario: 'server', recoveryPointId });
  }

  /** From the newest recovery point of the data set. */
  planData(dataSet: string, selection: DataSelection): Promise<RestorePlanView> {
    return this.planned({ scenario: 'data', dataSet, selection });
  }

  private async planned(request: object): Promise<RestorePlanView> {
    const { id } = await this.post<RestorePlanView>(`/v1/servers/${SERVER}/restore-plans`, request);
    const plan = await this.until(
      () => this.get<RestorePlanView>(`/v1/restore-plans/${id}`),
      ({ state }) => state !== 'planning',
    );
    if (plan.state !== 'ready') throw new Error(`The restore plan ${plan.state}: ${plan.error?.message ?? 'no reason'}`);
    return plan;
  }

  restore(plan: RestorePlanView): Promise<Carried> {
    return this.carried(() => this.post<RunView>(`/v1/restore-plans/${plan.id}/run`, { reason: 'benchmark', confirm: plan.serverName }));
  }

  /** Deletes what a restore has replaced. */
  async confirm(runId: string): Promise<void> {
    await this.carried(() => this.post<RunView>(`/v1/runs/${runId}/confirm`, { reason: 'benchmark' }));
  }

  recoveryPoint(id: string): Promise<ImageRecoveryPointView> {
    return this.get(`/v1/recovery-points/${id}`);
  }

  /** Where the image of the recovery point lies. */
  async imageOf(recoveryPointId: string): Promise<string> {
    const { id, serverId } = await this.recoveryPoint(recoveryPointId);
    return join(PLACE.repository, 'servers', serverId, id, 'disks', 'vda.qcow2');
  }

  private async carried(request: () => Promise<RunView>): Promise<Carried> {
    const askedAt = Date.now();
    const { id } = await request();
    const run = await this.until(
      () => this.get<RunView>(`/v1/runs/${id}`),
      ({ state }) => isFinal(state),
    );
    if (run.state !== 'succeeded' || run.finishedAt === null) {
      throw new Error(`The ${run.kind} run ${run.state}: ${run.error?.code ?? ''} ${run.error?.message ?? ''}`);
    }
    // Asking for the state is not part of the run: its own end counts. One clock, one machine.
    return { run, wallSeconds: (Date.parse(run.finishedAt) - askedAt) / 1000 };
  }

  private async until<T>(read: () => Promise<T>, accept: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await read();
      if (accept(value)) return value;
      await delay(POLL_MS, undefined, { signal: this.signal });
    }
  }

  private get = <T>(path: string): Promise<T> => this.request<T>('GET', path);
  private post = <T>(path: string, body: object): Promise<T> => this.request<T>('POST', path, body);

  private async request<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(`${this.apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'idempotency-key': randomUUID() }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(30_000)]),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text.slice(0, 1000)}`);
    return JSON.parse(text) as T;
  }
}
