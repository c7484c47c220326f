import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';
import type { OldDisk, PlannedVolume, RestoreTargets } from '../../src/contracts/plan';
import type { AgentState, DiskFormat, DiskInspection, Fence, PowerState, ServerInspection, ServerRef, StopByRun } from '../../src/contracts/server';
import type { GuestAgent } from '../../src/guests/guest-agent';
import type {
  BootProof,
  BootProofRequest,
  Hypervisor,
  HypervisorInfo,
  OnlineBackupRequest,
  ServerOnHypervisor,
  SwapRequest,
  TransferContext,
} from '../../src/hypervisors/hypervisor';
import { judgeQcow2Header } from '../../src/domain/qcow2-header';
import { isHeldBy } from '../../src/hypervisors/libvirt/domains/fence-xml';
import { judgeStoredChain } from '../../src/hypervisors/libvirt/volumes/stored-chain';
import { planTargets, requireNoneLeftBehind, requireRunsOwnPath } from '../../src/hypervisors/libvirt/volumes/volumes';
import { fileExists } from '../../src/system/files';
import { padded, readImage, requireFile, writeImage, writeReachable, writeSlowly } from './fake-files';
import { FakeGuestAgent } from './fake-guest-agent';
import { FakeOnlineBackups } from './fake-online-backup';
import { fakeQcow2, fakeQcow2Content } from './fake-qcow2';
import { filesInUse, filesUsedBy, usesSameFiles, type FakeDefinition, type FakeDisk, type FakeNic, type FakeServer } from './fake-server';
import { FakeWayBacks } from './fake-way-backs';

/** Failures a test can switch on. Methods are named as in the port. */
export interface FakeFaults {
  /** The next call of each method listed here rejects with this code, once; `times` for more. */
  readonly failures: Map<FaultyMethod, { readonly code: ErrorCode; times: number }>;
  /** Copies of these kinds make half of their way and then hang until they are aborted. */
  readonly hangCopies: Set<'exportDisk' | 'importDisk'>;
  /** `shutDown` waits in vain until its deadline. */
  stopNeverEnds: boolean;
  /** A started server whose OS has not come up. */
  agentSilent: boolean;
  /** Time a copy takes, spread over ten reports of progress. Default 0. */
  copyMs: number;
}

export type FaultyMethod = Exclude<keyof Hypervisor, 'name' | 'guestAgent'>;

/**
 * A hypervisor without a hypervisor: servers in memory, disks as small files in a directory. Passes the same contract
 * suite as the libvirt adapter. For tests of workflows and activities.
 */
export class FakeHypervisor implements Hypervisor {
  readonly faults: FakeFaults = { failures: new Map(), hangCopies: new Set(), stopNeverEnds: false, agentSilent: false, copyMs: 0 };
  /** Names of the methods called, in order, with the server's name where there is one. */
  readonly calls: string[] = [];
  /** Of the accounts in its guests, by account. */
  readonly passwords = new Map<string, string>();
  private readonly servers = new Map<string, FakeServer>();
  private readonly wayBacks = new FakeWayBacks();
  /** By server: the run that has stopped it last, and whether it has started it since. */
  private readonly stops = new Map<string, { readonly runId: string; readonly stop: StopByRun }>();
  /** Online backups, with faults of their own. */
  readonly online = new FakeOnlineBackups({
    definition: (server) => this.held(server).definition,
    fingerprint: (server) => fingerprintOf(this.held(server).definition),
    powerState: (server) => this.servers.get(server.uuid)?.powerState ?? 'gone',
    agentAnswers: (server) => this.agentAnswers(server),
    readDisk: readImage,
  });

  constructor(
    readonly name: string,
    readonly directory: string,
  ) {}

  // What tests do from outside, behind the port's back.

  /** Makes a stopped server. Content is padded to whole sectors. */
  async createServer(options: {
    readonly domainName: string;
    readonly disks: readonly {
      readonly target: string;
      readonly format: DiskFormat;
      readonly content: Uint8Array;
      readonly fileName?: string;
      readonly overlay?: boolean;
    }[];
    readonly nvram?: Uint8Array;
    readonly genid?: boolean;
    readonly nics?: readonly { readonly mac: string; readonly linkUp?: boolean }[];
    readonly cdrom?: boolean;
    readonly running?: boolean;
  }): Promise<ServerRef> {
    await mkdir(this.directory, { recursive: true });
    const uuid = randomUUID();
    const disks: FakeDisk[] = [];
    for (const disk of options.disks) {
      const path = join(this.directory, disk.fileName ?? `${uuid}-${disk.target}.${disk.format}`);
      await mkdir(dirname(path), { recursive: true });
      await writeImage(path, disk.format, padded(disk.content));
      const base = `${path}.base`;
      if (disk.overlay === true) await writeImage(base, 'qcow2', padded(disk.content));
      disks.push({ target: disk.target, path, format: disk.format, backingChain: disk.overlay === true ? [{ path: base, format: 'qcow2' }] : [] });
    }
    let nvramPath: string | null = null;
    if (options.nvram !== undefined) {
      nvramPath = join(this.directory, `${uuid}_VARS.fd`);
      await writeFile(nvramPath, options.nvram);
    }
    const nics: readonly FakeNic[] = (options.nics ?? [{ mac: '52:54:00:00:00:01' }]).map(({ mac, linkUp }) => ({ mac, linkUp: linkUp ?? true }));
    this.servers.set(uuid, {
      definition: {
        uuid,
        domainName: options.domainName,
        disks,
        nvramPath,
        nics,
        generationId: options.genid === true ? randomUUID() : null,
        cdrom: options.cdrom === true,
      },
      powerState: options.running === true ? 'running' : 'off',
      fence: null,
    });
    return { uuid, name: options.domainName };
  }

  /** The server disappears from the hypervisor; its files stay. */
  vanish(server: ServerRef): void {
    this.servers.delete(server.uuid);
  }

  /** Remembers the definition, for somebody who defines it again later. */
  remember(server: ServerRef): () => void {
    const { definition } = this.held(server);
    return () => void (this.held(server).definition = definition);
  }

  /** Somebody gives a disk another file. */
  moveDisk(server: ServerRef, target: string, path: string): void {
    const held = this.held(server);
    held.definition = { ...held.definition, disks: held.definition.disks.map((disk) => (disk.target === target ? { ...disk, path } : disk)) };
  }

  /** Somebody edits the definition. */
  renameDisk(server: ServerRef, from: string, to: string): void {
    const held = this.held(server);
    held.definition = { ...held.definition, disks: held.definition.disks.map((disk) => (disk.target === from ? { ...disk, target: to } : disk)) };
  }

  setPowerState(server: ServerRef, powerState: PowerState): void {
    const held = this.held(server);
    if (held.powerState === 'off') held.live = held.definition;
    held.powerState = powerState;
  }

  /** What QEMU's counters say of a running server. */
  setWrittenBytes(server: ServerRef, writtenBytes: Readonly<Record<string, number>>): void {
    this.held(server).writtenBytes = writtenBytes;
  }

  /** Who holds the server; null: nobody, or it was given back. */
  fenceOf(server: ServerRef): Fence | null {
    const { fence } = this.held(server);
    return fence === null || fence.released ? null : { runId: fence.runId, token: fence.token };
  }

  failNext(method: FaultyMethod, code: ErrorCode, times = 1): void {
    this.faults.failures.set(method, { code, times });
  }

  // The port.

  async probe(): Promise<HypervisorInfo> {
    this.enter('probe');
    return { name: this.name, versions: { libvirt: '0.0.0', qemu: '0.0.0' }, domainTypes: ['qemu'] };
  }

  async listServers(): Promise<readonly ServerOnHypervisor[]> {
    this.enter('listServers');
    return [...this.servers.values()].map(({ definition, powerState }) => ({ uuid: definition.uuid, domainName: definition.domainName, powerState }));
  }

  async inspect(server: ServerRef): Promise<ServerInspection> {
    this.enter('inspect', server);
    const { definition, powerState } = this.held(server);
    const refusals: ModosuError[] = [];
    const disks: DiskInspection[] = [];
    for (const disk of definition.disks) {
      if (!(await fileExists(disk.path))) {
        refusals.push(new ModosuError('DISK_FILE_MISSING', `The disk file ${disk.path} does not exist.`));
        disks.push({ ...disk, bus: 'virtio', virtualSizeBytes: 0, allocatedBytes: 0, holdsCheckpoints: false });
        continue;
      }
      const content = await readImage(disk.path, disk.format);
      disks.push({ ...disk, bus: 'virtio', virtualSizeBytes: content.length, allocatedBytes: content.length, holdsCheckpoints: disk.format === 'qcow2' });
    }
    if (definition.disks.length === 0) refusals.push(new ModosuError('SERVER_HAS_NO_DISKS', `${definition.domainName} has no disk.`));
    const nvramSize = definition.nvramPath === null ? 0 : (await stat(definition.nvramPath)).size;
    return {
      uuid: definition.uuid,
      domainName: definition.domainName,
      powerState,
      domainType: 'qemu',
      definitionFingerprint: fingerprintOf(definition),
      disks,
      removableMedia: definition.cdrom ? [{ target: 'sda', source: null }] : [],
      firmware: definition.nvramPath === null ? 'bios' : 'uefi',
      nvram: definition.nvramPath === null ? null : { path: definition.nvramPath, format: 'raw', sizeBytes: nvramSize },
      nics: definition.nics.map((nic) => ({ ...nic, type: 'network', source: 'default' })),
      generationId: definition.generationId,
      agent: this.agentAnswers(server)
        ? { state: 'answering', version: '0', commands: ['guest-exec', 'guest-ping'] }
        : { state: 'silent' satisfies AgentState, version: null, commands: [] },
      refusals: refusals.map((refusal) => refusal.summary()),
      memoryBytes: 64 * 1024 ** 2,
      vcpus: 1,
    };
  }

  async powerState(server: ServerRef): Promise<PowerState> {
    this.enter('powerState', server);
    return this.held(server).powerState;
  }

  guestAgent(server: ServerRef): GuestAgent {
    return new FakeGuestAgent(server, () => this.agentAnswers(server), this.passwords);
  }

  async takeFence(server: ServerRef, fence: Fence): Promise<boolean> {
    this.enter('takeFence', server);
    const held = this.servers.get(server.uuid);
    if (held === undefined) return false;
    const { fence: present } = held;
    if (present !== null && (present.token > fence.token || (present.token === fence.token && (present.released || present.runId !== fence.runId)))) {
      throw fencedOff(server);
    }
    held.fence = { ...fence, released: false };
    return true;
  }

  async releaseFence(server: ServerRef, fence: Fence): Promise<void> {
    this.enter('releaseFence', server);
    const held = this.servers.get(server.uuid);
    if (held !== undefined && isHeldBy(held.fence, fence)) held.fence = { ...fence, released: true };
  }

  async start(server: ServerRef, fence: Fence): Promise<void> {
    this.enter('start', server);
    const held = this.fenced(server, fence);
    for (const disk of held.definition.disks) {
      if (!(await fileExists(disk.path))) throw new ModosuError('START_FAILED', `The disk file ${disk.path} does not exist.`);
    }
    if (held.powerState === 'paused') throw new ModosuError('START_FAILED', `${server.name} is paused.`);
    if (held.powerState !== 'off') return;
    held.oldDisks = [];
    held.live = held.definition;
    held.powerState = 'running';
    if (this.stops.get(server.uuid)?.runId === fence.runId) this.stops.set(server.uuid, { runId: fence.runId, stop: 'started-again' });
  }

  async shutDown(server: ServerRef, fence: Fence, options: Parameters<Hypervisor['shutDown']>[2]): Promise<void> {
    this.enter('shutDown', server);
    options.signal.throwIfAborted();
    const held = this.fenced(server, fence);
    if (held.powerState === 'off') return;
    this.stops.set(server.uuid, { runId: fence.runId, stop: 'stopped' });
    if (this.faults.stopNeverEnds) {
      await delay(options.deadlineMs, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
      throw new ModosuError('STOP_TIMED_OUT', `${server.name} was still running after its deadline.`);
    }
    held.powerState = 'off';
  }

  async powerOff(server: ServerRef, fence: Fence): Promise<void> {
    this.enter('powerOff', server);
    const held = this.servers.get(server.uuid);
    if (held === undefined || held.powerState === 'off') return;
    this.fenced(server, fence).powerState = 'off';
    this.stops.set(server.uuid, { runId: fence.runId, stop: 'stopped' });
  }

  async stopBy(server: ServerRef, runId: string): Promise<StopByRun> {
    this.enter('stopBy', server);
    const known = this.stops.get(server.uuid);
    return known?.runId === runId ? known.stop : 'none';
  }

  async namedFiles(server: ServerRef): Promise<readonly string[]> {
    this.enter('namedFiles', server);
    const held = this.servers.get(server.uuid);
    return held === undefined ? [] : [...new Set(filesInUse(held))];
  }

  async exportDisk(
    request: { readonly server: ServerRef; readonly target: string; readonly targetPath: string },
    context: TransferContext,
  ): Promise<{ readonly virtualSizeBytes: number }> {
    this.enter('exportDisk', request.server);
    const held = this.held(request.server);
    const disk = held.definition.disks.find((candidate) => candidate.target === request.target);
    if (disk === undefined) throw new ModosuError('DISK_NOT_SUPPORTED', `${request.server.name} has no disk ${request.target}.`);
    this.requireStopped(request.server);
    await requireFile(disk.path);
    const content = await readImage(disk.path, disk.format);
    await writeSlowly(
      request.targetPath,
      fakeQcow2(content),
      { totalBytes: content.length, unreachableCode: 'REPOSITORY_UNREACHABLE', ...this.paceOf('exportDisk') },
      context,
    );
    return { virtualSizeBytes: content.length };
  }

  async exportDefinition(server: ServerRef, targetPath: string): Promise<void> {
    this.enter('exportDefinition', server);
    await writeReachable(targetPath, Buffer.from(JSON.stringify(this.held(server).definition)), 'REPOSITORY_UNREACHABLE');
  }

  describeDefinition(definition: string): ReturnType<Hypervisor['describeDefinition']> {
    let said: FakeDefinition;
    try {
      said = JSON.parse(definition) as FakeDefinition;
    } catch {
      return 'unreadable';
    }
    return {
      summary: {
        vcpus: 1,
        memoryBytes: null,
        machine: null,
        firmware: said.nvramPath === null ? 'bios' : 'uefi',
        generationId: said.generationId,
        disks: said.disks.map(({ target, path }) => ({ target, device: 'disk', bus: null, source: path })),
        nics: said.nics.map(({ mac }) => ({ mac, type: 'network', source: 'default' })),
      },
      lines: JSON.stringify(said, null, 2).split('\n'),
      hiddenSha256: '',
    };
  }

  async exportNvram(server: ServerRef, targetPath: string): Promise<void> {
    this.enter('exportNvram', server);
    const { nvramPath } = this.held(server).definition;
    if (nvramPath === null) throw new ModosuError('DISK_FILE_MISSING', `${server.name} has no NVRAM.`);
    await writeReachable(targetPath, await readFile(nvramPath), 'REPOSITORY_UNREACHABLE');
  }

  async restoreTargets(request: Parameters<Hypervisor['restoreTargets']>[0]): Promise<RestoreTargets> {
    this.enter('restoreTargets');
    return planTargets(request);
  }

  async importDisk(
    request: { readonly imageFiles: readonly string[]; readonly volume: PlannedVolume; readonly runId: string },
    context: TransferContext,
  ): Promise<void> {
    this.enter('importDisk');
    const { imageFiles, volume, runId } = request;
    requireRunsOwnPath(volume.newPath, runId);
    await judgeStoredChain(imageFiles);
    this.requireUnused([volume.newPath]);
    // A fake image holds the whole disk, also one that names a backing file.
    const content = fakeQcow2Content(await readFile(imageFiles[0] ?? ''));
    const bytesOfVolume = volume.format === 'qcow2' ? fakeQcow2(content) : content;
    await writeSlowly(
      volume.newPath,
      bytesOfVolume,
      { totalBytes: content.length, unreachableCode: 'TARGET_UNREACHABLE', ...this.paceOf('importDisk') },
      context,
    );
  }

  /** Its images are whole whatever their headers say. */
  async mergeImage({ imageFiles: [own = ''], backingName }: Parameters<Hypervisor['mergeImage']>[0]): Promise<void> {
    this.enter('mergeImage');
    const named = judgeQcow2Header(await readFile(own), { fileSizeBytes: (await stat(own)).size, path: own, allowBacking: true }).backingFile;
    if (named === null) return;
    if (named !== backingName) throw new ModosuError('IMAGE_HEADER_REFUSED', `The image ${own} was refused: it names another backing file.`);
    await writeImage(own, 'qcow2', await readImage(own, 'qcow2'));
  }

  async importNvram(request: {
    readonly sourcePath: string;
    readonly newPath: string;
    readonly replacesPath: string | null;
    readonly runId: string;
  }): Promise<void> {
    this.enter('importNvram');
    requireRunsOwnPath(request.newPath, request.runId);
    this.requireUnused([request.newPath]);
    await writeReachable(request.newPath, await readFile(request.sourcePath), 'TARGET_UNREACHABLE');
  }

  async swap(request: SwapRequest): ReturnType<Hypervisor['swap']> {
    this.enter('swap', request.server);
    const { server, fence, volumes, keptDisks = [] } = request;
    for (const volume of volumes) requireRunsOwnPath(volume.newPath, fence.runId);
    const present = this.servers.get(server.uuid);
    if (present !== undefined) {
      this.fenced(server, fence);
      if (volumes.every((volume) => present.definition.disks.some((disk) => disk.path === volume.newPath))) return this.swapped(server, fence);
      this.requireStopped(server);
    }
    if (present === undefined && request.definition.from === 'present') throw new ModosuError('SERVER_GONE', `${server.name} is gone.`);
    if (keptDisks.length > 0 && request.definition.from !== 'present') {
      throw new ModosuError('SWAP_REFUSED', 'Disks are kept only with the present definition.');
    }
    this.wayBacks.requireNotForbidden(server, fence.runId);
    for (const path of [...volumes.map(({ newPath }) => newPath), ...keptDisks.map((disk) => disk.path)]) {
      if (!(await fileExists(path))) throw new ModosuError('SWAP_REFUSED', `The volume ${path} is not there.`);
    }
    const basis = request.definition.from === 'present' && present !== undefined ? present.definition : await readDefinition(request);
    const isKept = ({ target, path }: Pick<FakeDisk, 'target' | 'path'>): boolean => keptDisks.some((disk) => disk.target === target && disk.path === path);
    if (
      basis.disks.length !== volumes.length + keptDisks.length ||
      !basis.disks.every((disk) => isKept(disk) !== volumes.some((volume) => volume.target === disk.target))
    ) {
      throw new ModosuError('SWAP_REFUSED', 'The disks of the definition and the volumes, restored and kept, differ.');
    }
    if ([...this.servers.values()].some(({ definition }) => definition.uuid !== server.uuid && definition.domainName === basis.domainName)) {
      throw new ModosuError('SWAP_REFUSED', `Another server is called ${basis.domainName}.`);
    }
    const inQuarantine = (nic: FakeNic): boolean => request.quarantinedMacs.some((mac) => mac.toLowerCase() === nic.mac.toLowerCase());
    const definition: FakeDefinition = {
      ...basis,
      disks: basis.disks.map((disk) => {
        const volume = volumes.find(({ target }) => target === disk.target);
        return volume === undefined ? disk : { target: volume.target, path: volume.newPath, format: volume.format, backingChain: [] };
      }),
      nvramPath: request.nvramNewPath ?? basis.nvramPath,
      nics: basis.nics.map((nic) => (inQuarantine(nic) ? { ...nic, linkUp: false } : nic)),
      generationId: basis.generationId !== null && request.renewGenerationId ? randomUUID() : basis.generationId,
    };
    const quarantined = basis.nics.filter((nic) => nic.linkUp && inQuarantine(nic)).map(({ mac }) => mac);
    await this.wayBacks.keep(server, fence.runId, present?.definition ?? null, definition, { ofRunId: null, quarantined });
    this.servers.set(server.uuid, { definition, powerState: 'off', fence: { ...fence, released: false } });
    return this.swapped(server, fence);
  }

  async revertSwap(server: ServerRef, fence: Fence): Promise<void> {
    this.enter('revertSwap', server);
    const record = this.wayBacks.open(server, fence.runId);
    const held = this.servers.get(server.uuid);
    if (record === null) return this.wayBacks.forbid(server, fence.runId);
    if (held === undefined && (record.before !== null || record.taken)) {
      throw new ModosuError('SERVER_GONE', `${server.name} vanished after its disks were swapped.`);
    }
    if (held !== undefined && this.wayBacks.isSwappedBy(record, held.definition)) {
      this.fenced(server, fence);
      this.requireStopped(server);
      if (record.before === null) this.servers.delete(server.uuid);
      else held.definition = { ...this.wayBacks.returned(record, record.before, held.definition), domainName: held.definition.domainName };
    } else if (held !== undefined && !isHeldBy(held.fence, fence)) {
      return;
    }
    this.wayBacks.markReverted(fence.runId);
  }

  async attachOldDisk(server: ServerRef, fence: Fence, disk: OldDisk): ReturnType<Hypervisor['attachOldDisk']> {
    this.enter('attachOldDisk', server);
    const held = this.fenced(server, fence);
    const before = this.wayBacks.open(server, fence.runId)?.before ?? null;
    const isReplaced =
      before?.disks.some(({ target, path }) => target === disk.target && path === disk.path) === true && !filesUsedBy(held.definition).includes(disk.path);
    if (!isReplaced) throw new ModosuError('PATH_NOT_ALLOWED', `${disk.path} is not what run ${fence.runId} has replaced.`);
    if (held.powerState === 'off') throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `${server.name} is off.`);
    const present = (held.oldDisks ?? []).find(({ path }) => path === disk.path);
    if (present !== undefined) return { target: present.target };
    const target = `vd${'abcdefghij'.charAt(held.definition.disks.length + (held.oldDisks ?? []).length)}`;
    held.oldDisks = [...(held.oldDisks ?? []), { target, path: disk.path }];
    return { target };
  }

  async requireFence(server: ServerRef, fence: Fence): Promise<void> {
    this.enter('requireFence', server);
    this.fencedUnlessGone(server, fence);
  }

  async prepareOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): ReturnType<Hypervisor['prepareOnlineBackup']> {
    this.enter('prepareOnlineBackup', request.server);
    this.fenced(request.server, request.fence);
    return this.online.prepare(request, options.signal);
  }

  async beginOnlineBackup(request: OnlineBackupRequest, options: { readonly signal: AbortSignal }): ReturnType<Hypervisor['beginOnlineBackup']> {
    this.enter('beginOnlineBackup', request.server);
    this.fenced(request.server, request.fence);
    return this.online.begin(request, options.signal);
  }

  async followOnlineBackup(...[request, context]: Parameters<Hypervisor['followOnlineBackup']>): ReturnType<Hypervisor['followOnlineBackup']> {
    this.enter('followOnlineBackup', request.server);
    return this.online.follow(request, context);
  }

  async cancelOnlineBackup(server: ServerRef, runId: string): Promise<void> {
    this.enter('cancelOnlineBackup', server);
    this.online.cancel(server, runId);
  }

  async findCheckpoints(server: ServerRef, names: readonly string[]): ReturnType<Hypervisor['findCheckpoints']> {
    this.enter('findCheckpoints', server);
    return this.online.findCheckpoints(server, names);
  }

  async settleOnlineBackup(server: ServerRef, runId: string): Promise<void> {
    this.enter('settleOnlineBackup', server);
    await this.online.settle(server, runId);
  }

  async sweepGuards(openRunIds: ReadonlySet<string>): Promise<readonly string[]> {
    this.enter('sweepGuards');
    return this.online.sweep(openRunIds);
  }

  /** Proofs that run. */
  readonly proofs = new Set<string>();

  async startProof({ proofId, definitionPath, disks }: BootProofRequest, { signal }: { readonly signal: AbortSignal }): Promise<BootProof> {
    this.enter('startProof');
    signal.throwIfAborted();
    for (const path of [definitionPath, ...disks.flatMap(({ imageFiles }) => imageFiles)]) await requireFile(path);
    this.proofs.add(proofId);
    return {
      server: { uuid: proofId, name: `modosu-proof-${proofId}` },
      lost: new AbortController().signal,
      stop: async () => void this.proofs.delete(proofId),
    };
  }

  async endProof(proofId: string): Promise<void> {
    this.enter('endProof');
    this.proofs.delete(proofId);
  }

  async listProofs(): Promise<readonly string[]> {
    this.enter('listProofs');
    return [...this.proofs].sort();
  }

  async goLive(server: ServerRef, fence: Fence): ReturnType<Hypervisor['goLive']> {
    this.enter('goLive', server);
    this.fencedUnlessGone(server, fence);
    const record = this.wayBacks.open(server, fence.runId);
    if (record === null) return { raised: [] };
    const held = this.held(server);
    if (!this.wayBacks.isSwappedBy(record, held.definition)) {
      throw new ModosuError('DEFINITION_CHANGED', `Somebody has defined ${server.name} with other volumes than ${record.puts.join(', ')}.`, {
        hint: `Define it with those again, or go back with \`modosu run undo ${fence.runId}\`.`,
      });
    }
    held.definition = { ...held.definition, nics: held.definition.nics.map((nic) => (record.quarantined.includes(nic.mac) ? { ...nic, linkUp: true } : nic)) };
    return { raised: record.quarantined };
  }

  async keptBy(server: ServerRef, runId: string): ReturnType<Hypervisor['keptBy']> {
    this.enter('keptBy', server);
    const record = this.wayBacks.open(server, runId);
    return record === null ? null : this.wayBacks.factsOf(record);
  }

  async writtenBytes(server: ServerRef): ReturnType<Hypervisor['writtenBytes']> {
    this.enter('writtenBytes', server);
    const held = this.servers.get(server.uuid);
    if (held === undefined || held.powerState === 'off') return {};
    return held.writtenBytes ?? Object.fromEntries(held.definition.disks.map(({ target }) => [target, 0]));
  }

  async returnVolumes(server: ServerRef, fence: Fence, ofRunId: string): ReturnType<Hypervisor['returnVolumes']> {
    this.enter('returnVolumes', server);
    const held = this.fenced(server, fence);
    if (ofRunId === fence.runId) throw new ModosuError('SWAP_REFUSED', `Run ${ofRunId} cannot return to what it has replaced itself.`);
    const source = this.wayBacks.source(server, ofRunId);
    const ours = this.wayBacks.open(server, fence.runId);
    if (ours !== null && this.wayBacks.isSwappedBy(ours, held.definition)) return this.swapped(server, fence);
    this.requireStopped(server);
    this.wayBacks.requireStaying(source, held.definition);
    const definition: FakeDefinition = { ...this.wayBacks.returned(source, source.before, held.definition), domainName: held.definition.domainName };
    if (usesSameFiles(held.definition, definition)) throw new ModosuError('SWAP_REFUSED', `${server.name} uses the kept volumes already.`);
    this.wayBacks.requireNotForbidden(server, fence.runId);
    await this.wayBacks.requireComplete(source);
    await this.wayBacks.keep(server, fence.runId, held.definition, definition, { ofRunId, quarantined: [] });
    held.definition = definition;
    return this.swapped(server, fence);
  }

  async discardKept(server: ServerRef, fence: Fence, ofRunId: string): ReturnType<Hypervisor['discardKept']> {
    this.enter('discardKept', server);
    this.fencedUnlessGone(server, fence);
    const held = this.servers.get(server.uuid);
    if (held !== undefined) held.oldDisks = [];
    return { deleted: await this.wayBacks.discard(server, ofRunId, this.servers.values()) };
  }

  async discardVolumes(request: { readonly runId: string; readonly paths: readonly string[] }): Promise<void> {
    this.enter('discardVolumes');
    for (const path of request.paths) requireRunsOwnPath(path, request.runId);
    this.requireUnused(request.paths);
    this.wayBacks.requireNotStranded(request.runId, request.paths, this.servers);
    const leftBehind: string[] = [];
    for (const path of request.paths) {
      await rm(path, { force: true });
      if (!(await fileExists(dirname(path)))) leftBehind.push(path);
    }
    requireNoneLeftBehind(leftBehind);
  }

  // Mechanics.

  private enter(method: FaultyMethod, server?: ServerRef): void {
    this.calls.push(server === undefined ? method : `${method} ${server.name}`);
    const failure = this.faults.failures.get(method);
    if (failure === undefined || failure.times <= 0) return;
    failure.times -= 1;
    throw new ModosuError(failure.code, `${method} failed on purpose.`);
  }

  private held(server: ServerRef): FakeServer {
    const held = this.servers.get(server.uuid);
    if (held === undefined) throw new ModosuError('SERVER_GONE', `The hypervisor ${this.name} does not know ${server.name}.`);
    return held;
  }

  private fenced(server: ServerRef, fence: Fence): FakeServer {
    const held = this.held(server);
    if (!isHeldBy(held.fence, fence)) throw fencedOff(server);
    return held;
  }

  private fencedUnlessGone(server: ServerRef, fence: Fence): void {
    if (this.servers.has(server.uuid)) this.fenced(server, fence);
  }

  private async swapped(server: ServerRef, fence: Fence): ReturnType<Hypervisor['swap']> {
    const record = this.wayBacks.open(server, fence.runId);
    if (record === null) throw new ModosuError('WAY_BACK_NOT_FOUND', `Nothing is kept of run ${fence.runId}.`);
    this.wayBacks.markTaken(fence.runId);
    return { generationId: this.held(server).definition.generationId, kept: await this.wayBacks.factsOf(record) };
  }

  private requireStopped(server: ServerRef): void {
    if (this.held(server).powerState !== 'off') throw new ModosuError('SERVER_NOT_STOPPED', `${server.name} is not stopped.`);
  }

  private requireUnused(paths: readonly string[]): void {
    for (const server of this.servers.values()) {
      const path = paths.find((candidate) => filesInUse(server).includes(candidate));
      if (path !== undefined) throw new ModosuError('VOLUME_EXISTS', `${path} belongs to ${server.definition.domainName}.`);
    }
  }

  private paceOf(kind: 'exportDisk' | 'importDisk'): { readonly copyMs: number; readonly hangs: boolean } {
    return { copyMs: this.faults.copyMs, hangs: this.faults.hangCopies.has(kind) };
  }

  private agentAnswers(server: ServerRef): boolean {
    return this.servers.get(server.uuid)?.powerState === 'running' && !this.faults.agentSilent;
  }
}

const fingerprintOf = (definition: FakeDefinition): string => createHash('sha256').update(JSON.stringify(definition)).digest('hex');

const fencedOff = (server: ServerRef): ModosuError => new ModosuError('FENCED_OFF', `${server.name} is held by another run.`);

async function readDefinition(request: SwapRequest): Promise<FakeDefinition> {
  if (request.definition.from !== 'recovery-point') throw new ModosuError('SERVER_GONE', 'There is no present definition.');
  return JSON.parse(await readFile(request.definition.path, 'utf8')) as FakeDefinition;
}
