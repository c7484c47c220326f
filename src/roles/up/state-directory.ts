import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import type { StateLayout } from '../../config/state-layout';

/**
 * Makes the state directory and its parts. Idempotent. Throws `STATE_DIRECTORY_UNUSABLE` when it cannot be made or written, or when others cannot pass
 * through it: the embedded PostgreSQL runs as a user of its own.
 */
export async function prepareStateDirectory(layout: StateLayout): Promise<void> {
  try {
    await mkdir(layout.root, { recursive: true, mode: 0o711 });
    await requirePassable(layout.root);
    await makeDirectory(layout.run, 0o755);
    await makeDirectory(processesDirectory(layout), 0o755);
    await makeDirectory(layout.secrets, 0o700);
    await makeDirectory(layout.logs, 0o750);
    await makeDirectory(layout.temporal, 0o700);
    await makeDirectory(layout.hypervisors, 0o700);
  } catch (error) {
    if (error instanceof ModosuError) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    throw new ModosuError('STATE_DIRECTORY_UNUSABLE', `The state directory ${layout.root} cannot be made or written: ${problem}.`, {
      hint: 'Start Modosu as root, or choose a directory that this user can write with MODOSU_STATE_DIR.',
      context: { directory: layout.root },
      cause: error,
    });
  }
}

/** Where the process ids of supervised parts are written down. */
export const processesDirectory = (layout: StateLayout): string => join(layout.run, 'processes');

async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  await chmod(path, mode); // whatever the umask, and whoever loosened it
}

/** Only root runs PostgreSQL as another user; for an ordinary user a private home is fine. */
async function requirePassable(root: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  if (((await stat(root)).mode & 0o001) === 0 && (await isOurs(root))) await chmod(root, 0o711);
  for (let directory = root; ; directory = dirname(directory)) {
    if (((await stat(directory)).mode & 0o001) === 0) {
      throw new ModosuError(
        'STATE_DIRECTORY_UNUSABLE',
        `The state directory ${root} cannot be used: ${directory} is closed to other users, and the embedded PostgreSQL runs as one.`,
        {
          context: { directory },
        },
      );
    }
    if (directory === dirname(directory)) return;
  }
}

/** Empty, or made by an earlier start: never loosen the mode of somebody else's directory. */
async function isOurs(root: string): Promise<boolean> {
  const entries = await readdir(root);
  return entries.length === 0 || (entries.includes('run') && entries.includes('secrets'));
}
