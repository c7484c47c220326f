import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataAccess, DataRepository } from '../../src/repositories/data/data-repository';
import { writeLogins } from '../../src/repositories/data/logins';
import { RestServer } from '../../src/repositories/data/rest-server';
import { GUEST_CA_CERTIFICATE_FILE } from '../../src/repositories/data/repository-access';
import { createResticDataRepository } from '../../src/repositories/data/restic-data-repository';
import { dataServerArgv } from '../../src/roles/up/data-part';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { unusedPort } from '../../src/roles/up/ports';
import { findProgram, runCommand, type CommandOutcome } from '../../src/system/child-process';

/** A data repository with its server, as `modosu up` starts it, in a directory of its own. Guests are played by restic on this machine. */
export class DataLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'modosu-data-'));
  readonly stored = join(this.directory, 'stored');
  readonly secrets = new DirectorySecrets(join(this.directory, 'secrets'));
  readonly htpasswdFile = join(this.directory, 'logins.htpasswd');
  readonly repository: DataRepository;
  readonly server: RestServer;
  private process: ChildProcess | null = null;
  private readonly others: ChildProcess[] = [];

  private constructor(
    private readonly port: number,
    private readonly tls: { readonly certificateFile: string; readonly keyFile: string } | null,
  ) {
    const url = `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`;
    this.server = new RestServer(url, tls?.certificateFile ?? null);
    this.repository = this.repositoryAt(url);
    mkdirSync(this.stored);
  }

  static async start(options: { readonly tls?: boolean } = {}): Promise<DataLab> {
    const lab = new DataLab(await freePort(), options.tls === true ? await makeCertificate() : null);
    await writeLogins(lab.secrets, lab.htpasswdFile);
    await lab.startServer();
    return lab;
  }

  repositoryAt(
    url: string,
    changes: {
      readonly program?: string;
      readonly secrets?: DirectorySecrets;
      readonly directory?: string | null;
      readonly maintenanceUrl?: string | null;
    } = {},
  ): DataRepository {
    const { secrets, htpasswdFile, stored, tls } = this;
    const caCertificate = tls === null ? null : { file: tls.certificateFile, pem: readFileSync(tls.certificateFile, 'utf8') };
    return createResticDataRepository({ url, guestUrl: url, caCertificate, secrets, htpasswdFile, directory: stored, maintenanceUrl: null, ...changes });
  }

  async startServer(): Promise<void> {
    this.process = await this.serve(this.port, this.server, (argument) => argument);
  }

  /** The same storage and logins once more, as whoever serves it elsewhere lets Modosu remove things there. Its address. */
  async startMaintenanceServer(): Promise<string> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    this.others.push(await this.serve(port, new RestServer(url, null), (argument) => (argument === '--append-only' ? [] : argument)));
    return url;
  }

  private async serve(port: number, server: RestServer, changed: (argument: string) => string | readonly string[]): Promise<ChildProcess> {
    const { stored, htpasswdFile, tls } = this;
    const argv = dataServerArgv({ rclone: findProgram('rclone'), directory: stored, host: '127.0.0.1', port, htpasswdFile, tls });
    const child = spawn(findProgram('setpriv'), ['--pdeathsig', 'KILL', '--', ...argv.flatMap(changed)], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    });
    for (const giveUpAt = Date.now() + 20_000; ; await pause(50)) {
      try {
        await server.look(null, 'probe');
        return child;
      } catch (error) {
        if (Date.now() > giveUpAt) throw error;
      }
    }
  }

  stopServer(): Promise<void> {
    return ended(this.process);
  }

  /** restic as a guest runs it: with what `access` gives, and nothing else. */
  async guest(access: DataAccess, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandOutcome> {
    return runCommand(['restic', '--no-cache', '--json', ...args], { env: { ...this.guestEnv(access), ...env }, timeoutMs: 60_000 });
  }

  guestEnv(access: DataAccess): Record<string, string> {
    const certificate = join(this.directory, 'guest-ca.pem');
    if (access.caCertificate !== null) writeFileSync(certificate, access.caCertificate);
    return Object.fromEntries(Object.entries(access.env).map(([name, value]) => [name, value === GUEST_CA_CERTIFICATE_FILE ? certificate : value]));
  }

  /** Takes a snapshot like a guest; its full id. */
  async backUp(serverId: string, paths: readonly string[], options: { readonly host?: string; readonly tags?: readonly string[] } = {}): Promise<string> {
    const access = await this.repository.access(serverId);
    const tags = options.tags ?? ['taken'];
    const outcome = await this.guest(access, ['backup', '--host', options.host ?? 'guest', '--tag', tags.join(','), ...paths]);
    if (outcome.exitCode !== 0) throw new Error(`restic backup: ${outcome.stderr}`);
    const summary = JSON.parse(outcome.stdout.trim().split('\n').at(-1) ?? '') as { readonly snapshot_id: string };
    const all = readdirSync(join(this.stored, serverId, 'snapshots'));
    const id = all.find((name) => name.startsWith(summary.snapshot_id));
    if (id === undefined) throw new Error(`no snapshot ${summary.snapshot_id} among ${all.join(', ')}`);
    return id;
  }

  /** A directory of the guest with these files; absolute. */
  files(name: string, files: Readonly<Record<string, string | Buffer>>): string {
    const directory = join(this.directory, 'guest', name);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(directory, path, '..'), { recursive: true });
      writeFileSync(join(directory, path), content);
    }
    return directory;
  }

  /** Files of one type in a server's repository, largest first. */
  storedFiles(serverId: string, type: 'data' | 'locks' | 'keys' | 'snapshots' | 'index'): readonly string[] {
    const directory = join(this.stored, serverId, type);
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return files.sort((a, b) => statSync(b).size - statSync(a).size);
  }

  async dispose(): Promise<void> {
    for (const child of [this.process, ...this.others]) await ended(child);
    rmSync(this.directory, { recursive: true, force: true });
    if (this.tls !== null) rmSync(join(this.tls.keyFile, '..'), { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

export function flipByte(path: string, position: number): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length * position);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const freePort = (): Promise<number> => unusedPort();

export async function makeCertificate(subject = 'IP:127.0.0.1'): Promise<{ readonly certificateFile: string; readonly keyFile: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'modosu-tls-'));
  const certificateFile = join(directory, 'certificate.pem');
  const keyFile = join(directory, 'key.pem');
  const { exitCode, stderr } = await runCommand([
    'openssl',
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=modosu'],
    ...['-addext', `subjectAltName=${subject}`, '-keyout', keyFile, '-out', certificateFile],
  ]);
  if (exitCode !== 0) throw new Error(stderr);
  return { certificateFile, keyFile };
}

/** A restic that works on the server's repository has locked it. */
export async function untilLocked(lab: DataLab, serverId: string): Promise<void> {
  const isLocked = (): boolean => existsSync(join(lab.stored, serverId, 'locks')) && lab.storedFiles(serverId, 'locks').length > 0;
  for (const giveUpAt = Date.now() + 20_000; !isLocked(); await pause(20)) {
    if (Date.now() > giveUpAt) throw new Error('no lock appeared');
  }
  await pause(300); // restic looks for other locks once more, then works
}

/** As the OOM killer does; it is gone when this returns. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
