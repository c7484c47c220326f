import { join } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { errorCode, fileExists } from '../../system/files';
import { removeLeftovers } from '../restic/leftovers';
import { ResticCommand, type ResticCodes, type ResticTarget } from '../restic/restic-command';
import { parseSnapshots } from '../restic/restic-output';
import { MARKER_FILE } from '../image/repository-directory';
import type { CatalogueArchive, CatalogueCopy } from './catalogue-archive';

export interface ResticCatalogueArchiveOptions {
  /** Of the image repository, absolute. Never made here: it may be the mount point of storage that is not mounted. */
  readonly repositoryPath: string;
  readonly recoveryKey: string;
  /** A name in PATH, or an absolute path. */
  readonly program?: string;
}

/** Beside `servers/` of the image repository. */
export const CATALOGUE_DIRECTORY = 'catalogue';
const TAG = 'modosu-catalogue';
const KEEP = ['--keep-last', '48', '--keep-daily', '30', '--keep-monthly', '12'] as const;

/** Copies of the catalogue in a restic repository below an image repository. */
export const createResticCatalogueArchive = (options: ResticCatalogueArchiveOptions): CatalogueArchive => new ResticCatalogueArchive(options);

class ResticCatalogueArchive implements CatalogueArchive {
  private readonly path: string;
  private readonly target: ResticTarget;
  private readonly restic: ResticCommand;

  constructor(private readonly options: ResticCatalogueArchiveOptions) {
    this.path = join(options.repositoryPath, CATALOGUE_DIRECTORY);
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.target = {
      env: { RESTIC_REPOSITORY: this.path, RESTIC_PASSWORD: options.recoveryKey },
      secrets: [options.recoveryKey],
      caCertificateFile: null,
      name: `the copies of the catalogue in ${this.path}`,
      context: { path: this.path },
      canLock: true,
      codes: CODES,
    };
  }

  async ensure(): Promise<void> {
    await this.requireRepository();
    if (await this.isMade()) return;
    // `restic init` writes its config last: what a death has left behind has none, holds nothing, and is no obstacle.
    await this.run(['init']);
  }

  async keep(directory: string, signal?: AbortSignal): Promise<string> {
    await this.requireMade();
    // A prune that was killed has left its lock; restic removes only those whose owner is gone.
    await this.run(['unlock']);
    const { stdout } = await this.run(['backup', '--tag', TAG, '.'], { cwd: directory, ...(signal === undefined ? {} : { signal }) });
    const id = /"snapshot_id":"([0-9a-f]{64})"/.exec(stdout)?.[1] ?? (await this.list())[0]?.id;
    if (id === undefined) throw new ModosuError('CATALOG_COPY_FAILED', `restic names no copy of the catalogue in ${this.path} although it has made one.`);
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
    await this.requireMade();
    if (!(await this.list()).some((copy) => copy.id === id)) throw this.notFound(`There is no copy ${id.slice(0, 64)} of the catalogue in ${this.path}.`);
    await this.run(['restore', '--no-lock', '--verify', id, '--target', directory]);
  }

  async thin(signal?: AbortSignal): Promise<void> {
    await this.requireMade();
    // Only locks of the dead go: nobody but Modosu writes here.
    await this.run(['unlock']);
    const began = new Date();
    await this.run(['forget', '--tag', TAG, '--group-by', 'tags', ...KEEP, '--prune'], { isLong: true, ...(signal === undefined ? {} : { signal }) });
    await removeLeftovers(this.path, began);
  }

  private async requireRepository(): Promise<void> {
    const { repositoryPath } = this.options;
    if (await hasRepository(repositoryPath)) return;
    throw new ModosuError('REPOSITORY_UNREACHABLE', `There is no image repository in ${repositoryPath}.`, {
      hint: 'Mount its storage there, or name the directory in which it is now.',
      context: { path: repositoryPath },
    });
  }

  private readonly isMade = (): Promise<boolean> => exists(join(this.path, 'config'));

  private async requireMade(): Promise<void> {
    await this.requireRepository();
    if (!(await this.isMade())) throw this.notFound(`There is no copy of the catalogue in ${this.options.repositoryPath}.`);
  }

  private readonly notFound = (message: string): ModosuError => new ModosuError('CATALOG_COPY_NOT_FOUND', message, { context: { path: this.path } });

  private readonly run = (args: readonly string[], options: Parameters<ResticCommand['run']>[2] = {}): ReturnType<ResticCommand['run']> =>
    this.restic.run(this.target, args, options);
}

const CODES: ResticCodes = {
  locked: 'CATALOG_COPY_FAILED',
  'wrong-password': 'RECOVERY_KEY_WRONG',
  'no-repository': 'CATALOG_COPY_FAILED',
  unreachable: 'CATALOG_COPY_FAILED',
  'no-space': 'NOT_ENOUGH_SPACE',
  damaged: 'CATALOG_COPY_DAMAGED',
  'repository-damaged': 'CATALOG_COPY_DAMAGED',
  'removal-refused': 'CATALOG_COPY_FAILED',
  failed: 'CATALOG_COPY_FAILED',
};

/** Whether an image repository lies there. Throws `REPOSITORY_UNREACHABLE` where nobody can say. */
export const hasRepository = (path: string): Promise<boolean> => exists(join(path, MARKER_FILE));

async function exists(path: string): Promise<boolean> {
  try {
    return await fileExists(path);
  } catch (error) {
    throw new ModosuError('REPOSITORY_UNREACHABLE', `${path} cannot be looked at (${errorCode(error) ?? 'unknown error'}).`, {
      context: { path },
      cause: error,
    });
  }
}
