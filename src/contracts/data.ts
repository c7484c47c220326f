/**
 * Data: sets of files and databases of a server that are backed up from inside the guest, by restic, into the data repository. Each data set has recovery
 * points of its own.
 */
import type { CredentialReference } from './credential';
import type { Finding } from './plan';

/** Program and arguments, run in the guest by its agent; no shell. */
export type GuestArgv = readonly [string, ...string[]];

interface DataSetBase {
  /** Unique within the server. */
  readonly name: string;
  /** Run in the guest before anything is read; its failure ends the backup of this data set. */
  readonly before: GuestArgv | null;
  /** Run after everything was read, also when that has failed. */
  readonly after: GuestArgv | null;
}

export interface FilesDataSet extends DataSetBase {
  readonly kind: 'files';
  /** Absolute paths of directories or files; none lies inside another. Each has to exist, and is proven to be in the recovery point. */
  readonly paths: readonly [string, ...string[]];
  /** restic's patterns. */
  readonly excludes: readonly string[];
}

export interface PostgresqlDataSet extends DataSetBase {
  readonly kind: 'postgresql';
  readonly databases: readonly [string, ...string[]];
  /** A superuser of the database server. */
  readonly user: string;
  /** The guest's account under which the client programs run (peer authentication); null: that of the guest agent. */
  readonly osUser: string | null;
  /** Directory of the local socket; null: the client's default. */
  readonly socketDirectory: string | null;
  readonly port: number;
  /** Where dumps are written before they are saved, and where they lie before they are loaded. Made when missing. */
  readonly spoolDirectory: string;
}

export type DataSet = FilesDataSet | PostgresqlDataSet;

/** `system`: restored with the image. `data`: may be kept by a restore of a server that no longer starts (`--keep-disk`). */
export type DiskRole = 'system' | 'data';

export interface DiskDeclaration {
  readonly target: string;
  readonly role: DiskRole;
}

/** What a files recovery point holds. */
export interface FilesContent {
  readonly kind: 'files';
  readonly paths: readonly [string, ...string[]];
  readonly files: number;
  readonly totalBytes: number;
  /** Files that changed or vanished while they were read, or could not be read: restic's own words. Empty for a recovery point that is whole. */
  readonly problems: readonly string[];
}

/** What a PostgreSQL recovery point holds. Everything else about it stands in `facts.json` beside the dumps (`PostgresqlFacts`). */
export interface PostgresqlContent {
  readonly kind: 'postgresql';
  /** As the server says, such as `15.18`. */
  readonly engineVersion: string;
  readonly engineMajor: number;
  /** The directory inside the snapshot that holds the files named here. */
  readonly directory: string;
  readonly factsFile: string;
  readonly globalsFile: string;
  readonly databases: readonly { readonly name: string; readonly file: string; readonly sizeBytes: number; readonly tables: number; readonly rows: number }[];
}

export type DataContent = FilesContent | PostgresqlContent;

/** One privilege on a database, as PostgreSQL's aclexplode says. */
export interface DatabasePrivilege {
  /** Null: PUBLIC. */
  readonly grantee: string | null;
  readonly grantor: string;
  /** `CONNECT`, `CREATE` or `TEMPORARY`. */
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export interface ColumnFacts {
  readonly name: string;
  /** As format_type says, with its schema where it is not PostgreSQL's own. */
  readonly type: string;
  readonly notNull: boolean;
  /** Computed from others: never written. */
  readonly generated: boolean;
  readonly identity: boolean;
}

export interface TableFacts extends TableName {
  /** pg_class.oid at the moment of the dump: how its entries are found in the table of contents of the dump. */
  readonly oid: number;
  readonly kind: 'table' | 'partitioned';
  /** Exact, at the moment of the dump; of a partitioned table those of all its partitions. */
  readonly rows: number;
  /** With indexes and TOAST; 0 for a partitioned table. */
  readonly bytes: number;
  readonly owner: string;
  /** Owner, and every role that its privileges and policies name. */
  readonly roles: readonly string[];
  /** In their order. */
  readonly columns: readonly ColumnFacts[];
  /** Tables it is a partition of, or inherits from. */
  readonly parents: readonly TableName[];
  /** `FOR VALUES …` of a partition. */
  readonly bound: string | null;
}

export interface SchemaFacts {
  readonly name: string;
  readonly owner: string;
  /** Every role that owns something in it or is named in privileges in it. */
  readonly roles: readonly string[];
}

/** A foreign key: one that would not hold is left out of a partial load, and made again from this. */
export interface ForeignKeyFacts {
  readonly table: TableName;
  readonly references: TableName;
  readonly name: string;
  /** pg_get_constraintdef, every name with its schema. */
  readonly definition: string;
  readonly validated: boolean;
  readonly comment: string | null;
}

/** What a database is besides its objects, which pg_dump alone would lose, and what its objects were, to compare. */
export interface DatabaseFacts {
  readonly name: string;
  /** File name of its dump (custom format, not compressed). */
  readonly file: string;
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c` (libc), `i` (ICU), `b` (builtin): pg_database.datlocprovider. */
  readonly localeProvider: string;
  /** Of the providers `i` and `b`. */
  readonly icuLocale: string | null;
  readonly icuRules: string | null;
  /** -1: no limit. */
  readonly connectionLimit: number;
  readonly tablespace: string;
  /** Access privileges; null: the defaults. */
  readonly acl: readonly DatabasePrivilege[] | null;
  readonly comment: string | null;
  /** pg_db_role_setting rows that name this database; role null: for all. */
  readonly settings: readonly { readonly role: string | null; readonly setting: string }[];
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  /** Tablespaces that objects of the database lie in, besides its own. */
  readonly tablespaces: readonly string[];
  /** Roles that own objects in it or are named in its privileges. */
  readonly roles: readonly string[];
  readonly schemas: readonly SchemaFacts[];
  /** Every ordinary and partitioned table that no extension owns. */
  readonly tables: readonly TableFacts[];
  readonly foreignKeys: readonly ForeignKeyFacts[];
  readonly sizeBytes: number;
}

/** `facts.json` of a PostgreSQL recovery point: written in the guest, and so hostile when it is read again. */
export interface PostgresqlFacts {
  readonly format: 'modosu-postgresql-facts';
  readonly version: 1;
  readonly engineVersion: string;
  readonly engineMajor: number;
  readonly takenAt: string;
  readonly databases: readonly DatabaseFacts[];
  /** Names of all roles of the server; how to make them stands in the globals file. */
  readonly roles: readonly string[];
}

export type DataPurpose = 'backup' | 'safety';

/** The truth about a data recovery point: kept in the data repository, as a snapshot of its own that was written from outside the guest. */
export interface DataManifest {
  readonly format: 'modosu-data-recovery-point';
  /** 2: it remembers credentials. */
  readonly version: 1 | 2;
  readonly recoveryPointId: string;
  readonly server: { readonly id: string; readonly name: string; readonly uuid: string };
  /** As it was declared. */
  readonly dataSet: DataSet;
  readonly runId: string;
  /** `safety`: taken of what was there before a restore. Never chosen by itself, only by its id: it may be what the restore was to mend. */
  readonly purpose: DataPurpose;
  readonly reason: string;
  /** The moment from which on nothing is in it: the beginning of the dump, or of reading the files. */
  readonly pointInTime: string;
  readonly publishedAt: string;
  /** restic's full id. Snapshots are always named by it. */
  readonly snapshotId: string;
  /** Which key opens the repository (its id, never the key). */
  readonly keyId: string;
  /** Bytes of files and dumps, before deduplication. */
  readonly totalBytes: number;
  /** Bytes this recovery point has added to the repository. */
  readonly addedBytes: number;
  readonly content: DataContent;
  /** Which versions of its server's credentials were valid right before the data was read. Absent: none was declared. Only in version 2. */
  readonly credentials?: readonly CredentialReference[];
  readonly software: { readonly modosu: string; readonly restic: string };
}

/** What is to come back from a data recovery point. */
export interface FilesSelection {
  readonly kind: 'files';
  /** Absolute paths inside the declared ones; empty: everything. */
  readonly paths: readonly string[];
  /** Whether files that exist and differ are replaced; what stood there is kept until `confirm`. */
  readonly replace: boolean;
}

export interface PostgresqlSelection {
  readonly kind: 'postgresql';
  readonly database: string;
  readonly tables: readonly TableName[];
  readonly schemas: readonly string[];
  /** The whole database goes back in time. Then no tables and no schemas are named. */
  readonly whole: boolean;
  /**
   * Whether tables that exist get the rows of the recovery point; their present rows are kept until `confirm`. False: the restored ones land in a schema
   * `restored_<run>` to compare.
   */
  readonly replace: boolean;
}

export type DataSelection = FilesSelection | PostgresqlSelection;

/** What a restore of data would do to one kind of thing, for people. */
export interface DataChange {
  /**
   * `added`: missing now, put in place. `replaced`: exists and differs, replaced. `beside`: exists, the restored one is put beside it to compare. `kept`:
   * exists and differs, and stays as it is. `untouched`: the same, or not selected.
   */
  readonly effect: 'added' | 'replaced' | 'beside' | 'kept' | 'untouched';
  /** Such as "files" or "table public.orders". */
  readonly what: string;
  readonly count: number;
  /** Null: not known. */
  readonly bytes: number | null;
  /** Some of them by name, at most 20. */
  readonly examples: readonly string[];
  /** Tables only: rows now, and in the recovery point. */
  readonly rows?: { readonly now: number | null; readonly then: number | null };
}

/** What a data restore has kept in the guest, so that it can be undone. Small: what it lists lies in the guest. */
export type KeptData =
  | {
      readonly kind: 'files';
      /** Directories in the guest that hold the journal of what was placed and what stood there before. */
      readonly directories: readonly string[];
      readonly added: number;
      readonly replaced: number;
      readonly keptBytes: number;
    }
  | {
      readonly kind: 'postgresql';
      readonly database: string;
      /** Whether the whole database was exchanged, or objects inside it were put in place. */
      readonly whole: boolean;
      /** Whole: the name the replaced one has now. Null: there was none before. */
      readonly keptDatabase: string | null;
      /** Objects: the schema with what was restored beside; what came from further schemas lies in ones named like it with `_2`, `_3` … behind. */
      readonly restoredSchema: string | null;
      /** Objects: the schema with replaced rows and the journal of what was done. */
      readonly keptSchema: string | null;
      readonly added: readonly string[];
      readonly replaced: readonly string[];
      /** As large as it was when this was said: the server's own workers go on tidying it. */
      readonly keptBytes: number;
    };

/** Room in a file system of the guest. */
export interface GuestSpace {
  readonly directory: string;
  readonly freeBytes: number;
  readonly neededBytes: number;
}

/** A read-only look at a database server, for the plan of a restore. */
export interface PostgresqlSurvey {
  readonly engineVersion: string;
  readonly engineMajor: number;
  readonly databaseExists: boolean;
  readonly changes: readonly DataChange[];
  readonly findings: readonly Finding[];
  /** What goes back in time or is lost, in sentences. */
  readonly losses: readonly string[];
}

/** What undoing a restore would change and lose. */
export interface PostgresqlUndoSurvey {
  readonly changes: readonly DataChange[];
  readonly findings: readonly Finding[];
  readonly losses: readonly string[];
}

/** What restic in a guest needs to reach its server's repository. Secrets: only for environments of programs, never for arguments, logs, histories, errors. */
export interface DataAccess {
  /**
   * RESTIC_REPOSITORY (with the login in it), RESTIC_PASSWORD, and RESTIC_CACERT with SSL_CERT_FILE (for restic before 0.17, which does not know the first)
   * where the guest needs a certificate to trust.
   */
  readonly env: Readonly<Record<string, string>>;
  /** PEM of the certificate that the guest has to find at `env.RESTIC_CACERT`; null: none is needed. */
  readonly caCertificate: string | null;
  /** Every text that must not be shown, for redaction of what programs say. */
  readonly secrets: readonly string[];
  /** Id of the key, for manifests. */
  readonly keyId: string;
  /**
   * False: the storage is full or can only be read, so restic has no place for its lock. Whoever only reads goes without one (`--no-lock`): a full repository
   * must not keep a restore back. The price is that nobody who deletes from the repository meanwhile is kept away.
   */
  readonly canLock: boolean;
}

/** One thing in a snapshot. */
export interface SnapshotEntry {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'other';
  readonly sizeBytes: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** As chmod counts: permissions with setuid, setgid and sticky, nothing about the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
