import { knownServer } from '../../../test/support/known-server';
import type { Estate, ServerDeclaration } from '../../contracts/estate';
import type { Policy, Schedule } from '../../contracts/policy';
import { NO_PROTECTION } from '../../contracts/protection';
import type { Relation } from '../../contracts/relation';
import type { ServerView } from '../../contracts/server';
import { compareEstate } from './compare-estate';
import type { Inventory } from './inventory';

const DAILY: Schedule = { every: 'day', at: '02:00' };
const RETENTION = { last: 3, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, withinDays: 0 };
const policy = (name: string, timeZone = 'UTC'): Policy => ({
  name,
  timeZone,
  image: { schedule: DAILY, jitterMinutes: 0, rpoHours: null, retention: RETENTION, mode: 'online', allowCrashConsistent: false, maxIncrements: 13 },
  data: null,
  verification: null,
  offsite: null,
  rtoMinutes: null,
});
const declared = (name: string, changes: Partial<ServerDeclaration> = {}): ServerDeclaration => ({
  ...NO_PROTECTION,
  name,
  hypervisor: 'hv1',
  repository: 'main',
  policy: 'daily',
  stopTimeoutSeconds: 120,
  agentTimeoutSeconds: 300,
  ...changes,
});
const known = (name: string, changes: Partial<ServerView> = {}): ServerView => knownServer(name, { policy: 'daily', ...changes });
const relation = (name: string, server: string, peer: string): Relation => ({
  name,
  type: 'depends-on',
  server,
  address: null,
  peers: [{ server: peer, address: null }],
  strength: 'hard',
  profile: null,
  parameters: {},
});
const ESTATE: Estate = {
  hypervisors: [{ name: 'hv1', kind: 'libvirt', uri: 'qemu:///system' }],
  repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
  offsite: [{ name: 'vault', location: '/mnt/vault', media: 'fixed' }],
  policies: [policy('daily')],
  servers: [declared('a'), declared('b')],
  groups: [{ name: 'shop', servers: ['a', 'b'] }],
  relations: [relation('a-b', 'a', 'b')],
};
const RESOLVED = [
  { name: 'a', uuid: 'uuid-a', domainName: 'a' },
  { name: 'b', uuid: 'uuid-b', domainName: 'b' },
];
const EMPTY: Inventory = { hypervisors: [], repositories: [], offsite: [], policies: [], servers: [], groups: [], relations: [] };
const NOTHING: Estate = { hypervisors: [], repositories: [], offsite: [], policies: [], servers: [], groups: [], relations: [] };
const APPLIED: Inventory = { ...ESTATE, servers: [known('a'), known('b')] };
const shown = ({ changes }: ReturnType<typeof compareEstate>) => changes.map(({ subject, name, change }) => `${subject} ${name} ${change}`);

describe('an estate against the inventory', () => {
  it('makes what is not there, in the order of the file', () => {
    const difference = compareEstate(EMPTY, ESTATE, RESOLVED);
    expect(shown(difference)).toEqual([
      'hypervisor hv1 create',
      'repository main create',
      'offsite vault create',
      'policy daily create',
      'server a create',
      'server b create',
      'group shop create',
      'relation a-b create',
    ]);
    expect(difference).toMatchObject({
      hypervisors: ESTATE.hypervisors,
      repositories: ESTATE.repositories,
      offsite: ESTATE.offsite,
      policies: ESTATE.policies,
      groups: ESTATE.groups,
      relations: ESTATE.relations,
    });
    expect(difference.servers.map(({ id, name, uuid }) => [id, name, uuid])).toEqual([
      [null, 'a', 'uuid-a'],
      [null, 'b', 'uuid-b'],
    ]);
    expect(difference.changes[0]?.fields).toEqual(['kind: libvirt', 'uri: qemu:///system', 'maxBackups: 2']);
    expect(difference.changes[2]?.fields).toEqual(['location: /mnt/vault', 'media: fixed']);
    expect(difference.changes[4]?.fields).toEqual([
      'hypervisor: hv1',
      'domain: a',
      'repository: main',
      'policy: daily',
      'stopTimeoutSeconds: 120',
      'agentTimeoutSeconds: 300',
    ]);
  });

  it('writes nothing where nothing differs', () => {
    const difference = compareEstate(APPLIED, ESTATE, RESOLVED, { prune: true });
    expect(new Set(difference.changes.map(({ change }) => change))).toEqual(new Set(['unchanged']));
    expect(difference).toMatchObject({ hypervisors: [], repositories: [], offsite: [], policies: [], servers: [], groups: [], relations: [] });
    expect(difference).toMatchObject({ deletedPolicies: [], deletedGroups: [], deletedRelations: [] });
    expect(difference.changes.every((change) => change.fields.length === 0 && !('note' in change))).toBe(true);
  });

  it('writes only what differs, and shows each field of it', () => {
    const estate: Estate = {
      ...ESTATE,
      hypervisors: [{ ...ESTATE.hypervisors[0]!, maxBackups: 3 }],
      repositories: [{ ...ESTATE.repositories[0]!, path: '/srv/other' }],
      servers: [declared('a', { policy: null }), declared('b')],
    };
    const difference = compareEstate(APPLIED, estate, RESOLVED);
    expect(difference.changes.filter(({ change }) => change === 'update')).toEqual([
      { subject: 'hypervisor', name: 'hv1', change: 'update', fields: ['maxBackups: 2 -> 3'] },
      { subject: 'repository', name: 'main', change: 'update', fields: ['path: /srv/modosu -> /srv/other'] },
      { subject: 'server', name: 'a', change: 'update', fields: ['policy: daily -> none'] },
    ]);
    expect(difference.servers.map(({ id }) => id)).toEqual(['srv_a']);
    expect(difference.policies).toEqual([]);
  });

  it('takes a limit that is written out as the one that holds without it', () => {
    const written: Estate = {
      ...ESTATE,
      hypervisors: [{ ...ESTATE.hypervisors[0]!, maxBackups: 2 }],
      repositories: [{ ...ESTATE.repositories[0]!, maxBackups: 2 }],
    };
    expect(compareEstate(APPLIED, written, RESOLVED)).toMatchObject({ hypervisors: [], repositories: [] });
  });

  it('keeps what the file does not name, after what it names', () => {
    const difference = compareEstate(APPLIED, { ...NOTHING, hypervisors: [{ name: 'hv2', kind: 'libvirt', uri: 'qemu:///session' }] }, []);
    expect(shown(difference)).toEqual([
      'hypervisor hv2 create',
      'hypervisor hv1 kept',
      'repository main kept',
      'offsite vault kept',
      'policy daily kept',
      'server a kept',
      'server b kept',
      'group shop kept',
      'relation a-b kept',
    ]);
    expect(difference.changes.filter(({ change, fields }) => change === 'kept' && fields.length > 0)).toEqual([]);
    expect(difference).toMatchObject({ deletedPolicies: [], deletedGroups: [], deletedRelations: [] });
  });

  it('deletes policies, groups and relations where that was asked for, and nothing else', () => {
    const estate: Estate = { ...NOTHING, servers: [declared('a', { policy: null }), declared('b', { policy: null })] };
    const difference = compareEstate(APPLIED, estate, RESOLVED, { prune: true });
    expect(shown(difference).filter((line) => /delete|kept/.test(line))).toEqual([
      'hypervisor hv1 kept',
      'repository main kept',
      'offsite vault kept',
      'policy daily delete',
      'group shop delete',
      'relation a-b delete',
    ]);
    expect(difference).toMatchObject({ deletedPolicies: ['daily'], deletedGroups: ['shop'], deletedRelations: ['a-b'] });
  });

  it('reads a file of before there were groups and relations', () => {
    const { groups: _groups, relations: _relations, ...before } = ESTATE;
    expect(shown(compareEstate(EMPTY, before as Estate, RESOLVED))).toEqual(shown(compareEstate(EMPTY, { ...before, groups: [], relations: [] }, RESOLVED)));
  });

  it('says of a server out of service that it stays so', () => {
    const decommissioned = { at: '2026-01-01T00:00:00.000Z', by: 'alice', reason: 'replaced', keepDays: 90, protectsUntil: '2026-04-01T00:00:00.000Z' };
    const inventory = { ...APPLIED, servers: [known('a'), known('b', { decommissioned })] };
    const notes = compareEstate(inventory, ESTATE, RESOLVED).changes.map(({ name, note }) => [name, note] as const);
    expect(notes.filter(([, note]) => note !== undefined)).toEqual([
      ['b', 'stays decommissioned (by alice at 2026-01-01T00:00:00.000Z): nothing backs it up; to change that: `modosu server recommission b --reason TEXT`'],
    ]);
  });

  it.each([
    ['a domain under two names', { servers: [declared('a'), declared('b')] }, [RESOLVED[0]!, { ...RESOLVED[0]!, name: 'b' }], {}, 'ESTATE_CONFLICT'],
    ['a guest under two names', { servers: ['a', 'b'].map((name) => declared(name, { ssh: sharedAccess() })) }, RESOLVED, {}, 'ESTATE_CONFLICT'],
    ['a policy that cannot be meant', { policies: [policy('daily', 'Mars/Olympus')] }, RESOLVED, {}, 'TIME_ZONE_UNKNOWN'],
    ['the end of a policy that a server has', { policies: [], servers: [] }, [], { prune: true }, 'ESTATE_CONFLICT'],
    ['a circle with what is kept', { relations: [relation('b-a', 'b', 'a')] }, RESOLVED, {}, 'RELATION_CYCLE'],
  ] as const)('refuses %s', (_case, changes, resolved, options, code) => {
    const inventory = code === 'ESTATE_CONFLICT' && !('prune' in options) ? EMPTY : APPLIED;
    expect(() => compareEstate(inventory, { ...ESTATE, ...changes }, resolved, options)).toThrow(expect.objectContaining({ code }));
  });

  it('has no circle with a relation that goes', () => {
    const estate = { ...ESTATE, relations: [relation('b-a', 'b', 'a')] };
    expect(compareEstate(APPLIED, estate, RESOLVED, { prune: true }).deletedRelations).toEqual(['a-b']);
  });
});

function sharedAccess() {
  return { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: 'ssh-ed25519 A' };
}
