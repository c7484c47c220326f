import { join } from 'node:path';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { below, type OffsiteLocation } from '../../contracts/offsite';
import { offsiteMeaning } from '../../domain/offsite-words';
import { errorCode, fileExists } from '../../system/files';
import { MARKER_FILE } from '../image/image-repository';
import { offsiteAccess } from '../offsite-environment';
import type { ResticCodes } from '../restic/restic-command';

/** Where copies of the catalogue lie, and how restic gets there. */
export interface CatalogueGround {
  /** Beside what they lie, as it was named. */
  readonly beside: string;
  /** For messages. */
  readonly where: string;
  /** With RESTIC_REPOSITORY. */
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  /** Of the copies; null: they are not on this machine. */
  readonly directory: string | null;
  readonly codes: ResticCodes;
  /** What it is called when nobody can look. */
  readonly away: 'REPOSITORY_UNREACHABLE' | 'OFFSITE_UNREACHABLE';
  /**
   * Throws where the repository beside which they lie is not there: it may be the mount point of storage that is not mounted, here or far away.
   *
   * @param isThere whether restic finds a repository with this environment, whatever its password
   */
  requireNeighbour(isThere: (env: CatalogueGround['env']) => Promise<boolean>): Promise<void>;
  /** What an end of restic is here. */
  told(error: unknown): unknown;
}

/** Beside `servers/` of an image repository, beside `snapshots/` of an off-site one. */
export const CATALOGUE_DIRECTORY = 'catalogue';

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

/** @param path of the image repository, absolute */
export function inImageRepository(path: string): CatalogueGround {
  const directory = join(path, CATALOGUE_DIRECTORY);
  return {
    beside: path,
    where: directory,
    env: { RESTIC_REPOSITORY: directory },
    secrets: [],
    directory,
    codes: CODES,
    away: 'REPOSITORY_UNREACHABLE',
    requireNeighbour: async () => {
      if (await hasImageRepository(path)) return;
      throw new ModosuError('REPOSITORY_UNREACHABLE', `There is no image repository in ${path}.`, {
        hint: 'Mount its storage there, or name the directory in which it is now.',
        context: { path },
      });
    },
    told: (error) => error,
  };
}

export interface OffsiteGroundOptions {
  readonly location: OffsiteLocation;
  /** Text of the file of its credentials, and what the file is called; null: none are needed. */
  readonly environment: { readonly text: string | null; readonly file: string };
  /** Throws where it is not there, or is another one: for whoever knows it. Without it, it is enough that one is there. */
  readonly requireSame?: () => Promise<void>;
}

/** Throws `CONFIG_INVALID` for credentials that cannot be read. */
export function besideOffsite({ location, environment, requireSame }: OffsiteGroundOptions): CatalogueGround {
  const place = below(location, CATALOGUE_DIRECTORY);
  const { env, secrets } = offsiteAccess(place, environment.text, environment.file);
  const beside = offsiteAccess(location, environment.text, environment.file).env;
  const { repository, kind } = location;
  return {
    beside: repository,
    where: place.repository,
    env,
    secrets,
    directory: kind === 'directory' ? place.repository : null,
    codes: { ...CODES, unreachable: 'OFFSITE_UNREACHABLE' },
    away: 'OFFSITE_UNREACHABLE',
    requireNeighbour: async (isThere) => {
      if (requireSame !== undefined) return requireSame();
      if (kind === 'directory' ? await fileIsThere(join(repository, 'config'), 'OFFSITE_UNREACHABLE') : await isThere(beside)) return;
      throw new ModosuError('OFFSITE_UNREACHABLE', `There is no off-site repository in ${repository}.`, {
        hint: 'Mount its medium there, or name where it is now.',
        context: { location: repository },
      });
    },
    told: (error) => {
      if (!isModosuError(error)) return error;
      const meaning = offsiteMeaning(error.message);
      // What the storage refuses, and not restic: that says so in words of its own.
      if (error.code === 'RECOVERY_KEY_WRONG' && !/\bwrong password or no key found\b/.test(error.message)) return credentials(error);
      if (error.code !== 'CATALOG_COPY_FAILED' || meaning === null) return error;
      return meaning === 'credentials' ? credentials(error) : new ModosuError('OFFSITE_UNREACHABLE', error.message, { context: error.context, cause: error });
    },
  };
}

const credentials = (error: ModosuError): ModosuError => new ModosuError('OFFSITE_CREDENTIALS_WRONG', error.message, { context: error.context, cause: error });

/** Whether an image repository lies there. Throws `REPOSITORY_UNREACHABLE` where nobody can say. */
export const hasImageRepository = (path: string): Promise<boolean> => fileIsThere(join(path, MARKER_FILE), 'REPOSITORY_UNREACHABLE');

/** Throws the code where nobody can say. */
export async function fileIsThere(path: string, code: 'REPOSITORY_UNREACHABLE' | 'OFFSITE_UNREACHABLE'): Promise<boolean> {
  try {
    return await fileExists(path);
  } catch (error) {
    throw new ModosuError(code, `${path} cannot be looked at (${errorCode(error) ?? 'unknown error'}).`, { context: { path }, cause: error });
  }
}
