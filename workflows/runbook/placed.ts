import type { KeptDataRecord } from '../../src/contracts/way-back';

/** What was put in place, for the detail of a step. */
export const placedDetail = ({ kept }: KeptDataRecord): Readonly<Record<string, string | number | null>> =>
  kept.kind === 'files'
    ? { added: kept.added, replaced: kept.replaced }
    : { database: kept.database, added: kept.added.length, replaced: kept.replaced.length, keptDatabase: kept.keptDatabase, restoredSchema: kept.restoredSchema, keptSchema: kept.keptSchema };
