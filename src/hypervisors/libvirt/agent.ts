import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { asRecord, parseJson } from '../../contracts/json';
import type { ServerRef } from '../../contracts/server';
import type { CommandResult, GuestAgent, GuestProgram } from '../../guests/guest-agent';
import { libvirtMessage, type Virsh } from './virsh';
import { MOST_TYPED } from './virsh-sessions';

/** virsh itself needs a moment beside the agent's time. */
const VIRSH_EXTRA_MS = 10_000;
/** Freezing has a window to keep: libvirt's own waiting for the agent's lock and sync must not use it up. */
const FREEZE_EXTRA_MS = 1_500;
const LIBVIRT_ANSWERS_WITHIN_MS = 5_000;
const WAIT_POLL_MS = 1_000;
const WAIT_PROBE_MS = 3_000;
const EXEC_POLL_MS = [50, 100, 200, 400, 800];
const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;
/** The agent cuts captured output at 16 MiB per stream; in base64 and JSON. */
const MAX_REPLY_BYTES = 48 * 1024 * 1024;
/** A message of a megabyte keeps a real agent silent for a minute (measured). */
const MAX_INPUT_BYTES = 128 * 1024;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const FILE_PIECE_BYTES = 1024 * 1024;
const GUEST_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C' };
const NO_SUCH_FILE = /No such file or directory/;
const MAX_COMMANDS = 500;
const MAX_FILE_SYSTEMS = 100_000;

const ABSENT = /guest agent is not configured/i;
const SILENT =
  /guest agent is not responding|agent is not connected|domain is not running|guest agent not available|agent not responding|Timed out|monitor socket|cannot acquire state change lock|guest agent command timed out/i;
/** As agents of different ages say it. A frozen agent refuses in the same words, for a reason that passes. */
const FORBIDDEN = /has been disabled|not allowed|has not been found|disabled for this instance/i;
const FROZEN = /in frozen state/i;
const REFUSED = /unable to execute QEMU agent command/i;

/** The QEMU guest agent through libvirt. */
export class LibvirtGuestAgent implements GuestAgent {
  constructor(
    private readonly virsh: Pick<Virsh, 'attemptOn' | 'attemptInSecretOn'>,
    private readonly server: ServerRef,
  ) {}

  async info(timeoutMs: number): Promise<{ readonly version: string; readonly commands: readonly string[] }> {
    const reply = asRecord(await this.call('guest-info', {}, timeoutMs));
    const listed = Array.isArray(reply['supported_commands']) ? reply['supported_commands'].slice(0, MAX_COMMANDS) : [];
    const commands = listed
      .map(asRecord)
      .filter((command) => command['enabled'] === true)
      .map((command) => command['name'])
      .filter((name): name is string => typeof name === 'string' && /^[a-z0-9-]{1,64}$/.test(name));
    const version = typeof reply['version'] === 'string' ? reply['version'] : '';
    return { version: /^[\w.:+~-]{1,64}$/.test(version) ? version : 'unknown', commands };
  }

  async waitUntilAnswering(options: { readonly deadlineMs: number; readonly signal: AbortSignal }): Promise<void> {
    const giveUpAt = performance.now() + options.deadlineMs;
    for (;;) {
      options.signal.throwIfAborted();
      const left = giveUpAt - performance.now();
      try {
        await this.call('guest-ping', {}, Math.max(1_000, Math.min(WAIT_PROBE_MS, left)), { signal: options.signal });
        return;
      } catch (error) {
        options.signal.throwIfAborted();
        // An agent that answers with an error or with nonsense may be one that is just starting.
        const mayPass = isModosuError(error) && (error.code === 'AGENT_SILENT' || error.code === 'AGENT_COMMAND_FAILED');
        if (!mayPass) throw error;
        if (performance.now() >= giveUpAt) {
          throw new ModosuError('AGENT_SILENT', `The guest agent of ${this.server.name} did not answer within ${Math.round(options.deadlineMs / 1000)} s.`, {
            context: { uuid: this.server.uuid, deadlineSeconds: Math.round(options.deadlineMs / 1000) },
          });
        }
      }
      await delay(Math.min(WAIT_POLL_MS, Math.max(0, giveUpAt - performance.now())), undefined, { signal: options.signal }).catch(() =>
        options.signal.throwIfAborted(),
      );
    }
  }

  async exec(
    argv: readonly [string, ...string[]],
    options: { readonly timeoutMs: number; readonly maxOutputBytes?: number } & Omit<GuestProgram, 'argv'>,
  ): Promise<CommandResult> {
    const giveUpAt = performance.now() + options.timeoutMs;
    const left = (): number => Math.max(1, giveUpAt - performance.now());
    const { env, input, maxOutputBytes } = options;
    const pid = await this.start({ argv, ...(env === undefined ? {} : { env }), ...(input === undefined ? {} : { input }) }, { timeoutMs: left() });

    for (let round = 0; ; round += 1) {
      const ended = await this.outcome(pid, { timeoutMs: left(), ...(maxOutputBytes === undefined ? {} : { maxOutputBytes }) });
      if (ended !== null) return ended;
      if (performance.now() >= giveUpAt) {
        throw new ModosuError('AGENT_COMMAND_FAILED', `${argv[0]} had not ended after ${options.timeoutMs / 1000} s in ${this.server.name}.`, {
          hint: 'The guest agent cannot end it: it may still run in the guest. Wrap long commands with `timeout`.',
          context: { uuid: this.server.uuid, pid },
        });
      }
      await delay(Math.min(EXEC_POLL_MS[Math.min(round, EXEC_POLL_MS.length - 1)] ?? 800, left()));
    }
  }

  async start({ argv, env, input }: GuestProgram, { timeoutMs }: { readonly timeoutMs: number }): Promise<number> {
    const [path, ...arg] = argv;
    const stdin = input === undefined ? undefined : Buffer.from(input);
    if (stdin !== undefined && stdin.length > MAX_INPUT_BYTES) {
      throw new ModosuError('INTERNAL', `${stdin.length} bytes are too many for the standard input of a program in a guest.`);
    }
    const started = asRecord(
      await this.call(
        'guest-exec',
        {
          path,
          arg,
          'capture-output': true,
          // The agent replaces its whole environment by the one that is given.
          ...(env === undefined ? {} : { env: Object.entries({ ...GUEST_ENVIRONMENT, ...env }).map(([name, value]) => `${name}=${value}`) }),
          ...(stdin === undefined ? {} : { 'input-data': stdin.toString('base64') }),
        },
        timeoutMs,
        { secret: env !== undefined || stdin !== undefined },
      ),
    );
    const pid = started['pid'];
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid)) throw this.nonsense('guest-exec');
    return pid;
  }

  async outcome(
    pid: number,
    { timeoutMs, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES }: { readonly timeoutMs: number; readonly maxOutputBytes?: number },
  ): Promise<CommandResult | null> {
    const status = asRecord(await this.call('guest-exec-status', { pid }, timeoutMs));
    return status['exited'] === true ? this.readResult(status, maxOutputBytes) : null;
  }

  async readFile(path: string, { timeoutMs, maxBytes }: { readonly timeoutMs: number; readonly maxBytes: number }): Promise<Buffer | null> {
    let handle: unknown;
    try {
      handle = await this.call('guest-file-open', { path, mode: 'r' }, timeoutMs);
    } catch (error) {
      if (isModosuError(error) && error.code === 'AGENT_COMMAND_FAILED' && NO_SUCH_FILE.test(error.message)) return null;
      throw error;
    }
    if (typeof handle !== 'number' || !Number.isSafeInteger(handle)) throw this.nonsense('guest-file-open');
    try {
      const pieces: Buffer[] = [];
      for (let left = Math.min(maxBytes, MAX_FILE_BYTES); left > 0;) {
        const reply = asRecord(await this.call('guest-file-read', { handle, count: Math.min(left, FILE_PIECE_BYTES) }, timeoutMs));
        const piece = reply['buf-b64'];
        if (typeof piece !== 'string') throw this.nonsense('guest-file-read');
        const bytes = Buffer.from(piece, 'base64').subarray(0, left);
        pieces.push(bytes);
        left -= bytes.length;
        if (reply['eof'] === true || bytes.length === 0) break;
      }
      return Buffer.concat(pieces);
    } finally {
      // A handle that stays open costs the agent one descriptor; the file's content is here all the same.
      await this.call('guest-file-close', { handle }, timeoutMs).catch(() => undefined);
    }
  }

  async freeze(timeoutMs: number): Promise<number> {
    return this.fileSystemCount('guest-fsfreeze-freeze', timeoutMs);
  }

  async thaw(timeoutMs: number): Promise<number> {
    return this.fileSystemCount('guest-fsfreeze-thaw', timeoutMs);
  }

  async setPassword(account: string, password: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    const asked = { username: account, password: Buffer.from(password, 'utf8').toString('base64'), crypted: false };
    try {
      await this.call('guest-set-user-password', asked, timeoutMs, { secret: true });
    } catch (error) {
      throw isModosuError(error) ? this.withoutWords(error, account) : error;
    }
  }

  /** What a guest has said about a password may be the password. */
  private withoutWords({ code }: ModosuError, account: string): ModosuError {
    const context = { uuid: this.server.uuid, account };
    if (code === 'AGENT_COMMAND_FAILED') return new ModosuError('CREDENTIAL_NOT_SET', `The guest agent of ${this.server.name} did not set it.`, { context });
    return new ModosuError(code, `The guest agent of ${this.server.name} could not be asked for it.`, { context });
  }

  async isFrozen(timeoutMs: number): Promise<boolean> {
    const answer = await this.callInWindow('guest-fsfreeze-status', timeoutMs);
    if (answer !== 'frozen' && answer !== 'thawed') throw this.nonsense('guest-fsfreeze-status');
    return answer === 'frozen';
  }

  async clock(timeoutMs: number): Promise<Date> {
    const nanoseconds = await this.call('guest-get-time', {}, timeoutMs);
    const clock = new Date(typeof nanoseconds === 'number' ? Math.round(nanoseconds / 1e6) : Number.NaN);
    if (Number.isNaN(clock.getTime())) throw this.nonsense('guest-get-time');
    return clock;
  }

  private async fileSystemCount(command: string, timeoutMs: number): Promise<number> {
    const count = await this.callInWindow(command, timeoutMs);
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0 || count > MAX_FILE_SYSTEMS) throw this.nonsense(command);
    return count;
  }

  private async callInWindow(command: string, timeoutMs: number): Promise<unknown> {
    return this.call(command, {}, timeoutMs, { inWindow: true });
  }

  private readResult(status: Record<string, unknown>, limit: number): CommandResult {
    const code = status['exitcode'];
    const signal = status['signal'];
    // As shells count: 128 and the number of the signal.
    const exitCode = typeof code === 'number' ? code : typeof signal === 'number' ? 128 + signal : null;
    if (exitCode === null || !Number.isSafeInteger(exitCode)) throw this.nonsense('guest-exec-status');
    const stdout = decodeOutput(status['out-data'], limit);
    const stderr = decodeOutput(status['err-data'], limit);
    if (stdout === null || stderr === null) throw this.nonsense('guest-exec-status');
    return {
      exitCode,
      stdout: stdout.text,
      stderr: stderr.text,
      truncated: stdout.cut || stderr.cut || status['out-truncated'] === true || status['err-truncated'] === true,
    };
  }

  /** The `return` value of one agent command. libvirt gives up by itself after the time, so that no agent job is left behind in it. */
  private async call(
    execute: string,
    args: Record<string, unknown>,
    timeoutMs: number,
    { signal, inWindow = false, secret = false }: { readonly signal?: AbortSignal; readonly inWindow?: boolean; readonly secret?: boolean } = {},
  ): Promise<unknown> {
    const json = JSON.stringify(Object.keys(args).length === 0 ? { execute } : { execute, arguments: args });
    const ascii = inAscii(json);
    // What is longer has a process of its own, and as an argument stays as short as it is: Linux takes 128 KiB of one.
    const request = secret || ascii.length <= MOST_TYPED ? ascii : json;
    const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
    const options = { timeoutMs: seconds * 1000 + (inWindow ? FREEZE_EXTRA_MS : VIRSH_EXTRA_MS), maxOutputBytes: MAX_REPLY_BYTES, signal };
    const asked = ['--timeout', String(seconds), '--cmd', request] as const;
    const outcome = await (
      secret
        ? this.virsh.attemptInSecretOn(this.server.uuid, 'qemu-agent-command', asked, options)
        : this.virsh.attemptOn(this.server.uuid, 'qemu-agent-command', asked, options)
    ).catch(async (error: unknown) => {
      if (!isModosuError(error) || error.code !== 'HYPERVISOR_COMMAND_TIMED_OUT') throw error;
      // libvirt holds a caller back while another one waits for the same agent. Is it that, or does libvirt itself not answer?
      if (!inWindow) await this.virsh.attemptOn(this.server.uuid, 'domstate', [], { timeoutMs: LIBVIRT_ANSWERS_WITHIN_MS });
      throw new ModosuError('AGENT_SILENT', `The guest agent of ${this.server.name} has not answered ${execute} within ${seconds} s.`, {
        context: { uuid: this.server.uuid, command: execute },
        cause: error,
      });
    });
    const context = { uuid: this.server.uuid, command: execute };
    if (outcome.exitCode !== 0) {
      const message = libvirtMessage(outcome.stderr);
      if (ABSENT.test(outcome.stderr)) throw new ModosuError('AGENT_ABSENT', `${this.server.name} has no channel for a guest agent.`, { context });
      if (SILENT.test(outcome.stderr)) throw new ModosuError('AGENT_SILENT', `The guest agent of ${this.server.name} does not answer: ${message}`, { context });
      if (FORBIDDEN.test(outcome.stderr) && !FROZEN.test(outcome.stderr)) {
        throw new ModosuError('GUEST_COMMAND_FORBIDDEN', `The guest agent of ${this.server.name} does not allow ${execute}: ${message}`, { context });
      }
      // The agent's own answer, not silence or noise: what was asked for has not happened, and will not.
      const refused = REFUSED.test(outcome.stderr);
      throw new ModosuError('AGENT_COMMAND_FAILED', `The guest agent of ${this.server.name} refused ${execute}: ${message}`, {
        context: { ...context, refused },
      });
    }
    if (outcome.truncated) throw this.nonsense(execute);
    const reply = asRecord(parseJson(outcome.stdout));
    if (!Object.hasOwn(reply, 'return')) throw this.nonsense(execute);
    return reply['return'];
  }

  private nonsense(execute: string): ModosuError {
    return new ModosuError('AGENT_COMMAND_FAILED', `The guest agent of ${this.server.name} gave an answer to ${execute} that cannot be read.`, {
      context: { uuid: this.server.uuid, command: execute },
    });
  }
}

/** virsh reads its standard input as somebody's typing: only ASCII arrives as it was sent. The same JSON. */
const inAscii = (json: string): string => json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

function decodeOutput(data: unknown, limit: number): { text: string; cut: boolean } | null {
  if (data === undefined) return { text: '', cut: false };
  if (typeof data !== 'string' || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data)) return null;
  const bytes = Buffer.from(data, 'base64');
  return { text: bytes.subarray(0, limit).toString('utf8'), cut: bytes.length > limit };
}
