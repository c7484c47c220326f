import type { Estate } from '../../contracts/estate';
import { estateSchema } from '../../contracts/api/estate';
import { PRUNED_SUBJECTS, PRUNES } from '../../contracts/prune';
import { NO_PROTECTION } from '../../contracts/protection';
import { compareEstate } from './compare-estate';
import type { Inventory } from './inventory';

const NOTHING: Estate = estateSchema.parse({});

/** One of each. */
const INVENTORY: Inventory = {
  ...estateSchema.parse({
    hypervisors: [{ name: 'local', kind: 'libvirt' }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu/repository' }],
    offsite: [{ name: 'vault', location: '/mnt/vault' }],
    policies: [{ name: 'daily', timeZone: 'UTC', image: { schedule: { every: 'day', at: '02:30' }, retention: { last: 3 } } }],
  }),
  servers: [
    {
      id: 'srv_1',
      name: 'db01',
      uuid: '5f3e1a52-7a07-4c40-9a4a-7c2f4a2b7f01',
      domainName: 'db01',
      hypervisor: 'local',
      repository: 'main',
      policy: null,
      lineageId: 'lin_1',
      stopTimeoutSeconds: 120,
      agentTimeoutSeconds: 300,
      decommissioned: null,
      protection: NO_PROTECTION,
    },
  ],
  groups: [{ name: 'shop', servers: ['db01', 'web01'] }],
  relations: [{ name: 'web-needs-db', type: 'depends-on', server: 'web01', peers: [{ server: 'db01' }] }],
} as never;

describe('what an estate leaves out', () => {
  const changes = (prune: boolean) => compareEstate(INVENTORY, NOTHING, [], { prune }).changes.map(({ subject, change }) => [subject, change]);

  it('stays', () => {
    expect(changes(false)).toEqual(['hypervisor', 'repository', 'offsite', 'policy', 'server', 'group', 'relation'].map((subject) => [subject, 'kept']));
  });

  it('goes with prune where it is of a kind that people are told of, and stays otherwise', () => {
    const deleted = changes(true).flatMap(([subject, change]) => (change === 'delete' ? [subject] : []));
    expect(deleted).toEqual(PRUNED_SUBJECTS);
    expect(PRUNES).toMatch(/^policies, groups and relations that the file does not declare any more; nothing else is ever deleted$/);
    expect(changes(true)).toContainEqual(['server', 'kept']);
  });
});
