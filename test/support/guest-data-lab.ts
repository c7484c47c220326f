import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataAccess } from '../../src/contracts/data';
import type { GuestAgent } from '../../src/guests/guest-agent';
import { createLibvirtHypervisor } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { createGuestServer, waitForAgent } from '../guests/guest-server';
import { mustRun } from '../guests/run-program';
import { unusedPort } from '../../src/roles/up/ports';
import { GuestUserspace, UserspaceAgent } from './guest-userspace';
import { eventually } from './processes';
import { isFull } from './thorough';
import { ownedDirectory } from './owned-directory';

/** A guest with the programs of a real server, and restic's REST server as guests see it: on their host, with logins, append-only. */
export interface GuestDataLab {
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

/** A real guest in `test:full`; else the userspace of one, where the same programs on the same files take a tenth of the time. */
export async function openGuestDataLab(name: string): Promise<GuestDataLab> {
  const root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', `modosu-${name}-`);
  chmodSync(root, 0o711);
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  const { agent, serverProgram, destroy } = await (isFull ? inGuest : inUserspace)(root, name).catch((error: unknown) => {
    remove();
    throw error;
  });
  const server = await openRestServer(join(root, 'repository'), serverProgram).catch(async (error: unknown) => {
    await destroy();
    remove();
    throw error;
  });
  return {
    agent,
    server,
    async sh(script, ...args) {
      const { exitCode, stdout, stderr } = await agent.exec(['sh', '-euc', script, 'sh', ...args], { timeoutMs: 120_000 });
      if (exitCode !== 0) throw new Error(`${script}: ${exitCode} ${stderr}`);
      return stdout;
    },
    async close() {
      await server.kill();
      await destroy();
      remove();
    },
  };
}

interface Machine {
  readonly agent: GuestAgent;
  /** What starts the program of the REST server where it hears the guest, and the address it listens on there. */
  readonly serverProgram: { readonly argv: readonly [string, ...string[]]; readonly address: string };
  destroy(): Promise<void>;
}

const DATA_BYTES = 768 * 1024 * 1024;

async function inGuest(root: string, name: string): Promise<Machine> {
  const guest = await createGuestServer({
    name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}${name}-${randomBytes(3).toString('hex')}`,
    guest: 'postgresql',
    directory: join(root, 'disks'),
    dataDisk: { sizeBytes: DATA_BYTES, format: 'qcow2' },
    memoryMiB: 512,
  });
  await waitForAgent(guest.uuid, 120_000).catch(async (error: unknown) => {
    await guest.destroy();
    throw error;
  });
  const hypervisor = createLibvirtHypervisor({ name: 'test', uri: 'qemu:///system', stateDirectory: join(root, 'state') });
  return {
    agent: hypervisor.guestAgent({ uuid: guest.uuid, name: guest.name }),
    serverProgram: { argv: ['rclone'], address: '127.0.0.1' },
    destroy: () => guest.destroy(),
  };
}

/** With the address of the host on its own loopback: the REST server shares its network, and nothing else. */
async function inUserspace(root: string): Promise<Machine> {
  const userspace = await GuestUserspace.start('postgresql', join(root, 'userspace'));
  const agent = new UserspaceAgent(userspace);
  try {
    const prepare = `mkdir -p /data; mount -t tmpfs -o size=${DATA_BYTES} tmpfs /data; ip address add ${HOST_ADDRESS}/32 dev lo`;
    const { exitCode, stderr } = await agent.exec(['sh', '-euc', prepare], { timeoutMs: 30_000 });
    if (exitCode !== 0) throw new Error(`${prepare}: ${stderr}`);
  } catch (error) {
    await userspace.destroy();
    throw error;
  }
  return { agent, serverProgram: { argv: userspace.inItsNetwork(['rclone']), address: HOST_ADDRESS }, destroy: () => userspace.destroy() };
}

async function openRestServer(directory: string, { argv: [program, ...before], address }: Machine['serverProgram']): Promise<RestServer> {
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
      const limit = slow ? ['--bwlimit', '256k'] : [];
      const argv = ['serve', 'restic', '--addr', `${address}:${port}`, '--append-only', '--private-repos', '--htpasswd', logins, ...limit, directory];
      const running = spawn(program, [...before, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] });
      child = running;
      let words = '';
      running.stderr.on('data', (piece: Buffer) => (words += piece.toString()));
      await eventually('the REST server serves', async () => {
        if (running.exitCode !== null) throw new Error(`the REST server does not start: ${words}`);
        return /Serving restic REST API on/.test(words);
      });
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
