import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataAccess } from '../../contracts/data';
import { ModosuError, isModosuError } from '../../contracts/errors';
import type { Secrets } from '../../secrets/secrets';
import { errorCode, freeBytes } from '../../system/files';
import { deleteStaleLocks } from './locks';
import { givenUpName, keyIdName, PROBE_LOGIN, secretName, writeLogins } from './logins';
import { requireServerId } from '../restic/restic-arguments';
import type { ResticCommand } from '../restic/restic-command';
import type { DataRepositoryPresence } from './data-repository';
import { dataTargetOf, type DataTarget } from '../data-target';
import { parseKeyId, parseRepositoryId } from '../restic/restic-output';
import { RestServer, type Login } from './rest-server';

export interface RepositoryAccessOptions {
  /** Of the repository's server as this machine reaches it, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** The same server as guests reach it. */
  readonly guestUrl: string;
  /** PEM of the certificate to trust, here and in guests; null: none, or one that systems know. */
  readonly caCertificate: { readonly file: string; readonly pem: string } | null;
  readonly secrets: Secrets;
  /** Logins and hashes of their passwords, where the server reads them. */
  readonly htpasswdFile: string;
  /**
   * Where the server stores, when that is on this machine: what guests have sent is brought to stable storage there before a manifest says that it is stored.
   * Null: the server sees to it.
   */
  readonly directory: string | null;
}

/** Where the guest has to put the certificate. Not a secret. */
export const GUEST_CA_CERTIFICATE_FILE = '/var/lib/modosu/data-repository-ca.pem';

/** The server reads its list of logins again when it has changed: at once, or within seconds when it is rest-server. */
const LOGIN_DEADLINE_MS = 10_000;
const LOGIN_POLL_MS = 100;
/** A lock has some 200 bytes; below this it is not counted on that storage takes one, in whatever blocks. */
const LOCK_ROOM_BYTES = 4 * 1024 * 1024;

/**
 * Who may come in, and what there is: for each server a login at the repository's server, a restic repository below it, its password and the key that opens it.
 * Makes them, and looks before restic is started. What all methods throw the port says.
 */
export class RepositoryAccess {
  readonly server: RestServer;
  private readonly ensuring = new Map<string, Promise<void>>();
  /** By repository password: a renewed one is asked about again. */
  private readonly keyIds = new Map<string, string>();

  constructor(
    private readonly options: RepositoryAccessOptions,
    private readonly restic: ResticCommand,
  ) {
    this.server = new RestServer(options.url, options.caCertificate?.file ?? null);
  }

  async probe(): Promise<{ readonly restic: string; readonly address: string }> {
    const restic = await this.restic.version();
    const address = this.server.url;
    if ((await this.server.look(null, PROBE_LOGIN)) !== 'login-refused') {
      throw new ModosuError(
        'CONFIG_INVALID',
        `The server of the data repository at ${address} asks for no login: every guest could read and write the data of all.`,
        {
          hint: 'Start it with a htpasswd file and private repositories.',
          context: { address },
        },
      );
    }
    const password = await this.options.secrets.read(secretName(PROBE_LOGIN, 'login'));
    if (password !== null && (await this.server.look({ name: PROBE_LOGIN, password }, PROBE_LOGIN)) === 'login-refused') throw this.loginRefused(PROBE_LOGIN);
    return { restic, address };
  }

  /**
   * One after the other for each server: of two `restic init` at once the slower one leaves a key that opens nothing, and restic may pick it. Other processes
   * are kept out by the server's lock.
   */
  ensure(serverId: string): Promise<void> {
    const next = (this.ensuring.get(serverId) ?? Promise.resolve()).then(() => this.makeWhatIsMissing(serverId));
    const settled = next
      .catch(() => undefined)
      .finally(() => {
        if (this.ensuring.get(serverId) === settled) this.ensuring.delete(serverId);
      });
    this.ensuring.set(serverId, settled);
    return next;
  }

  access(serverId: string): Promise<DataAccess> {
    return this.accessAt(this.options.guestUrl, serverId);
  }

  accessFromHere(serverId: string): Promise<DataAccess> {
    return this.accessAt(this.options.url, serverId);
  }

  /** After a look at the server: within milliseconds it is known whether it answers, knows the login and has the repository. */
  async target(serverId: string): Promise<DataTarget> {
    const login = await this.login(serverId);
    const look = await this.server.look(login, serverId);
    if (look === 'login-refused') throw this.loginRefused(serverId);
    if (look === 'repository') return this.targetOf(login);
    if ((await this.options.secrets.read(secretName(serverId, 'repository-id'))) !== null) throw this.gone(serverId);
    throw missing(serverId);
  }

  async presence(serverId: string): Promise<DataRepositoryPresence> {
    const { secrets } = this.options;
    const password = await secrets.read(secretName(requireServerId(serverId), 'login'));
    if (password === null || (await secrets.read(secretName(serverId, 'repository-id'))) === null) return 'never';
    const look = await this.server.look({ name: serverId, password }, serverId);
    if (look === 'login-refused') throw this.loginRefused(serverId);
    return look === 'repository' ? 'there' : 'gone';
  }

  /** In this order: after a death in between it is still expected, and gone, so that a second call goes on. */
  async giveUp(serverId: string): Promise<void> {
    const { secrets, directory } = this.options;
    const presence = await this.presence(serverId);
    if (presence === 'never') return;
    const where = directory === null ? this.server.url : join(directory, serverId);
    if (presence === 'there') {
      throw new ModosuError('REQUEST_INVALID', `The data repository of ${serverId} is there: nothing of it is given up.`, { context: { serverId } });
    }
    if ((await this.server.list(await this.login(serverId), 'keys')).length > 0) {
      throw new ModosuError('REQUEST_INVALID', `The data repository of ${serverId} has lost its file "config", and other files of it are there.`, {
        hint: `Bring the file back; or, to begin anew, move away what lies at ${where}.`,
        context: { serverId },
      });
    }
    const [id, password] = [await secrets.read(secretName(serverId, 'repository-id')), await secrets.read(secretName(serverId, 'repository'))];
    if (id === null) return;
    if (password !== null) await secrets.getOrMake(givenUpName(serverId, id), () => password);
    // With the same one, what is remembered of the old repository's key would be taken for the new one's.
    await secrets.renew(secretName(serverId, 'repository'));
    await secrets.remove(secretName(serverId, 'repository-id'));
  }

  async removeStaleLocks(serverId: string): Promise<void> {
    const target = await this.target(serverId);
    // Where nobody can lock, locks stand in nobody's way; and what can only be read lets none be removed.
    if (!target.canLock) return;
    const { directory } = this.options;
    await deleteStaleLocks(this.server, this.restic, target, await this.login(serverId), async (id) => {
      if (directory === null) return null;
      return stat(join(directory, serverId, 'locks', id)).then(
        ({ mtime }) => mtime,
        () => null,
      );
    });
  }

  async login(serverId: string): Promise<Login> {
    const password = await this.options.secrets.read(secretName(requireServerId(serverId), 'login'));
    if (password === null) throw missing(serverId);
    return { name: serverId, password };
  }

  private async accessAt(url: string, serverId: string): Promise<DataAccess> {
    const { caCertificate } = this.options;
    const target = await this.target(serverId);
    const login = await this.login(serverId);
    const password = target.env.RESTIC_PASSWORD ?? '';
    return {
      env: {
        RESTIC_REPOSITORY: RestServer.repositoryUrl(url, login),
        RESTIC_PASSWORD: password,
        ...(await this.keyHint(serverId)),
        // restic before 0.17 has no RESTIC_CACERT; Go programs read SSL_CERT_FILE.
        ...(caCertificate === null ? {} : { RESTIC_CACERT: GUEST_CA_CERTIFICATE_FILE, SSL_CERT_FILE: GUEST_CA_CERTIFICATE_FILE }),
      },
      caCertificate: caCertificate?.pem ?? null,
      secrets: [login.password, password],
      keyId: await this.keyId(target, password),
      canLock: target.canLock,
    };
  }

  private async makeWhatIsMissing(serverId: string): Promise<void> {
    const { secrets, htpasswdFile } = this.options;
    const login: Login = { name: requireServerId(serverId), password: await secrets.getOrMake(secretName(serverId, 'login')) };
    await secrets.getOrMake(secretName(serverId, 'repository'));
    await secrets.getOrMake(secretName(serverId, 'manifest'));
    await writeLogins(secrets, htpasswdFile);
    if ((await this.lookWhenLoginIsKnown(login)) === 'no-repository') await this.initialise(login);
    const { stdout } = await this.restic.run(await this.target(serverId), ['cat', '--no-lock', 'config']);
    const id = parseRepositoryId(stdout);
    const recorded = await secrets.getOrMake(secretName(serverId, 'repository-id'), () => id);
    if (recorded !== id) {
      throw new ModosuError(
        'DATA_REPOSITORY_UNREACHABLE',
        `The data repository of ${serverId} is another one than it was: ${id.slice(0, 10)}, not ${recorded.slice(0, 10)}.`,
        {
          hint: 'Mount or connect the storage that holds the right one.',
          context: { serverId },
        },
      );
    }
    await this.rememberKey(login, id);
  }

  /** Makes the repository. A death in between may have left a key without a repository: data cannot have been written with it, so its password is given up. */
  private async initialise(login: Login): Promise<void> {
    const { secrets } = this.options;
    const { name: serverId } = login;
    if ((await secrets.read(secretName(serverId, 'repository-id'))) !== null) throw this.gone(serverId);
    if ((await this.server.list(login, 'keys')).length > 0) await secrets.renew(secretName(serverId, 'repository'));
    try {
      await this.restic.run(await this.targetOf(login), ['init']);
    } catch (error) {
      // Another process was faster.
      if (!isModosuError(error) || (await this.server.look(login, serverId)) !== 'repository') throw error;
    }
  }

  /** restic tries keys in the order of a list that a guest may add to: with the right one named it looks at no other. */
  private async rememberKey(login: Login, repositoryId: string): Promise<void> {
    const { secrets } = this.options;
    const name = keyIdName(login.name, repositoryId);
    if ((await secrets.read(name)) !== null) return;
    const target = await this.targetOf(login);
    const id = await this.keyId(target, target.env.RESTIC_PASSWORD ?? '');
    const files = (await this.server.list(login, 'keys')).filter((file) => file.startsWith(id));
    await secrets.getOrMake(name, () => (files.length === 1 ? (files[0] ?? id) : id));
  }

  private async keyHint(serverId: string): Promise<Readonly<Record<string, string>>> {
    const { secrets } = this.options;
    const repositoryId = await secrets.read(secretName(serverId, 'repository-id'));
    const keyId = repositoryId === null ? null : await secrets.read(keyIdName(serverId, repositoryId));
    return keyId === null ? {} : { RESTIC_KEY_HINT: keyId };
  }

  private async keyId(target: DataTarget, password: string): Promise<string> {
    const known = this.keyIds.get(password);
    if (known !== undefined) return known;
    const id = await this.askKeyId(target);
    this.keyIds.set(password, id);
    return id;
  }

  /** By the key that was named, without a look at any that a guest has added; whether it opens the repository is seen all the same. */
  private async askKeyId(target: DataTarget): Promise<string> {
    const hint = target.env.RESTIC_KEY_HINT;
    if (hint === undefined) return parseKeyId((await this.restic.run(target, ['key', '--no-lock', 'list'])).stdout);
    await this.restic.run(target, ['cat', '--no-lock', 'config']);
    return hint.slice(0, 8);
  }

  private async targetOf(login: Login): Promise<DataTarget> {
    const password = await this.options.secrets.read(secretName(login.name, 'repository'));
    if (password === null) throw missing(login.name);
    return {
      env: { RESTIC_REPOSITORY: RestServer.repositoryUrl(this.options.url, login), RESTIC_PASSWORD: password, ...(await this.keyHint(login.name)) },
      secrets: [login.password, password],
      caCertificateFile: this.options.caCertificate?.file ?? null,
      ...dataTargetOf(login.name),
      canLock: await this.canLock(),
    };
  }

  /** What storage elsewhere takes nobody says: then restic finds out. */
  private async canLock(): Promise<boolean> {
    const { directory } = this.options;
    if (directory === null) return true;
    try {
      await access(directory, constants.W_OK);
      return (await freeBytes(directory)) >= LOCK_ROOM_BYTES;
    } catch (error) {
      return errorCode(error) !== 'EROFS';
    }
  }

  private async lookWhenLoginIsKnown(login: Login): Promise<'repository' | 'no-repository'> {
    for (const giveUpAt = performance.now() + LOGIN_DEADLINE_MS; ; await delay(LOGIN_POLL_MS)) {
      const look = await this.server.look(login, login.name);
      if (look !== 'login-refused') return look;
      if (performance.now() > giveUpAt) throw this.loginRefused(login.name);
    }
  }

  private loginRefused(login: string): ModosuError {
    return new ModosuError('DATA_REPOSITORY_KEY_WRONG', `The server of the data repository at ${this.server.url} refuses the login ${login}.`, {
      hint: `It has to read its logins from ${this.options.htpasswdFile}, or from a copy of this file.`,
      context: { address: this.server.url, login },
    });
  }

  private gone(serverId: string): ModosuError {
    return new ModosuError(
      'DATA_REPOSITORY_UNREACHABLE',
      `The data repository of ${serverId} was at ${this.server.url} and is not there any more; no new one is made in its place.`,
      {
        hint: 'Mount or connect the storage of the data repository. If it is lost for good: `modosu data-repository renew --help`.',
        context: { serverId },
      },
    );
  }
}

const missing = (serverId: string): ModosuError =>
  new ModosuError('DATA_REPOSITORY_MISSING', `The server ${serverId} has no data repository.`, { context: { serverId } });
