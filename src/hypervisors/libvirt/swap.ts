import { randomUUID } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isId } from '../../contracts/ids';
import { ModosuError } from '../../contracts/errors';
import type { Fence, ServerRef } from '../../contracts/server';
import type { CommandOutcome } from '../../system/child-process';
import { errorCode, writeFileDurably } from '../../system/files';
import type { SwapRequest } from '../hypervisor';
import type { Domains, StoredDefinition } from './domains';
import { rewriteForSwap, withFence } from './domain-rewrite';
import { describeDomain, parseDomain, type DomainDescription } from './domain-xml';
import type { Fences } from './fence';
import { readingStored } from './stored-files';
import { requireRunsOwnPath } from './volumes';
import { libvirtMessage, requireUuid, type Virsh } from './virsh';
import { MAX_XML_BYTES } from './xml';

/** What stood there before a run's swap. */
type WayBack = { readonly uuid: string; readonly wasGone: true } | { readonly uuid: string; readonly wasGone: false; readonly definition: string };

const NAME_TAKEN = /already exists with uuid|already defined with uuid/;

/** Replaces the volumes of a server by one `define`, and back. */
export class Swaps {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
    private readonly stateDirectory: string,
  ) {}

  /** See `Hypervisor.swap`. */
  async swap(request: SwapRequest): Promise<{ readonly generationId: string | null }> {
    const { server, fence } = request;
    for (const volume of request.volumes) requireRunsOwnPath(volume.newPath, fence.runId);
    if (request.nvramNewPath !== null) requireRunsOwnPath(request.nvramNewPath, fence.runId);

    const present = await this.domains.storedOrNull(server, { secrets: true });
    if (present !== null) {
      await this.fences.require(server, fence);
      if (isSwapped(present.description, request)) return { generationId: present.description.generationId };
      await this.domains.requireStopped(server, 'the swap of its disks');
    } else if (request.definition.from === 'present') {
      throw new ModosuError('SERVER_GONE', `The hypervisor no longer knows ${server.name}; its present definition cannot be used.`, { context: { uuid: server.uuid } });
    }
    await requireFiles(request);

    const basis = request.definition.from === 'present' && present !== null ? present.xml : await readDefinition(request);
    const described = describeDomain(parseDomain(basis));
    if (described.uuid.toLowerCase() !== requireUuid(server.uuid)) {
      throw new ModosuError('SWAP_REFUSED', `The definition is that of another server (${described.uuid}, ${described.name}).`, { context: { uuid: server.uuid } });
    }
    const next = rewriteForSwap(basis, {
      volumes: request.volumes,
      nvramNewPath: request.nvramNewPath,
      generationId: request.renewGenerationId ? randomUUID() : null,
      fence,
      // libvirt refuses to rename by a define.
      name: present?.description.name ?? null,
    });

    // A definition that already uses this run's files is not what stood there before: the kept one stays.
    if (present === null || !usesFilesOf(present.description, fence.runId)) await this.keepWayBack(server, fence, present);
    await this.define(next, `the restored definition of ${server.name}`, () => this.requireStillOurs(server, fence, present === null));
    const after = await this.domains.stored(server);
    if (!isSwapped(after.description, request)) {
      await this.restoreWayBack(server, fence);
      throw new ModosuError('SWAP_REFUSED', `libvirt took the new definition of ${server.name} but did not keep its disks as given; the old definition was put back.`, { context: { uuid: server.uuid } });
    }
    return { generationId: after.description.generationId };
  }

  /** See `Hypervisor.revertSwap`. */
  async revert(server: ServerRef, fence: Fence): Promise<void> {
    const wayBack = await this.readWayBack(server, fence.runId);
    if (wayBack === null) return;
    const present = await this.domains.storedOrNull(server);
    if (present === null) {
      if (wayBack.wasGone) return;
      throw new ModosuError('SERVER_GONE', `${server.name} vanished after its disks were swapped; its old definition is kept in ${this.directoryOf(fence.runId)}.`, {
        hint: `Look at it, then: virsh define ${this.fileOf(fence.runId)}`,
      });
    }
    if (!usesFilesOf(present.description, fence.runId)) return;
    await this.fences.require(server, fence);
    await this.domains.requireStopped(server, 'putting its old definition back');
    await this.restoreWayBack(server, fence);
  }

  private async restoreWayBack(server: ServerRef, fence: Fence): Promise<void> {
    const wayBack = await this.readWayBack(server, fence.runId);
    if (wayBack === null) throw new ModosuError('INTERNAL', `The way back of run ${fence.runId} is not in ${this.directoryOf(fence.runId)}.`);
    if (wayBack.wasGone) await this.undefine(server, fence);
    else await this.define(withFence(wayBack.definition, fence), `the old definition of ${server.name}`, () => this.requireStillOurs(server, fence, false));
  }

  /**
   * Asked right before a call that cannot be taken back: between the first check and that call lie other questions to libvirt and fsyncs, which
   * take seconds on slow storage. Throws `FENCED_OFF`, `SERVER_GONE`.
   */
  private async requireStillOurs(server: ServerRef, fence: Fence, wasGone: boolean): Promise<void> {
    // One that was gone and has come back was defined by somebody: by us, or it is not ours to replace.
    if (wasGone && (await this.domains.storedOrNull(server)) === null) return;
    await this.fences.require(server, fence);
  }

  private async define(xml: string, what: string, requireStillOurs: () => Promise<void>): Promise<void> {
    const outcome = await this.virsh.withFile(xml, async (path) => {
      await requireStillOurs();
      return this.virsh.attempt(['define', '--file', path]);
    });
    if (outcome.exitCode === 0) return;
    const message = libvirtMessage(outcome.stderr);
    throw new ModosuError('SWAP_REFUSED', `libvirt refused ${what}: ${message}`, {
      ...(NAME_TAKEN.test(outcome.stderr) ? { hint: 'Another domain of the same name but another UUID stands on this hypervisor: rename it (`virsh domrename`) or remove it, then try again.' } : {}),
    });
  }

  /** Forgets the definition and nothing else: no volume, no NVRAM, no TPM state is deleted. */
  private async undefine(server: ServerRef, fence: Fence): Promise<void> {
    const attempt = async (more: readonly string[]): Promise<CommandOutcome> => {
      const { description } = await this.fences.require(server, fence);
      return this.virsh.attemptOn(server.uuid, 'undefine', ['--keep-nvram', ...(description.hasTpm ? ['--keep-tpm'] : []), ...more]);
    };
    let outcome = await attempt([]);
    if (outcome.exitCode !== 0 && /checkpoint/i.test(outcome.stderr)) outcome = await attempt(['--checkpoints-metadata']);
    if (outcome.exitCode !== 0) throw this.virsh.failure('undefine', outcome, 'HYPERVISOR_COMMAND_FAILED');
  }

  /** On disk before the define: whoever comes after a crash finds what stood there. */
  private async keepWayBack(server: ServerRef, fence: Fence, present: StoredDefinition | null): Promise<void> {
    await mkdir(this.directoryOf(fence.runId), { recursive: true, mode: 0o700 });
    if (present !== null) await writeFileDurably(this.fileOf(fence.runId), withFence(present.xml, null));
    const facts = { uuid: requireUuid(server.uuid), wasGone: present === null };
    await writeFileDurably(join(this.directoryOf(fence.runId), 'way-back.json'), `${JSON.stringify(facts)}\n`);
  }

  private async readWayBack(server: ServerRef, runId: string): Promise<WayBack | null> {
    if (!isId('run', runId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(runId)} is not the id of a run.`);
    let facts: unknown;
    try {
      facts = JSON.parse(await readFile(join(this.directoryOf(runId), 'way-back.json'), 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
    const { uuid, wasGone } = facts as { uuid?: unknown; wasGone?: unknown };
    if (uuid !== requireUuid(server.uuid)) throw new ModosuError('SWAP_REFUSED', `The way back of run ${runId} belongs to another server.`, { context: { uuid: server.uuid } });
    return wasGone === true ? { uuid, wasGone } : { uuid, wasGone: false, definition: await readFile(this.fileOf(runId), 'utf8') };
  }

  private readonly directoryOf = (runId: string): string => join(this.stateDirectory, 'way-back', runId);
  private readonly fileOf = (runId: string): string => join(this.directoryOf(runId), 'definition.xml');
}

function isSwapped(present: DomainDescription, request: SwapRequest): boolean {
  const disksSwapped =
    present.disks.length === request.volumes.length &&
    request.volumes.every((volume) => present.disks.some((disk) => disk.target === volume.target && disk.path === volume.newPath && disk.format === volume.format));
  return disksSwapped && (request.nvramNewPath === null || present.nvram?.path === request.nvramNewPath);
}

const usesFilesOf = (present: DomainDescription, runId: string): boolean =>
  present.disks.some((disk) => disk.path.endsWith(`.${runId}`)) || present.nvram?.path?.endsWith(`.${runId}`) === true;

/** A definition must never name a file that is not there: the server would not start, and its old disks would be out of use. */
async function requireFiles(request: SwapRequest): Promise<void> {
  const paths = [...request.volumes.map((volume) => volume.newPath), ...(request.nvramNewPath === null ? [] : [request.nvramNewPath])];
  for (const path of paths) {
    const found = await stat(path).catch((error: unknown) => {
      if (errorCode(error) !== undefined) return null;
      throw error;
    });
    if (found === null || !found.isFile()) throw new ModosuError('SWAP_REFUSED', `The restored volume ${path} is not there; nothing was changed.`, { context: { path } });
  }
}

async function readDefinition(request: SwapRequest): Promise<string> {
  if (request.definition.from !== 'recovery-point') throw new ModosuError('INTERNAL', 'no definition to read');
  const { path } = request.definition;
  return readingStored(path, async () => {
    const { size } = await stat(path);
    if (size > MAX_XML_BYTES) throw new ModosuError('SWAP_REFUSED', `The definition ${path} is larger than ${MAX_XML_BYTES} bytes.`);
    return await readFile(path, 'utf8');
  });
}
