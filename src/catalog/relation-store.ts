import type { Relation } from '../contracts/relation';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { readRelations } from './inventory-store';

export const relationStore = (database: Database): Pick<Catalog, 'listRelations'> => ({
  listRelations: async ({ server } = {}) => {
    const relations = await database.read(readRelations);
    return server === undefined ? relations : relations.filter((relation) => concerns(relation, server));
  },
});

/** Whether a server of this name is part of it. */
export const concerns = ({ server, peers }: Relation, name: string): boolean => server === name || peers.some((peer) => peer.server === name);
