import type { PlacedData } from '../../src/contracts/activities';

type Detail = Readonly<Record<string, string | number | null>>;

/** What people have to know: nothing else tells them. */
export const notesDetail = (notes: readonly string[]): Detail => (notes.length === 0 ? {} : { notes: notes.join(' ') });

/** What was put in place, for the detail of a step. */
export const placedDetail = ({ record: { kept }, notes }: Pick<PlacedData, 'record' | 'notes'>): Detail => ({
  ...(kept.kind === 'files'
    ? { added: kept.added, replaced: kept.replaced }
    : { database: kept.database, added: kept.added.length, replaced: kept.replaced.length, keptDatabase: kept.keptDatabase, restoredSchema: kept.restoredSchema, keptSchema: kept.keptSchema }),
  ...notesDetail(notes),
});
