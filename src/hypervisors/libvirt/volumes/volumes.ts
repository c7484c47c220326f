import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { stat } from 'node:fs/promises';
import { isId } from '../../../contracts/ids';
import { ModosuError } from '../../../contracts/errors';
import type { PlannedVolume, RestoreTargets } from '../../../contracts/plan';
import type { ImageManifest } from '../../../contracts/recovery-point';
import type { ServerInspection } from '../../../contracts/server';
import { errorCode, freeBytes } from '../../../system/files';
import { missingMedia } from '../domains/removable-media';

const RUN_SUFFIX = /\.run_[0-9a-hjkmnp-tv-z]{26}$/;
const MAX_NAME_BYTES = 255;

/**
 * A new file beside the old one: `<file>.<runId>`. The suffix of an earlier run is replaced, so that names do not grow with every restore.
 * A name too long for the file system is cut, never the suffix.
 */
export function newPathBeside(path: string, runId: string): string {
  requireRunId(runId);
  requirePlainPath(path);
  let name = basename(path).replace(RUN_SUFFIX, '');
  while (Buffer.byteLength(`${name}.${runId}`) > MAX_NAME_BYTES) name = [...name].slice(0, -1).join('');
  return join(dirname(path), `${name}.${runId}`);
}

/** Throws `PATH_NOT_ALLOWED` unless the file can only have been made by this run. */
export function requireRunsOwnPath(path: string, runId: string): void {
  requireRunId(runId);
  requirePlainPath(path);
  if (!basename(path).endsWith(`.${runId}`) || basename(path) === `.${runId}`) {
    throw new ModosuError('PATH_NOT_ALLOWED', `${JSON.stringify(path)} is not a file of run ${runId}.`, {
      hint: 'Only files whose names end with the id of the run are written or deleted.',
    });
  }
}

/**
 * Throws `VOLUME_LEFT_BEHIND` for files of a run that could not be looked for: their directory may come back while the run still tries to undo what it
 * has done; in the end saying nothing would leave them for ever.
 */
export function requireNoneLeftBehind(paths: readonly string[]): void {
  const [first] = paths;
  if (first === undefined) return;
  throw new ModosuError(
    'VOLUME_LEFT_BEHIND',
    `The directory ${dirname(first)} is not there; when it comes back, ${paths.join(', ')} may lie in it, half-made and used by nothing.`,
    { context: { paths } },
  );
}

function requireRunId(runId: string): void {
  if (!isId('run', runId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(runId)} is not the id of a run.`);
}

function requirePlainPath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path || path.endsWith('/') || path.includes('\0')) {
    throw new ModosuError('PATH_NOT_ALLOWED', `${JSON.stringify(path)} is not a plain absolute path.`);
  }
}

/**
 * See `Hypervisor.restoreTargets`. Free space is given once per file system, under the first directory on it: two directories must not count the same bytes
 * twice.
 */
export async function planTargets(request: {
  readonly manifest: ImageManifest;
  readonly present: ServerInspection | null;
  readonly runId: string;
  readonly neededBytes?: Readonly<Record<string, number>>;
}): Promise<RestoreTargets> {
  const { manifest, present, runId, neededBytes = {} } = request;
  const taken = new Set<string>();
  const needs: { directory: string; bytes: number }[] = [];

  const volumes = manifest.disks.map((disk): PlannedVolume => {
    const replaced = present?.disks.find((candidate) => candidate.target === disk.target) ?? null;
    const origin = replaced?.path ?? disk.origin.path;
    let newPath = newPathBeside(origin, runId);
    // Two disks may differ only in the suffix of an earlier run.
    if (taken.has(newPath)) newPath = newPathBeside(join(dirname(origin), `${basename(origin).replace(RUN_SUFFIX, '')}.${disk.target}`), runId);
    taken.add(newPath);
    needs.push({ directory: dirname(newPath), bytes: neededBytes[disk.target] ?? disk.image.sizeBytes });
    return {
      target: disk.target,
      replacesPath: replaced?.path ?? null,
      newPath,
      format: disk.origin.format,
      virtualSizeBytes: disk.virtualSizeBytes,
      flattened: disk.origin.flattened,
    };
  });

  let nvramNewPath: string | null = null;
  if (manifest.nvram !== null) {
    nvramNewPath = newPathBeside(present?.nvram?.path ?? manifest.nvram.origin.path, runId);
    needs.push({ directory: dirname(nvramNewPath), bytes: manifest.nvram.sizeBytes });
  }
  const media = [...manifest.removableMedia, ...(present?.removableMedia ?? [])].map(({ source }) => source);
  return { volumes, nvramNewPath, space: await measureSpace(needs), missingMedia: await missingMedia(media) };
}

async function measureSpace(needs: readonly { directory: string; bytes: number }[]): Promise<RestoreTargets['space']> {
  const perFileSystem = new Map<number, { directory: string; neededBytes: number }>();
  for (const { directory, bytes } of needs) {
    const device = await deviceOf(directory);
    const entry = perFileSystem.get(device) ?? { directory, neededBytes: 0 };
    entry.neededBytes += bytes;
    perFileSystem.set(device, entry);
  }
  return Promise.all([...perFileSystem.values()].map(async (entry) => ({ ...entry, freeBytes: await freeBytes(entry.directory) })));
}

async function deviceOf(directory: string): Promise<number> {
  try {
    const found = await stat(directory);
    if (found.isDirectory()) return found.dev;
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    throw new ModosuError('TARGET_UNREACHABLE', `The directory ${directory} of the server's disks cannot be reached (${code}).`, {
      context: { directory },
      cause: error,
    });
  }
  throw new ModosuError('TARGET_UNREACHABLE', `${directory} is not a directory.`, { context: { directory } });
}
