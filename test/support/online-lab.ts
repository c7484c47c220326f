import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { Fence, ServerRef } from '../../src/contracts/server';
import type { Hypervisor, OnlineBackupDisk, OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { createLibvirtHypervisor, type LibvirtHypervisorOptions } from '../../src/hypervisors/libvirt/libvirt-hypervisor';
import { findProgram } from '../../src/system/child-process';
import {
  createGuestServer,
  destroyGuestServer,
  domainState,
  startGuest,
  waitForAgent,
  type GuestServer,
  type GuestServerOptions,
} from '../guests/guest-server';
import { runProgram, virsh } from '../guests/run-program';
import { SOURCE_GUARD } from './guard-command';
import { processesWith } from './processes';
import { ownedDirectory } from './owned-directory';

/** With storage that takes every write at once to the disk, a job does not end before its rate limit holds. */
const BULK_BYTES = 1024 * 1024 * 1024;
/** Slow enough to look at everything in peace. */
export const SLOW_BYTES_PER_SECOND = 1024 * 1024;
const PARENT = process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp';
let token = Math.floor(Date.now() / 1000);

export interface OnlineLabOptions {
  /** A third disk, `vdc`, of 1 GiB of data that no hole shortens. */
  readonly bulk?: boolean;
  /** A fourth disk, `vdd`, of 64 MiB on a file system of 16 MiB. */
  readonly tightDisk?: boolean;
  /** Size of the repository's file system, mounted before the guest starts. Default 2 GiB. */
  readonly repositoryBytes?: number;
  readonly guest?: Partial<GuestServerOptions>;
}

/** One running guest, an adapter, a repository directory, and what a test does behind their back. */
export class OnlineLab {
  readonly hypervisor: Hypervisor;
  readonly server: ServerRef;

  private constructor(
    readonly root: string,
    readonly guest: GuestServer,
    private readonly hasTightDisk: boolean,
    private readonly hasBulk: boolean,
  ) {
    this.server = { uuid: guest.uuid, name: guest.name };
    this.hypervisor = this.adapter();
  }

  static async create(options: OnlineLabOptions = {}): Promise<OnlineLab> {
    const root = ownedDirectory(PARENT, 'modosu-online-');
    try {
      return await OnlineLab.createIn(root, options);
    } catch (error) {
      for (const name of ['repository', 'tight']) await runProgram('umount', [join(root, name)]);
      await rm(root, { recursive: true, force: true });
      throw error;
    }
  }

  private static async createIn(root: string, options: OnlineLabOptions): Promise<OnlineLab> {
    await chmod(root, 0o711);
    await mkdir(join(root, 'state'), { mode: 0o700 });
    await mkdir(join(root, 'repository'), { mode: 0o711 });
    const image = join(root, 'repository.ext4');
    await must('truncate', '-s', String(options.repositoryBytes ?? 2 * 1024 ** 3), image);
    await must('mkfs.ext4', '-q', '-m', '0', image);
    await must('mount', '-o', `loop,${options.bulk === true ? 'sync' : 'async'}`, image, join(root, 'repository'));
    await chmod(join(root, 'repository'), 0o711);
    const guest = await createGuestServer({
      name: `${process.env['MODOSU_TEST_DOMAIN_PREFIX'] ?? 'modosu-test-'}online-${randomBytes(3).toString('hex')}`,
      guest: 'minimal',
      directory: join(root, 'disks'),
      dataDisk: { sizeBytes: 64 * 1024 * 1024, format: 'raw' },
      start: false,
      ...options.guest,
    });
    const lab = new OnlineLab(root, guest, options.tightDisk === true, options.bulk === true);
    try {
      await lab.prepare(options);
      return lab;
    } catch (error) {
      await guest.destroy();
      throw error;
    }
  }

  private async prepare(options: OnlineLabOptions): Promise<void> {
    const { guest } = this;
    if (options.bulk === true) {
      await writeBulk(this.bulkPath);
      await virsh(['attach-disk', guest.uuid, this.bulkPath, 'vdc', '--driver', 'qemu', '--subdriver', 'raw', '--targetbus', 'virtio', '--config']);
    }
    if (options.tightDisk === true) {
      await mkdir(this.tightDirectory, { mode: 0o711 });
      await must('mount', '-t', 'tmpfs', '-o', 'size=16m,mode=711', 'tmpfs', this.tightDirectory);
      await must('truncate', '-s', '64M', join(this.tightDirectory, 'tight.raw'));
      await virsh([
        'attach-disk',
        guest.uuid,
        join(this.tightDirectory, 'tight.raw'),
        'vdd',
        '--driver',
        'qemu',
        '--subdriver',
        'raw',
        '--targetbus',
        'virtio',
        '--config',
      ]);
    }
    await startGuest(guest.uuid);
    await waitForAgent(guest.uuid, 120_000);
  }

  get stateDirectory(): string {
    return join(this.root, 'state');
  }

  get repository(): string {
    return join(this.root, 'repository');
  }

  get tightDirectory(): string {
    return join(this.root, 'tight');
  }

  get bulkPath(): string {
    return join(this.root, 'disks', 'bulk.raw');
  }

  adapter(options: Partial<LibvirtHypervisorOptions> = {}): Hypervisor {
    return createLibvirtHypervisor({ name: 'lab', uri: 'qemu:///system', stateDirectory: this.stateDirectory, guardCommand: SOURCE_GUARD, ...options });
  }

  /** A request of a new run that holds the fence, into a directory of its own. */
  async request(change: Partial<OnlineBackupRequest> = {}): Promise<OnlineBackupRequest> {
    const fence: Fence = { runId: newId('run'), token: (token += 1) };
    await this.hypervisor.takeFence(this.server, fence);
    const inspection = await this.hypervisor.inspect(this.server);
    const directory = join(this.repository, fence.runId);
    await mkdir(directory, { mode: 0o711 });
    await chmod(directory, 0o711);
    return {
      server: this.server,
      fence,
      disks: inspection.disks.map(({ target, path }) => ({ target, path, targetPath: join(directory, `${target}.qcow2`) })),
      definitionFingerprint: inspection.definitionFingerprint,
      quiesce: { before: null, after: null },
      allowCrashConsistent: false,
      limits: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
      ...change,
    };
  }

  /** Ends what a test has left, and frees the repository. */
  async clear(request: OnlineBackupRequest): Promise<void> {
    await this.hypervisor.cancelOnlineBackup(this.server, request.fence.runId);
    await rm(dirname(request.disks[0]?.targetPath ?? this.repository), { recursive: true, force: true });
    if (this.hasBulk) await must('mount', '-o', 'remount,sync', this.repository);
  }

  /** `clear`, and what must hold after every test: no job, no guard, a guest that runs and, where its agent can be believed, is not frozen. */
  async expectClean(request: OnlineBackupRequest, { agentIsHonest = true }: { readonly agentIsHonest?: boolean } = {}): Promise<void> {
    await this.clear(request);
    expect(await this.jobRuns()).toBe(false);
    expect(await this.guards(request.fence.runId)).toEqual([]);
    if (agentIsHonest) expect(await this.freezeStatus()).toBe('thawed');
    expect(await this.state()).toBe('running');
  }

  /** Lets a job run that was limited, on storage that is fast until `clear`. */
  async unlimit(request: OnlineBackupRequest): Promise<void> {
    await must('mount', '-o', 'remount,async', this.repository);
    for (const { target } of request.disks) {
      await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'blockjob', '--domain', this.guest.uuid, '--path', target, '--bandwidth', '0']);
    }
  }

  async jobRuns(): Promise<boolean> {
    return (await runProgram('virsh', ['-q', '-c', 'qemu:///system', 'backup-dumpxml', '--domain', this.guest.uuid])).exitCode === 0;
  }

  /** As the agent says it: `frozen`, `thawed`, or what went wrong. */
  async freezeStatus(): Promise<string> {
    const { exitCode, stdout, stderr } = await runProgram('virsh', [
      '-q',
      '-c',
      'qemu:///system',
      'qemu-agent-command',
      this.guest.uuid,
      '--timeout',
      '3',
      '{"execute":"guest-fsfreeze-status"}',
    ]);
    return exitCode === 0 ? String((JSON.parse(stdout) as { return: unknown }).return) : stderr.trim();
  }

  state(): Promise<string | null> {
    return domainState(this.guest.uuid);
  }

  guards(runId: string): Promise<number[]> {
    return processesWith('node', join('guards', runId));
  }

  /**
   * A process of its own that begins (and follows) a backup, to be killed or stopped. `virshScript`: the body of a script in the place of virsh; `$real` is
   * the real one.
   */
  async worker(request: OnlineBackupRequest, options: { readonly virshScript?: string } = {}): Promise<{ readonly process: ChildProcess; said(): string }> {
    const file = join(this.root, `${request.fence.runId}.json`);
    await writeFile(file, JSON.stringify({ stateDirectory: this.stateDirectory, request }));
    let path = process.env['PATH'] ?? '';
    if (options.virshScript !== undefined) {
      const directory = join(this.root, `bin-${request.fence.runId}`);
      await mkdir(directory);
      await writeFile(join(directory, 'virsh'), `#!/bin/sh\nreal=${findProgram('virsh')}\n${options.virshScript}\nexec "$real" "$@"\n`, { mode: 0o755 });
      path = `${directory}:${path}`;
    }
    const child = spawn(process.execPath, ['-r', join(__dirname, 'register-ts.cjs'), join(__dirname, 'online-worker.ts'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PATH: path },
    });
    let text = '';
    child.stdout.on('data', (piece: Buffer) => (text += piece.toString()));
    return { process: child, said: () => text };
  }

  /** A file as it is in the image of the data disk. */
  async fileInImage(disk: OnlineBackupDisk, path: string): Promise<string | null> {
    const plain = join(this.root, `${randomBytes(4).toString('hex')}.plain`);
    try {
      await must('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', disk.targetPath, plain);
      // Frozen in time as it was: clean, with nothing left to replay.
      await must('e2fsck', '-fn', plain);
      const { stdout, stderr } = await runProgram('debugfs', ['-R', `cat ${path}`, plain]);
      return /File not found/.test(stderr) ? null : stdout;
    } finally {
      await rm(plain, { force: true });
    }
  }

  async guardLog(runId: string): Promise<string> {
    return readFile(join(this.stateDirectory, 'guards', runId, 'guard.log'), 'utf8').catch(() => '');
  }

  async dispose(): Promise<void> {
    await this.hypervisor.sweepGuards(new Set());
    await destroyGuestServer(this.guest);
    await must('umount', this.repository);
    if (this.hasTightDisk) await must('umount', this.tightDirectory);
    await rm(this.root, { recursive: true, force: true });
  }
}

export async function must(...argv: [string, ...string[]]): Promise<string> {
  const [program, ...args] = argv;
  const { exitCode, stdout, stderr } = await runProgram(program, args);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
}

async function writeBulk(path: string): Promise<void> {
  const piece = randomBytes(16 * 1024 * 1024);
  const file = await open(path, 'wx');
  try {
    for (let written = 0; written < BULK_BYTES; written += piece.length) {
      piece.writeUInt32LE(written / piece.length, 0);
      await file.write(piece);
    }
  } finally {
    await file.close();
  }
}
