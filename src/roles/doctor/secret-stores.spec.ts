import type { Catalog, ServerRecord } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import { NO_PROTECTION } from '../../contracts/protection';
import { checkSecretStores } from './secret-stores';

const server = (name: string, store: string, decommissioned = false): ServerRecord =>
  ({
    name,
    decommissioned: decommissioned ? {} : null,
    protection: { ...NO_PROTECTION, credentials: [{ account: 'root', store, path: `servers/${name}`, reapply: false }] },
  }) as unknown as ServerRecord;
const catalog = (...servers: readonly ServerRecord[]): Pick<Catalog, 'listServers'> => ({ listServers: async () => servers });
const stores = (names: readonly string[], currentVersion: (path: string) => Promise<unknown>) => ({
  list: async () => names.map((name) => ({ name, kind: 'file' as const, path: '/x' })),
  open: async (name: string) => {
    if (!names.includes(name)) throw new ModosuError('SECRET_STORE_NOT_CONFIGURED', `no ${name}`);
    return { name, currentVersion } as never;
  },
});

describe('what the doctor says of secret stores', () => {
  it('is that each knows which versions are valid', async () => {
    const said = await checkSecretStores(
      catalog(server('db01', 'vault'), server('db02', 'vault')),
      stores(['vault', 'spare'], async () => ({ version: '1', createdAt: null })),
    );
    expect(said.map(({ subject, state, detail }) => [subject, state, detail])).toEqual([
      ['secret store vault', 'ok', 'knows which version is valid of 2 credentials'],
      ['secret store spare', 'ok', 'declared; no server names it'],
    ]);
  });

  it('names account and server of what one does not know, and says once that it is sealed', async () => {
    const missing = async (path: string) => {
      if (path === 'servers/db02') throw new ModosuError('SECRET_NOT_FOUND', 'nothing there');
      return { version: '1', createdAt: null };
    };
    const servers = catalog(server('db01', 'vault'), server('db02', 'vault'), server('gone', 'elsewhere', true));
    expect(await checkSecretStores(servers, stores(['vault'], missing))).toMatchObject([
      { subject: 'secret store vault', state: 'fail', code: 'SECRET_NOT_FOUND', detail: expect.stringContaining('root of server db02') as string },
    ]);
    const sealed = stores(['vault'], () => Promise.reject(new ModosuError('SECRET_STORE_SEALED', 'sealed')));
    expect(await checkSecretStores(servers, sealed)).toMatchObject([{ state: 'fail', code: 'SECRET_STORE_SEALED' }]);
  });

  it('is that one is not declared here, or that the file of declarations cannot be used', async () => {
    expect(
      await checkSecretStores(
        catalog(server('db01', 'vault')),
        stores([], async () => null),
      ),
    ).toMatchObject([{ subject: 'secret store vault', state: 'fail', code: 'SECRET_STORE_NOT_CONFIGURED' }]);
    const broken = { ...stores([], async () => null), list: () => Promise.reject(new ModosuError('SECRET_STORE_INVALID', 'others could write it')) };
    expect(await checkSecretStores(catalog(), broken)).toMatchObject([{ subject: 'secret stores', state: 'fail', code: 'SECRET_STORE_INVALID' }]);
  });

  it('is nothing where there is none', async () => {
    expect(
      await checkSecretStores(
        catalog(),
        stores([], async () => null),
      ),
    ).toEqual([]);
  });
});
