import { EntitySchema } from 'typeorm';
import type { Relation } from '../../contracts/relation';
import { json, nullable, primary, text } from './columns';

/** Names of servers: one is never removed from the catalogue, and keeps its name. The profile is a name, too: it is a file. */
export type RelationRow = Relation;

export const RelationEntity = new EntitySchema<RelationRow>({
  name: 'relation',
  columns: {
    name: text(primary),
    type: text(),
    server: text(),
    address: text(nullable),
    peers: json(),
    strength: text(),
    profile: text(nullable),
    parameters: json(),
  },
  checks: [
    { name: 'relation_type_check', expression: `type IN ('depends-on', 'replicates-with', 'member-of')` },
    { name: 'relation_strength_check', expression: `strength IN ('hard', 'soft')` },
  ],
});
