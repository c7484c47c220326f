import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ErrorCode } from '../../contracts/error-codes';
import { ModosuError } from '../../contracts/errors';
import { runCommand, type CommandOutcome } from '../../system/child-process';
import { quoted, VirshSessions, wayToShare } from './virsh-sessions';

export interface VirshOptions {
  /** Name of the hypervisor in the estate, for messages. */
  readonly name: string;
  readonly uri: string;
  /** Definitions are handed over in files of mode 0600 in here. */
  readonly stateDirectory: string;
  /** For one call. Default 30 s. */
  readonly commandTimeoutMs?: number;
  /** Only for tests of "libvirtd is down": the socket to talk to instead of the URI's own. */
  readonly socketPath?: string;
}

export interface VirshCall {
  /** Where a call takes longer than others. Default `commandTimeoutMs`. */
  readonly timeoutMs?: number;
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
  /** Standard output as it arrives. */
  readonly onStdout?: (piece: Buffer) => void;
  /** Code for a refusal by libvirt. Default `HYPERVISOR_COMMAND_FAILED`. */
  readonly failureCode?: ErrorCode;
}

const ALLOWED_URIS = ['qemu:///system', 'qemu:///session'];
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const PROMPT = 'virsh # ';
/** virsh writes what it reads on its standard input into a history, in the cache directory of its user: nothing of it is kept. Nor has anybody else a say in what it reads. */
const NO_HISTORY = { VIRSH_HISTSIZE: '0', INPUTRC: '/dev/null' };
const UNREACHABLE =
  /failed to connect to the hypervisor|Failed to connect socket|connection closed|Cannot recv data|Cannot write data|End of file while reading data|client socket is closed|error: Disconnected from|no connection driver available|no valid connection/i;
const GONE = /failed to get domain|Domain not found|no domain with matching/i;

/** URIs can make libvirt run programs (`qemu+ext://?command=`): only these two exact ones are ever used. Throws `CONFIG_INVALID`. */
function requireAllowedUri(uri: string): void {
  if (!ALLOWED_URIS.includes(uri)) {
    throw new ModosuError('CONFIG_INVALID', `The libvirt URI ${JSON.stringify(uri)} is not allowed.`, { hint: `Use one of ${ALLOWED_URIS.join(', ')}.` });
  }
}

/** libvirt's own words, without virsh's decoration. */
export const libvirtMessage = (stderr: string): string =>
  stderr
    .split('\n')
    .map((line) => line.replace(/^error: /, '').trim())
    .filter((line) => line !== '')
    .join(' ')
    .slice(0, 2000) || 'no message';

/**
 * `virsh` as a child process: one per call, or one that stays for what only looks and for questions of agents (`virsh-sessions.ts`). Servers are named by UUID, so that no domain name ever reaches
 * an argument vector. Throws `HYPERVISOR_UNREACHABLE`, `HYPERVISOR_COMMAND_TIMED_OUT`, or `failureCode` with libvirt's message.
 */
export class Virsh {
  private readonly connectUri: string;
  private readonly sessions: VirshSessions;

  constructor(private readonly options: VirshOptions) {
    requireAllowedUri(options.uri);
    this.connectUri =
      options.socketPath === undefined ? options.uri : `qemu+unix:///${options.uri.slice('qemu:///'.length)}?socket=${encodeURIComponent(options.socketPath)}`;
    this.sessions = new VirshSessions({ connectUri: this.connectUri, unreachable: UNREACHABLE });
  }

  /** Standard output of a command that has to succeed. */
  async run(args: readonly [string, ...string[]], call: VirshCall = {}): Promise<string> {
    const outcome = await this.attempt(args, call);
    if (outcome.exitCode !== 0) throw this.failure(args[0], outcome, call.failureCode ?? 'HYPERVISOR_COMMAND_FAILED');
    if (outcome.truncated) throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `The answer of \`virsh ${args[0]}\` on ${this.options.name} is too long.`);
    return outcome.stdout;
  }

  /** The same for a command about one server. Throws `SERVER_GONE` only after the list of all servers has confirmed it. */
  async runOn(uuid: string, command: string, args: readonly string[] = [], call: VirshCall = {}): Promise<string> {
    const outcome = await this.attemptOn(uuid, command, args, call);
    if (outcome.exitCode !== 0) throw this.failure(command, outcome, call.failureCode ?? 'HYPERVISOR_COMMAND_FAILED');
    if (outcome.truncated) throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `The answer of \`virsh ${command}\` on ${this.options.name} is too long.`);
    return outcome.stdout;
  }

  /** For callers that judge libvirt's refusal themselves. Still throws when libvirt does not answer at all. */
  async attempt(args: readonly string[], call: VirshCall & { readonly input?: string } = {}, command: string = args[0] ?? ''): Promise<CommandOutcome> {
    const timeoutMs = call.timeoutMs ?? this.options.commandTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    const maxOutputBytes = call.maxOutputBytes ?? MAX_OUTPUT_BYTES;
    const way = call.onStdout === undefined ? wayToShare(args) : null;
    const told = way === null ? { leftMs: timeoutMs } : await this.sessions.ask(args, way, { timeoutMs, maxOutputBytes, signal: call.signal });
    const outcome =
      'exitCode' in told
        ? told
        : await runCommand(['virsh', '--quiet', '--connect', this.connectUri, ...args], {
            timeoutMs: told.leftMs,
            maxOutputBytes,
            signal: call.signal,
            onStdout: call.onStdout,
            input: call.input,
            ...(call.input === undefined ? {} : { env: await this.withoutHistory() }),
          });
    if (outcome.timedOut) {
      throw new ModosuError(
        'HYPERVISOR_COMMAND_TIMED_OUT',
        `libvirt on ${this.options.name} did not answer \`virsh ${command}\` within ${timeoutMs / 1000} s.`,
        {
          context: { hypervisor: this.options.name },
        },
      );
    }
    if (outcome.exitCode !== 0 && UNREACHABLE.test(outcome.stderr)) throw this.unreachable(outcome);
    return outcome;
  }

  /** Where virsh insists on a file for its history, it is an empty one of ours: a person's own is left alone. */
  private async withoutHistory(): Promise<Record<string, string>> {
    const directory = join(this.options.stateDirectory, 'virsh');
    // Where it cannot be made virsh has no history at all, and says so on standard error.
    await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined);
    return { ...NO_HISTORY, XDG_CACHE_HOME: directory };
  }

  private unreachable({ stderr }: CommandOutcome): ModosuError {
    return new ModosuError('HYPERVISOR_UNREACHABLE', `libvirt on ${this.options.name} does not answer: ${libvirtMessage(stderr)}`, {
      context: { hypervisor: this.options.name },
    });
  }

  private gone(uuid: string): ModosuError {
    return new ModosuError('SERVER_GONE', `The hypervisor ${this.options.name} knows no server with the UUID ${uuid}.`, {
      context: { hypervisor: this.options.name, uuid },
    });
  }

  /** As `attempt`, for one server. */
  async attemptOn(uuid: string, command: string, args: readonly string[] = [], call: VirshCall = {}): Promise<CommandOutcome> {
    const server = requireUuid(uuid);
    const outcome = await this.attempt([command, '--domain', server, ...args], call);
    // virsh says "failed to get domain" for every kind of failed look-up, a refused permission included.
    if (outcome.exitCode !== 0 && GONE.test(outcome.stderr) && !(await this.knows(server))) throw this.gone(server);
    return outcome;
  }

  /**
   * As `attemptOn`, for arguments with secrets in them, which have to be ASCII on one line: they reach virsh on its standard input and stand in no argument
   * vector. virsh repeats what it reads, which is left out of the answer, and ends with 0 whatever happened: an outcome counts as refused when libvirt has said
   * something on standard error and there is no answer.
   */
  async attemptInSecretOn(uuid: string, command: string, args: readonly string[], call: VirshCall = {}): Promise<CommandOutcome> {
    const server = requireUuid(uuid);
    const outcome = await this.attempt([], { ...call, input: `${[command, '--domain', server, ...args].map(quoted).join(' ')}\n` }, command);
    const stdout = outcome.stdout
      .split('\n')
      .filter((line) => !line.startsWith(PROMPT))
      .join('\n');
    const judged = { ...outcome, stdout, exitCode: outcome.exitCode === 0 && outcome.stderr.trim() !== '' && stdout.trim() === '' ? 1 : outcome.exitCode };
    if (judged.exitCode !== 0 && UNREACHABLE.test(judged.stderr)) throw this.unreachable(judged);
    if (judged.exitCode !== 0 && GONE.test(judged.stderr) && !(await this.knows(server))) throw this.gone(server);
    return judged;
  }

  async knows(uuid: string): Promise<boolean> {
    return (await this.run(['list', '--all', '--uuid'])).split(/\s+/).includes(requireUuid(uuid));
  }

  /** The error for a refused command, with libvirt's message. */
  failure(command: string, outcome: CommandOutcome, code: ErrorCode): ModosuError {
    return new ModosuError(code, `libvirt on ${this.options.name} refused \`virsh ${command}\`: ${libvirtMessage(outcome.stderr)}`, {
      context: { hypervisor: this.options.name },
    });
  }

  /** Hands `content` to virsh in a private file that is gone afterwards: argument vectors are visible to everybody. */
  async withFile<T>(content: string, use: (path: string) => Promise<T>): Promise<T> {
    const directory = join(this.options.stateDirectory, 'tmp');
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, `${randomUUID()}.xml`);
    try {
      await writeFile(path, content, { mode: 0o600, flag: 'wx' });
      return await use(path);
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** The UUID as it may stand in an argument vector. Throws `REQUEST_INVALID`. */
export function requireUuid(uuid: string): string {
  const lower = uuid.toLowerCase();
  if (!UUID_PATTERN.test(lower)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(uuid)} is not the UUID of a server.`);
  return lower;
}
