import { existsSync, mkdirSync, mkdtempSync, chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { RestorePlanView } from '../../src/contracts/plan';
import type { RecoveryPointView } from '../../src/contracts/recovery-point';
import { isFinal, type AuditEntryView, type AuditVerification, type RunView } from '../../src/contracts/run';
import { createGuestServer, domainState, type GuestServer, type GuestServerOptions } from '../guests/guest-server';
import { processesWith } from './processes';
import { eventually, TestState, type Outcome, type UpProcess } from './up-process';

const BASE = '/var/lib/modosu-test';
/** Long enough for a worker's death to be noticed (heartbeat 30 s) and a throttled copy to be done again. */
export const RUN_DEADLINE_MS = 240_000;

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly location: string | null;
}

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly hint: string;
  readonly runId?: string;
}

interface Page<T> {
  readonly items: readonly T[];
}

/**
 * A whole installation on real parts for one test file: `modosu up` from the build, one repository, guests of its own. Everything lies
 * below one directory and is removed by `close`.
 */
export class E2eStack {
  readonly directory: string;
  readonly repository: string;
  readonly guests: GuestServer[] = [];
  private readonly state: TestState;
  private up: UpProcess | null = null;

  constructor(private readonly env: Readonly<Record<string, string>> = {}) {
    mkdirSync(BASE, { recursive: true, mode: 0o711 });
    this.directory = mkdtempSync(join(BASE, 'e2e-'));
    chmodSync(this.directory, 0o755);
    this.repository = join(this.directory, 'repository');
    mkdirSync(this.repository, { mode: 0o700 });
    this.state = new TestState(this.directory);
  }

  async start(): Promise<void> {
    this.up = this.state.up({ MODOSU_LOG_LEVEL: 'info', ...this.env });
    await this.up.ready();
  }

  /** As `kill -9` by an operator or the OOM killer; the supervisor starts it again. Returns the pid that was killed. */
  killPart(part: 'worker' | 'api' | 'temporal' | 'postgres'): number {
    const pid = this.state.pidOf(part);
    if (pid === null) throw new Error(`${part} is not running`);
    process.kill(pid, 'SIGKILL');
    return pid;
  }

  async close(): Promise<void> {
    for (const guest of this.guests) await guest.destroy();
    await this.state.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Makes a guest and declares it (with all earlier ones) in the estate. */
  async addServer(options: Omit<GuestServerOptions, 'directory'> & { readonly stopTimeoutSeconds?: number; readonly agentTimeoutSeconds?: number }): Promise<GuestServer> {
    const guest = await createGuestServer({ ...options, directory: join(this.directory, options.name) });
    this.guests.push(guest);
    this.declared.set(guest.name, { stopTimeoutSeconds: options.stopTimeoutSeconds ?? 60, agentTimeoutSeconds: options.agentTimeoutSeconds ?? 120 });
    const applied = await this.post('/v1/estate', { estate: this.estate() });
    if (applied.status >= 300) throw new Error(`the estate was refused: ${JSON.stringify(applied.body)}`);
    return guest;
  }

  private readonly declared = new Map<string, { readonly stopTimeoutSeconds: number; readonly agentTimeoutSeconds: number }>();

  estate(): object {
    return {
      hypervisors: [{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }],
      repositories: [{ name: 'main', kind: 'directory', path: this.repository }],
      servers: [...this.declared].map(([name, times]) => ({ name, domain: name, hypervisor: 'local', repository: 'main', ...times })),
    };
  }

  get = <T>(path: string): Promise<Answer<T>> => this.request<T>('GET', path);
  post = <T>(path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> => this.request<T>('POST', path, body, headers);

  /** Starts an image backup and returns the run as accepted. */
  async startBackup(name: string, reason = 'baseline'): Promise<RunView> {
    return accepted(await this.post<RunView>(`/v1/servers/${encodeURIComponent(name)}/backups`, { kind: 'image', mode: 'offline', reason }, { 'idempotency-key': randomUUID() }));
  }

  async backup(name: string, reason?: string): Promise<RecoveryPointView> {
    const run = await this.finished((await this.startBackup(name, reason)).id);
    if (run.state !== 'succeeded' || run.recoveryPointId === null) throw new Error(`the backup ${run.state}: ${JSON.stringify(run.error)}`);
    return (await this.get<RecoveryPointView>(`/v1/recovery-points/${run.recoveryPointId}`)).body;
  }

  async plan(name: string, recoveryPointId?: string): Promise<RestorePlanView> {
    const { id } = accepted(await this.post<RestorePlanView>(`/v1/servers/${encodeURIComponent(name)}/restore-plans`, { scenario: 'server', ...(recoveryPointId === undefined ? {} : { recoveryPointId }) }));
    return eventually(async () => (await this.get<RestorePlanView>(`/v1/restore-plans/${id}`)).body, ({ state }) => state !== 'planning', 60_000);
  }

  async startRestore(plan: RestorePlanView): Promise<RunView> {
    return accepted(await this.post<RunView>(`/v1/restore-plans/${plan.id}/run`, { reason: 'it no longer starts', confirm: plan.serverName }));
  }

  async restore(name: string): Promise<RunView> {
    const plan = await this.plan(name);
    if (plan.state !== 'ready') throw new Error(`no plan: ${JSON.stringify(plan.error)}`);
    return this.finished((await this.startRestore(plan)).id);
  }

  run = async (id: string): Promise<RunView> => (await this.get<RunView>(`/v1/runs/${id}`)).body;

  finished = (id: string): Promise<RunView> => eventually(() => this.run(id), (run) => isFinal(run.state), RUN_DEADLINE_MS);

  /** Waits until the step is in this state. */
  stepIs = (runId: string, key: string, state: string): Promise<RunView> =>
    eventually(() => this.run(runId), (run) => run.steps.some((step) => step.key === key && step.state === state), 90_000);

  /** Waits until the copy has moved bytes but has not ended: the moment at which faults are caused. */
  copyUnderWay = async (runId: string, target: string): Promise<RunView> => {
    const run = await eventually(
      () => this.run(runId),
      ({ state: runState, steps }) => isFinal(runState) || steps.some(({ key, state, progress }) => key === `copy:${target}` && state !== 'pending' && (state !== 'running' || (progress !== null && progress.doneBytes > 0))),
      90_000,
    );
    const step = run.steps.find(({ key }) => key === `copy:${target}`);
    if (step?.state !== 'running') throw new Error(`the copy was over before it could be disturbed: ${JSON.stringify(step)}`);
    return run;
  };

  async cancel(runId: string): Promise<RunView> {
    const answer = await this.post(`/v1/runs/${runId}/cancel`);
    if (answer.status >= 300) throw new Error(`the cancel was refused: ${JSON.stringify(answer.body)}`);
    return this.finished(runId);
  }

  recoveryPoints = async (name: string): Promise<readonly RecoveryPointView[]> => (await this.get<Page<RecoveryPointView>>(`/v1/recovery-points?server=${encodeURIComponent(name)}`)).body.items;

  /** qemu-img processes that work on files of this stack. */
  copies = (): Promise<readonly number[]> => processesWith('qemu-img', this.directory);

  /**
   * What must hold after every run, however it ended: no copying process, nothing staged, no volume of a run that did not succeed, no guest paused, lock free, an intact
   * audit chain with start and end of the run, no recovery point listed that the repository does not hold.
   */
  async expectOrder(run: RunView): Promise<void> {
    expect(await this.copies()).toEqual([]);
    const staging = join(this.repository, 'staging');
    expect(existsSync(staging) ? readdirSync(staging) : []).toEqual([]);
    if (run.state !== 'succeeded') {
      for (const guest of this.guests) expect(readdirSync(guest.directory).filter((file) => file.includes(run.id))).toEqual([]);
    }
    for (const guest of this.guests) expect(['running', 'shut off', null]).toContain(await domainState(guest.uuid));

    const audit = (await this.get<Page<AuditEntryView>>(`/v1/audit?run=${run.id}&limit=200`)).body.items.map(({ action }) => action);
    expect(audit[0]).toBe('run.requested');
    expect(audit).toContain('run.started');
    expect(audit.at(-1)).toBe(`run.${run.state}`);
    expect(await this.verifyAudit()).toMatchObject({ intact: true });

    for (const point of await this.recoveryPoints(run.serverName)) {
      expect(existsSync(join(this.repository, 'servers', point.serverId, point.id, 'manifest.json'))).toBe(true);
    }
    expect(this.secretsSeen()).toEqual([]);
  }

  verifyAudit = async (): Promise<AuditVerification> => (await this.get<AuditVerification>('/v1/audit/verify')).body;

  /** Runs the program as a person at this machine does. */
  cli = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> => this.state.run(args, env);

  /** Everything that runs for this installation. */
  processes = (): readonly number[] => this.state.processes();

  get stateDirectory(): string {
    return this.state.directory;
  }

  /** Everything this installation must keep to itself, by name of its file: token, passwords, keys. */
  secrets(): ReadonlyMap<string, string> {
    const files = ['admin-token', 'postgres-password', 'database-owner-password', 'database-app-password'].map((name) => [name, this.state.read(`secrets/${name}`).trim()] as const);
    const { keys } = JSON.parse(this.state.read('secrets/payload-keys.json')) as { readonly keys: Readonly<Record<string, unknown>> };
    return new Map([...files, ...Object.entries(keys).map(([id, key]) => [`payload key ${id}`, String(key)] as const)]);
  }

  /** Log files in which a secret stands. */
  private secretsSeen(): readonly string[] {
    const logs = join(this.state.directory, 'logs');
    const secrets = [...this.secrets().values()];
    return readdirSync(logs).filter((file) => secrets.some((secret) => readFileSync(join(logs, file), 'utf8').includes(secret)));
  }

  private async request<T>(method: string, path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
    const { apiUrl } = this.state.endpoints();
    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.state.read('secrets/admin-token').trim()}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? null : JSON.parse(text)) as T, location: answer.headers.get('location') };
  }
}

function accepted<T>(answer: Answer<T>): T {
  if (answer.status !== 202) {
    const problem = answer.body as unknown as Problem;
    throw new Error(`answered ${answer.status}: ${problem.code}: ${problem.detail}`);
  }
  return answer.body;
}

export type { Problem };
