import type { Profile } from '../profile';
import { MAX_PROFILE_BYTES, profileSchema } from './profile';
import { parseYamlFile } from './yaml-file';

export const PROFILE_FILE_ENDING = '.yaml';

/**
 * A profile, checked. It has the name of its file.
 *
 * @param file with or without the directories it lies in
 * @throws PROFILE_INVALID; each line of its `errors` says file, line, column, path and what is wrong
 */
export function parseProfileFile(file: string, content: Uint8Array): Profile {
  const named = file.slice(file.lastIndexOf('/') + 1, -PROFILE_FILE_ENDING.length);
  const schema = profileSchema.refine(({ name }) => name === named, { path: ['name'], message: `must be "${named}", as the file is named` });
  return parseYamlFile(file, content, { schema, code: 'PROFILE_INVALID', maxBytes: MAX_PROFILE_BYTES });
}
