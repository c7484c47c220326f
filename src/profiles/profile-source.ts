import type { FoundProfiles, LoadedProfile } from '../contracts/profile';

/** Where profiles come from, for those that use them. */
export interface ProfileSource {
  /**
   * The profiles as they are now: what was changed since the last call counts without a restart. A file that is wrong takes away its own profile alone, for those that have
   * to go on by the others.
   */
  find(): Promise<FoundProfiles>;
  /**
   * All of them, for those that can wait until they are right; in the order of their names.
   *
   * @throws PROFILE_INVALID as soon as one file is wrong; each line of `errors` in its context says file, line, column, path and what is wrong
   */
  load(): Promise<readonly LoadedProfile[]>;
}
