/** Copies of the catalogue and of what Modosu keeps secret, which lie encrypted in the image repositories and beside the off-site ones: what the restore system itself is rebuilt from. */

/** First line of a copy of the catalogue. */
export interface CatalogCopyHeader {
  readonly format: 'modosu-catalogue';
  readonly version: 1;
  /** Name of the newest migration of its schema. */
  readonly schema: string;
  readonly madeAt: string;
  readonly software: string;
  /** The newest entry of the audit that is in it; hash of all zeros: the audit is empty. */
  readonly audit: { readonly seq: number; readonly hash: string };
}

/** Where copies lie: in an image repository, or beside what an off-site repository holds. */
export interface CatalogCopyPlace {
  readonly kind: 'image' | 'offsite';
  readonly name: string;
}

/** How far the copies in one place are. */
export interface CatalogCopyState extends CatalogCopyPlace {
  /** When the newest one was made, and the last entry of the audit in it; null: there is none. */
  readonly copiedAt: string | null;
  readonly auditSeq: number | null;
  /** When the first thing happened that is in no copy; null: all that has happened is in it. */
  readonly behindSince: string | null;
  /** What came of the last attempt; null: it went well, or there was none. */
  readonly problem: { readonly code: string; readonly message: string; readonly at: string } | null;
}

/** What `modosu catalog rebuild` has found, and done; `modosu catalog compare` reads nothing back. */
export interface RebuildReport {
  /** Nothing was changed: only looked. */
  readonly isDryRun: boolean;
  /** The copy of the catalogue that was read back; null: there was none to read, or the catalogue had servers already. */
  readonly copy: { readonly id: string; /** Its name, or where it lies. */ readonly repository: string; readonly header: CatalogCopyHeader } | null;
  /** Why none was read back although it was about a rebuild; null otherwise. */
  readonly withoutCopy: string | null;
  /** Rows that came back, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Secrets that came back, and those that were there already with another value, which stay. */
  readonly secrets: { readonly restored: number; readonly kept: readonly string[] };
  /** The audit of before, checked, in a file of its own. */
  readonly audit: { readonly file: string; readonly entries: number; readonly intact: boolean; readonly problem: string | null } | null;
  /** Runs that nobody will carry on: they count as failed. */
  readonly interruptedRuns: readonly { readonly runId: string; readonly kind: string; readonly serverName: string }[];
  readonly servers: { readonly found: number; readonly added: readonly string[] };
  readonly recoveryPoints: { readonly known: number; readonly added: number };
  /** Copies off-site that were not recorded, and are now. */
  readonly copiesAdded: number;
  /** Added, and only off-site: usable when they are fetched. */
  readonly offsiteOnly: readonly FoundProblem[];
  /** Known to the catalogue, and not in its repository: not usable until they are found again. */
  readonly missing: readonly FoundProblem[];
  /** In a repository, and not to be read, or of nobody. Nothing of it was touched. */
  readonly orphans: readonly FoundProblem[];
  /** What could not be looked at. */
  readonly notLooked: readonly FoundProblem[];
  /** Removable media that were not connected: nobody has looked at what lies there, which is no fault. */
  readonly away: readonly FoundProblem[];
}

export interface FoundProblem {
  readonly where: string;
  readonly what: string;
}
