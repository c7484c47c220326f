import { dirname, resolve } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import { judgeContinuedQcow2, judgeStandaloneQcow2, type ImageFile } from './disk-images';
import { readingStored } from './stored-files';

/** What a stored disk is made of, and how large that is. */
export interface StoredChain {
  /** As they were named, for a tool that is to open them and nothing else. */
  readonly files: readonly [ImageFile, ...ImageFile[]];
  /** What the guest sees: that of the first file. */
  readonly virtualSizeBytes: number;
  /** All files together. */
  readonly sizeBytes: number;
}

/**
 * Judges the files of a stored disk, each before the one below it. Headers are compared with what was named and not followed: each has to name the next file as
 * its backing file, the last one none. Read-only. Throws `IMAGE_HEADER_REFUSED`, `RECOVERY_POINT_INCOMPLETE`, `REPOSITORY_UNREACHABLE` (later).
 */
export async function judgeStoredChain(imageFiles: readonly string[]): Promise<StoredChain> {
  let first: number | null = null;
  let sizeBytes = 0;
  for (const [index, path] of imageFiles.entries()) {
    const below = imageFiles[index + 1];
    const judged = await readingStored(path, () => (below === undefined ? judgeStandaloneQcow2(path) : judgeContinuedQcow2(path, leadsTo(path, below))));
    first ??= judged.virtualSizeBytes;
    sizeBytes += judged.sizeBytes;
  }
  if (first === null) throw new ModosuError('REQUEST_INVALID', 'No image file was named.');
  return { files: storedImage(imageFiles), virtualSizeBytes: first, sizeBytes };
}

/** Files of a stored disk, each before the one below it. Throws `REQUEST_INVALID` for none. */
export function storedImage(imageFiles: readonly string[]): readonly [ImageFile, ...ImageFile[]] {
  const [first, ...below] = imageFiles;
  if (first === undefined) throw new ModosuError('REQUEST_INVALID', 'No image file was named.');
  const file = (path: string): ImageFile => ({ path, format: 'qcow2' });
  return [file(first), ...below.map(file)];
}

const leadsTo =
  (path: string, below: string) =>
  (backingFile: string): boolean =>
    resolve(dirname(path), backingFile) === resolve(below);
