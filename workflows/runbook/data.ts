import type { PlacedData } from '../../src/contracts/activities/data';
import type { KeptDataRecord, WayBackFacts } from '../../src/contracts/way-back';
import type { DataBackupItem, DataRestoreItem, RunInput } from '../../src/contracts/workflows';
import { catalogue, type Calls } from './activities';
import { tolerated } from './errors';

/** Ways back and evidence that several runbooks share, for what is done to data in a guest. */

type Detail = Readonly<Record<string, string | number | null>>;
type LeftBehind = Readonly<{ leftBehind?: string }>;

/**
 * What cannot be removed from a guest now costs room there, nothing else: said in the step's detail, not failed for. A guest that is off must not keep the
 * server from being restored.
 */
export const leftBehind = (work: Promise<void>): Promise<LeftBehind> => tolerated('leftBehind', work);

/** Whole databases lie there in plain. */
export const discardSpool = ({ data }: Pick<Calls, 'data'>, input: RunInput, dataSet: DataBackupItem['dataSet']): Promise<LeftBehind> =>
  leftBehind(data.discardSpool(input, dataSet));

/**
 * The data of the item is again what it was before this run, and the catalogue says so. Nothing of it in place: nothing. What others have written meanwhile
 * stays, and the result says where.
 */
export async function takeDataBack({ undoData }: Pick<Calls, 'undoData'>, input: RunInput, item: DataRestoreItem): Promise<LeftBehind> {
  const left = await undoData.takeDataBack(input, item);
  await catalogue.revertWayBack(input.runId);
  return left;
}

/** The way back of a run that has replaced data alone. */
export const keptInGuest = (data: KeptDataRecord): WayBackFacts => ({ wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true, data });

/** What people have to know: nothing else tells them. */
export const notesDetail = (notes: readonly string[]): Detail => (notes.length === 0 ? {} : { notes: notes.join(' ') });

/** What was put in place, for the detail of a step. */
export const placedDetail = ({ record: { kept }, notes }: Pick<PlacedData, 'record' | 'notes'>): Detail => ({
  ...(kept.kind === 'files'
    ? { added: kept.added, replaced: kept.replaced }
    : {
        database: kept.database,
        added: kept.added.length,
        replaced: kept.replaced.length,
        keptDatabase: kept.keptDatabase,
        restoredSchema: kept.restoredSchema,
        keptSchema: kept.keptSchema,
      }),
  ...notesDetail(notes),
});
