import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { withinDeadline } from '../contracts/deadline';
import { ModosuError } from '../contracts/errors';
import { errorCode } from '../system/files';

export const MAX_FILE_BYTES = 1024 * 1024;
/** Storage that does not answer keeps nobody waiting for ever. */
const DEADLINE_MS = 10_000;

export interface PrivateFileOptions {
  /** What the file is, for messages: `token file`. */
  readonly what: string;
  /** Name of the store, for the context. */
  readonly store: string;
  /** `owner`: nobody else may read or write it (0600). `group`: its group may read it too (0640), as programs write tokens that renew them. `public`: all may read. */
  readonly readers?: 'owner' | 'group' | 'public';
}

/** Bits of the mode that nobody may have. */
const FORBIDDEN = { owner: 0o077, group: 0o027, public: 0o022 } as const;
const WANTED = { owner: '600', group: '640', public: '644' } as const;

/**
 * A small file of text that somebody keeps for Modosu, read whole. Links are followed: what counts is the file they lead to, looked at once it is open, so that
 * it cannot be exchanged in between. Throws `SECRET_STORE_UNREACHABLE` when it is not there or its storage fails, `SECRET_STORE_DENIED` when this process may
 * not read it, `SECRET_STORE_INVALID` when it is no regular file, larger than 1 MiB, not UTF-8, belongs to neither this process' user nor root, or others may
 * read or change it. No error quotes what stands in it.
 */
export function readPrivateFile(path: string, options: PrivateFileOptions): Promise<string> {
  return withinDeadline(readNow(path, options), DEADLINE_MS, () => unreachable(path, options, `did not answer within ${DEADLINE_MS / 1000} s`));
}

async function readNow(path: string, options: PrivateFileOptions): Promise<string> {
  let handle: FileHandle | null = null;
  try {
    // A FIFO without a writer would be waited for.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    await refuseUnlessPrivate(handle, path, options);
    return decode(await handle.readFile(), path, options);
  } catch (thrown) {
    if (thrown instanceof ModosuError) throw thrown;
    const code = errorCode(thrown) ?? 'unknown error';
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ModosuError('SECRET_STORE_DENIED', `The ${options.what} ${path} may not be read by this process.`, {
        hint: `Give it to the user that Modosu runs as: chown it, chmod ${WANTED[options.readers ?? 'owner']}.`,
        context: { store: options.store, path },
      });
    }
    throw unreachable(path, options, `cannot be read (${code})`);
  } finally {
    await handle?.close();
  }
}

async function refuseUnlessPrivate(handle: FileHandle, path: string, options: PrivateFileOptions): Promise<void> {
  const { what, store, readers = 'owner' } = options;
  const refuse = (problem: string, hint: string): never => {
    throw new ModosuError('SECRET_STORE_INVALID', `The ${what} ${path} ${problem}; it was not read.`, { hint, context: { store, path } });
  };
  const stats = await handle.stat();
  if (!stats.isFile()) refuse('is not a regular file', 'Name a file.');
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) {
    refuse(`belongs to user ${stats.uid}, who could change it`, 'Give it to root or to the user that Modosu runs as.');
  }
  if ((stats.mode & FORBIDDEN[readers]) !== 0) {
    refuse(`has mode ${(stats.mode & 0o777).toString(8)}: others could read or change it`, `chmod ${WANTED[readers]} it, and change what stood in it.`);
  }
  if (stats.size > MAX_FILE_BYTES) refuse('is larger than 1 MiB', 'Name the right file.');
}

function decode(content: Buffer, path: string, { what, store }: PrivateFileOptions): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new ModosuError('SECRET_STORE_INVALID', `The ${what} ${path} is not UTF-8 text.`, { hint: 'Write it anew, as UTF-8.', context: { store, path } });
  }
}

const unreachable = (path: string, { what, store }: PrivateFileOptions, problem: string): ModosuError =>
  new ModosuError('SECRET_STORE_UNREACHABLE', `The ${what} ${path} ${problem}.`, {
    hint: 'Put the file where it is declared, or correct the declaration.',
    context: { store, path },
  });
