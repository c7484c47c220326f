import { madeUpRelation } from '../../../test/support/made-up-relations';
import { filesBesidePeers, sharedStateOf } from './files-beside-peers';

const peers = (...names: readonly string[]) => names.map((server) => ({ server, address: null }));
const none = new Set<string>();

describe('what a server shares with others', () => {
  it('is what it is declared to, from either side, with those that are in service', () => {
    const relations = [
      madeUpRelation({ name: 'zone', server: 'ns1', peers: peers('ns2', 'ns3'), profile: 'dns-zone' }),
      madeUpRelation({ name: 'domain', type: 'member-of', server: 'dc2', peers: peers('ns1', 'dc3'), profile: null }),
      madeUpRelation({ name: 'needs', type: 'depends-on', server: 'ns1', peers: peers('fw1'), profile: 'clock' }),
      madeUpRelation({ name: 'others', server: 'db01', peers: peers('db02') }),
      madeUpRelation({ name: 'old', server: 'ns1', peers: peers('ns3') }),
    ];
    expect(sharedStateOf('ns1', relations, new Set(['ns3']))).toEqual([
      { relation: 'zone', type: 'replicates-with', peers: ['ns2'], profile: 'dns-zone' },
      { relation: 'domain', type: 'member-of', peers: ['dc2'], profile: null },
    ]);
    expect(sharedStateOf('fw1', relations, none)).toEqual([]);
  });
});

describe('files that go back beside peers', () => {
  it('are no matter where the server shares nothing', () => {
    expect(filesBesidePeers('ns1', 'zones', [])).toEqual([]);
  });

  it('are a warning that names peers and profiles, what to look at, and how to find out afterwards', () => {
    const shared = [
      { relation: 'zone', type: 'replicates-with', peers: ['ns2'], profile: 'dns-zone' },
      { relation: 'domain', type: 'member-of', peers: ['dc2', 'ns2'], profile: null },
    ] as const;
    const [finding, ...rest] = filesBesidePeers('ns1', 'zones', shared);
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({
      code: 'FILES_GO_BACK_BESIDE_PEERS',
      severity: 'warn',
      message: expect.stringContaining('"zones" go back in time, and "ns1" shares its state with "dc2", "ns2"') as string,
      evidence: ['relation "zone" (replicates-with): "ns2", profile dns-zone', 'relation "domain" (member-of): "dc2", "ns2", no profile'],
    });
    for (const command of ['modosu profile show dns-zone', 'modosu backup image ns1 --mode online --reason TEXT', 'modosu relation judge ns1 --wait']) {
      expect(finding?.remedy).toContain(`\`${command}\``);
    }
    expect(filesBesidePeers('ns1', 'zones', shared.slice(1))[0]?.remedy).toContain('no profile says');
  });
});
