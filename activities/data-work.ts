import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import type { DataAccess, FilesContent, FilesDataSet, FilesSelection, PostgresqlContent, PostgresqlDataSet, PostgresqlFacts, PostgresqlSelection } from '../src/contracts/data';
import { ModosuError } from '../src/contracts/errors';
import type { DataRestoreItem, RunInput } from '../src/contracts/workflows';
import { canonicalJson } from '../src/domain/canonical-json';
import { compareFiles, type FileComparison } from '../src/domain/file-comparison';
import { MAX_FACTS_BYTES, parseFacts } from '../src/domain/postgresql-facts';
import { listLive } from '../src/guests/files/list-live';
import type { GuestWork } from '../src/guests/files/guest-process';
import type { GuestAgent } from '../src/guests/guest-agent';
import { PostgresqlInGuest } from '../src/guests/postgresql/postgresql-in-guest';
import type { Postgresql } from '../src/guests/postgresql/postgresql';
import type { DataRepository } from '../src/repositories/data/data-repository';
import { CopyProgress } from './copy-progress';
import type { ActivityDependencies } from './dependencies';
import { cancellation } from './heartbeat';

/** What calls about data have in common. */

/** Nobody lists more of a snapshot or a guest for one restore. */
export const MAX_ENTRIES = 2_000_000;

export type FilesItem = DataRestoreItem & { readonly dataSet: FilesDataSet; readonly content: FilesContent; readonly selection: FilesSelection };
export type PostgresqlItem = DataRestoreItem & { readonly dataSet: PostgresqlDataSet; readonly content: PostgresqlContent; readonly selection: PostgresqlSelection };

/** A restore item is one of files or one of a database, as a whole: plans are checked for it. */
export function filesOrDatabase<T>(item: DataRestoreItem, take: { readonly files: (item: FilesItem) => T; readonly database: (item: PostgresqlItem) => T }): T {
  const { dataSet, content, selection } = item;
  if (dataSet.kind === 'files' && content.kind === 'files' && selection.kind === 'files') return take.files(item as FilesItem);
  if (dataSet.kind === 'postgresql' && content.kind === 'postgresql' && selection.kind === 'postgresql') return take.database(item as PostgresqlItem);
  throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `Recovery point ${item.recoveryPointId} does not hold what the plan wants from it.`);
}

/** Whoever runs programs in the guest of a server: its agent, or SSH where that is declared. */
export async function guestOf(deps: ActivityDependencies, { hypervisor, uuid, serverName, serverId }: Pick<RunInput, 'hypervisor' | 'uuid' | 'serverName' | 'serverId'>): Promise<GuestAgent> {
  const server = { uuid, name: serverName };
  const agent = (await deps.hypervisor(hypervisor)).guestAgent(server);
  const { ssh } = (await deps.catalog.getServer(serverId)).protection;
  return ssh === null ? agent : deps.overSsh(agent, server, ssh);
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

/** What a restore of files would do now. */
export async function compareNow(agent: GuestAgent, repository: DataRepository, serverId: string, { snapshotId, content, selection }: FilesItem, work: GuestWork): Promise<FileComparison & { readonly digest: string; readonly truncated: boolean; readonly problems: readonly string[] }> {
  const [first, ...others] = content.paths;
  if (first === undefined) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', 'The recovery point names no path.');
  const selected = selection.paths.length > 0 ? selection.paths : content.paths;
  const [head = first, ...tail] = selected;
  const entries = await repository.list(serverId, snapshotId, selected, { maxEntries: MAX_ENTRIES, signal: work.signal });
  const live = await listLive(agent, { paths: selection.paths.length > 0 ? [head, ...tail] : [first, ...others] }, work);
  const compared = compareFiles(entries, live, { declared: content.paths, selected: selection.paths, replace: selection.replace });
  const digest = createHash('sha256')
    .update(canonicalJson(compared.parts.map(({ base, added, replaced }) => ({ base, added: added.map(({ path }) => path), replaced: replaced.map(({ path }) => path) }))))
    .digest('hex');
  return { ...compared, digest, truncated: live.truncated, problems: live.problems };
}

/** Long work in a guest: heartbeats as long as it reports, rows for people, and the cancellation that Temporal asked for. */
export async function inGuest<T>(deps: ActivityDependencies, runId: string, stepKey: string, work: (work: Required<GuestWork>) => Promise<T>): Promise<T> {
  const activity = Context.current();
  const progress = new CopyProgress(deps, runId);
  try {
    activity.heartbeat();
    return await work({
      signal: activity.cancellationSignal,
      onProgress: (seen) => {
        activity.heartbeat();
        if (seen.totalBytes > 0) progress.see(stepKey, seen, Date.now());
      },
    });
  } catch (thrown) {
    if (activity.cancellationSignal.aborted) throw cancellation(activity);
    throw thrown;
  } finally {
    await progress.written();
  }
}

/** Access for the guest. Locks of a restic that was killed are in nobody's way. */
export async function accessFor(repository: DataRepository, serverId: string): Promise<DataAccess> {
  await repository.removeStaleLocks(serverId);
  return repository.access(serverId);
}
