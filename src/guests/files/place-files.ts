import type { KeptData, SnapshotEntry } from '../../contracts/data';
import { ModosuError } from '../../contracts/errors';
import { namesOf } from '../../contracts/text';
import { parentOf, STAGED, stagingDirectory, type StagedPart } from '../../domain/planning/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { failureOf, mustRunInGuest, runInGuest, type GuestWork } from '../guest-process';
import { readJournal, writeJournal, type Journal } from './journal';
import { isRootsAlone, MAKE_IT_ROOTS, statMany } from './many-paths';
import {
  checkStaging,
  directionMark,
  ends,
  exchange,
  inDirection,
  itemsOf,
  markPlaced,
  realPath,
  stagedPath,
  transfer,
  type Ground,
  type Numbered,
} from './moves';
import { checkedRunId } from './run-ids';

export type KeptFiles = Extract<KeptData, { readonly kind: 'files' }>;

export interface PlacedFiles {
  readonly kept: KeptFiles;
  /**
   * What was not put in place, because something stood there by then, or a directory above it had become another one: at most 20. It lies in the staging
   * directory until `confirmFiles`.
   */
  readonly left: readonly string[];
  readonly leftCount: number;
}

export interface PlaceRequest {
  readonly runId: string;
  /** Staged by restic. */
  readonly parts: readonly StagedPart[];
  /** Staging directories of this run with a journal, from `findStaging`: an earlier attempt has begun there, and its journal rules. */
  readonly begun: readonly string[];
}

const MAX_LEFT = 20;

export interface StagingSearch {
  /** Those declared. */
  readonly paths: readonly [string, ...string[]];
  readonly runId: string;
}

/** Staging directories of a run that already have a journal: there placing has begun, and nothing needs to be restored again. Reads only. */
export async function findStaging(agent: GuestAgent, search: StagingSearch, work: GuestWork): Promise<readonly string[]> {
  const { ours: candidates } = await findStagingDirectories(agent, search, work);
  const journals = await statMany(
    agent,
    candidates.map((directory) => `${directory}/journal.json`),
    work,
  );
  return candidates.filter((directory) => journals.has(`${directory}/journal.json`));
}

/**
 * All staging directories of a run, also those that were only fetched into. `strange`: have the name of one and are not root's alone. Accounts of the guest may
 * write where data lies, so nothing in them is believed; but they may be ours, when somebody has changed owner or mode of everything there. Reads only.
 */
export async function findStagingDirectories(
  agent: GuestAgent,
  search: StagingSearch,
  work: GuestWork,
): Promise<{ readonly ours: readonly string[]; readonly strange: readonly string[] }> {
  const candidates = await stagingCandidates(agent, search, work);
  const standing = await statMany(agent, candidates, work);
  const directories = candidates.filter((directory) => standing.get(directory)?.type === 'dir');
  const isOurs = (directory: string): boolean => isRootsAlone(standing.get(directory));
  return { ours: directories.filter(isOurs), strange: directories.filter((directory) => !isOurs(directory)) };
}

/** What it has kept cannot be put back by us: people have to look. */
export const notOurs = (directories: readonly string[]): ModosuError =>
  new ModosuError(
    'WAY_BACK_INCOMPLETE',
    `${namesOf(directories)} ${directories.length === 1 ? 'is' : 'are'} not root's alone any more, so nothing in ${directories.length === 1 ? 'it' : 'them'} is believed: what was replaced may still lie there.`,
    {
      hint: MAKE_IT_ROOTS,
      context: { directories: directories.slice(0, 5) },
    },
  );

async function stagingCandidates(agent: GuestAgent, { paths, runId }: StagingSearch, { signal }: GuestWork): Promise<readonly string[]> {
  const name = stagingDirectory('/', checkedRunId(runId)).slice(1);
  const { stdout } = await runInGuest(agent, { argv: ['find', ...paths, '-name', name, '-type', 'd', '-print0', '-prune'] }, { signal });
  const above = paths.flatMap((path) => {
    const found: string[] = [];
    for (let at = path; at !== '/';) found.push(stagingDirectory((at = parentOf(at)), runId));
    return found;
  });
  return [...new Set([...stdout.split('\0').slice(0, -1), ...above])].filter((path) => path.startsWith('/') && !path.includes('\uFFFD'));
}

/**
 * Makes the staging directory of a part (`.modosu-restore-<run>`, for root alone) and returns the directory in it that restic restores into. Idempotent.
 * Throws `DATA_RESTORE_FAILED` when something else stands there or cannot be made, `GUEST_DISK_FULL`.
 */
export async function prepareStaging(
  agent: GuestAgent,
  { base, anchor }: Pick<StagedPart, 'base' | 'anchor'>,
  runId: string,
  { signal }: GuestWork,
): Promise<string> {
  const directory = stagingDirectory(base, checkedRunId(runId));
  const above = directoriesBetween(base, anchor);
  const standingAbove = await statMany(agent, above, { signal });
  const exchanged = above.filter((path) => standingAbove.get(path)?.type !== 'dir');
  if (exchanged.length > 0) throw new ModosuError('DATA_RESTORE_FAILED', `${namesOf(exchanged)} is no directory any more.`, { context: { directory } });
  // Not `-p`: what already has the name must not be taken for ours without a look.
  const made = await runInGuest(agent, { argv: ['mkdir', '-m', '0700', '--', directory] }, { signal });
  const standing = (await statMany(agent, [directory], { signal })).get(directory);
  if (standing === undefined) throw failureOf('mkdir', made, 'DATA_RESTORE_FAILED');
  if (!isRootsAlone(standing)) {
    throw new ModosuError('DATA_RESTORE_FAILED', `${namesOf([directory])} is there already, and is not root's alone.`, { context: { directory } });
  }
  return `${directory}/${STAGED}`;
}

/** `base` and what is above it, without the anchor. */
function directoriesBetween(base: string, anchor: string): string[] {
  const found: string[] = [];
  for (let at = base; at !== anchor && at !== '/'; at = parentOf(at)) found.push(at);
  return found;
}

/**
 * Puts what restic has staged in place, by renames. First everything expected is looked for, then a journal is written, then things move. Called again after
 * its caller died, it finishes what the journal says. Throws `DATA_RESTORE_FAILED` (nothing was moved, or `abandonFiles` puts it back), `GUEST_DISK_FULL`.
 */
export async function placeFiles(agent: GuestAgent, { runId, parts, begun }: PlaceRequest, work: GuestWork): Promise<PlacedFiles> {
  const grounds: Ground[] = [];
  const ofParts = new Map(parts.map((part) => [stagingDirectory(part.base, checkedRunId(runId)), part]));
  for (const directory of new Set([...begun, ...ofParts.keys()])) {
    checkStaging(directory, runId);
    const journal = (await readJournal(agent, directory, runId, work.signal)) ?? (await beginJournal(agent, directory, ofParts.get(directory), runId, work));
    grounds.push({ directory, journal });
  }
  let [added, replaced, keptBytes] = [0, 0, 0];
  const left: string[] = [];
  for (const ground of grounds) {
    const placed = await placeOne(agent, ground, work);
    added += placed.added.reduce((sum, { files }) => sum + files, 0);
    replaced += placed.replaced.length;
    keptBytes += placed.replaced.reduce((sum, item) => sum + item.keptBytes, 0);
    for (const { path } of placed.left) left.push(path);
  }
  return {
    kept: { kind: 'files', directories: grounds.map(({ directory }) => directory), added, replaced, keptBytes },
    left: left.slice(0, MAX_LEFT),
    leftCount: left.length,
  };
}

async function beginJournal(agent: GuestAgent, directory: string, part: StagedPart | undefined, runId: string, work: GuestWork): Promise<Journal> {
  if (part === undefined) throw new ModosuError('WAY_BACK_INCOMPLETE', `The journal in ${namesOf([directory])} has gone.`, { context: { directory } });
  const { signal } = work;
  await checkArrived(agent, `${directory}/${STAGED}`, part.expected, work);
  const standing = (await statMany(agent, [directory], { signal })).get(directory);
  if (standing === undefined) throw new ModosuError('DATA_RESTORE_FAILED', `${namesOf([directory])} has gone.`);
  const journal: Journal = {
    runId,
    staging: { device: standing.device, inode: standing.inode },
    anchor: part.anchor,
    realAnchor: await realPath(agent, part.anchor, { signal }),
    items: [
      ...part.added.map(({ path, files, bytes }) => ({ kind: 'added' as const, path, files, bytes, keptBytes: 0 })),
      ...part.replaced.map(({ path, bytes, keptBytes }) => ({ kind: 'replaced' as const, path, files: 1, bytes, keptBytes })),
    ],
  };
  const stores = [...['kept', 'undone', 'spare'].map((name) => `${directory}/${name}`), directionMark(directory, 'place')];
  await mustRunInGuest(agent, { argv: ['mkdir', '-p', '-m', '0700', '--', ...stores] }, 'DATA_RESTORE_FAILED', { signal });
  await writeJournal(agent, directory, journal, signal);
  return journal;
}

/** restic may end well without having brought everything; what is half there must not be put in place. Names that are not UTF-8 cannot be asked for. */
async function checkArrived(agent: GuestAgent, staged: string, expected: readonly SnapshotEntry[], { signal, onProgress }: GuestWork): Promise<void> {
  const asked = expected.filter(({ path, type }) => type !== 'other' && !path.includes('\uFFFD'));
  const found = await statMany(
    agent,
    asked.map(({ path }) => `${staged}${path}`),
    { signal, onTick: () => onProgress?.({ doneBytes: 0, totalBytes: 0 }) },
  );
  const missing = asked.filter(({ path, type, sizeBytes }) => {
    const standing = found.get(`${staged}${path}`);
    return standing?.type !== type || (type === 'file' && standing.sizeBytes !== sizeBytes);
  });
  if (missing.length === 0) return;
  throw new ModosuError(
    'DATA_RESTORE_FAILED',
    `${missing.length} of ${asked.length} things have not arrived whole, such as ${namesOf(missing.map(({ path }) => path))}; nothing was put in place.`,
    {
      context: { missing: missing.length, expected: asked.length },
    },
  );
}

interface PlacedItems {
  readonly added: readonly Numbered[];
  readonly replaced: readonly Numbered[];
  readonly left: readonly Numbered[];
}

async function placeOne(agent: GuestAgent, ground: Ground, work: GuestWork): Promise<PlacedItems> {
  const { directory } = ground;
  const restored = `${directory}/${STAGED}`;
  const staged = `${directory}/staged`;
  const there = await statMany(agent, [restored, staged], work);
  // Under another name than restic's target: a later attempt that restores again does not mix with what is being placed.
  if (!there.has(staged)) {
    await mustRunInGuest(agent, { argv: ['sync', '-f', '--', restored] }, 'DATA_RESTORE_FAILED', work);
    await mustRunInGuest(agent, { argv: ['mv', '-n', '-T', '--', restored, staged] }, 'DATA_RESTORE_FAILED', work);
  }
  let result: PlacedItems = { added: [], replaced: [], left: [] };
  await inDirection(agent, ground, 'place', work, async (options) => {
    const added = await transfer(
      agent,
      ground,
      itemsOf(ground, 'added').map((item) => ({ item, from: stagedPath(ground, item), to: item.path })),
      options,
    );
    const replaced = await exchange(
      agent,
      ground,
      itemsOf(ground, 'replaced').map((item) => ({ item, ...ends(ground, item, 'place') })),
      { directoriesToo: false },
      options,
    );
    await markPlaced(agent, ground, options);
    result = { added: added.done, replaced: replaced.done, left: [...added.left, ...replaced.left] };
  });
  return result;
}
