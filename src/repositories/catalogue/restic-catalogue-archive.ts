import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { REMOVAL_REFUSED } from '../../domain/restic-outcome';
import { removeLeftovers } from '../restic/leftovers';
import { outcomeOf, ResticCommand, type ResticOptions, type ResticTarget } from '../restic/restic-command';
import { parseSnapshots } from '../restic/restic-output';
import { removeStaleLocks } from '../restic/stale-locks';
import { fsyncDirectory } from '../../system/files';
import type { CatalogueArchive, CatalogueCopy } from './catalogue-archive';
import { fileIsThere, type CatalogueGround } from './catalogue-ground';

export interface ResticCatalogueArchiveOptions {
  /** Where they lie. What they lie beside is never made here. */
  readonly ground: CatalogueGround;
  readonly recoveryKey: string;
  /** A name in PATH, or an absolute path. */
  readonly program?: string;
}

const TAG = 'modosu-catalogue';
/** Between the name of the place and something of its own, while it is made. */
const MAKING = '.making-';
const WRONG_KEY = /\bwrong password or no key found\b/;
const KEEP = ['--keep-last', '48', '--keep-daily', '30', '--keep-monthly', '12'] as const;
/** A line far away may be slow, and a catalogue of many years large. */
const MOVED_WITHIN_MS = 60 * 60_000;

/** Copies of the catalogue in a restic repository beside an image repository, or beside an off-site one. */
export const createResticCatalogueArchive = (options: ResticCatalogueArchiveOptions): CatalogueArchive => new ResticCatalogueArchive(options);

class ResticCatalogueArchive implements CatalogueArchive {
  private readonly ground: CatalogueGround;
  private readonly target: ResticTarget;
  private readonly restic: ResticCommand;

  constructor({ ground, recoveryKey, program = 'restic' }: ResticCatalogueArchiveOptions) {
    this.ground = ground;
    this.restic = new ResticCommand(program);
    this.target = {
      env: { ...ground.env, RESTIC_PASSWORD: recoveryKey },
      secrets: [recoveryKey, ...ground.secrets],
      caCertificateFile: null,
      name: `the copies of the catalogue in ${ground.where}`,
      context: { path: ground.where },
      canLock: true,
      codes: ground.codes,
    };
  }

  async ensure(): Promise<void> {
    await this.requireNeighbour();
    if (await this.isMade()) return;
    const { directory } = this.ground;
    try {
      await (directory === null ? this.run(['init']) : this.makeIn(directory));
    } catch (error) {
      // Another process was faster: then it is there.
      if (!(await this.isMade().catch(() => false))) throw error;
    }
  }

  /**
   * Whole or not at all. `restic init` writes its key, then its config: of two at once both keys would stay, and the last config, which one of them does not open. So it is
   * made beside its place, and put there by one rename, which never replaces what holds a file.
   */
  private async makeIn(directory: string): Promise<void> {
    const beside = `${directory}${MAKING}`;
    await removeOld(beside);
    const own = `${beside}${randomUUID()}`;
    try {
      await this.restic
        .run({ ...this.target, env: { ...this.target.env, RESTIC_REPOSITORY: own } }, ['init'], { fills: dirname(directory) })
        .catch((error: unknown) => {
          throw this.ground.told(error);
        });
      await this.removeHalfMade(directory);
      await rename(own, directory);
      await fsyncDirectory(dirname(directory));
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  async keep(directory: string, signal?: AbortSignal): Promise<string> {
    await this.requireMade();
    const { stdout } = await this.run(['backup', '--tag', TAG, '.'], {
      cwd: directory,
      timeoutMs: MOVED_WITHIN_MS,
      fills: this.ground.directory,
      ...(signal === undefined ? {} : { signal }),
    });
    const id = /"snapshot_id":"([0-9a-f]{64})"/.exec(stdout)?.[1] ?? (await this.list())[0]?.id;
    if (id === undefined) {
      throw new ModosuError('CATALOG_COPY_FAILED', `restic names no copy of the catalogue in ${this.ground.where} although it has made one.`);
    }
    return id;
  }

  async list(): Promise<readonly CatalogueCopy[]> {
    await this.requireMade();
    const { stdout } = await this.run(['snapshots', '--no-lock', '--tag', TAG]);
    return parseSnapshots(stdout)
      .map(({ id, time, hostname }) => ({ id, madeAt: new Date(time), host: hostname }))
      .toReversed();
  }

  async fetch(id: string, directory: string): Promise<void> {
    if (!(await this.list()).some((copy) => copy.id === id)) {
      throw this.notFound(`There is no copy ${id.slice(0, 64)} of the catalogue in ${this.ground.where}.`);
    }
    await this.run(['restore', '--no-lock', '--verify', id, '--target', directory], { timeoutMs: MOVED_WITHIN_MS });
  }

  async thin(signal?: AbortSignal): Promise<void> {
    await this.requireMade();
    const began = new Date();
    const options = { isLong: true, giveUpOn: REMOVAL_REFUSED, fills: this.ground.directory, ...(signal === undefined ? {} : { signal }) };
    await this.run(['forget', '--tag', TAG, '--group-by', 'tags', ...KEEP, '--prune'], options);
    if (this.ground.directory !== null) await removeLeftovers(this.ground.directory, began);
  }

  private async isMade(): Promise<boolean> {
    const { directory, away } = this.ground;
    if (directory !== null) return fileIsThere(join(directory, 'config'), away);
    return this.isThere(this.ground.env);
  }

  /** Whether restic finds a repository there. One that this key does not open is one. */
  private async isThere(env: CatalogueGround['env']): Promise<boolean> {
    const target = { ...this.target, env: { ...this.target.env, ...env } };
    try {
      await this.restic.run(target, ['cat', '--no-lock', 'config']);
      return true;
    } catch (error) {
      if (outcomeOf(error) === 'no-repository') return false;
      if (outcomeOf(error) === 'wrong-password' && isModosuError(error) && WRONG_KEY.test(error.message)) return true;
      throw this.ground.told(error);
    }
  }

  private readonly requireNeighbour = (): Promise<void> => this.ground.requireNeighbour((env) => this.isThere(env));

  /** Copies that are there are read whatever has become of what they lay beside. */
  private async requireMade(): Promise<void> {
    if (await this.isMade()) return;
    await this.requireNeighbour();
    throw this.notFound(`There is no copy of the catalogue in ${this.ground.beside}.`);
  }

  /** What a death between key and config has left, as `restic init` was run in its place by earlier versions: a key that opens nothing, and directories without a file. */
  private async removeHalfMade(directory: string): Promise<void> {
    const filesBelow = async (path: string): Promise<readonly string[]> => {
      const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    };
    for (const below of ['data', 'index', 'snapshots']) if ((await filesBelow(join(directory, below))).length > 0) return;
    const [keys, aside] = [join(directory, 'keys'), `${directory}${MAKING}${randomUUID()}`];
    // Taken away first and looked at then: another process may have put a whole one there in this moment, whose key it would be.
    if (
      !(await rename(keys, aside).then(
        () => true,
        () => false,
      ))
    ) {
      return;
    }
    if (await this.isMade()) return rename(aside, keys);
    await rm(aside, { recursive: true, force: true });
    await removeEmpty(directory);
  }

  private readonly notFound = (message: string): ModosuError => new ModosuError('CATALOG_COPY_NOT_FOUND', message, { context: { path: this.ground.where } });

  /** A prune that was killed has left its lock: it is removed where nobody holds it, and the work done once more. */
  private async run(args: readonly string[], options: ResticOptions = {}): ReturnType<ResticCommand['run']> {
    try {
      try {
        return await this.restic.run(this.target, args, options);
      } catch (error) {
        if (!isModosuError(error) || outcomeOf(error) !== 'locked') throw error;
        await removeStaleLocks(this.restic, this.target);
        return await this.restic.run(this.target, args, options);
      }
    } catch (error) {
      throw this.ground.told(error);
    }
  }
}

/** How long ago one is no longer being made. */
const MADE_WITHIN_MS = 60 * 60_000;

/** What deaths have left of repositories that were made beside their place. */
async function removeOld(beside: string): Promise<void> {
  for (const name of await readdir(dirname(beside)).catch(() => [])) {
    const path = join(dirname(beside), name);
    if (!path.startsWith(beside)) continue;
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }));
    if (mtimeMs < Date.now() - MADE_WITHIN_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Directories only, from below: what holds a file stays. */
async function removeEmpty(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeEmpty(join(directory, entry.name));
  }
  await rmdir(directory).catch(() => undefined);
}
