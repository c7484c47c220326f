import type { EntityManager, EntitySchema, FindOptionsWhere, ObjectLiteral } from 'typeorm';
import type { Page, PageRequest } from './catalog';
import { readTimeCursor, rowsToRead, timeCursor, toPage, type CursorKind } from './cursor';

type MomentOf<Row> = { [Key in keyof Row & string]: Row[Key] extends Date ? Key : never }[keyof Row & string];

/** A list that is sorted by a moment of its rows, and by id where that is the same; the newest is first. */
export interface TimedList<Row extends ObjectLiteral> {
  readonly entity: EntitySchema<Row>;
  readonly kind: CursorKind;
  readonly by: MomentOf<Row>;
  /** Absent: all columns are read. */
  readonly columns?: readonly (keyof Row & string)[];
}

/**
 * One page of it. Throws `REQUEST_INVALID` for a cursor or a size that cannot be.
 *
 * @param where fields that are `undefined` narrow nothing
 * @param views what is shown of the rows of a page, in their order
 */
export async function newestFirst<Row extends ObjectLiteral & { readonly id: string }, Item>(
  manager: EntityManager,
  { entity, kind, by, columns }: TimedList<Row>,
  where: FindOptionsWhere<Row>,
  page: PageRequest,
  views: (rows: readonly Row[]) => Promise<readonly Item[]>,
): Promise<Page<Item>> {
  const after = readTimeCursor(kind, page.cursor);
  const query = manager.createQueryBuilder(entity, 'row').orderBy(`row.${by}`, 'DESC').addOrderBy('row.id', 'DESC').limit(rowsToRead(page));
  if (columns !== undefined) query.select(columns.map((column) => `row.${column}`));
  const given = Object.entries(where).filter(([, value]) => value !== undefined);
  if (given.length > 0) query.andWhere(Object.fromEntries(given));
  if (after !== null) query.andWhere(`(row.${by}, row.id) < (:at, :id)`, after);
  const { items, nextCursor } = toPage(
    await query.getMany(),
    page,
    (row) => row,
    (row) => timeCursor(kind, { at: row[by] as Date, id: row.id }),
  );
  return { items: await views(items), nextCursor };
}
