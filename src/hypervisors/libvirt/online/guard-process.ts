import { spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../../contracts/errors';
import { childEnvironment, findProgram } from '../../../system/child-process';
import { endOrphan, isAlive, readRecord } from '../../../system/process-record';
import type { GuardFiles } from './guard-state';

/** The compiled guard beside this file. */
export const GUARD_COMMAND: readonly [string, ...string[]] = [process.execPath, '--enable-source-maps', join(__dirname, 'guard-main.js')];

const ARMED_WITHIN_MS = 30_000;
const POLL_MS = 20;

/** Starts, finds and ends the guard of one run. The kernel's lock on `guard.lock` is what keeps it at one. */
export class GuardProcess {
  constructor(
    private readonly files: GuardFiles,
    private readonly command: readonly [string, ...string[]],
  ) {}

  /** A guard that watches: it is alive, and it has said so itself. */
  async isWatching(): Promise<boolean> {
    const [record, state] = [await readRecord(this.files.recordPath), await this.files.readState()];
    return record !== null && state !== null && state.guard.pid === record.pid && state.guard.startTicks === record.startTicks && (await isAlive(record));
  }

  /**
   * Returns when a guard watches; the one that does already is fine. In a session of its own, with a small environment: it is no child of this process in any
   * way that matters. Throws `BACKUP_JOB_FAILED` when it does not come up.
   */
  async arm(): Promise<void> {
    const giveUpAt = performance.now() + ARMED_WITHIN_MS;
    while (!(await this.isWatching())) {
      // Over already: nothing is left to watch.
      if (((await this.files.readState())?.outcome ?? null) !== null) return;
      const ended = this.start();
      // One that finds the lock taken ends at once: the holder comes up, or has just died.
      let isOver = false;
      void ended.then(() => (isOver = true));
      while (!isOver && !(await this.isWatching())) {
        if (performance.now() > giveUpAt) throw this.notArmed();
        await delay(POLL_MS);
      }
      if (isOver) await delay(POLL_MS * 10);
      if (performance.now() > giveUpAt) throw this.notArmed();
    }
  }

  /** Kills the guard, if it lives, and waits until it is gone. Returns whether one was there. */
  async end(): Promise<boolean> {
    return endOrphan(this.files.recordPath);
  }

  /** Ends the guard and removes everything that was written about the run. */
  async forget(): Promise<void> {
    await this.end();
    await rm(this.files.directory, { recursive: true, force: true });
  }

  async makeDirectory(): Promise<void> {
    await mkdir(dirname(this.files.directory), { recursive: true, mode: 0o700 });
    await mkdir(this.files.directory, { recursive: true, mode: 0o700 });
  }

  private start(): Promise<void> {
    const child = spawn(
      findProgram('flock'),
      ['--no-fork', '--nonblock', '--conflict-exit-code', '75', this.files.lockPath, ...this.command, this.files.directory],
      {
        cwd: '/',
        env: childEnvironment(),
        stdio: 'ignore',
        detached: true,
        shell: false,
      },
    );
    child.unref();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
  }

  private notArmed(): ModosuError {
    return new ModosuError('BACKUP_JOB_FAILED', `The guard of the backup did not come up within ${ARMED_WITHIN_MS / 1000} s; nothing was frozen.`, {
      hint: `Look into ${this.files.logPath}, then take the backup again.`,
      context: { path: this.files.logPath },
    });
  }
}
