import { randomUUID } from 'node:crypto';
import { asRecord, parseJson } from '../../contracts/json';
import { killGroup, startProgram, type CommandOutcome } from '../../system/child-process';

/** What only looks, and may be asked twice. Of the last job libvirt forgets what it has told, unless it is asked to keep it. */
const READS = new Set([
  'backup-dumpxml',
  'checkpoint-dumpxml',
  'checkpoint-list',
  'dominfo',
  'domjobinfo',
  'domstate',
  'domstats',
  'dumpxml',
  'list',
  'version',
]);
/** Words that mean to virsh's reader what they are. */
const PLAIN = /^[\w.@:+-]+$/;
const AGENT = 'qemu-agent-command';
/** Questions of a guest's agent that it may hear twice. */
const AGENT_LOOKS = new Set(['guest-fsfreeze-status', 'guest-get-time', 'guest-info', 'guest-ping']);
/** What it tells, reads on or starts once. */
const AGENT_ACTS = new Set(['guest-exec', 'guest-exec-status', 'guest-file-close', 'guest-file-open', 'guest-file-read']);
/** Characters of a question of an agent: what is much longer takes virsh's reader longer than a start. */
export const MOST_TYPED = 16_384;
/** What is not ASCII arrives otherwise than it was sent. */
const TYPEABLE = /^[\x20-\x7e]+$/;

/** More than run at once in one run; who finds none free starts a process of its own. */
const MOST_SESSIONS = 4;
/** Of nobody's use any more. Steps of a run follow each other faster. */
const IDLE_MS = 30_000;
const TAIL = 200;
const PROMPT = 'virsh # ';
const BETWEEN_ANSWERS = /^[virsh# \n]*$/;
/** A second attempt has at least this long. */
const LEAST_MS = 1_000;
/**
 * Nobody's key bindings and prompts, no history: it is ended before it would write one. A daemon of the session that is started on the way would keep this
 * environment, so none is.
 */
const ENVIRONMENT = { INPUTRC: '/dev/null', VIRSH_HISTSIZE: '0', XDG_CACHE_HOME: '/dev/null', LIBVIRT_AUTOSTART: '0' };

/** How a command may be handed to a virsh that stays. Null: to a process of its own. `once`: nobody asks again whether it was answered or not. */
export function wayToShare(args: readonly string[]): 'again' | 'once' | null {
  const [command = '', ...words] = args;
  if (command === AGENT) return wayToAsk(words);
  const isLook = READS.has(command) && words.every((word) => PLAIN.test(word));
  return isLook && (!words.includes('--completed') || words.includes('--keep-completed')) ? 'again' : null;
}

function wayToAsk(words: readonly string[]): 'again' | 'once' | null {
  const [option, request = ''] = words.slice(-2);
  if (option !== '--cmd' || request.length > MOST_TYPED || !TYPEABLE.test(request) || !words.slice(0, -1).every((word) => PLAIN.test(word))) return null;
  const { execute } = asRecord(parseJson(request));
  if (typeof execute !== 'string') return null;
  if (AGENT_LOOKS.has(execute)) return 'again';
  return AGENT_ACTS.has(execute) ? 'once' : null;
}

/** One word for virsh's own reader, which knows no escapes inside single quotes: a quote ends them, stands in double ones, and begins them anew. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'"'"'`)}'`;

export interface SessionsOptions {
  readonly connectUri: string;
  /** What libvirt says when it is not there. */
  readonly unreachable: RegExp;
}

interface Question {
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks, and questions of guest agents, through virsh processes that stay: to start one stops the whole worker for a moment, and takes with connecting ten times as
 * long as nearly every answer. Of looks only what is plain is answered here, an answer or a refusal; whatever is not, is asked again of a process of its own, whose
 * word counts.
 */
export class VirshSessions {
  private readonly idle: Session[] = [];
  private open = 0;

  constructor(private readonly options: SessionsOptions) {}

  /**
   * Outcome as that of a process of its own, or for how long such a one may still be asked: of a command that is to be asked once only where virsh has not begun
   * with it. Rejects with the reason of `signal`.
   */
  async ask(
    args: readonly string[],
    way: 'again' | 'once',
    { timeoutMs, maxOutputBytes, signal }: Question,
  ): Promise<CommandOutcome | { readonly leftMs: number }> {
    signal?.throwIfAborted();
    const beganAt = performance.now();
    const session = this.idle.pop() ?? this.start();
    if (session === null) return { leftMs: timeoutMs };
    session.use();
    const line = args.map((word) => (PLAIN.test(word) ? word : quoted(word))).join(' ');
    const { stdout, stderr, how, isBegun } = await session.ask(line, { timeoutMs, maxOutputBytes, signal });
    const isPlain = how === 'answered' && !NO_REFUSAL.test(stderr) && !this.options.unreachable.test(stderr) && (stdout.trim() === '' || stderr.trim() === '');
    if (isPlain) this.keep(session);
    else this.end(session);
    signal?.throwIfAborted();
    const outcome = { signal: null, stdout, stderr, truncated: how === 'too-long', timedOut: false };
    if (how === 'timed-out') return { ...outcome, exitCode: null, signal: 'SIGKILL', timedOut: true };
    if (isPlain) return { ...outcome, exitCode: stderr.trim() === '' ? 0 : 1 };
    if (way === 'again' || !isBegun) return { leftMs: Math.max(LEAST_MS, timeoutMs - (performance.now() - beganAt)) };
    if (how === 'too-long' || stdout.trim() !== '') return { ...outcome, exitCode: 0 };
    const why = how === 'strange' ? 'virsh has answered, and nobody knows what' : 'virsh has ended before it answered';
    return { ...outcome, exitCode: 1, stderr: stderr.trim() === '' ? `error: ${why}` : stderr };
  }

  private start(): Session | null {
    if (this.open >= MOST_SESSIONS) return null;
    try {
      const session = new Session(this.options.connectUri);
      this.open += 1;
      return session;
    } catch {
      // A process of its own fails by the same, and says why.
      return null;
    }
  }

  private keep(session: Session): void {
    this.idle.push(session);
    session.rest(IDLE_MS, () => {
      const at = this.idle.indexOf(session);
      if (at >= 0) this.idle.splice(at, 1);
      this.end(session);
    });
  }

  private end(session: Session): void {
    this.open -= 1;
    session.kill();
  }
}

/** Said by the way. */
const NO_REFUSAL = /Reconnected to the hypervisor|^error:\s*$/m;

interface Answer {
  /** `strange`: it does not repeat what it reads, or not as we know it. */
  readonly how: 'answered' | 'strange' | 'timed-out' | 'ended' | 'too-long' | 'aborted';
  readonly stdout: string;
  readonly stderr: string;
  /** It has read the command to its end. */
  readonly isBegun: boolean;
}

/** One virsh that reads commands line by line. It repeats each line that it reads after its prompt. */
class Session {
  private readonly child: ReturnType<typeof startProgram>;
  private stdout = new Heard();
  private stderr = new Heard();
  private heard: () => void = () => undefined;
  private onRestEnded: (() => void) | null = null;
  private idleTimer: NodeJS.Timeout | undefined;
  private hasEnded = false;

  constructor(connectUri: string) {
    this.child = startProgram(['virsh', '--quiet', '--connect', connectUri], { env: ENVIRONMENT });
    const ended = (): void => {
      this.hasEnded = true;
      this.heard();
      this.onRestEnded?.();
    };
    this.child.on('error', ended);
    this.child.once('close', ended);
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (piece: Buffer) => this.hear(this.stdout, piece));
    this.child.stderr.on('data', (piece: Buffer) => this.hear(this.stderr, piece));
  }

  /** From here on it keeps this process from ending by itself. */
  use(): void {
    clearTimeout(this.idleTimer);
    this.onRestEnded = null;
    this.child.ref();
    for (const stream of this.streams()) stream.ref?.();
  }

  /** Not asked anything for a while. `over`: the while is over, or it has said something by itself, or has ended. */
  rest(ms: number, over: () => void): void {
    this.onRestEnded = () => {
      this.onRestEnded = null;
      over();
    };
    this.idleTimer = setTimeout(() => this.onRestEnded?.(), ms).unref();
    this.child.unref();
    for (const stream of this.streams()) stream.unref?.();
    if (this.hasEnded) this.onRestEnded();
  }

  kill(): void {
    clearTimeout(this.idleTimer);
    this.onRestEnded = null;
    if (this.child.pid !== undefined && !this.hasEnded) killGroup(this.child.pid);
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) stream.destroy();
  }

  async ask(line: string, { timeoutMs, maxOutputBytes, signal }: Question): Promise<Answer> {
    const mark = randomUUID();
    this.stdout = new Heard();
    this.stderr = new Heard();
    // Marks cannot be guessed: what a server is called or says of itself never ends an answer.
    const answered = (): boolean => this.stdout.tail.includes(`out-${mark}`) && this.stderr.tail.includes(`err-${mark}`);
    let timer: NodeJS.Timeout | undefined;
    let onAbort: () => void = () => undefined;
    const how = await new Promise<Answer['how']>((resolve) => {
      timer = setTimeout(() => resolve('timed-out'), timeoutMs);
      onAbort = () => resolve('aborted');
      signal?.addEventListener('abort', onAbort, { once: true });
      this.heard = () => {
        if (answered()) resolve('answered');
        else if (this.hasEnded) resolve('ended');
        else if (this.stdout.bytes > maxOutputBytes || this.stderr.bytes > maxOutputBytes) resolve('too-long');
      };
      this.child.stdin.write(`${line}\necho --err err-${mark}\necho 'out-'${mark}\n`);
      if (this.hasEnded) resolve('ended');
      if (signal?.aborted === true) resolve('aborted');
    });
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    this.heard = () => undefined;
    const said = this.stdout.text();
    const body = bodyOf(said, line, mark);
    const stderr = this.stderr.text().replace(new RegExp(`(?:error: )?err-${mark}\\n?`), '');
    // It may be long, and hold passwords of consoles.
    this.stdout = new Heard();
    this.stderr = new Heard();
    // It ends the line that it repeats before it does what that says.
    return { how: how === 'answered' && body === null ? 'strange' : how, stdout: body ?? '', stderr, isBegun: said.includes('\n') };
  }

  private hear(to: Heard, piece: Buffer): void {
    to.add(piece);
    if (this.onRestEnded === null) this.heard();
    // Nobody has asked: it is no more than the prompt after an answer, or the connection is lost.
    else if (!BETWEEN_ANSWERS.test(piece.toString('latin1'))) this.onRestEnded();
  }

  private streams(): readonly { ref?: () => void; unref?: () => void }[] {
    return [this.child.stdin, this.child.stdout, this.child.stderr] as unknown as readonly { ref?: () => void; unref?: () => void }[];
  }
}

/** What one stream has said in answer to one question. */
class Heard {
  private readonly pieces: Buffer[] = [];
  bytes = 0;
  /** Its end, longer than a mark. */
  tail = '';

  add(piece: Buffer): void {
    this.pieces.push(piece);
    this.bytes += piece.length;
    this.tail = (this.tail + piece.toString('latin1')).slice(-TAIL);
  }

  text = (): string => Buffer.concat(this.pieces).toString('utf8');
}

/** What stands between the repeated command and the repeated mark; null: they do not stand there as they should. A line that is too long is repeated by its end. */
function bodyOf(text: string, line: string, mark: string): string | null {
  const begin = text.indexOf('\n') + 1;
  const repeated = text.slice(text.startsWith(PROMPT) ? PROMPT.length : 0, begin).trimEnd();
  const scrolled = repeated.lastIndexOf('\r<');
  const end = text.indexOf(`${PROMPT}echo --err err-${mark}\n`);
  const isOurs = repeated === line || (scrolled >= 0 && line.endsWith(repeated.slice(scrolled + 2)));
  if (begin === 0 || !isOurs || end < begin) return null;
  // After an answer the prompt begins a line, or nothing came before it.
  return end === begin || text[end - 1] === '\n' ? text.slice(begin, end) : null;
}
