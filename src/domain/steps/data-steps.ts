import type { DataSet } from '../../contracts/data';
import type { PlannedStep } from '../../contracts/plan';
import type { DataBackupItem, DataRestoreItem } from '../../contracts/workflows';

/** Steps of a data backup in their order; each data set has its own. */
export const dataBackupSteps = (items: readonly DataBackupItem[]): readonly PlannedStep[] => [
  { key: 'examine', title: 'Examine guest agent, restic, databases and the data repository' },
  { key: 'fence', title: 'Take the server: no older run may write to it any more' },
  ...items.flatMap(({ dataSet }) => dataSetSteps(dataSet)),
  { key: 'release', title: 'Release the server' },
];

/** What is done for one data set. */
export function dataSetSteps({ name, kind, before, after }: DataSet): readonly PlannedStep[] {
  return [
    ...(before === null ? [] : [{ key: `before:${name}`, title: `${name}: run the declared program before` }]),
    ...(kind === 'postgresql' ? [{ key: `dump:${name}`, title: `${name}: dump the databases and read the dumps to their end` }] : []),
    { key: `save:${name}`, title: `${name}: save with restic` },
    ...(after === null ? [] : [{ key: `after:${name}`, title: `${name}: run the declared program after` }]),
    { key: `verify:${name}`, title: `${name}: prove from outside that everything declared is in the snapshot` },
    { key: `publish:${name}`, title: `${name}: publish the recovery point` },
  ];
}

/** Distinguishes the items of one restore: a data set, or one database of it. */
export const itemKey = ({ dataSet, selection }: Pick<DataRestoreItem, 'dataSet' | 'selection'>): string =>
  selection.kind === 'postgresql' ? `${dataSet.name}:${selection.database}` : dataSet.name;

/** Steps of a data restore into a running server. */
export const dataRestoreSteps = (item: Pick<DataRestoreItem, 'dataSet' | 'selection'>): readonly PlannedStep[] => [
  { key: 'check', title: 'Check that guest and recovery point are as planned' },
  { key: 'fence', title: 'Take the server: no older run may write to it any more' },
  { key: 'safety', title: 'Save the data as it is now, if that can be done' },
  { key: 'fetch', title: 'Fetch the data into a directory beside its place' },
  ...(isWhole(item) ? [{ key: 'load', title: 'Load the dump beside the live database, and check it' }] : []),
  { key: 'place', title: placeTitle(item) },
  { key: 'tidy', title: 'Remove what was fetched' },
  { key: 'record', title: 'Release the server; the way back stays' },
];

/** Steps that bring the data of one item into a server that was restored from its image. */
export const dataAfterImageSteps = (item: Pick<DataRestoreItem, 'dataSet' | 'selection'>): readonly PlannedStep[] => [
  { key: `data-fetch:${itemKey(item)}`, title: `Data ${itemKey(item)}: fetch it into the restored server` },
  { key: `data-place:${itemKey(item)}`, title: `Data ${itemKey(item)}: put it in place, and check it` },
];

const isWhole = ({ selection }: Pick<DataRestoreItem, 'selection'>): boolean => selection.kind === 'postgresql' && selection.whole;

function placeTitle({ selection }: Pick<DataRestoreItem, 'selection'>): string {
  if (selection.kind === 'files') return selection.replace ? 'Put missing files in place, and replace those that differ; what stood there is kept' : 'Put missing files in place; those that exist stay';
  if (selection.whole) return 'Swap the databases by renaming; the replaced one is kept';
  return selection.replace ? 'Put the tables in place; the rows they had are kept' : 'Put missing tables in place; the others beside, to compare';
}

/** Steps of the undo of a data restore. */
export const DATA_UNDO_STEPS: readonly PlannedStep[] = [
  { key: 'check', title: 'Check what is kept, and what has changed since' },
  { key: 'fence', title: 'Take the server: no older run may write to it any more' },
  { key: 'return', title: 'Put back what the restore had replaced; what stands there now is kept' },
  { key: 'record', title: 'Release the server; a way back to the undone data stays' },
];
