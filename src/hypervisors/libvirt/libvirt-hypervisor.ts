import { lstat, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModosuError } from '../../contracts/errors';
import { formatBytes } from '../../contracts/format';
import type { OldDisk, PlannedVolume, RestoreTargets } from '../../contracts/plan';
import type { Fence, PowerState, ServerInspection, ServerRef } from '../../contracts/server';
import type { GuestAgent } from '../../guests/guest-agent';
import { volumeBytes } from '../../domain/planning/backup-rules';
import { runCommand } from '../../system/child-process';
import { errorCode, fileExists, freeBytes, fsyncDirectory } from '../../system/files';
import type {
  BootProof,
  BootProofRequest,
  Hypervisor,
  HypervisorInfo,
  OnlineBackupRequest,
  ServerOnHypervisor,
  SwapRequest,
  TransferContext,
} from '../hypervisor';
import { LibvirtGuestAgent } from './agent';
import { Copier, ownershipOf, type Ownership } from './volumes/copies';
import { KeptDiscard } from './swaps/discard-kept';
import { followBackup } from './online/follow-backup';
import { GUARD_COMMAND } from './online/guard-process';
import { LATE_FREEZE_MS } from './online/guard-state';
import { reportWhile } from './volumes/copy-watch';
import { withFence } from './swaps/domain-rewrite';
import { describeDefinition } from './domains/described-definition';
import { Domains, powerStateOf } from './domains/domains';
import { Fences } from './domains/fence';
import { Inspector } from './domains/inspect';
import { Links } from './domains/links';
import { OldDisks } from './swaps/old-disks';
import { OnlineBackupBeginner, type OnlineBackupParts } from './online/online-backup';
import { Power } from './domains/power';
import { Stops } from './domains/stops';
import { readNvram, readPresentNvram, writeNew } from './volumes/small-files';
import { mergeImage } from './volumes/merge-image';
import { judgeStoredChain } from './volumes/stored-chain';
import { readingStored } from './volumes/stored-files';
import { findCheckpoints } from './online/checkpoints';
import { cancelBackup, settleBackup, sweepGuards } from './online/sweep-guards';
import { Swaps } from './swaps/swap';
import { Proofs } from './proofs/proofs';
import { filesNamedIn, Usage } from './volumes/usage';
import { WayBacks } from './swaps/way-back';
import { writtenBytes } from './volumes/written-bytes';
import { planTargets, requireNoneLeftBehind, requireRunsOwnPath } from './volumes/volumes';
import { Virsh } from './virsh';
import { attribute, children, parseXml, type Element } from './xml';

export interface LibvirtHypervisorOptions {
  /** Name in the estate. */
  readonly name: string;
  /** Exactly `qemu:///system` or `qemu:///session`; anything else is refused (`CONFIG_INVALID`). */
  readonly uri: string;
  /**
   * Private directory of this adapter on the hypervisor's host: records of running copies, kept old definitions (`way-back/<runId>/`), and which run has
   * stopped a server, and started it again (`stops/`).
   * All workers of one hypervisor share it.
   */
  readonly stateDirectory: string;
  /** A copy without observable progress is killed after this long. Default 5 minutes. */
  readonly stallTimeoutMs?: number;
  /**
   * Directories in which backing files may lie that only an image header names, besides the directory of that image. Default
   * `/var/lib/libvirt/images`. A backing file elsewhere is refused unless the definition itself names it.
   */
  readonly imageDirectories?: readonly string[];
  /** Longest time libvirt may take for one short call. Default 30 s. */
  readonly commandTimeoutMs?: number;
  /** Only for tests of "libvirtd is down". */
  readonly socketPath?: string;
  /** Only for tests, which run from the sources: how the guard of an online backup is started. */
  readonly guardCommand?: readonly [string, ...string[]];
  /** How long a guest may take to let go of an old disk. Default 30 s. */
  readonly detachTimeoutMs?: number;
  /** How long a guest is looked after whose agent did not answer a freeze: it may be carried out late. Default 60 s. */
  readonly lateFreezeMs?: number;
  /** Where what guests of boot proofs write lies while they run: on a disk, passable for QEMU's user. Default `/var/tmp`. */
  readonly proofDirectory?: string;
  /** False: no room is reserved for the images of an online backup. Only for tests of full storage. */
  readonly reserveRoom?: boolean;
}

const DEFAULT_STALL_TIMEOUT_MS = 5 * 60_000;
/** Owner of a new volume where no file says it: libvirt hands it to QEMU's user when the server starts. */
const ROOT_ONLY: Ownership = { uid: 0, gid: 0, mode: 0o600 };

export function createLibvirtHypervisor(options: LibvirtHypervisorOptions): Hypervisor {
  return new LibvirtHypervisor(options);
}

/** libvirt and QEMU on this host, driven through `virsh` and `qemu-img`. See the port for what each method promises. */
class LibvirtHypervisor implements Hypervisor {
  readonly name: string;
  private readonly virsh: Virsh;
  private readonly domains: Domains;
  private readonly fences: Fences;
  private readonly stops: Stops;
  private readonly power: Power;
  private readonly inspector: Inspector;
  private readonly copier: Copier;
  private readonly wayBacks: WayBacks;
  private readonly swaps: Swaps;
  private readonly links: Links;
  private readonly oldDisks: OldDisks;
  private readonly keptDiscard: KeptDiscard;
  private readonly usage: Usage;
  private readonly proofs: Proofs;
  private readonly onlineBackups: OnlineBackupParts;

  constructor(private readonly options: LibvirtHypervisorOptions) {
    this.name = options.name;
    this.virsh = new Virsh(options);
    this.domains = new Domains(this.virsh);
    this.fences = new Fences(this.virsh, this.domains);
    this.stops = new Stops(options.stateDirectory);
    this.power = new Power(this.virsh, this.domains, this.fences, this.stops);
    this.inspector = new Inspector(this.virsh, this.domains, options.imageDirectories ?? ['/var/lib/libvirt/images']);
    this.copier = new Copier({
      stateDirectory: options.stateDirectory,
      stallTimeoutMs: options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS,
    });
    this.wayBacks = new WayBacks(options.stateDirectory);
    this.swaps = new Swaps(this.virsh, this.domains, this.fences, this.wayBacks);
    this.links = new Links(this.virsh, this.domains, this.fences, this.wayBacks);
    this.usage = new Usage(this.virsh);
    this.proofs = new Proofs(this.virsh, options.proofDirectory ?? '/var/tmp');
    this.oldDisks = new OldDisks(this.virsh, this.domains, this.fences, this.inspector, this.wayBacks, options.detachTimeoutMs);
    this.keptDiscard = new KeptDiscard(this.fences, this.usage, this.wayBacks, this.oldDisks);
    this.onlineBackups = {
      virsh: this.virsh,
      domains: this.domains,
      fences: this.fences,
      inspector: this.inspector,
      settings: {
        stateDirectory: options.stateDirectory,
        connection: { name: options.name, uri: options.uri, socketPath: options.socketPath, commandTimeoutMs: options.commandTimeoutMs },
        stallTimeoutMs: options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS,
        guardCommand: options.guardCommand ?? GUARD_COMMAND,
        lateFreezeMs: options.lateFreezeMs ?? LATE_FREEZE_MS,
        reserve: options.reserveRoom ?? true,
      },
    };
  }

  async probe(): Promise<HypervisorInfo> {
    const version = await this.virsh.run(['version']);
    const capabilities = parseXml(await this.virsh.run(['capabilities']), 'capabilities', 'The capabilities of the hypervisor');
    const qemuImg = await runCommand(['qemu-img', '--version'], { timeoutMs: 10_000 });
    const versions = {
      libvirt: /Using library: libvirt (\S+)/.exec(version)?.[1] ?? 'unknown',
      qemu: /Running hypervisor: QEMU (\S+)/.exec(version)?.[1] ?? 'unknown',
      'qemu-img': /version (\d\S*)/.exec(qemuImg.stdout)?.[1] ?? 'unknown',
    };
    const types = children(capabilities.documentElement as Element, 'guest')
      .flatMap((guest) => children(guest, 'arch'))
      .flatMap((arch) => children(arch, 'domain'))
      .map((domain) => attribute(domain, 'type'))
      .filter((type) => type !== null);
    return { name: this.name, versions, domainTypes: [...new Set(types)].sort() };
  }

  async listServers(): Promise<readonly ServerOnHypervisor[]> {
    const named = await this.virsh.run(['list', '--all', '--uuid', '--name']);
    const off = new Set((await this.virsh.run(['list', '--inactive', '--uuid'])).split(/\s+/));
    const paused = new Set((await this.virsh.run(['list', '--uuid', '--state-paused'])).split(/\s+/));
    const servers: ServerOnHypervisor[] = [];
    for (const line of named.split('\n')) {
      const [, uuid, domainName] = /^\s*([0-9a-f-]{36}) (.*)$/.exec(line) ?? [];
      if (uuid === undefined || domainName === undefined) continue;
      const powerState = off.has(uuid) ? powerStateOf('shut off', '-') : powerStateOf(paused.has(uuid) ? 'paused' : 'running', '');
      servers.push({ uuid, domainName: domainName.trimEnd(), powerState });
    }
    return servers;
  }

  async inspect(server: ServerRef): Promise<ServerInspection> {
    return this.inspector.inspect(server);
  }

  async powerState(server: ServerRef): Promise<PowerState> {
    return (await this.domains.state(server)).powerState;
  }

  guestAgent(server: ServerRef): GuestAgent {
    return new LibvirtGuestAgent(this.virsh, server);
  }

  startProof(request: BootProofRequest, options: { readonly signal: AbortSignal }): Promise<BootProof> {
    return this.proofs.start(request, options);
  }

  endProof(proofId: string): Promise<void> {
    return this.proofs.end(proofId);
  }

  listProofs(): Promise<readonly string[]> {
    return this.proofs.list();
  }

  async takeFence(server: ServerRef, fence: Fence): Promise<boolean> {
    return this.fences.take(server, fence);
  }

  async releaseFence(server: ServerRef, fence: Fence): Promise<void> {
    await this.fences.release(server, fence);
    // A run that gives the server back has no job on it any more, and nobody needs what its guard wrote down.
    await cancelBackup(this.onlineBackups, server, fence.runId);
  }

  async start(server: ServerRef, fence: Fence): Promise<void> {
    return this.power.start(server, fence);
  }

  async shutDown(server: ServerRef, fence: Fence, options: Parameters<Hypervisor['shutDown']>[2]): Promise<void> {
    return this.power.shutDown(server, fence, options);
  }

  async powerOff(server: ServerRef, fence: Fence): Promise<void> {
    return this.power.powerOff(server, fence);
  }

  async stopBy(server: ServerRef, runId: string): ReturnType<Hypervisor['stopBy']> {
    return this.stops.by(server, runId);
  }

  async namedFiles(server: ServerRef): Promise<readonly string[]> {
    const definitions = await Promise.all([this.domains.storedOrNull(server), this.domains.liveOrNull(server)]);
    return [...new Set(definitions.flatMap((definition) => (definition === null ? [] : filesNamedIn(definition))))];
  }

  async exportDisk(
    request: { readonly server: ServerRef; readonly target: string; readonly targetPath: string },
    context: TransferContext,
  ): Promise<{ readonly virtualSizeBytes: number }> {
    const { server, target, targetPath } = request;
    const { description } = await this.domains.stored(server);
    const disk = description.disks.find((candidate) => candidate.target === target);
    if (disk === undefined) {
      throw new ModosuError('DISK_NOT_SUPPORTED', `${server.name} has no disk ${target} that can be imaged.`, { context: { uuid: server.uuid, target } });
    }
    await this.domains.requireStopped(server, `copying disk ${target}`);
    const chain = await this.inspector.chainOf(disk);
    await this.copier.copy(
      {
        source: chain.files,
        targetPath,
        targetFormat: 'qcow2',
        totalBytes: chain.allocatedBytes,
        owner: null,
        sourceCode: 'DISK_FILE_MISSING',
        unreachableCode: 'REPOSITORY_UNREACHABLE',
      },
      context,
    );
    // Started behind our back, where locks do not reach: what was copied is no point in time.
    await this.domains.requireStopped(server, `copying disk ${target}`);
    return { virtualSizeBytes: chain.virtualSizeBytes };
  }

  async exportDefinition(server: ServerRef, targetPath: string): Promise<void> {
    const { xml } = await this.domains.stored(server, { secrets: true });
    await writeNew(targetPath, withFence(xml, null), null, 'REPOSITORY_UNREACHABLE');
  }

  async exportNvram(server: ServerRef, targetPath: string): Promise<void> {
    const [stored, state] = await Promise.all([this.domains.stored(server), this.domains.state(server)]);
    const path = await this.inspector.nvramPath(server, stored, state);
    if (path === null) throw new ModosuError('DISK_FILE_MISSING', `${server.name} has no NVRAM.`, { context: { uuid: server.uuid } });
    await writeNew(targetPath, await readPresentNvram(path), null, 'REPOSITORY_UNREACHABLE');
  }

  async restoreTargets(request: Parameters<Hypervisor['restoreTargets']>[0]): Promise<RestoreTargets> {
    return planTargets(request);
  }

  async importDisk(
    request: { readonly imageFiles: readonly string[]; readonly volume: PlannedVolume; readonly runId: string },
    context: TransferContext,
  ): Promise<void> {
    const { imageFiles, volume, runId } = request;
    requireRunsOwnPath(volume.newPath, runId);
    const { files, virtualSizeBytes, sizeBytes } = await judgeStoredChain(imageFiles);
    if (virtualSizeBytes !== volume.virtualSizeBytes) {
      const path = imageFiles[0] ?? '';
      throw new ModosuError(
        'IMAGE_HEADER_REFUSED',
        `The image ${path} is ${virtualSizeBytes} bytes large for the guest, not ${volume.virtualSizeBytes} as planned.`,
        { context: { path, field: 'size' } },
      );
    }
    // One question per server of the host: on a large one that takes a while.
    await reportWhile(() => context.onProgress({ doneBytes: 0, totalBytes: sizeBytes }), this.usage.requireUnused([volume.newPath]));
    await this.copier.endLeftover(volume.newPath);
    await this.requireSpace(volume.newPath, volumeBytes(virtualSizeBytes, sizeBytes));
    const owner = (volume.replacesPath === null ? null : await ownershipOf(volume.replacesPath)) ?? ROOT_ONLY;
    await this.copier.copy(
      {
        source: files,
        targetPath: volume.newPath,
        targetFormat: volume.format,
        totalBytes: sizeBytes,
        owner,
        sourceCode: 'REPOSITORY_UNREACHABLE',
        unreachableCode: 'TARGET_UNREACHABLE',
      },
      context,
    );
  }

  describeDefinition(definition: string): ReturnType<Hypervisor['describeDefinition']> {
    return describeDefinition(definition);
  }

  async mergeImage(...[request, context]: Parameters<Hypervisor['mergeImage']>): Promise<void> {
    return mergeImage(this.copier, request, context);
  }

  async importNvram(request: {
    readonly sourcePath: string;
    readonly newPath: string;
    readonly replacesPath: string | null;
    readonly runId: string;
  }): Promise<void> {
    requireRunsOwnPath(request.newPath, request.runId);
    await this.usage.requireUnused([request.newPath]);
    const content = await readingStored(request.sourcePath, () => readNvram(request.sourcePath));
    const owner = (request.replacesPath === null ? null : await ownershipOf(request.replacesPath)) ?? ROOT_ONLY;
    await writeNew(request.newPath, content, owner, 'TARGET_UNREACHABLE');
  }

  async swap(request: SwapRequest): ReturnType<Hypervisor['swap']> {
    return this.swaps.swap(request);
  }

  async revertSwap(server: ServerRef, fence: Fence): Promise<void> {
    return this.swaps.revert(server, fence);
  }

  async attachOldDisk(server: ServerRef, fence: Fence, disk: OldDisk): ReturnType<Hypervisor['attachOldDisk']> {
    return this.oldDisks.attach(server, fence, disk);
  }

  async requireFence(server: ServerRef, fence: Fence): Promise<void> {
    return this.fences.requireUnlessGone(server, fence);
  }

  async beginOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): ReturnType<Hypervisor['beginOnlineBackup']> {
    return new OnlineBackupBeginner(this.onlineBackups).begin(request, options.signal);
  }

  async prepareOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): ReturnType<Hypervisor['prepareOnlineBackup']> {
    return new OnlineBackupBeginner(this.onlineBackups).prepare(request, options.signal);
  }

  async findCheckpoints(server: ServerRef, names: readonly string[]): ReturnType<Hypervisor['findCheckpoints']> {
    return findCheckpoints(this.onlineBackups, server, names);
  }

  async settleOnlineBackup(server: ServerRef, runId: string): Promise<void> {
    return settleBackup(this.onlineBackups, server, runId);
  }

  async followOnlineBackup(...[request, context]: Parameters<Hypervisor['followOnlineBackup']>): ReturnType<Hypervisor['followOnlineBackup']> {
    return followBackup(this.onlineBackups, request, context);
  }

  async cancelOnlineBackup(server: ServerRef, runId: string): Promise<void> {
    return cancelBackup(this.onlineBackups, server, runId);
  }

  async sweepGuards(openRunIds: ReadonlySet<string>): Promise<readonly string[]> {
    return sweepGuards(this.onlineBackups, openRunIds);
  }

  async goLive(server: ServerRef, fence: Fence): ReturnType<Hypervisor['goLive']> {
    return this.links.goLive(server, fence);
  }

  async keptBy(server: ServerRef, runId: string): ReturnType<Hypervisor['keptBy']> {
    const record = await this.wayBacks.readOpen(server, runId);
    return record === null ? null : this.wayBacks.factsOf(record);
  }

  async writtenBytes(server: ServerRef): ReturnType<Hypervisor['writtenBytes']> {
    return writtenBytes(this.virsh, this.domains, server);
  }

  async returnVolumes(server: ServerRef, fence: Fence, ofRunId: string): ReturnType<Hypervisor['returnVolumes']> {
    return this.swaps.returnVolumes(server, fence, ofRunId);
  }

  async discardKept(server: ServerRef, fence: Fence, ofRunId: string): ReturnType<Hypervisor['discardKept']> {
    return this.keptDiscard.discard(server, fence, ofRunId);
  }

  async discardVolumes(request: { readonly runId: string; readonly paths: readonly string[] }): Promise<void> {
    for (const path of request.paths) requireRunsOwnPath(path, request.runId);
    for (const path of request.paths) await this.copier.endLeftover(path);
    await this.swaps.requireNotStranded(request.runId, request.paths);
    await this.usage.requireUnused(request.paths, { waits: false });
    const leftBehind: string[] = [];
    for (const path of request.paths) {
      if (!(await removeFile(path))) leftBehind.push(path);
    }
    requireNoneLeftBehind(leftBehind);
  }

  private async requireSpace(path: string, neededBytes: number): Promise<void> {
    const directory = dirname(path);
    const halfMade = await stat(path).then(
      (found) => found.blocks * 512,
      () => 0,
    );
    let free: number;
    try {
      free = (await freeBytes(directory)) + halfMade;
    } catch (error) {
      throw new ModosuError('TARGET_UNREACHABLE', `The directory ${directory} cannot be reached (${errorCode(error) ?? 'unknown error'}).`, {
        context: { directory },
        cause: error,
      });
    }
    if (free < neededBytes) {
      throw new ModosuError('NOT_ENOUGH_SPACE', `${directory} has ${formatBytes(free)} free, and the volume needs ${formatBytes(neededBytes)}.`, {
        context: { directory, freeBytes: free, neededBytes },
      });
    }
  }
}

/** A missing file is fine. False: its directory is missing too, so that nobody can know whether the file is gone. */
async function removeFile(path: string): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (found.isDirectory()) throw new ModosuError('PATH_NOT_ALLOWED', `${path} is a directory.`, { context: { path } });
    await unlink(path);
    await fsyncDirectory(dirname(path));
    return true;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
    return await fileExists(dirname(path));
  }
}
