import { ModosuError } from '../../contracts/errors';
import type { SnapshotEntry } from '../../contracts/data';
import { cleanWords } from '../../contracts/text';
import { parentOf, STAGING_PREFIX, type LiveEntry, type LiveListing } from '../../domain/planning/file-comparison';
import type { GuestAgent } from '../guest-agent';
import { findFiles, type Found } from './find-files';
import type { GuestWork } from '../guest-process';

export interface ListRequest {
  /** Absolute paths, without `.`, `..` and doubled slashes; none lies inside another. */
  readonly paths: readonly [string, ...string[]];
  /**
   * More output is not read, and the listing says `truncated`. Default 64 MiB, some 500,000 short names: they lie in the guest's memory meanwhile, in half of
   * what is free in /run at most.
   */
  readonly maxBytes?: number;
}

const MAX_BYTES = 64 * 1024 * 1024;
const MAX_PROBLEMS = 5;
/** Type, size, seconds, mode, owner, group, file system, path: each ends with a zero byte, the one that cannot stand in a name. */
const FORMAT = '%y\\0%s\\0%T@\\0%m\\0%U\\0%G\\0%D\\0%p\\0';
const FIELDS = 8;

/**
 * What stands at, below and above these paths now, mounted file systems included (as in a backup). Reads only. Bytes of names that are not UTF-8 are U+FFFD.
 * Needs GNU find: `GUEST_PROGRAM_MISSING`. Throws `DATA_RESTORE_FAILED` when it says something that is no listing.
 */
export async function listLive(agent: GuestAgent, { paths, maxBytes = MAX_BYTES }: ListRequest, { signal, onProgress }: GuestWork): Promise<LiveListing> {
  const onTick = (): void => onProgress?.({ doneBytes: 0, totalBytes: 0 });
  const find = async (starts: readonly string[], tests: readonly string[]): Promise<Found> => {
    const found = await findFiles(agent, starts, tests, ['-fprintf', FORMAT], maxBytes, { signal, onTick });
    if (!/unrecognized|unknown predicate/.test(found.stderr.slice(0, 1_000))) return found;
    throw new ModosuError('GUEST_PROGRAM_MISSING', 'The guest has no GNU find: another one cannot list files with their attributes.', {
      hint: 'Install findutils in the guest.',
      context: { program: 'find' },
    });
  };
  const above = [...new Set(paths.flatMap(ancestorsOf))];
  const around = parseListing((await find([...above, ...paths], ['-maxdepth', '0'])).text);
  const there = new Map(around.map((entry) => [entry.path, entry]));
  const present = paths.filter((path) => there.has(path));
  const listed = present.length === 0 ? null : await find(present, ['-name', `${STAGING_PREFIX}*`, '-prune', '-o']);
  return {
    entries: listed === null ? [] : parseListing(listed.text),
    above: above.flatMap((path) => there.get(path) ?? []),
    missing: paths.filter((path) => !there.has(path)),
    truncated: listed?.truncated ?? false,
    problems: problemsIn(listed?.stderr ?? ''),
  };
}

/** `/`, `/srv`, … without the path itself. */
function ancestorsOf(path: string): string[] {
  const found: string[] = [];
  for (let at = path; at !== '/';) found.unshift((at = parentOf(at)));
  return found;
}

const TYPES: Readonly<Record<string, SnapshotEntry['type']>> = { f: 'file', d: 'dir', l: 'symlink' };

/** Records of `FORMAT`; one that was cut off at the end is left out. */
function parseListing(text: string): LiveEntry[] {
  const fields = text.split('\0');
  const entries: LiveEntry[] = [];
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [type = '', size = '', seconds = '', mode = '', uid = '', gid = '', device = '', path = ''] = fields.slice(at, at + FIELDS);
    const plain = /^[a-zA-Z?]$/.test(type) && [size, uid, gid].every((number) => /^\d{1,16}$/.test(number)) && /^-?\d{1,12}(\.\d{1,12})?$/.test(seconds);
    if (!plain || !/^[0-7]{1,6}$/.test(mode) || !/^\d{1,20}$/.test(device) || !path.startsWith('/')) {
      throw new ModosuError(
        'DATA_RESTORE_FAILED',
        `find in the guest gave a listing that cannot be read, at "${cleanWords(fields.slice(at, at + FIELDS).join(' '), 120)}".`,
      );
    }
    entries.push({
      path,
      type: TYPES[type] ?? 'other',
      sizeBytes: Number(size),
      mtime: Math.floor(Number(seconds)),
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      device,
    });
  }
  return entries;
}

/** What has vanished between two looks is no problem. */
const problemsIn = (stderr: string): string[] =>
  stderr
    .slice(0, 64 * 1024)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes('No such file or directory'))
    .slice(0, MAX_PROBLEMS)
    .map((line) => cleanWords(line, 200));
