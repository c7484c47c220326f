import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataAccess, DataRepository } from '../../src/repositories/data/data-repository';
import { writeLogins } from '../../src/repositories/data/logins';
import { RestServer } from '../../src/repositories/data/rest-server';
import { GUEST_CA_CERTIFICATE_FILE } from '../../src/repositories/data/repository-access';
import { createResticDataRepository } from '../../src/repositories/data/restic-data-repository';
import { dataServerArgv } from '../../src/roles/up/data-part';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
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
    changes: { readonly program?: string; readonly secrets?: DirectorySecrets; readonly directory?: string | null } = {},
  ): DataRepository {
    const { secrets, htpasswdFile, stored, tls } = this;
    const caCertificate = tls === null ? null : { file: tls.certificateFile, pem: readFileSync(tls.certificateFile, 'utf8') };
    return createResticDataRepository({ url, guestUrl: url, caCertificate, secrets, htpasswdFile, directory: stored, ...changes });
  }

  async startServer(): Promise<void> {
    const { stored, port, htpasswdFile, tls } = this;
    const [program, ...args] = dataServerArgv({ rclone: findProgram('rclone'), directory: stored, host: '127.0.0.1', port, htpasswdFile, tls });
    this.process = spawn(findProgram('setpriv'), ['--pdeathsig', 'KILL', '--', program, ...args], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH, HOME: '/nonexistent' },
    });
    for (const giveUpAt = Date.now() + 20_000; ; await pause(50)) {
      try {
        await this.server.look(null, 'probe');
        return;
      } catch (error) {
        if (Date.now() > giveUpAt) throw error;
      }
    }
  }

  async stopServer(): Promise<void> {
    const child = this.process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
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
    await this.stopServer();
    rmSync(this.directory, { recursive: true, force: true });
    if (this.tls !== null) rmSync(join(this.tls.keyFile, '..'), { recursive: true, force: true });
  }
}

export function flipByte(path: string, position: number): void {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length * position);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

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
