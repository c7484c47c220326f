import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../config/log';
import { ModosuError, toModosuError, type ErrorSummary } from '../../contracts/errors';
import { forgetProcess, recordProcess } from '../../system/process-record';
import { isChildMessage } from '../parent';
import { lastLines } from './log-tail';

/** One life of a part's process. */
export interface Life {
  readonly pid: number;
  /** Aborts when the process has ended, or must end. */
  readonly ended: AbortSignal;
  /** Resolves when the process has said so itself (Modosu's own roles). */
  readonly saidReady: Promise<void>;
}

export interface PartDefinition {
  /** Also the name of its log file. */
  readonly name: string;
  /** Before each start: make room, remove what a crash has left. */
  prepare?(): Promise<void>;
  /** Absolute program first; it must see to it that it dies with this process (`setpriv --pdeathsig`). */
  command(): { readonly argv: readonly [string, ...string[]]; readonly env: Readonly<Record<string, string | undefined>> };
  /** True for Modosu's own roles, which report through Node's channel. */
  readonly reports: boolean;
  /** Resolves when the part serves. May throw to say that it does not and never will in this life. */
  becomesReady(life: Life): Promise<void>;
  /** How to end it: each signal gets its time, then the next one; SIGKILL at the end. */
  readonly stopSignals: readonly { readonly signal: NodeJS.Signals; readonly graceMs: number }[];
  /** A whole start, with its attempts. */
  readonly readyTimeoutMs: number;
}

export interface PartPlaces {
  readonly log: Log;
  readonly logs: string;
  readonly processes: string;
}

/** Attempts of the very first start: after that a person should look. A part that has once served is started again for ever. */
const FIRST_ATTEMPTS = 3;
const BACKOFF_FIRST_MS = 200;
const BACKOFF_MOST_MS = 30_000;
/** A life of this length was a good one: the next restart is quick again. */
const STABLE_MS = 30_000;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const KILL_GRACE_MS = 10_000;

/** A supervised child process: started until it serves, started again when it dies, ended in order. */
export class Part {
  private readonly stopping = new AbortController();
  private supervision: Promise<void> = Promise.resolve();
  private reported: ErrorSummary | null = null;

  constructor(
    private readonly definition: PartDefinition,
    private readonly places: PartPlaces,
  ) {}

  get name(): string {
    return this.definition.name;
  }

  /** Resolves when the part serves for the first time. Throws what it reported, or its last log lines. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.supervision = this.supervise(resolve, reject);
    });
  }

  /** Ends it and waits until it is gone. Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.supervision;
  }

  private async supervise(firstReady: () => void, firstFailed: (error: Error) => void): Promise<void> {
    const { log } = this.places;
    let hasServed = false;
    let failures = 0;
    while (!this.stopping.signal.aborted) {
      const startedAt = performance.now();
      const error = await this.live(() => {
        hasServed = true;
        log.info({ part: this.name, readyMs: Math.round(performance.now() - startedAt) }, 'part is ready');
        firstReady();
      });
      if (this.stopping.signal.aborted) break;
      failures = performance.now() - startedAt >= STABLE_MS ? 1 : failures + 1;
      if (!hasServed && (failures >= FIRST_ATTEMPTS || error.retry === 'never')) return firstFailed(error);
      const backoffMs = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1));
      log.error({ part: this.name, failures, backoffMs, code: error.code, problem: error.message }, 'part has ended; it is started again');
      await delay(backoffMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
    firstFailed(new ModosuError('INTERNAL', `${this.name} was stopped before it was ready.`)); // no effect once it was ready
  }

  /** One life, from start to end; returns why it ended. */
  private async live(onReady: () => void): Promise<ModosuError> {
    const { name, definition } = this;
    const ended = new AbortController();
    try {
      await definition.prepare?.();
      const { child, saidReady } = this.spawnChild(ended);
      let letGo: () => void = () => undefined;
      const exit = new Promise<string>((resolve) => {
        letGo = () => resolve('it does not end: it waits for storage that does not answer');
        child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
        child.once('error', (error) => resolve(error.message));
      }).finally(() => ended.abort());
      if (child.pid === undefined) return new ModosuError('INTERNAL', `${name} could not be started: ${await exit}.`);
      await recordProcess(this.recordPath, child.pid, `modosu ${name}`);

      const onStop = (): void => void this.endChild(child).then(letGo);
      this.stopping.signal.addEventListener('abort', onStop, { once: true });
      if (this.stopping.signal.aborted) onStop();
      const notReady = await this.waitUntilReady({ pid: child.pid, ended: ended.signal, saidReady }, onReady);
      if (notReady !== null && !ended.signal.aborted) await this.endChild(child).then(letGo);
      const how = await exit;
      this.stopping.signal.removeEventListener('abort', onStop);
      // One that does not end is still in the way of the next start.
      if (child.exitCode !== null || child.signalCode !== null) await forgetProcess(this.recordPath, child.pid);
      return this.explain(how, notReady);
    } catch (error) {
      return toModosuError(error);
    } finally {
      ended.abort();
    }
  }

  private spawnChild(ended: AbortController): { readonly child: ChildProcess; readonly saidReady: Promise<void> } {
    const logFile = this.logFile;
    rotate(logFile);
    const output = openSync(logFile, 'a', 0o640);
    try {
      const { argv, env } = this.definition.command();
      const child = spawn(argv[0], argv.slice(1), {
        cwd: '/',
        env: { ...env },
        stdio: ['ignore', output, output, ...(this.definition.reports ? (['ipc'] as const) : [])],
        // A session of its own: Ctrl-C reaches the supervisor alone, which then ends the parts in order.
        detached: true,
        shell: false,
      });
      this.reported = null;
      // Listen from the first moment: a message that finds no listener is lost.
      const saidReady = new Promise<void>((resolve) => {
        child.on('message', (message: unknown) => {
          if (!isChildMessage(message)) return;
          if (message.type === 'ready') resolve();
          else this.reported = message.error;
        });
      });
      child.once('error', () => ended.abort());
      return { child, saidReady };
    } finally {
      closeSync(output);
    }
  }

  /** Null when it served; otherwise why not. */
  private async waitUntilReady(life: Life, onReady: () => void): Promise<ModosuError | null> {
    const { ended } = life;
    const deadline = new AbortController();
    const timeout = delay(this.definition.readyTimeoutMs, undefined, { signal: deadline.signal, ref: false }).then(
      () =>
        new ModosuError('NOT_READY', `${this.name} was started but did not serve within ${this.definition.readyTimeoutMs / 1000} s.`, {
          context: { log: this.logFile },
        }),
      () => null,
    );
    const gone = new Promise<ModosuError>((resolve) => {
      const tell = (): void => resolve(new ModosuError('NOT_READY', `${this.name} ended before it served.`, { context: { log: this.logFile } }));
      if (ended.aborted) tell();
      ended.addEventListener('abort', tell, { once: true });
    });
    const ready = this.definition.becomesReady(life).then(
      () => null,
      (error: unknown) => toModosuError(error),
    );
    const problem = await Promise.race([ready, timeout, gone]);
    deadline.abort();
    if (problem === null && !ended.aborted) onReady();
    return problem;
  }

  private async explain(how: string, notReady: ModosuError | null): Promise<ModosuError> {
    if (this.reported !== null) return ModosuError.fromSummary(this.reported);
    if (notReady !== null && notReady.code !== 'NOT_READY') return notReady;
    const words = await lastLines(this.logFile);
    return new ModosuError('NOT_READY', `${notReady?.message ?? `${this.name} ended.`} (${how})${words === '' ? '' : ` Its last words: ${words}`}`, {
      hint: `Read ${this.logFile}.`,
      context: { part: this.name, log: this.logFile },
    });
  }

  private async endChild(child: ChildProcess): Promise<void> {
    const steps = [...this.definition.stopSignals, { signal: 'SIGKILL' as const, graceMs: KILL_GRACE_MS }];
    for (const { signal, graceMs } of steps) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
      child.kill(signal);
      const deadline = new AbortController();
      const inTime = await Promise.race([exited, delay(graceMs, false, { signal: deadline.signal }).catch(() => false)]);
      deadline.abort();
      if (inTime) return;
      this.places.log.warn({ part: this.name, signal, graceMs }, 'part did not end in time');
    }
  }

  private get logFile(): string {
    return join(this.places.logs, `${this.name}.log`);
  }

  private get recordPath(): string {
    return recordPathOf(this.places.processes, this.name);
  }
}

export const recordPathOf = (processes: string, name: string): string => join(processes, `${name}.json`);

/** One older file is kept: logs never fill the disk, and the last start's are there. */
function rotate(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(logFile, `${logFile}.1`);
}
