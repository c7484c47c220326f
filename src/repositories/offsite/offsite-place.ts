import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ModosuError, isModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import type { OffsiteLocation, OffsiteMedia } from '../../contracts/offsite';
import { offsiteMeaning } from '../../domain/offsite-words';
import type { Secrets } from '../../secrets/secrets';
import { errorCode, errorMessage, fileExists } from '../../system/files';
import { outcomeOf, roomTooSmall, type ResticCodes, type ResticCommand, type ResticOptions, type ResticTarget } from '../restic/restic-command';
import { parseRepositoryId } from '../restic/restic-output';
import { removeStaleLocks } from '../restic/stale-locks';
import { offsiteAccess } from '../offsite-environment';

export interface OffsitePlaceOptions {
  readonly name: string;
  readonly location: OffsiteLocation;
  readonly media: OffsiteMedia;
  readonly secrets: Secrets;
}

export interface OffsiteTarget extends ResticTarget {
  readonly password: string;
}

const CODES: ResticCodes = {
  locked: 'OFFSITE_LOCKED',
  'wrong-password': 'OFFSITE_CREDENTIALS_WRONG',
  'no-repository': 'OFFSITE_MISSING',
  unreachable: 'OFFSITE_UNREACHABLE',
  'no-space': 'NOT_ENOUGH_SPACE',
  damaged: 'RECOVERY_POINT_CORRUPT',
  'repository-damaged': 'OFFSITE_FAILED',
  'removal-refused': 'OFFSITE_DELETE_REFUSED',
  failed: 'OFFSITE_FAILED',
};
/** How long what was seen of a repository far away is believed. In a directory its config file is looked at each time. */
const KNOWN_FOR_MS = 10 * 60_000;
/** Of a restic that may find no place for its lock: it would try for most of a minute. */
const NO_LOCK_POSSIBLE = /^Save\(<lock\/[0-9a-f]+>\) returned error, retrying/m;
/** In a directory a file that ends too early, or is gone, stays like that; from far away it may come whole the next time. */
const CUT_SHORT = /^Load\(<(?:data|index|snapshot)\/[0-9a-f]+>.*returned error, retrying.*(?:\bEOF\b|\bno such file or directory\b)/m;
const CUT_SHORT_WORDS = /\bLoad\(<(?:data|index|snapshot)\/[0-9a-f]+>[^;]*(?:\bEOF\b|\bno such file or directory\b)/;
/** restic 0.14 on full storage: whoever saves has ended by the error, and whoever hands over does not expect it. */
const BROKE_DOWN = /\bpanic: runtime error\b/;
const HAD_NO_LOCK = /\bSave\(<lock\/|\bunable to create lock in backend\b/;
/** What restic makes, and what file systems have by themselves. */
const NOT_IN_THE_WAY = ['data', 'index', 'keys', 'locks', 'snapshots', 'lost+found'];

export const offsiteSecret = (name: string, what: 'password' | 'environment' | 'repository-id' | 'key-id'): string => `offsite/${name}/${what}`;

/**
 * Where an off-site repository lies, and what opens it: looks before restic is started, knows the repository again, says what an end of restic means here, and
 * removes locks that nobody holds. What all methods throw the port says.
 */
export class OffsitePlace {
  private known: { readonly mark: string; readonly until: number } | null = null;

  constructor(
    private readonly options: OffsitePlaceOptions,
    private readonly restic: ResticCommand,
  ) {}

  /** Its directory; null: it is elsewhere. */
  get directory(): string | null {
    return this.options.location.kind === 'directory' ? this.options.location.repository : null;
  }

  /** Complaints of a restic that only reads after which trying again changes nothing. */
  get hopeless(): RegExp | undefined {
    return this.directory === null ? undefined : new RegExp(`${NO_LOCK_POSSIBLE.source}|${CUT_SHORT.source}`, 'm');
  }

  /** After a look: it is there, opens, and is the one that it was. */
  async open(): Promise<OffsiteTarget> {
    const { secrets, name } = this.options;
    const recorded = await secrets.read(offsiteSecret(name, 'repository-id'));
    const mark = await this.look();
    if (mark === null) throw recorded === null ? this.missing() : this.absent();
    if (recorded === null) throw this.missing();
    const target = await this.target();
    if (this.known?.mark === mark && performance.now() < this.known.until) return target;
    const id = await this.repositoryId(target);
    if (id !== recorded) throw this.foreign(`is another repository than it was: ${id.slice(0, 10)}, not ${recorded.slice(0, 10)}`);
    this.known = { mark, until: mark === ELSEWHERE ? performance.now() + KNOWN_FOR_MS : Infinity };
    return target;
  }

  async ensure(): Promise<void> {
    const { secrets, name } = this.options;
    const recorded = await secrets.read(offsiteSecret(name, 'repository-id'));
    const mark = await this.look();
    if (mark === null) {
      if (recorded !== null) throw this.absent();
      await this.requireEmpty();
    }
    await secrets.getOrMake(offsiteSecret(name, 'password'));
    const target = await this.target();
    if (mark === null || (mark === ELSEWHERE && recorded === null && !(await this.isThere(target)))) await this.initialise(target);
    const id = await this.repositoryId(target);
    const known = await secrets.getOrMake(offsiteSecret(name, 'repository-id'), () => id);
    if (known !== id) throw this.foreign(`is another repository than it was: ${id.slice(0, 10)}, not ${known.slice(0, 10)}`);
    await this.rememberKey();
  }

  /** restic on this repository. An exclusive lock that a killed one has left is removed, and it is tried once more. */
  async run(target: OffsiteTarget, args: readonly string[], options: ResticOptions = {}): Promise<{ readonly stdout: string; readonly stderr: string }> {
    return this.pastStaleLocks(target, () => this.restic.run(target, args, options));
  }

  /** `restic check`, as long as it takes while it goes on reading. */
  async check(target: OffsiteTarget, options: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const { hopeless } = this;
    await this.run(target, ['check', ...options], {
      isLong: true,
      ...(hopeless === undefined ? {} : { giveUpOn: hopeless }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Whatever uses restic on it: the same. `writes`: what is new is written there, so that it may have become full. */
  async pastStaleLocks<T>(target: OffsiteTarget, work: () => Promise<T>, { writes = false }: { readonly writes?: boolean } = {}): Promise<T> {
    return this.told(writes, async () => {
      try {
        return await work();
      } catch (error) {
        if (!isModosuError(error) || error.code !== 'OFFSITE_LOCKED') throw error;
        await this.removeStaleLocks(target);
        return work();
      }
    });
  }

  /** For what only reads: with a lock, or without one where the storage takes none (full, read-only). */
  async reading<T>(target: OffsiteTarget, work: (target: OffsiteTarget, giveUpOn: RegExp | undefined) => Promise<T>): Promise<T> {
    return this.pastStaleLocks(target, async () => {
      try {
        return await work({ ...target, canLock: true }, this.hopeless ?? NO_LOCK_POSSIBLE);
      } catch (error) {
        if (!isModosuError(error) || error.code === 'OFFSITE_LOCKED' || !HAD_NO_LOCK.test(error.message)) throw error;
        return work({ ...target, canLock: false }, this.hopeless);
      }
    });
  }

  /** Only where nobody who may live holds one. */
  removeStaleLocks = (target: OffsiteTarget): Promise<void> => removeStaleLocks(this.restic, target);

  /** Less than a tenth of a storage on this machine is free: then nothing is to be written anew there. */
  async isNearlyFull(): Promise<boolean> {
    if (this.directory === null) return false;
    const { bavail, blocks } = await statfs(this.directory);
    return bavail < blocks * 0.1;
  }

  private async target(): Promise<OffsiteTarget> {
    const { name, location, secrets } = this.options;
    const password = await secrets.read(offsiteSecret(name, 'password'));
    if (password === null) {
      throw new ModosuError(
        'OFFSITE_CREDENTIALS_WRONG',
        `The password of the off-site repository ${name} is not there: ${secrets.fileOf(offsiteSecret(name, 'password'))}.`,
        {
          context: { repository: name },
        },
      );
    }
    const file = offsiteSecret(name, 'environment');
    const { env, secrets: hidden } = offsiteAccess(location, await secrets.read(file), secrets.fileOf(file));
    return {
      env: { ...env, RESTIC_PASSWORD: password },
      secrets: [password, ...hidden],
      password,
      caCertificateFile: null,
      name: `the off-site repository ${name}`,
      context: { repository: name },
      canLock: true,
      codes: CODES,
    };
  }

  /** Tells one repository from another without opening it; null: there is none. */
  private async look(): Promise<string | null> {
    const { directory } = this;
    if (directory === null) return ELSEWHERE;
    try {
      const { dev, ino, ctimeMs, size } = await stat(join(directory, 'config'));
      return [dev, ino, ctimeMs, size].join(' ');
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
      throw this.absent(errorMessage(error));
    }
  }

  /** Opens it: restic finds no other use of a config. */
  private async repositoryId(target: OffsiteTarget): Promise<string> {
    try {
      return parseRepositoryId((await this.told(false, () => this.restic.run(target, ['cat', '--no-lock', 'config']))).stdout);
    } catch (error) {
      if (isModosuError(error) && error.code === 'OFFSITE_CREDENTIALS_WRONG' && (await this.hasOtherKeys())) {
        throw this.foreign('is another repository than it was, and its password is another one');
      }
      if (
        isModosuError(error) &&
        error.code === 'OFFSITE_MISSING' &&
        (await this.options.secrets.read(offsiteSecret(this.options.name, 'repository-id'))) !== null
      ) {
        throw this.absent();
      }
      throw error;
    }
  }

  private async isThere(target: OffsiteTarget): Promise<boolean> {
    try {
      await this.repositoryId(target);
      return true;
    } catch (error) {
      if (isModosuError(error) && error.code === 'OFFSITE_MISSING') return false;
      throw error;
    }
  }

  private async initialise(target: OffsiteTarget): Promise<void> {
    try {
      await this.told(false, () => this.restic.run(target, ['init']));
    } catch (error) {
      // Another process was faster: then it opens.
      if (!(await this.isThere(target).catch(() => false))) throw error;
    }
  }

  /**
   * A directory in which a repository may be made. What an attempt that died before it has left is removed: keys that open nothing, because nothing else is there.
   */
  private async requireEmpty(): Promise<void> {
    const { directory } = this;
    if (directory === null) return;
    const { media } = this.options;
    const isOfItsOwn = async (): Promise<boolean> => (await stat(directory)).dev !== (await stat('/')).dev;
    let names: readonly string[];
    try {
      if (media === 'removable' && !(await isOfItsOwn())) throw this.absent(`${directory} lies on the disk of the system, so it is not mounted`);
      names = await readdir(directory);
    } catch (error) {
      if (error instanceof ModosuError) throw error;
      throw this.absent(errorMessage(error));
    }
    const strange = names.find((name) => !NOT_IN_THE_WAY.includes(name));
    if (strange !== undefined) throw this.foreign('would be made in a directory that holds something else');
    for (const below of ['data', 'index', 'locks', 'snapshots']) {
      if (!names.includes(below)) continue;
      const entries = await readdir(join(directory, below), { recursive: true, withFileTypes: true });
      if (entries.some((entry) => !entry.isDirectory())) throw this.foreign('has lost its config file: what is stored there belongs to a damaged repository');
    }
    if (names.includes('keys')) await rm(join(directory, 'keys'), { recursive: true });
  }

  /** By it another repository is told from a wrong password. */
  private async rememberKey(): Promise<void> {
    const { directory } = this;
    if (directory === null) return;
    const [key, ...more] = await readdir(join(directory, 'keys'));
    if (key !== undefined && more.length === 0) await this.options.secrets.getOrMake(offsiteSecret(this.options.name, 'key-id'), () => key);
  }

  private hasOtherKeys = (): Promise<boolean> => hasOtherKeys(this.directory, this.options);

  /** What went wrong, as it is here: a medium that was taken away in the middle is away, whatever restic found missing. */
  private async told<T>(writes: boolean, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isModosuError(error) || outcomeOf(error) === null) throw error;
      const isOfPlace = Object.values<string>(CODES).includes(error.code);
      if (!isOfPlace && outcomeOf(error) !== 'failed') throw error;
      const recorded = await this.options.secrets.read(offsiteSecret(this.options.name, 'repository-id'));
      if (recorded !== null && (await this.look()) === null) throw this.absent();
      if (writes && outcomeOf(error) === 'failed' && BROKE_DOWN.test(error.message)) await this.requireRoomForPacks(error);
      if (!isOfPlace) throw error;
      const isCutShort = this.directory !== null && CUT_SHORT_WORDS.test(error.message);
      if (isCutShort && ['unreachable', 'failed'].includes(outcomeOf(error) ?? '')) {
        throw new ModosuError('RECOVERY_POINT_CORRUPT', error.message, { context: error.context, cause: error });
      }
      if (error.code === 'OFFSITE_UNREACHABLE') throw this.absent(error.message);
      if (outcomeOf(error) !== 'failed') throw error;
      const meaning = offsiteMeaning(error.message);
      if (meaning === 'unreachable') throw this.absent(error.message);
      if (meaning === 'credentials') throw new ModosuError('OFFSITE_CREDENTIALS_WRONG', error.message, { context: error.context, cause: error });
      throw error;
    }
  }

  /** A restic that broke down while it wrote, where it had no room left to write: that is the reason, whatever it said. */
  private async requireRoomForPacks(cause: ModosuError): Promise<void> {
    const { directory } = this;
    if (directory === null) return;
    const free = await roomTooSmall(directory);
    if (free === null) return;
    throw new ModosuError(
      'NOT_ENOUGH_SPACE',
      `restic broke down while it wrote to the off-site repository ${this.options.name}: ${formatBytes(free)} are free at ${directory}.`,
      { hint: `Make room at ${directory}, or shorten the retention of its copies.`, context: cause.context, cause },
    );
  }

  private absent(problem?: string): ModosuError {
    const { name, media, location } = this.options;
    const [code, words] =
      media === 'removable'
        ? (['OFFSITE_OFFLINE', `The medium of the off-site repository ${name} is not at ${location.repository}`] as const)
        : (['OFFSITE_UNREACHABLE', `The off-site repository ${name} is not there: ${location.repository}`] as const);
    return new ModosuError(code, `${words}${problem === undefined ? '' : ` (${problem})`}.`, { context: { repository: name, location: location.repository } });
  }

  private missing(): ModosuError {
    const { name, location } = this.options;
    return new ModosuError('OFFSITE_MISSING', `The off-site repository ${name} was not made yet at ${location.repository}.`, { context: { repository: name } });
  }

  private foreign(words: string): ModosuError {
    const { name, location } = this.options;
    return new ModosuError('OFFSITE_FOREIGN', `The off-site repository ${name} at ${location.repository} ${words}.`, { context: { repository: name } });
  }
}

const ELSEWHERE = 'elsewhere';

/** Another medium, or another repository, lies in the directory than the one that was made there. */
async function hasOtherKeys(directory: string | null, { secrets, name }: Pick<OffsitePlaceOptions, 'secrets' | 'name'>): Promise<boolean> {
  const key = await secrets.read(offsiteSecret(name, 'key-id'));
  if (directory === null || key === null) return false;
  return !(await readdir(join(directory, 'keys')).catch(() => [key])).includes(key);
}

/**
 * Whether something may be written beside this off-site repository now: it was made, and, where it lies in a directory, is there, and is the same one. Of places
 * elsewhere only the attempt tells. Starts no program. Throws what the directory throws.
 */
export async function isOffsiteThere({ name, location, secrets }: Omit<OffsitePlaceOptions, 'media'>): Promise<boolean> {
  if ((await secrets.read(offsiteSecret(name, 'repository-id'))) === null) return false;
  if (location.kind !== 'directory') return true;
  return (await fileExists(join(location.repository, 'config'))) && !(await hasOtherKeys(location.repository, { name, secrets }));
}
