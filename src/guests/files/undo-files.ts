import { ModosuError } from '../../contracts/errors';
import { namesOf } from '../../contracts/text';
import { STAGED } from '../../domain/planning/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { findFiles } from './find-files';
import { endLeftovers, mustRunInGuest, type GuestWork, type GuestRunOptions } from '../guest-process';
import { readJournal } from './journal';
import { statMany } from './many-paths';
import {
  checkStaging,
  ends,
  exchange,
  inDirection,
  itemsOf,
  keptPath,
  markPlaced,
  stagedPath,
  transfer,
  undonePath,
  type Ground,
  type Moved,
  type Numbered,
} from './moves';
import type { KeptFiles } from './place-files';
import { checkedRunId } from './run-ids';

export interface UndoneFiles {
  readonly added: number;
  readonly replaced: number;
  /** What could not be moved, at most 20. */
  readonly left: readonly string[];
  readonly leftCount: number;
}

const MAX_LEFT = 20;
/** In a staging directory: others have written to what was placed, whatever a later look says. */
const HELD = 'held';
const MAX_EXAMPLES = 20;
const MAX_LIST_BYTES = 4 * 1024 * 1024;
/** Of paths as arguments, in the agent's JSON. */
const MAX_ARGUMENT_BYTES = 60 * 1024;

/**
 * Moves what was added away, and puts back what was replaced; what stands there by then is kept in the staging directory, never deleted. What somebody has
 * removed since stays removed. Idempotent, and itself undone by `redoFiles`. Throws `WAY_BACK_INCOMPLETE` without a journal, before anything has moved.
 */
export async function undoFiles(agent: GuestAgent, kept: Pick<KeptFiles, 'directories'>, runId: string, work: GuestWork): Promise<UndoneFiles> {
  return eachGround(agent, kept, runId, work, async (ground) => {
    let result = nothing;
    await inDirection(agent, ground, 'undo', work, async (options) => {
      const stands = await stores(agent, ground, options);
      const placed = itemsOf(ground, 'added').filter((item) => stands(item) === 'placed');
      const added = await transfer(
        agent,
        ground,
        placed.map((item) => ({ item, from: item.path, to: undonePath(ground, item) })),
        options,
      );
      const present = await statMany(
        agent,
        added.left.map(({ path }) => path),
        options,
      );
      const replacing = itemsOf(ground, 'replaced').filter((item) => stands(item) === 'kept');
      const replaced = await exchange(
        agent,
        ground,
        replacing.map((item) => ({ item, ...ends(ground, item, 'undo') })),
        { directoriesToo: true },
        options,
      );
      const left = [...added.left.filter(({ path }) => present.has(path)), ...replaced.left];
      result = summary(
        itemsOf(ground, 'added').filter((item) => stands(item) === 'undone'),
        added,
        itemsOf(ground, 'replaced').filter((item) => stands(item) === 'undone'),
        replaced,
        left,
      );
    });
    return result;
  });
}

/** The other direction: what was restored is in place again. Idempotent; throws as `undoFiles`. */
export async function redoFiles(agent: GuestAgent, kept: Pick<KeptFiles, 'directories'>, runId: string, work: GuestWork): Promise<UndoneFiles> {
  return eachGround(agent, kept, runId, work, async (ground) => {
    let result = nothing;
    await inDirection(agent, ground, 'redo', work, async (options) => {
      const stands = await stores(agent, ground, options);
      const away = (kind: 'added' | 'replaced'): Numbered[] => itemsOf(ground, kind).filter((item) => stands(item) === 'undone');
      const added = await transfer(
        agent,
        ground,
        away('added').map((item) => ({ item, from: undonePath(ground, item), to: item.path })),
        options,
      );
      const replaced = await exchange(
        agent,
        ground,
        away('replaced').map((item) => ({ item, ...ends(ground, item, 'redo') })),
        { directoriesToo: false },
        options,
      );
      await markPlaced(agent, ground, options);
      result = summary(
        itemsOf(ground, 'added').filter((item) => stands(item) === 'placed'),
        added,
        itemsOf(ground, 'replaced').filter((item) => stands(item) === 'kept'),
        replaced,
        [...added.left, ...replaced.left],
      );
    });
    return result;
  });
}

/**
 * Which placed files were written since, or made inside placed directories: an undo takes them away. Reads only. Told by the times that the guest's kernel
 * keeps; `atLeast`: there were more than could be listed. Throws as `undoFiles`.
 */
export async function surveyUndoFiles(
  agent: GuestAgent,
  kept: Pick<KeptFiles, 'directories'>,
  runId: string,
  work: GuestWork,
): Promise<{ readonly changed: number; readonly examples: readonly string[]; readonly atLeast: boolean }> {
  const names: string[] = [];
  let atLeast = false;
  for (const ground of await groundsOf(agent, kept, runId, work)) {
    const stands = await stores(agent, ground, work);
    const roots = ground.journal.items
      .map((item, number) => ({ ...item, number }))
      .filter((item) => stands(item) === (item.kind === 'added' ? 'placed' : 'kept'));
    const marker = `${ground.directory}/placed`;
    // A run that did not come to its end has no marker, and moving itself touches the times of names: only those of contents count then.
    const journal = `${ground.directory}/journal.json`;
    const newer = (await statMany(agent, [marker], work)).has(marker) ? ['(', '-cnewer', marker, '-o', '-newer', journal, ')'] : ['-newer', journal];
    for (const paths of argumentBatches(roots.map(({ path }) => path))) {
      const { text, truncated } = await findFiles(agent, paths, ['!', '-type', 'd', ...newer], ['-fprint0'], MAX_LIST_BYTES, { signal: work.signal });
      for (const name of text.split('\0').slice(0, -1)) names.push(name);
      atLeast ||= truncated;
    }
  }
  return { changed: names.length, examples: names.slice(0, MAX_EXAMPLES), atLeast };
}

/**
 * Removes the staging directories with everything that is kept in them: nothing can be undone any more. Idempotent. Throws `PATH_NOT_ALLOWED` for any directory
 * that is not the run's own.
 */
export async function confirmFiles(agent: GuestAgent, { directories }: Pick<KeptFiles, 'directories'>, runId: string, work: GuestWork): Promise<void> {
  for (const directory of directories) checkStaging(directory, checkedRunId(runId));
  for (const directory of directories) {
    const standing = (await statMany(agent, [directory], work)).get(directory);
    if (standing === undefined) continue;
    if (standing.type !== 'dir') {
      throw new ModosuError('PATH_NOT_ALLOWED', `${namesOf([directory])} is no directory; nothing was removed there.`, { context: { directory } });
    }
    const argv = ['rm', '-rf', '--one-file-system', '--', directory] as const;
    await mustRunInGuest(agent, { argv }, 'DATA_RESTORE_FAILED', { signal: work.signal, onTick: () => work.onProgress?.({ doneBytes: 0, totalBytes: 0 }) });
  }
}

/**
 * After a failed run: puts everything back, then removes the staging directories. A directory stays, and is named, when in it lies what somebody has written
 * since, or what could not be put back. Idempotent; directories that are not there are fine.
 */
export async function abandonFiles(
  agent: GuestAgent,
  runId: string,
  directories: readonly string[],
  work: GuestWork,
): Promise<{ readonly kept: readonly string[] }> {
  const staying: string[] = [];
  for (const directory of directories) {
    checkStaging(directory, checkedRunId(runId));
    await endLeftovers(agent, 'restic', `${directory}/${STAGED}`, work.signal);
    const one = { directories: [directory] };
    if ((await readJournal(agent, directory, runId, work.signal)) !== null) {
      const { changed } = await surveyUndoFiles(agent, one, runId, work);
      if (changed > 0) await mustRunInGuest(agent, { argv: ['touch', '--', `${directory}/${HELD}`] }, 'DATA_RESTORE_FAILED', work);
      const { leftCount } = await undoFiles(agent, one, runId, work);
      if (changed > 0 || leftCount > 0 || (await holdsWhatOthersWrote(agent, directory, work))) {
        staying.push(directory);
        continue;
      }
    }
    await confirmFiles(agent, one, runId, work);
  }
  return { kept: staying };
}

/** In what was taken away, or put aside. Asked after the undo, of what lies there: an attempt that finds everything undone has nothing else to tell by. */
async function holdsWhatOthersWrote(agent: GuestAgent, directory: string, work: GuestWork): Promise<boolean> {
  if ((await statMany(agent, [`${directory}/${HELD}`], work)).has(`${directory}/${HELD}`)) return true;
  const find = async (...argv: string[]): Promise<boolean> =>
    (await mustRunInGuest(agent, { argv: ['find', ...argv, '-print0', '-quit'] }, 'DATA_RESTORE_FAILED', work)).stdout !== '';
  const since = `${directory}/journal.json`;
  // Everything was restored before the journal was written, with the times it had. Moving a thing changes when it was changed, not what lies in it.
  return (
    (await find(`${directory}/spare`, '-mindepth', '1')) ||
    (await find(`${directory}/undone`, '-mindepth', '1', '!', '-type', 'd', '-newer', since)) ||
    (await find(`${directory}/undone`, '-mindepth', '2', '!', '-type', 'd', '-cnewer', since))
  );
}

async function groundsOf(agent: GuestAgent, { directories }: Pick<KeptFiles, 'directories'>, runId: string, work: GuestWork): Promise<Ground[]> {
  const grounds: Ground[] = [];
  for (const directory of directories) {
    checkStaging(directory, checkedRunId(runId));
    const journal = await readJournal(agent, directory, runId, work.signal);
    if (journal === null) {
      throw new ModosuError('WAY_BACK_INCOMPLETE', `${namesOf([directory])} with what the restore has kept has gone from the guest.`, {
        context: { directory },
      });
    }
    grounds.push({ directory, journal });
  }
  return grounds;
}

const nothing: UndoneFiles = { added: 0, replaced: 0, left: [], leftCount: 0 };

async function eachGround(
  agent: GuestAgent,
  kept: Pick<KeptFiles, 'directories'>,
  runId: string,
  work: GuestWork,
  move: (ground: Ground) => Promise<UndoneFiles>,
): Promise<UndoneFiles> {
  let sum = nothing;
  for (const ground of await groundsOf(agent, kept, runId, work)) {
    const one = await move(ground);
    sum = {
      added: sum.added + one.added,
      replaced: sum.replaced + one.replaced,
      left: [...sum.left, ...one.left].slice(0, MAX_LEFT),
      leftCount: sum.leftCount + one.leftCount,
    };
  }
  return sum;
}

/** `before`: as they were before this call. */
function summary(addedBefore: readonly Numbered[], added: Moved, replacedBefore: readonly Numbered[], replaced: Moved, left: readonly Numbered[]): UndoneFiles {
  const files = (items: readonly Numbered[]): number => items.reduce((sum, item) => sum + item.files, 0);
  return {
    added: files(addedBefore) + files(added.done),
    replaced: replacedBefore.length + replaced.done.length,
    left: left.slice(0, MAX_LEFT).map(({ path }) => path),
    leftCount: left.length,
  };
}

/**
 * Where each item is, by what lies in the staging directory. `staged`: never placed. `kept`: it has replaced what is kept. `undone`: taken away again.
 * `placed`: in its place, with nothing kept (or gone from there since).
 */
async function stores(agent: GuestAgent, ground: Ground, options: GuestRunOptions): Promise<(item: Numbered) => 'staged' | 'kept' | 'undone' | 'placed'> {
  const items = ground.journal.items.map((item, number) => ({ ...item, number }));
  const begun = `${ground.directory}/staged`;
  const found = await statMany(
    agent,
    [begun, ...items.flatMap((item) => [stagedPath(ground, item), keptPath(ground, item), undonePath(ground, item)])],
    options,
  );
  if (!found.has(begun)) return () => 'staged'; // its caller died right after the journal was written
  return (item) => {
    if (found.has(keptPath(ground, item))) return 'kept';
    if (found.has(undonePath(ground, item))) return 'undone';
    return found.has(stagedPath(ground, item)) ? 'staged' : 'placed';
  };
}

function argumentBatches(paths: readonly string[]): string[][] {
  const batches: string[][] = [];
  let bytes = 0;
  for (const path of paths) {
    const size = Buffer.byteLength(JSON.stringify(path)) + 1;
    const last = batches.at(-1);
    if (last === undefined || bytes + size > MAX_ARGUMENT_BYTES) {
      batches.push([path]);
      bytes = size;
    } else {
      last.push(path);
      bytes += size;
    }
  }
  return batches;
}
