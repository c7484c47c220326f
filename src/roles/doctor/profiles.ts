import type { Catalog } from '../../catalog/catalog';
import { namesOf } from '../../contracts/text';
import { problemsOf } from '../../domain/relations/judge-relations';
import type { ProfileSource } from '../../profiles/profile-source';
import { fail, failed, ok, type Check } from './check';

const SUBJECT = 'profiles';

/** Whether files of profiles can be read on this machine, and whether each relation finds the one that it names: what a plan would be judged by. */
export async function checkProfiles(catalog: Pick<Catalog, 'listRelations'>, source: ProfileSource): Promise<readonly Check[]> {
  let found: Awaited<ReturnType<ProfileSource['find']>>;
  try {
    found = await source.find();
  } catch (thrown) {
    return [failed(SUBJECT, thrown)];
  }
  const { profiles, problems } = found;
  const wrong = problems
    .flatMap(({ errors }) => errors)
    .map((error) =>
      fail(
        SUBJECT,
        error,
        'Until it is mended this file is not used: no plan is judged by it, and images lack the markers that it asks for. `modosu profile check FILE` tells when it is right.',
        'PROFILE_INVALID',
      ),
    );
  const known = new Set(profiles.map(({ profile }) => profile.name));
  const named = (await catalog.listRelations()).filter(({ profile }) => profile !== null);
  const missing = named
    .filter(({ profile }) => profile !== null && !known.has(profile) && problemsOf(profile, found).length === 0)
    .map(({ name, profile }) =>
      fail(
        SUBJECT,
        `Relation "${name}" names the profile ${namesOf([profile ?? ''])}, which is not here.`,
        'Put its file back, or apply an estate in which the relation names another one; `modosu profile list` shows those that are here.',
        'PROFILE_NOT_FOUND',
      ),
    );
  if (wrong.length + missing.length > 0) return [...wrong, ...missing];
  const own = profiles.filter(({ origin }) => origin === 'own').length;
  return [
    ok(
      SUBJECT,
      `${profiles.length} can be read${own === 0 ? '' : `, ${own} of them your own`}; ${named.length} relation${named.length === 1 ? ' is' : 's are'} judged by one`,
    ),
  ];
}
