import { basename } from 'node:path';
import type { DataActivities, SavedData } from '../src/contracts/activities/data';
import type { DataPlanSource } from '../src/contracts/activities/planning';
import type { CredentialReference } from '../src/contracts/credential';
import type { DataManifest, DataPurpose, DataSet } from '../src/contracts/data';
import { ModosuError, isModosuError } from '../src/contracts/errors';
import type { DataSurvey, Finding, UndoSurvey } from '../src/contracts/plan';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { BackupDataInput, DataBackupItem, DataRestoreItem, RunInput } from '../src/contracts/workflows';
import { agentSilent, describeFilesUndo, fileFindings, fileLosses, serverAlive } from '../src/domain/planning/data-findings';
import { databaseLeftBehind, filesLeftBehind } from '../src/domain/planning/data-notes';
import { requireGuestPrograms, requireSaved, requireSuperuser } from '../src/domain/planning/data-rules';
import { guestRoomFindings } from '../src/domain/planning/guest-room';
import { cleanWords } from '../src/contracts/text';
import { confirmFiles, abandonFiles, surveyUndoFiles } from '../src/guests/files/undo-files';
import { findStaging, findStagingDirectories, notOurs } from '../src/guests/files/place-files';
import { runBoundedInGuest } from '../src/guests/bounded-output';
import { waitUntilNoneRuns } from '../src/guests/guest-process';
import { tightRoom } from '../src/guests/files/room';
import type { GuestAgent } from '../src/guests/guest-agent';
import { probe } from '../src/guests/restic/guest-restic';
import { dataSetTag, recoveryPointTag, type DataRepository } from '../src/repositories/data/data-repository';
import { compareNow, databaseIn, dumpDirectory, factsOf, fetchDirectory, filesOrDatabase, listHeld, type PostgresqlItem } from './data-work';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { guestOf, requireHeld } from './server-of-run';

const AGENT_TIMEOUT_MS = 30_000;
/** A declared program may stop and start services. */
const HOOK_TIMEOUT_MS = 10 * 60_000;

/** Calls about data; see `DataActivities`. */
export class DataCalls implements DataActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  examineDataSets(input: BackupDataInput): Promise<{ readonly restic: string; readonly agentVersion: string | null }> {
    return whileAlive(async (signal) => {
      const { agent, repository, ...versions } = await reachData(this.deps, input, signal);
      // Before a declared program stops anything for a backup that cannot be made.
      await repository.requireRoom();
      for (const { dataSet } of input.items) {
        if (dataSet.kind !== 'postgresql') continue;
        const { superuser } = await databaseIn(agent, dataSet, input.runId).probe();
        requireSuperuser(dataSet, superuser, input.serverName);
      }
      return versions;
    });
  }

  examineDataRestore(
    input: RunInput,
    item: DataRestoreItem,
  ): Promise<{ readonly restic: string; readonly agentVersion: string | null; readonly findings: readonly Finding[] }> {
    return whileAlive(async (signal) => {
      const { agent, repository, ...versions } = await reachData(this.deps, input, signal);
      const findings = await filesOrDatabase<Promise<readonly Finding[]>>(item, {
        files: () => Promise.resolve([]),
        database: async (database) => (await surveyDatabase(agent, repository, input, database)).findings,
      });
      return { ...versions, findings };
    });
  }

  runDataHook(input: RunInput, { dataSet }: DataBackupItem, which: 'before' | 'after'): Promise<{ readonly exitCode: number }> {
    return whileAlive(async (signal) => {
      const argv = dataSet[which];
      if (argv === null) return { exitCode: 0 };
      const agent = await guestOf(this.deps, input);
      const inTime = AbortSignal.timeout(HOOK_TIMEOUT_MS);
      const work = { signal: AbortSignal.any([signal, inTime]), maxOutputBytes: 64 * 1024 };
      // "after" puts right what "before" has done, whoever holds the server.
      if (which === 'before') await requireHeld(this.deps, input);
      // Whoever has begun it may have died, or have been ended in Temporal; the program lives on.
      await waitUntilNoneRuns(agent, argv, work).catch((error: unknown) => {
        if (signal.aborted || !inTime.aborted) throw error;
        throw new ModosuError(
          'DATA_HOOK_FAILED',
          `${basename(argv[0])}, declared to run ${which} the data set "${dataSet.name}" is read, still ran from an earlier attempt after ${HOOK_TIMEOUT_MS / 60_000} minutes, and no second was begun.`,
          { context: { dataSet: dataSet.name, which } },
        );
      });
      const { exitCode, stdout, stderr } = await runBoundedInGuest(agent, { argv }, work).catch((error: unknown) => {
        // Where the hypervisor is away the next attempt waits for what this one has begun.
        const silent = isModosuError(error) && error.code === 'AGENT_SILENT';
        if (signal.aborted || (!inTime.aborted && !silent)) throw error;
        // Final: it may still run, and one that stops services must not run twice at once.
        const why = silent
          ? 'could not be followed, because the guest fell silent'
          : `had not ended after ${HOOK_TIMEOUT_MS / 60_000} minutes and was told to end`;
        throw new ModosuError('DATA_HOOK_FAILED', `${basename(argv[0])}, declared to run ${which} the data set "${dataSet.name}" is read, ${why}.`, {
          context: { dataSet: dataSet.name, which },
        });
      });
      if (exitCode === 0) return { exitCode };
      const words = cleanWords(stderr.trim() === '' ? stdout : stderr);
      throw new ModosuError(
        'DATA_HOOK_FAILED',
        `${basename(argv[0])}, declared to run ${which} the data set "${dataSet.name}" is read, ended with exit code ${exitCode}${words === '' ? '' : `: ${words}`}`,
        {
          context: { dataSet: dataSet.name, which, exitCode },
        },
      );
    });
  }

  verifySavedData(
    input: RunInput,
    { recoveryPointId, dataSet }: DataBackupItem,
    saved: SavedData,
  ): Promise<{ readonly files: number; readonly totalBytes: number }> {
    return whileAlive(async (signal) => {
      const repository = await this.deps.dataRepository();
      const { snapshotId, content } = saved;
      const wanted = content.kind === 'files' ? content.paths : [content.directory];
      const [found, entries] = await Promise.all([
        repository.snapshots(input.serverId, [recoveryPointTag(recoveryPointId), dataSetTag(dataSet.name)]),
        listHeld(repository, input.serverId, snapshotId, wanted, wanted, signal),
      ]);
      return requireSaved(
        dataSet,
        saved,
        found.map(({ id }) => id),
        entries,
      );
    });
  }

  publishData(
    input: RunInput & { readonly reason: string },
    { recoveryPointId, dataSet }: DataBackupItem,
    saved: SavedData,
    purpose: DataPurpose,
    credentials?: readonly CredentialReference[],
  ): Promise<void> {
    return whileAlive(async () => {
      const repository = await this.deps.dataRepository();
      const { keyId } = await repository.access(input.serverId);
      const manifest: DataManifest = {
        format: 'modosu-data-recovery-point',
        // As low as can be: what earlier programs know they read.
        ...(credentials === undefined ? { version: 1 } : { version: 2, credentials }),
        recoveryPointId,
        server: { id: input.serverId, name: input.serverName, uuid: input.uuid },
        dataSet,
        runId: input.runId,
        purpose,
        reason: input.reason,
        pointInTime: saved.pointInTime,
        publishedAt: new Date().toISOString(),
        snapshotId: saved.snapshotId,
        keyId,
        totalBytes: saved.totalBytes,
        addedBytes: saved.addedBytes,
        content: saved.content,
        software: { modosu: this.deps.version, restic: saved.resticVersion },
      };
      // One that an earlier attempt has published stays as it is: the repository is the truth.
      const published = await repository.publish(manifest).catch((error: unknown) => {
        if (!isModosuError(error) || error.code !== 'REQUEST_INVALID') throw error;
        return repository.open(input.serverId, recoveryPointId);
      });
      await this.deps.catalog.recordDataRecoveryPoint(published);
    });
  }

  discardSpool(input: RunInput, dataSet: DataSet): Promise<void> {
    return whileAlive(async () => {
      if (dataSet.kind === 'postgresql') await databaseIn(await guestOf(this.deps, input), dataSet, input.runId).discard(dumpDirectory(dataSet, input.runId));
    });
  }

  surveyData(source: DataPlanSource): Promise<DataSurvey> {
    return whileAlive(async (signal) => {
      const hypervisor = await this.deps.hypervisor(source.hypervisor);
      const server = { uuid: source.uuid, name: source.serverName };
      const present = await hypervisor.inspect(server);
      if (present.agent.state !== 'answering') return { present, changes: [], findings: [agentSilent(present)], losses: [] };
      const agent = await guestOf(this.deps, source);
      const repository = await this.deps.dataRepository();
      return filesOrDatabase(source.item, {
        files: async (item) => {
          const { changes, parts, conflicts, unnameable, truncated, problems } = await compareNow(agent, repository, source.serverId, item, { signal });
          const tight = await tightRoom(agent, parts, async () => (await repository.sizeOf(source.serverId, item.snapshotId)).totalBytes, { signal });
          return {
            present,
            changes,
            findings: [serverAlive, ...fileFindings({ conflicts, unnameable, truncated, problems }), ...guestRoomFindings(tight)],
            losses: fileLosses(changes),
          };
        },
        database: async (item) => {
          const { changes, findings, losses } = await surveyDatabase(agent, repository, source, item);
          return { present, changes, findings: [serverAlive, ...findings], losses };
        },
      });
    });
  }

  takeDataBack(input: RunInput, item: DataRestoreItem): Promise<{ readonly leftBehind?: string }> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, input);
      await requireHeld(this.deps, input);
      return filesOrDatabase<Promise<{ readonly leftBehind?: string }>>(item, {
        files: async ({ content }) => {
          const { ours, strange } = await findStagingDirectories(agent, { paths: content.paths, runId: input.runId }, { signal });
          const { kept } = await abandonFiles(agent, input.runId, ours, { signal });
          if (strange.length > 0) throw notOurs(strange);
          return leftBehind(filesLeftBehind(kept));
        },
        database: async ({ dataSet, selection }) => {
          return leftBehind(databaseLeftBehind(selection.database, await databaseIn(agent, dataSet, input.runId).abandon(selection.database, { signal })));
        },
      });
    });
  }

  discardFetched(input: RunInput, item: DataRestoreItem): Promise<void> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, input);
      await filesOrDatabase(item, {
        // A directory with a journal is the way back; one without was only fetched into.
        files: async ({ content }) => {
          const search = { paths: content.paths, runId: input.runId };
          const placed = new Set(await findStaging(agent, search, { signal }));
          const fetched = (await findStagingDirectories(agent, search, { signal })).ours.filter((directory) => !placed.has(directory));
          await abandonFiles(agent, input.runId, fetched, { signal });
        },
        database: ({ dataSet }) => databaseIn(agent, dataSet, input.runId).discard(fetchDirectory(dataSet, input.runId)),
      });
    });
  }

  surveyDataUndo(input: Pick<RunInput, 'serverId' | 'uuid' | 'serverName' | 'hypervisor'>, record: KeptDataRecord): Promise<NonNullable<UndoSurvey['data']>> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, input);
      const { dataSet, kept } = record;
      if (kept.kind === 'postgresql' && dataSet.kind === 'postgresql') {
        return databaseIn(agent, dataSet, record.runId).surveyUndo(kept);
      }
      if (kept.kind !== 'files') throw new ModosuError('INTERNAL', 'What is kept does not belong to its data set.');
      return describeFilesUndo(kept, await surveyUndoFiles(agent, kept, record.runId, { signal }));
    });
  }

  discardKeptData(input: RunInput, record: KeptDataRecord): Promise<void> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, input);
      const { dataSet, kept } = record;
      await requireHeld(this.deps, input);
      if (kept.kind === 'files') await confirmFiles(agent, kept, record.runId, { signal });
      else if (dataSet.kind === 'postgresql') await databaseIn(agent, dataSet, record.runId).confirm(kept);
    });
  }
}

/** What every work on data needs: programs in the guest, restic among them, and the server's data repository. */
async function reachData(
  deps: ActivityDependencies,
  input: RunInput,
  signal: AbortSignal,
): Promise<{ readonly agent: GuestAgent; readonly repository: DataRepository; readonly restic: string; readonly agentVersion: string | null }> {
  const agent = await guestOf(deps, input);
  const { version: agentVersion, commands } = await agent.info(AGENT_TIMEOUT_MS);
  requireGuestPrograms(commands, input.serverName);
  const { version: restic } = await probe(agent, signal);
  const repository = await deps.dataRepository();
  await repository.ensure(input.serverId);
  await repository.removeStaleLocks(input.serverId);
  return { agent, repository, restic, agentVersion };
}

async function surveyDatabase(
  agent: GuestAgent,
  repository: DataRepository,
  { serverId, runId }: Pick<RunInput, 'serverId' | 'runId'>,
  item: PostgresqlItem,
): Promise<Pick<DataSurvey, 'changes' | 'findings' | 'losses'>> {
  const facts = await factsOf(repository, serverId, item);
  return databaseIn(agent, item.dataSet, runId).survey(facts, item.selection);
}

const leftBehind = (what: string | null): { readonly leftBehind?: string } => (what === null ? {} : { leftBehind: what });
