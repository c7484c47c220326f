import { join } from 'node:path';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { below, type OffsiteLocation } from '../../contracts/offsite';
import { offsiteMeaning } from '../../domain/offsite-words';
import { errorCode, fileExists } from '../../system/files';
import { MARKER_FILE } from '../image/repository-directory';
import { offsiteAccess } from '../offsite/offsite-environment';
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
  /** Throws where the repository beside which they lie is not there: it may be the mount point of storage that is not mounted. */
  requireNeighbour(): Promise<void>;
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
}

/** Throws `CONFIG_INVALID` for credentials that cannot be read. */
export function besideOffsite({ location, environment }: OffsiteGroundOptions): CatalogueGround {
  const place = below(location, CATALOGUE_DIRECTORY);
  const { env, secrets } = offsiteAccess(place, environment.text, environment.file);
  const { repository } = location;
  return {
    beside: repository,
    where: place.repository,
    env,
    secrets,
    directory: location.kind === 'directory' ? place.repository : null,
    codes: { ...CODES, unreachable: 'OFFSITE_UNREACHABLE' },
    requireNeighbour: async () => {
      if (location.kind !== 'directory' || (await isThere(join(repository, 'config'), 'OFFSITE_UNREACHABLE'))) return;
      throw new ModosuError('OFFSITE_UNREACHABLE', `There is no off-site repository in ${repository}.`, {
        hint: 'Mount its medium there, or name the directory in which it is now.',
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
export const hasImageRepository = (path: string): Promise<boolean> => isThere(join(path, MARKER_FILE), 'REPOSITORY_UNREACHABLE');

/** Whether restic's repository is in that directory. */
export const isMadeIn = (directory: string, code: 'REPOSITORY_UNREACHABLE' | 'OFFSITE_UNREACHABLE'): Promise<boolean> =>
  isThere(join(directory, 'config'), code);

async function isThere(path: string, code: 'REPOSITORY_UNREACHABLE' | 'OFFSITE_UNREACHABLE'): Promise<boolean> {
  try {
    return await fileExists(path);
  } catch (error) {
    throw new ModosuError(code, `${path} cannot be looked at (${errorCode(error) ?? 'unknown error'}).`, { context: { path }, cause: error });
  }
}
