import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { findProgram } from '../../system/child-process';
import { ModosuError } from '../../contracts/errors';

export interface StateLock {
  /** Resolves when the lock is gone although nobody released it. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

const CONFLICT_EXIT_CODE = 75;
/** Long enough for the lock of a supervisor that was killed a moment ago. */
const WAIT_SECONDS = 2;

/**
 * One `modosu up` per state directory. The kernel's file lock is held by a small child (`flock … cat`) that ends with our end of its standard input: it cannot
 * outlive this process, and no stale lock is ever left. Throws `ALREADY_RUNNING` with the holder's process id.
 */
export async function acquireStateLock(lockFile: string): Promise<StateLock> {
  const child = spawn(
    findProgram('flock'),
    ['--no-fork', '--wait', String(WAIT_SECONDS), '--conflict-exit-code', String(CONFLICT_EXIT_CODE), lockFile, findProgram('cat')],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true, // Ctrl-C must not take the lock away while parts are being stopped
      shell: false,
    },
  );
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('exit', resolve);
    child.once('error', reject);
  });
  child.stdin.on('error', () => undefined);
  child.stdin.write('held\n');
  const echoed = new Promise<'held'>((resolve) => child.stdout.once('data', () => resolve('held')));
  const outcome = await Promise.race([echoed, ended]);
  if (outcome !== 'held') {
    if (outcome !== CONFLICT_EXIT_CODE) {
      throw new ModosuError('STATE_DIRECTORY_UNUSABLE', `The lock file ${lockFile} cannot be locked (flock ended with ${outcome}).`);
    }
    const holder = (await readFile(lockFile, 'utf8').catch(() => '')).trim();
    throw new ModosuError(
      'ALREADY_RUNNING',
      `Another \`modosu up\` uses this state directory${holder === '' ? '' : ` (process ${holder})`}: its lock is ${lockFile}.`,
      {
        context: { lockFile, ...(holder === '' ? {} : { pid: holder }) },
      },
    );
  }
  await writeFile(lockFile, `${process.pid}\n`);
  return {
    lost: ended.then(() => undefined),
    async release() {
      child.stdin.end();
      await ended;
    },
  };
}
