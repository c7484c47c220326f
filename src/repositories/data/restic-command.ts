import { ModosuError } from '../../contracts/errors';
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
  /** For messages: whose repository it is. */
  readonly serverId: string;
  /** As in `DataAccess`. */
  readonly canLock: boolean;
}

/** Options of commands that only read. */
export const reading = ({ canLock }: Pick<ResticTarget, 'canLock'>): readonly string[] => (canLock ? [] : ['--no-lock']);

export interface ResticOptions extends Pick<RunOptions, 'input' | 'onStdout' | 'signal' | 'maxOutputBytes' | 'timeoutMs' | 'discardStdout'> {
  /** What a failure is that means nothing more exact. Default `DATA_REPOSITORY_FAILED`. */
  readonly otherwise?: 'DATA_REPOSITORY_FAILED' | 'DATA_BACKUP_FAILED';
  /** Reads for hours without a word: as long as it takes, while it goes on reading, and through restic's own attempts (a quarter of an hour). Told as text. */
  readonly isLong?: boolean;
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

/** restic of this host, run once for each question. */
export class ResticCommand {
  private known: string | null = null;

  /** @param program a name in PATH, or an absolute path */
  constructor(private readonly program: string) {}

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
    let timer: NodeJS.Timeout | undefined;
    const { signal, onStdout, otherwise, isLong = false, ...rest } = options;
    try {
      const outcome = await runCommand([this.program, '--no-cache', ...(isLong ? [] : ['--json']), ...certificate, ...args], {
        timeoutMs: isLong ? LONGEST_READING_MS : TIMEOUT_MS,
        onStarted: (pid) => {
          if (isLong) watchReading(pid, STALLED_MS, givenUp.signal, () => givenUp.abort(new Error('stalled')));
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
          if (!RETRYING.test(stderr)) return;
          if (STORED_FILE_MISSING.test(stderr)) givenUp.abort(new Error('missing'));
          else if (!isLong) timer ??= setTimeout(() => givenUp.abort(new Error('silent')), SILENCE_MS);
        },
      });
      if (outcome.exitCode === 0) return { stdout: outcome.stdout, stderr };
      throw this.failure(target, args, resticOutcome({ version, exitCode: outcome.exitCode, stderr }), stderr, outcome.timedOut, otherwise);
    } catch (error) {
      if (givenUp.signal.aborted && error === givenUp.signal.reason) {
        const outcome =
          givenUp.signal.reason instanceof Error && givenUp.signal.reason.message === 'stalled'
            ? 'unreachable'
            : resticOutcome({ version, exitCode: null, stderr });
        throw this.failure(target, args, outcome, stderr, false, otherwise);
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
    otherwise: ResticOptions['otherwise'] = 'DATA_REPOSITORY_FAILED',
  ): ModosuError {
    const words = resticWords(stderr, target.secrets);
    const silent = timedOut ? 'it did not end in time' : 'it ended without a word';
    const what = `\`restic ${args[0] ?? ''}\` in the data repository of ${target.serverId}`;
    const code = CODES[outcome] ?? otherwise;
    return new ModosuError(code, `${what}: ${words === '' ? silent : words}`, { context: { serverId: target.serverId, outcome } });
  }
}

const CODES: Readonly<
  Partial<
    Record<
      ResticOutcome,
      | 'DATA_REPOSITORY_LOCKED'
      | 'DATA_REPOSITORY_KEY_WRONG'
      | 'DATA_REPOSITORY_MISSING'
      | 'DATA_REPOSITORY_UNREACHABLE'
      | 'NOT_ENOUGH_SPACE'
      | 'RECOVERY_POINT_CORRUPT'
      | 'DATA_REPOSITORY_FAILED'
    >
  >
> = {
  locked: 'DATA_REPOSITORY_LOCKED',
  'wrong-password': 'DATA_REPOSITORY_KEY_WRONG',
  'no-repository': 'DATA_REPOSITORY_MISSING',
  unreachable: 'DATA_REPOSITORY_UNREACHABLE',
  'no-space': 'NOT_ENOUGH_SPACE',
  damaged: 'RECOVERY_POINT_CORRUPT',
  'repository-damaged': 'DATA_REPOSITORY_FAILED',
};
