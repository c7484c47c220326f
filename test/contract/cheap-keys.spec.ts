import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../src/system/child-process';

/** What tests use instead of keys that take half a second to open (test/support/cheap-keys) are keys to restic itself. */
describe('keys of repositories that tests make', () => {
  let directory: string;
  let repository: string;
  const restic = (password: string, ...args: readonly string[]) =>
    runCommand(['restic', '--no-cache', ...args], { env: { RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: password } });
  /** As installed, without anything of ours in between. */
  const installed = (password: string, ...args: readonly string[]) =>
    runCommand(['/usr/bin/restic', '--no-cache', ...args], { env: { RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: password } });
  const keys = (): readonly unknown[] =>
    readdirSync(join(repository, 'keys')).map((name) => JSON.parse(readFileSync(join(repository, 'keys', name), 'utf8')) as unknown);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-cheap-keys-'));
    repository = join(directory, 'repository');
    expect(await restic('first', 'init')).toMatchObject({ exitCode: 0 });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('cost nothing, open for their password alone, and the repository is whole', async () => {
    expect(keys()).toEqual([expect.objectContaining({ kdf: 'scrypt', N: 2, r: 1, p: 1 })]);
    expect(await installed('first', 'check')).toMatchObject({ exitCode: 0 });
    expect((await installed('another', 'check')).stderr).toContain('wrong password');
  });

  it('a second one opens too, and keeps the first', async () => {
    const file = join(directory, 'password');
    writeFileSync(file, 'second\n');
    expect(await restic('first', 'key', '--new-password-file', file, 'add')).toMatchObject({ exitCode: 0 });
    expect(keys()).toEqual([expect.objectContaining({ N: 2 }), expect.objectContaining({ N: 2 })]);
    for (const password of ['first', 'second']) expect(await installed(password, 'check')).toMatchObject({ exitCode: 0 });
  });

  it('how restic ends is how it ends', async () => {
    expect((await restic('first', 'init')).exitCode).toBe(1);
    expect(keys()).toHaveLength(2);
  });
});
