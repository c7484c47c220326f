import { parseProfileFile } from '../contracts/api/profile-file';
import type { FoundProfiles, Profile } from '../contracts/profile';
import { findProfiles, requireAll, shippedProfileDirectory } from './profile-directories';
import type { ProfileSource } from './profile-source';

interface Parsed {
  readonly content: Uint8Array;
  readonly profile: Profile;
}

/**
 * Those of the directory that is shipped, and of one that people fill. Files are read each time, and parsed only when their bytes have changed: times and sizes
 * may stay the same when a file does not.
 *
 * @param own null: people have none
 */
export function directoryProfiles(own: string | null, shipped = shippedProfileDirectory()): ProfileSource {
  let known: ReadonlyMap<string, Parsed> = new Map();
  const find = async (): Promise<FoundProfiles> => {
    const next = new Map<string, Parsed>();
    const found = await findProfiles(shipped, own, (file, content) => {
      const before = known.get(file);
      const parsed = before !== undefined && Buffer.compare(before.content, content) === 0 ? before : { content, profile: parseProfileFile(file, content) };
      next.set(file, parsed);
      return parsed.profile;
    });
    known = next;
    return found;
  };
  return { find, load: async () => requireAll(await find()) };
}
