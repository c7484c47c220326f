import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isModosuError } from '../contracts/errors';
import { findProfiles, requireAll, shippedProfileDirectory } from './profile-directories';

let directory: string;
let maxAge: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modosu-profiles-'));
  maxAge = await readFile(join(shippedProfileDirectory(), 'max-age.yaml'), 'utf8');
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const put = (name: string, text: string): Promise<void> => writeFile(join(directory, name), text);
const find = () => findProfiles(shippedProfileDirectory(), directory);
async function errors(): Promise<readonly string[]> {
  try {
    requireAll(await find());
  } catch (error) {
    if (!isModosuError(error)) throw error;
    expect(error.code).toBe('PROFILE_INVALID');
    return (error.context['errors'] as readonly string[]).map((line) => line.replace(`${directory}/`, ''));
  }
  throw new Error('all were accepted');
}

it('has the shipped profiles, and calls those proven that tests have run against the real software', async () => {
  const { profiles, problems } = await findProfiles(shippedProfileDirectory(), null);
  expect(problems).toEqual([]);
  expect(profiles.map(({ profile, origin }) => `${profile.name}: ${profile.status}, ${origin}`)).toEqual([
    'active-directory-dc: experimental, shipped',
    'clock: proven, shipped',
    'dns-zone: proven, shipped',
    'domain-member: experimental, shipped',
    'generation-id: proven, shipped',
    'ldap-contextcsn: proven, shipped',
    'max-age: proven, shipped',
    'postgresql-replication: proven, shipped',
    'same-value: proven, shipped',
  ]);
});

it('has those of people beside them, also through links', async () => {
  await put('elsewhere.txt', maxAge.replace('name: max-age', 'name: older'));
  await symlink(join(directory, 'elsewhere.txt'), join(directory, 'older.yaml'));
  await put('README.md', 'not a profile');
  await put('.draft.yaml', 'nor this');
  expect(
    requireAll(await find())
      .filter(({ origin }) => origin === 'own')
      .map(({ profile, file }) => [profile.name, file]),
  ).toEqual([['older', join(directory, 'older.yaml')]]);
});

it('says of every file what is wrong, and whoever needs all of them has none', async () => {
  await put('max-age.yaml', maxAge);
  await put('other.yaml', maxAge);
  await put('short.yml', maxAge);
  await put('broken.yaml', 'format: [');
  await put('much.yaml', '#'.repeat(256 * 1024 + 1));
  await mkdir(join(directory, 'folder.yaml'));
  await symlink('nowhere', join(directory, 'link.yaml'));
  expect(await errors()).toEqual([
    expect.stringMatching(/^broken\.yaml:\d+:\d+: /),
    'folder.yaml: is not a file',
    expect.stringMatching(/^link\.yaml: cannot be read: ENOENT/),
    'much.yaml: larger than 256 KiB',
    'other.yaml:3:7: name: must be "other", as the file is named',
    'short.yml: its name has to end with .yaml',
    'max-age.yaml: a profile of this name is shipped with Modosu; give yours, and its file, another name',
  ]);
});

it('takes away the profile of a file that is wrong, and no other', async () => {
  await put('sound.yaml', maxAge.replace('name: max-age', 'name: sound'));
  await put('broken.yaml', 'format: [');
  await put('short.yml', maxAge);
  const { profiles, problems } = await find();
  expect(profiles.map(({ profile }) => profile.name)).toEqual(expect.arrayContaining(['clock', 'max-age', 'sound']));
  expect(profiles).toHaveLength(10);
  expect(problems.map(({ profile, errors: lines }) => [profile, lines.length > 0])).toEqual([
    ['broken', true],
    ['short', true],
  ]);
});

it('has the shipped one of a name that people have given to theirs, too', async () => {
  await put('max-age.yaml', maxAge.replace(/^title: .*$/m, 'title: mine'));
  const { profiles, problems } = await find();
  expect(profiles.filter(({ profile }) => profile.name === 'max-age').map(({ origin }) => origin)).toEqual(['shipped']);
  expect(problems).toEqual([{ profile: 'max-age', errors: [expect.stringContaining('is shipped with Modosu') as string] }]);
});

it('does not know which profiles are missing while their directory cannot be read, and has the shipped ones', async () => {
  await rm(directory, { recursive: true });
  const { profiles, problems } = await find();
  expect([profiles.length, problems]).toEqual([9, [{ profile: null, errors: [expect.stringMatching(/: cannot be read: ENOENT/) as string] }]]);
});

it('does not take a directory that is not there for an empty one', async () => {
  await rm(directory, { recursive: true });
  expect((await errors())[0]).toMatch(/: cannot be read: ENOENT/);
});
