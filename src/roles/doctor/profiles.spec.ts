import type { Catalog } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import type { LoadedProfile } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { madeUpProfile } from '../../../test/support/made-up-relations';
import { checkProfiles } from './profiles';

const profile = (name: string, origin: LoadedProfile['origin']): LoadedProfile => ({ origin, file: `/${name}.yaml`, profile: { ...madeUpProfile([]), name } });
const source = (...profiles: readonly LoadedProfile[]) => ({ load: () => Promise.resolve(profiles) });
const catalog = (...profiles: readonly (string | null)[]): Pick<Catalog, 'listRelations'> => ({
  listRelations: async () => profiles.map((named, index) => ({ name: `relation${index}`, profile: named }) as unknown as Relation),
});

describe('what the doctor says of profiles', () => {
  it('is how many there are, and how many relations are judged by one', async () => {
    expect(await checkProfiles(catalog('clock', null), source(profile('clock', 'shipped'), profile('mine', 'own')))).toEqual([
      { subject: 'profiles', state: 'ok', detail: '2 can be read, 1 of them your own; 1 relation is judged by one', hint: null, code: null },
    ]);
    expect(await checkProfiles(catalog('clock', 'clock'), source(profile('clock', 'shipped')))).toMatchObject([
      { detail: '1 can be read; 2 relations are judged by one' },
    ]);
  });

  it('is which relation names one that is not here', async () => {
    expect(await checkProfiles(catalog('clock', 'gone'), source(profile('clock', 'shipped')))).toMatchObject([
      { state: 'fail', code: 'PROFILE_NOT_FOUND', detail: 'Relation "relation1" names the profile "gone", which is not here.' },
    ]);
  });

  it('is every error of their files, or that they cannot be read', async () => {
    const errors = ['/etc/modosu/profiles/a.yaml:3:1 version: must be a number', '/etc/modosu/profiles/b.yaml:1:1: empty'];
    const broken = { load: () => Promise.reject(new ModosuError('PROFILE_INVALID', 'Two are wrong.', { context: { errors } })) };
    expect((await checkProfiles(catalog('clock'), broken)).map(({ state, code, detail }) => [state, code, detail])).toEqual(
      errors.map((error) => ['fail', 'PROFILE_INVALID', error]),
    );
    const closed = { load: () => Promise.reject(new Error('EACCES')) };
    expect(await checkProfiles(catalog(), closed)).toMatchObject([{ state: 'fail', subject: 'profiles' }]);
  });
});
