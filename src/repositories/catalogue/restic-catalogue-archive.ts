import { isModosuError, ModosuError } from '../../contracts/errors';
import { removeLeftovers } from '../restic/leftovers';
import { outcomeOf, ResticCommand, type ResticOptions, type ResticTarget } from '../restic/restic-command';
import { parseSnapshots } from '../restic/restic-output';
import { removeStaleLocks } from '../restic/stale-locks';
import type { CatalogueArchive, CatalogueCopy } from './catalogue-archive';
import { isMadeIn, type CatalogueGround } from './catalogue-ground';

export interface ResticCatalogueArchiveOptions {
  /** Where they lie. What they lie beside is never made here. */
  readonly ground: CatalogueGround;
  readonly recoveryKey: string;
  /** A name in PATH, or an absolute path. */
  readonly program?: string;
}

const TAG = 'modosu-catalogue';
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
    await this.ground.requireNeighbour();
    if (await this.isMade()) return;
    // `restic init` writes its config last: what a death has left behind has none, holds nothing, and is no obstacle.
    await this.run(['init']);
  }

  async keep(directory: string, signal?: AbortSignal): Promise<string> {
    await this.requireMade();
    const { stdout } = await this.run(['backup', '--tag', TAG, '.'], {
      cwd: directory,
      timeoutMs: MOVED_WITHIN_MS,
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
    await this.run(['forget', '--tag', TAG, '--group-by', 'tags', ...KEEP, '--prune'], { isLong: true, ...(signal === undefined ? {} : { signal }) });
    if (this.ground.directory !== null) await removeLeftovers(this.ground.directory, began);
  }

  private async isMade(): Promise<boolean> {
    const { directory, codes } = this.ground;
    if (directory !== null) return isMadeIn(directory, codes.unreachable === 'OFFSITE_UNREACHABLE' ? 'OFFSITE_UNREACHABLE' : 'REPOSITORY_UNREACHABLE');
    try {
      await this.run(['cat', '--no-lock', 'config']);
      return true;
    } catch (error) {
      if (outcomeOf(error) === 'no-repository') return false;
      throw error;
    }
  }

  private async requireMade(): Promise<void> {
    await this.ground.requireNeighbour();
    if (!(await this.isMade())) throw this.notFound(`There is no copy of the catalogue in ${this.ground.beside}.`);
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
