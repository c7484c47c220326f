import { Context } from '@temporalio/activity';
import type {
  DataAccess,
  FilesContent,
  FilesDataSet,
  FilesSelection,
  PostgresqlContent,
  PostgresqlDataSet,
  PostgresqlFacts,
  PostgresqlSelection,
  SnapshotEntry,
} from '../src/contracts/data';
import { isModosuError, ModosuError } from '../src/contracts/errors';
import type { DataRestoreItem } from '../src/contracts/workflows';
import { canonicalJson } from '../src/domain/canonical-json';
import { compareFiles, type FileComparison } from '../src/domain/planning/file-comparison';
import { MAX_FACTS_BYTES, parseFacts } from '../src/domain/postgresql/facts';
import { listLive } from '../src/guests/files/list-live';
import type { GuestWork } from '../src/guests/guest-process';
import type { GuestAgent } from '../src/guests/guest-agent';
import { PostgresqlInGuest } from '../src/guests/postgresql/postgresql-in-guest';
import type { Postgresql } from '../src/guests/postgresql/postgresql';
import type { DataRepository } from '../src/repositories/data/data-repository';
import { sha256Of } from '../src/system/sha256';
import { ProgressRows } from './progress-rows';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';

/** What calls about data have in common. */

/** Nobody lists more of a snapshot or a guest for one restore. */
const MAX_ENTRIES = 2_000_000;

export type FilesItem = DataRestoreItem & { readonly dataSet: FilesDataSet; readonly content: FilesContent; readonly selection: FilesSelection };
export type PostgresqlItem = DataRestoreItem & {
  readonly dataSet: PostgresqlDataSet;
  readonly content: PostgresqlContent;
  readonly selection: PostgresqlSelection;
};

/** A restore item is one of files or one of a database, as a whole: plans are checked for it. */
export function filesOrDatabase<T>(item: DataRestoreItem, take: { readonly files: (item: FilesItem) => T; readonly database: (item: PostgresqlItem) => T }): T {
  const { dataSet, content, selection } = item;
  if (dataSet.kind === 'files' && content.kind === 'files' && selection.kind === 'files') return take.files(item as FilesItem);
  if (dataSet.kind === 'postgresql' && content.kind === 'postgresql' && selection.kind === 'postgresql') return take.database(item as PostgresqlItem);
  throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `Recovery point ${item.recoveryPointId} does not hold what the plan wants from it.`);
}

export const databaseIn = (agent: GuestAgent, dataSet: PostgresqlDataSet, runId: string): Postgresql => new PostgresqlInGuest(agent, dataSet, runId);

/** Where the dumps of a backup lie, in the guest. */
export const dumpDirectory = ({ spoolDirectory }: PostgresqlDataSet, runId: string): string => `${spoolDirectory}/${runId}`;
/** Where dumps lie for a restore: the database programs' own. */
export const fetchDirectory = ({ spoolDirectory }: PostgresqlDataSet, runId: string): string => `${spoolDirectory}/restore-${runId}`;
/** In it, where restic brings them; below it stand their full paths. */
export const fetchTarget = (dataSet: PostgresqlDataSet, runId: string): string => `${fetchDirectory(dataSet, runId)}/${runId}`;
/** Where the dumps of a recovery point lie after they were fetched. */
export const fetchedDumps = ({ dataSet, content }: PostgresqlItem, runId: string): string => `${fetchTarget(dataSet, runId)}${content.directory}`;

/** The facts that were saved with the dumps. Written in a guest: checked. */
export async function factsOf(repository: DataRepository, serverId: string, { snapshotId, content }: PostgresqlItem): Promise<PostgresqlFacts> {
  return parseFacts(await repository.read(serverId, snapshotId, `${content.directory}/${content.factsFile}`, { maxBytes: MAX_FACTS_BYTES }));
}

/**
 * What lies at and below paths of a snapshot. One that was declared has to be in it (`RECOVERY_POINT_INCOMPLETE`); one that people have named may not be
 * (`DATA_NOT_IN_RECOVERY_POINT`).
 */
export async function listHeld(
  repository: DataRepository,
  serverId: string,
  snapshotId: string,
  paths: readonly string[],
  declared: readonly string[],
  signal: AbortSignal,
): Promise<readonly SnapshotEntry[]> {
  return repository.list(serverId, snapshotId, paths, { maxEntries: MAX_ENTRIES, signal }).catch((error: unknown) => {
    const promised = paths.every((path) => declared.includes(path));
    throw promised && isModosuError(error) && error.code === 'DATA_NOT_IN_RECOVERY_POINT'
      ? new ModosuError('RECOVERY_POINT_INCOMPLETE', error.message, { context: error.context, cause: error })
      : error;
  });
}

/** What a restore of files would do now. */
export async function compareNow(
  agent: GuestAgent,
  repository: DataRepository,
  serverId: string,
  { snapshotId, content, selection }: FilesItem,
  work: GuestWork,
): Promise<FileComparison & { readonly digest: string; readonly truncated: boolean; readonly problems: readonly string[] }> {
  const [head, ...tail] = selection.paths;
  const selected = head === undefined ? content.paths : ([head, ...tail] as const);
  const entries = await listHeld(repository, serverId, snapshotId, selected, content.paths, work.signal);
  const live = await listLive(agent, { paths: selected }, work);
  const compared = compareFiles(entries, live, { declared: content.paths, selected: selection.paths, replace: selection.replace });
  const parts = compared.parts.map(({ base, added, replaced }) => ({ base, added: added.map(({ path }) => path), replaced: replaced.map(({ path }) => path) }));
  const digest = sha256Of(canonicalJson(parts));
  return { ...compared, digest, truncated: live.truncated, problems: live.problems };
}

/**
 * Long work in a guest: heartbeats, rows for people, and the cancellation that Temporal asked for. What hangs in the guest is noticed by whoever runs it
 * there (an agent that is silent for two minutes); lists of large trees, on either side, report nothing for longer than a heartbeat may stay away.
 */
export function inGuest<T>(deps: ActivityDependencies, runId: string, stepKey: string, work: (work: Required<GuestWork>) => Promise<T>): Promise<T> {
  const activity = Context.current();
  const rows = new ProgressRows(deps, runId);
  const onProgress: Required<GuestWork>['onProgress'] = (seen) => {
    activity.heartbeat();
    if (seen.totalBytes > 0) rows.see(stepKey, seen, Date.now());
  };
  return whileAlive((signal) => work({ signal, onProgress })).finally(() => rows.written());
}

/** Access for the guest. Locks of a restic that was killed are in nobody's way. */
export async function accessFor(repository: DataRepository, serverId: string): Promise<DataAccess> {
  await repository.removeStaleLocks(serverId);
  return repository.access(serverId);
}
