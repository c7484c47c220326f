import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { constants, accessSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { ModosuError } from '../contracts/errors';

export interface RunOptions {
  /** The program is killed after this long; the outcome then says `timedOut`. Absent: no limit (copies have a watchdog of their own). */
  readonly timeoutMs?: number;
  /** Abort: the program is killed, and once it is gone the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly input?: string | Uint8Array;
  /** Added to the small environment every child gets (PATH, HOME, LC_ALL=C …). Ours is not passed on: it may hold secrets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard output goes nowhere, without passing through this process: for a program that is only to read. */
  readonly discardStdout?: boolean;
  /** Kept per stream; more is read and dropped, and the outcome says `truncated`. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  /** Every piece of standard output as it arrives, before the limit applies. */
  readonly onStdout?: (piece: Buffer) => void;
  /** The same for standard error. */
  readonly onStderr?: (piece: Buffer) => void;
  /** Called once with the process id, as soon as it is known. */
  readonly onStarted?: (pid: number) => void;
}

export interface CommandOutcome {
  /** Null when the program was ended by a signal: never equal to 0, so a killed program is never taken for a success. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
  readonly timedOut: boolean;
}

const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;
/** A process in uninterruptible sleep (dead storage) ignores SIGKILL: do not wait for it for ever. */
const KILL_GRACE_MS = 10_000;
/** A grandchild may keep the pipes open after the program itself has ended. */
const PIPE_GRACE_MS = 1_000;
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Absolute path of a program. Throws `PROGRAM_MISSING`. */
export function findProgram(program: string): string {
  const candidates = isAbsolute(program)
    ? [program]
    : (process.env['PATH'] ?? DEFAULT_PATH)
        .split(delimiter)
        .filter(isAbsolute)
        .map((directory) => join(directory, program));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // not here
    }
  }
  throw new ModosuError('PROGRAM_MISSING', `The program ${program} is not installed.`, { context: { program } });
}

/** PATH, HOME and the like, and nothing that could be a secret. */
export function childEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, LC_ALL: 'C', ...extra };
}

/** Keeps the first `limit` bytes of a stream. */
class BoundedOutput {
  private readonly pieces: Buffer[] = [];
  private kept = 0;
  truncated = false;

  constructor(private readonly limit: number) {}

  add(piece: Buffer): void {
    const room = this.limit - this.kept;
    if (piece.length > room) this.truncated = true;
    if (room <= 0) return;
    const part = piece.subarray(0, room);
    this.pieces.push(part);
    this.kept += part.length;
  }

  text(): string {
    return Buffer.concat(this.pieces).toString('utf8');
  }
}

/**
 * Runs one program without a shell and waits for its end. It dies with this process, also when this process is killed with
 * SIGKILL, and so does what it started in its process group when it is killed from here.
 *
 * Never rejects because of an exit code. Rejects with `PROGRAM_MISSING`, or with the abort reason of `signal`.
 */
export async function runCommand(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<CommandOutcome> {
  options.signal?.throwIfAborted();
  const child = start(argv, options);
  const stdout = new BoundedOutput(options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES);
  const stderr = new BoundedOutput(options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES);
  let timedOut = false;

  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    const timers: NodeJS.Timeout[] = [];
    const settle = (finish: () => void): void => {
      for (const timer of timers) clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const kill = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
      timers.push(setTimeout(() => settle(() => resolve({ exitCode: null, signal: 'SIGKILL' })), KILL_GRACE_MS));
    };
    const onAbort = (): void => kill();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.timeoutMs !== undefined) {
      timers.push(
        setTimeout(() => {
          timedOut = true;
          kill();
        }, options.timeoutMs),
      );
    }
    child.once('error', (error) => settle(() => reject(new ModosuError('INTERNAL', `${argv[0]} could not be started: ${error.message}`, { cause: error }))));
    child.once('exit', () => {
      timers.push(
        setTimeout(() => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        }, PIPE_GRACE_MS),
      );
    });
    child.once('close', (exitCode, signal) => settle(() => resolve({ exitCode, signal })));
  });

  child.stdout?.on('data', (piece: Buffer) => {
    stdout.add(piece);
    options.onStdout?.(piece);
  });
  child.stderr?.on('data', (piece: Buffer) => {
    stderr.add(piece);
    options.onStderr?.(piece);
  });
  // The program may end before it has read everything: its exit code tells, not the broken pipe.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  if (child.pid !== undefined) options.onStarted?.(child.pid);

  const { exitCode, signal } = await ended;
  options.signal?.throwIfAborted();
  return {
    exitCode: timedOut ? null : exitCode,
    signal,
    stdout: stdout.text(),
    stderr: stderr.text(),
    truncated: stdout.truncated || stderr.truncated,
    timedOut,
  };
}

/**
 * Starts one program without a shell, to be talked to for longer than one answer. It leads a process group of its own (`killGroup`), gets the small environment,
 * and dies with this process. Throws `PROGRAM_MISSING`.
 */
export function startProgram(argv: readonly [string, ...string[]], options: Pick<RunOptions, 'env'> = {}): ChildProcessWithoutNullStreams {
  // All three are pipes unless one is discarded.
  return start(argv, options) as ChildProcessWithoutNullStreams;
}

/** The kernel kills the child when the thread that made it ends: never call this from a short-lived worker thread. */
function start(argv: readonly [string, ...string[]], { cwd, env, discardStdout = false }: Pick<RunOptions, 'cwd' | 'env' | 'discardStdout'>): ChildProcess {
  const program = findProgram(argv[0]);
  return spawn(findProgram('setpriv'), ['--pdeathsig', 'KILL', '--', program, ...argv.slice(1)], {
    cwd,
    env: childEnvironment(env),
    stdio: ['pipe', discardStdout ? 'ignore' : 'pipe', 'pipe'],
    detached: true,
    shell: false,
  });
}

/** Kills the process group of a child started here (the child leads it); one that is gone already is fine. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // already gone
  }
}
