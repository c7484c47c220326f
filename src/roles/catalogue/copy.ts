import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CatalogCopyHeader } from '../../contracts/catalog-copy';
import type { CatalogueArchive } from '../../repositories/catalogue/catalogue-archive';
import type { Secrets } from '../../secrets/secrets';
import { insideDirectory } from '../../system/files';

/** Opens the copies of the catalogue. People keep it, too: without it nobody reads them. */
export const RECOVERY_KEY = 'catalogue/recovery-key';
/** When somebody was last shown it. */
export const RECOVERY_KEY_SHOWN = 'catalogue/recovery-key-shown';
/** What is copied of the secrets: all that opens what guests and other storage hold. What opens this machine's own parts is made anew where they are. */
export const COPIED_SECRETS = ['data', 'ssh', 'offsite'] as const;
export const SECRETS_DIRECTORY = 'secrets';

export interface CopyParts {
  /** Writes the catalogue's files into a directory. */
  readonly exportCatalog: (directory: string) => Promise<CatalogCopyHeader>;
  readonly secrets: Secrets;
  /** A private directory on this machine; made where it is missing. */
  readonly scratch: string;
}

/** Makes one copy. What lies on this machine meanwhile is removed again. Throws what the archive and the catalogue throw. */
export async function makeCopy(
  { exportCatalog, secrets, scratch }: CopyParts,
  archive: CatalogueArchive,
  signal?: AbortSignal,
): Promise<{ readonly id: string; readonly header: CatalogCopyHeader }> {
  await archive.ensure();
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(scratch, 'catalogue-copy-'));
  try {
    const header = await exportCatalog(directory);
    for (const below of COPIED_SECRETS) {
      for (const name of await secrets.list(below)) {
        const value = await secrets.read(name);
        if (value === null) continue;
        const path = insideDirectory(join(directory, SECRETS_DIRECTORY), name);
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await writeFile(path, `${value}\n`, { mode: 0o600, flag: 'wx' });
      }
    }
    return { id: await archive.keep(directory, signal), header };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Older than any copy or rebuild that still runs. */
const LEFT_FOR_MS = 6 * 3_600_000;

/** Removes what a death has left in the scratch directory: secrets are in it. */
export async function removeLeftovers(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) {
    const path = join(scratch, name);
    if (Date.now() - (await stat(path)).mtimeMs > LEFT_FOR_MS) await rm(path, { recursive: true, force: true });
  }
}
