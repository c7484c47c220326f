import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectorySecrets } from './directory-secrets';

describe('secrets in a directory', () => {
  let directory: string;
  let secrets: DirectorySecrets;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-secrets-'));
    secrets = new DirectorySecrets(join(directory, 'secrets'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const file = (name: string): string => join(directory, 'secrets', name);
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

  it('are made once, private, and found again by another process', async () => {
    await expect(secrets.read('data/a/login')).resolves.toBeNull();
    const made = await secrets.getOrMake('data/a/login');
    expect(made).toMatch(/^[A-Za-z0-9_-]{32}$/);
    await expect(new DirectorySecrets(join(directory, 'secrets')).getOrMake('data/a/login')).resolves.toBe(made);
    await expect(secrets.getOrMake('data/b/login')).resolves.not.toBe(made);
    expect(readFileSync(file('data/a/login'), 'utf8')).toBe(`${made}\n`);
    expect([mode(file('data/a/login')), mode(file('data/a')), mode(file('data')), mode(join(directory, 'secrets'))]).toEqual(['600', '700', '700', '700']);
  });

  it('are the same for all who make one at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => new DirectorySecrets(join(directory, 'secrets')).getOrMake('data/a/login')));
    expect(new Set(all).size).toBe(1);
    expect(readdirSync(file('data/a'))).toEqual(['login']);
  });

  it('are made anew only where a file is empty, or when that is asked for', async () => {
    mkdirSync(file('data'), { recursive: true });
    writeFileSync(file('data/empty'), '\n');
    const made = await secrets.getOrMake('data/empty');
    expect(made).not.toBe('');
    const renewed = await secrets.renew('data/empty');
    expect(renewed).not.toBe(made);
    await expect(secrets.read('data/empty')).resolves.toBe(renewed);
    await expect(secrets.getOrMake('data/given', () => 'this one')).resolves.toBe('this one');
  });

  it('are removed, and can be made again', async () => {
    const made = await secrets.getOrMake('data/a/login');
    await secrets.getOrMake('data/a/other');
    await secrets.remove('data/a/login');
    await expect(secrets.read('data/a/login')).resolves.toBeNull();
    await expect(secrets.list('data')).resolves.toEqual(['data/a/other']);
    await secrets.remove('data/a/login');
    await secrets.remove('data/none/login');
    await expect(secrets.getOrMake('data/a/login')).resolves.not.toBe(made);
  });

  it('can be listed, without what is being written', async () => {
    await expect(secrets.list('data')).resolves.toEqual([]);
    for (const name of ['data/b/login', 'data/a/repository', 'data/a/login', 'other']) await secrets.getOrMake(name);
    writeFileSync(file('data/a/.login.abc.tmp'), 'half');
    await expect(secrets.list('data')).resolves.toEqual(['data/a/login', 'data/a/repository', 'data/b/login']);
  });

  it.each(['', '..', '../x', '/etc/passwd', 'data/../../x', 'data//x', 'a\n'])('refuses the name %j', async (name) => {
    await expect(secrets.getOrMake(name)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    await expect(secrets.read(name)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    await expect(secrets.renew(name)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    await expect(secrets.remove(name)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
    await expect(secrets.list(name)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
  });
});
