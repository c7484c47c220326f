import type { Catalog } from '../../catalog/catalog';
import type { FoundProfiles, LoadedProfile } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { madeUpProfile } from '../../../test/support/made-up-relations';
import { checkProfiles } from './profiles';

const profile = (name: string, origin: LoadedProfile['origin']): LoadedProfile => ({ origin, file: `/${name}.yaml`, profile: { ...madeUpProfile([]), name } });
const finding = (found: Promise<FoundProfiles>) => ({ find: () => found, load: () => Promise.reject(new Error('the doctor tells all that it finds')) });
const source = (...profiles: readonly LoadedProfile[]) => finding(Promise.resolve({ profiles, problems: [] }));
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
    const problems = [
      { profile: 'a', errors: errors.slice(0, 1) },
      { profile: 'b', errors: errors.slice(1) },
    ];
    const broken = finding(Promise.resolve({ profiles: [profile('clock', 'shipped')], problems }));
    expect((await checkProfiles(catalog('clock', 'a', 'gone'), broken)).map(({ state, code, detail }) => [state, code, detail])).toEqual([
      ...errors.map((error) => ['fail', 'PROFILE_INVALID', error]),
      ['fail', 'PROFILE_NOT_FOUND', 'Relation "relation2" names the profile "gone", which is not here.'],
    ]);
    expect(await checkProfiles(catalog(), finding(Promise.reject(new Error('EACCES'))))).toMatchObject([{ state: 'fail', subject: 'profiles' }]);
  });
});
