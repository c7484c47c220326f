import type { Relation } from '../../contracts/relation';
import { hardCycle } from './cycles';

const needs = (server: string, peer: string, more: Partial<Relation> = {}): Relation => ({
  name: `${server}-${peer}`,
  type: 'depends-on',
  server,
  address: null,
  peers: [{ server: peer, address: null }],
  strength: 'hard',
  profile: null,
  parameters: {},
  ...more,
});

describe('hard dependencies', () => {
  it('may meet, and may be long', () => {
    expect(hardCycle([needs('web', 'db'), needs('web', 'cache'), needs('cache', 'db'), needs('db', 'dns')])).toBeNull();
    expect(hardCycle(Array.from({ length: 10_000 }, (_, index) => needs(`s${index}`, `s${index + 1}`)))).toBeNull();
  });

  it('must not go round: the circle is named from one server back to itself', () => {
    expect(hardCycle([needs('web', 'app'), needs('app', 'db'), needs('db', 'app')])).toEqual(['app', 'db', 'app']);
    expect(hardCycle([needs('a', 'a')])).toEqual(['a', 'a']);
  });

  it('are looked at by name, wherever they are declared, and the circle is named without the way to it', () => {
    expect(hardCycle([needs('y', 'z'), needs('z', 'y'), needs('b', 'a'), needs('a', 'b')])).toEqual(['a', 'b', 'a']);
    expect(hardCycle([needs('a', 'x'), needs('x', 'y'), needs('y', 'x')])).toEqual(['x', 'y', 'x']);
  });

  it('go round also by the second of several that a server needs, and by a circle that begins later', () => {
    expect(hardCycle([needs('a', 'dns'), needs('a', 'b'), needs('b', 'a')])).toEqual(['a', 'b', 'a']);
    expect(hardCycle([needs('a', 'dns'), needs('b', 'c'), needs('c', 'b')])).toEqual(['b', 'c', 'b']);
  });

  it('are the only ones that count', () => {
    expect(hardCycle([needs('a', 'b'), needs('b', 'a', { strength: 'soft' })])).toBeNull();
    expect(hardCycle([needs('a', 'b', { type: 'replicates-with' }), needs('b', 'a', { type: 'replicates-with' })])).toBeNull();
  });
});
