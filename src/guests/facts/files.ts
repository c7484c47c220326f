import { hasControlCharacters, quoted } from '../../contracts/text';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { FACT_LIMITS } from '../../contracts/facts';
import { findFiles } from '../files/find-files';
import { inBatches } from '../files/many-paths';
import type { Collected, RawFact } from './fact-entries';
import { linesOf } from './fact-files';
import type { FactSource } from './fact-source';
import { parseHashes } from './parse-hashes';

/** Content of larger files is not read: nobody configures in them. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Read at all: what a slow guest reads in the time of a section. */
const MAX_READ_BYTES = 64 * 1024 * 1024;
/** Names of all that is found, at most. */
const LISTING_BYTES = 1024 * 1024;
/** Type, size, mode, owner, group, target of a link, path. */
const FORMAT = '%y\\0%s\\0%m\\0%U\\0%G\\0%l\\0%p\\0';
const FIELDS = 7;

interface Found {
  readonly type: string;
  readonly sizeBytes: number;
  readonly attributes: string;
  readonly target: string;
  readonly path: string;
}

/**
 * Hashes of the declared files, and of all below declared directories, within their file system. A symbolic link is what it points to, and is never followed;
 * a declared path that is not there is said to be missing. Needs GNU find and prlimit (`GUEST_PROGRAM_MISSING`).
 */
export async function collectFiles(source: FactSource, paths: readonly string[]): Promise<Collected> {
  if (paths.length === 0) return { facts: [], truncated: false };
  const wrong = paths.find((path) => !path.startsWith('/') || hasControlCharacters(path) || path.split('/').includes('..'));
  if (wrong !== undefined) throw new ModosuError('PATH_NOT_ALLOWED', `${quoted(wrong)} is no path of a configuration: it has to be absolute.`);
  const listed = await list(source, paths);
  const { chosen, all } = withinLimits(listed.found);
  const regular = chosen.filter(({ type, sizeBytes }) => type === 'f' && sizeBytes <= MAX_FILE_BYTES);
  const hashes = new Map<string, string>();
  for (const batch of inBatches(regular, ({ path }) => [path])) {
    const input = batch.map(({ path }) => `${path}\0`).join('');
    // 123: some could not be read. What has no hash says so.
    const { stdout } = await source.run(['xargs', '-0', 'sha256sum', '--'], { input, maxBytes: LISTING_BYTES });
    for (const [path, hash] of parseHashes(linesOf({ text: stdout, truncated: false }))) hashes.set(path, hash);
  }
  const there = new Set(listed.found.map(({ path }) => path));
  const missing = paths.filter((path) => !there.has(path) && !there.has(path.replace(/\/+$/, '')));
  return {
    facts: [
      ...chosen.map((found): RawFact => [found.path, valueOf(found, hashes.get(found.path))]),
      ...(listed.truncated ? [] : missing.map((path): RawFact => [path, 'missing'])),
    ],
    truncated: listed.truncated || !all,
  };
}

function valueOf({ type, sizeBytes, attributes, target }: Found, hash: string | undefined): string {
  if (type === 'l') return `link to ${target}`;
  if (sizeBytes > MAX_FILE_BYTES) return `not read, ${sizeBytes} bytes, ${attributes}`;
  return `${hash === undefined ? 'could not be read' : `sha256 ${hash}`}, ${attributes}`;
}

async function list(source: FactSource, paths: readonly string[]): Promise<{ readonly found: readonly Found[]; readonly truncated: boolean }> {
  const listing = await source
    .ask((agent, _leftMs, signal) => findFiles(agent, paths, ['-xdev'], ['-fprintf', FORMAT], LISTING_BYTES, { signal }))
    .catch((error: unknown) => {
      if (!isModosuError(error) || error.code !== 'DATA_RESTORE_FAILED') throw error;
      throw new ModosuError('FACTS_NOT_COLLECTED', error.message, { context: error.context });
    });
  if (/unrecognized|unknown predicate/.test(listing.stderr.slice(0, 1_000))) {
    throw new ModosuError('GUEST_PROGRAM_MISSING', 'The guest has no GNU find: another one cannot list files with their attributes.', {
      hint: 'Install findutils in the guest.',
      context: { program: 'find' },
    });
  }
  return { found: parseListing(listing.text), truncated: listing.truncated };
}

/** Records of `FORMAT`, each path once: declared paths may lie inside each other. One that was cut off at the end is left out. */
function parseListing(text: string): readonly Found[] {
  const fields = text.split('\0');
  const found = new Map<string, Found>();
  for (let at = 0; at + FIELDS < fields.length; at += FIELDS) {
    const [type = '', size = '', mode = '', uid = '', gid = '', target = '', path = ''] = fields.slice(at, at + FIELDS);
    const isPlain = /^\d{1,16}$/.test(size) && /^[0-7]{1,6}$/.test(mode) && /^\d{1,10}$/.test(uid) && /^\d{1,10}$/.test(gid) && path.startsWith('/');
    if (!isPlain) throw new ModosuError('FACTS_NOT_COLLECTED', 'find in the guest gave a listing of configuration files that cannot be read.');
    found.set(path, { type, sizeBytes: Number(size), attributes: `mode ${mode.padStart(4, '0')}, owner ${uid}:${gid}`, target, path });
  }
  return [...found.values()];
}

/** Files and links, by path, as many as there may be. */
function withinLimits(found: readonly Found[]): { readonly chosen: readonly Found[]; readonly all: boolean } {
  const wanted = found.filter(({ type }) => type === 'f' || type === 'l').sort((one, other) => (one.path < other.path ? -1 : 1));
  const chosen: Found[] = [];
  let bytes = 0;
  for (const file of wanted) {
    if (file.type === 'f' && file.sizeBytes <= MAX_FILE_BYTES) bytes += file.sizeBytes;
    if (chosen.length >= FACT_LIMITS.entries || bytes > MAX_READ_BYTES) return { chosen, all: false };
    chosen.push(file);
  }
  return { chosen, all: true };
}
