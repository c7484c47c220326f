import type { Catalog } from '../../catalog/catalog';
import { isModosuError } from '../../contracts/errors';
import { namesOf } from '../../contracts/text';
import type { ProfileSource } from '../../profiles/profile-source';
import { fail, failed, ok, type Check } from './check';

const SUBJECT = 'profiles';

/** Whether files of profiles can be read on this machine, and whether each relation finds the one that it names: what a plan would be judged by. */
export async function checkProfiles(catalog: Pick<Catalog, 'listRelations'>, source: ProfileSource): Promise<readonly Check[]> {
  let loaded: Awaited<ReturnType<ProfileSource['load']>>;
  try {
    loaded = await source.load();
  } catch (thrown) {
    if (!isModosuError(thrown) || thrown.code !== 'PROFILE_INVALID') return [failed(SUBJECT, thrown)];
    const errors = (thrown.context['errors'] as readonly string[] | undefined) ?? [thrown.message];
    return errors.map((error) =>
      fail(SUBJECT, error, 'Until it is mended no plan knows what relations would say: `modosu profile check FILE` tells when it is right.', thrown.code),
    );
  }
  const known = new Set(loaded.map(({ profile }) => profile.name));
  const named = (await catalog.listRelations()).filter(({ profile }) => profile !== null);
  const missing = named.filter(({ profile }) => profile !== null && !known.has(profile));
  if (missing.length > 0) {
    return missing.map(({ name, profile }) =>
      fail(
        SUBJECT,
        `Relation "${name}" names the profile ${namesOf([profile ?? ''])}, which is not here.`,
        'Put its file back, or apply an estate in which the relation names another one; `modosu profile list` shows those that are here.',
        'PROFILE_NOT_FOUND',
      ),
    );
  }
  const own = loaded.filter(({ origin }) => origin === 'own').length;
  return [
    ok(
      SUBJECT,
      `${loaded.length} can be read${own === 0 ? '' : `, ${own} of them your own`}; ${named.length} relation${named.length === 1 ? ' is' : 's are'} judged by one`,
    ),
  ];
}
