import type { DatabaseFacts, GuestSpace } from '../../contracts/data';
import type { ObjectItems } from './selection';
import { withPartitions } from './toc';

/** Left to the database server, and to whatever else runs in the guest. */
const RESERVE_BYTES = 32 * 1024 * 1024;
/** Objects stand in a scratch database first, and once more where they are to go. */
const COPIES_OF_OBJECTS = 2;

/** Where a load takes room in the guest. */
export interface LoadPlaces {
  readonly dataDirectory: string;
  /** Where the dump lies; on the same file system, one reserve is enough for both. */
  readonly spoolDirectory: string;
  readonly sameFileSystem: boolean;
}

/** What is loaded, and the dump that it is loaded from. Both on one file system need both. `items` null: the whole database. */
export function roomForLoad(
  facts: Pick<DatabaseFacts, 'tables' | 'sizeBytes'>,
  items: ObjectItems | null,
  { dataDirectory, spoolDirectory, sameFileSystem }: LoadPlaces,
): readonly Omit<GuestSpace, 'freeBytes'>[] {
  const wanted =
    items === null
      ? facts.tables
      : [
          ...withPartitions(
            facts.tables,
            items.tables.map(({ table }) => table),
          ),
          ...items.schemas.flatMap(({ tables }) => tables),
        ];
  const bytes = wanted.reduce((sum, table) => sum + table.bytes, 0);
  const loaded = items === null ? bytes : bytes * COPIES_OF_OBJECTS;
  // The rows of objects go through a file beside the dump.
  const spooled = facts.sizeBytes + (items === null ? 0 : bytes);
  if (sameFileSystem) return [{ directory: dataDirectory, neededBytes: loaded + spooled + RESERVE_BYTES }];
  return [
    { directory: dataDirectory, neededBytes: loaded + RESERVE_BYTES },
    { directory: spoolDirectory, neededBytes: spooled + RESERVE_BYTES },
  ];
}
