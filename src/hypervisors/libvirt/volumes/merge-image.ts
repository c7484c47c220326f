import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModosuError } from '../../../contracts/errors';
import { runCommand } from '../../../system/child-process';
import { fsyncDirectory } from '../../../system/files';
import type { TransferContext } from '../../hypervisor';
import { libvirtMessage } from '../virsh';
import type { Copier } from './copies';
import { reportWhile } from './copy-watch';
import { imageName, judgeContinuedQcow2, type ImageFile } from './disk-images';
import { judgeStoredChain } from './stored-chain';
import { readingStored } from './stored-files';

/** Exit code of `qemu-img compare` for images that can be read and are not the same. */
const DIFFERENT = 1;

/** See `Hypervisor.mergeImage`. */
export async function mergeImage(
  copier: Copier,
  { imageFiles, backingName }: { readonly imageFiles: readonly string[]; readonly backingName: string },
  context: TransferContext,
): Promise<void> {
  const [path, ...below] = imageFiles;
  if (path === undefined) throw new ModosuError('REQUEST_INVALID', 'No image file was named.');
  const own = await readingStored(path, () => judgeContinuedQcow2(path, (named) => named === backingName, { orAlone: true }));
  // An attempt before this one has put it in its place.
  if (own.standsAlone) return;
  const parent = await judgeStoredChain(below);
  if (parent.virtualSizeBytes !== own.virtualSizeBytes) {
    throw new ModosuError(
      'IMAGE_HEADER_REFUSED',
      `The image ${path} is ${own.virtualSizeBytes} bytes large for the guest, and what it builds on ${parent.virtualSizeBytes}.`,
      { context: { path, field: 'size' } },
    );
  }
  const source: readonly [ImageFile, ...ImageFile[]] = [{ path, format: 'qcow2' }, ...parent.files];
  const merged: ImageFile = { path: `${path}.merged`, format: 'qcow2' };
  const totalBytes = own.sizeBytes + parent.sizeBytes;
  await copier.copy(
    {
      source,
      targetPath: merged.path,
      targetFormat: 'qcow2',
      totalBytes,
      owner: null,
      sourceCode: 'REPOSITORY_UNREACHABLE',
      unreachableCode: 'REPOSITORY_UNREACHABLE',
    },
    context,
  );
  await reportWhile(() => context.onProgress({ doneBytes: totalBytes - 1, totalBytes }), requireSame(source, merged, context.signal));
  await rename(merged.path, path);
  await fsyncDirectory(dirname(path));
  context.onProgress({ doneBytes: totalBytes, totalBytes });
}

/** The chain is what counts: an image that was made from it and differs is given up. */
async function requireSame(source: readonly [ImageFile, ...ImageFile[]], merged: ImageFile, signal: AbortSignal): Promise<void> {
  const { exitCode, stdout, stderr } = await runCommand(['qemu-img', 'compare', imageName(source), imageName([merged])], { signal });
  if (exitCode === 0) return;
  const how = exitCode === DIFFERENT ? `it differs from what it was made of: ${stdout.trim()}` : libvirtMessage(stderr);
  throw new ModosuError('COPY_FAILED', `The image ${merged.path} could not be made whole: ${how}`, { context: { path: merged.path } });
}
