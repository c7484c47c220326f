import { shippedProfile } from '../../../test/support/judged-profile';
import { profileSchema } from '../../contracts/api/profile';
import { ModosuError } from '../../contracts/errors';
import type { MarkerSpec } from '../../contracts/profile';
import type { Relation } from '../../contracts/relation';
import { askable } from '../../probes/askable';
import { declaredFaults, faultText, type Askable } from './declared-faults';

const ZONE: Relation = {
  name: 'ns01-goes-back',
  type: 'replicates-with',
  server: 'ns01',
  address: '192.0.2.11',
  peers: [{ server: 'ns02', address: '192.0.2.12' }],
  strength: 'hard',
  profile: 'dns-zone',
  parameters: { zone: 'example.org' },
};
const zone = shippedProfile('dns-zone');
const faults = (changes: Partial<Relation>, ask: Askable = askable) => declaredFaults({ ...ZONE, ...changes }, zone, ask);

describe('what a relation could never be judged by', () => {
  it('is nothing where all is given', () => {
    expect(faults({ parameters: { zone: 'example.org', primary: 'ns01' } })).toEqual([]);
  });

  it('is an address that is missing of whoever is asked over the network, told of its side', () => {
    const parameters = { zone: 'example.org', primary: 'ns01' };
    expect(faults({ parameters, peers: [{ server: 'ns02', address: null }] }).map(({ field }) => field)).toContain('peers[0]');
    expect(faults({ parameters, address: null })).toContainEqual(
      expect.objectContaining({ field: 'address', message: '"ns01" needs an address, because it is asked over the network' }),
    );
  });

  it('is a parameter that nobody knows', () => {
    expect(faults({ parameters: { zone: 'example.org', primary: 'ns01', zones: 'x' } }).map(({ field }) => field)).toEqual(['parameters.zones']);
  });

  it('is a value with which a marker could not be asked, told once, of the parameter that is in the way', () => {
    const refused: Askable = () => {
      throw new ModosuError('PROBE_INVALID', 'It cannot stand there.', { context: { parameter: 'zone' } });
    };
    const found = faults({ parameters: { zone: 'example.org', primary: 'ns01' } }, refused);
    expect(found).toEqual([{ field: 'parameters.zone', message: 'It cannot stand there', part: expect.stringMatching(/^marker /) as string }]);
    expect(found.map((fault) => faultText(fault, zone))).toEqual([expect.stringMatching(/^It cannot stand there \(marker \S+ of dns-zone\)$/)]);
  });

  it('lets any other error pass', () => {
    const broken: Askable = () => {
      throw new Error('broken');
    };
    expect(() => faults({ parameters: { zone: 'example.org', primary: 'ns01' } }, broken)).toThrow('broken');
  });
});

const PAIR: Relation = { ...ZONE, server: 'srv01', peers: [{ server: 'srv02', address: '192.0.2.12' }], profile: 'made-up', parameters: {} };
/** Its markers, and one rule that finds nothing. */
const madeUp = (markers: readonly object[], parameters: readonly object[] = []) =>
  profileSchema.parse({
    format: 'modosu-profile',
    version: 1,
    name: 'made-up',
    title: 'Made up',
    status: 'experimental',
    description: 'Made up.',
    parameters,
    markers,
    rules: [{ code: 'NEVER', phases: ['plan'], when: [{ text: '${server}', equals: '${peer}' }], severity: 'warn', message: 'It is the same.' }],
  });
const marker = (of: string, probe: object, name = 'asked') => ({ name, type: 'text', of, probe });
const fields = (profile: ReturnType<typeof madeUp>, changes: Partial<Relation>, ask: Askable = askable) =>
  declaredFaults({ ...PAIR, ...changes }, profile, ask).map(({ field }) => field);
const refusing =
  (message: string, parameter?: string): Askable =>
  () => {
    throw new ModosuError('PROBE_INVALID', message, parameter === undefined ? {} : { context: { parameter } });
  };

const PROGRAM = { kind: 'command', argv: ['/bin/program'] };
const DNS = { kind: 'dns', name: 'example.org', type: 'A' };

describe('an address is needed', () => {
  const NOWHERE = { address: null, peers: [{ server: 'srv02', address: null }] };

  it.each([
    ['DNS', DNS],
    ['a port', { kind: 'tcp', port: '53' }],
    ['a URL with the address', { kind: 'http', url: 'http://${address}/age' }],
    ['a program with the address', { kind: 'command', argv: ['/bin/program', '${address}'] }],
  ])('of each side that is asked, for %s', (_what, probe) => {
    const profile = (of: string) => madeUp([{ ...marker(of, probe), type: probe.kind === 'tcp' ? 'boolean' : 'text' }]);
    expect(fields(profile('peer'), NOWHERE)).toEqual(['peers[0]']);
    expect(fields(profile('server'), NOWHERE)).toEqual(['address']);
    expect(fields(profile('each'), NOWHERE)).toEqual(['peers[0]', 'address']);
    expect(fields(profile('each'), { address: null })).toEqual(['address']);
    expect(fields(profile('each'), {})).toEqual([]);
    expect(fields(profile('peer'), { address: null })).toEqual([]);
    expect(fields(profile('server'), { peers: NOWHERE.peers })).toEqual([]);
  });

  it.each([
    ['a program', PROGRAM],
    ['a URL with a host of its own', { kind: 'http', url: 'http://example.org/age' }],
    ['a program with the names of the two', { kind: 'command', argv: ['/bin/program', '${server}', '${peer}'] }],
  ])('by nobody for %s', (_what, probe) => {
    expect(fields(madeUp([marker('each', probe)]), NOWHERE)).toEqual([]);
  });

  it('of the peer that has none, whatever others have', () => {
    const peers = [...PAIR.peers, { server: 'srv03', address: null }];
    expect(declaredFaults({ ...PAIR, peers }, madeUp([marker('each', DNS)]), askable)).toEqual([
      { field: 'peers[1]', message: '"srv03" needs an address, because it is asked over the network', part: 'marker asked' },
    ]);
  });
});

describe('what would be asked', () => {
  const parameters = [
    { name: 'zone', description: 'Has to be given.' },
    { name: 'port', description: 'Has a default.', default: '53' },
  ];
  const asked = (of: string, changes: Partial<Relation>) => {
    const calls: [string, Readonly<Record<string, string>>][] = [];
    const ask = ({ name }: MarkerSpec, values: Readonly<Record<string, string>>) => calls.push([name, values]);
    const probe = { kind: 'command', argv: ['/bin/program', '${port}', '${zone}'] };
    return { faults: declaredFaults({ ...PAIR, ...changes }, madeUp([marker(of, probe)], parameters), ask), calls };
  };

  it('has the address of the side that is asked, and defaults for what is not given', () => {
    const common = { server: 'srv01', zone: 'example.org', port: '53' };
    const ofPeer = { ...common, peer: 'srv02', address: '192.0.2.12' };
    const ofServer = { ...common, peer: 'srv02', address: '192.0.2.11' };
    const given = { parameters: { zone: 'example.org' } };
    expect(asked('peer', given).calls).toEqual([['asked', ofPeer]]);
    expect(asked('server', given).calls).toEqual([['asked', ofServer]]);
    const peers = [...PAIR.peers, { server: 'srv03', address: '192.0.2.13' }];
    expect(asked('each', { ...given, peers }).calls.map(([, values]) => values)).toEqual([
      ofPeer,
      ofServer,
      { ...common, peer: 'srv03', address: '192.0.2.13' },
      { ...common, peer: 'srv03', address: '192.0.2.11' },
    ]);
  });

  it('is not tried where a parameter is missing, which is told once, of the parameters', () => {
    expect(asked('each', {})).toEqual({
      faults: [{ field: 'parameters', message: 'the profile made-up needs the parameter "zone": Has to be given.', part: null }],
      calls: [],
    });
  });
});

describe('the field that is in the way', () => {
  const parameters = [
    { name: 'zone', description: 'The zone.', default: 'example.org' },
    { name: 'port', description: 'The port.', default: '53' },
  ];
  const profile = (of: string) => madeUp([marker(of, { kind: 'command', argv: ['/bin/program', '${zone}', '${port}'] })], parameters);
  const BOTH = { zone: 'example.net', port: '54' };

  it.each<[string, string, string | undefined, Readonly<Record<string, string>>, string]>([
    ['the peer for its name', 'peer', 'peer', BOTH, 'peers[0]'],
    ['the peer for its name also where the server is asked', 'server', 'peer', BOTH, 'peers[0]'],
    ['the peer for its address', 'peer', 'address', BOTH, 'peers[0]'],
    ['the address of the server for that', 'server', 'address', BOTH, 'address'],
    ['the server for its name', 'peer', 'server', BOTH, 'server'],
    ['the parameter that was named', 'peer', 'port', BOTH, 'parameters.port'],
    ['the first one given that is asked with, where none was named', 'peer', undefined, { port: '54' }, 'parameters.port'],
    ['the first one given that is asked with, where the default of another one was named', 'peer', 'port', { zone: 'example.net' }, 'parameters.zone'],
    ['all parameters, where none is given', 'peer', 'port', {}, 'parameters'],
    ['all parameters, where none is given and none was named', 'peer', undefined, {}, 'parameters'],
  ])('is %s', (_what, of, named, given, field) => {
    expect(fields(profile(of), { parameters: given }, refusing('It cannot stand there.', named))).toEqual([field]);
  });

  it('is of the second peer what that one alone has', () => {
    const peers = [...PAIR.peers, { server: 'srv03', address: '192.0.2--13' }];
    const query = { kind: 'sql', engine: 'postgresql', database: 'app', user: 'app', query: "select '${address}'" };
    expect(fields(madeUp([marker('each', query)]), { peers })).toEqual(['peers[1]']);
  });

  // An address that is not asked must not refuse a relation, and one that is must not pass.
  it('is the address of the server, and never of its peer, for what is asked of the server alone', () => {
    const query = { kind: 'sql', engine: 'postgresql', database: 'app', user: 'app', query: "select '${address}'" };
    const ofServer = madeUp([marker('server', query)]);
    expect(fields(ofServer, { address: 'db--1.example.org' })).toEqual(['address']);
    expect(fields(ofServer, { peers: [{ server: 'srv02', address: 'db--2.example.org' }] })).toEqual([]);
  });
});

describe('what is told', () => {
  const two = madeUp([marker('peer', PROGRAM, 'first'), marker('peer', PROGRAM, 'second')]);
  const byMarker =
    (of: Readonly<Record<string, Askable>>): Askable =>
    (spec, values) =>
      of[spec.name]?.(spec, values);

  it('is one fault where field and message are the same, of the first part that has it', () => {
    expect(declaredFaults(PAIR, two, refusing('It is none.', 'server'))).toEqual([{ field: 'server', message: 'It is none', part: 'marker first' }]);
  });

  it.each([
    ['of two fields', refusing('It is none.', 'server'), refusing('It is none.', 'peer')],
    ['with two messages', refusing('It is none.', 'server'), refusing('It is another one.', 'server')],
  ])('are two faults %s', (_what, first, second) => {
    expect(declaredFaults(PAIR, two, byMarker({ first, second })).map(({ part }) => part)).toEqual(['marker first', 'marker second']);
  });

  it('loses its last full stop alone', () => {
    expect(declaredFaults(PAIR, two, refusing('"a.b" is none.'))).toMatchObject([{ message: '"a.b" is none' }]);
  });

  it('is no error of another code, which passes', () => {
    const broken: Askable = () => {
      throw new ModosuError('PROBE_FAILED', 'It did not answer.');
    };
    expect(() => declaredFaults(PAIR, two, broken)).toThrow('It did not answer.');
  });

  it('names the part of the profile only where one is in the way', () => {
    expect(faultText({ field: 'parameters', message: 'it needs more', part: null }, two)).toBe('it needs more');
  });
});
