import type { DataSet } from '../../contracts/data';
import { step, type NamedStep } from '../../contracts/step-keys';
import type { DataBackupItem, DataRestoreItem } from '../../contracts/workflows';
import { REMEMBER_CREDENTIALS, TAKE_SERVER } from './shared-steps';

/** Steps of a data backup in their order; each data set has its own. `hasCredentials`: whether secret stores are asked which passwords are valid. */
export const dataBackupSteps = (items: readonly DataBackupItem[], { hasCredentials = false } = {}): readonly NamedStep[] => [
  step('examine', 'Examine guest agent, restic, databases and the data repository'),
  TAKE_SERVER,
  ...(hasCredentials ? [REMEMBER_CREDENTIALS] : []),
  ...items.flatMap(({ dataSet }) => dataSetSteps(dataSet)),
  step('release', 'Release the server'),
];

/** What is done for one data set. */
export function dataSetSteps({ name, kind, before, after }: DataSet): readonly NamedStep[] {
  return [
    ...(before === null ? [] : [step(`before:${name}`, `${name}: run the declared program before`)]),
    ...(kind === 'postgresql' ? [step(`dump:${name}`, `${name}: dump the databases and read the dumps to their end`)] : []),
    step(`save:${name}`, `${name}: save with restic`),
    ...(after === null ? [] : [step(`after:${name}`, `${name}: run the declared program after`)]),
    step(`verify:${name}`, `${name}: prove from outside that everything declared is in the snapshot`),
    step(`publish:${name}`, `${name}: publish the recovery point`),
  ];
}

/** Distinguishes the items of one restore: a data set, or one database of it. */
export const itemKey = ({ dataSet, selection }: Pick<DataRestoreItem, 'dataSet' | 'selection'>): string =>
  selection.kind === 'postgresql' ? `${dataSet.name}:${selection.database}` : dataSet.name;

/** Steps of a data restore into a running server. */
export const dataRestoreSteps = (item: Pick<DataRestoreItem, 'dataSet' | 'selection'>): readonly NamedStep[] => [
  step('check', 'Check that guest and recovery point are as planned'),
  TAKE_SERVER,
  step('safety', 'Save the data as it is now, if that can be done'),
  step('fetch', 'Fetch the data into a directory beside its place'),
  ...(isWhole(item) ? [step('load', 'Load the dump beside the live database, and check it')] : []),
  step('place', placeTitle(item)),
  step('tidy', 'Remove what was fetched'),
  step('record', 'Release the server; the way back stays'),
];

/** Steps that bring the data of one item into a server that was restored from its image. */
export const dataAfterImageSteps = (item: Pick<DataRestoreItem, 'dataSet' | 'selection'>): readonly NamedStep[] => [
  step(`data-fetch:${itemKey(item)}`, `Data ${itemKey(item)}: fetch it into the restored server`),
  step(`data-place:${itemKey(item)}`, `Data ${itemKey(item)}: put it in place, and check it`),
];

const isWhole = ({ selection }: Pick<DataRestoreItem, 'selection'>): boolean => selection.kind === 'postgresql' && selection.whole;

function placeTitle({ selection }: Pick<DataRestoreItem, 'selection'>): string {
  if (selection.kind === 'files') {
    return selection.replace
      ? 'Put missing files in place, and replace those that differ; what stood there is kept'
      : 'Put missing files in place; those that exist stay';
  }
  if (selection.whole) return 'Swap the databases by renaming; the replaced one is kept';
  return selection.replace ? 'Put the tables in place; the rows they had are kept' : 'Put missing tables in place; the others beside, to compare';
}

/** Steps of the undo of a data restore. */
export const DATA_UNDO_STEPS: readonly NamedStep[] = [
  step('check', 'Check what is kept, and what has changed since'),
  TAKE_SERVER,
  step('return', 'Put back what the restore had replaced; what stands there now is kept'),
  step('record', 'Release the server; a way back to the undone data stays'),
];
