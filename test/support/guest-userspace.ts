import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, readlinkSync, readSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ModosuError } from '../../src/contracts/errors';
import type { CommandResult, GuestAgent, GuestProgram } from '../../src/guests/guest-agent';
import { guestImage, type GuestKind } from '../guests/guest-images';
import { mustRun } from '../guests/run-program';

const GUEST_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** As the guest's own init does, without what needs a machine; its service is started again when it ends. `$1`: the disk, `$2`: where its root begins. */
const BOOT = (root: string): string => `set -e
mount -o loop,offset="$2" "$1" ${root}
mount --rbind /dev ${root}/dev
mount -t proc proc ${root}/proc
mount -t tmpfs -o mode=0755 tmpfs ${root}/run
mount -t tmpfs -o mode=1777 tmpfs ${root}/tmp
exec chroot ${root} /bin/sh -c 'ip link set lo up; for script in /etc/init.d/start.d/*; do [ -x "$script" ] && "$script"; done; touch /run/started; while :; do for service in postgresql name-server; do [ ! -x /etc/init.d/$service ] || /etc/init.d/$service; done; sleep 0.1; done'`;

export interface UserspaceOptions {
  /** Its disk, raw, which outlives it. Absent: a new one. */
  readonly disk?: string;
  /** Its programs listen on this machine's own loopback, where tests and other userspaces reach them. Default: it has a loopback that nobody else sees. */
  readonly sharesNetwork?: boolean;
}

/**
 * What runs in a guest, without the machine below it: the root file system of its image, with a PID 1, processes, mounts and a loopback of its own, at the speed of
 * this machine, where an emulated guest takes ten times as long. For tests of what programs in a guest do; that they do it through a real agent is shown with
 * real guests.
 */
export class GuestUserspace {
  private readonly entered = new Set<ChildProcess>();

  private constructor(
    private readonly holder: ChildProcess,
    /** As this machine counts. */
    private readonly init: number,
    private readonly directory: string,
  ) {}

  /** @param directory absolute, not there yet; removed by `destroy` */
  static async start(guest: GuestKind, directory: string, options: UserspaceOptions = {}): Promise<GuestUserspace> {
    mkdirSync(directory);
    const [disk, root] = [options.disk ?? join(directory, 'disk.raw'), join(directory, 'root')];
    mkdirSync(root);
    if (options.disk === undefined) await makeRawDisk(guest, disk);
    const offset = rootPartitionOffset(disk);
    const network = options.sharesNetwork === true ? [] : ['--net'];
    const namespaces = ['--mount', '--pid', ...network, '--ipc', '--uts', '--fork', '--kill-child'];
    // It ends with this process, however this ends.
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, 'sh', '-c', BOOT(root), 'boot', disk, String(offset)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let words = '';
    holder.stderr?.on('data', (piece: Buffer) => (words += piece.toString()));
    const sign = guest === 'postgresql' ? 'run/postgresql' : 'run/started';
    for (const giveUpAt = performance.now() + 30_000; ; await delay(20)) {
      const init = childOf(holder.pid ?? 0);
      // Before that it still sees this machine's files.
      if (init !== null && rootOf(init) === root && isEntry(`/proc/${init}/root/${sign}`)) return new GuestUserspace(holder, init, directory);
      if (holder.exitCode === null && performance.now() < giveUpAt) continue;
      holder.kill('SIGKILL');
      throw new Error(`the userspace of ${guest} does not start: ${words}`);
    }
  }

  /** A file of it, as this machine reads it. */
  pathOf(path: string): string {
    return `/proc/${this.init}/root${path}`;
  }

  /** For a program of this machine that is to be heard in it. */
  inItsNetwork(argv: readonly string[]): readonly [string, ...string[]] {
    return ['nsenter', '--target', String(this.init), '--net', '--', ...argv];
  }

  /** A cable to another one, in the namespaces of the two alone; addresses of the two ends with the length of their prefix. It is pulled out by `down` of its device. */
  async connectTo(other: GuestUserspace, device: string, addresses: readonly [string, string]): Promise<void> {
    const ip = (of: GuestUserspace, ...args: readonly string[]): Promise<string> => {
      const [program, ...argv] = of.inItsNetwork(['ip', ...args]);
      return mustRun('PROGRAM_MISSING', program, argv, { timeoutMs: 10_000 });
    };
    await ip(this, 'link', 'add', 'name', device, 'type', 'veth', 'peer', 'name', device, 'netns', String(other.init));
    for (const [of, address] of [[this, addresses[0]] as const, [other, addresses[1]] as const]) {
      await ip(of, 'address', 'add', address, 'dev', device);
      await ip(of, 'link', 'set', device, 'up');
    }
  }

  /** Descriptor 3 says its process id first, as its own world counts. */
  enter(argv: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
    const inside = ['--mount', '--pid', '--net', '--ipc', '--uts', '--root', '--wd'];
    const args = ['--target', String(this.init), ...inside, '--', '/bin/sh', '-c', 'echo $$ >&3; exec 3>&-; exec "$@"', 'sh', ...argv];
    const child = spawn('nsenter', args, { env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    this.entered.add(child);
    child.once('close', () => this.entered.delete(child));
    return child;
  }

  async destroy(): Promise<void> {
    if (this.holder.exitCode === null && this.holder.signalCode === null) {
      const ended = once(this.holder, 'close');
      this.holder.kill('SIGKILL');
      // With its PID 1 all of its processes and mounts go.
      process.kill(this.init, 'SIGKILL');
      await ended;
    }
    for (const child of this.entered) child.kill('SIGKILL');
    for (const giveUpAt = performance.now() + 10_000; isEntry(`/proc/${this.init}`) && performance.now() < giveUpAt; await delay(20));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** As a guest of this kind has it before its first boot. */
export const makeRawDisk = async (guest: GuestKind, path: string): Promise<unknown> =>
  mustRun('INTERNAL', 'qemu-img', ['convert', '-O', 'raw', (await guestImage(guest)).path, path], { timeoutMs: 120_000 });

const rootOf = (pid: number): string | null => {
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } catch {
    return null;
  }
};

/** As `ps` names it; null: it is gone. */
function stateOf(pid: number): string | null {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Of the MBR's Linux partition, in bytes. */
function rootPartitionOffset(disk: string): number {
  const [sector, entries, entryBytes] = [Buffer.alloc(512), 446, 16];
  const file = openSync(disk, 'r');
  readSync(file, sector);
  closeSync(file);
  for (let at = entries; at < entries + 4 * entryBytes; at += entryBytes) if (sector[at + 4] === 0x83) return sector.readUInt32LE(at + 8) * sector.length;
  throw new Error(`${disk} has no Linux partition`);
}

/** Also a link, which may lead elsewhere as seen from here. */
const isEntry = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function childOf(pid: number): number | null {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return child === undefined || child === '' ? null : Number(child);
  } catch {
    return null;
  }
}

/** In the place of the agent of such a guest. */
export class UserspaceAgent implements GuestAgent {
  private readonly ended = new Map<number, Promise<CommandResult>>();
  private readonly outside = new Map<number, ChildProcess>();

  constructor(private readonly userspace: GuestUserspace) {}

  async info(): Promise<{ version: string; commands: readonly string[] }> {
    return { version: 'none', commands: [] };
  }
  async waitUntilAnswering(): Promise<void> {}
  async freeze(): Promise<number> {
    return 0;
  }
  async thaw(): Promise<number> {
    return 0;
  }
  async setPassword(): Promise<void> {
    throw new ModosuError('CREDENTIAL_NOT_SET', 'There is no agent that sets passwords.');
  }
  async isFrozen(): Promise<boolean> {
    return false;
  }
  async clock(): Promise<Date> {
    return new Date();
  }

  async exec(argv: readonly [string, ...string[]], options: { readonly timeoutMs: number } & Omit<GuestProgram, 'argv'>): Promise<CommandResult> {
    const giveUpAt = performance.now() + options.timeoutMs;
    const pid = await this.start({ argv, ...options });
    for (;;) {
      const ended = await this.outcome(pid);
      if (ended !== null) return ended;
      if (performance.now() > giveUpAt) throw new ModosuError('AGENT_COMMAND_FAILED', `${argv[0]} had not ended after ${options.timeoutMs / 1000} s.`);
      await delay(5);
    }
  }

  async start({ argv, env = {}, input }: GuestProgram): Promise<number> {
    const path = this.find(argv[0]);
    if (path === null) throw new ModosuError('AGENT_COMMAND_FAILED', 'No such file or directory', { context: { refused: true } });
    const child = this.userspace.enter([path, ...argv.slice(1)], { PATH: GUEST_PATH, HOME: '/root', LC_ALL: 'C', ...env });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => out.push(piece));
    child.stderr?.on('data', (piece: Buffer) => err.push(piece));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    const ended = new Promise<CommandResult>((resolve) =>
      child.once('close', (code, signal) =>
        resolve({
          exitCode: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15),
          stdout: Buffer.concat(out).toString(),
          stderr: Buffer.concat(err).toString(),
          truncated: false,
        }),
      ),
    );
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.stdio[3]?.once('data', (piece: Buffer) => resolve(Number(piece.toString())));
      void ended.then(({ stderr }) => reject(new Error(`${argv[0]} did not start: ${stderr}`)));
    });
    this.ended.set(pid, ended);
    this.outside.set(pid, child);
    return pid;
  }

  async outcome(pid: number): Promise<CommandResult | null> {
    const ended = this.ended.get(pid);
    if (ended === undefined) throw new ModosuError('AGENT_COMMAND_FAILED', 'no such process', { context: { refused: true } });
    const result = await Promise.race([ended, delay(2).then(() => null)]);
    if (result === null) this.wakeWhenOver(pid);
    else for (const known of [this.ended, this.outside]) known.delete(pid);
    return result;
  }

  async readFile(path: string, { maxBytes }: { readonly maxBytes: number }): Promise<Buffer | null> {
    const file = await open(this.userspace.pathOf(path), 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw new ModosuError('AGENT_COMMAND_FAILED', error.message);
    });
    if (file === null) return null;
    try {
      const buffer = Buffer.alloc(maxBytes);
      const { bytesRead } = await file.read(buffer, 0, maxBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** nsenter stops when its program is stopped, and does not see its end then. */
  private wakeWhenOver(pid: number): void {
    const child = this.outside.get(pid);
    if (child?.pid === undefined || stateOf(child.pid) !== 'T') return;
    const inner = childOf(child.pid);
    if (inner === null || stateOf(inner) === 'Z') child.kill('SIGCONT');
  }

  /** Whole path: the shell of busybox prefers programs of its own. */
  private find(program: string): string | null {
    const candidates = program.startsWith('/') ? [program] : GUEST_PATH.split(':').map((directory) => join(directory, program));
    return candidates.find((path) => isEntry(this.userspace.pathOf(path))) ?? null;
  }
}
