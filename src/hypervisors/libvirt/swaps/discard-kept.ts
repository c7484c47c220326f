import { realpath, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import type { Fence, ServerRef } from '../../../contracts/server';
import { errorCode, fsyncDirectory } from '../../../system/files';
import { describeDomain, parseDomain } from '../domains/domain-xml';
import type { Fences } from '../domains/fence';
import { NOT_THERE, stateOf, type KeptFile } from './kept-files';
import type { OldDisks } from './old-disks';
import { filesOf, type Usage } from '../volumes/usage';
import { replacedFiles, type WayBackRecord, type WayBacks } from './way-back';

/** Gives up a way back: deletes what a swap has replaced. */
export class KeptDiscard {
  constructor(
    private readonly fences: Fences,
    private readonly usage: Usage,
    private readonly wayBacks: WayBacks,
    private readonly oldDisks: Pick<OldDisks, 'detach'>,
  ) {}

  /**
   * See `Hypervisor.discardKept`. Everything is judged before the first file is deleted, and each file once more right before it is. A file that was not
   * there when it was replaced is not kept and stays. An NVRAM that libvirt has placed itself stays too: its name belongs to libvirt. A file that another run
   * would still return to is refused (`VOLUME_EXISTS`): that way back has to be confirmed or undone first. The record goes last, with those of earlier runs
   * that it has used up.
   */
  async discard(server: ServerRef, fence: Fence, ofRunId: string): Promise<{ readonly deleted: readonly string[] }> {
    await this.fences.requireUnlessGone(server, fence);
    const record = await this.wayBacks.readOpen(server, ofRunId);
    const files = record === null || record.wasGone ? [] : replacedFiles(record).filter(({ identity }) => identity !== NOT_THERE);
    const present: KeptFile[] = [];
    for (const file of files) if (await requireOurs(file)) present.push(file);
    await this.requireNotNeeded(ofRunId, present);
    // What the server has only to look at is taken from it; what it uses is not.
    await this.oldDisks.detach(
      server,
      fence,
      present.map(({ path }) => path),
    );
    await this.usage.requireUnused(present.map(({ path }) => path));

    const deleted: string[] = [];
    for (const file of present) {
      await this.fences.requireUnlessGone(server, fence);
      if (!(await requireOurs(file))) continue;
      await deleteFile(file.path);
      deleted.push(file.path);
    }
    await this.forget(server, record, ofRunId);
    return { deleted };
  }

  private async requireNotNeeded(ofRunId: string, files: readonly KeptFile[]): Promise<void> {
    for (const other of await this.wayBacks.othersStillNeeded(ofRunId)) {
      const needed = await filesOf(describeDomain(parseDomain(await this.wayBacks.definitionOf(other.runId))));
      const file = files.find(({ path }) => needed.has(path));
      if (file === undefined) continue;
      throw new ModosuError('VOLUME_EXISTS', `${file.path} is also what run ${other.runId} would return to; it is not deleted.`, {
        hint: `Confirm or undo run ${other.runId} first.`,
        context: { path: file.path, runId: other.runId },
      });
    }
  }

  /** An undo that is given up leaves nothing to undo of the run it has undone, and so on down the line. */
  private async forget(server: ServerRef, record: WayBackRecord | null, runId: string): Promise<void> {
    if (record?.ofRunId != null) {
      const usedUp = await this.wayBacks.read(server, record.ofRunId);
      await this.forget(server, usedUp, record.ofRunId);
    }
    await this.wayBacks.remove(runId);
  }
}

/** False: it is not there (any more). Throws `TARGET_UNREACHABLE`, `WAY_BACK_INCOMPLETE`, `PATH_NOT_ALLOWED`. */
async function requireOurs(file: KeptFile): Promise<boolean> {
  const { path } = file;
  const state = await stateOf(file);
  if (state === 'missing') return false;
  if (state === 'unreachable') {
    throw new ModosuError(
      'TARGET_UNREACHABLE',
      `The directory ${dirname(path)} of the kept volume ${path} is not there, or not the one it lay in; nothing is forgotten.`,
      { context: { path } },
    );
  }
  if (state === 'exchanged') {
    throw new ModosuError('WAY_BACK_INCOMPLETE', `${path} is not the file that was kept; somebody has put another one in its place. It is not deleted.`, {
      hint: `Look at ${path} and move it away if it is needed; with nothing at that path, confirm again.`,
      context: { path },
    });
  }
  if (!(await stat(path)).isFile()) {
    throw new ModosuError('PATH_NOT_ALLOWED', `The kept volume ${path} is not a regular file and is not deleted.`, { context: { path } });
  }
  return true;
}

/** The data and, where the definition names a link, the link. */
async function deleteFile(path: string): Promise<void> {
  const real = await realpath(path);
  for (const name of new Set([real, path])) {
    await unlink(name).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
    await fsyncDirectory(dirname(name));
  }
}
