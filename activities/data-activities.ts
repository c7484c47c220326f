import { basename } from 'node:path';
import { Context } from '@temporalio/activity';
import type { DataActivities, DataPlanSource, SavedData } from '../src/contracts/activities';
import type { DataChange, DataManifest, DataPurpose, DataSet } from '../src/contracts/data';
import { ModosuError, isModosuError } from '../src/contracts/errors';
import type { DataSurvey, Finding, UndoSurvey } from '../src/contracts/plan';
import type { KeptDataRecord } from '../src/contracts/way-back';
import type { BackupDataInput, DataBackupItem, DataRestoreItem, RunInput } from '../src/contracts/workflows';
import { guestRoomFindings } from '../src/domain/planning/guest-room';
import { cleanWords, namesOf } from '../src/domain/words';
import { confirmFiles, abandonFiles, surveyUndoFiles } from '../src/guests/files/undo-files';
import { findStaging, findStagingDirectories, notOurs } from '../src/guests/files/place-files';
import { runInGuest, waitUntilNoneRuns } from '../src/guests/files/guest-process';
import { tightRoom } from '../src/guests/files/room';
import { passesByItself, type GuestAgent } from '../src/guests/guest-agent';
import { probe } from '../src/guests/restic/guest-restic';
import { dataSetTag, recoveryPointTag, type DataRepository } from '../src/repositories/data/data-repository';
import { compareNow, databaseIn, dumpDirectory, factsOf, fetchDirectory, filesOrDatabase, guestOf, listHeld, requireHeld, type PostgresqlItem } from './data-work';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';

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
        if (!superuser) {
          throw new ModosuError('DUMP_FAILED', `"${dataSet.user}" is no superuser of the database server in ${input.serverName}: roles and settings could not be saved.`, { hint: 'Name a superuser as "user" of the data set.' });
        }
      }
      return versions;
    });
  }

  examineDataRestore(input: RunInput, item: DataRestoreItem): Promise<{ readonly restic: string; readonly agentVersion: string | null; readonly findings: readonly Finding[] }> {
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
      // The worker that has begun it may have died; the program lives on.
      const earlier = Context.current().info.attempt > 1 ? waitUntilNoneRuns(agent, argv, work) : Promise.resolve();
      const { exitCode, stdout, stderr } = await earlier.then(() => runInGuest(agent, { argv }, work)).catch((error: unknown) => {
        const silent = passesByItself(error);
        if (signal.aborted || (!inTime.aborted && !silent)) throw error;
        // Final: it may still run, and one that stops services must not run twice at once.
        const why = silent ? 'could not be followed, because the guest fell silent' : `had not ended after ${HOOK_TIMEOUT_MS / 60_000} minutes and was told to end`;
        throw new ModosuError('DATA_HOOK_FAILED', `${basename(argv[0])}, declared to run ${which} the data set "${dataSet.name}" is read, ${why}.`, { context: { dataSet: dataSet.name, which } });
      });
      if (exitCode === 0) return { exitCode };
      const words = cleanWords(stderr.trim() === '' ? stdout : stderr);
      throw new ModosuError('DATA_HOOK_FAILED', `${basename(argv[0])}, declared to run ${which} the data set "${dataSet.name}" is read, ended with exit code ${exitCode}${words === '' ? '' : `: ${words}`}`, {
        context: { dataSet: dataSet.name, which, exitCode },
      });
    });
  }

  verifySavedData(input: RunInput, { recoveryPointId, dataSet }: DataBackupItem, saved: SavedData): Promise<{ readonly files: number; readonly totalBytes: number }> {
    return whileAlive(async (signal) => {
      const repository = await this.deps.dataRepository();
      const { snapshotId, content } = saved;
      const wanted = content.kind === 'files' ? content.paths : [content.directory];
      const [found, entries] = await Promise.all([
        repository.snapshots(input.serverId, [recoveryPointTag(recoveryPointId), dataSetTag(dataSet.name)]),
        listHeld(repository, input.serverId, snapshotId, wanted, wanted, signal),
      ]);
      if (!found.some(({ id }) => id === snapshotId)) {
        throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `The repository has no snapshot ${snapshotId.slice(0, 10)} of the data set "${dataSet.name}", although restic in the guest has reported it.`);
      }
      const files = entries.filter(({ type }) => type === 'file');
      if (content.kind === 'postgresql') {
        const sizes = new Map(files.map(({ path, sizeBytes }) => [path, sizeBytes]));
        const dumps = content.databases.map(({ file, sizeBytes }) => ({ path: `${content.directory}/${file}`, sizeBytes: sizeBytes as number | null }));
        const others = [content.factsFile, content.globalsFile].map((file) => ({ path: `${content.directory}/${file}`, sizeBytes: null }));
        const wrong = [...dumps, ...others].find(({ path, sizeBytes }) => !sizes.has(path) || (sizeBytes !== null && sizes.get(path) !== sizeBytes));
        if (wrong !== undefined) throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `The snapshot holds ${wrong.path} not, or not as it was dumped.`);
      }
      return { files: files.length, totalBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    });
  }

  publishData(input: RunInput & { readonly reason: string }, { recoveryPointId, dataSet }: DataBackupItem, saved: SavedData, purpose: DataPurpose): Promise<void> {
    return whileAlive(async () => {
      const repository = await this.deps.dataRepository();
      const { keyId } = await repository.access(input.serverId);
      const manifest: DataManifest = {
        format: 'modosu-data-recovery-point',
        version: 1,
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
      if (present.agent.state !== 'answering') {
        return { present, changes: [], findings: [agentFinding(present.powerState, present.agent.state)], losses: [] };
      }
      const agent = await guestOf(this.deps, source);
      const repository = await this.deps.dataRepository();
      return filesOrDatabase(source.item, {
        files: async (item) => {
          const { changes, parts, conflicts, unnameable, truncated, problems } = await compareNow(agent, repository, source.serverId, item, { signal });
          const tight = await tightRoom(agent, parts, async () => (await repository.sizeOf(source.serverId, item.snapshotId)).totalBytes, { signal });
          return { present, changes, findings: [aliveFinding, ...fileFindings({ conflicts, unnameable, truncated, problems }), ...guestRoomFindings(tight)], losses: fileLosses(changes) };
        },
        database: async (item) => {
          const { changes, findings, losses } = await surveyDatabase(agent, repository, source, item);
          return { present, changes, findings: [aliveFinding, ...findings], losses };
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
          const [first, ...others] = content.paths;
          if (first === undefined) return {};
          const { ours, strange } = await findStagingDirectories(agent, { paths: [first, ...others], runId: input.runId }, { signal });
          const { kept } = await abandonFiles(agent, input.runId, ours, { signal });
          if (strange.length > 0) throw notOurs(strange);
          return kept.length === 0 ? {} : { leftBehind: `What was written to restored files meanwhile, or could not be moved back, is kept in ${namesOf(kept)}.` };
        },
        database: async ({ dataSet, selection }) => {
          const { undoneDatabase, undoneSchema } = await databaseIn(agent, dataSet, input.runId).abandon(selection.database, { signal });
          const left = [
            ...(undoneDatabase === null ? [] : [`The database that had been put in place had been in use, and is kept as "${cleanWords(undoneDatabase)}".`]),
            ...(undoneSchema === null ? [] : [`What others have written to what had been put in place, or made on it, is kept in the schema "${cleanWords(undoneSchema)}" of the database "${cleanWords(selection.database)}".`]),
          ];
          return left.length === 0 ? {} : { leftBehind: left.join(' ') };
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
          const [first, ...others] = content.paths;
          if (first === undefined) return;
          const search = { paths: [first, ...others] as const, runId: input.runId };
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
      const { changed, examples, atLeast } = await surveyUndoFiles(agent, kept, record.runId, { signal });
      const changes: readonly DataChange[] = [
        { effect: 'replaced', what: 'files that were replaced', count: kept.replaced, bytes: kept.keptBytes, examples: [] },
        { effect: 'kept', what: 'files that were added: moved away, not deleted', count: kept.added, bytes: null, examples: [] },
      ];
      const written = `${atLeast ? 'At least ' : ''}${changed} restored files were written since: they are moved away with what was written to them, and come back when the undo is undone.`;
      return { changes: [...changes, ...(changed === 0 ? [] : [{ effect: 'kept' as const, what: 'files written since', count: changed, bytes: null, examples }])], findings: [], losses: changed === 0 ? [] : [written] };
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
async function reachData(deps: ActivityDependencies, input: RunInput, signal: AbortSignal): Promise<{ readonly agent: GuestAgent; readonly repository: DataRepository; readonly restic: string; readonly agentVersion: string | null }> {
  const agent = await guestOf(deps, input);
  const { version: agentVersion, commands } = await agent.info(AGENT_TIMEOUT_MS);
  if (!commands.includes('guest-exec')) {
    throw new ModosuError('GUEST_COMMAND_FORBIDDEN', `The guest agent of ${input.serverName} does not run programs: restic and the databases cannot be reached.`);
  }
  const { version: restic } = await probe(agent, signal);
  const repository = await deps.dataRepository();
  await repository.ensure(input.serverId);
  await repository.removeStaleLocks(input.serverId);
  return { agent, repository, restic, agentVersion };
}

async function surveyDatabase(agent: GuestAgent, repository: DataRepository, { serverId, runId }: Pick<RunInput, 'serverId' | 'runId'>, item: PostgresqlItem): Promise<Pick<DataSurvey, 'changes' | 'findings' | 'losses'>> {
  const facts = await factsOf(repository, serverId, item);
  return databaseIn(agent, item.dataSet, runId).survey(facts, item.selection);
}

const aliveFinding: Finding = { code: 'SERVER_ALIVE', severity: 'ok', message: 'The server is running and its guest agent answers: the data comes back while it runs on.', evidence: [] };

const agentFinding = (powerState: string, agent: string): Finding => ({
  code: 'AGENT_SILENT',
  severity: 'block',
  message: 'The guest agent does not answer: data is brought back by programs that run in the guest.',
  remedy: 'Start the server and its guest agent, or restore the whole server (--scenario server).',
  evidence: [`power state ${powerState}`, `agent ${agent}`],
});

function fileFindings({ conflicts, unnameable, truncated, problems }: { readonly conflicts: readonly string[]; readonly unnameable: readonly string[]; readonly truncated: boolean; readonly problems: readonly string[] }): readonly Finding[] {
  const findings: Finding[] = [];
  if (truncated) {
    findings.push({ code: 'TOO_MANY_FILES', severity: 'block', message: 'There are more files in the guest than can be compared.', remedy: 'Choose a part of the data set with --path.', evidence: [] });
  }
  if (problems.length > 0) findings.push({ code: 'FILES_NOT_READABLE', severity: 'warn', message: 'Not everything could be looked at.', evidence: problems });
  if (conflicts.length > 0) {
    findings.push({
      code: 'FILE_TYPE_DIFFERS',
      severity: 'warn',
      message: `${conflicts.length === 1 ? 'One file stays' : `${conflicts.length} files stay`} as ${conflicts.length === 1 ? 'it is' : 'they are'}: something of another type stands in the place.`,
      remedy: 'Move what stands there away, then plan again.',
      evidence: conflicts.slice(0, MAX_EVIDENCE).map((path) => cleanWords(path)),
    });
  }
  if (unnameable.length > 0) {
    findings.push({
      code: 'FILE_NAME_NOT_UTF8',
      severity: 'warn',
      message: `${unnameable.length === 1 ? 'One file' : `${unnameable.length} files`} cannot be put in place: the name is no UTF-8, which a guest agent cannot be told.`,
      remedy: 'Restore them by hand with restic in the guest.',
      evidence: unnameable.slice(0, MAX_EVIDENCE).map((path) => cleanWords(path)),
    });
  }
  return findings;
}

const MAX_EVIDENCE = 20;

function fileLosses(changes: readonly DataChange[]): readonly string[] {
  const replaced = changes.filter(({ effect }) => effect === 'replaced').reduce((sum, { count }) => sum + count, 0);
  return replaced === 0 ? [] : [`${replaced === 1 ? 'One file that differs goes' : `${replaced} files that differ go`} back to the recovery point; what stands there now is kept until \`modosu run confirm\`.`];
}
