import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, parse as partsOf } from 'node:path';
import { MAX_PROFILE_BYTES } from '../contracts/api/profile';
import { parseProfileFile, PROFILE_FILE_ENDING } from '../contracts/api/profile-file';
import { isModosuError, ModosuError } from '../contracts/errors';
import { formatBytes } from '../contracts/format';
import type { FoundProfiles, LoadedProfile, ProfileProblem } from '../contracts/profile';
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
 * All profiles that can be loaded, and what is wrong with the others: a file that cannot be read or meant takes away the profile of its name, and no other. Of a name
 * that is shipped and given by people, too, the shipped one counts. Files whose names begin with a dot, or have another ending, are not looked at; `.yml` is refused,
 * because it is meant. Links are followed: directories that are mounted from elsewhere consist of them.
 *
 * @param own null: people have none
 * @param parse what makes a profile of a file
 */
export async function findProfiles(shipped: string, own: string | null, parse = parseProfileFile): Promise<FoundProfiles> {
  const problems: ProfileProblem[] = [];
  const ofModosu = await loadDirectory('shipped', shipped, parse, problems);
  const ofPeople = own === null ? [] : await loadDirectory('own', own, parse, problems);
  const isShipped = new Set(ofModosu.map(({ profile }) => profile.name));
  for (const { profile, file } of ofPeople.filter((one) => isShipped.has(one.profile.name))) {
    problems.push({ profile: profile.name, errors: [`${file}: a profile of this name is shipped with Modosu; give yours, and its file, another name`] });
  }
  const profiles = [...ofModosu, ...ofPeople.filter(({ profile }) => !isShipped.has(profile.name))];
  return { profiles: profiles.sort((one, other) => (one.profile.name < other.profile.name ? -1 : 1)), problems };
}

/**
 * All of them, for whoever may not do with less.
 *
 * @throws PROFILE_INVALID as soon as anything is wrong with one; each line of `errors` in its context says file, line, column, path and what is wrong
 */
export function requireAll({ profiles, problems }: FoundProfiles): readonly LoadedProfile[] {
  const errors = problems.flatMap((problem) => problem.errors);
  if (errors.length > 0) {
    const count = errors.length === 1 ? 'one error' : `${errors.length} errors`;
    throw new ModosuError('PROFILE_INVALID', `The profiles have ${count}.`, { context: { errors: errors.slice(0, SHOWN_ERRORS) } });
  }
  return profiles;
}

async function loadDirectory(
  origin: LoadedProfile['origin'],
  directory: string,
  parse: typeof parseProfileFile,
  problems: ProfileProblem[],
): Promise<readonly LoadedProfile[]> {
  let names: string[];
  try {
    names = (await readdir(directory)).filter((name) => !name.startsWith('.') && /\.ya?ml$/i.test(name)).sort();
  } catch (error) {
    problems.push({ profile: null, errors: [`${directory}: cannot be read: ${errorMessage(error)}`] });
    return [];
  }
  if (names.length > MAX_FILES) {
    problems.push({ profile: null, errors: [`${directory}: has more than ${MAX_FILES} profiles`] });
    return [];
  }
  const loaded: LoadedProfile[] = [];
  for (const name of names) {
    const file = join(directory, name);
    try {
      loaded.push({ profile: parse(file, await contentOf(file)), origin, file });
    } catch (error) {
      if (!isModosuError(error) || error.code !== 'PROFILE_INVALID') throw error;
      problems.push({ profile: partsOf(name).name, errors: error.context['errors'] as readonly string[] });
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
