import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeclaredStores } from './declared-stores';

describe('the secret stores that a worker knows', () => {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-stores-'));
  const file = join(directory, 'secret-stores.yaml');
  const stores = new DeclaredStores(file, { variables: {}, secrets: { getOrMake: async () => 'key' } });
  afterAll(() => rmSync(directory, { recursive: true }));
  const declare = (text: string, mode = 0o644): void => {
    writeFileSync(file, text);
    chmodSync(file, mode);
  };

  it('are none where nobody has declared any', async () => {
    expect(await new DeclaredStores(join(directory, 'none.yaml'), { variables: {}, secrets: { getOrMake: async () => 'key' } }).list()).toEqual([]);
    await expect(stores.open('vault')).rejects.toMatchObject({ code: 'SECRET_STORE_NOT_CONFIGURED', context: { store: 'vault' } });
  });

  it('are read again each time', async () => {
    declare('stores:\n  - { name: people, kind: file, path: /etc/passwords.yaml }\n');
    expect((await stores.open('people')).name).toBe('people');
    await expect(stores.open('vault')).rejects.toMatchObject({ code: 'SECRET_STORE_NOT_CONFIGURED' });
    declare('stores:\n  - { name: vault, kind: vault, address: "https://vault:8200", tokenFile: /etc/token }\n');
    expect(await stores.list()).toEqual([{ name: 'vault', kind: 'vault', address: 'https://vault:8200', mount: 'secret', tokenFile: '/etc/token' }]);
    expect((await stores.open('vault')).name).toBe('vault');
  });

  it('are not those of a file that others could write: they would decide where tokens are sent', async () => {
    declare('stores: []\n', 0o666);
    await expect(stores.list()).rejects.toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('others could') as string });
  });

  it.each([
    ['no YAML', 'stores: ['],
    ['an unknown kind', 'stores:\n  - { name: a, kind: cupboard }\n'],
    ['a token in the file itself', 'stores:\n  - { name: a, kind: vault, address: "https://v", tokenFile: /t, token: s.123 }\n'],
    ['two of one name', 'stores:\n  - { name: a, kind: file, path: /a }\n  - { name: a, kind: file, path: /b }\n'],
    ['no list', 'vault: {}\n'],
  ])('have to be declared as they are: %s', async (_what, text) => {
    declare(text);
    await expect(stores.list()).rejects.toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining(`${file}:`) as string });
  });

  it('that are declared wrong keep nobody from the others', async () => {
    declare('stores:\n  - { name: bad, kind: vault, address: "http://far:8200", tokenFile: /t }\n  - { name: people, kind: file, path: /a }\n');
    await expect(stores.open('bad')).rejects.toMatchObject({ code: 'SECRET_STORE_INVALID', message: expect.stringContaining('http:') as string });
    expect((await stores.open('people')).name).toBe('people');
  });
});
