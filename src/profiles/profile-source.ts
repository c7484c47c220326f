import { parseProfileFile } from '../contracts/api/profile-file';
import type { LoadedProfile, Profile } from '../contracts/profile';
import { loadProfiles, shippedProfileDirectory } from './profile-directories';

/** Where profiles come from, for those that use them. */
export interface ProfileSource {
  /**
   * All profiles as they are now, in the order of their names: what was changed since the last call counts without a restart.
   *
   * @throws PROFILE_INVALID as soon as one file is wrong; each line of `errors` in its context says file, line, column, path and what is wrong
   */
  load(): Promise<readonly LoadedProfile[]>;
}

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
  return {
    async load() {
      const next = new Map<string, Parsed>();
      const loaded = await loadProfiles(shipped, own, (file, content) => {
        const before = known.get(file);
        const parsed = before !== undefined && Buffer.compare(before.content, content) === 0 ? before : { content, profile: parseProfileFile(file, content) };
        next.set(file, parsed);
        return parsed.profile;
      });
      known = next;
      return loaded;
    },
  };
}
