import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerRef, StopByRun } from '../../../contracts/server';
import { errorCode, fsyncDirectory, writeFileDurably } from '../../../system/files';
import { requireUuid } from '../virsh';

/**
 * Which run has stopped a server last, in the adapter's state directory: whoever cleans up after a run whose steps nobody could write down has to know whether
 * it was the run or a person. One small file for each server, replaced by the next run that stops it; beside it one that says which run has started it again. They
 * are two so that a run that is late to say so does not write over what a newer one has said.
 */
export class Stops {
  private readonly root: string;

  constructor(private readonly stateDirectory: string) {
    this.root = join(stateDirectory, 'stops');
  }

  /** On stable storage before the server is asked. */
  async record(server: ServerRef, runId: string): Promise<void> {
    const known = await this.by(server, runId);
    if (known === 'stopped') return;
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    await fsyncDirectory(this.stateDirectory);
    if (known === 'started-again') {
      await rm(this.startPathOf(server), { force: true });
      await fsyncDirectory(this.root);
    }
    await writeFileDurably(this.pathOf(server), `${runId}\n`);
  }

  /** Once the server runs that it had stopped. Of a run that has not stopped it nothing is said. */
  async recordStart(server: ServerRef, runId: string): Promise<void> {
    if ((await this.by(server, runId)) === 'stopped') await writeFileDurably(this.startPathOf(server), `${runId}\n`);
  }

  /** See `Hypervisor.stopBy`. */
  async by(server: ServerRef, runId: string): Promise<StopByRun> {
    if (!(await names(this.pathOf(server), runId))) return 'none';
    return (await names(this.startPathOf(server), runId)) ? 'started-again' : 'stopped';
  }

  private readonly pathOf = ({ uuid }: ServerRef): string => join(this.root, requireUuid(uuid));
  private readonly startPathOf = (server: ServerRef): string => `${this.pathOf(server)}.started`;
}

async function names(path: string, runId: string): Promise<boolean> {
  try {
    return (await readFile(path, 'utf8')).trim() === runId;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
