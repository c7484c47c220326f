import { realpath, stat } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import type { BackingFile, DiskFormat } from '../../../contracts/server';
import { quoted } from '../../../contracts/text';
import { judgeQcow2Header, QCOW2_START_BYTES } from '../../../domain/qcow2-header';
import { errorCode, readStart, type FileStart } from '../../../system/files';

export interface ImageFile {
  readonly path: string;
  readonly format: DiskFormat;
}

/** A disk image and everything below it, read from the headers and not by a QEMU tool. */
export interface ImageChain {
  /** The active file first. */
  readonly files: readonly [ImageFile, ...BackingFile[]];
  readonly virtualSizeBytes: number;
  /** Room taken on the host by all files together. */
  readonly allocatedBytes: number;
  /** Whether QEMU can keep dirty bitmaps in the active file: qcow2 from version 3 on. */
  readonly holdsBitmaps: boolean;
}

export interface ChainOptions {
  /** Directories a backing file may lie in besides the directory of the file that names it: a header must not reach the whole host. */
  readonly imageDirectories: readonly string[];
  /** The chain the definition itself spells out, nearest first; null when it leaves that to the headers. */
  readonly defined: readonly BackingFile[] | null;
}

const MAX_CHAIN_DEPTH = 16;
const SECTOR_BYTES = 512;

/**
 * Follows a chain of images. Read-only. Throws `DISK_FILE_MISSING`, `IMAGE_HEADER_REFUSED` (unusual or hostile header, loop, too deep, a
 * backing file outside the image directories) or `DISK_NOT_SUPPORTED`.
 */
export async function readChain(active: ImageFile, options: ChainOptions): Promise<ImageChain> {
  const files: ImageFile[] = [];
  const seen = new Set<string>();
  let virtualSizeBytes: number | null = null;
  let holdsBitmaps = false;
  let allocatedBytes = 0;
  let next: ImageFile | null = active;
  while (next !== null) {
    const file: ImageFile = next;
    const real = await realPathOf(file.path);
    if (seen.has(real)) throw refused(file.path, 'its chain of backing files is a loop');
    seen.add(real);
    if (seen.size > MAX_CHAIN_DEPTH) throw refused(active.path, `its chain of backing files is longer than ${MAX_CHAIN_DEPTH}`);
    const start = await readImageStart(file.path);
    files.push(file);
    allocatedBytes += (await stat(file.path)).blocks * SECTOR_BYTES;
    const { sizeBytes, backing, version } = readOne(file, start);
    if (virtualSizeBytes === null) holdsBitmaps = version === 3;
    virtualSizeBytes ??= sizeBytes;
    if (backing !== null) await judgeBacking(file, backing, files.length - 1, options);
    next = backing;
  }
  if (options.defined !== null && options.defined.length > files.length - 1) {
    throw refused(active.path, 'the definition names backing files that its header does not');
  }
  if (virtualSizeBytes === null || virtualSizeBytes <= 0) {
    throw new ModosuError('DISK_NOT_SUPPORTED', `The disk ${active.path} has no size.`, { context: { path: active.path } });
  }
  return { files: files as [ImageFile, ...ImageFile[]], virtualSizeBytes, allocatedBytes, holdsBitmaps };
}

/** Judges an image that has to stand alone, such as a stored one. Throws `IMAGE_HEADER_REFUSED`, or Node's error when it cannot be read. */
export async function judgeStandaloneQcow2(path: string): Promise<{ readonly virtualSizeBytes: number; readonly sizeBytes: number }> {
  const { bytes, sizeBytes } = await readStart(path, QCOW2_START_BYTES, { followLinks: false });
  return { virtualSizeBytes: judgeQcow2Header(bytes, { fileSizeBytes: sizeBytes, path }).virtualSizeBytes, sizeBytes };
}

/**
 * Judges an image that has to name exactly this file as its backing file, to the letter; the name is compared, never followed. Throws `IMAGE_HEADER_REFUSED` (also
 * for one that stands alone, unless `orAlone`), or Node's error when it cannot be read.
 */
export async function judgeContinuedQcow2(
  path: string,
  isBacking: (backingFile: string) => boolean,
  { orAlone = false } = {},
): Promise<{ readonly virtualSizeBytes: number; readonly sizeBytes: number; readonly standsAlone: boolean }> {
  const { bytes, sizeBytes } = await readStart(path, QCOW2_START_BYTES, { followLinks: false });
  const { backingFile, backingFormat, virtualSizeBytes } = judgeQcow2Header(bytes, { fileSizeBytes: sizeBytes, path, allowBacking: true });
  const standsAlone = backingFile === null;
  if (standsAlone ? !orAlone : backingFormat !== 'qcow2' || !isBacking(backingFile)) {
    const named = standsAlone ? 'no backing file' : `${quoted(backingFile)} (${backingFormat ?? 'no format'})`;
    throw new ModosuError('IMAGE_HEADER_REFUSED', `The image ${path} was refused: it names ${named}, which is not what it builds on.`, {
      context: { path, field: 'backing_file' },
    });
  }
  return { virtualSizeBytes, sizeBytes, standsAlone };
}

/** Paths of a chain as far as it can be read, whatever is wrong with it: for the question whether a file is in use. */
export async function readablePaths(active: ImageFile): Promise<readonly string[]> {
  const paths: string[] = [];
  for (let next: ImageFile | null = active; next !== null && paths.length <= MAX_CHAIN_DEPTH;) {
    const file: ImageFile = next;
    paths.push(file.path);
    try {
      next = readOne(file, await readImageStart(file.path)).backing;
    } catch {
      next = null;
    }
  }
  return paths;
}

/**
 * A chain as one name for QEMU's tools: every file and format spelled out, so that no header is asked for the next file and nothing is guessed. It grows with the
 * chain and no faster (`--image-opts` would repeat for each file how deep it lies, and 100 files be more than an argument may hold).
 */
export function imageName([active, ...below]: readonly [ImageFile, ...ImageFile[]]): string {
  let chain: object | null = null;
  for (const file of [active, ...below].reverse()) {
    const node = { driver: file.format, file: { driver: 'file', filename: file.path } };
    // Only qcow2 can name another file: the last one has none, whatever its header says.
    chain = file.format === 'qcow2' ? { ...node, backing: chain } : node;
  }
  return `json:${JSON.stringify(chain)}`;
}

/** `version`: of qcow2; null for raw. */
function readOne(file: ImageFile, start: FileStart): { sizeBytes: number; backing: ImageFile | null; version: 2 | 3 | null } {
  if (file.format === 'raw') return { sizeBytes: start.sizeBytes, backing: null, version: null };
  const header = judgeQcow2Header(start.bytes, { fileSizeBytes: start.sizeBytes, allowBacking: true, path: file.path });
  const { version } = header;
  if (header.backingFile === null) return { sizeBytes: header.virtualSizeBytes, backing: null, version };
  const format = header.backingFormat;
  if (format === null) throw refused(file.path, 'it has a backing file and does not say its format');
  if (format !== 'qcow2' && format !== 'raw') {
    throw new ModosuError('DISK_NOT_SUPPORTED', `The backing file of ${file.path} has the format ${format}.`, { context: { path: file.path } });
  }
  return { sizeBytes: header.virtualSizeBytes, backing: { path: resolve(dirname(file.path), header.backingFile), format }, version };
}

/** `index` counts the backing files from 0. */
async function judgeBacking(file: ImageFile, backing: ImageFile, index: number, options: ChainOptions): Promise<void> {
  if (options.defined !== null) {
    const defined = options.defined[index];
    if (defined === undefined || defined.format !== backing.format || (await realPathOf(defined.path)) !== (await realPathOf(backing.path))) {
      throw refused(file.path, `its backing file ${backing.path} is not the one the definition names`);
    }
    return;
  }
  const allowed: string[] = [];
  for (const directory of [dirname(file.path), ...options.imageDirectories]) {
    const real = await realpath(directory).catch(() => null);
    if (real !== null) allowed.push(real);
  }
  const real = await realPathOf(backing.path);
  if (!allowed.some((directory) => real.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`))) {
    throw new ModosuError(
      'IMAGE_HEADER_REFUSED',
      `The image ${file.path} was refused: its backing file ${backing.path} lies outside the directories for images.`,
      {
        hint: `If this is meant, name the backing file in the domain definition (<backingStore>), or move it below one of: ${allowed.join(', ')}.`,
        context: { path: file.path, field: 'backing_file' },
      },
    );
  }
}

async function readImageStart(path: string): Promise<FileStart> {
  try {
    return await readStart(path, QCOW2_START_BYTES);
  } catch (error) {
    throw asDiskError(path, error);
  }
}

async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw asDiskError(path, error);
  }
}

function asDiskError(path: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ModosuError('DISK_FILE_MISSING', `The disk file ${path} does not exist.`, { context: { path }, cause: error });
  }
  // Storage may come back: what is said now must not be believed for good.
  if (code === 'EIO' || code === 'ESTALE') {
    return new ModosuError('DISK_FILE_UNREADABLE', `The disk file ${path} cannot be read now (${code}).`, { context: { path }, cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') {
    return new ModosuError('DISK_FILE_MISSING', `The disk file ${path} cannot be read (${code}).`, { context: { path }, cause: error });
  }
  return error;
}

const refused = (path: string, problem: string): ModosuError =>
  new ModosuError('IMAGE_HEADER_REFUSED', `The image ${path} was refused: ${problem}.`, { context: { path } });
