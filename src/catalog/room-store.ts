import { MoreThan } from 'typeorm';
import type { Catalog } from './catalog';
import type { Database } from './database';
import { RepositoryEntity, RepositoryRoomEntity } from './entities';

/** As often as it is worth keeping, and as far back as anybody looks. */
export const ROOM_EVERY_MS = 3_600_000;
export const ROOM_SINCE_MS = 61 * 86_400_000;

/** Room of repositories, as it was measured. */
export function roomStore(database: Database, now: () => Date): Pick<Catalog, 'recordRepositoryRoom' | 'repositoryRoom'> {
  return {
    recordRepositoryRoom: (repository, freeBytes) =>
      database.transaction(async ({ manager }) => {
        // Several workers measure: one of them writes. A clock that went back writes nothing until it is where it was.
        const row = await manager.findOne(RepositoryEntity, { where: { name: repository }, lock: { mode: 'pessimistic_write' } });
        if (row === null) return;
        const isFresh = await manager.existsBy(RepositoryRoomEntity, { repository, at: MoreThan(new Date(now().getTime() - ROOM_EVERY_MS)) });
        if (!isFresh) await manager.insert(RepositoryRoomEntity, { repository, at: now(), freeBytes });
      }),

    repositoryRoom: () =>
      database.read((manager) =>
        manager.find(RepositoryRoomEntity, { where: { at: MoreThan(new Date(now().getTime() - ROOM_SINCE_MS)) }, order: { repository: 'ASC', at: 'ASC' } }),
      ),
  };
}
