import type { KeptData, PostgresqlContent, PostgresqlFacts, PostgresqlSelection, PostgresqlSurvey, PostgresqlUndoSurvey } from '../../contracts/data';

export type KeptPostgresql = Extract<KeptData, { kind: 'postgresql' }>;

export interface PostgresqlProbe {
  /** Of the server, such as `15.18`. */
  readonly engineVersion: string;
  readonly engineMajor: number;
  readonly superuser: boolean;
  /** Versions of the client programs in the guest. */
  readonly programs: { readonly psql: string; readonly pgDump: string; readonly pgRestore: string };
}

/** How somebody waits for a long piece of work. */
export interface Waiting {
  /** Abort: the program is ended in the guest, and what is half-done is removed as far as the guest answers; rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** At least every 5 s. `totalBytes` is an estimate, or 0 when nothing is known; `doneBytes` may go beyond it. */
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;
}

export interface WholeOptions {
  /**
   * Roles that exist already. `keep` (the default): they are not touched, the server knows them better than a recovery point does. `as-saved`: for a server
   * that has itself just come back from an older image: they get the attributes, passwords, settings and memberships of the recovery point, and its login roles
   * that are missing are made. No role is dropped; the account that is used here stays a superuser.
   */
  readonly existingRoles?: 'keep' | 'as-saved';
}

/**
 * The database server of one data set inside its guest, driven through the guest agent: client programs run there as the data set's account, no shell, no
 * secret in an argument vector.
 *
 * It acts for one run: what it makes in the guest is named after the run, and every operation first ends what an earlier attempt of the same run has left
 * running. Every operation may be called again after its caller died at any point: it adopts, finishes or undoes what it finds. Directories lie in the data
 * set's spool directory.
 *
 * All throw the errors of the guest agent, `DATABASE_SERVER_UNREACHABLE` (later) when the server refuses connections, `GUEST_PROGRAM_MISSING`,
 * `GUEST_DISK_FULL` with numbers.
 */
export interface Postgresql {
  /** Read-only. */
  probe(): Promise<PostgresqlProbe>;
  /** Makes the spool directory and this directory in it, 0700, owned by the data set's account. Idempotent. */
  makeDirectory(directory: string): Promise<void>;
  /**
   * Dumps the databases of the data set into `directory` (made; what an earlier attempt left in it goes), with `globals.sql` and `facts.json`. Facts and dump
   * of a database come from one snapshot; each dump is read to its end. A failed attempt leaves no files. Throws `DATABASE_NOT_FOUND`, `DUMP_FAILED`,
   * `DUMP_INCOMPLETE`.
   */
  dump(directory: string, waiting: Waiting): Promise<{ readonly content: PostgresqlContent; readonly facts: PostgresqlFacts }>;
  /** Removes a directory that lies directly in the spool directory. Idempotent. */
  discard(directory: string): Promise<void>;

  /** Read-only. Throws `DATA_NOT_IN_RECOVERY_POINT`. What stands against the restore is said in findings. */
  survey(facts: PostgresqlFacts, selection: PostgresqlSelection): Promise<PostgresqlSurvey>;

  /**
   * Puts tables and schemas back: missing ones in place, existing ones beside or, with `replace`, their rows in place of the present ones. `directory` holds
   * the files of the recovery point. Everything that others see happens in one transaction. Throws `DATABASE_NOT_FOUND`, `DATA_NOT_IN_RECOVERY_POINT`,
   * `DATABASE_STRUCTURE_DIFFERS`, `DATABASE_ROWS_CONFLICT`, `DATABASE_IN_USE` (a lock was not to be had), `DATABASE_ROLE_MISSING`,
   * `DATABASE_EXTENSION_MISSING`, `DATABASE_TABLESPACE_MISSING`, `DATABASE_ENGINE_TOO_OLD`, `DUMP_INCOMPLETE`, `DATA_RESTORE_FAILED`: the live database is as
   * it was.
   */
  restoreObjects(
    directory: string,
    facts: PostgresqlFacts,
    selection: PostgresqlSelection,
    waiting: Waiting,
  ): Promise<KeptPostgresql & { readonly notes: readonly string[] }>;

  /**
   * Loads a whole database beside the live one, under a name of this run, and proves it. Missing roles are made. Errors as of `restoreObjects`; the half-loaded
   * database is dropped. `notes` say what is not as it was; what an earlier call for the same run has done already is not said again.
   */
  restoreWholeBeside(
    directory: string,
    facts: PostgresqlFacts,
    database: string,
    waiting: Waiting,
    options?: WholeOptions,
  ): Promise<{ readonly notes: readonly string[] }>;
  /**
   * Puts the restored database in the live one's place, which is kept under another name and accepts no connections there. Sessions are ended. Throws
   * `DATABASE_IN_USE`: everything is as it was; `DATABASE_NOT_FOUND`: nothing restored is there to be put in place. An abort counts until the exchange begins:
   * that takes seconds, and is all or nothing.
   */
  swap(database: string, waiting?: Waiting): Promise<KeptPostgresql>;
  /**
   * Puts everything back to before the run's first change in the guest, whatever has been reached; the live database accepts connections. After `swap` the
   * exchanged database is kept as `undoneDatabase`, because others may have written to it; null otherwise. Objects that were put in place are taken away again
   * and dropped; when others have written to them, or have made something that hangs on them, they are kept in the schema `undoneSchema` (and ones named like
   * it with `_2`, `_3` … behind), null otherwise. Both stay until somebody drops them. Roles that were made stay. Throws the errors of `undo`.
   */
  abandon(database: string, waiting?: Waiting): Promise<{ readonly undoneDatabase: string | null; readonly undoneSchema: string | null }>;

  /** What `undo` would lose. Read-only. */
  surveyUndo(kept: KeptPostgresql): Promise<PostgresqlUndoSurvey>;
  /**
   * Takes back what another run has restored. The state that is undone is kept, and what is returned undoes the undo. Throws `DATABASE_IN_USE`,
   * `DATABASE_ROWS_CONFLICT`, `DATABASE_STRUCTURE_DIFFERS`, `DATABASE_NOT_FOUND` (what was kept is gone): everything is as it was. Rows of large tables take a
   * while.
   */
  undo(kept: KeptPostgresql, waiting?: Waiting): Promise<KeptPostgresql & { readonly notes: readonly string[] }>;
  /** Drops what is kept. What was restored beside stays. Idempotent. Throws `DATABASE_IN_USE`. */
  confirm(kept: KeptPostgresql): Promise<void>;
}
