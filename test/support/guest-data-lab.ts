import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataAccess } from '../../src/contracts/data';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, guestExec, waitForAgent, type GuestServer } from '../guests/guest-server';
import { mustRun } from '../guests/run-program';
import { unusedPort } from '../../src/roles/up/ports';
import { eventually } from './processes';

/** A guest with the programs of a real server, and restic's REST server on this host, as guests see it: with logins, append-only. */
export interface GuestDataLab {
  readonly guest: GuestServer;
  readonly agent: GuestAgent;
  readonly server: RestServer;
  /** Standard output of a shell script in the guest; throws when it ends badly. */
  sh(script: string, ...args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

export interface RestServer {
  readonly directory: string;
  readonly password: string;
  /** Again with other options: kill first. `slow`: a quarter of a megabyte a second, so that work has a middle. */
  start(options?: { readonly slow: boolean }): Promise<void>;
  kill(): Promise<void>;
  /** From the guest. */
  access(change?: { readonly password?: string; readonly port?: number }): DataAccess;
  /** On this host, outside the server: standard output. */
  restic(args: readonly string[]): Promise<string>;
  /** Bytes of stored packs. */
  storedBytes(): number;
}

const LOGIN = 'server-1';
const HOST_ADDRESS = '10.0.2.2';

export async function openGuestDataLab(name: string, memoryMiB = 512): Promise<GuestDataLab> {
  const root = mkdtempSync(join(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', `modosu-${name}-`));
  chmodSync(root, 0o711);
  const server = await openRestServer(join(root, 'repository'));
  const guest = await createGuestServer({
    name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}${name}-${randomBytes(3).toString('hex')}`,
    guest: 'postgresql',
    directory: join(root, 'disks'),
    dataDisk: { sizeBytes: 768 * 1024 * 1024, format: 'qcow2' },
    memoryMiB,
  });
  await waitForAgent(guest.uuid, 120_000);
  const agent = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') }).guestAgent({
    uuid: guest.uuid,
    name: guest.name,
  });
  return {
    guest,
    agent,
    server,
    async sh(script, ...args) {
      const { exitCode, stdout, stderr } = await guestExec(guest.uuid, ['sh', '-euc', script, 'sh', ...args], { timeoutMs: 120_000 });
      if (exitCode !== 0) throw new Error(`${script}: ${exitCode} ${stderr}`);
      return stdout;
    },
    async close() {
      await server.kill();
      await guest.destroy();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function openRestServer(directory: string): Promise<RestServer> {
  const [password, loginPassword] = [randomBytes(16).toString('hex'), randomBytes(16).toString('hex')];
  const repository = join(directory, LOGIN);
  mkdirSync(directory);
  const logins = `${directory}.htpasswd`;
  writeFileSync(logins, `${LOGIN}:{SHA}${createHash('sha1').update(loginPassword).digest('base64')}\n`);
  const port = await unusedPort();
  let child: ChildProcess | null = null;
  const restic = (args: readonly string[]): Promise<string> =>
    mustRun('PROGRAM_MISSING', 'env', [`RESTIC_PASSWORD=${password}`, 'restic', '--no-cache', '-r', repository, ...args], { timeoutMs: 120_000 });
  const server: RestServer = {
    directory: repository,
    password,
    async start({ slow } = { slow: false }) {
      const running = spawn(
        'rclone',
        [
          'serve',
          'restic',
          '--addr',
          `127.0.0.1:${port}`,
          '--append-only',
          '--private-repos',
          '--htpasswd',
          logins,
          ...(slow ? ['--bwlimit', '256k'] : []),
          directory,
        ],
        { stdio: 'ignore' },
      );
      child = running;
      await eventually('the REST server answers', () =>
        fetch(`http://127.0.0.1:${port}/`).then(
          () => true,
          () => false,
        ),
      );
    },
    async kill() {
      const running = child;
      child = null;
      if (running === null || running.exitCode !== null) return;
      const gone = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGKILL');
      await gone;
    },
    access: (change = {}) => ({
      env: {
        RESTIC_REPOSITORY: `rest:http://${LOGIN}:${loginPassword}@${HOST_ADDRESS}:${change.port ?? port}/${LOGIN}/`,
        RESTIC_PASSWORD: change.password ?? password,
      },
      caCertificate: null,
      secrets: [loginPassword, change.password ?? password],
      keyId: 'test',
      canLock: true,
    }),
    restic,
    storedBytes: () => {
      const packs = readdirSync(join(repository, 'data'), { recursive: true, encoding: 'utf8' }).map((name) =>
        statSync(join(repository, 'data', name), { throwIfNoEntry: false }),
      );
      return packs.reduce((sum, pack) => sum + (pack?.isFile() ? pack.size : 0), 0);
    },
  };
  await restic(['init', '-q']);
  await server.start();
  return server;
}
