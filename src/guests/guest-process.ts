import { posix } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../contracts/error-codes';
import { isModosuError, ModosuError } from '../contracts/errors';
import { cleanWords } from '../contracts/text';
import { passesByItself, type CommandResult, type GuestAgent, type GuestProgram } from './guest-agent';

/** Bytes of a program's work that have been seen, never estimated. `totalBytes` 0: not known. */
export interface GuestProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What each step in a guest takes along. */
export interface GuestWork {
  /** Abort: the program in the guest is ended, then the promise rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Called at least every 5 s while the agent answers. */
  readonly onProgress?: (progress: GuestProgress) => void;
}

export interface GuestRunOptions {
  readonly signal: AbortSignal;
  /** After each look at the running program, at least every 5 s. What it throws is not heard. */
  readonly onTick?: (pid: number) => Promise<void> | void;
  /** Default 1 MiB. */
  readonly maxOutputBytes?: number;
}

export const AGENT_TIMEOUT_MS = 30_000;
const POLL_MS = [20, 50, 100, 200, 400, 800, 1_500];
/** An agent that is busy or frozen comes back; longer than this it is gone. */
const SILENCE_MS = 120_000;
const KILLED_WITHIN_MS = 20_000;
const MAX_CANDIDATES = 200;
const WAIT_POLL_MS = 1_000;
/** The kernel keeps no more of the name of a process. */
const MAX_COMM_BYTES = 15;
const NO_SUCH_PROGRAM = /No such file or directory|Failed to execute child process|not found/i;
const MAX_COMPLAINT = 400;

/**
 * Runs a program in the guest to its end, whatever that is, however long it takes. Not idempotent. On abort it is ended with SIGKILL, and so is what
 * it has started, as far as the guest allows. Throws `GUEST_PROGRAM_MISSING` for a program that is not there, `GUEST_COMMAND_FORBIDDEN`, `AGENT_ABSENT`, `AGENT_COMMAND_FAILED` when the agent no
 * longer knows the program (it was restarted), and `AGENT_SILENT` after two minutes of silence.
 */
export async function runInGuest(agent: GuestAgent, program: GuestProgram, options: GuestRunOptions): Promise<CommandResult> {
  options.signal.throwIfAborted();
  const pid = await startProgram(agent, program);
  let heardAt = performance.now();
  for (let round = 0; ; round += 1) {
    if (options.signal.aborted) {
      await endProgram(agent, pid, program.argv[0]).catch(() => undefined);
      options.signal.throwIfAborted();
    }
    try {
      const ended = await agent.outcome(pid, {
        timeoutMs: AGENT_TIMEOUT_MS,
        ...(options.maxOutputBytes === undefined ? {} : { maxOutputBytes: options.maxOutputBytes }),
      });
      if (ended !== null) return ended;
      heardAt = performance.now();
      await Promise.resolve(options.onTick?.(pid)).catch(() => undefined);
    } catch (error) {
      if (!passesByItself(error) || performance.now() - heardAt > SILENCE_MS) throw error;
    }
    await delay(POLL_MS[Math.min(round, POLL_MS.length - 1)] ?? 1_500, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

const startProgram = (agent: GuestAgent, program: GuestProgram): Promise<number> =>
  starting(program.argv[0], () => agent.start(program, { timeoutMs: AGENT_TIMEOUT_MS }));

/** Starts a program by `start`: an agent that does not find the program is `GUEST_PROGRAM_MISSING`. */
export async function starting<T>(program: string, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'AGENT_COMMAND_FAILED' || !NO_SUCH_PROGRAM.test(error.message)) throw error;
    throw programMissing(program, error);
  }
}

export const programMissing = (program: string, cause?: unknown): ModosuError =>
  new ModosuError('GUEST_PROGRAM_MISSING', `The guest has no program ${program}.`, { context: { program }, cause });

/** Ends a process that this agent has started, with what it has started itself, and waits until it is gone. */
async function endProgram(agent: GuestAgent, pid: number, program: string): Promise<void> {
  await killInGuest(agent, [pid, ...(await descendantsOf(agent, pid))]);
  const giveUpAt = performance.now() + KILLED_WITHIN_MS;
  while ((await agent.outcome(pid, { timeoutMs: AGENT_TIMEOUT_MS })) === null) {
    if (performance.now() > giveUpAt) {
      throw new ModosuError('AGENT_COMMAND_FAILED', `${program} could not be ended in the guest.`, { context: { program, pid } });
    }
    await delay(200);
  }
}

async function killInGuest(agent: GuestAgent, pids: readonly number[]): Promise<void> {
  const options = { timeoutMs: AGENT_TIMEOUT_MS };
  try {
    await starting('kill', () => agent.exec(['kill', '-KILL', ...pids.map(String)], options));
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'GUEST_PROGRAM_MISSING') throw error;
    // Windows: its own program for it, which takes along what they have started.
    await agent.exec(['taskkill', '/F', '/T', ...pids.flatMap((pid) => ['/PID', String(pid)])], options).catch(() => {
      throw error;
    });
  }
}

/** Processes that the process has started, and those that they have. None where the guest cannot be asked for them: the process itself can be ended all the same. */
async function descendantsOf(agent: GuestAgent, pid: number): Promise<readonly number[]> {
  const { stdout } = await agent
    .exec(['find', '/proc', '-maxdepth', '2', '-name', 'status', '-exec', 'grep', '-H', '^PPid:', '{}', '+'], { timeoutMs: AGENT_TIMEOUT_MS })
    .catch(() => ({ stdout: '' }));
  const all = [...stdout.matchAll(/^\/proc\/(\d{1,10})\/status:PPid:\s(\d{1,10})$/gm)].map(([, child, parent]) => [Number(child), Number(parent)] as const);
  const found = new Set<number>();
  for (let parents = new Set([pid]); parents.size > 0 && found.size < MAX_CANDIDATES;) {
    const children = all.filter(([child, parent]) => parents.has(parent) && !found.has(child)).map(([child]) => child);
    for (const child of children) found.add(child);
    parents = new Set(children);
  }
  return [...found].slice(0, MAX_CANDIDATES);
}

/**
 * Ends what an earlier attempt has left running: processes of `program` with `argument` among their arguments, exactly. Others are never touched. Idempotent;
 * returns how many were found. Throws `AGENT_COMMAND_FAILED` when one is still there after 20 s.
 */
export async function endLeftovers(agent: GuestAgent, program: string, argument: string, signal: AbortSignal): Promise<number> {
  const giveUpAt = performance.now() + KILLED_WITHIN_MS;
  let found = 0;
  for (;;) {
    signal.throwIfAborted();
    const pids = await processesWith(agent, program, argument, signal);
    if (pids.length === 0) return found;
    found = Math.max(found, pids.length);
    if (performance.now() > giveUpAt) {
      throw new ModosuError('AGENT_COMMAND_FAILED', `${program} of an earlier attempt could not be ended in the guest.`, { context: { program } });
    }
    await killInGuest(agent, pids);
    await delay(200);
  }
}

/**
 * Waits until no process in the guest runs exactly this, directly or through the interpreter of a script: whoever has started it may have died, and two of it
 * must not run at once. For how long is the signal's business.
 */
export async function waitUntilNoneRuns(agent: GuestAgent, argv: GuestProgram['argv'], { signal }: Pick<GuestRunOptions, 'signal'>): Promise<void> {
  while (await isRunning(agent, argv, signal)) await delay(WAIT_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
}

async function isRunning(agent: GuestAgent, argv: GuestProgram['argv'], signal: AbortSignal): Promise<boolean> {
  const [program, ...args] = argv;
  for (const pid of await processesNamed(agent, posix.basename(program), signal)) {
    const words = (await argumentsOf(agent, pid)).slice(0, -1);
    const own = words.slice(words.length - argv.length);
    // A program that was found on the way is started by its path.
    const isIt = own[0] === program || (!program.includes('/') && posix.basename(own[0] ?? '') === program);
    if (own.length === argv.length && isIt && args.every((word, index) => own[index + 1] === word)) return true;
  }
  return false;
}

/** With an empty one at the end; none of a process that is gone. */
async function argumentsOf(agent: GuestAgent, pid: number): Promise<readonly string[]> {
  const line = await agent.readFile(`/proc/${pid}/cmdline`, { timeoutMs: AGENT_TIMEOUT_MS, maxBytes: 128 * 1024 }).catch((error: unknown) => {
    // It has ended while it was read. An agent that says nothing has not said that.
    if (isModosuError(error) && error.code === 'AGENT_COMMAND_FAILED' && !passesByItself(error)) return null;
    throw error;
  });
  return (line?.toString('utf8') ?? '').split('\0');
}

/** By the kernel's name for a process: the file it was started from, that of a script too, and at most 15 bytes of it. */
async function processesNamed(agent: GuestAgent, name: string, signal: AbortSignal): Promise<readonly number[]> {
  let comm = name;
  while (Buffer.byteLength(comm) > MAX_COMM_BYTES) comm = [...comm].slice(0, -1).join('');
  const whole = comm === name ? ['-x'] : [];
  // Programs that every Linux has, `pgrep` is not one of them; not by their arguments, because not every `grep` reads past the zero bytes between them.
  const { stdout } = await runInGuest(
    agent,
    { argv: ['find', '/proc', '-maxdepth', '2', '-name', 'comm', '-exec', 'grep', '-lF', ...whole, '-e', comm, '{}', '+'] },
    { signal },
  );
  return [...stdout.matchAll(/^\/proc\/(\d{1,10})\/comm$/gm)].map(([, pid]) => Number(pid)).slice(0, MAX_CANDIDATES);
}

async function processesWith(agent: GuestAgent, program: string, argument: string, signal: AbortSignal): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of await processesNamed(agent, program, signal)) {
    const argv = await argumentsOf(agent, pid);
    if (argv[0]?.split('/').at(-1) === program && argv.includes(argument)) pids.push(pid);
  }
  return pids;
}

/** As `runInGuest`; any end but exit code 0 is `code`, with the program's words. */
export async function mustRunInGuest(agent: GuestAgent, program: GuestProgram, code: ErrorCode, options: GuestRunOptions): Promise<CommandResult> {
  const result = await runInGuest(agent, program, options);
  if (result.exitCode === 0) return result;
  throw failureOf(program.argv[0], result, code);
}

/**
 * What a failed program means for people: `code`, or `GUEST_DISK_FULL` when the file system is full. The end of a long complaint says more than its
 * beginning.
 */
export function failureOf(program: string, { exitCode, stderr }: Pick<CommandResult, 'exitCode' | 'stderr'>, code: ErrorCode): ModosuError {
  const words = cleanWords(stderr, MAX_COMPLAINT, { keep: 'end' });
  const full = /No space left on device|Disk quota exceeded/i.test(stderr);
  return new ModosuError(full ? 'GUEST_DISK_FULL' : code, `${program} in the guest ended with exit code ${exitCode}${words === '' ? '' : `: ${words}`}`, {
    context: { program, exitCode },
  });
}
