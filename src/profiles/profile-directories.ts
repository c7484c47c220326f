import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MAX_PROFILE_BYTES } from '../contracts/api/profile';
import { parseProfileFile, PROFILE_FILE_ENDING } from '../contracts/api/profile-file';
import { isModosuError, ModosuError } from '../contracts/errors';
import { formatBytes } from '../contracts/format';
import type { LoadedProfile } from '../contracts/profile';
import { errorMessage } from '../system/files';

/** Profiles as files: those that Modosu ships, and those of a directory that people fill. */

/** In one directory. */
const MAX_FILES = 500;
const SHOWN_ERRORS = 50;

/** The directory that comes with the program: the sources and `dist` lie at different depths below it. */
export function shippedProfileDirectory(): string {
  for (let directory = __dirname; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return join(directory, 'profiles');
    if (directory === dirname(directory)) throw new ModosuError('INTERNAL', 'The directory of the shipped profiles was not found beside the program.');
  }
}

/**
 * All profiles, in the order of their names. Files whose names begin with a dot, or have another ending, are not looked at; `.yml` is refused, because it is
 * meant. Links are followed: directories that are mounted from elsewhere consist of them.
 *
 * @param own null: people have none
 * @param parse what makes a profile of a file
 * @throws PROFILE_INVALID for anything that cannot be read or meant, in any of the files, and for a name that is shipped and given by people, too; nothing is
 *   loaded then. Each line of `errors` in its context says file, line, column, path and what is wrong.
 */
export async function loadProfiles(shipped: string, own: string | null, parse = parseProfileFile): Promise<readonly LoadedProfile[]> {
  const errors: string[] = [];
  const loaded = [...(await loadDirectory('shipped', shipped, parse, errors)), ...(own === null ? [] : await loadDirectory('own', own, parse, errors))];
  for (const { profile, file } of loaded.filter(({ origin }) => origin === 'own')) {
    const other = loaded.find((one) => one.origin === 'shipped' && one.profile.name === profile.name);
    if (other !== undefined) errors.push(`${file}: a profile of this name is shipped with Modosu; give yours, and its file, another name`);
  }
  if (errors.length > 0) {
    const count = errors.length === 1 ? 'one error' : `${errors.length} errors`;
    throw new ModosuError('PROFILE_INVALID', `The profiles have ${count}.`, { context: { errors: errors.slice(0, SHOWN_ERRORS) } });
  }
  return loaded.sort((one, other) => (one.profile.name < other.profile.name ? -1 : 1));
}

async function loadDirectory(
  origin: LoadedProfile['origin'],
  directory: string,
  parse: typeof parseProfileFile,
  errors: string[],
): Promise<readonly LoadedProfile[]> {
  let names: string[];
  try {
    names = (await readdir(directory)).filter((name) => !name.startsWith('.') && /\.ya?ml$/i.test(name)).sort();
  } catch (error) {
    errors.push(`${directory}: cannot be read: ${errorMessage(error)}`);
    return [];
  }
  if (names.length > MAX_FILES) {
    errors.push(`${directory}: has more than ${MAX_FILES} profiles`);
    return [];
  }
  const loaded: LoadedProfile[] = [];
  for (const name of names) {
    const file = join(directory, name);
    try {
      loaded.push({ profile: parse(file, await contentOf(file)), origin, file });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'PROFILE_INVALID') throw error;
      errors.push(...(error.context['errors'] as readonly string[]));
    }
  }
  return loaded;
}

/** Throws `PROFILE_INVALID`. Looked at before it is opened: a pipe would never end, nor would what grows. */
async function contentOf(file: string): Promise<Uint8Array> {
  const refuse = (problem: string): never => {
    throw new ModosuError('PROFILE_INVALID', 'A profile cannot be read.', { context: { errors: [`${file}: ${problem}`] } });
  };
  if (!file.endsWith(PROFILE_FILE_ENDING)) return refuse(`its name has to end with ${PROFILE_FILE_ENDING}`);
  try {
    const found = await stat(file);
    if (!found.isFile()) return refuse('is not a file');
    if (found.size > MAX_PROFILE_BYTES) return refuse(`larger than ${formatBytes(MAX_PROFILE_BYTES)}`);
    return await readFile(file);
  } catch (error) {
    return isModosuError(error) ? Promise.reject(error) : refuse(`cannot be read: ${errorMessage(error)}`);
  }
}
