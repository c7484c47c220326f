import type { Finding } from '../../contracts/plan';
import type { Relation } from '../../contracts/relation';
import { namesOf } from '../../contracts/text';

/** Files that go back in time on a server of which others hold copies. Pure. */

/** A relation in which a server shares its state with others, seen from that server, from whichever side it is declared. */
export interface SharedState {
  readonly relation: string;
  readonly type: Relation['type'];
  /** In service, by name. */
  readonly peers: readonly string[];
  readonly profile: string | null;
}

/** @param decommissioned names of servers that are out of service: nobody follows these, and they follow nobody */
export const sharedStateOf = (server: string, relations: readonly Relation[], decommissioned: ReadonlySet<string>): readonly SharedState[] =>
  relations
    .filter(({ type }) => type !== 'depends-on')
    .flatMap(({ name, type, server: own, peers, profile }) => {
      const others = own === server ? peers.map((peer) => peer.server) : peers.some((peer) => peer.server === server) ? [own] : [];
      const inService = others.filter((other) => other !== server && !decommissioned.has(other));
      return inService.length === 0 ? [] : [{ relation: name, type, peers: inService, profile }];
    });

/**
 * Rules judge images: what a database is loaded with goes forward, as any other write does, but a file comes back with the number that stands in it. A warning, because the
 * files may have nothing to do with what the servers share, and only people know.
 */
export function filesBesidePeers(server: string, dataSet: string, shared: readonly SharedState[]): readonly Finding[] {
  if (shared.length === 0) return [];
  const peers = [...new Set(shared.flatMap((one) => one.peers))].sort();
  const profiles = [...new Set(shared.flatMap(({ profile }) => profile ?? []))].sort();
  const asked =
    profiles.length === 0
      ? 'no profile says what they have of each other: find out by hand how far each of them is'
      : `what is asked of them: ${profiles.map((profile) => `\`modosu profile show ${profile}\``).join(', ')}`;
  return [
    {
      code: 'FILES_GO_BACK_BESIDE_PEERS',
      severity: 'warn',
      message: `The files of "${dataSet}" go back in time, and "${server}" shares its state with ${namesOf(peers)}. Where these files say themselves how far they are, such as the serial of a zone, the number goes back with them: peers that are further on do not take what is changed from then on. Nobody has asked them.`,
      remedy: `Compare such a number in the files with what the peers have (${asked}). After the restore raise it above theirs, and see that they follow. Whether the peers are ahead of the server then is found out with a new image: \`modosu backup image ${server} --mode online --reason TEXT\`, then \`modosu relation judge ${server} --wait\`.`,
      evidence: shared.map(
        ({ relation, type, peers: others, profile }) =>
          `relation "${relation}" (${type}): ${namesOf(others)}, ${profile === null ? 'no profile' : `profile ${profile}`}`,
      ),
    },
  ];
}
