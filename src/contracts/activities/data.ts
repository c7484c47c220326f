import type { CredentialReference } from '../credential';
import type { DataPurpose, FilesContent, PostgresqlContent } from '../data';
import type { DataSurvey, Finding, UndoSurvey } from '../plan';
import type { KeptDataRecord } from '../way-back';
import type { BackupDataInput, DataBackupItem, DataRestoreItem, RunInput, UndoInput } from '../workflows';
import type { DataPlanSource } from './planning';

/**
 * Data sets inside guests. Activity interfaces, shared by workflows (which call them) and `activities/` (which implement them). Arguments and results travel through Temporal's history: ids,
 * paths and small summaries only.
 */

/** Dumps that lie in the guest's spool directory. */
export interface DumpedData {
  readonly content: PostgresqlContent;
  /** By the clock of the worker, before the first dump began. */
  readonly pointInTime: string;
}

/** What was fetched for one item of a restore. */
export interface FetchedData {
  readonly bytes: number;
  /** Files: what was compared, as a checksum. When the guest has changed until it is put in place, it is fetched again. Null: a dump. */
  readonly digest: string | null;
}

/** What was put in place, or put back. */
export interface PlacedData {
  readonly record: KeptDataRecord;
  /** Sentences for people: what is not as they may expect it, at most 20. */
  readonly notes: readonly string[];
  /** False: something that was restored could not be put in place, and lies with what is kept. */
  readonly complete: boolean;
}

/** What restic has saved of one data set. */
export interface SavedData {
  readonly snapshotId: string;
  /** From this moment on nothing is in it. */
  readonly pointInTime: string;
  readonly content: FilesContent | PostgresqlContent;
  readonly totalBytes: number;
  readonly addedBytes: number;
  readonly resticVersion: string;
}

/**
 * Calls about data, in the guest and in the data repository; queue `host.<hypervisor>`. Each looks before it acts; those that put back or give up data in the
 * guest ask for the run's fence first (`FENCED_OFF`).
 */
export interface DataActivities {
  /**
   * Agent, restic, database server and repository are there; makes the server's repository where it is missing. Throws the first reason why no data can be
   * saved.
   */
  examineDataSets(input: BackupDataInput): Promise<{ readonly restic: string; readonly agentVersion: string | null }>;
  /** The same for a restore, and what stands against it now: findings of a database, as in a plan. Files are compared again when they are fetched. */
  examineDataRestore(
    input: RunInput,
    item: DataRestoreItem,
  ): Promise<{ readonly restic: string; readonly agentVersion: string | null; readonly findings: readonly Finding[] }>;
  /**
   * Runs the declared program of a data set, once as far as that can be told: one that may have begun is not begun again after silence, only after the death
   * of a worker.
   */
  runDataHook(input: RunInput, item: DataBackupItem, which: 'before' | 'after'): Promise<{ readonly exitCode: number }>;
  /** From outside the guest: everything that was declared is in the snapshot, with the sizes that were reported. */
  verifySavedData(input: RunInput, item: DataBackupItem, saved: SavedData): Promise<{ readonly files: number; readonly totalBytes: number }>;
  /** Writes the manifest into the repository, then makes the recovery point visible as usable. Idempotent. `credentials` absent: none was declared. */
  publishData(
    input: RunInput & { readonly reason: string },
    item: DataBackupItem,
    saved: SavedData,
    purpose: DataPurpose,
    credentials?: readonly CredentialReference[],
  ): Promise<void>;
  /** Removes what the run has spooled in the guest. Idempotent. */
  discardSpool(input: RunInput, dataSet: DataBackupItem['dataSet']): Promise<void>;
  /** Everything the plan of a data restore is made from. Read-only. */
  surveyData(source: DataPlanSource): Promise<DataSurvey>;
  /**
   * Undoes what this run has fetched and put in place for the item. Nothing of it there: nothing. `leftBehind`: what others have written meanwhile stays in the
   * guest, and where.
   */
  takeDataBack(input: RunInput, item: DataRestoreItem): Promise<{ readonly leftBehind?: string }>;
  /** Removes what was fetched, once it is in place. Idempotent. */
  discardFetched(input: RunInput, item: DataRestoreItem): Promise<void>;
  /** What an undo of this would lose. Read-only. */
  surveyDataUndo(input: Pick<RunInput, 'serverId' | 'uuid' | 'serverName' | 'hypervisor'>, record: KeptDataRecord): Promise<NonNullable<UndoSurvey['data']>>;
  /** Deletes what a data restore has kept in the guest. Idempotent. */
  discardKeptData(input: RunInput, record: KeptDataRecord): Promise<void>;
}

/**
 * Long work on data in the guest; queue `host.<hypervisor>.transfer`. `stepKey`: the step whose progress people see. What a restore fetches, loads, puts in
 * place or returns is written under the run's fence (`FENCED_OFF`).
 */
export interface DataTransferActivities {
  /** Dumps the databases of a data set into its spool directory, and reads the dumps to their end. */
  dumpDataSet(input: RunInput, item: DataBackupItem): Promise<DumpedData>;
  /** Saves a data set, or its dumps (`dumped`), with restic. A snapshot that an earlier attempt has finished is adopted. */
  saveDataSet(input: RunInput, item: DataBackupItem, dumped: DumpedData | null): Promise<SavedData>;
  /**
   * Fetches what is selected into a directory beside its place; nothing in use is touched. `PLAN_STALE` when many more files would be replaced than the plan
   * says (`plannedReplaced`; null: nobody has counted).
   */
  fetchData(input: RunInput, item: DataRestoreItem, stepKey: string, plannedReplaced: number | null): Promise<FetchedData>;
  /**
   * Whole databases: loads the dump beside the live one, and checks it. Others: nothing. `restored`: the server has just come back from an image, its roles are
   * older than the recovery point and get to be as saved.
   */
  loadData(input: RunInput, item: DataRestoreItem, stepKey: string, server: 'running' | 'restored'): Promise<Pick<PlacedData, 'notes'>>;
  /** Puts it in place. Says what was kept of what stood there. `PLAN_STALE` as `fetchData`. */
  placeData(input: RunInput, item: DataRestoreItem, fetched: FetchedData, stepKey: string, plannedReplaced: number | null): Promise<PlacedData>;
  /** Puts back what a data restore has replaced, and keeps what stands there now. */
  returnData(input: UndoInput, record: KeptDataRecord): Promise<PlacedData>;
}
