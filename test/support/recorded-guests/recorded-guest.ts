import { ModosuError } from '../../../src/contracts/errors';
import type { CommandResult, GuestProgram } from '../../../src/guests/guest-agent';
import { FakeGuestAgent } from '../fake-guest-agent';

export type Answer = string | Partial<CommandResult>;
/** What a program says to its arguments; undefined: the guest does not have it. */
export type Program = Answer | ((argv: readonly string[], input: string) => Answer | undefined);

export interface Recording {
  /** By path; undefined: it is not there. */
  readonly files: Readonly<Record<string, string | undefined>>;
  /** By the first word of what `timeout` starts. `head` reads `files`. */
  readonly programs: Readonly<Record<string, Program | undefined>>;
}

const WITHOUT_TIMEOUT = new Set(['prlimit', 'stat', 'find']);

/** A guest agent that says what the programs and files of a guest have said. */
export class RecordedGuest extends FakeGuestAgent {
  /** Programs that were started, without `timeout` and its arguments, and paths that were read. */
  readonly calls: (readonly string[])[] = [];
  private readonly ended = new Map<number, CommandResult>();
  private readonly written = new Map<string, string>();

  constructor(
    private readonly recording: Recording,
    /** Before each call; what it throws the agent throws. A number: milliseconds that the program takes, if `timeout` lets it. A promise: the agent itself waits. */
    private readonly before: (call: readonly string[]) => Promise<void> | number | void = () => undefined,
  ) {
    super({ uuid: '5f0c2b1e-5a0e-4d51-9d0a-3c9b1f6f2f11', name: 'db01' }, () => true);
  }

  override async exec(
    argv: readonly [string, ...string[]],
    options: { readonly input?: string | Uint8Array; readonly maxOutputBytes?: number } = {},
  ): Promise<CommandResult> {
    const isBounded = argv[0] === 'timeout' && argv[1] === '-s' && argv[2] === 'KILL' && /^[1-9]\d?$/.test(argv[3] ?? '');
    if (!isBounded && !WITHOUT_TIMEOUT.has(argv[0])) throw new Error(`${argv.join(' ')} may run for ever`);
    const program = isBounded ? argv.slice(4) : argv;
    this.calls.push(program);
    const takesMs = (await this.before(program)) ?? 0;
    const hasMs = isBounded ? Number(argv[3]) * 1000 : Infinity;
    if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(takesMs, hasMs)));
    if (takesMs > hasMs) return { exitCode: 137, stdout: '', stderr: '', truncated: false };
    const answer = this.answerOf(program, String(options.input ?? ''));
    if (answer === undefined && !isBounded) {
      throw new ModosuError('AGENT_COMMAND_FAILED', `Failed to execute child process "${argv[0]}" (No such file or directory)`);
    }
    if (answer === undefined) {
      return { exitCode: 127, stdout: '', stderr: `timeout: failed to run command '${program[0]}': No such file or directory\n`, truncated: false };
    }
    const whole = { exitCode: 0, stdout: '', stderr: '', truncated: false, ...(typeof answer === 'string' ? { stdout: answer } : answer) };
    const limit = options.maxOutputBytes ?? Infinity;
    return { ...whole, stdout: whole.stdout.slice(0, limit), truncated: whole.truncated || whole.stdout.length > limit };
  }

  override async start({ argv, input }: GuestProgram = { argv: ['true'] }): Promise<number> {
    const pid = this.calls.length + 100;
    this.ended.set(pid, await this.exec(argv, input === undefined ? {} : { input }));
    return pid;
  }

  override async outcome(pid = 0): Promise<CommandResult> {
    const result = this.ended.get(pid);
    if (result === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', `PID ${pid} is unknown`);
    return result;
  }

  override async readFile(path = '', { maxBytes }: { readonly maxBytes: number } = { maxBytes: Infinity }): Promise<Buffer | null> {
    this.calls.push(['read', path]);
    await this.before(['read', path]);
    const text = this.written.get(path) ?? this.recording.files[path];
    return text === undefined ? null : Buffer.from(text).subarray(0, maxBytes);
  }

  private answerOf(argv: readonly string[], input: string): Answer | undefined {
    const [name = ''] = argv;
    const program = Object.hasOwn(this.recording.programs, name) ? this.recording.programs[name] : name === 'head' ? this.head(argv) : undefined;
    const answer = typeof program === 'function' ? program(argv, input) : program;
    const into = argv[argv.findIndex((word) => word === '-fprintf') + 1];
    if (name !== 'prlimit' || answer === undefined || into === undefined) return answer;
    this.written.set(into, typeof answer === 'string' ? answer : (answer.stdout ?? ''));
    return { ...(typeof answer === 'string' ? {} : answer), stdout: '' };
  }

  private head([, , , bytes, , ...paths]: readonly string[]): Answer {
    const said = paths.flatMap((path) => {
      const text = this.recording.files[path];
      return text === undefined ? [] : [`==> ${path} <==\n${Buffer.from(text).subarray(0, Number(bytes)).toString()}`];
    });
    return { stdout: said.join('\n'), exitCode: said.length === paths.length ? 0 : 1 };
  }
}
