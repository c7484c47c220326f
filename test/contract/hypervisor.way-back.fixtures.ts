import { join } from 'node:path';
import type { PlannedVolume } from '../../src/contracts/plan';
import type { Fence, ServerRef } from '../../src/contracts/server';
import type { WayBackFacts } from '../../src/contracts/way-back';
import { manifestOf, pattern, transferContext, type HypervisorLab, type LabServer } from '../support/hypervisor-lab';
import { newFence } from './hypervisor.contract';

export const CONTENT_BYTES = 64 * 1024;
export const PRODUCTION = '52:54:00:4d:00:01';
export const BACKUP = '52:54:00:4d:00:02';
export const UNPLUGGED = '52:54:00:4d:00:03';

export interface Restored {
  readonly server: ServerRef;
  readonly run: Fence;
  readonly oldPaths: readonly string[];
  readonly newPaths: readonly string[];
  readonly oldNvram: string;
  readonly newNvram: string;
  readonly oldGenerationId: string | null;
  readonly newGenerationId: string | null;
}

/** Servers whose volumes were replaced. */
export class SwappedServers {
  constructor(private readonly lab: HypervisorLab) {}

  make(spec: Partial<LabServer> = {}): Promise<ServerRef> {
    return this.lab.createServer({
      disks: [
        { target: 'vda', format: 'qcow2', content: pattern(1, CONTENT_BYTES) },
        { target: 'vdb', format: 'raw', content: pattern(2, CONTENT_BYTES) },
      ],
      nvram: Buffer.from('firmware variables'),
      genid: true,
      nics: [{ mac: PRODUCTION }, { mac: BACKUP }, { mac: UNPLUGGED, linkUp: false }],
      ...spec,
    });
  }

  async diskPaths(server: ServerRef): Promise<readonly string[]> {
    return (await this.lab.hypervisor.inspect(server)).disks.map(({ path }) => path);
  }

  /** By MAC: whether the link is up in the stored definition. */
  async links(server: ServerRef): Promise<Record<string, boolean>> {
    return Object.fromEntries((await this.lab.hypervisor.inspect(server)).nics.map(({ mac, linkUp }) => [mac, linkUp]));
  }

  /** What a guest would read from the start of each disk. */
  async contents(server: ServerRef): Promise<readonly string[]> {
    const { disks } = await this.lab.hypervisor.inspect(server);
    return Promise.all(disks.map(async ({ path, format }) => (await this.lab.readDisk(path, format, CONTENT_BYTES)).toString('base64')));
  }

  async take(server: ServerRef): Promise<Fence> {
    const fence = newFence();
    await this.lab.hypervisor.takeFence(server, fence);
    return fence;
  }

  /** New volumes of a run, with the content of another server's disks. */
  async copyFrom(source: ServerRef, server: ServerRef, runId: string): Promise<{ volumes: readonly PlannedVolume[]; nvramNewPath: string | null }> {
    const present = await this.lab.hypervisor.inspect(server);
    const { volumes, nvramNewPath } = await this.lab.hypervisor.restoreTargets({ manifest: manifestOf(server, present), present, runId });
    for (const volume of volumes) {
      const imagePath = join(this.lab.exportDirectory, `${runId}-${volume.target}.qcow2`);
      await this.lab.hypervisor.exportDisk({ server: source, target: volume.target, targetPath: imagePath }, transferContext());
      await this.lab.hypervisor.importDisk({ imageFiles: [imagePath], volume, runId }, transferContext());
    }
    if (nvramNewPath !== null) {
      const sourcePath = join(this.lab.exportDirectory, `${runId}-nvram.fd`);
      await this.lab.hypervisor.exportNvram(server, sourcePath);
      await this.lab.hypervisor.importNvram({ sourcePath, newPath: nvramNewPath, replacesPath: null, runId });
    }
    return { volumes, nvramNewPath };
  }

  /** A server whose disks 1 and 2 were replaced by 11 and 12 by a run that has given it back. */
  async restored(options: { readonly release?: boolean; readonly spec?: Partial<LabServer> } = {}): Promise<Restored> {
    const server = await this.make(options.spec);
    const before = await this.lab.hypervisor.inspect(server);
    const source = await this.make({
      nics: [],
      disks: before.disks.map(({ target, format }, index) => ({ target, format, content: pattern(11 + index, CONTENT_BYTES) })),
    });
    const run = await this.take(server);
    const made = await this.copyFrom(source, server, run.runId);
    const { generationId } = await this.lab.hypervisor.swap({
      server,
      fence: run,
      definition: { from: 'present' },
      ...made,
      renewGenerationId: true,
      quarantinedMacs: [PRODUCTION],
    });
    await this.lab.hypervisor.goLive(server, run);
    if (options.release !== false) await this.lab.hypervisor.releaseFence(server, run);
    return {
      server,
      run,
      oldPaths: before.disks.map(({ path }) => path),
      newPaths: made.volumes.map(({ newPath }) => newPath),
      oldNvram: before.nvram?.path ?? '',
      newNvram: made.nvramNewPath ?? '',
      oldGenerationId: before.generationId,
      newGenerationId: generationId,
    };
  }

  /** A server that was gone, and that a run which still holds it has defined again on new volumes. */
  async revived(): Promise<{ readonly server: ServerRef; readonly run: Fence; readonly newPaths: readonly string[]; readonly kept: WayBackFacts }> {
    const server = await this.make({ nvram: undefined });
    const path = join(this.lab.exportDirectory, `${server.uuid}.xml`);
    await this.lab.hypervisor.exportDefinition(server, path);
    const run = newFence();
    const made = await this.copyFrom(server, server, run.runId);
    await this.lab.forget(server);
    const { kept } = await this.lab.hypervisor.swap({
      server,
      fence: run,
      definition: { from: 'recovery-point', path },
      ...made,
      renewGenerationId: true,
      quarantinedMacs: [PRODUCTION],
    });
    return { server, run, newPaths: made.volumes.map(({ newPath }) => newPath), kept };
  }
}

/** What `SwappedServers.contents` gives for disks with these patterns. */
export const patterns = (...seeds: number[]): readonly string[] => seeds.map((seed) => pattern(seed, CONTENT_BYTES).toString('base64'));
