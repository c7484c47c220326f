import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecretStoreDeclaration, VaultDeclaration } from '../contracts/credential';
import { openSecretStore } from './open-secret-store';
import { CURRENT } from './secret-store';

const dependencies = { variables: { MODOSU_CREDENTIAL_DB01: 'from the environment' }, secrets: { getOrMake: async () => 'key' } };
const open = (declaration: SecretStoreDeclaration) => openSecretStore(declaration, dependencies);
const vault = (changes: Partial<VaultDeclaration>): VaultDeclaration => ({
  name: 'corporate',
  kind: 'vault',
  address: 'https://vault.example.org:8200',
  mount: 'secret',
  tokenFile: '/run/modosu/vault-token',
  ...changes,
});

describe('a declared secret store', () => {
  it('is one of its kind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'modosu-store-'));
    try {
      const path = join(directory, 'credentials.json');
      writeFileSync(path, '{ "credentials": { "db01": { "versions": [{ "version": 4, "password": "from the file" }] } } }', { mode: 0o600 });
      const file = open({ name: 'shelf', kind: 'file', path });
      expect([file.name, (await file.read('db01', '4', 'password')).reveal()]).toEqual(['shelf', 'from the file']);
      const environment = open({ name: 'surroundings', kind: 'environment', prefix: 'MODOSU_CREDENTIAL_' });
      expect([environment.name, (await environment.read('db01', CURRENT, 'password')).reveal()]).toEqual(['surroundings', 'from the environment']);
      expect(open(vault({})).name).toBe('corporate');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it.each<Partial<VaultDeclaration>>([
    { address: 'https://vault.example.org' },
    { address: 'https://vault.example.org/' },
    { address: 'http://127.0.0.1:8200' },
    { address: 'http://[::1]:8200' },
    { address: 'http://localhost:8200' },
    { mount: 'teams/kv' },
    { namespace: 'admin/db' },
    { caFile: '/etc/ssl/corporate.pem' },
  ])('may be Vault with %j', (changes) => {
    expect(open(vault(changes)).name).toBe('corporate');
  });

  it.each<Partial<VaultDeclaration>>([
    { address: 'http://vault.example.org:8200' },
    { address: 'http://10.0.0.5:8200' },
    { address: 'http://127.0.0.1.example.org' },
    { address: 'https://root:hunter2@vault.example.org' },
    { address: 'https://hunter2@vault.example.org' },
    { address: 'https://vault.example.org?x=hunter2' },
    { address: 'https://vault.example.org#hunter2' },
    { address: 'https://vault.example.org/ui' },
    { address: 'ftp://vault.example.org' },
    { address: 'file:///hunter2' },
    { address: 'https://vault.example.org\n' },
    { address: 'hunter2' },
    { mount: '' },
    { mount: '../sys' },
    { mount: 'secret/' },
    { mount: '/secret' },
    { mount: 'secret?hunter2' },
    { namespace: '' },
    { namespace: 'a\r\nx-other: 1' },
    { tokenFile: 'token' },
    { tokenFile: '/run/../etc/shadow' },
    { caFile: 'ca.pem' },
  ])('is no Vault with %j', (changes) => {
    expect(() => open(vault(changes))).toThrow(
      expect.objectContaining({ code: 'SECRET_STORE_INVALID', message: expect.not.stringContaining('hunter2') as string }) as Error,
    );
  });

  it.each(['', 'credentials.yaml', '/srv/../etc/shadow', '/a\nb'])('is no file at %j', (path) => {
    expect(() => open({ name: 'shelf', kind: 'file', path })).toThrow(expect.objectContaining({ code: 'SECRET_STORE_INVALID' }) as Error);
  });

  it.each(['', 'MODOSU_', 'MODOSU_CREDENTIAL', 'MODOSU_CREDENTIAL_DB', 'MODOSU_CREDENTIAL_db_', 'AWS_', 'X_MODOSU_CREDENTIAL_', 'MODOSU_CREDENTIAL_\n_'])(
    'is no environment with the prefix %j',
    (prefix) => {
      expect(() => open({ name: 'surroundings', kind: 'environment', prefix })).toThrow(expect.objectContaining({ code: 'SECRET_STORE_INVALID' }) as Error);
    },
  );
});
