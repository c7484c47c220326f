import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { estateSchema } from '../../src/contracts/api/estate';
import { directoryProfiles } from '../../src/profiles/directory-profile-source';
import { ApiHarness, ESTATE } from './api-harness';
import { processorTimeMs } from '../support/processor-time';

const SERVERS = ['db01', 'db02'];
const RELATION = { name: 'pair', type: 'replicates-with', server: 'db01', address: '192.0.2.6', peers: [{ server: 'db02', address: '192.0.2.7' }] };
const withRelation = (relation: object, ...more: readonly object[]) => ({
  ...ESTATE,
  servers: SERVERS.map((name) => ({ ...ESTATE.servers[0], name })),
  relations: [{ ...RELATION, ...relation }, ...more],
});

/** A profile of people: how far a slot has come, asked by a query that a parameter stands in. */
const SLOT = `format: modosu-profile
version: 1
name: slot
title: How far a slot has come
status: experimental
description: For tests.
parameters:
  - { name: slot, description: Name of the slot. }
markers:
  - name: position
    type: lsn
    of: each
    isCaptured: true
    probe:
      kind: sql
      engine: postgresql
      database: postgres
      user: postgres
      query: SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '\${slot}'
rules:
  - code: SLOT_AHEAD
    phases: [plan]
    when:
      - compare: { marker: position, of: peer, at: now }
        with: { marker: position, of: server, at: recovery-point }
        is: [ahead]
    severity: block
    message: It is ahead.
`;

describe('consistency profiles', () => {
  let api: ApiHarness;
  let own: string;

  beforeEach(async () => {
    api = await ApiHarness.start();
    for (const name of SERVERS) await api.createServer(name);
    own = join(api.directory, 'profiles');
    await mkdir(own);
    api.profiles = directoryProfiles(own);
  });
  afterEach(async () => api.close());

  const put = (text: string, name = 'slot'): Promise<void> => writeFile(join(own, `${name}.yaml`), text);
  const diff = (estate: object) => api.call('POST', '/v1/estate/diff', { body: { estate } });
  const apply = (estate: object) => api.call('POST', '/v1/estate', { body: { estate } });
  const names = async (): Promise<readonly string[]> =>
    ((await api.call('GET', '/v1/profiles')).body['items'] as unknown as readonly { readonly name: string }[]).map(({ name }) => name);

  it('are listed as they are now, the shipped ones and those of people, and shown whole', async () => {
    expect(await names()).toContain('postgresql-replication');
    expect(await names()).not.toContain('slot');
    await put(SLOT);
    const { body } = await api.call('GET', '/v1/profiles', { token: api.tokens.read });
    expect(body['items']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'clock', origin: 'shipped', status: 'proven' }) as unknown,
        {
          name: 'slot',
          origin: 'own',
          status: 'experimental',
          title: 'How far a slot has come',
          description: 'For tests.',
          parameters: [{ name: 'slot', description: 'Name of the slot.', default: null }],
        },
      ]),
    );
    expect((await api.call('GET', '/v1/profiles/slot')).body).toMatchObject({
      origin: 'own',
      profile: { markers: [{ name: 'position', timeoutSeconds: 10 }], rules: [{ code: 'SLOT_AHEAD', severity: 'block' }] },
    });
  });

  it('that are not there are refused, with the name that was meant', async () => {
    expect(await api.call('GET', '/v1/profiles/postgres-replication')).toMatchObject({
      status: 404,
      body: { code: 'PROFILE_NOT_FOUND', detail: 'There is no profile "postgres-replication"; is "postgresql-replication" meant?' },
    });
    for (const name of ['none', '%00', 'Clock', '..%2Fpackage']) {
      expect(await api.call('GET', `/v1/profiles/${name}`)).toMatchObject({ status: 404, body: { code: 'PROFILE_NOT_FOUND' } });
    }
  });

  it.each([
    ['a profile that is not there', { profile: 'max-aeg' }, 'PROFILE_NOT_FOUND', 404, 'profile', /^no profile is named "max-aeg"; is "max-age" meant\?$/],
    ['a parameter that is missing', { profile: 'max-age' }, 'RELATION_INVALID', 422, 'parameters', /needs the parameter "hours": The age/],
    [
      'a parameter that the profile does not know',
      { profile: 'max-age', parameters: { hours: '24', hour: '1' } },
      'RELATION_INVALID',
      422,
      'parameters.hour',
      /has no parameter "hour": it has hours, severity/,
    ],
    ['a length of time that is none', { profile: 'max-age', parameters: { hours: 'a day' } }, 'RELATION_INVALID', 422, 'parameters.hours', /no number/],
    ['a quote in a query', { profile: 'slot', parameters: { slot: "it's" } }, 'RELATION_INVALID', 422, 'parameters.slot', /cannot stand in a query/],
    ['an option of a program', { profile: 'same-value', parameters: { argument: '-c' } }, 'RELATION_INVALID', 422, 'parameters.argument', /an option/],
    [
      'a zone that is no name of DNS',
      { profile: 'dns-zone', parameters: { zone: 'a..b', primary: 'db01' } },
      'RELATION_INVALID',
      422,
      'parameters.zone',
      /is no name of DNS/,
    ],
    [
      'a primary that is none of the two',
      { profile: 'dns-zone', parameters: { zone: 'example.org', primary: 'db10' } },
      'RELATION_INVALID',
      422,
      'parameters.primary',
      /"db10"/,
    ],
    [
      'a server that is asked over the network and has no address',
      { profile: 'dns-zone', address: null, parameters: { zone: 'example.org', primary: 'db01' } },
      'RELATION_INVALID',
      422,
      'address',
      /^"db01" needs an address, because it is asked over the network \(marker serial of dns-zone\)$/,
    ],
    [
      'a peer that is asked over the network and has no address',
      { profile: 'dns-zone', peers: [{ server: 'db02' }], parameters: { zone: 'example.org', primary: 'db01' } },
      'RELATION_INVALID',
      422,
      'peers[0]',
      /^"db02" needs an address, because it is asked over the network \(marker serial of dns-zone\)$/,
    ],
  ] as const)('relations with %s are refused when they are declared, and nothing is changed', async (_what, relation, code, status, field, message) => {
    await put(SLOT);
    for (const answer of [await diff(withRelation(relation)), await apply(withRelation(relation))]) {
      expect(answer).toMatchObject({ status, body: { code } });
      const errors = answer.body['errors'] as unknown as readonly { readonly path: string; readonly message: string }[];
      expect(errors.map(({ path }) => path)).toContain(`estate.relations[0].${field}`);
      expect(errors.find(({ path }) => path === `estate.relations[0].${field}`)?.message).toMatch(message);
    }
    expect(await api.catalog.listRelations()).toEqual([]);
    expect(await api.catalog.listServers()).toEqual([]);
  });

  it('say of all relations at once what is wrong', async () => {
    const other = { ...RELATION, name: 'other', profile: 'max-age' };
    expect((await apply(withRelation({ profile: 'kafka' }, other))).body).toMatchObject({
      code: 'PROFILE_NOT_FOUND',
      errors: [{ path: 'estate.relations[0].profile' }, { path: 'estate.relations[1].parameters' }],
    });
  });

  it('count as they are on the disk at that moment: added, changed, taken away', async () => {
    const estate = withRelation({ profile: 'slot', parameters: { slot: 'standby' } });
    expect((await diff(estate)).body['code']).toBe('PROFILE_NOT_FOUND');
    await put(SLOT);
    expect((await apply(estate)).status).toBe(200);
    expect(await api.catalog.listRelations()).toMatchObject([{ name: 'pair', profile: 'slot', parameters: { slot: 'standby' } }]);
    await put(SLOT.replace('name: slot,', 'name: place,').replace('${slot}', '${place}'));
    expect((await diff(estate)).body).toMatchObject({ code: 'RELATION_INVALID', errors: [{ path: 'estate.relations[0].parameters.slot' }, {}] });
    await rm(join(own, 'slot.yaml'));
    expect((await diff(estate)).body['code']).toBe('PROFILE_NOT_FOUND');
  });

  it('with an error in any file say file, line and column, to everybody who needs one and to nobody else', async () => {
    await put(SLOT);
    await put('format: modosu-profile\nversion: 2\nname: wrong\n', 'wrong');
    const refused = { status: 422, body: { code: 'PROFILE_INVALID' } };
    const lines = [expect.stringMatching(/wrong\.yaml:2:10: version: /), expect.anything()] as unknown[];
    for (const answer of [
      await api.call('GET', '/v1/profiles'),
      await api.call('GET', '/v1/profiles/clock'),
      await apply(withRelation({ profile: 'clock' })),
    ]) {
      expect(answer).toMatchObject(refused);
      expect((answer.body['context'] as unknown as { readonly errors: readonly string[] }).errors).toEqual(expect.arrayContaining(lines));
    }
    expect((await apply(withRelation({}))).status).toBe(200);
    await rm(join(own, 'wrong.yaml'));
    expect((await apply(withRelation({ profile: 'clock' }))).status).toBe(200);
  });

  it('are held against two thousand relations in a moment', async () => {
    const relations = Array.from({ length: 2000 }, (_, index) => ({
      ...RELATION,
      name: `pair-${index}`,
      profile: 'postgresql-replication',
      parameters: { user: index === 1999 ? '-x' : 'probe' },
    }));
    const estate = estateSchema.parse({ ...withRelation({}), relations });
    const began = processorTimeMs();
    expect((await diff(estate)).body).toMatchObject({ code: 'RELATION_INVALID', errors: [{ path: 'estate.relations[1999].parameters.user' }] });
    expect(processorTimeMs() - began).toBeLessThan(5_000);
  });
});
