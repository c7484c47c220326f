import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstallationEndpoints } from '../../src/config/state-layout';
import { writeDown } from './command-ledger';
import { ownedDirectory } from './owned-directory';
import { killQuietly, readQuietly } from './processes';

/** The built program, as a user starts it. */
const ROOT = process.env.MODOSU_TEST_ROOT ?? join(__dirname, '..', '..');
const PROGRAM = join(ROOT, 'bin', 'modosu');
/** Outside 0700 directories: PostgreSQL runs as another OS user. */
const BASE = process.getuid?.() === 0 ? '/var/lib/modosu-test' : join(tmpdir(), 'modosu-test');

export const PARTS = ['postgres', 'temporal', 'data', 'worker', 'api'] as const;
export type PartName = (typeof PARTS)[number];

/** A state directory of its own; removed by `remove`, after everything that was started on it has ended. */
export class TestState {
  readonly directory: string;
  private readonly started: UpProcess[] = [];

  constructor(parent: string = BASE) {
    if (!existsSync(join(ROOT, 'dist', 'workflow-bundle.js'))) throw new Error(`${ROOT}/dist is missing or incomplete: run "npm run build" first`);
    this.directory = ownedDirectory(parent, 'up-');
    chmodSync(this.directory, 0o711);
  }

  /** Ports are chosen freely; everything else can be set. */
  up(env: Readonly<Record<string, string>> = {}): UpProcess {
    const started = new UpProcess({ MODOSU_STATE_DIR: this.directory, MODOSU_API_PORT: '0', ...env });
    this.started.push(started);
    return started;
  }

  run(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string): Promise<Outcome> {
    return new UpProcess({ MODOSU_STATE_DIR: this.directory, ...env }, args, cwd).exit();
  }

  read(path: string): string {
    return readFileSync(join(this.directory, path), 'utf8');
  }

  endpoints(): InstallationEndpoints {
    return JSON.parse(this.read('run/endpoints.json')) as InstallationEndpoints;
  }

  /** Process id of a supervised part, or null while it is not running. */
  pidOf(part: PartName): number | null {
    try {
      return (JSON.parse(this.read(`run/processes/${part}.json`)) as { readonly pid: number }).pid;
    } catch {
      return null;
    }
  }

  /** Status of a request with the administrator's token; null when nobody answers. */
  async request(path: string, token: string | null = this.read('secrets/admin-token').trim()): Promise<number | null> {
    try {
      const { apiUrl } = this.endpoints();
      const answer = await fetch(`${apiUrl}${path}`, {
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(5000),
      });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return null;
    }
  }

  /** Processes that name this directory in their arguments or environment, and everything in their sessions (PostgreSQL's children). */
  processes(): readonly number[] {
    const all = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    const ours = all.filter(
      (pid) => pid !== process.pid && [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((path) => readQuietly(path).includes(this.directory)),
    );
    const sessions = new Set(ours.map(sessionOf));
    sessions.delete(sessionOf(process.pid));
    return all.filter((pid) => ours.includes(pid) || (sessions.has(sessionOf(pid)) && sessionOf(pid) !== null));
  }

  async remove(): Promise<void> {
    for (const process of this.started) await process.end();
    for (const pid of this.processes()) killQuietly(pid);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface Outcome {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class UpProcess {
  private readonly child: ChildProcess;
  private readonly exited: Promise<Outcome>;
  stdout = '';
  stderr = '';

  constructor(env: Readonly<Record<string, string>>, args: readonly string[] = ['up'], cwd?: string) {
    this.child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { PATH: process.env.PATH, HOME: '/nonexistent', ...cacheOfThisMachine(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (piece: string) => (this.stdout += piece));
    this.child.stderr?.setEncoding('utf8').on('data', (piece: string) => (this.stderr += piece));
    this.exited = new Promise((resolve) => {
      this.child.once('close', (exitCode, signal) => {
        writeDown(args, exitCode, this.stdout);
        resolve({ exitCode, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Milliseconds until the line `ready:`. Throws with the program's output when it ends before. */
  async ready(timeoutMs = 90_000): Promise<number> {
    const startedAt = performance.now();
    const ended = this.exited.then(() => 'ended' as const);
    while (!this.stdout.includes('ready: ')) {
      if ((await Promise.race([ended, pause(50)])) === 'ended') throw new Error(`it ended before it was ready:\n${this.stderr}`);
      if (performance.now() - startedAt > timeoutMs) throw new Error(`not ready after ${timeoutMs} ms:\n${this.stderr}`);
    }
    return performance.now() - startedAt;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  exit(): Promise<Outcome> {
    return this.exited;
  }

  /** SIGTERM, and SIGKILL when that does not help. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), 60_000);
    await this.exited;
    clearTimeout(timer);
  }
}

/** Resolves when `accept` holds; throws at the deadline with the last value. */
export async function eventually<T>(read: () => Promise<T> | T, accept: (value: T) => boolean, timeoutMs = 30_000, everyMs = 100): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (performance.now() > giveUpAt) throw new Error(`not reached within ${timeoutMs} ms; last value: ${JSON.stringify(value)}`);
    await pause(everyMs);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function cacheOfThisMachine(): Record<string, string> {
  const { MODOSU_CACHE_DIR, MODOSU_TEMPORAL_CLI } = process.env;
  return { ...(MODOSU_CACHE_DIR ? { MODOSU_CACHE_DIR } : {}), ...(MODOSU_TEMPORAL_CLI ? { MODOSU_TEMPORAL_CLI } : {}) };
}

function sessionOf(pid: number): string | null {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3] ?? null;
}
