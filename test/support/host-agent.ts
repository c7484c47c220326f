import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { ModosuError } from '../../src/contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from '../../src/guests/guest-agent';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MAX_INPUT_BYTES = 128 * 1024;
/** One argument of virsh, with the agent's JSON in it (MAX_ARG_STRLEN). */
const MAX_REQUEST_BYTES = 128 * 1024;

/** A guest agent that runs programs on this host: for what is done with files, without a guest. Its limits are those of the real one. */
export class HostAgent implements GuestAgent {
  /** What was run, in order. */
  readonly ran: GuestProgram[] = [];
  private readonly ended = new Map<number, CommandResult | null>();
  private readonly ends = new Map<number, Promise<void>>();

  constructor(
    private readonly options: {
      /** Called before each program; what it throws is what the agent says. */
      readonly beforeStart?: (program: GuestProgram) => Promise<void> | void;
      readonly path?: string;
    } = {},
  ) {}

  async exec(
    argv: readonly [string, ...string[]],
    { timeoutMs, maxOutputBytes, ...program }: { readonly timeoutMs: number; readonly maxOutputBytes?: number } & Omit<GuestProgram, 'argv'>,
  ): Promise<CommandResult> {
    const pid = await this.start({ argv, ...program });
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      const outcome = await this.outcome(pid, { timeoutMs, ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }) });
      if (outcome !== null) return outcome;
      if (performance.now() > giveUpAt) throw new ModosuError('AGENT_COMMAND_FAILED', `${argv[0]} had not ended`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async start(program: GuestProgram): Promise<number> {
    this.ran.push(program);
    await this.options.beforeStart?.(program);
    const input = Buffer.from(program.input ?? '');
    if (input.length > MAX_INPUT_BYTES) throw new ModosuError('INTERNAL', `${input.length} bytes are too many for the standard input of a program in a guest.`);
    if (program.input === undefined && Buffer.byteLength(JSON.stringify(program.argv)) > MAX_REQUEST_BYTES) {
      throw new ModosuError('INTERNAL', 'argument list too long');
    }
    const [command, ...args] = program.argv;
    const child = spawn(command, args, {
      env: { PATH: this.options.path ?? PATH, HOME: '/root', LC_ALL: 'C', ...program.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const pieces = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    child.stdout.on('data', (piece: Buffer) => pieces.stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => pieces.stderr.push(piece));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return new Promise((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(
          new ModosuError(
            'AGENT_COMMAND_FAILED',
            `refused guest-exec: Failed to execute child process "${command}" (${error.code === 'ENOENT' ? 'No such file or directory' : error.message})`,
          ),
        ),
      );
      child.on('spawn', () => {
        const pid = child.pid ?? 0;
        this.ended.set(pid, null);
        let over = (): void => undefined;
        this.ends.set(pid, new Promise((resolveEnd) => (over = resolveEnd)));
        child.on('close', (code, signal) => {
          over();
          this.ended.set(pid, {
            exitCode: code ?? 128 + constants.signals[signal ?? 'SIGTERM'],
            stdout: Buffer.concat(pieces.stdout).toString('latin1'),
            stderr: Buffer.concat(pieces.stderr).toString('latin1'),
            truncated: false,
          });
        });
        resolve(pid);
      });
    });
  }

  async outcome(
    pid: number,
    { maxOutputBytes = 1024 * 1024 }: { readonly timeoutMs: number; readonly maxOutputBytes?: number },
  ): Promise<CommandResult | null> {
    // As long as an answer of the real one takes.
    await Promise.race([this.ends.get(pid), new Promise((resolve) => setTimeout(resolve, 40))]);
    const result = this.ended.get(pid);
    if (result === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'PID is unknown');
    if (result === null) return null;
    this.ended.delete(pid);
    this.ends.delete(pid);
    const cut = (text: string): string => Buffer.from(text, 'latin1').subarray(0, maxOutputBytes).toString('utf8');
    return {
      ...result,
      stdout: cut(result.stdout),
      stderr: cut(result.stderr),
      truncated: result.stdout.length > maxOutputBytes || result.stderr.length > maxOutputBytes,
    };
  }

  async readFile(path: string, { maxBytes }: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<Buffer | null> {
    try {
      return (await readFile(path)).subarray(0, maxBytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new ModosuError('AGENT_COMMAND_FAILED', (error as Error).message);
    }
  }

  answers = (): Promise<boolean> => Promise.resolve(true);
  info = (): Promise<{ readonly version: string; readonly commands: readonly string[] }> => Promise.resolve({ version: '7.2', commands: [] });
  waitUntilAnswering = (): Promise<void> => Promise.resolve();
  freeze = (): Promise<number> => Promise.resolve(0);
  setPassword = (): Promise<void> => Promise.reject(new ModosuError('CREDENTIAL_NOT_SET', 'Nobody sets a password on this host.'));
  thaw = (): Promise<number> => Promise.resolve(0);
  isFrozen = (): Promise<boolean> => Promise.resolve(false);
  clock = (): Promise<Date> => Promise.resolve(new Date());
}
