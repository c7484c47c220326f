import { ModosuError } from '../../contracts/errors';
import { cleanWords } from '../../contracts/text';
import type { CommandResult, GuestAgent } from '../guest-agent';
import { failureOf, runInGuest, type GuestRunOptions } from '../guest-process';

/**
 * Work on many paths of the guest. They reach the guest on standard input, separated by zero bytes, and `xargs` makes arguments of them: whatever stands in a
 * name, it is never read as anything else, and no argument vector of the host has it.
 */

/** Below the 128 KiB that one program in the guest takes on its standard input. */
const BATCH_BYTES = 100 * 1024;

export interface Standing {
  readonly type: 'file' | 'dir' | 'symlink' | 'other';
  /** The same for two names of one file. */
  readonly device: string;
  readonly inode: string;
  readonly uid: number;
  readonly mode: number;
  readonly sizeBytes: number;
}

/** A directory that only root can have made and filled: whoever may write beside it can give another one its name. */
export const isRootsAlone = (standing: Standing | undefined): standing is Standing =>
  standing?.type === 'dir' && standing.uid === 0 && (standing.mode & 0o777) === 0o700;

/** What people do about one that is not any more. */
export const MAKE_IT_ROOTS =
  'When it is what a restore has left there, and nobody else has written to it: give the directory and its journal.json back to root (chown root:root on these two alone, chmod 0700 on the directory), then try again. What is kept in it has the owners it has now.';

/** Groups of items whose paths fit on one standard input. Throws `REQUEST_INVALID` for one that does not fit by itself: no Linux has such paths. */
export function inBatches<T>(items: readonly T[], pathsOf: (item: T) => readonly string[], maxItems = Number.POSITIVE_INFINITY): T[][] {
  const batches: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const size = pathsOf(item).reduce((sum, path) => sum + Buffer.byteLength(path) + 1, 0);
    if (size > BATCH_BYTES) throw new ModosuError('REQUEST_INVALID', 'A path is too long to be said to a guest.');
    const last = batches.at(-1);
    if (last === undefined || bytes + size > BATCH_BYTES || last.length >= maxItems) {
      batches.push([item]);
      bytes = size;
    } else {
      last.push(item);
      bytes += size;
    }
  }
  return batches;
}

/**
 * What stands at these paths, by path; what is not there is left out. Symbolic links themselves, not what they point to. Needs GNU stat and xargs:
 * `GUEST_PROGRAM_MISSING`.
 */
export async function statMany(agent: GuestAgent, paths: readonly string[], options: GuestRunOptions): Promise<Map<string, Standing>> {
  const found = new Map<string, Standing>();
  for (const batch of inBatches([...new Set(paths)], (path) => [path])) {
    const asked = new Set(batch);
    const { stdout } = await onMany(agent, ['xargs', '-0', 'stat', '--printf=%d\\0%i\\0%f\\0%u\\0%s\\0%n\\0', '--'], batch, options);
    const fields = stdout.split('\0');
    for (let at = 0; at + 6 < fields.length; at += 6) {
      const [device = '', inode = '', raw = '', uid = '', size = '', path = ''] = fields.slice(at, at + 6);
      if (!asked.has(path) || ![device, inode, uid, size].every((number) => /^\d{1,20}$/.test(number)) || !/^[0-9a-f]{1,8}$/.test(raw)) {
        throw new ModosuError(
          'DATA_RESTORE_FAILED',
          `stat in the guest gave an answer that cannot be read: "${cleanWords(fields.slice(at, at + 6).join(' '), 120)}".`,
        );
      }
      const mode = Number.parseInt(raw, 16);
      found.set(path, { type: TYPE_OF[(mode >> 12) & 0o17] ?? 'other', device, inode, uid: Number(uid), mode: mode & 0o7777, sizeBytes: Number(size) });
    }
  }
  return found;
}

/** Of S_IFMT. */
const TYPE_OF: Readonly<Record<number, Standing['type']>> = { 0o10: 'file', 0o4: 'dir', 0o12: 'symlink' };

/** An argument of `xargs` that changes nothing that matters, by which a later attempt finds this one when its caller has died. */
export const moveTag = (runId: string): string => `--process-slot-var=MODOSU_RUN_${runId}`;

/**
 * Runs a program for pairs of paths (from, to), each pair by itself; goes on after a pair that fails. What has become of each is for the caller to look at:
 * versions of `mv` do not agree on exit codes. `tag`: of `moveTag`. Throws `GUEST_DISK_FULL`.
 */
export async function onPairs(
  agent: GuestAgent,
  tag: string,
  program: readonly string[],
  pairs: readonly (readonly [string, string])[],
  options: GuestRunOptions,
): Promise<void> {
  for (const batch of inBatches(pairs, (pair) => pair)) await onMany(agent, ['xargs', '-0', tag, '-n', '2', ...program, '--'], batch.flat(), options);
}

/** As `onPairs`, for single paths. */
export async function onEach(agent: GuestAgent, tag: string, program: readonly string[], paths: readonly string[], options: GuestRunOptions): Promise<void> {
  for (const batch of inBatches(paths, (path) => [path])) await onMany(agent, ['xargs', '-0', tag, ...program, '--'], batch, options);
}

async function onMany(agent: GuestAgent, argv: readonly [string, ...string[]], paths: readonly string[], options: GuestRunOptions): Promise<CommandResult> {
  const result = await runInGuest(agent, { argv, input: paths.map((path) => `${path}\0`).join('') }, options);
  if (/unrecognized option|invalid option/.test(result.stderr.slice(0, 1_000))) {
    throw new ModosuError('GUEST_PROGRAM_MISSING', `The programs of the guest are not GNU's: ${cleanWords(result.stderr)}`, {
      hint: 'Install coreutils and findutils in the guest.',
    });
  }
  if (result.exitCode === 126 || result.exitCode === 127) {
    throw new ModosuError('GUEST_PROGRAM_MISSING', `A program could not be run in the guest: ${cleanWords(result.stderr)}`);
  }
  if (/No space left on device|Disk quota exceeded/.test(result.stderr)) throw failureOf(argv[0], result, 'DATA_RESTORE_FAILED');
  return result;
}
