import type { SavedData } from '../../contracts/activities/data';
import type { DataSet, PostgresqlContent, PostgresqlDataSet, SnapshotEntry } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';

/** What forbids work on data, or says that it was not done well. */

/** @throws GUEST_COMMAND_FORBIDDEN when the agent runs no programs */
export function requireGuestPrograms(commands: readonly string[], serverName: string): void {
  if (commands.includes('guest-exec')) return;
  throw new ModosuError('GUEST_COMMAND_FORBIDDEN', `The guest agent of ${serverName} does not run programs: restic and the databases cannot be reached.`);
}

/** @throws DUMP_FAILED: others than superusers see neither all roles nor all settings */
export function requireSuperuser({ user }: Pick<PostgresqlDataSet, 'user'>, superuser: boolean, serverName: string): void {
  if (superuser) return;
  throw new ModosuError('DUMP_FAILED', `"${user}" is no superuser of the database server in ${serverName}: roles and settings could not be saved.`, {
    hint: 'Name a superuser as "user" of the data set.',
  });
}

/**
 * What restic in the guest says it has saved is in the repository, as whoever looks from outside the guest sees it.
 *
 * @param held what the repository lists of the snapshot; `snapshots` are the ids of the recovery point's snapshots of this data set
 * @throws RECOVERY_POINT_INCOMPLETE
 */
export function requireSaved(
  { name }: Pick<DataSet, 'name'>,
  { snapshotId, content }: Pick<SavedData, 'snapshotId' | 'content'>,
  snapshots: readonly string[],
  held: readonly SnapshotEntry[],
): { readonly files: number; readonly totalBytes: number } {
  if (!snapshots.includes(snapshotId)) {
    throw new ModosuError(
      'RECOVERY_POINT_INCOMPLETE',
      `The repository has no snapshot ${snapshotId.slice(0, 10)} of the data set "${name}", although restic in the guest has reported it.`,
    );
  }
  const files = held.filter(({ type }) => type === 'file');
  if (content.kind === 'postgresql') requireDumps(content, files);
  return { files: files.length, totalBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

/** Every dump with the size it had, and what belongs to them. */
function requireDumps({ directory, databases, factsFile, globalsFile }: PostgresqlContent, files: readonly SnapshotEntry[]): void {
  const sizes = new Map(files.map(({ path, sizeBytes }) => [path, sizeBytes]));
  const wanted: readonly { readonly file: string; readonly sizeBytes: number | null }[] = [
    ...databases,
    ...[factsFile, globalsFile].map((file) => ({ file, sizeBytes: null })),
  ];
  const wrong = wanted
    .map(({ file, sizeBytes }) => ({ path: `${directory}/${file}`, sizeBytes }))
    .find(({ path, sizeBytes }) => !sizes.has(path) || (sizeBytes !== null && sizes.get(path) !== sizeBytes));
  if (wrong !== undefined) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `The snapshot holds ${wrong.path} not, or not as it was dumped.`);
}

/** People work in the guest while a plan is read: a few files more are what they expect. */
const UNPLANNED_FILES = 10;
const UNPLANNED_SHARE = 0.1;

/**
 * An approval covers what the plan says: asked before anything is fetched, and again before anything is put in place. `plannedReplaced` null: the plan gave
 * no number.
 *
 * @throws PLAN_STALE, DATA_RESTORE_FAILED when not all files could be compared
 */
export function requireAsPlanned({
  plannedReplaced: planned,
  replacedFiles: found,
  truncated,
}: {
  readonly plannedReplaced: number | null;
  readonly replacedFiles: number;
  readonly truncated: boolean;
}): void {
  if (truncated) {
    throw new ModosuError('DATA_RESTORE_FAILED', 'There are more files in the guest than can be compared.', {
      hint: 'Choose a part of the data set with --path.',
    });
  }
  if (planned === null || found <= planned + Math.max(UNPLANNED_FILES, planned * UNPLANNED_SHARE)) return;
  throw new ModosuError(
    'PLAN_STALE',
    `The plan says that ${planned} ${planned === 1 ? 'file is' : 'files are'} replaced; by now ${found} differ from the recovery point. Nothing was replaced.`,
    { context: { planned, found } },
  );
}
