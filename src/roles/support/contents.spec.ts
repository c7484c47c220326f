import type { Catalog } from '../../catalog/catalog';
import { estateSchema } from '../../contracts/api/estate';
import { ModosuError } from '../../contracts/errors';
import { catalogue, configuration } from './contents';

describe('what a support bundle says of the configuration', () => {
  it('is what was said here, and what each service was told, side by side and without secrets', () => {
    const worker = {
      role: 'worker',
      startedAt: '1970-01-01T00:00:00.000Z',
      variables: { MODOSU_DATA_DIR: '/srv' },
      notShown: ['MODOSU_SMTP_URL'],
      proofs: { MODOSU_SMTP_URL: 'a.b' },
    } as const;
    const { text } = configuration({ PATH: '/bin', MODOSU_DATA_DIR: '/mine', MODOSU_SMTP_URL: 'smtp://u:p@mail', MODOSU_OTHER: 'x' }, [worker]);
    expect(JSON.parse(text)).toEqual({
      here: { MODOSU_DATA_DIR: '/mine', MODOSU_OTHER: '(set, not shown)', MODOSU_SMTP_URL: '(set, not shown)' },
      services: { worker: { startedAt: '1970-01-01T00:00:00.000Z', variables: { MODOSU_DATA_DIR: '/srv', MODOSU_SMTP_URL: '(set, not shown)' } } },
    });
  });
});

describe('what a support bundle says of the catalogue', () => {
  const page = async (): Promise<object> => ({ items: [], nextCursor: null });
  const catalog = (changed: object): Catalog =>
    ({
      listHypervisors: async () => ['a hypervisor'],
      listRepositories: async () => ['a repository'],
      listOffsite: async () => ['a place elsewhere'],
      listPolicies: async () => ['a policy'],
      listServers: async () => ['a server'],
      listGroups: async () => ['a group'],
      listRelations: async () => ['a relation'],
      listRuns: page,
      listRecoveryPoints: page,
      listWayBacks: async () => [],
      figures: async () => ({}),
      verifyAudit: async () => ({ intact: true }),
      ...changed,
    }) as unknown as Catalog;
  const read = async (changed: object = {}): Promise<Readonly<Record<string, unknown>>> =>
    Object.fromEntries((await catalogue(catalog(changed))).map(({ path, text }) => [path, JSON.parse(text) as unknown]));

  it('has every part of the estate that people declare', async () => {
    const estate = (await read())['catalogue/estate.json'] as Readonly<Record<string, readonly string[]>>;
    expect(Object.keys(estate).sort()).toEqual(Object.keys(estateSchema.shape).sort());
    expect(Object.values(estate).flat()).toEqual(expect.arrayContaining(['a policy', 'a group', 'a relation', 'a place elsewhere', 'a server']));
  });

  it('has the rest of it when one part cannot be read, and why', async () => {
    const files = await read({ listRelations: () => Promise.reject(new ModosuError('CATALOG_UNAVAILABLE', 'Gone.')) });
    expect(files['catalogue/estate.error.json']).toMatchObject({ code: 'CATALOG_UNAVAILABLE' });
    expect(files['catalogue/audit.json']).toEqual({ intact: true });
  });
});
