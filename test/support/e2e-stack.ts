import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join, relative } from 'node:path';
import type { RestorePlanView } from '../../src/contracts/plan';
import type { Protection } from '../../src/contracts/protection';
import type { DataSelection } from '../../src/contracts/data';
import type { DataRecoveryPointView, ImageRecoveryPointView, RecoveryPointView } from '../../src/contracts/recovery-point';
import { isFinal, type AuditVerification, type RunView } from '../../src/contracts/run';
import type { WayBackState, WayBackView } from '../../src/contracts/way-back';
import type { BackupMode } from '../../src/contracts/workflows';
import { createGuestServer, type GuestServer, type GuestServerOptions } from '../guests/guest-server';
import { runProgram } from '../guests/run-program';
import { expectOrder, type Expected } from './oracle';
import { processesWith } from './processes';
import { eventually, TestState, type Outcome, type PartName, type UpProcess } from './up-process';
import { ownedDirectory } from './owned-directory';

const BASE = '/var/lib/modosu-test';
/** Between two looks at what takes seconds or minutes: each costs the installation, beside which others are tested, some milliseconds of processor. */
const PATIENT_MS = 400;
/** Long enough for a worker's death to be noticed (heartbeat 30 s) and a throttled copy to be done again. */
export const RUN_DEADLINE_MS = 480_000;

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

/** What the estate says about a server beside where it runs. */
interface Declaration extends Protection {
  /** Name of one that was declared by `declarePolicy`. */
  readonly policy: string;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
}

type ServerOptions = Omit<GuestServerOptions, 'directory'> &
  Partial<Pick<Declaration, 'stopTimeoutSeconds' | 'agentTimeoutSeconds'>> & { readonly protection?: Partial<Protection> };

interface BackupOptions {
  readonly mode?: BackupMode;
  readonly allowCrashConsistent?: boolean;
  /** Online: default true, because an image of what has changed is too soon over for what most tests do meanwhile. */
  readonly full?: boolean;
}

/**
 * A whole installation on real parts for one test file: `modosu up` from the build, one repository, guests of its own. Everything lies
 * below one directory and is removed by `close`.
 */
export class E2eStack {
  readonly directory: string;
  repository: string;
  readonly guests: GuestServer[] = [];
  private state: TestState;
  private up: UpProcess | null = null;

  /** `runDeadlineMs`: for runs that consist of many small programs in an emulated guest. */
  constructor(
    private readonly env: Readonly<Record<string, string>> = {},
    private readonly runDeadlineMs = RUN_DEADLINE_MS,
  ) {
    this.directory = ownedDirectory(BASE, 'e2e-');
    chmodSync(this.directory, 0o755);
    this.repository = this.newRepository('repository');
    this.state = new TestState(this.directory);
  }

  async start(): Promise<void> {
    this.up = this.state.up({ MODOSU_LOG_LEVEL: 'info', ...this.env });
    await this.up.ready();
  }

  /**
   * Every write into the repository waits for the device from now on. QEMU copies a small disk in less time than anybody needs to tell it how fast it may:
   * written synchronously, enough is left of it when the limit comes, so that an online backup has a middle.
   */
  async slowRepository(): Promise<void> {
    const { exitCode, stderr } = await runProgram('chattr', ['+S', this.repository]);
    if (exitCode !== 0) console.warn(`${this.repository} cannot be written synchronously, and a test may come too late for its middle: ${stderr.trim()}`);
  }

  /** SIGKILL to `modosu up` itself, and a new one on the same state directory, as systemd starts it. Resolves when it is ready. */
  async killSupervisor(): Promise<void> {
    await this.goDown();
    await this.start();
  }

  /** The machine of the restore system is gone with all that was on it, but for hypervisors and repositories; a new one is started. */
  async loseEverything(): Promise<void> {
    await this.goDown();
    await this.state.remove();
    this.state = new TestState(this.directory);
    await this.start();
  }

  /** The storage of the image repository is gone, too: nothing of it is left, and its place is not there. */
  loseRepository(): void {
    rmSync(this.repository, { recursive: true });
  }

  /** Declares an empty directory as the image repository: it becomes one. */
  async replaceRepository(name: string): Promise<void> {
    this.repository = this.newRepository(name);
    await this.apply();
  }

  private newRepository(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path);
    chmodSync(path, 0o711); // QEMU's user passes through to the files it is given
    return path;
  }

  /** SIGKILL to `modosu up`, and with it to all its parts; they stay away until `start`. */
  async goDown(): Promise<void> {
    this.up?.kill('SIGKILL');
    await this.up?.exit();
  }

  /** As `kill -9` by an operator or the OOM killer; the supervisor starts it again. Returns the pid that was killed. */
  killPart(part: PartName): number {
    const pid = this.state.pidOf(part);
    if (pid === null) throw new Error(`${part} is not running`);
    process.kill(pid, 'SIGKILL');
    return pid;
  }

  /** Waits until the supervisor has started another one of this part. */
  partCameBack = async (part: PartName, killedPid: number): Promise<void> =>
    void (await eventually(
      () => this.state.pidOf(part),
      (pid) => pid !== null && pid !== killedPid,
      60_000,
    ));

  async close(): Promise<void> {
    for (const guest of this.guests) await guest.destroy();
    await this.state.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Makes a guest and declares it (with all earlier ones) in the estate. */
  async addServer({ stopTimeoutSeconds = 60, agentTimeoutSeconds = 120, protection = {}, ...options }: ServerOptions): Promise<GuestServer> {
    const guest = await createGuestServer({ ...options, directory: join(this.directory, options.name) });
    this.guests.push(guest);
    await this.declare(guest.name, { stopTimeoutSeconds, agentTimeoutSeconds, ...protection });
    return guest;
  }

  /** Declares more about a server: what is given replaces what was declared before. */
  async declare(name: string, facts: Partial<Declaration>): Promise<void> {
    this.declared.set(name, { ...this.declared.get(name), ...facts });
    await this.apply();
  }

  private async apply(): Promise<void> {
    const applied = await this.post('/v1/estate', { estate: this.estate() });
    if (applied.status >= 300) throw new Error(`the estate was refused: ${JSON.stringify(applied.body)}`);
  }

  /** Declares a policy, or declares it anew, for servers that name it. */
  async declarePolicy(policy: { readonly name: string } & Readonly<Record<string, unknown>>): Promise<void> {
    this.policies.set(policy.name, policy);
    await this.apply();
  }

  /** Declares a group of servers that are declared. */
  async declareGroup(name: string, servers: readonly string[]): Promise<void> {
    this.groups.set(name, { name, servers });
    await this.apply();
  }

  /** Declares relations of servers that are declared, by name. */
  async declareRelations(...relations: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[]): Promise<void> {
    for (const relation of relations) this.relations.set(relation.name, relation);
    await this.apply();
  }

  private readonly relations = new Map<string, object>();
  private readonly groups = new Map<string, object>();

  /** Declares a second place for recovery points; policies can name it from then on. */
  async declareOffsite(offsite: { readonly name: string; readonly location: string; readonly media?: string }): Promise<void> {
    this.offsite.set(offsite.name, offsite);
    await this.apply();
  }

  private readonly offsite = new Map<string, object>();
  private readonly policies = new Map<string, object>();
  private readonly declared = new Map<string, Partial<Declaration>>();

  estate(): object {
    return {
      hypervisors: [{ name: 'local', kind: 'libvirt', uri: 'qemu:///system' }],
      repositories: [{ name: 'main', kind: 'directory', path: this.repository }],
      offsite: [...this.offsite.values()],
      policies: [...this.policies.values()],
      servers: [...this.declared].map(([name, facts]) => ({ name, domain: name, hypervisor: 'local', repository: 'main', ...facts })),
      groups: [...this.groups.values()],
      ...(this.relations.size === 0 ? {} : { relations: [...this.relations.values()] }),
    };
  }

  get = <T>(path: string): Promise<Answer<T>> => this.request<T>('GET', path);
  post = <T>(path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> => this.request<T>('POST', path, body, headers);

  /** Starts an image backup and returns the run as accepted. */
  async startBackup(name: string, reason = 'baseline', options: BackupOptions = {}): Promise<RunView> {
    return accepted(
      await this.post<RunView>(
        `/v1/servers/${encodeURIComponent(name)}/backups`,
        { kind: 'image', mode: 'offline', ...(options.mode === 'online' ? { full: true } : {}), ...options, reason },
        { 'idempotency-key': randomUUID() },
      ),
    );
  }

  async backup(name: string, reason?: string, options?: BackupOptions): Promise<ImageRecoveryPointView> {
    const run = await this.finished((await this.startBackup(name, reason, options)).id);
    if (run.state !== 'succeeded' || run.recoveryPointId === null) throw new Error(`the backup ${run.state}: ${JSON.stringify(run.error)}`);
    return (await this.get<ImageRecoveryPointView>(`/v1/recovery-points/${run.recoveryPointId}`)).body;
  }

  /** `keepDisks`: targets of data disks that stay as they are; `attachOldDisks`: of those whose old volumes are attached. */
  plan(name: string, recoveryPointId?: string, keepDisks: readonly string[] = [], attachOldDisks: readonly string[] = []): Promise<RestorePlanView> {
    return this.planWith(name, { keepDisks, attachOldDisks, recoveryPointId });
  }

  /** The same with anything else that may be asked for. */
  async planWith(name: string, options: object): Promise<RestorePlanView> {
    const { id } = accepted(await this.post<RestorePlanView>(`/v1/servers/${encodeURIComponent(name)}/restore-plans`, { scenario: 'server', ...options }));
    return this.planned(id);
  }

  /** As far as it is ready, or could not be made. */
  planned = (id: string): Promise<RestorePlanView> =>
    eventually(
      async () => (await this.get<RestorePlanView>(`/v1/restore-plans/${id}`)).body,
      ({ state }) => state !== 'planning',
      this.runDeadlineMs / 4,
      PATIENT_MS,
    );

  /** Carries a plan out, of a restore or of an undo. `hold`: the restore waits before go-live. */
  async startRestore(
    plan: RestorePlanView,
    { hold = false, ...accepting }: { readonly hold?: boolean; readonly override?: object; readonly acknowledgeUnknown?: boolean } = {},
  ): Promise<RunView> {
    return accepted(
      await this.post<RunView>(`/v1/restore-plans/${plan.id}/run`, {
        reason: 'it no longer starts',
        confirm: plan.serverName,
        ...(hold ? { hold } : {}),
        ...accepting,
      }),
    );
  }

  /** Waits until the run waits for a person's word before go-live. */
  waiting = (runId: string): Promise<RunView> =>
    eventually(
      () => this.run(runId),
      (run) => isFinal(run.state) || run.waitingFor === 'go-live',
      RUN_DEADLINE_MS,
    );

  goLive = async (runId: string, reason = 'it looks right'): Promise<RunView> => accepted(await this.post<RunView>(`/v1/runs/${runId}/go-live`, { reason }));

  async undoPlan(runId: string): Promise<RestorePlanView> {
    const { id } = accepted(await this.post<RestorePlanView>(`/v1/runs/${runId}/undo-plans`));
    return this.planned(id);
  }

  /** Starts the undo of a run that has ended. */
  async undo(runId: string): Promise<RunView> {
    const plan = await this.undoPlan(runId);
    if (plan.state !== 'ready') throw new Error(`no plan of an undo: ${JSON.stringify(plan.error)}`);
    return this.startRestore(plan);
  }

  /** Starts the deletion of what a run has kept. */
  confirm = async (runId: string, reason = 'it stays'): Promise<RunView> => accepted(await this.post<RunView>(`/v1/runs/${runId}/confirm`, { reason }));

  /** Saves the data sets of a server, all of them where none is named. */
  async startDataBackup(name: string, dataSets?: readonly string[]): Promise<RunView> {
    return accepted(await this.post<RunView>(`/v1/servers/${encodeURIComponent(name)}/backups`, { kind: 'data', dataSets, reason: 'daily' }));
  }

  /** Newest recovery point of each data set that was saved, by data set. */
  async backupData(name: string, dataSets?: readonly string[]): Promise<ReadonlyMap<string, DataRecoveryPointView>> {
    const run = await this.finished((await this.startDataBackup(name, dataSets)).id);
    if (run.state !== 'succeeded') throw new Error(`the data backup ${run.state}: ${JSON.stringify(run.error)}`);
    return new Map((await this.dataPoints(name)).filter(({ runId }) => runId === run.id).map((point) => [point.dataSet, point]));
  }

  /** Newest first. */
  dataPoints = async (name: string): Promise<readonly DataRecoveryPointView[]> =>
    (await this.recoveryPoints(name)).filter((point): point is DataRecoveryPointView => point.kind === 'data');

  async planData(
    name: string,
    dataSet: string,
    selection: DataSelection,
    more: { readonly recoveryPointId?: string; readonly incidentAt?: string; readonly from?: string } = {},
  ): Promise<RestorePlanView> {
    const { id } = accepted(
      await this.post<RestorePlanView>(`/v1/servers/${encodeURIComponent(name)}/restore-plans`, { scenario: 'data', dataSet, selection, ...more }),
    );
    return this.planned(id);
  }

  /** Plans and carries out; the run has ended. */
  async restoreData(name: string, dataSet: string, selection: DataSelection): Promise<RunView> {
    const plan = await this.planData(name, dataSet, selection);
    if (plan.state !== 'ready') throw new Error(`no plan: ${JSON.stringify(plan.error)}`);
    return this.finished((await this.startRestore(plan)).id);
  }

  wayBacks = async (name: string, state?: WayBackState): Promise<readonly WayBackView[]> =>
    (await this.get<Page<WayBackView>>(`/v1/way-backs?server=${encodeURIComponent(name)}${state === undefined ? '' : `&state=${state}`}`)).body.items;

  async restore(name: string): Promise<RunView> {
    const plan = await this.plan(name);
    if (plan.state !== 'ready') throw new Error(`no plan: ${JSON.stringify(plan.error)}`);
    return this.finished((await this.startRestore(plan)).id);
  }

  run = async (id: string): Promise<RunView> => (await this.get<RunView>(`/v1/runs/${id}`)).body;

  finished = (id: string): Promise<RunView> =>
    eventually(
      () => this.run(id),
      (run) => isFinal(run.state),
      this.runDeadlineMs,
      PATIENT_MS,
    );

  /** Waits until the step is in this state. */
  stepIs = (runId: string, key: string, state: string): Promise<RunView> =>
    eventually(
      () => this.run(runId),
      (run) => run.steps.some((step) => step.key === key && step.state === state),
      90_000,
    );

  /** Waits until the copy has moved bytes but has not ended: the moment at which faults are caused. */
  copyUnderWay = async (runId: string, target: string): Promise<RunView> => {
    const run = await eventually(
      () => this.run(runId),
      ({ state: runState, steps }) =>
        isFinal(runState) ||
        steps.some(
          ({ key, state, progress }) =>
            key === `copy:${target}` && state !== 'pending' && (state !== 'running' || (progress !== null && progress.doneBytes > 0)),
        ),
      90_000,
    );
    const step = run.steps.find(({ key }) => key === `copy:${target}`);
    if (step?.state !== 'running') throw new Error(`the copy was over before it could be disturbed: ${JSON.stringify({ step, error: run.error })}`);
    return run;
  };

  async cancel(runId: string): Promise<RunView> {
    const answer = await this.post(`/v1/runs/${runId}/cancel`);
    if (answer.status >= 300) throw new Error(`the cancel was refused: ${JSON.stringify(answer.body)}`);
    return this.finished(runId);
  }

  /** Images and data. */
  recoveryPoints = async (name: string): Promise<readonly RecoveryPointView[]> =>
    (await this.get<Page<RecoveryPointView>>(`/v1/recovery-points?server=${encodeURIComponent(name)}`)).body.items;

  images = async (name: string): Promise<readonly ImageRecoveryPointView[]> =>
    (await this.recoveryPoints(name)).filter((point): point is ImageRecoveryPointView => point.kind === 'image');

  /** qemu-img processes that work on files of this stack. */
  copies = (): Promise<readonly number[]> => processesWith('qemu-img', this.directory);

  /** Waits until the run says that it tries again what has failed with this code. */
  triedAgain = (runId: string, code: string): Promise<RunView> =>
    eventually(
      () => this.run(runId),
      ({ retrying }) => retrying?.error.code === code,
      90_000,
    );

  /** See `oracle.ts`. */
  expectOrder = (run: RunView, expected?: Expected): Promise<void> => expectOrder(this, run, expected);

  verifyAudit = async (): Promise<AuditVerification> => (await this.get<AuditVerification>('/v1/audit/verify')).body;

  /** Runs the program as a person at this machine does. */
  cli = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> => this.state.run(args, env);

  /** Everything that runs for this installation. */
  processes = (): readonly number[] => this.state.processes();

  get stateDirectory(): string {
    return this.state.directory;
  }

  /** What `modosu up` has printed. */
  get printed(): string {
    return `${this.up?.stdout ?? ''}\n${this.up?.stderr ?? ''}`;
  }

  /**
   * Everything this installation must keep to itself, by name of its file: token, passwords, keys, logins and passwords of data repositories, hashes of
   * logins.
   */
  secrets(): ReadonlyMap<string, string> {
    const directory = join(this.state.directory, 'secrets');
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
    return new Map(
      files.flatMap((entry) =>
        secretsOf(relative(directory, join(entry.parentPath, entry.name)), readFileSync(join(entry.parentPath, entry.name), 'utf8').trim()),
      ),
    );
  }

  private async request<T>(method: string, path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
    const { apiUrl } = this.state.endpoints();
    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.state.read('secrets/admin-token').trim()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? null : JSON.parse(text)) as T, location: answer.headers.get('location') };
  }
}

/** By name: a file may hold several. The URLs of the database hold a password that has a file of its own. */
function secretsOf(file: string, text: string): readonly (readonly [string, string])[] {
  // What restic calls a key by is no secret: whoever sees the repository sees it.
  if (text === '' || /^database-(?:owner-)?url$|\/key-of-[0-9a-f]+$/.test(file)) return [];
  if (file === 'payload-keys.json') {
    const { keys } = JSON.parse(text) as { readonly keys: Readonly<Record<string, unknown>> };
    return Object.entries(keys).map(([id, key]) => [`payload key ${id}`, String(key)]);
  }
  if (file === 'data-logins.htpasswd') {
    return text.split('\n').map((line) => [`hash of ${line.slice(0, line.indexOf(':'))}`, line.slice(line.indexOf(':') + 1)]);
  }
  return [[file, text]];
}

function accepted<T>(answer: Answer<T>): T {
  if (answer.status !== 202) {
    const problem = answer.body as unknown as Problem;
    throw new Error(`answered ${answer.status}: ${problem.code}: ${problem.detail}`);
  }
  return answer.body;
}

export type { Problem };
