import { ModosuError } from '../../contracts/errors';
import { asRecord, isCount, parseJson } from '../../contracts/json';
import { cleanWords } from '../../contracts/text';
import { isInside, STAGING_PREFIX } from '../../domain/planning/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { AGENT_TIMEOUT_MS, mustRunInGuest } from '../guest-process';
import { isRootsAlone, MAKE_IT_ROOTS, statMany } from './many-paths';

/**
 * `journal.json` in a staging directory: what a restore of files places and replaces there, written before anything moves. It lists intentions; what has
 * happened is told by where things stand: an item's restored version under `new/` (not yet placed), at its path, or under `undone/<number>`; the version it has
 * replaced under `kept/<number>`.
 */
export interface Journal {
  readonly runId: string;
  /** The staging directory's own numbers: another directory of its name is not it. */
  readonly staging: { readonly device: string; readonly inode: string };
  readonly anchor: string;
  /** The anchor without symbolic links, when the journal was written. */
  readonly realAnchor: string;
  /** Numbered by their position. */
  readonly items: readonly JournalItem[];
}

export interface JournalItem {
  readonly kind: 'added' | 'replaced';
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  readonly keptBytes: number;
}

const FORMAT = 'modosu-files-journal';
/** What the agent reads of a file. */
const MAX_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = 96 * 1024;

/**
 * Writes the journal, whole or not at all; its content is on stable storage before it gets its name. Throws `REQUEST_INVALID` when it would be too long to be
 * read again, `GUEST_DISK_FULL`.
 */
export async function writeJournal(agent: GuestAgent, directory: string, journal: Journal, signal: AbortSignal): Promise<void> {
  const items = journal.items.map(({ kind, path, files, bytes, keptBytes }) => [kind === 'added' ? 'a' : 'r', path, files, bytes, keptBytes]);
  const text = Buffer.from(`${JSON.stringify({ format: FORMAT, version: 1, ...journal, items })}\n`);
  if (text.length > MAX_BYTES) throw new ModosuError('REQUEST_INVALID', `${items.length} things are too many to be placed at once; restore fewer.`);
  const unfinished = `${directory}/journal.part`;
  const must = (argv: readonly [string, ...string[]], input?: Uint8Array): Promise<unknown> =>
    mustRunInGuest(agent, { argv, ...(input === undefined ? {} : { input }) }, 'DATA_RESTORE_FAILED', { signal });
  for (let at = 0; at < text.length; at += PIECE_BYTES) await must(['tee', ...(at === 0 ? [] : ['-a']), '--', unfinished], text.subarray(at, at + PIECE_BYTES));
  await must(['sync', '--', unfinished]);
  await must(['mv', '-T', '--', unfinished, `${directory}/journal.json`]);
}

/**
 * Null: there is none, so nothing was moved. Throws `WAY_BACK_INCOMPLETE` for one that cannot be read, that names what no restore could have placed, or that
 * lies in another directory than the one root has made for it: what a journal says is done as root, and accounts of the guest may write where data lies.
 */
export async function readJournal(agent: GuestAgent, directory: string, runId: string, signal: AbortSignal): Promise<Journal | null> {
  const file = `${directory}/journal.json`;
  const standing = await statMany(agent, [directory, file], { signal });
  if (!standing.has(file)) return null;
  const place = standing.get(directory);
  const bytes = await agent.readFile(file, { timeoutMs: AGENT_TIMEOUT_MS, maxBytes: MAX_BYTES });
  if (bytes === null) return null;
  // Of the same files, before and after: whoever may write beside the directory can exchange it by another one.
  const after = await statMany(agent, [directory, file], { signal });
  const journal = parseJournal(bytes.toString('utf8'));
  const isRoots = [standing, after].every((seen) => isRootsAlone(seen.get(directory)) && seen.get(file)?.uid === 0);
  const isStill = [directory, file].every(
    (path) => standing.get(path)?.inode === after.get(path)?.inode && standing.get(path)?.device === after.get(path)?.device,
  );
  const isItsOwn =
    journal?.runId === runId && journal.staging.device === place?.device && journal.staging.inode === place.inode && isInside(directory, journal.anchor);
  if (isRoots && isStill && isItsOwn) return journal;
  const why = isRoots ? 'cannot be read, or is another one' : "lies in a directory that is not root's alone (owner root, mode 0700): nothing in it is believed";
  throw new ModosuError('WAY_BACK_INCOMPLETE', `The journal in ${cleanWords(directory)} ${why}.`, {
    ...(isRoots ? {} : { hint: MAKE_IT_ROOTS }),
    context: { directory: cleanWords(directory) },
  });
}

function parseJournal(text: string): Journal | null {
  const journal = asRecord(parseJson(text));
  const staging = asRecord(journal['staging']);
  const { runId, anchor, realAnchor, items: listed } = journal;
  const { device, inode } = staging;
  if (journal['format'] !== FORMAT || journal['version'] !== 1 || !Array.isArray(listed)) return null;
  if (typeof runId !== 'string' || typeof device !== 'string' || typeof inode !== 'string' || !isPlainPath(anchor) || !isPlainPath(realAnchor)) return null;
  const items: JournalItem[] = [];
  for (const one of listed) {
    const [kind, path, ...numbers] = Array.isArray(one) ? (one as readonly unknown[]) : [];
    const [files, bytes, keptBytes] = numbers;
    if ((kind !== 'a' && kind !== 'r') || !isPlainPath(path) || path === anchor || !isInside(path, anchor) || path.includes(`/${STAGING_PREFIX}`)) return null;
    if (!isCount(files) || !isCount(bytes) || !isCount(keptBytes)) return null;
    items.push({ kind: kind === 'a' ? 'added' : 'replaced', path, files, bytes, keptBytes });
  }
  return { runId, staging: { device, inode }, anchor, realAnchor, items };
}

const isPlainPath = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.startsWith('/') &&
  !value.includes('\0') &&
  (value === '/' ||
    value
      .slice(1)
      .split('/')
      .every((part) => part !== '' && part !== '.' && part !== '..'));
