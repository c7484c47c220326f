import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directoryProfiles } from './directory-profile-source';
import { shippedProfileDirectory } from './profile-directories';

let directory: string;
let text: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'modosu-profile-source-'));
  text = (await readFile(join(shippedProfileDirectory(), 'max-age.yaml'), 'utf8')).replace('name: max-age', 'name: own-age');
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const put = (content: string): Promise<void> => writeFile(join(directory, 'own-age.yaml'), content);
const titled = (title: string): string => text.replace(/^title: .*$/m, `title: ${title}`);

it('sees what was added, changed and taken away since it was last asked', async () => {
  const source = directoryProfiles(directory);
  const own = async () => (await source.load()).filter(({ origin }) => origin === 'own').map(({ profile }) => profile.title);
  expect(await own()).toEqual([]);
  await put(titled('one'));
  expect(await own()).toEqual(['one']);
  await put(titled('another'));
  expect(await own()).toEqual(['another']);
  await rm(join(directory, 'own-age.yaml'));
  expect(await own()).toEqual([]);
});

it('sees a change that leaves size and time as they were', async () => {
  const source = directoryProfiles(directory);
  await put(titled('one'));
  await source.load();
  const { atime, mtime } = await stat(join(directory, 'own-age.yaml'));
  await put(titled('two'));
  await utimes(join(directory, 'own-age.yaml'), atime, mtime);
  expect((await source.load()).find(({ origin }) => origin === 'own')?.profile.title).toBe('two');
});

it('has nothing for whoever needs all while a file is wrong, the others for the rest, and all again when it is right', async () => {
  const source = directoryProfiles(directory);
  await put(titled('one'));
  const before = await source.load();
  await put('format: [');
  await expect(source.load()).rejects.toMatchObject({ code: 'PROFILE_INVALID' });
  const { profiles, problems } = await source.find();
  expect(profiles).toEqual(before.filter(({ origin }) => origin === 'shipped'));
  expect(problems).toMatchObject([{ profile: 'own-age' }]);
  await put(titled('one'));
  expect(await source.load()).toEqual(before);
});

it('reads a file again, and parses it only when it has changed', async () => {
  const source = directoryProfiles(null);
  const [first, second] = [await source.load(), await source.load()];
  expect(second.every(({ profile }, index) => profile === first[index]?.profile)).toBe(true);
});
