import { shippedProfile } from '../../../test/support/judged-profile';
import { ModosuError } from '../../contracts/errors';
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
