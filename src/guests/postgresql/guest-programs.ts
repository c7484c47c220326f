import { posix } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { hasControlCharacters } from '../../contracts/text';
import { words } from '../../domain/postgresql/words';
import type { CommandResult, GuestAgent } from '../guest-agent';
import { AGENT_TIMEOUT_MS, failureOf, programMissing, runInGuest, starting } from '../guest-process';

export type Argv = readonly [string, ...string[]];

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input, at most 128 KiB. */
  readonly input?: string;
  readonly maxOutputBytes?: number;
  /** As the guest agent itself, not as the data set's account. */
  readonly asAgent?: boolean;
}

export interface LongOptions extends ProgramOptions {
  /** Abort: the program is killed in the guest. */
  readonly signal?: AbortSignal;
  /** Called every few seconds while it runs. What it throws is not heard. */
  readonly onBeat?: () => Promise<void> | void;
}

/** Of a whole file, also over a slow way. */
const READ_MS = 120_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const BEAT_MS = 2_500;
const NEVER = new AbortController().signal;
/** Longer inputs make the agent slow. */
const PIECE_BYTES = 96 * 1024;
/** `timeout` says 124, and 137 when it had to kill. */
const TIMED_OUT = [124, 137];

interface Owner {
  readonly uid: string;
  readonly gid: string;
}

/** Programs in a guest that run as one account of it: no shell, bounded in time and output. */
export class GuestPrograms {
  private account: Promise<Owner | null> | null = null;

  constructor(
    readonly agent: GuestAgent,
    private readonly osUser: string | null,
  ) {}

  /**
   * Waits for the end of a short program, which ends in the guest too when its time is over. Throws `GUEST_PROGRAM_MISSING`, `AGENT_SILENT` when it had to be
   * ended.
   */
  async run(argv: Argv, options: ProgramOptions & { readonly timeoutMs?: number } = {}): Promise<CommandResult> {
    const seconds = Math.ceil((options.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000);
    const result = await starting('timeout', () => this.runBounded(argv, options, seconds));
    if (TIMED_OUT.includes(result.exitCode)) throw new ModosuError('AGENT_SILENT', `${argv[0]} in the guest had not ended after ${seconds} s and was ended.`);
    return this.checked(argv[0], result);
  }

  /** Like `run`; any exit code but 0 is `AGENT_COMMAND_FAILED`. Returns standard output. */
  async output(argv: Argv, options: ProgramOptions & { readonly timeoutMs?: number } = {}): Promise<string> {
    const result = await this.run(argv, options);
    if (result.exitCode !== 0) throw failureOf(argv[0], result, 'AGENT_COMMAND_FAILED');
    return result.stdout;
  }

  /** Runs a program that may take hours, as `runInGuest`. Its exit code is a result. */
  async runLong(argv: Argv, { signal = NEVER, onBeat, asAgent = false, maxOutputBytes, env, input }: LongOptions): Promise<CommandResult> {
    const whole = asAgent ? argv : ([...(await this.asAccount()), ...argv] as unknown as Argv);
    const onTick = onBeat === undefined ? undefined : atMostEvery(BEAT_MS, onBeat);
    const program = { argv: whole, env: env ?? {}, ...(input === undefined ? {} : { input }) };
    return this.checked(argv[0], await runInGuest(this.agent, program, { signal, maxOutputBytes, onTick }));
  }

  /** User and group of the account; null: the agent's own are used. */
  owner(): Promise<Owner | null> {
    const asked = (this.account ??= this.askOwner());
    asked.catch(() => (this.account = null));
    return asked;
  }

  private async askOwner(): Promise<Owner | null> {
    if (this.osUser === null) return null;
    const { stdout, stderr } = await this.run(['id', '--', this.osUser], { asAgent: true });
    const [, uid, gid] = /^uid=(\d{1,10})(?:\([^)]*\))? gid=(\d{1,10})\b/.exec(stdout) ?? [];
    if (uid === undefined || gid === undefined) {
      throw new ModosuError(
        'DATABASE_SERVER_UNREACHABLE',
        `The guest has no account "${words(this.osUser, 64)}" (osUser of the data set): ${words(stderr, 200)}`,
      );
    }
    return { uid, gid };
  }

  /** Writes a file durably, as the account; it appears whole or not at all. */
  async write(path: string, content: string): Promise<void> {
    const unfinished = `${path}.part`;
    await this.writePieces(unfinished, content);
    await this.output(['mv', '-T', '--', unfinished, path]);
  }

  /** Writes a file that nobody reads before this has ended, as the account. */
  async writePieces(path: string, content: string): Promise<void> {
    const bytes = Buffer.from(content);
    for (let at = 0; at === 0 || at < bytes.length; at += PIECE_BYTES) {
      const how = at === 0 ? ['conv=fsync'] : ['oflag=append', 'conv=notrunc,fsync'];
      const { exitCode, stderr } = await this.agentInput(['dd', `of=${path}`, 'status=none', ...how], bytes.subarray(at, at + PIECE_BYTES));
      if (exitCode !== 0) throw failureOf('dd', { exitCode, stderr }, 'AGENT_COMMAND_FAILED');
    }
  }

  /**
   * A file that a program has written, as it is. Null: it is not there. What is longer than `maxBytes` (at most 16 MiB) is not read: an output of that size
   * would cost the agent its life, a file does not.
   */
  async readWhole(path: string, maxBytes: number): Promise<Buffer | 'too long' | null> {
    const sizeBytes = await this.sizeOf(path);
    if (sizeBytes === null) return null;
    if (sizeBytes > maxBytes) return 'too long';
    return this.agent.readFile(path, { timeoutMs: READ_MS, maxBytes });
  }

  async freeBytes(path: string): Promise<number> {
    return (await this.room(path)).freeBytes;
  }

  /** Of the file system that `path` is on. */
  async room(path: string): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }> {
    const output = await this.output(['df', '-B1', '--output=avail,size', '--', path], { asAgent: true });
    const [, free, size] = /^\s*Avail\s+\S+\s+(\d{1,15})\s+(\d{1,15})\s*$/.exec(output) ?? [];
    if (free === undefined || size === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'The guest gave an answer to df that cannot be read.');
    return { freeBytes: Number(free), sizeBytes: Number(size) };
  }

  /** Tells file systems apart. */
  async deviceOf(path: string): Promise<string> {
    return (await this.output(['stat', '-c', '%d', '--', path], { asAgent: true })).trim().slice(0, 40);
  }

  /** Null: there is no such file. */
  async sizeOf(path: string): Promise<number | null> {
    const { exitCode, stdout } = await this.run(['stat', '-c', '%s', '--', path], { asAgent: true });
    return exitCode === 0 && /^\d{1,15}\n$/.test(stdout) ? Number(stdout) : null;
  }

  /**
   * Kills programs whose whole command line matches an extended regular expression. The programs that do so do not match it themselves: it has to begin with
   * `^`.
   */
  async kill(pattern: string): Promise<void> {
    const { exitCode, stderr } = await this.run(['pkill', '-KILL', '-f', '--', pattern], { asAgent: true });
    if (exitCode !== 0 && exitCode !== 1) throw failureOf('pkill', { exitCode, stderr }, 'AGENT_COMMAND_FAILED');
  }

  private async agentInput(argv: Argv, input: Uint8Array): Promise<CommandResult> {
    const whole = [...(await this.asAccount()), ...argv] as unknown as Argv;
    return starting(whole[0], () => this.agent.exec(whole, { timeoutMs: AGENT_TIMEOUT_MS, input }));
  }

  private async runBounded(argv: Argv, { env, input, maxOutputBytes, asAgent = false }: ProgramOptions, seconds: number): Promise<CommandResult> {
    const prefix = asAgent ? [] : await this.asAccount();
    return this.agent.exec(['timeout', '-k', '5', String(seconds), ...prefix, ...argv], {
      timeoutMs: (seconds + 30) * 1000,
      env: env ?? {},
      ...(input === undefined ? {} : { input }),
      ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }),
    });
  }

  /** setpriv puts the program in its own place: the process id that the agent names is the program's. */
  private async asAccount(): Promise<readonly string[]> {
    const owner = await this.owner();
    return owner === null ? [] : ['setpriv', `--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--init-groups'];
  }

  private checked(program: string, result: CommandResult): CommandResult {
    // `timeout` and `setpriv` end so when what they should start is not there, and say which it is.
    if (result.exitCode === 127) {
      throw programMissing(/(?:failed to (?:run command|execute)|can't execute) ['‘]?([\w./+-]{1,100})/.exec(result.stderr)?.[1] ?? program);
    }
    if (/You must install at least one postgresql-client/.test(result.stderr)) throw programMissing(program);
    return result;
  }
}

/** Calls `work` at most once in so many milliseconds, not at the beginning. */
function atMostEvery(milliseconds: number, work: () => Promise<void> | void): () => Promise<void> | void {
  let calledAt = performance.now();
  return async () => {
    if (performance.now() - calledAt < milliseconds) return;
    await work();
    calledAt = performance.now();
  };
}

/** The path, when it lies below `spool` (`direct`: directly in it). Throws `INTERNAL`: whoever calls has made it up. */
export function insideSpool(spool: string, path: string, how: 'direct' | 'anywhere'): string {
  const inside =
    path.startsWith(`${posix.normalize(spool).replace(/\/$/, '')}/`) && posix.normalize(path) === path && !path.endsWith('/') && !hasControlCharacters(path);
  const name = path.slice(posix.normalize(spool).replace(/\/$/, '').length + 1);
  if (!inside || (how === 'direct' && !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,120}$/.test(name))) {
    throw new ModosuError('INTERNAL', `"${words(path, 200)}" does not lie ${how === 'direct' ? 'directly ' : ''}in the spool directory of the data set.`);
  }
  return path;
}
