import { access, constants } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError, isModosuError } from '../../contracts/errors';
import type { DataManifest } from '../../contracts/data';
import { formatBytes } from '../../contracts/format';
import type { Secrets } from '../../secrets/secrets';
import { runCommand } from '../../system/child-process';
import { errorCode, freeBytes } from '../../system/files';
import type { DataAccess, DataRepository, DataSnapshot, SnapshotEntry } from './data-repository';
import { keyIdName, PROBE_LOGIN, secretName, writeLogins } from './logins';
import { removeStaleLocks } from './locks';
import { ManifestShelf } from './manifest-shelf';
import { RestServer, type Login } from './rest-server';
import { inPortions, requirePath, requireServerId, requireSnapshotId, requireTag } from './restic-arguments';
import { reading, ResticCommand, type ResticTarget } from './restic-command';
import { Lines, parseKeyId, parseNode, parseRepositoryId, parseRestoreSize, parseSnapshots } from './restic-output';

export interface ResticDataRepositoryOptions {
  /** Of the repository's server as this machine reaches it, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** The same server as guests reach it. */
  readonly guestUrl: string;
  /** PEM of the certificate to trust, here and in guests; null: none, or one that systems know. */
  readonly caCertificate: { readonly file: string; readonly pem: string } | null;
  readonly secrets: Secrets;
  /** Logins and hashes of their passwords, where the server reads them. */
  readonly htpasswdFile: string;
  /** Where the server stores, when that is on this machine: what guests have sent is brought to stable storage there before a manifest says that it is stored. Null: the server sees to it. */
  readonly directory: string | null;
  /** Default `restic`. */
  readonly program?: string;
}

/** Where the guest has to put the certificate. Not a secret. */
export const GUEST_CA_CERTIFICATE_FILE = '/var/lib/modosu/data-repository-ca.pem';

/** The server reads its list of logins again when it has changed: at once, or within seconds when it is rest-server. */
const LOGIN_DEADLINE_MS = 10_000;
const LOGIN_POLL_MS = 100;
/** Less is nearly full: packs, an index, and what restores read by. */
const RESERVE_BYTES = 256 * 1024 * 1024;
/** A lock has some 200 bytes; below this it is not counted on that storage takes one, in whatever blocks. */
const LOCK_ROOM_BYTES = 4 * 1024 * 1024;
const SYNC_TIMEOUT_MS = 10 * 60_000;
const MOST_LIST_BYTES = 64 * 1024 * 1024;

/** One restic repository for each server, below a login of its own, behind a REST server (`rclone serve restic`, rest-server) that takes additions only. */
export const createResticDataRepository = (options: ResticDataRepositoryOptions): DataRepository => new ResticDataRepository(options);

class ResticDataRepository implements DataRepository {
  private readonly restic: ResticCommand;
  private readonly server: RestServer;
  private readonly ensuring = new Map<string, Promise<void>>();
  /** By repository password: a renewed one is asked about again. */
  private readonly keyIds = new Map<string, string>();

  constructor(private readonly options: ResticDataRepositoryOptions) {
    this.restic = new ResticCommand(options.program ?? 'restic');
    this.server = new RestServer(options.url, options.caCertificate?.file ?? null);
  }

  async probe(): Promise<{ readonly restic: string; readonly address: string }> {
    const restic = await this.restic.version();
    const address = this.server.url;
    if ((await this.server.look(null, PROBE_LOGIN)) !== 'login-refused') {
      throw new ModosuError('CONFIG_INVALID', `The server of the data repository at ${address} asks for no login: every guest could read and write the data of all.`, {
        hint: 'Start it with a htpasswd file and private repositories.',
        context: { address },
      });
    }
    const password = await this.options.secrets.read(secretName(PROBE_LOGIN, 'login'));
    if (password !== null && (await this.server.look({ name: PROBE_LOGIN, password }, PROBE_LOGIN)) === 'login-refused') throw this.loginRefused(PROBE_LOGIN);
    return { restic, address };
  }

  /** One after the other for each server: of two `restic init` at once the slower one leaves a key that opens nothing, and restic may pick it. Other processes are kept out by the server's lock. */
  ensure(serverId: string): Promise<void> {
    const next = (this.ensuring.get(serverId) ?? Promise.resolve()).then(() => this.makeWhatIsMissing(serverId));
    const settled = next.catch(() => undefined).finally(() => {
      if (this.ensuring.get(serverId) === settled) this.ensuring.delete(serverId);
    });
    this.ensuring.set(serverId, settled);
    return next;
  }

  async requireRoom(): Promise<void> {
    const { directory } = this.options;
    if (directory === null) return;
    const free = await freeBytes(directory);
    if (free >= RESERVE_BYTES) return;
    throw new ModosuError('NOT_ENOUGH_SPACE', `The data repository has ${formatBytes(free)} free in ${directory}; a backup wants at least ${formatBytes(RESERVE_BYTES)}.`, {
      hint: 'Make room on the storage of the data repository; recovery points that are there stay usable.',
      context: { directory, freeBytes: free, neededBytes: RESERVE_BYTES },
    });
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
      throw new ModosuError('DATA_REPOSITORY_UNREACHABLE', `The data repository of ${serverId} is another one than it was: ${id.slice(0, 10)}, not ${recorded.slice(0, 10)}.`, {
        hint: 'Mount or connect the storage that holds the right one.',
        context: { serverId },
      });
    }
    await this.rememberKey(login, id);
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

  async access(serverId: string): Promise<DataAccess> {
    const { guestUrl, caCertificate } = this.options;
    const target = await this.target(serverId);
    const login = await this.login(serverId);
    const password = target.env.RESTIC_PASSWORD ?? '';
    return {
      env: {
        RESTIC_REPOSITORY: RestServer.repositoryUrl(guestUrl, login),
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

  async removeStaleLocks(serverId: string): Promise<void> {
    const target = await this.target(serverId);
    // Where nobody can lock, locks stand in nobody's way; and what can only be read lets none be removed.
    if (target.canLock) await removeStaleLocks(this.server, this.restic, target, await this.login(serverId), new Date());
  }

  async snapshots(serverId: string, tags: readonly string[]): Promise<readonly DataSnapshot[]> {
    return (await this.findSnapshots(await this.target(serverId), tags)).snapshots;
  }

  async list(serverId: string, snapshotId: string, paths: readonly string[], { maxEntries, signal }: { readonly maxEntries: number; readonly signal?: AbortSignal }): Promise<readonly SnapshotEntry[]> {
    const wanted = [...new Set(paths.map(requirePath))];
    const target = await this.target(serverId);
    const found = new Map<string, SnapshotEntry>();
    for (const some of inPortions(wanted)) {
      await this.walk(target, snapshotId, some, signal, (entry) => {
        found.set(entry.path, entry);
        if (found.size > maxEntries) throw new ModosuError('REQUEST_INVALID', `There are more than ${maxEntries} files and directories at the paths asked for.`, { hint: 'Name fewer, or smaller, directories.' });
      });
    }
    const missing = wanted.filter((path) => path !== '/' && !found.has(path));
    if (missing.length > 0) throw new ModosuError('DATA_NOT_IN_RECOVERY_POINT', notHeld(missing), { context: { snapshotId } });
    return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async read(serverId: string, snapshotId: string, path: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer> {
    const wanted = requirePath(path);
    const target = await this.target(serverId);
    // restic writes a directory as an archive: only a look tells it from a file.
    let entry: SnapshotEntry | null = null;
    await this.walk(
      target,
      snapshotId,
      [wanted],
      undefined,
      (candidate) => {
        if (candidate.path === wanted) entry = candidate;
        return entry === null;
      },
      false,
    );
    const { type, sizeBytes } = (entry as SnapshotEntry | null) ?? { type: 'other', sizeBytes: 0 };
    if (type !== 'file') throw new ModosuError('RECOVERY_POINT_INCOMPLETE', notHeld([wanted]), { context: { snapshotId } });
    if (sizeBytes > maxBytes) {
      throw new ModosuError('RECOVERY_POINT_INCOMPLETE', `${JSON.stringify(wanted)} in the snapshot ${snapshotId} has ${sizeBytes} bytes; at most ${maxBytes} were expected.`, { context: { snapshotId } });
    }
    const bytes = await this.dump(target, snapshotId, wanted, sizeBytes);
    if (bytes.length === sizeBytes) return bytes;
    throw new ModosuError('RECOVERY_POINT_CORRUPT', `${JSON.stringify(wanted)} in the snapshot ${snapshotId} has another length than its directory says.`, { context: { snapshotId } });
  }

  async sizeOf(serverId: string, snapshotId: string): Promise<{ readonly files: number; readonly totalBytes: number }> {
    const target = await this.target(serverId);
    let files = 0;
    // restic counts directories as files too.
    await this.walk(target, snapshotId, ['/'], undefined, ({ type }) => {
      if (type === 'file') files += 1;
    });
    const { stdout } = await this.restic.run(target, ['stats', ...reading(target), '--mode', 'restore-size', requireSnapshotId(snapshotId)]);
    return { files, totalBytes: parseRestoreSize(stdout) };
  }

  async publish(manifest: DataManifest): Promise<DataManifest> {
    return (await this.shelf(manifest.server.id)).publish(manifest);
  }

  async open(serverId: string, recoveryPointId: string): Promise<DataManifest> {
    return (await this.shelf(serverId)).open(recoveryPointId);
  }

  private async shelf(serverId: string): Promise<ManifestShelf> {
    const target = await this.target(serverId);
    const { directory, secrets } = this.options;
    return new ManifestShelf({
      serverId,
      key: await secrets.getOrMake(secretName(serverId, 'manifest')),
      find: (tags) => this.findSnapshots(target, tags),
      read: (snapshotId, path, maxBytes) => this.dump(target, snapshotId, path, maxBytes),
      write: async (args, input) => void (await this.restic.run(target, args, { input, otherwise: 'DATA_BACKUP_FAILED' })),
      settle: () => (directory === null ? Promise.resolve() : bringToStableStorage(directory)),
    });
  }

  private async findSnapshots(target: ResticTarget, tags: readonly string[]): Promise<{ readonly snapshots: readonly DataSnapshot[]; readonly unreadable: boolean }> {
    const { stdout, stderr } = await this.restic.run(target, ['snapshots', ...reading(target), ...(tags.length === 0 ? [] : ['--tag', tags.map(requireTag).join(',')])], { maxOutputBytes: MOST_LIST_BYTES });
    // restic leaves a damaged one out, says so, and calls it a success.
    return { snapshots: parseSnapshots(stdout), unreadable: stderr.includes('could not load snapshot') };
  }

  /** Everything at and below these paths, or only their children. `onEntry` returns false when it has seen enough. */
  private async walk(target: ResticTarget, snapshotId: string, paths: readonly string[], signal: AbortSignal | undefined, onEntry: (entry: SnapshotEntry) => boolean | void, recursive = true): Promise<void> {
    const enough = new AbortController();
    let isThere = false;
    const lines = new Lines((line) => {
      if (enough.signal.aborted) return;
      const entry = parseNode(line);
      if ('snapshotId' in entry) {
        isThere ||= entry.snapshotId === snapshotId;
        return;
      }
      // Names in a repository may be anything, also "../../etc".
      if (!paths.some((path) => path === '/' || entry.path === path || entry.path.startsWith(`${path}/`))) {
        throw new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} holds a file that says it lies elsewhere.`, { context: { snapshotId } });
      }
      if (onEntry(entry) === false) enough.abort(SEEN_ENOUGH);
    });
    const guarded = (take: () => void): void => {
      try {
        take();
      } catch (error) {
        enough.abort(error);
      }
    };
    try {
      const { stderr } = await this.restic.run(target, ['ls', ...reading(target), ...(recursive ? ['--recursive'] : []), requireSnapshotId(snapshotId), ...paths], {
        maxOutputBytes: 0,
        signal: signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]),
        onStdout: (piece) => guarded(() => lines.add(piece)),
      });
      guarded(() => lines.end());
      enough.signal.throwIfAborted();
      // restic 0.14 calls it a success when the snapshot is missing, and when it is damaged.
      if (!isThere) throw unloadable(snapshotId, stderr);
    } catch (error) {
      if (error !== SEEN_ENOUGH) throw missingSnapshot(error, snapshotId);
    }
  }

  /** At most so many bytes and one more. */
  private async dump(target: ResticTarget, snapshotId: string, path: string, maxBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const tooMuch = new AbortController();
    try {
      await this.restic.run(target, ['dump', ...reading(target), requireSnapshotId(snapshotId), path], {
        maxOutputBytes: 0,
        signal: tooMuch.signal,
        onStdout: (piece) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > maxBytes) tooMuch.abort(SEEN_ENOUGH);
        },
      });
    } catch (error) {
      if (error !== SEEN_ENOUGH) throw missingSnapshot(error, snapshotId);
    }
    return Buffer.concat(pieces).subarray(0, maxBytes + 1);
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

  private async keyId(target: ResticTarget, password: string): Promise<string> {
    const known = this.keyIds.get(password);
    if (known !== undefined) return known;
    const id = await this.askKeyId(target);
    this.keyIds.set(password, id);
    return id;
  }

  /** By the key that was named, without a look at any that a guest has added; whether it opens the repository is seen all the same. */
  private async askKeyId(target: ResticTarget): Promise<string> {
    const hint = target.env.RESTIC_KEY_HINT;
    if (hint === undefined) return parseKeyId((await this.restic.run(target, ['key', '--no-lock', 'list'])).stdout);
    await this.restic.run(target, ['cat', '--no-lock', 'config']);
    return hint.slice(0, 8);
  }

  /** After a look at the server: within milliseconds it is known whether it answers, knows the login and has the repository. */
  private async target(serverId: string): Promise<ResticTarget> {
    const login = await this.login(serverId);
    const look = await this.server.look(login, serverId);
    if (look === 'login-refused') throw this.loginRefused(serverId);
    if (look === 'repository') return this.targetOf(login);
    if ((await this.options.secrets.read(secretName(serverId, 'repository-id'))) !== null) throw this.gone(serverId);
    throw missing(serverId);
  }

  private async targetOf(login: Login): Promise<ResticTarget> {
    const password = await this.options.secrets.read(secretName(login.name, 'repository'));
    if (password === null) throw missing(login.name);
    return {
      env: { RESTIC_REPOSITORY: RestServer.repositoryUrl(this.options.url, login), RESTIC_PASSWORD: password, ...(await this.keyHint(login.name)) },
      secrets: [login.password, password],
      caCertificateFile: this.options.caCertificate?.file ?? null,
      serverId: login.name,
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

  private async login(serverId: string): Promise<Login> {
    const password = await this.options.secrets.read(secretName(requireServerId(serverId), 'login'));
    if (password === null) throw missing(serverId);
    return { name: serverId, password };
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
    return new ModosuError('DATA_REPOSITORY_UNREACHABLE', `The data repository of ${serverId} was at ${this.server.url} and is not there any more; no new one is made in its place.`, {
      hint: 'Mount or connect the storage of the data repository.',
      context: { serverId },
    });
  }
}

const SEEN_ENOUGH = new Error('seen enough');

const missing = (serverId: string): ModosuError => new ModosuError('DATA_REPOSITORY_MISSING', `The server ${serverId} has no data repository.`, { context: { serverId } });

const notHeld = (paths: readonly string[]): string => `The recovery point does not hold ${paths.slice(0, 5).map((path) => JSON.stringify(path)).join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}.`;

const unloadable = (snapshotId: string, stderr: string): ModosuError =>
  /\bcould not load snapshot\b/.test(stderr)
    ? new ModosuError('RECOVERY_POINT_CORRUPT', `The snapshot ${snapshotId} is damaged.`, { context: { snapshotId } })
    : new ModosuError('RECOVERY_POINT_INCOMPLETE', `There is no snapshot ${snapshotId}.`, { context: { snapshotId } });

/** restic has no exit code for what is not there. */
function missingSnapshot(error: unknown, snapshotId: string): unknown {
  if (!isModosuError(error) || error.code !== 'DATA_REPOSITORY_FAILED') return error;
  if (/\bno matching ID found\b/.test(error.message)) return unloadable(snapshotId, '');
  if (/\bpath ".*" not found in snapshot\b|: not found in snapshot\b/.test(error.message)) return new ModosuError('RECOVERY_POINT_INCOMPLETE', `The snapshot ${snapshotId} does not hold the file asked for.`, { context: { snapshotId } });
  return error;
}

/** Everything written on the file system of this directory: the server answers as soon as it has handed its files to the kernel. */
async function bringToStableStorage(directory: string): Promise<void> {
  const { exitCode, stderr, timedOut } = await runCommand(['sync', '--file-system', directory], { timeoutMs: SYNC_TIMEOUT_MS });
  if (exitCode === 0) return;
  throw new ModosuError('DATA_REPOSITORY_UNREACHABLE', `The storage of the data repository in ${directory} does not keep what was written: ${timedOut ? 'no answer' : stderr.trim().slice(0, 300)}.`, { context: { directory } });
}
