import { statfs } from 'node:fs/promises';
import type { ErrorCode } from '../../contracts/error-codes';
import { ModosuError, isModosuError, type ErrorContext } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import { quoted } from '../../contracts/text';
import { isResticSupported, LEAST_RESTIC_VERSION, resticOutcome, resticVersion, resticWords, type ResticOutcome } from '../../domain/restic-outcome';
import { runCommand, type RunOptions } from '../../system/child-process';
import { watchReading } from './reading-watch';

/** What restic needs to reach one repository. */
export interface ResticTarget {
  /** RESTIC_REPOSITORY, RESTIC_PASSWORD: secrets, so they are given in the environment alone. */
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly caCertificateFile: string | null;
  /** For messages, such as `the data repository of srv_…`. */
  readonly name: string;
  /** Goes into the context of every error. */
  readonly context: ErrorContext;
  /** As in `DataAccess`. */
  readonly canLock: boolean;
  /** Which error an end of restic is here. */
  readonly codes: ResticCodes;
}

export type ResticCodes = Readonly<Record<Exclude<ResticOutcome, 'ok' | 'partial'>, ErrorCode>>;

/** What restic's end has meant, where an error is of restic's. */
export const outcomeOf = (error: unknown): ResticOutcome | null =>
  isModosuError(error) && typeof error.context.outcome === 'string' ? (error.context.outcome as ResticOutcome) : null;

/** Options of commands that only read. */
export const reading = ({ canLock }: Pick<ResticTarget, 'canLock'>): readonly string[] => (canLock ? [] : ['--no-lock']);

export interface ResticOptions extends Pick<
  RunOptions,
  'input' | 'cwd' | 'onStdout' | 'onStarted' | 'signal' | 'maxOutputBytes' | 'timeoutMs' | 'discardStdout'
> {
  /** What a failure is that means nothing more exact. Default: as the target says. */
  readonly otherwise?: ErrorCode;
  /** Reads for hours without a word: as long as it takes, while it goes on reading, and through restic's own attempts (a quarter of an hour). */
  readonly isLong?: boolean;
  /** Default: not when it is long, then it is told as text. */
  readonly isJson?: boolean;
  /** Words of restic after which it is ended, because trying again changes nothing. */
  readonly giveUpOn?: RegExp;
  /** The directory that it writes into; null: elsewhere. A restic that stands still for half a minute where that is full is ended: there is no room. */
  readonly fills?: string | null;
}

const TIMEOUT_MS = 10 * 60_000;
/** restic tries again for a quarter of an hour when its server has gone. Here it is given up sooner: activities try again themselves. */
const SILENCE_MS = 30_000;
const RETRYING = /\breturned error, retrying after\b/;
/** A missing file is tried again just as long, and stays missing. */
const STORED_FILE_MISSING = /<(?:data|index|snapshot|key)\/[0-9a-f]+> does not exist/;
const MOST_STDERR_BYTES = 256 * 1024;
const LONGEST_READING_MS = 47 * 3_600_000;
/** Longer than restic waits between its attempts. */
const STALLED_MS = 10 * 60_000;
const VERSION_TIMEOUT_MS = 20_000;
/**
 * restic 0.14 on storage that becomes full: whoever saves has ended by the error, and whoever hands over waits for it, now and then for ever (once in thirty
 * attempts), telling its progress all the while.
 */
const STILL_AND_FULL_MS = 30_000;
/** What restic writes at a time (packs of 16 MiB, some of them at once) and takes away again when it fails. */
const PACKS_UNDER_WAY_BYTES = 64 * 1024 ** 2;

/** Bytes that are free in a directory that restic writes into, where they are fewer than it needs to go on; null: they are enough, or nobody knows. */
export async function roomTooSmall(directory: string): Promise<number | null> {
  const room = await statfs(directory).catch(() => null);
  return room === null || room.bavail * room.bsize >= PACKS_UNDER_WAY_BYTES ? null : room.bavail * room.bsize;
}

/** What it means that restic was ended because it stood still. */
const WHEN_STILL: Readonly<Record<string, ResticOutcome | undefined>> = { stalled: 'unreachable', full: 'no-space' };

/** restic of this host, run once for each question. */
export class ResticCommand {
  private known: string | null = null;

  /** @param program a name in PATH, or an absolute path */
  constructor(
    private readonly program: string,
    private readonly stillAndFullMs = STILL_AND_FULL_MS,
    private readonly lookMs?: number,
  ) {}

  /** Such as `0.14.0`. Throws `PROGRAM_MISSING`, `RESTIC_UNSUPPORTED`. */
  async version(): Promise<string> {
    if (this.known !== null) return this.known;
    const { stdout } = await runCommand([this.program, 'version'], { timeoutMs: VERSION_TIMEOUT_MS }).catch((error: unknown) => {
      if (error instanceof ModosuError && error.code === 'PROGRAM_MISSING') {
        throw new ModosuError('PROGRAM_MISSING', error.message, {
          hint: `Install restic ${LEAST_RESTIC_VERSION} or newer on this machine.`,
          context: error.context,
        });
      }
      throw error;
    });
    const version = resticVersion(stdout);
    if (version === null || !isResticSupported(version)) {
      throw new ModosuError('RESTIC_UNSUPPORTED', `restic on this machine is too old or unknown: ${version ?? quoted(stdout)}.`, {
        hint: `Install restic ${LEAST_RESTIC_VERSION} or newer on this machine.`,
      });
    }
    this.known = version;
    return version;
  }

  /**
   * Standard output of restic with these arguments, when it has ended well.
   *
   * No cache: what a cache has answered was not read from the repository, so damage would stay hidden, and a guest decides how large it grows. Listing a
   * thousand directories takes 2.3 s without one, 0.7 s with one (measured with restic 0.14 on loopback).
   */
  async run(target: ResticTarget, args: readonly string[], options: ResticOptions = {}): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const version = await this.version();
    const certificate = target.caCertificateFile === null ? [] : ['--cacert', target.caCertificateFile];
    const givenUp = new AbortController();
    let stderr = '';
    let room = '';
    let timer: NodeJS.Timeout | undefined;
    const { signal, onStdout, onStarted, otherwise, isLong = false, isJson = !isLong, giveUpOn, fills = null, ...rest } = options;
    try {
      const outcome = await runCommand([this.program, '--no-cache', ...(isJson ? ['--json'] : []), ...certificate, ...args], {
        timeoutMs: isLong ? LONGEST_READING_MS : TIMEOUT_MS,
        onStarted: (pid) => {
          onStarted?.(pid);
          if (!isLong && fills === null) return;
          watchReading(
            pid,
            givenUp.signal,
            (forMs) => {
              if (isLong && forMs >= STALLED_MS) givenUp.abort(new Error('stalled'));
              else if (fills !== null && forMs >= this.stillAndFullMs) {
                void roomTooSmall(fills).then((free) => {
                  if (free === null || givenUp.signal.aborted) return;
                  room = `it stood still, and only ${formatBytes(free)} are free at ${fills}; make room there, what is stored stays usable`;
                  givenUp.abort(new Error('full'));
                });
              }
            },
            this.lookMs,
          );
        },
        ...rest,
        env: target.env,
        signal: signal === undefined ? givenUp.signal : AbortSignal.any([signal, givenUp.signal]),
        onStdout: (piece) => {
          clearTimeout(timer);
          timer = undefined;
          onStdout?.(piece);
        },
        onStderr: (piece) => {
          if (stderr.length < MOST_STDERR_BYTES) stderr += piece.toString('utf8');
          if (giveUpOn?.test(stderr) === true) givenUp.abort(new Error('refused'));
          if (!RETRYING.test(stderr)) return;
          if (STORED_FILE_MISSING.test(stderr)) givenUp.abort(new Error('missing'));
          else if (!isLong) timer ??= setTimeout(() => givenUp.abort(new Error('silent')), SILENCE_MS);
        },
      });
      if (outcome.exitCode === 0) return { stdout: outcome.stdout, stderr };
      throw this.failure(target, args, resticOutcome({ version, exitCode: outcome.exitCode, stderr }), stderr, outcome.timedOut, otherwise);
    } catch (error) {
      if (givenUp.signal.aborted && error === givenUp.signal.reason) {
        const why = givenUp.signal.reason instanceof Error ? givenUp.signal.reason.message : '';
        const outcome = WHEN_STILL[why] ?? resticOutcome({ version, exitCode: null, stderr });
        throw this.failure(target, args, outcome, why === 'full' ? `${stderr}\n${room}` : stderr, false, otherwise);
      }
      throw error;
    } finally {
      clearTimeout(timer);
      // Ends the watch; the program has ended.
      givenUp.abort(new Error('ended'));
    }
  }

  private failure(
    target: ResticTarget,
    args: readonly string[],
    outcome: ResticOutcome,
    stderr: string,
    timedOut: boolean,
    otherwise: ErrorCode = target.codes.failed,
  ): ModosuError {
    const words = resticWords(stderr, target.secrets);
    const silent = timedOut ? 'it did not end in time' : 'it ended without a word';
    const what = `\`restic ${args[0] ?? ''}\` in ${target.name}`;
    const code = outcome === 'ok' || outcome === 'partial' || outcome === 'failed' ? otherwise : target.codes[outcome];
    return new ModosuError(code, `${what}: ${words === '' ? silent : words}`, { context: { ...target.context, outcome } });
  }
}
