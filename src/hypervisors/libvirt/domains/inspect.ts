import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError, type ErrorSummary } from '../../../contracts/errors';
import type { AgentInspection, DiskInspection, NvramInspection, ServerInspection, ServerRef } from '../../../contracts/server';
import { errorCode } from '../../../system/files';
import { LibvirtGuestAgent } from '../agent';
import { readChain, type ImageChain } from '../volumes/disk-images';
import type { Domains, DomainState, StoredDefinition } from './domains';
import { fingerprint, type DefinedDisk } from './domain-xml';
import type { Virsh } from '../virsh';

const AGENT_TIMEOUT_MS = 3_000;
const DEATH_SEEN_WITHIN_MS = 1_000;
const POLL_MS = 200;
const SILENT: AgentInspection = { state: 'silent', version: null, commands: [] };
/** Of a guest that runs, as far as libvirt knows. */
const NO_ANSWER: AgentInspection = { ...SILENT };

/** Looks at a server from all sides. Read-only. */
export class Inspector {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly imageDirectories: readonly string[],
  ) {}

  /** See `Hypervisor.inspect`. */
  async inspect(server: ServerRef): Promise<ServerInspection> {
    const [stored, state] = await Promise.all([this.domains.stored(server), this.domains.state(server)]);
    const { description } = stored;
    const refusals: ErrorSummary[] = [...description.refusals, ...(await this.judgeState(server, stored, state))];

    const disks: DiskInspection[] = [];
    for (const disk of description.disks) {
      try {
        disks.push(inspectDisk(disk, await this.chainOf(disk)));
      } catch (error) {
        if (!isModosuError(error)) throw error;
        refusals.push(error.summary());
        // Still a disk of the server: a restore has to put a volume in its place.
        disks.push(inspectDisk(disk, { files: [disk], virtualSizeBytes: 0, allocatedBytes: 0, holdsBitmaps: false }));
      }
    }
    if (description.disks.length === 0 && description.unsupportedDisks.length === 0) {
      const media = description.removableMedia.length === 0 ? '' : '; CD-ROMs and floppies are not imaged';
      refusals.push(new ModosuError('SERVER_HAS_NO_DISKS', `${description.name} has no disk${media}.`).summary());
    }
    const nvram = await this.inspectNvram(server, stored, state, refusals);
    const agent = await this.inspectAgent(server, description.hasAgentChannel, state);
    // A QEMU that dies in this moment looks like one whose agent is silent: callers would refuse what is right for a server that is off.
    if (agent === NO_ANSWER && (await this.runsNoLonger(server))) return this.inspect(server);

    return {
      uuid: description.uuid,
      domainName: description.name,
      powerState: state.powerState,
      domainType: description.domainType,
      definitionFingerprint: fingerprint(stored.document),
      disks,
      removableMedia: description.removableMedia,
      firmware: description.firmware,
      nvram,
      nics: description.nics,
      generationId: description.generationId,
      agent,
      refusals,
      memoryBytes: description.memoryBytes,
      vcpus: description.vcpus,
    };
  }

  /** The files of a disk, judged. Throws as `readChain`. */
  async chainOf(disk: DefinedDisk): Promise<ImageChain> {
    return readChain(disk, { imageDirectories: this.imageDirectories, defined: disk.backing });
  }

  private async judgeState(server: ServerRef, stored: StoredDefinition, state: DomainState): Promise<ErrorSummary[]> {
    if (!state.persistent) return [new ModosuError('SERVER_TRANSIENT', `${stored.description.name} is transient: it vanishes when it stops.`).summary()];
    const found: ErrorSummary[] = [];
    if (state.hasSavedState) {
      found.push(new ModosuError('SERVER_HAS_SAVED_STATE', `${stored.description.name} has saved memory: its disks alone are not its state.`).summary());
    }
    if (state.powerState !== 'off') {
      const live = await this.domains.live(server);
      const liveFiles = new Map(live.description.disks.map((disk) => [disk.target, disk.path]));
      const differing = stored.description.disks.filter((disk) => liveFiles.get(disk.target) !== disk.path).map((disk) => disk.target);
      const unstored = [...liveFiles.keys()].filter((target) => !stored.description.disks.some((disk) => disk.target === target));
      if (differing.length + unstored.length > 0) {
        found.push(
          new ModosuError(
            'SERVER_DEFINITION_DIFFERS',
            `${stored.description.name} runs with other disks than its definition says: ${[...differing, ...unstored].join(', ')}.`,
          ).summary(),
        );
      }
    }
    return found;
  }

  /** Path of the NVRAM, also where libvirt chooses it at start. Null: the server has none. */
  async nvramPath(server: ServerRef, stored: StoredDefinition, state: DomainState): Promise<string | null> {
    const { nvram } = stored.description;
    if (nvram === null || nvram.path !== null) return nvram?.path ?? null;
    if (state.powerState !== 'off') return (await this.domains.live(server)).description.nvram?.path ?? null;
    // The command line libvirt would start it with names the file.
    const commandLine = await this.virsh.attempt(['domxml-to-native', '--format', 'qemu-argv', '--domain', stored.description.uuid]);
    const named = /\{"driver":"file","filename":("(?:[^"\\]|\\.)*"),"node-name":"libvirt-pflash1-storage"/.exec(commandLine.stdout)?.[1];
    if (commandLine.exitCode !== 0 || named === undefined) {
      throw new ModosuError('DISK_NOT_SUPPORTED', `It cannot be found out where the NVRAM of ${stored.description.name} lies.`, {
        hint: 'Name it in the definition: <nvram>/path</nvram> inside <os>.',
      });
    }
    return String(JSON.parse(named));
  }

  private async inspectNvram(server: ServerRef, stored: StoredDefinition, state: DomainState, refusals: ErrorSummary[]): Promise<NvramInspection | null> {
    try {
      const path = await this.nvramPath(server, stored, state);
      if (path === null || stored.description.nvram === null) return null;
      const found = await stat(path).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
        throw error;
      });
      if (found?.isFile() === true) return { path, format: stored.description.nvram.format, sizeBytes: found.size };
      // A server that was never started has none yet; one that runs has lost it.
      if (found !== null || state.powerState !== 'off') {
        throw new ModosuError('DISK_FILE_MISSING', `The NVRAM file ${path} of ${stored.description.name} is missing.`);
      }
      return null;
    } catch (error) {
      if (!isModosuError(error) || error.retry === 'later') throw error;
      refusals.push(error.summary());
      return null;
    }
  }

  /** libvirt loses the agent of a dead QEMU a little earlier than it sees the death. */
  private async runsNoLonger(server: ServerRef): Promise<boolean> {
    const giveUpAt = performance.now() + DEATH_SEEN_WITHIN_MS;
    for (;;) {
      if ((await this.domains.state(server)).powerState !== 'running') return true;
      if (performance.now() >= giveUpAt) return false;
      await delay(POLL_MS);
    }
  }

  private async inspectAgent(server: ServerRef, hasChannel: boolean, state: DomainState): Promise<AgentInspection> {
    if (!hasChannel) return { ...SILENT, state: 'absent' };
    if (state.powerState !== 'running') return SILENT;
    try {
      return { state: 'answering', ...(await new LibvirtGuestAgent(this.virsh, server).info(AGENT_TIMEOUT_MS)) };
    } catch (error) {
      if (!isModosuError(error) || !['AGENT_SILENT', 'AGENT_ABSENT', 'AGENT_COMMAND_FAILED', 'GUEST_COMMAND_FORBIDDEN'].includes(error.code)) throw error;
      return error.code === 'AGENT_SILENT' ? NO_ANSWER : SILENT;
    }
  }
}

function inspectDisk(disk: DefinedDisk, chain: ImageChain): DiskInspection {
  const [, ...backingChain] = chain.files;
  return {
    target: disk.target,
    bus: disk.bus,
    path: disk.path,
    format: disk.format,
    virtualSizeBytes: chain.virtualSizeBytes,
    allocatedBytes: chain.allocatedBytes,
    backingChain,
    holdsCheckpoints: chain.holdsBitmaps && disk.readOnly !== true,
  };
}
