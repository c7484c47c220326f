import { posix } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { numbered } from '../../domain/postgresql/names';
import type { Requirements } from '../../domain/postgresql/requirements';
import { isSchema, parseToc, tocList, tocText, type TocEntry } from '../../domain/postgresql/toc';
import { identifier, literal } from '../../domain/postgresql/sql';
import { named, words } from '../../domain/postgresql/words';
import type { DatabaseServer } from './database-server';

const MAX_LISTING_BYTES = 16 * 1024 * 1024;

export interface Load {
  /** In the guest. */
  readonly path: string;
  /** Of the database that was dumped. */
  readonly encoding: string;
  readonly into: string;
  /** Of an own work directory, for lists. */
  readonly workDirectory: string;
  /** What is loaded; null: everything. */
  readonly entries: readonly TocEntry[] | null;
  readonly pinned: Requirements['pinned'];
  readonly options?: readonly string[];
  readonly settings?: readonly string[];
  readonly signal: AbortSignal;
  readonly onBeat: () => Promise<void> | void;
}

/** `encoding`: of the database that the dump is of, as PostgreSQL calls it. The listing passes through a file: it may be longer than the agent can tell. */
export async function readToc(
  server: DatabaseServer,
  { path, workDirectory, encoding }: { readonly path: string; readonly workDirectory: string; readonly encoding: string },
): Promise<readonly TocEntry[]> {
  const listing = posix.join(workDirectory, 'listing');
  const { exitCode, stderr } = await server.programs.run(['pg_restore', '-l', '-f', listing, path], { timeoutMs: 300_000 });
  const found = exitCode === 0 ? await server.programs.readWhole(listing, MAX_LISTING_BYTES) : null;
  if (found === 'too long') {
    throw new ModosuError(
      'DATA_RESTORE_FAILED',
      `The table of contents of the dump ${named(posix.basename(path))} is longer than ${MAX_LISTING_BYTES / 1024 / 1024} MiB, the longest that can be read.`,
    );
  }
  const entries = found === null ? [] : parseToc(tocText(found, encoding));
  if (entries.length === 0) {
    throw new ModosuError('DUMP_INCOMPLETE', `The dump ${named(posix.basename(path))} has no readable table of contents: ${words(stderr)}`);
  }
  return entries;
}

/**
 * Loads a dump until the first error. Extensions that have to be of a version that is not the server's default are made between the schemas and the rest: the
 * dump itself names no versions.
 */
export async function loadDump(server: DatabaseServer, load: Load): Promise<void> {
  const { pinned } = load;
  if (pinned.length === 0) return restore(server, load, load.entries, 0);
  const entries = load.entries ?? (await readToc(server, load));
  await restore(server, load, entries.filter(isSchema), 0);
  const made = pinned.map(
    ({ name, version, schema }) => `CREATE EXTENSION IF NOT EXISTS ${identifier(name)} WITH SCHEMA ${identifier(schema)} VERSION ${literal(version)};`,
  );
  await server.execute(load.into, made.join('\n'), { timeoutMs: 600_000 });
  await restore(
    server,
    load,
    entries.filter((entry) => !isSchema(entry)),
    1,
  );
}

async function restore(
  server: DatabaseServer,
  { path, into, workDirectory, signal, onBeat, options = [], settings }: Load,
  entries: readonly TocEntry[] | null,
  part: number,
): Promise<void> {
  if (entries?.length === 0) return;
  const list = posix.join(workDirectory, numbered('list', part));
  if (entries !== null) await server.programs.writePieces(list, tocList(entries));
  const argv = server.argv('pg_restore', into, '--exit-on-error', ...options, ...(entries === null ? [] : ['-L', list]), path);
  const result = await server.programs.runLong(argv, { env: server.env(settings), signal, onBeat });
  if (result.exitCode === 0) return;
  signal.throwIfAborted();
  if (result.exitCode < 128) await server.refuseKnown('pg_restore', result);
  throw failed(result);
}

function failed({ exitCode, stderr }: { readonly exitCode: number; readonly stderr: string }): ModosuError {
  const said = words(stderr.replace(/^pg_restore: (while PROCESSING TOC:|from TOC entry .*)$/gm, ''));
  if (/unexpected end of file|could not read from input file|corrupt/.test(stderr)) {
    return new ModosuError('DUMP_INCOMPLETE', `The dump cannot be read: ${said}`);
  }
  return new ModosuError('DATA_RESTORE_FAILED', `pg_restore ended with exit code ${exitCode}${said === '' ? ' and said nothing' : `: ${said}`}`, {
    context: { exitCode },
  });
}
