import type { Catalog } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate } from '../../src/contracts/estate';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, ESTATE, refusal, RESOLVED } from './catalog.fixtures';

const NEEDS = { name: 'web-needs-db', type: 'depends-on', server: 'web01', peers: [{ server: 'db01' }] };
const STANDBY = {
  name: 'db-standby',
  type: 'replicates-with',
  server: 'db01',
  address: '192.0.2.6',
  peers: [{ server: 'web01', address: '192.0.2.7' }],
  profile: 'postgresql-replication',
  parameters: { database: 'shop' },
};
const withRelations = (relations: readonly object[]): Estate => estateSchema.parse({ ...ESTATE, relations });

/** Relations between servers: declared, shown, deleted, and refused where they go round. */
export function relationContract(subject: () => CatalogUnderTest): void {
  describe('relations', () => {
    const names = async (catalog: Catalog, server?: string): Promise<readonly string[]> => (await catalog.listRelations({ server })).map(({ name }) => name);

    it('are declared with the estate, and shown by name and by server', async () => {
      const { catalog } = subject();
      const changes = await catalog.applyEstate('alice', withRelations([NEEDS, STANDBY]), RESOLVED);
      expect(changes.filter(({ subject: one }) => one === 'relation')).toEqual([
        { subject: 'relation', name: 'web-needs-db', change: 'create', fields: ['type: depends-on', 'server: web01', 'strength: hard', 'peers: db01'] },
        {
          subject: 'relation',
          name: 'db-standby',
          change: 'create',
          fields: [
            'type: replicates-with',
            'server: db01 at 192.0.2.6',
            'strength: hard',
            'peers: web01 at 192.0.2.7',
            'profile: postgresql-replication',
            'parameters: {"database":"shop"}',
          ],
        },
      ]);
      expect(await catalog.listRelations()).toEqual([
        { ...STANDBY, address: '192.0.2.6', strength: 'hard' },
        { ...NEEDS, address: null, peers: [{ server: 'db01', address: null }], strength: 'hard', profile: null, parameters: {} },
      ]);
      expect(await names(catalog, 'db01')).toEqual(['db-standby', 'web-needs-db']);
      expect((await actions(catalog)).filter((action) => action.startsWith('relation'))).toEqual(['relation.created', 'relation.created']);
    });

    it('stay when the file does not name them any more, and go with prune', async () => {
      const { catalog } = subject();
      await catalog.applyEstate('alice', withRelations([NEEDS, STANDBY]), RESOLVED);
      await catalog.applyEstate('alice', withRelations([{ ...NEEDS, strength: 'soft' }]), RESOLVED);
      expect(await names(catalog)).toEqual(['db-standby', 'web-needs-db']);
      expect((await catalog.listRelations())[1]).toMatchObject({ strength: 'soft' });
      await catalog.applyEstate('alice', withRelations([{ ...NEEDS, strength: 'soft' }]), RESOLVED, { prune: true });
      expect(await names(catalog)).toEqual(['web-needs-db']);
      expect((await actions(catalog)).slice(-1)).toEqual(['relation.deleted']);
    });

    it('of hard dependencies that go round are refused with the circle, also one that is closed by what the file does not name', async () => {
      const { catalog } = subject();
      const back = { ...NEEDS, name: 'db-needs-web', server: 'db01', peers: [{ server: 'web01' }] };
      expect(await refusal(catalog.diffEstate(withRelations([NEEDS, back]), RESOLVED))).toMatchObject({
        code: 'RELATION_CYCLE',
        message: 'Servers depend on each other in a circle: "db01" -> "web01" -> "db01".',
      });
      await catalog.applyEstate('alice', withRelations([NEEDS]), RESOLVED);
      expect(await refusal(catalog.applyEstate('alice', withRelations([back]), RESOLVED))).toMatchObject({ code: 'RELATION_CYCLE' });
      expect(await names(catalog)).toEqual(['web-needs-db']);
      await catalog.applyEstate('alice', withRelations([back]), RESOLVED, { prune: true });
      expect(await names(catalog)).toEqual(['db-needs-web']);
    });

    it.each<[string, object, string]>([
      ['a server that is not declared', { ...NEEDS, server: 'mail01' }, 'no server named "mail01"'],
      ['a peer that is not declared', { ...NEEDS, peers: [{ server: 'mail01' }] }, 'no server named "mail01"'],
      ['itself', { ...NEEDS, peers: [{ server: 'web01' }] }, 'no peer of itself'],
      ['the same peer twice', { ...NEEDS, peers: [{ server: 'db01' }, { server: 'db01' }] }, 'stands in it twice'],
      ['no peer', { ...NEEDS, peers: [] }, 'peers'],
      ['parameters for no profile', { ...NEEDS, parameters: { a: 'b' } }, 'none is named'],
      ['an address that is none', { ...NEEDS, peers: [{ server: 'db01', address: 'http://db01/' }] }, 'IP address'],
    ])('with %s are refused by the schema', (_what, relation, problem) => {
      const parsed = estateSchema.safeParse({ ...ESTATE, relations: [relation] });
      expect(JSON.stringify(parsed.error?.issues)).toContain(problem.replaceAll('"', '\\"'));
    });
  });
}
