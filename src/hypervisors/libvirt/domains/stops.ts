import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerRef } from '../../../contracts/server';
import { errorCode, fsyncDirectory, writeFileDurably } from '../../../system/files';
import { requireUuid } from '../virsh';

/**
 * Which run has stopped a server last, in the adapter's state directory: whoever cleans up after a run whose steps nobody could write down has to know whether
 * it was the run or a person. One small file for each server, replaced by the next run that stops it.
 */
export class Stops {
  private readonly root: string;

  constructor(private readonly stateDirectory: string) {
    this.root = join(stateDirectory, 'stops');
  }

  /** On stable storage before the server is asked. */
  async record(server: ServerRef, runId: string): Promise<void> {
    if (await this.isBy(server, runId)) return;
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    await fsyncDirectory(this.stateDirectory);
    await writeFileDurably(this.pathOf(server), `${runId}\n`);
  }

  async isBy(server: ServerRef, runId: string): Promise<boolean> {
    try {
      return (await readFile(this.pathOf(server), 'utf8')).trim() === runId;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  private readonly pathOf = ({ uuid }: ServerRef): string => join(this.root, requireUuid(uuid));
}
