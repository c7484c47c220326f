import type { EntityManager } from 'typeorm';
import type { ServerFacts } from '../contracts/facts';
import type { Catalog } from './catalog';
import { readSequenceCursor, rowsToRead, sequenceCursor, toPage } from './cursor';
import type { Database } from './database';
import { RecoveryPointEntity, ServerFactsEntity, type RecoveryPointRow } from './entities';
import { factsToStore, generationNotFound, generationView } from './generation-rows';
import { requireServer } from './inventory-store';

/** Of a column `integer`. What is asked for beyond it is simply not there. */
const HIGHEST = 2 ** 31 - 1;

type GenerationMethods = Pick<Catalog, 'listGenerations' | 'getGeneration'>;

export function generationStore(database: Database): GenerationMethods {
  return {
    listGenerations: (serverId, page) =>
      database.read(async (manager) => {
        const server = await requireServer(manager, serverId);
        const before = readSequenceCursor('generations', page.cursor);
        const query = manager
          .createQueryBuilder(RecoveryPointEntity, 'point')
          .where(`point.serverId = :serverId AND point.kind = 'image' AND point.state <> 'deleted'`, { serverId })
          .orderBy('point.generation', 'DESC')
          .limit(rowsToRead(page));
        if (before !== 0) query.andWhere('point.generation < :before', { before: Math.min(before, HIGHEST) });
        return toPage(
          await query.getMany(),
          page,
          (row) => generationView(row, server),
          ({ generation }) => sequenceCursor('generations', generation ?? 0),
        );
      }),

    getGeneration: (serverId, generation) =>
      database.read(async (manager) => {
        const server = await requireServer(manager, serverId);
        const row = generation > HIGHEST ? null : await manager.findOneBy(RecoveryPointEntity, { serverId, kind: 'image', generation });
        if (row === null) throw generationNotFound(server, generation);
        const facts = row.factsSha256 === null ? null : await manager.findOneBy(ServerFactsEntity, { sha256: row.factsSha256 });
        return { ...generationView(row, server), sections: facts?.facts.sections ?? null };
      }),
  };
}

/** Facts are written before the row that names them, and once for as long as they stay the same. */
export async function withFacts(manager: EntityManager, row: RecoveryPointRow, facts: ServerFacts | null): Promise<RecoveryPointRow> {
  if (facts === null) return row;
  const { summary, sha256, stored } = factsToStore(facts);
  await manager.createQueryBuilder().insert().into(ServerFactsEntity).values({ sha256, facts: stored }).orIgnore().execute();
  return { ...row, facts: summary, factsSha256: sha256 };
}
