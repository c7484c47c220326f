import type { Relation } from '../../contracts/relation';
import { verdictCell, type RelationVerdict } from './judgements';
import { table } from './text';

/** With what was found out of it last. */
export interface JudgedRelation extends Relation {
  readonly judged: readonly RelationVerdict[];
}

export const relationTable = (relations: readonly JudgedRelation[]): string =>
  table(
    ['NAME', 'SERVER', 'RELATION', 'PEERS', 'PROFILE', 'VERDICT', 'PARAMETERS'],
    relations.map(({ name, type, server, address, peers, strength, profile, parameters, judged }) => [
      name,
      address === null ? server : `${server} at ${address}`,
      type === 'depends-on' ? `${type}, ${strength}` : type,
      peers.map((peer) => (peer.address === null ? peer.server : `${peer.server} at ${peer.address}`)).join(', '),
      profile ?? '-',
      verdictCell(judged),
      Object.entries(parameters)
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || '-',
    ]),
  );
