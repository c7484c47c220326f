import { ModosuError, isModosuError } from '../../contracts/errors';
import type { Secrets } from '../../secrets/secrets';
import { secretName } from './logins';
import type { ResticCommand } from '../restic/restic-command';
import type { DataTarget } from '../data-target';
import { parseKeyId, parseKeys } from '../restic/restic-output';

/** What our keys say they are of. A guest can say the same of keys that it adds: whether one is ours, the password says. */
const MARK = { user: 'modosu', host: 'maintenance' } as const;
/** A guest may add as many as it likes; the rest is looked at next time. */
const MOST_KEYS = 20;

/**
 * The key with which the backup side removes: a second key of restic's, with a password that is never in a guest. Nothing is remembered but the password: the
 * key is found by its mark, by opening with it. So a death after it was added leaves nothing to clean up, and a repository that was brought back from an
 * older copy simply gets another one.
 */
export class MaintenanceKey {
  constructor(
    private readonly secrets: Secrets,
    private readonly restic: ResticCommand,
  ) {}

  /**
   * The same place, opened with this key; made when there is none yet. Marked keys beside it are removed: they are of a password that is lost, or of a guest.
   *
   * @param here the storage itself, with the key of the guests
   * @param keyFiles full names of the repository's keys
   */
  async open(here: DataTarget, keyFiles: () => Promise<readonly string[]>, signal: AbortSignal | undefined): Promise<DataTarget> {
    const name = secretName(here.serverId, 'maintenance');
    const password = await this.secrets.getOrMake(name);
    const options = signal === undefined ? {} : { signal };
    for (const isMade of [false, true]) {
      const marked = await this.marked(here, keyFiles, signal);
      let own: DataTarget | null = null;
      for (const id of marked) {
        const opened: DataTarget | null = own === null ? await this.opened(here, id, password, signal) : null;
        if (opened === null) await this.restic.run(here, ['key', 'remove', id], options);
        else own = opened;
      }
      if (own !== null) return own;
      if (!isMade) {
        const args = ['--user', MARK.user, '--host', MARK.host, '--new-password-file', this.secrets.fileOf(name), 'add'];
        await this.restic.run(here, ['key', ...args], options);
      }
    }
    throw new ModosuError('DATA_REPOSITORY_FAILED', `The data repository of ${here.serverId} has not kept the key with which data is removed from it.`, {
      context: { serverId: here.serverId },
    });
  }

  /** Full names: two keys may begin alike. */
  private async marked(here: DataTarget, keyFiles: () => Promise<readonly string[]>, signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { stdout } = await this.restic.run(here, ['key', '--no-lock', 'list'], signal === undefined ? {} : { signal });
    const ids = parseKeys(stdout).filter(({ current, userName, hostName }) => !current && userName === MARK.user && hostName === MARK.host);
    const files = ids.length === 0 ? [] : await keyFiles();
    // The one by which guests come in is never touched, whatever it says of itself.
    const guests = here.env.RESTIC_KEY_HINT;
    return files.filter((file) => file !== guests && ids.some(({ id }) => file.startsWith(id))).slice(0, MOST_KEYS);
  }

  /** Null: it is of another password. restic tries others when the named key does not open: the one that did is told. */
  private async opened(here: DataTarget, id: string, password: string, signal: AbortSignal | undefined): Promise<DataTarget | null> {
    const target = { ...here, env: { ...here.env, RESTIC_PASSWORD: password, RESTIC_KEY_HINT: id }, secrets: [...here.secrets, password] };
    try {
      const { stdout } = await this.restic.run(target, ['key', '--no-lock', 'list'], signal === undefined ? {} : { signal });
      return id.startsWith(parseKeyId(stdout)) ? target : null;
    } catch (error) {
      if (isModosuError(error) && ['DATA_REPOSITORY_KEY_WRONG', 'DATA_REPOSITORY_FAILED'].includes(error.code)) return null;
      throw error;
    }
  }
}
