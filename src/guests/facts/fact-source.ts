import { FACT_LIMITS } from '../../contracts/facts';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';
import type { GuestAgent, GuestProgram } from '../guest-agent';
import { programMissing, starting } from '../guest-process';
import { FACT_FILES, headOf, splitHeads, type FactFile, type FileText } from './fact-files';

export interface ProgramSaid {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Of `stdout`: there was more. */
  readonly truncated: boolean;
}

/** A program that is ended by `timeout` is seen this much later. */
const ENDED_WITHIN_MS = 1_500;
/** The agent's own word about its silence is more telling than ours: it gets this much longer. */
const GRACE_MS = 2_000;
/** Nothing is begun with less: it would be ended before it has said anything. */
const LEAST_MS = 500;
/** Of `timeout`, as GNU's and busybox's end when they have killed, and of whatever else kills. */
const KILLED = new Set([124, 137]);
/** Before each file, and its name. */
const HEADER_BYTES = 100;
const NOT_RUN = new Set([126, 127]);
/** Whoever has said this says nothing else within the minute that a collection has. */
const NOBODY_THERE = new Set(['AGENT_ABSENT', 'AGENT_SILENT', 'GUEST_SSH_REFUSED', 'HYPERVISOR_COMMAND_TIMED_OUT', 'HYPERVISOR_UNREACHABLE', 'SERVER_GONE']);

/**
 * What collectors ask a guest through, each question bounded in time and size. Reads only. After the first sign that nobody is there, and for what the agent
 * forbids, nothing is asked again: the same error is thrown at once. Rejects with the signal's reason when it is aborted; what was asked last is not waited for.
 */
export class FactSource {
  private readonly endsAt: number;
  private sectionEndsAt = 0;
  private nobodyThere: ModosuError | null = null;
  private programsForbidden: ModosuError | null = null;
  private texts: Promise<ReadonlyMap<string, FileText | ModosuError>> | null = null;

  constructor(
    private readonly agent: GuestAgent,
    private readonly signal: AbortSignal | undefined,
    /** For all sections together, until the last answer is not waited for any more. */
    private readonly totalMs: number = FACT_LIMITS.totalMs,
  ) {
    this.endsAt = performance.now() + totalMs - ENDED_WITHIN_MS - GRACE_MS;
    this.beginSection();
  }

  /** From here on another section has its time. */
  beginSection(): void {
    this.sectionEndsAt = performance.now() + FACT_LIMITS.sectionMs;
  }

  /**
   * What a program says, whatever its exit code. It is ended in the guest when its time is over, by `timeout` there: nothing is left running. Throws
   * `GUEST_PROGRAM_MISSING`, `FACTS_NOT_COLLECTED` when it was ended, and what the agent throws.
   */
  async run(
    argv: GuestProgram['argv'],
    { maxBytes = FACT_LIMITS.rawBytes, input }: { readonly maxBytes?: number; readonly input?: string } = {},
  ): Promise<ProgramSaid> {
    if (this.programsForbidden !== null) throw this.programsForbidden;
    const [program] = argv;
    let seconds = 0;
    const result = await this.ask((agent, leftMs) => {
      seconds = Math.max(1, Math.floor(leftMs / 1000));
      const bounded = ['timeout', '-s', 'KILL', String(seconds), ...argv] as const;
      const options = { timeoutMs: leftMs + ENDED_WITHIN_MS, maxOutputBytes: maxBytes, ...(input === undefined ? {} : { input }) };
      return starting('timeout', () => agent.exec(bounded, options));
    }).catch((error: unknown) => {
      if (isModosuError(error) && error.code === 'GUEST_COMMAND_FORBIDDEN') this.programsForbidden = error;
      throw error;
    });
    if (NOT_RUN.has(result.exitCode)) throw programMissing(program);
    if (KILLED.has(result.exitCode)) {
      throw new ModosuError('FACTS_NOT_COLLECTED', `${program} in the guest was killed: it took longer than ${seconds} s, or the guest was short of memory.`, {
        context: { program },
      });
    }
    const { exitCode, stdout, stderr, truncated } = result;
    return { exitCode, stdout: stdout.slice(0, maxBytes), stderr, truncated: truncated || stdout.length > maxBytes };
  }

  /** As `run`; any end but exit code 0 is `FACTS_NOT_COLLECTED`, with the program's words. */
  async mustRun(argv: GuestProgram['argv'], options: { readonly maxBytes?: number } = {}): Promise<ProgramSaid> {
    const said = await this.run(argv, options);
    if (said.exitCode === 0) return said;
    throw new ModosuError(
      'FACTS_NOT_COLLECTED',
      `${argv[0]} in the guest ended with exit code ${said.exitCode}: ${cleanWords(said.stderr, 200, { keep: 'end' })}`,
      {
        context: { program: argv[0], exitCode: said.exitCode },
      },
    );
  }

  /** One of the files that every collection reads; null: it is not there. All are read when the first is asked for. */
  async file(path: FactFile): Promise<FileText | null> {
    this.texts ??= this.readTexts();
    const text = (await this.texts).get(path) ?? null;
    if (text instanceof ModosuError) throw text;
    return text;
  }

  /** As `file`; one that is not there is `FACTS_NOT_COLLECTED`. */
  async needed(path: FactFile): Promise<FileText> {
    const text = await this.file(path);
    if (text !== null) return text;
    throw new ModosuError('FACTS_NOT_COLLECTED', `The guest has no ${path} that can be read.`, { context: { path } });
  }

  /** Something else that asks the agent. `leftMs`: what is left of the section's time; the signal is aborted when it is over. */
  async ask<T>(question: (agent: GuestAgent, leftMs: number, signal: AbortSignal) => Promise<T>): Promise<T> {
    this.signal?.throwIfAborted();
    if (this.nobodyThere !== null) throw this.nobodyThere;
    const leftMs = Math.min(this.sectionEndsAt, this.endsAt) - performance.now();
    if (leftMs < LEAST_MS) throw outOfTime(this.totalMs);
    const [time, answered] = [new AbortController(), new AbortController()];
    const timers: NodeJS.Timeout[] = [];
    const over = new Promise<never>((_, reject) => {
      timers.push(setTimeout(() => time.abort(outOfTime(this.totalMs)), leftMs));
      timers.push(setTimeout(() => reject(silent()), leftMs + ENDED_WITHIN_MS + GRACE_MS));
      this.signal?.addEventListener('abort', () => reject(this.signal?.reason), { once: true, signal: answered.signal });
    });
    // The one that loses the race may still reject; nobody is interested any more.
    over.catch(() => undefined);
    try {
      const answer = question(this.agent, leftMs, this.signal === undefined ? time.signal : AbortSignal.any([this.signal, time.signal]));
      answer.catch(() => undefined);
      return await Promise.race([answer, over]);
    } catch (error) {
      if (isModosuError(error) && NOBODY_THERE.has(error.code)) this.nobodyThere = error;
      throw error;
    } finally {
      for (const timer of timers) clearTimeout(timer);
      answered.abort();
      time.abort(outOfTime(this.totalMs));
    }
  }

  /**
   * By one program, which costs two or three questions, where reading costs three for each file; and a program that hangs at a file is ended, an agent is not.
   * Where no such program runs, one by one.
   */
  private async readTexts(): Promise<ReadonlyMap<string, FileText | ModosuError>> {
    const { rawBytes } = FACT_LIMITS;
    const together = await this.run(headOf(FACT_FILES, rawBytes), { maxBytes: FACT_FILES.length * (rawBytes + HEADER_BYTES) }).catch((error: unknown) => {
      if (isModosuError(error) && (error.code === 'GUEST_COMMAND_FORBIDDEN' || error.code === 'GUEST_PROGRAM_MISSING')) return null;
      throw error;
    });
    const texts = splitHeads(together?.stdout ?? '', FACT_FILES, rawBytes);
    return texts.size > 0 ? texts : this.readOneByOne();
  }

  private async readOneByOne(): Promise<ReadonlyMap<string, FileText | ModosuError>> {
    const texts = new Map<string, FileText | ModosuError>();
    for (const path of FACT_FILES) {
      const maxBytes = FACT_LIMITS.rawBytes;
      try {
        const bytes = await this.ask((agent, timeoutMs) => agent.readFile(path, { timeoutMs, maxBytes }));
        if (bytes !== null) texts.set(path, { text: bytes.toString('utf8'), truncated: bytes.length >= maxBytes });
      } catch (error) {
        if (!isModosuError(error) || error.code === 'GUEST_COMMAND_FORBIDDEN' || this.nobodyThere !== null) throw error;
        texts.set(path, error);
      }
    }
    return texts;
  }
}

const outOfTime = (totalMs: number): ModosuError =>
  new ModosuError(
    'FACTS_NOT_COLLECTED',
    `The time for facts of the guest was over: ${FACT_LIMITS.sectionMs / 1000} s for one kind, ${totalMs / 1000} s for all.`,
  );

const silent = (): ModosuError => new ModosuError('AGENT_SILENT', 'The guest agent has not answered a question about facts in time.');
