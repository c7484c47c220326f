import { ModosuError } from '../../contracts/errors';
import type { LoadedProfile } from '../../contracts/profile';
import { quoted } from '../../contracts/text';
import { nearestName } from '../../domain/near-names';

/** Throws `PROFILE_NOT_FOUND` with the name that was most likely meant. */
export function findProfile(profiles: readonly LoadedProfile[], name: string): LoadedProfile {
  const found = profiles.find(({ profile }) => profile.name === name);
  if (found !== undefined) return found;
  throw new ModosuError('PROFILE_NOT_FOUND', `There is no profile ${quoted(name)}${meant(profiles, name) || '.'}`, { context: { name } });
}

/** `; is "clock" meant?`, or nothing. */
export function meant(profiles: readonly LoadedProfile[], name: string): string {
  const names = profiles.map(({ profile }) => profile.name);
  const nearest = nearestName(name, names);
  return nearest === null ? '' : `; is "${nearest}" meant?`;
}
