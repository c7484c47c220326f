import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { redactLine } from '../../config/log';
import { SECRET_VARIABLES } from '../../config/variables';
import { ModosuError } from '../../contracts/errors';
import { redact } from '../../domain/redact';
import { errorCode, errorMessage } from '../../system/files';

/** Shorter words are no secrets of ours; to hide them would only make the text unreadable. */
const LEAST = 12;
/** Nothing in the directory of secrets is longer than some keys. */
const MOST_BYTES = 1024 * 1024;

/** Takes secrets out of a text: those that lie on this machine wherever they stand in it, and whatever looks like a password or a token. */
export type Hide = (text: string) => string;

/**
 * Reads every secret of this installation, to know what to take out. Throws `SUPPORT_BUNDLE_REFUSED` when one cannot be read: what is not known cannot be hidden.
 *
 * @param directory may be missing: the secrets then come from the environment alone
 */
export async function hideSecretsOf(directory: string, env: Readonly<Record<string, string | undefined>>): Promise<Hide> {
  const texts = await contentsBelow(directory);
  for (const name of SECRET_VARIABLES) {
    texts.push(env[name] ?? '');
    const file = env[`${name}_FILE`];
    if (file !== undefined && file !== '') texts.push(await contentOf(file));
  }
  texts.push(env['MODOSU_TOKEN'] ?? '');
  if (env['MODOSU_TOKEN_FILE']) texts.push(await contentOf(env['MODOSU_TOKEN_FILE']));
  const secrets = texts.flatMap(secretsIn);
  return (text) => redactLine(redact(text, secrets));
}

async function contentsBelow(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    return await Promise.all(entries.filter((entry) => entry.isFile()).map((entry) => contentOf(join(entry.parentPath, entry.name))));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error instanceof ModosuError ? error : unreadable(directory, error);
  }
}

async function contentOf(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MOST_BYTES) throw new Error(`it is larger than ${MOST_BYTES} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
}

const unreadable = (path: string, error: unknown): ModosuError =>
  new ModosuError('SUPPORT_BUNDLE_REFUSED', `${path} cannot be read, so nobody knows which secrets to leave out: ${errorMessage(error)}`, { context: { path } });

/** Whatever of a file could be a secret: the file, each line, each long word, the password of an address, what follows a login's name. */
export function secretsIn(text: string): readonly string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const words = text.match(/[^\s"',]+/g) ?? [];
  const passwords = words.flatMap((word) => [passwordOf(word), word.slice(word.indexOf(':') + 1)]);
  return [...new Set([text.trim(), ...lines, ...words, ...passwords])].filter((secret) => secret.length >= LEAST && !/^-----|^\/\//.test(secret));
}

function passwordOf(word: string): string {
  const password = URL.canParse(word) ? new URL(word).password : '';
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}
