import { connect as connectSocket, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../contracts/error-codes';
import { isModosuError, ModosuError } from '../contracts/errors';
import type { CommandHealthCheck, HealthCheck, SqlHealthCheck, TcpHealthCheck } from '../contracts/protection';
import { cleanWords } from '../contracts/text';
import { accountIn, askAccount, runningAs, type Account } from './account';
import { execBounded } from './bounded-output';
import type { CommandResult, GuestAgent } from './guest-agent';

export interface HealthCheckOptions {
  /** Abort: ends at once and rejects with the signal's reason. A program that runs in the guest goes on there: nobody ends it. */
  readonly signal: AbortSignal;
  /**
   * How long the check is repeated, from now on. It is tried once at least. One attempt may use all the time that is left: a program that hangs in the guest
   * cannot be ended from here, and starting it again beside the hung one helps nobody.
   */
  readonly deadlineMs: number;
  /** Only for tests: how a TCP connection is opened. */
  readonly connect?: (address: { readonly host: string; readonly port: number }) => Socket;
}

/** What one attempt has found. `words`: the evidence, or why it has not passed. */
interface Attempt {
  readonly passed: boolean;
  readonly words: string;
}

const RETRY_MS = 1_000;
const CONNECT_MS = 5_000;
/** User-mode networking accepts for a port on which nobody listens in the guest, and closes when the guest says so. */
const STAYS_OPEN_MS = 300;
/** The agent's own time-out is more telling than ours: it gets this much longer. */
const EXEC_GRACE_MS = 2_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
/** What the next attempt may not meet. */
const OF_THE_ATTEMPT: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['AGENT_SILENT', 'AGENT_COMMAND_FAILED', 'GUEST_PROGRAM_MISSING']);
const MAX_WORDS = 300;
const MAX_EVIDENCE = 100;

/**
 * Repeats one declared check until it passes, and returns what it has seen in a few words. Changes nothing itself; a declared command runs once per attempt.
 *
 * Throws `HEALTH_CHECK_FAILED` with the last words of the check when the time is over; `GUEST_COMMAND_FORBIDDEN` at once when the agent must not run
 * programs, `AGENT_ABSENT` at once when there is no agent; the errors of the hypervisor as they are. A silent agent is waited for: it may be starting.
 *
 * The words come from the guest, which is hostile: cut short and without control characters. The command and the query stand in argument vectors on the host
 * and in the guest, visible to everybody there: a declaration must hold no secret.
 *
 * Of a TCP check behind user-mode networking only a closed port is seen. A guest that answers nothing at all looks like one that listens: there a command or a
 * query is the better check.
 */
export async function checkHealth(agent: GuestAgent, check: HealthCheck, options: HealthCheckOptions): Promise<{ readonly evidence: string }> {
  const { signal, deadlineMs } = options;
  const giveUpAt = performance.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    const attempt = await attemptOnce(agent, check, options, Math.max(1_000, giveUpAt - performance.now()));
    if (attempt.passed) return { evidence: cleanWords(attempt.words, MAX_EVIDENCE) };
    if (giveUpAt - performance.now() <= RETRY_MS) {
      throw new ModosuError(
        'HEALTH_CHECK_FAILED',
        `The health check "${check.name}" did not pass within ${Math.round(deadlineMs / 1000)} s. Its last words: ${cleanWords(attempt.words, MAX_WORDS)}`,
        {
          context: { check: check.name, kind: check.kind },
        },
      );
    }
    await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function attemptOnce(agent: GuestAgent, check: HealthCheck, options: HealthCheckOptions, leftMs: number): Promise<Attempt> {
  if (check.kind === 'tcp') return connectTo(check, options, Math.min(CONNECT_MS, leftMs));
  const endAt = performance.now() + leftMs;
  const run = (argv: Argv): Promise<CommandResult> => execute(agent, argv, options.signal, Math.max(1_000, endAt - performance.now()));
  try {
    const { argv, judge } = check.kind === 'command' ? ofCommand(check) : ofQuery(check, accountIn(await run(askAccount(check.user))));
    return judge(await run(argv));
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isModosuError(error)) throw error;
    if (error.code === 'GUEST_COMMAND_FORBIDDEN') {
      throw new ModosuError(
        'GUEST_COMMAND_FORBIDDEN',
        `The health check "${check.name}" runs a program in the guest, and the guest agent forbids that: ${cleanWords(error.message, MAX_WORDS)}`,
        {
          context: { check: check.name, kind: check.kind },
          cause: error,
        },
      );
    }
    if (!OF_THE_ATTEMPT.has(error.code)) throw error;
    return { passed: false, words: error.message };
  }
}

type Argv = readonly [string, ...string[]];
interface ProgramCheck {
  readonly argv: Argv;
  readonly judge: (result: CommandResult) => Attempt;
}

const ofCommand = ({ argv }: CommandHealthCheck): ProgramCheck => ({
  argv,
  judge: (result) => (result.exitCode === 0 ? { passed: true, words: 'exit code 0' } : { passed: false, words: complaint(argv[0], result) }),
});

/**
 * As the guest's account of the same name as the user where there is one: what local logins rest on (`peer`, as Debian installs PostgreSQL).
 *
 * `-w`: asks for no password, there is nobody to type it. `-z -0`: zero bytes between values and rows, so that the first value is exact whatever stands in
 * it.
 */
function ofQuery({ socketDirectory, user, database, query, expect }: SqlHealthCheck, account: Account | null): ProgramCheck {
  const host = socketDirectory === null ? [] : ['-h', socketDirectory];
  const psql = ['psql', '-X', '-w', '-A', '-t', '-q', '-z', '-0', '-v', 'ON_ERROR_STOP=1', ...host, '-U', user, '-d', database, '-c', query] as const;
  const argv = [...runningAs(account), ...psql] as unknown as Argv;
  return {
    argv,
    judge: (result) => {
      if (result.exitCode !== 0) return { passed: false, words: complaint('psql', result) };
      const end = result.stdout.indexOf('\0');
      const value = end === -1 ? null : result.stdout.slice(0, end);
      if (expect === null) return { passed: true, words: value === null ? 'psql: no row' : `psql: ${value}` };
      if (value === expect) return { passed: true, words: `psql: ${value}` };
      return {
        passed: false,
        words: value === null ? `the query gave no row, not ${asEvidence(expect)}` : `the query gave ${asEvidence(value)}, not ${asEvidence(expect)}`,
      };
    },
  };
}

const complaint = (program: string, { exitCode, stderr, stdout }: CommandResult): string => {
  const said = stderr.trim() === '' ? stdout.trim() : stderr.trim();
  return `${program} ended with exit code ${exitCode}${said === '' ? ' and said nothing' : `: ${cleanWords(said, MAX_WORDS / 2, { keep: 'end' })}`}`;
};

const asEvidence = (text: string): string => `"${cleanWords(text, MAX_EVIDENCE)}"`;

/** Neither an abort nor an agent that outstays its time is waited for. */
async function execute(agent: GuestAgent, argv: Argv, signal: AbortSignal, timeoutMs: number): Promise<CommandResult> {
  const waiting = new AbortController();
  const work = execBounded(agent, argv, { timeoutMs, maxOutputBytes: MAX_OUTPUT_BYTES });
  const outlived = delay(timeoutMs + EXEC_GRACE_MS, undefined, { signal: AbortSignal.any([signal, waiting.signal]) }).then(
    (): never => {
      throw new ModosuError('AGENT_SILENT', `${argv[0]} had not ended after ${Math.round(timeoutMs / 1000)} s; it may still run in the guest.`);
    },
    (): never => {
      throw signal.reason;
    },
  );
  // The one that loses the race may still reject; nobody is interested any more.
  work.catch(() => undefined);
  outlived.catch(() => undefined);
  try {
    return await Promise.race([work, outlived]);
  } finally {
    waiting.abort();
  }
}

function connectTo(check: TcpHealthCheck, { signal, connect = connectSocket }: HealthCheckOptions, timeoutMs: number): Promise<Attempt> {
  const { host, port } = check;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let accepted = false;
    const failed = (words: string): void => settle(() => resolve({ passed: false, words }));
    const onAbort = (): void => settle(() => reject(signal.reason));
    let timer = setTimeout(() => failed(`${address} did not answer within ${Math.round(timeoutMs / 1000)} s`), timeoutMs);
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      finish();
    };
    const closed = (): void => failed(accepted ? `${address} accepted and closed the connection at once` : `${address} closed the connection`);
    signal.addEventListener('abort', onAbort, { once: true });
    // Whatever comes after the verdict is of no interest, but an unheard error would end this process.
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      // A reset may overtake the news that the connection stands.
      accepted ||= code === 'ECONNRESET';
      if (accepted) closed();
      else failed(`${address} cannot be reached: ${code ?? message}`);
    });
    socket.once('close', closed);
    socket.once('end', closed);
    // Read and dropped: the end of a stream that nobody reads is never seen.
    socket.resume();
    socket.once('connect', () => {
      accepted = true;
      clearTimeout(timer);
      timer = setTimeout(() => settle(() => resolve({ passed: true, words: `connected to ${address}` })), STAYS_OPEN_MS);
    });
  });
}
