import type { DataTransferActivities, DumpedData, FetchedData, PlacedData, SavedData } from '../src/contracts/activities/data';
import type { DataContent } from '../src/contracts/data';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { DataBackupItem, DataRestoreItem, RunInput, UndoInput } from '../src/contracts/workflows';
import { isModosuError, ModosuError } from '../src/contracts/errors';
import { leftNotes, notRestoredNotes } from '../src/domain/planning/data-notes';
import { requireAsPlanned } from '../src/domain/planning/data-rules';
import { stagingDirectory, type StagedPart } from '../src/domain/planning/file-comparison';
import { requireGuestRoom } from '../src/domain/planning/guest-room';
import { mustRunInGuest, type GuestWork } from '../src/guests/guest-process';
import { findStaging, placeFiles, prepareStaging } from '../src/guests/files/place-files';
import { tightRoom } from '../src/guests/files/room';
import { redoFiles, undoFiles } from '../src/guests/files/undo-files';
import type { GuestAgent } from '../src/guests/guest-agent';
import { backup, clearTarget, restore } from '../src/guests/restic/guest-restic';
import { DATA_TAG, dataSetTag, recoveryPointTag, type DataRepository } from '../src/repositories/data/data-repository';
import {
  accessFor,
  compareNow,
  databaseIn,
  dumpDirectory,
  factsOf,
  fetchDirectory,
  fetchedDumps,
  fetchTarget,
  filesOrDatabase,
  inGuest,
  type FilesItem,
  type PostgresqlItem,
} from './data-work';
import type { ActivityDependencies } from './dependencies';
import { guestOf, requireHeld } from './server-of-run';

/** Long work on data in the guest; see `DataTransferActivities`. */
export class DataTransfers implements DataTransferActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  dumpDataSet(input: RunInput, { dataSet }: DataBackupItem): Promise<DumpedData> {
    return inGuest(this.deps, input.runId, `dump:${dataSet.name}`, async (work) => {
      if (dataSet.kind !== 'postgresql') throw new ModosuError('INTERNAL', `The data set "${dataSet.name}" has nothing to dump.`);
      // Asked where something is saved, not where a run is examined: a restore has to go on while the repository is full.
      await (await this.deps.dataRepository()).requireRoom();
      const pointInTime = new Date().toISOString();
      const { content } = await databaseIn(await guestOf(this.deps, input), dataSet, input.runId).dump(dumpDirectory(dataSet, input.runId), work);
      return { content, pointInTime };
    });
  }

  saveDataSet(input: RunInput, { recoveryPointId, dataSet }: DataBackupItem, dumped: DumpedData | null): Promise<SavedData> {
    return inGuest(this.deps, input.runId, `save:${dataSet.name}`, async (work) => {
      const saving =
        dataSet.kind === 'files'
          ? { paths: dataSet.paths, excludes: dataSet.excludes }
          : { paths: [requireDumped(dataSet.name, dumped).content.directory] as const, excludes: [] };
      const agent = await guestOf(this.deps, input);
      const repository = await this.deps.dataRepository();
      await repository.requireRoom();
      const access = await accessFor(repository, input.serverId);
      const tags = [DATA_TAG, recoveryPointTag(recoveryPointId), dataSetTag(dataSet.name)];
      const pointInTime = dumped?.pointInTime ?? new Date().toISOString();
      const saved = await backup(
        agent,
        {
          access,
          ...saving,
          tags,
          host: input.serverId,
          runId: input.runId,
          fullId: async (beginning) => {
            const [found, ...more] = (await repository.snapshots(input.serverId, tags)).filter(({ id }) => id.startsWith(beginning));
            return found === undefined || more.length > 0 ? null : found.id;
          },
        },
        work,
      ).catch(async (error: unknown) => {
        // A server whose storage is full does not say so to the guest.
        const mayBeFull = isModosuError(error) && ['DATA_REPOSITORY_UNREACHABLE', 'DATA_REPOSITORY_FAILED', 'DATA_BACKUP_FAILED'].includes(error.code);
        const full =
          mayBeFull && !work.signal.aborted
            ? await repository.requireRoom().then(
                () => null,
                (found: unknown) => found,
              )
            : null;
        throw isModosuError(full) && full.code === 'NOT_ENOUGH_SPACE' ? full : error;
      });
      const { snapshotId, files, totalBytes, addedBytes, problems, restic: resticVersion } = saved;
      const content: DataContent =
        dataSet.kind === 'files' ? { kind: 'files', paths: dataSet.paths, files, totalBytes, problems } : requireDumped(dataSet.name, dumped).content;
      return { snapshotId, pointInTime, content, totalBytes, addedBytes, resticVersion };
    });
  }

  fetchData(input: RunInput, item: DataRestoreItem, stepKey: string, plannedReplaced: number | null): Promise<FetchedData> {
    return inGuest(this.deps, input.runId, stepKey, async (work) => {
      const agent = await guestOf(this.deps, input);
      const repository = await this.deps.dataRepository();
      return filesOrDatabase<Promise<FetchedData>>(item, {
        files: async (files) => {
          const { parts, bytes, digest, truncated, replacedFiles } = await compareNow(agent, repository, input.serverId, files, work);
          requireAsPlanned({ plannedReplaced, replacedFiles, truncated });
          await this.stage(agent, repository, input, files, parts, work);
          return { bytes, digest };
        },
        database: async (database) => ({ bytes: await this.fetchDump(agent, repository, input, database, work), digest: null }),
      });
    });
  }

  loadData(input: RunInput, item: DataRestoreItem, stepKey: string, server: 'running' | 'restored'): Promise<Pick<PlacedData, 'notes'>> {
    return inGuest(this.deps, input.runId, stepKey, async (work) => {
      const agent = await guestOf(this.deps, input);
      const repository = await this.deps.dataRepository();
      return filesOrDatabase<Promise<Pick<PlacedData, 'notes'>>>(item, {
        files: () => Promise.resolve({ notes: [] }),
        database: async (database) => {
          const { dataSet, selection } = database;
          if (!selection.whole) return { notes: [] };
          const facts = await factsOf(repository, input.serverId, database);
          await requireHeld(this.deps, input);
          // Of a server that has just come back from an older image the roles are as old as that.
          return databaseIn(agent, dataSet, input.runId).restoreWholeBeside(fetchedDumps(database, input.runId), facts, selection.database, work, {
            existingRoles: server === 'restored' ? 'as-saved' : 'keep',
          });
        },
      });
    });
  }

  placeData(input: RunInput, item: DataRestoreItem, fetched: FetchedData, stepKey: string, plannedReplaced: number | null): Promise<PlacedData> {
    return inGuest(this.deps, input.runId, stepKey, async (work) => {
      const agent = await guestOf(this.deps, input);
      const repository = await this.deps.dataRepository();
      const { kept, ...told } = await filesOrDatabase<Promise<Placed>>(item, {
        files: (files) => this.placeFiles(agent, repository, input, files, fetched, plannedReplaced, work),
        database: async (database) => {
          const { dataSet, selection } = database;
          const server = databaseIn(agent, dataSet, input.runId);
          const facts = selection.whole ? null : await factsOf(repository, input.serverId, database);
          await requireHeld(this.deps, input);
          if (facts === null) return { kept: await server.swap(selection.database, work), notes: [], complete: true };
          const { notes, ...kept } = await server.restoreObjects(fetchedDumps(database, input.runId), facts, selection, work);
          return { kept, notes, complete: true };
        },
      });
      return { ...told, record: { runId: input.runId, undone: false, dataSet: item.dataSet, recoveryPointId: item.recoveryPointId, kept } };
    });
  }

  returnData(input: UndoInput, record: KeptDataRecord): Promise<PlacedData> {
    return inGuest(this.deps, input.runId, 'return', async (work) => {
      const agent = await guestOf(this.deps, input);
      const { dataSet, kept } = record;
      await requireHeld(this.deps, input);
      if (kept.kind === 'postgresql' && dataSet.kind === 'postgresql') {
        const { notes, ...returned } = await databaseIn(agent, dataSet, input.runId).undo(kept, work);
        return { record: { ...record, runId: input.runId, undone: !record.undone, kept: returned }, notes, complete: true };
      }
      if (kept.kind !== 'files') throw new ModosuError('INTERNAL', 'What is kept does not belong to its data set.');
      const { leftCount, left } = record.undone ? await redoFiles(agent, kept, record.runId, work) : await undoFiles(agent, kept, record.runId, work);
      // The directories stay named after the run that placed them: their journal works in both directions.
      return { record: { ...record, undone: !record.undone }, notes: leftNotes(leftCount, left, kept.directories), complete: leftCount === 0 };
    });
  }

  /** restic brings each part into a directory of this run beside its place. */
  private async stage(
    agent: GuestAgent,
    repository: DataRepository,
    input: RunInput,
    { snapshotId }: FilesItem,
    parts: readonly StagedPart[],
    work: GuestWork,
  ): Promise<void> {
    const access = await accessFor(repository, input.serverId);
    await requireHeld(this.deps, input);
    const targets = new Map<StagedPart, string>();
    for (const part of parts) {
      if (part.include.length === 0) continue;
      const target = await prepareStaging(agent, part, input.runId, work);
      // What an earlier attempt has fetched is fetched again: its room counts as free.
      await clearTarget(agent, { target, runId: input.runId }, work.signal);
      targets.set(part, target);
    }
    requireGuestRoom(await tightRoom(agent, parts, async () => (await repository.sizeOf(input.serverId, snapshotId)).totalBytes, work));
    for (const [part, target] of targets) {
      const [first, ...others] = part.include;
      if (first === undefined) continue;
      await restore(agent, { access, snapshotId, include: [first, ...others], target, runId: input.runId, expectedBytes: part.fetchBytes }, work);
    }
  }

  private async placeFiles(
    agent: GuestAgent,
    repository: DataRepository,
    input: RunInput,
    item: FilesItem,
    fetched: FetchedData,
    plannedReplaced: number | null,
    work: GuestWork,
  ): Promise<Placed> {
    const begun = await findStaging(agent, { paths: item.content.paths, runId: input.runId }, work);
    const { parts, digest, conflicts, unnameable, truncated, replacedFiles } = await compareNow(agent, repository, input.serverId, item, work);
    if (begun.length === 0) requireAsPlanned({ plannedReplaced, replacedFiles, truncated });
    // People work in the guest meanwhile: what has changed since it was fetched is compared and fetched again. Where placing has begun, its journal rules.
    const unplaced = parts.filter((part) => !begun.includes(stagingDirectory(part.base, input.runId)));
    if (begun.length > 0 || digest !== fetched.digest) await this.stage(agent, repository, input, item, unplaced, work);
    await requireHeld(this.deps, input);
    const { kept, left, leftCount } = await placeFiles(agent, { runId: input.runId, parts, begun }, work);
    return { kept, notes: [...leftNotes(leftCount, left, kept.directories), ...notRestoredNotes({ conflicts, unnameable })], complete: leftCount === 0 };
  }

  /** The dump of one database with what belongs to it, readable for the account that loads it. */
  private async fetchDump(agent: GuestAgent, repository: DataRepository, input: RunInput, item: PostgresqlItem, work: GuestWork): Promise<number> {
    const { dataSet, content, selection, snapshotId } = item;
    const dump = content.databases.find(({ name }) => name === selection.database);
    if (dump === undefined) throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', `The recovery point holds no database "${selection.database}".`);
    const server = databaseIn(agent, dataSet, input.runId);
    await requireHeld(this.deps, input);
    await server.makeDirectory(fetchDirectory(dataSet, input.runId));
    const target = fetchTarget(dataSet, input.runId);
    const inDirectory = (file: string): string => `${content.directory}/${file}`;
    await restore(
      agent,
      {
        access: await accessFor(repository, input.serverId),
        snapshotId,
        include: [inDirectory(dump.file), inDirectory(content.factsFile), inDirectory(content.globalsFile)],
        target,
        runId: input.runId,
        expectedBytes: dump.sizeBytes,
      },
      work,
    );
    // restic's directory is root's alone: the account of the database programs passes through it to its own files. The one above is that account's alone.
    await mustRunInGuest(agent, { argv: ['chmod', '0711', '--', target] }, 'DATA_RESTORE_FAILED', work);
    return dump.sizeBytes;
  }
}

/** What the guest has kept, before it is a record. */
interface Placed extends Omit<PlacedData, 'record'> {
  readonly kept: KeptDataRecord['kept'];
}

function requireDumped(dataSet: string, dumped: DumpedData | null): DumpedData {
  if (dumped === null) throw new ModosuError('INTERNAL', `Nothing was dumped of the data set "${dataSet}".`);
  return dumped;
}
