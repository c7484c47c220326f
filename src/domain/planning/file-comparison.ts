import type { DataChange, SnapshotEntry } from '../../contracts/data';

/** Something that stands in the guest now. */
export interface LiveEntry extends SnapshotEntry {
  /** Number of the file system, as a text: only compared for being the same. */
  readonly device: string;
}

/** What was found in the guest. Hostile: nothing but names and numbers, each checked for its shape alone. */
export interface LiveListing {
  /** At and below the paths asked for. What Modosu itself has put there (`.modosu-restore-…`) is left out. */
  readonly entries: readonly LiveEntry[];
  /** What stands above them, from `/` on, as far as it exists. */
  readonly above: readonly LiveEntry[];
  /** Asked for, and not there. */
  readonly missing: readonly string[];
  /** There was more than could be read: nothing can be concluded from what is not listed. */
  readonly truncated: boolean;
  /** Complaints of the program that listed, at most 5, cleaned for people. */
  readonly problems: readonly string[];
}

export interface CompareOptions {
  /** The paths of the data set. Nothing outside them is ever placed. */
  readonly declared: readonly string[];
  /** What was asked for: paths at or below declared ones; empty: everything. */
  readonly selected: readonly string[];
  readonly replace: boolean;
}

/** Missing in the guest: put in place as a whole, by one rename. Its parent stands there. */
export interface AddedRoot {
  readonly path: string;
  readonly type: SnapshotEntry['type'];
  /** In it, or itself; directories do not count. */
  readonly files: number;
  readonly bytes: number;
}

export interface ReplacedFile {
  readonly path: string;
  readonly bytes: number;
  /** Of what stands there now, and is kept. */
  readonly keptBytes: number;
}

/** What goes into one file system of the guest, through one staging directory. */
export interface StagedPart {
  /** Existing directory that the staging directory is made in. */
  readonly base: string;
  /** The nearest existing directory of a declared path, at or above `base`. Below it no symbolic link is followed. */
  readonly anchor: string;
  readonly added: readonly AddedRoot[];
  readonly replaced: readonly ReplacedFile[];
  /** What restic has to bring: each path with everything below it. */
  readonly include: readonly string[];
  /** Everything that has to have arrived before anything is put in place. */
  readonly expected: readonly SnapshotEntry[];
  readonly bytes: number;
  /** What restic writes for it: more than `bytes` where directories are named because their files are too many. */
  readonly fetchBytes: number;
}

export interface FileComparison {
  /** For people. */
  readonly changes: readonly DataChange[];
  readonly parts: readonly StagedPart[];
  readonly addedFiles: number;
  readonly replacedFiles: number;
  /** To bring from the repository. */
  readonly bytes: number;
  readonly keptBytes: number;
  /** Where a directory stands in the place of a file, or the other way round: never replaced. */
  readonly conflicts: readonly string[];
  /** Their names are not valid UTF-8 and cannot be said to a guest agent: stay in the recovery point. */
  readonly unnameable: readonly string[];
}

/** The staging directory of a run. */
export const stagingDirectory = (base: string, runId: string): string => `${base === '/' ? '' : base}/${STAGING_PREFIX}${runId}`;
export const STAGING_PREFIX = '.modosu-restore-';
/** Where in it restic writes. */
export const STAGED = 'new';

const MAX_EXAMPLES = 20;
/** More are not named one by one: restic compares every file of the snapshot with every pattern. */
const MAX_INCLUDES = 200;
const MAX_INCLUDE_CHARACTERS = 30_000;
/** What stands in a text for bytes that are none. */
const NOT_UTF8 = '\uFFFD';

/**
 * What a restore of files would do. Pure. A file is the same when type, size, whole second of change, mode and owner are; contents are not read. Directories
 * that exist keep their attributes, what stands in the guest alone stays, and a directory never gives way to a file or a file to a directory.
 */
export function compareFiles(snapshot: readonly SnapshotEntry[], live: LiveListing, options: CompareOptions): FileComparison {
  const present = new Map([...live.above, ...live.entries].map((entry) => [entry.path, entry]));
  const ordered = [...snapshot].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const tally = new Tally();
  const rootOf = new Map<string, string>();
  const blocked = new Set<string>();
  const placed = new Map<string, { readonly entry: SnapshotEntry | null; readonly inside: SnapshotEntry[] }>();
  const replaced: { readonly entry: SnapshotEntry; readonly present: LiveEntry }[] = [];
  const conflicts: string[] = [];
  const unnameable: string[] = [];

  for (const entry of ordered) {
    const now = present.get(entry.path);
    const above = parentOf(entry.path);
    if (blocked.has(above)) {
      blocked.add(entry.path);
      conflicts.push(entry.path);
      tally.add('conflict', entry);
    } else if (now === undefined) {
      const root = rootOf.get(above) ?? topmostMissing(entry.path, present);
      if (root === null) {
        blocked.add(entry.path);
        conflicts.push(entry.path);
        tally.add('conflict', entry);
      } else if (root.includes(NOT_UTF8)) {
        rootOf.set(entry.path, root);
        unnameable.push(entry.path);
        tally.add('unnameable', entry);
      } else {
        rootOf.set(entry.path, root);
        const group = placed.get(root) ?? { entry: root === entry.path ? entry : null, inside: [] };
        group.inside.push(entry);
        placed.set(root, group);
        tally.add('added', entry);
      }
    } else if (inConflict(entry, now)) {
      blocked.add(entry.path);
      conflicts.push(entry.path);
      tally.add('conflict', entry);
    } else if (isSame(entry, now)) tally.add('same', entry);
    else if (entry.type === 'dir') tally.add('directory', entry);
    else if (entry.path.includes(NOT_UTF8)) {
      unnameable.push(entry.path);
      tally.add('unnameable', entry);
    } else if (options.replace) {
      replaced.push({ entry, present: now });
      tally.add('replaced', entry);
    } else tally.add('kept', entry);
  }
  const known = new Set(ordered.map(({ path }) => path));
  for (const entry of live.entries) if (!known.has(entry.path)) tally.add('extra', entry);

  const parts = partsOf(placed, replaced, present, snapshot, options);
  return {
    changes: tally.changes(),
    parts,
    addedFiles: tally.count('added'),
    replacedFiles: replaced.length,
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    keptBytes: replaced.reduce((sum, file) => sum + file.present.sizeBytes, 0),
    conflicts,
    unnameable,
  };
}

function inConflict(then: SnapshotEntry, now: LiveEntry): boolean {
  if (then.type === now.type) return false;
  return then.type === 'dir' || now.type === 'dir' || then.type === 'other' || now.type === 'other';
}

function isSame(then: SnapshotEntry, now: LiveEntry): boolean {
  if (then.type === 'other') return true; // devices and pipes hold nothing; they are put back where they are missing, that is all
  if (then.type !== now.type || then.uid !== now.uid || then.gid !== now.gid) return false;
  if (then.type === 'symlink') return then.mtime === now.mtime; // a link has no mode, and its size is that of its target's name
  if (then.mode !== now.mode) return false;
  return then.type === 'dir' || (then.sizeBytes === now.sizeBytes && then.mtime === now.mtime);
}

/** The highest directory (or the path itself) that is not there. Null: something that is no directory stands in the way. */
function topmostMissing(path: string, present: ReadonlyMap<string, LiveEntry>): string | null {
  let root = path;
  for (;;) {
    const above = parentOf(root);
    const entry = present.get(above);
    if (entry !== undefined) return entry.type === 'dir' ? root : null;
    if (above === '/') return root;
    root = above;
  }
}

function partsOf(
  placed: ReadonlyMap<string, { readonly entry: SnapshotEntry | null; readonly inside: readonly SnapshotEntry[] }>,
  replaced: readonly { readonly entry: SnapshotEntry; readonly present: LiveEntry }[],
  present: ReadonlyMap<string, LiveEntry>,
  snapshot: readonly SnapshotEntry[],
  options: CompareOptions,
): StagedPart[] {
  interface Draft {
    readonly anchor: string;
    readonly added: AddedRoot[];
    readonly replaced: ReplacedFile[];
    readonly expected: SnapshotEntry[];
    readonly wanted: string[];
  }
  const asked = options.selected.length > 0 ? options.selected : options.declared;
  const drafts = new Map<string, Draft>();
  const draftFor = (path: string): Draft => {
    const anchor = anchorOf(path, present, options.declared);
    const base = baseOf(path, anchor, present);
    const draft = drafts.get(base) ?? { anchor, added: [], replaced: [], expected: [], wanted: [] };
    drafts.set(base, draft);
    return draft;
  };
  for (const [path, { entry, inside }] of placed) {
    const draft = draftFor(path);
    draft.added.push({ path, type: entry?.type ?? 'dir', files: inside.filter(({ type }) => type !== 'dir').length, bytes: bytesOf(inside) });
    for (const one of inside) draft.expected.push(one);
    // A directory above what was asked for: in the recovery point more may lie in it.
    draft.wanted.push(...(entry === null ? asked.filter((one) => isInside(one, path)) : [path]));
  }
  for (const { entry, present: now } of replaced) {
    const draft = draftFor(entry.path);
    draft.replaced.push({ path: entry.path, bytes: entry.sizeBytes, keptBytes: now.sizeBytes });
    draft.expected.push(entry);
    draft.wanted.push(entry.path);
  }
  return [...drafts].map(([base, { wanted, ...draft }]) => {
    const include = includesOf(wanted, asked);
    return { base, ...draft, include, bytes: bytesOf(draft.expected), fetchBytes: bytesOf(include === wanted ? draft.expected : belowAny(snapshot, include)) };
  });
}

/** The nearest existing directory of the declared path that `path` lies in. */
function anchorOf(path: string, present: ReadonlyMap<string, LiveEntry>, declared: readonly string[]): string {
  let anchor = declared.find((root) => isInside(path, root)) ?? parentOf(path);
  while (anchor !== '/' && present.get(anchor)?.type !== 'dir') anchor = parentOf(anchor);
  return anchor;
}

/** The highest directory, not above the anchor, from which `path` is reached without leaving the file system of its parent: a rename works from there. */
function baseOf(path: string, anchor: string, present: ReadonlyMap<string, LiveEntry>): string {
  let base = parentOf(path);
  const device = present.get(base)?.device;
  while (base !== anchor && base !== '/' && present.get(parentOf(base))?.device === device) base = parentOf(base);
  return base;
}

/** All of them, while they are few; else the directories they lie in, the deepest first, until those are few: never above what was asked for. */
function includesOf(wanted: readonly string[], asked: readonly string[]): readonly string[] {
  let named = wanted;
  while (!isFew(named)) {
    const climbing = named.filter((path) => !asked.includes(path));
    if (climbing.length === 0) return named;
    const deepest = climbing.reduce((most, path) => Math.max(most, depthOf(path)), 0);
    named = outermost(named.map((path) => (depthOf(path) === deepest && !asked.includes(path) ? parentOf(path) : path)));
  }
  return named;
}

const isFew = (paths: readonly string[]): boolean =>
  paths.length <= MAX_INCLUDES && paths.reduce((sum, path) => sum + path.length, 0) <= MAX_INCLUDE_CHARACTERS;
const depthOf = (path: string): number => path.split('/').length;

/** Without doubles, and without what lies in another one. */
function outermost(paths: readonly string[]): string[] {
  const named = new Set(paths);
  return [...named].filter((path) => !hasAbove(path, named));
}

function belowAny(entries: readonly SnapshotEntry[], roots: readonly string[]): SnapshotEntry[] {
  const named = new Set(roots);
  return entries.filter(({ path }) => named.has(path) || hasAbove(path, named));
}

function hasAbove(path: string, named: ReadonlySet<string>): boolean {
  for (let at = path; at !== '/';) if (named.has((at = parentOf(at)))) return true;
  return false;
}

type Verdict = 'added' | 'replaced' | 'kept' | 'conflict' | 'unnameable' | 'directory' | 'same' | 'extra';

const WORDS: readonly { readonly verdict: Verdict; readonly effect: DataChange['effect']; readonly what: string; readonly directories: boolean }[] = [
  { verdict: 'added', effect: 'added', what: 'files', directories: false },
  { verdict: 'added', effect: 'added', what: 'directories', directories: true },
  { verdict: 'replaced', effect: 'replaced', what: 'files', directories: false },
  { verdict: 'kept', effect: 'kept', what: 'files that differ', directories: false },
  { verdict: 'conflict', effect: 'kept', what: 'files in whose place something of another type stands', directories: false },
  { verdict: 'conflict', effect: 'kept', what: 'directories in whose place something of another type stands', directories: true },
  { verdict: 'unnameable', effect: 'kept', what: 'files whose names are not UTF-8', directories: false },
  { verdict: 'unnameable', effect: 'kept', what: 'directories whose names are not UTF-8', directories: true },
  { verdict: 'directory', effect: 'kept', what: 'directories with another mode or owner', directories: true },
  { verdict: 'same', effect: 'untouched', what: 'files that are the same', directories: false },
  { verdict: 'extra', effect: 'untouched', what: 'files that are not in the recovery point', directories: false },
];

class Tally {
  private readonly rows = new Map<string, { count: number; bytes: number; readonly examples: string[] }>();

  add(verdict: Verdict, { path, type, sizeBytes }: SnapshotEntry): void {
    const key = `${verdict} ${type === 'dir'}`;
    const row = this.rows.get(key) ?? { count: 0, bytes: 0, examples: [] };
    row.count += 1;
    row.bytes += type === 'file' ? sizeBytes : 0;
    if (row.examples.length < MAX_EXAMPLES) row.examples.push(path);
    this.rows.set(key, row);
  }

  count(verdict: Verdict): number {
    return this.rows.get(`${verdict} false`)?.count ?? 0;
  }

  changes(): DataChange[] {
    return WORDS.flatMap(({ verdict, effect, what, directories }) => {
      const row = this.rows.get(`${verdict} ${directories}`);
      return row === undefined ? [] : [{ effect, what, count: row.count, bytes: directories ? null : row.bytes, examples: row.examples }];
    });
  }
}

const bytesOf = (entries: readonly SnapshotEntry[]): number => entries.reduce((sum, { type, sizeBytes }) => sum + (type === 'file' ? sizeBytes : 0), 0);

/** The directory that holds a path; that of `/` is `/`. Paths are absolute, without `.`, `..`, doubled or closing slashes. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

/** Whether a path is another one or lies below it. */
export const isInside = (path: string, root: string): boolean => path === root || path.startsWith(root === '/' ? '/' : `${root}/`);
