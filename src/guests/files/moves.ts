import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../contracts/errors';
import { namesOf } from '../../contracts/text';
import { parentOf, stagingDirectory } from '../../domain/planning/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { endLeftovers, mustRunInGuest, runInGuest, type GuestWork, type GuestRunOptions } from '../guest-process';
import type { Journal, JournalItem } from './journal';
import { inBatches, moveTag, onEach, onPairs, statMany, type Standing } from './many-paths';

/**
 * How things move between their places and a staging directory. Every step looks where things stand, and moves what can be moved: each can be called again
 * after its caller died.
 *
 * Nothing outside the declared paths is touched: right before and right after each group of at most 200 moves every directory between the anchor and a path has
 * to be a directory itself, the last one on the staging directory's file system, and the staging directory has to be the same one; before the first and after
 * the last group the anchor has to lead where it led when the journal was written. What remains: who may write in one of those directories can exchange it by a
 * symbolic link within that moment; it is then seen, and said, but the group has moved.
 */
export interface Ground {
  readonly directory: string;
  readonly journal: Journal;
}

export interface Numbered extends JournalItem {
  readonly number: number;
}

/** `path` is where it belongs, `store` a place in the staging directory. */
interface Move {
  readonly item: Numbered;
  readonly from: string;
  readonly to: string;
}

/** Moved: by this call or an earlier one. */
export interface Moved {
  readonly done: readonly Numbered[];
  readonly left: readonly Numbered[];
}

const GROUP = 200;

/** Where restored versions wait. */
export const stagedPath = ({ directory }: Ground, { path }: JournalItem): string => `${directory}/staged${path}`;
export const keptPath = ({ directory }: Ground, { number }: Numbered): string => `${directory}/kept/${number}`;
export const undonePath = ({ directory }: Ground, { number }: Numbered): string => `${directory}/undone/${number}`;

export const itemsOf = ({ journal }: Ground, kind: JournalItem['kind']): Numbered[] =>
  journal.items.map((item, number) => ({ ...item, number })).filter((item) => item.kind === kind);

/** Which way things were moved last: tells what a half-moved item is. */
export type Direction = 'place' | 'undo' | 'redo';
const DIRECTIONS: readonly Direction[] = ['place', 'undo', 'redo'];

/** An empty directory whose name is the direction: changed by one rename, which needs no data to reach the disk before it. */
export const directionMark = (directory: string, direction: Direction): string => `${directory}/direction-${direction}`;

/** Work on one staging directory, from the end of what an earlier attempt has left half-done to stable storage. */
export async function inDirection(
  agent: GuestAgent,
  ground: Ground,
  direction: Direction,
  work: GuestWork,
  move: (options: GuestRunOptions) => Promise<void>,
): Promise<void> {
  const { directory } = ground;
  const options: GuestRunOptions = { signal: work.signal, onTick: () => work.onProgress?.({ doneBytes: 0, totalBytes: 0 }) };
  await endLeftovers(agent, 'xargs', moveTag(ground.journal.runId), work.signal);
  await checkAnchor(agent, ground, options);
  const marks = await statMany(
    agent,
    DIRECTIONS.map((one) => directionMark(directory, one)),
    options,
  );
  const last = DIRECTIONS.find((one) => marks.has(directionMark(directory, one)));
  if (last === undefined) {
    throw new ModosuError('WAY_BACK_INCOMPLETE', `What ${namesOf([directory])} holds is not what a restore has left there.`, { context: { directory } });
  }
  await settle(agent, ground, last, options);
  if (last !== direction) {
    await mustRunInGuest(
      agent,
      { argv: ['mv', '-T', '--', directionMark(directory, last), directionMark(directory, direction)] },
      'DATA_RESTORE_FAILED',
      options,
    );
  }
  await move(options);
  await checkAnchor(agent, ground, options);
  await mustRunInGuest(agent, { argv: ['sync', '-f', '--', directory] }, 'DATA_RESTORE_FAILED', options);
}

/** The clock of a guest's files moves in steps of up to 10 ms, and later when the guest is busy: what is written after this is newer than the marker. */
const CLOCK_STEP_MS = 100;

/** Everything is in its place: what changes from now on is newer than this file, see `surveyUndoFiles`. */
export async function markPlaced(agent: GuestAgent, { directory }: Ground, options: GuestRunOptions): Promise<void> {
  await mustRunInGuest(agent, { argv: ['touch', '--', `${directory}/placed`] }, 'DATA_RESTORE_FAILED', options);
  await delay(CLOCK_STEP_MS);
}

/** Moves whole things by one rename each, to where nothing stands: never over anything. */
export async function transfer(agent: GuestAgent, ground: Ground, moves: readonly Move[], options: GuestRunOptions): Promise<Moved> {
  const done: Numbered[] = [];
  const left: Numbered[] = [];
  for (const group of inBatches(moves, ({ from, to }) => [from, to], GROUP)) {
    const before = await look(agent, ground, group, options);
    const ready = group.filter(({ item, from, to }) => before.has(from) && !before.has(to) && isSafe(ground, item, before));
    await onPairs(
      agent,
      moveTag(ground.journal.runId),
      ['mv', '-n', '-T'],
      ready.map(({ from, to }) => [from, to]),
      options,
    );
    const after = ready.length === 0 ? before : await look(agent, ground, group, options);
    checkStill(ground, ready, after);
    for (const { item, from, to } of group) (!after.has(from) && after.has(to) ? done : left).push(item);
  }
  return { done, left };
}

/**
 * Puts `from` in the place of what stands at the item's path, which goes to `to`. Readers find the one or the other at any moment: the present file gets a
 * second name first, then the other one is renamed over it. Only where the file system has no hard links (or a directory has to give way) there is a moment
 * without either.
 */
export async function exchange(
  agent: GuestAgent,
  ground: Ground,
  moves: readonly Move[],
  { directoriesToo }: { readonly directoriesToo: boolean },
  options: GuestRunOptions,
): Promise<Moved> {
  const done: Numbered[] = [];
  const left: Numbered[] = [];
  const tag = moveTag(ground.journal.runId);
  for (const group of inBatches(moves, ({ item, from, to }) => [item.path, from, to], GROUP)) {
    const before = await look(agent, ground, group, options);
    const ready = group.filter(
      ({ item, from, to }) => before.has(from) && !before.has(to) && isSafe(ground, item, before) && (directoriesToo || before.get(item.path)?.type !== 'dir'),
    );
    const occupied = ready.filter(({ item }) => before.has(item.path));
    const files = occupied.filter(({ item }) => before.get(item.path)?.type !== 'dir');
    await onPairs(
      agent,
      tag,
      ['ln', '-P', '-T'],
      files.map(({ item, to }) => [item.path, to]),
      options,
    );
    const linked = await look(agent, ground, group, options);
    checkStill(ground, ready, linked);
    const unlinked = occupied.filter(({ to }) => !linked.has(to));
    await onPairs(
      agent,
      tag,
      ['mv', '-n', '-T'],
      unlinked.map(({ item, to }) => [item.path, to]),
      options,
    );

    const saved = unlinked.length === 0 ? linked : await look(agent, ground, group, options);
    checkStill(ground, ready, saved);
    const over = ready.filter(({ item, to }) => isOne(saved.get(item.path), saved.get(to)));
    const free = ready.filter(({ item }) => !saved.has(item.path));
    await onPairs(
      agent,
      tag,
      ['mv', '-f', '-T'],
      over.map(({ item, from }) => [from, item.path]),
      options,
    );
    await onPairs(
      agent,
      tag,
      ['mv', '-n', '-T'],
      free.map(({ item, from }) => [from, item.path]),
      options,
    );
    const after = await look(agent, ground, group, options);
    checkStill(ground, ready, after);
    for (const { item, from } of group) (!after.has(from) && after.has(item.path) ? done : left).push(item);
  }
  return { done, left };
}

/**
 * Brings files that were between two steps of `exchange` when its caller died back to where they were before. Nothing is lost: only second names of a file
 * are removed.
 */
async function settle(agent: GuestAgent, ground: Ground, last: Direction, options: GuestRunOptions): Promise<void> {
  const tag = moveTag(ground.journal.runId);
  for (const group of inBatches(
    itemsOf(ground, 'replaced').map((item) => ({ item, ...ends(ground, item, last) })),
    ({ item, from, to }) => [item.path, from, to],
    GROUP,
  )) {
    const now = await look(agent, ground, group, options);
    const half = group.filter(({ item, from, to }) => now.has(from) && now.has(to) && isSafe(ground, item, now));
    const second = half.filter(({ item, to }) => isOne(now.get(item.path), now.get(to)));
    const away = half.filter(({ item }) => !now.has(item.path));
    const older = half.filter(({ item, to }) => now.has(item.path) && !isOne(now.get(item.path), now.get(to)));
    await onEach(
      agent,
      tag,
      ['rm', '-f'],
      second.map(({ to }) => to),
      options,
    );
    await onPairs(
      agent,
      tag,
      ['mv', '-n', '-T'],
      away.map(({ item, to }) => [to, item.path]),
      options,
    );
    // Somebody has put another file there since: the version before that one is kept as well.
    await onPairs(
      agent,
      tag,
      ['mv', '-n', '-T'],
      older.map(({ item, to }) => [to, `${ground.directory}/spare/${item.number}-${now.get(to)?.inode ?? ''}`]),
      options,
    );
  }
}

/** Between which stores an item that replaces something moves. */
export function ends(ground: Ground, item: Numbered, direction: Direction): { readonly from: string; readonly to: string } {
  if (direction === 'undo') return { from: keptPath(ground, item), to: undonePath(ground, item) };
  return { from: direction === 'redo' ? undonePath(ground, item) : stagedPath(ground, item), to: keptPath(ground, item) };
}

const isOne = (a: Standing | undefined, b: Standing | undefined): boolean => a !== undefined && b !== undefined && a.device === b.device && a.inode === b.inode;

/** Where everything that a group is about stands, and what leads to it. */
async function look(agent: GuestAgent, ground: Ground, group: readonly Move[], options: GuestRunOptions): Promise<ReadonlyMap<string, Standing>> {
  const paths = group.flatMap(({ item, from, to }) => [item.path, from, to, ...leading(ground, item.path)]);
  const found = await statMany(agent, [ground.directory, ...paths], options);
  const staging = found.get(ground.directory);
  if (staging?.type === 'dir' && staging.device === ground.journal.staging.device && staging.inode === ground.journal.staging.inode) return found;
  throw new ModosuError('WAY_BACK_INCOMPLETE', `${namesOf([ground.directory])} is not the directory that this restore has made.`, {
    context: { directory: ground.directory },
  });
}

/** Directories from the anchor down to the one that holds a path. */
function leading({ journal }: Ground, path: string): string[] {
  const found: string[] = [];
  for (let at = parentOf(path); at !== journal.anchor && at !== '/'; at = parentOf(at)) found.push(at);
  return found.length === 0 ? [journal.anchor] : found;
}

const isSafe = (ground: Ground, { path }: JournalItem, found: ReadonlyMap<string, Standing>): boolean =>
  leading(ground, path).every((directory) => directory === ground.journal.anchor || found.get(directory)?.type === 'dir') &&
  deviceAt(ground, path, found) === ground.journal.staging.device;

const deviceAt = (ground: Ground, path: string, found: ReadonlyMap<string, Standing>): string | undefined => found.get(leading(ground, path)[0] ?? '')?.device;

function checkStill(ground: Ground, moves: readonly Move[], found: ReadonlyMap<string, Standing>): void {
  const gone = moves.filter(({ item }) => !isSafe(ground, item, found)).map(({ item }) => item.path);
  if (gone.length === 0) return;
  throw new ModosuError('DATA_RESTORE_FAILED', `Directories above ${namesOf(gone)} were exchanged while files were moved: look where they have gone.`, {
    context: { paths: gone.slice(0, 5) },
  });
}

/** The anchor itself may be reached through symbolic links (they are the administrator's), but always the same ones. */
async function checkAnchor(agent: GuestAgent, { journal, directory }: Ground, options: GuestRunOptions): Promise<void> {
  if ((await realPath(agent, journal.anchor, options)) === journal.realAnchor) return;
  throw new ModosuError('WAY_BACK_INCOMPLETE', `${namesOf([journal.anchor])} leads elsewhere than when this restore was made.`, { context: { directory } });
}

export async function realPath(agent: GuestAgent, path: string, options: GuestRunOptions): Promise<string> {
  const { exitCode, stdout } = await runInGuest(agent, { argv: ['readlink', '-m', '-n', '--', path] }, options);
  if (exitCode === 0 && stdout.startsWith('/')) return stdout;
  throw new ModosuError('DATA_RESTORE_FAILED', `It cannot be told where ${namesOf([path])} leads in the guest.`);
}

/** Throws `PATH_NOT_ALLOWED` for anything but the staging directory of this run. */
export function checkStaging(directory: string, runId: string): void {
  const plain =
    directory.startsWith('/') &&
    directory
      .slice(1)
      .split('/')
      .every((part) => part !== '' && part !== '.' && part !== '..');
  if (plain && directory === stagingDirectory(parentOf(directory), runId)) return;
  throw new ModosuError('PATH_NOT_ALLOWED', `${namesOf([directory])} is no directory of run ${namesOf([runId])}.`);
}
