import { randomUUID } from 'node:crypto';
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

/** More than run at once in one run; who finds none free starts a process of its own. */
const MOST_SESSIONS = 4;
/** Of nobody's use any more. Steps of a run follow each other faster. */
const IDLE_MS = 30_000;
const TAIL = 200;
const BETWEEN_ANSWERS = /^[virsh# \n]*$/;

export const isRead = (args: readonly string[]): boolean =>
  READS.has(args[0] ?? '') && args.every((word) => PLAIN.test(word)) && (!args.includes('--completed') || args.includes('--keep-completed'));

export interface SessionsOptions {
  readonly connectUri: string;
  /** Environment of virsh. */
  readonly env: () => Promise<Readonly<Record<string, string>>>;
  /** What libvirt says when it is not there. */
  readonly unreachable: RegExp;
}

interface Question {
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads through virsh processes that stay: to start one and connect takes ten times as long as nearly every answer. Only what is plain is answered here, an answer or
 * a refusal; whatever is not, is asked again of a process of its own, whose word counts.
 */
export class VirshSessions {
  private readonly idle: Session[] = [];
  private open = 0;

  constructor(private readonly options: SessionsOptions) {}

  /** Outcome as that of a process of its own; null: ask one. Rejects with the reason of `signal`. */
  async ask(args: readonly string[], { timeoutMs, maxOutputBytes, signal }: Question): Promise<CommandOutcome | null> {
    signal?.throwIfAborted();
    const session = this.idle.pop() ?? (await this.start());
    if (session === null) return null;
    session.use();
    const answer = await session.ask(args.join(' '), { timeoutMs, maxOutputBytes, signal });
    const { stdout, stderr, how } = answer;
    const isPlain = how === 'answered' && !this.options.unreachable.test(stderr) && (stdout.trim() === '' || stderr.trim() === '');
    if (isPlain) this.keep(session);
    else this.end(session);
    signal?.throwIfAborted();
    const outcome = { signal: null, stdout, stderr, truncated: false, timedOut: false };
    if (how === 'timed-out') return { ...outcome, exitCode: null, signal: 'SIGKILL', timedOut: true };
    return isPlain ? { ...outcome, exitCode: stderr.trim() === '' ? 0 : 1 } : null;
  }

  private async start(): Promise<Session | null> {
    if (this.open >= MOST_SESSIONS) return null;
    this.open += 1;
    try {
      return new Session(this.options.connectUri, await this.options.env());
    } catch {
      // A process of its own fails by the same, and says why.
      this.open -= 1;
      return null;
    }
  }

  private keep(session: Session): void {
    this.idle.push(session);
    session.rest(IDLE_MS, () => {
      this.idle.splice(this.idle.indexOf(session), 1);
      this.end(session);
    });
  }

  private end(session: Session): void {
    this.open -= 1;
    session.kill();
  }
}

interface Answer {
  readonly how: 'answered' | 'timed-out' | 'ended' | 'too-long' | 'aborted';
  readonly stdout: string;
  readonly stderr: string;
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

  constructor(connectUri: string, env: Readonly<Record<string, string>>) {
    this.child = startProgram(['virsh', '--quiet', '--connect', connectUri], { env });
    const ended = (): void => {
      this.hasEnded = true;
      this.heard();
      this.onRestEnded?.();
    };
    this.child.once('error', ended);
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
    const answered = (): boolean => this.stdout.tail.includes(`\nout-${mark}`) && this.stderr.tail.includes(`err-${mark}`);
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
      this.child.stdin.write(`${line}\necho --err err-${mark}\necho out-${mark}\n`);
      if (this.hasEnded) resolve('ended');
    });
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    this.heard = () => undefined;
    return { how, stdout: bodyOf(this.stdout.text(), mark), stderr: this.stderr.text().replace(new RegExp(`(?:error: )?err-${mark}\\n?`), '') };
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

/** What stands between the repeated command and the repeated mark. */
function bodyOf(text: string, mark: string): string {
  const end = text.indexOf(`virsh # echo --err err-${mark}`);
  return end < 0 ? '' : text.slice(text.indexOf('\n') + 1, end);
}
