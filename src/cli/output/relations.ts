import type { Relation } from '../../contracts/relation';
import { table } from './text';

export const relationTable = (relations: readonly Relation[]): string =>
  table(
    ['NAME', 'SERVER', 'RELATION', 'PEERS', 'PROFILE', 'PARAMETERS'],
    relations.map(({ name, type, server, address, peers, strength, profile, parameters }) => [
      name,
      address === null ? server : `${server} at ${address}`,
      type === 'depends-on' ? `${type}, ${strength}` : type,
      peers.map((peer) => (peer.address === null ? peer.server : `${peer.server} at ${peer.address}`)).join(', '),
      profile ?? '-',
      Object.entries(parameters)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || '-',
    ]),
  );
