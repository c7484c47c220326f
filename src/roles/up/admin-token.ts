import { readFile } from 'node:fs/promises';
import type { Catalog } from '../../catalog/catalog';
import { isModosuError } from '../../contracts/errors';
import { writeFileDurably } from '../../system/files';

/**
 * The first administrator's token, for the CLI on this machine: made once, kept in a file (0600), replaced only when the database does not know it (another
 * database, an expired one).
 */
export async function ensureAdminToken(catalog: Catalog, tokenFile: string): Promise<void> {
  const known = await readFile(tokenFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (known !== null && (await isValid(catalog, known.trim()))) return;
  const { secret } = await catalog.createToken('system', 'first administrator', ['read', 'operate', 'admin'], null);
  await writeFileDurably(tokenFile, `${secret}\n`);
}

async function isValid(catalog: Catalog, secret: string): Promise<boolean> {
  try {
    await catalog.authenticate(secret);
    return true;
  } catch (error) {
    if (isModosuError(error) && error.code === 'TOKEN_INVALID') return false;
    throw error;
  }
}
