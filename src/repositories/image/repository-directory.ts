import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ErrorCode } from '../../contracts/error-codes';
import { formatBytes } from '../../contracts/format';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { isId, type IdPrefix } from '../../contracts/ids';
import { parseJson } from '../../contracts/json';
import { quoted } from '../../contracts/text';
import { errorCode, errorMessage, freeBytes, fsyncDirectory, readStart, writeFileDurably } from '../../system/files';
import { MARKER_FILE } from './image-repository';

const MARKER_FORMAT = 'modosu-image-repository';
const MARKER_VERSION = 1;
const MAX_MARKER_BYTES = 4096;
/** What may stand in a directory that becomes a repository: a new file system's own folder, and what an interrupted `initialise` has left. */
const HARMLESS = /^(lost\+found|staging|servers|\.modosu-repository\.json\.[0-9a-f]{12}\.tmp)$/;

const markerSchema = z.strictObject({ format: z.literal(MARKER_FORMAT), version: z.literal(MARKER_VERSION), id: z.uuid(), createdAt: z.iso.datetime() });
/** What a missing file looks like to those who read it. */
const ABSENCES: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['RECOVERY_POINT_INCOMPLETE', 'RECOVERY_POINT_NOT_FOUND']);
const STORAGE_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The directory itself: what proves that it is ours, where things lie in it, and what a failing file system means. */
export class RepositoryDirectory {
  constructor(
    readonly name: string,
    readonly path: string,
  ) {}

  stagingPath(recoveryPointId: string): string {
    return join(this.path, 'staging', requireId('rp', recoveryPointId));
  }

  /** Where a recovery point lies while its files are removed. */
  removingPath(recoveryPointId: string): string {
    return join(this.path, 'removing', requireId('rp', recoveryPointId));
  }

  /** Where one lies while it comes back from elsewhere; not where backups are staged: nobody clears it away under whoever fetches. */
  fetchingPath(recoveryPointId: string): string {
    return join(this.path, 'fetching', requireId('rp', recoveryPointId));
  }

  serverPath(serverId: string): string {
    return join(this.path, 'servers', requireId('srv', serverId));
  }

  publishedPath(serverId: string, recoveryPointId: string): string {
    return join(this.serverPath(serverId), requireId('rp', recoveryPointId));
  }

  async initialise(now: Date): Promise<void> {
    if (await this.readMarker()) return;
    const foreign = await this.foreignContent();
    if (foreign !== null) {
      throw new ModosuError('REPOSITORY_FORMAT_UNKNOWN', `${this.path} is not empty (it holds ${JSON.stringify(foreign)}) and is not an image repository`, {
        hint: "Name an empty directory as the repository's path.",
        context: { repository: this.name, path: this.path },
      });
    }
    await makeDirectory(join(this.path, 'staging'), PASSABLE);
    await makeDirectory(join(this.path, 'servers'));
    const marker = { format: MARKER_FORMAT, version: MARKER_VERSION, id: randomUUID(), createdAt: now.toISOString() };
    // Last: only what is complete is a repository.
    await writeFileDurably(join(this.path, MARKER_FILE), `${JSON.stringify(marker, null, 2)}\n`, 0o600);
  }

  /**
   * Throws REPOSITORY_UNREACHABLE or REPOSITORY_FORMAT_UNKNOWN. An empty directory is the mount point of something that is not mounted, never a new
   * repository.
   */
  async requireReady(): Promise<void> {
    if (await this.readMarker()) return;
    const foreign = await this.foreignContent();
    if (foreign === null) {
      throw new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${this.name} is not there: ${this.path} is empty`, {
        hint: `If ${this.path} is a mount point, mount it. A new repository is only made when it is declared with \`modosu apply\`.`,
        context: { repository: this.name, path: this.path },
      });
    }
    throw new ModosuError('REPOSITORY_FORMAT_UNKNOWN', `${this.path} is not an image repository: it has no ${MARKER_FILE}`, {
      context: { repository: this.name, path: this.path },
    });
  }

  freeBytes(): Promise<number> {
    return freeBytes(this.path);
  }

  /**
   * Runs `work` and says what its system errors mean for a caller. A file that was found missing counts only when the repository is still there
   * afterwards: a recovery point that is reported incomplete is marked damaged for good. Other errors pass unchanged.
   */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await this.explain(error);
    }
  }

  private async explain(error: unknown): Promise<unknown> {
    if (isModosuError(error)) return ABSENCES.has(error.code) ? ((await this.absence()) ?? error) : error;
    const code = systemErrorCode(error);
    if (code === undefined) return error;
    const message = errorMessage(error);
    const context = { repository: this.name, path: this.path };
    if (STORAGE_FULL.has(code)) {
      const free = await this.freeBytes().catch(() => null);
      return new ModosuError('NOT_ENOUGH_SPACE', `The repository ${this.name} is full${free === null ? '' : ` (${formatBytes(free)} free)`}: ${message}`, {
        context,
        cause: error,
      });
    }
    // What looks like a missing file may be a missing repository: that is the message that helps.
    const absence = await this.absence();
    if (absence !== null) return absence;
    return new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${this.name} does not work: ${message}`, { context, cause: error });
  }

  /** What keeps the repository from being used now; null: it is there. */
  private async absence(): Promise<ModosuError | null> {
    try {
      await this.requireReady();
      return null;
    } catch (problem) {
      if (isModosuError(problem)) return problem;
      throw problem;
    }
  }

  /** True: it is a repository of this version. False: it has no marker. */
  private async readMarker(): Promise<boolean> {
    const unreachable = (problem: string, cause?: unknown): ModosuError =>
      new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${this.name} is not there: ${problem}`, {
        context: { repository: this.name, path: this.path },
        cause,
      });
    let text: string;
    try {
      if (!(await stat(this.path)).isDirectory()) throw unreachable(`${this.path} is not a directory`);
      const { bytes } = await readStart(join(this.path, MARKER_FILE), MAX_MARKER_BYTES, { followLinks: false });
      text = new TextDecoder().decode(bytes);
    } catch (error) {
      if (isModosuError(error) && error.code === 'REPOSITORY_UNREACHABLE') throw error;
      if (errorCode(error) === 'ENOENT' && (await stat(this.path).catch(() => null)) !== null) return false;
      if (!isModosuError(error)) throw unreachable(errorMessage(error), error);
      text = '';
    }
    if (!markerSchema.safeParse(parseJson(text)).success) {
      throw new ModosuError(
        'REPOSITORY_FORMAT_UNKNOWN',
        `${join(this.path, MARKER_FILE)} is not the marker of an image repository of version ${MARKER_VERSION}`,
        {
          context: { repository: this.name, path: this.path },
        },
      );
    }
    return true;
  }

  /** Name of something that is neither ours nor harmless; null for an empty directory. */
  private async foreignContent(): Promise<string | null> {
    try {
      for (const name of await readdir(this.path)) {
        if (!HARMLESS.test(name)) return name;
        const isOurs = name === 'staging' || name === 'servers';
        if (isOurs && (await readdir(join(this.path, name))).length > 0) return name;
      }
      return null;
    } catch (error) {
      throw new ModosuError('REPOSITORY_UNREACHABLE', `The repository ${this.name} cannot be read: ${errorMessage(error)}`, {
        context: { repository: this.name, path: this.path },
        cause: error,
      });
    }
  }
}

/** For staging: an image of a running server is written by QEMU, which runs as another user. It can pass through, and list nothing. */
export const PASSABLE = 0o711;

/**
 * Makes one directory (mode 0700 unless told otherwise), durable in its parent; an existing real one is fine, and gets the mode. Never makes parents: below a
 * mount point that has just lost its mount they would be made on the wrong disk.
 */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await fsyncDirectory(join(path, '..'));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error;
  }
  await chmod(path, mode);
}

/** `EIO` and the like, of what the operating system has refused; undefined for everything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = isModosuError(error) ? undefined : errorCode(error);
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

function requireId(prefix: IdPrefix, value: string): string {
  if (isId(prefix, value)) return value;
  throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(value)} is not an id beginning with "${prefix}_"`, { hint: 'Use an id that Modosu has given out.' });
}
