import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { ModosuError } from '../../../contracts/errors';
import type { Fence, ServerRef } from '../../../contracts/server';
import type { WayBackFacts } from '../../../contracts/way-back';
import { errorCode, errorMessage } from '../../../system/files';
import type { SwapRequest } from '../../hypervisor';
import { Definitions } from './definitions';
import type { Domains, StoredDefinition } from '../domains/domains';
import { rewriteForReturn, rewriteForSwap, withFence } from './domain-rewrite';
import { describeDomain, parseDomain, type DefinedDisk, type DomainDescription } from '../domains/domain-xml';
import type { Fences } from '../domains/fence';
import { NOT_THERE, stateOf } from './kept-files';
import { isDown, upAmong } from '../domains/links';
import { missingMedia } from '../domains/removable-media';
import { readingStored } from '../volumes/stored-files';
import { isSwappedBy, usesFilesOf } from './swap-state';
import { filesOf } from '../volumes/usage';
import { requireRunsOwnPath } from '../volumes/volumes';
import { requireUuid, type Virsh } from '../virsh';
import { namedFiles, replacedVolumes, takenBack, unchangedDisks, type WayBackIntent, type WayBackRecord, type WayBacks } from './way-back';
import { MAX_XML_BYTES } from '../xml';

interface Swapped {
  readonly generationId: string | null;
  readonly kept: WayBackFacts;
}

/** Replaces the volumes of a server by one `define`: by new ones, by those an earlier run has kept, and back. */
export class Swaps {
  private readonly definitions: Definitions;

  constructor(
    virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
    private readonly wayBacks: WayBacks,
  ) {
    this.definitions = new Definitions(virsh, domains, fences);
  }

  /** See `Hypervisor.swap`. */
  async swap(request: SwapRequest): Promise<Swapped> {
    const { server, fence } = request;
    for (const volume of request.volumes) requireRunsOwnPath(volume.newPath, fence.runId);
    if (request.nvramNewPath !== null) requireRunsOwnPath(request.nvramNewPath, fence.runId);

    const isQuarantined = (after: DomainDescription): boolean => isInPlace(after, request) && isDown(after.nics, request.quarantinedMacs);
    const present = await this.domains.storedOrNull(server, { secrets: true });
    if (present !== null) {
      await this.fences.require(server, fence);
      // An earlier attempt has defined it, and may have died before it looked at what libvirt had made of it.
      if (isInPlace(present.description, request)) {
        if (isQuarantined(present.description)) return this.outcome(server, fence, present.description);
        // One whose links are up because it has gone live meanwhile runs; this attempt was given up long ago.
        await this.domains.requireStopped(server, 'putting its old definition back');
        return this.requireTaken(server, fence, 'the new definition', isQuarantined);
      }
      await this.domains.requireStopped(server, 'the swap of its disks');
    } else if (request.definition.from === 'present') {
      throw new ModosuError('SERVER_GONE', `The hypervisor no longer knows ${server.name}; its present definition cannot be used.`, {
        context: { uuid: server.uuid },
      });
    }
    if (keptOf(request).length > 0 && request.definition.from !== 'present') {
      throw new ModosuError(
        'SWAP_REFUSED',
        `Disks of ${server.name} are kept only with its present definition: that of a recovery point may mean another disk by the same target. Nothing was changed.`,
        { context: { uuid: server.uuid } },
      );
    }
    await this.wayBacks.requireNotForbidden(server, fence.runId);
    await requireFiles(request);

    const basis = request.definition.from === 'present' && present !== null ? present.xml : await readDefinition(request);
    const described = requireDefinitionOf(server, basis);
    const quarantined = upAmong(described.nics, request.quarantinedMacs);
    const next = rewriteForSwap(basis, {
      volumes: request.volumes,
      keptDisks: keptOf(request),
      nvramNewPath: request.nvramNewPath,
      generationId: request.renewGenerationId ? randomUUID() : null,
      fence,
      linksDown: quarantined,
      missingMedia: await missingMedia(described.removableMedia.map(({ source }) => source)),
      // libvirt refuses to rename by a define.
      name: present?.description.name ?? null,
    });

    await this.keep(server, fence, present, { ofRunId: null, puts: namedFiles(describeDomain(parseDomain(next))), quarantined });
    await this.defineKept(next, `the restored definition of ${server.name}`, server, fence, present === null);
    return this.requireTaken(server, fence, 'the new definition', isQuarantined);
  }

  /** See `Hypervisor.returnVolumes`. */
  async returnVolumes(server: ServerRef, fence: Fence, ofRunId: string): Promise<Swapped> {
    const present = await this.domains.storedOrNull(server, { secrets: true });
    if (present === null) {
      throw new ModosuError('SERVER_GONE', `The hypervisor no longer knows ${server.name}: there is nothing to keep in exchange for its old volumes.`, {
        hint: `Restore it from a recovery point, or look at what is kept and define it by hand: virsh define ${this.wayBacks.definitionPathOf(ofRunId)}`,
        context: { uuid: server.uuid },
      });
    }
    await this.fences.require(server, fence);
    const source = await this.requireSource(server, fence, ofRunId);
    const ours = await this.wayBacks.readOpen(server, fence.runId);
    if (ours !== null && (await isSwappedBy(ours, present.description))) {
      if (ours.ofRunId === ofRunId) return this.outcome(server, fence, present.description);
      throw new ModosuError(
        'SWAP_REFUSED',
        `Run ${fence.runId} has already swapped the volumes of ${server.name}, and not to those that run ${ofRunId} has kept.`,
        { context: { uuid: server.uuid } },
      );
    }
    await this.domains.requireStopped(server, 'the return to its old disks');

    const kept = await this.wayBacks.definitionOf(ofRunId);
    const { removableMedia } = requireDefinitionOf(server, kept);
    const missing = await missingMedia(removableMedia.map(({ source: medium }) => medium));
    const next = rewriteForReturn(kept, fence, present.description.name, requireStaying(source, present.description), missing);
    const described = describeDomain(parseDomain(next));
    if (usesFilesOf(present.description, described)) {
      throw new ModosuError('SWAP_REFUSED', `${server.name} uses the volumes already that run ${ofRunId} has replaced; somebody else has put them back.`, {
        context: { uuid: server.uuid },
      });
    }
    await this.wayBacks.requireNotForbidden(server, fence.runId);
    await requireComplete(source);

    await this.keep(server, fence, present, { ofRunId, puts: namedFiles(described), quarantined: [] });
    await this.defineKept(next, `the kept definition of ${server.name}`, server, fence, false);
    return this.requireTaken(server, fence, 'the kept definition', (after) => usesFilesOf(after, described));
  }

  /** See `Hypervisor.revertSwap`. */
  async revert(server: ServerRef, fence: Fence): Promise<void> {
    const record = (await this.wayBacks.readKept(server, fence.runId)) ?? (await this.forbidSwap(server, fence));
    if (record === null) return;
    const present = await this.domains.storedOrNull(server);
    if (record.reverted) {
      // A define that was on its way when the swap was taken back may have come after all.
      if (present === null || !this.fences.isHeld(present, fence) || !(await isSwappedBy(record, present.description))) return;
      await this.domains.requireStopped(server, 'putting its old definition back');
      return this.putBack(server, fence, record);
    }
    if (present === null) {
      if (record.wasGone && !record.taken) return this.wayBacks.markReverted(fence.runId);
      if (record.wasGone) {
        throw new ModosuError(
          'SERVER_GONE',
          `${server.name} was defined by this run, and vanished since: somebody has removed it, and may bring it back on its restored volumes.`,
          {
            hint: `Find out who removed it. If nobody needs it, delete its restored volumes by hand: ${record.puts.join(', ')}`,
            context: { uuid: server.uuid, paths: record.puts },
          },
        );
      }
      throw new ModosuError(
        'SERVER_GONE',
        `${server.name} vanished after its disks were swapped; its old definition is kept in ${this.wayBacks.directoryOf(fence.runId)}.`,
        {
          hint: `Look at it, then: virsh define ${this.wayBacks.definitionPathOf(fence.runId)}`,
        },
      );
    }
    if (!(await isSwappedBy(record, present.description))) {
      // Only whoever holds the server may say that this swap will never come.
      if (this.fences.isHeld(present, fence)) await this.wayBacks.markReverted(fence.runId);
      return;
    }
    await this.fences.require(server, fence);
    await this.domains.requireStopped(server, 'putting its old definition back');
    await this.putBack(server, fence, record);
  }

  /**
   * At most the beginning of a record is there, of an attempt that died before it could define anything, or that still lives although its caller has given it
   * up: it must not swap after all. Returns the record when such an attempt has written it before it could see that.
   */
  private async forbidSwap(server: ServerRef, fence: Fence): Promise<WayBackRecord | null> {
    await this.wayBacks.forbid(server, fence.runId);
    return this.wayBacks.readKept(server, fence.runId);
  }

  /**
   * For files that the run's swap has put into a server. Throws `VOLUME_EXISTS` when it uses them, `SERVER_GONE` when nobody defines it now: no definition
   * names them then, yet they are not out of use, because whoever brings the server back may bring it back on them.
   */
  async requireNotStranded(runId: string, paths: readonly string[]): Promise<void> {
    const record = await this.wayBacks.find(runId);
    if (record === null || record.reverted || !record.taken) return;
    const put = paths.filter((candidate) => record.puts.includes(candidate));
    if (put.length === 0) return;
    const present = await this.domains.storedOrNull({ uuid: record.uuid, name: record.uuid });
    if (present === null) {
      throw new ModosuError(
        'SERVER_GONE',
        `The server that ${put.join(', ')} was put into is no longer known to the hypervisor. Nothing of it is deleted: whoever has removed it may bring it back. If nobody needs it, delete it by hand.`,
        {
          context: { paths: put, uuid: record.uuid },
        },
      );
    }
    // Judged by the same look: it may have come back in this moment.
    const used = await filesOf(present.description);
    const path = put.find((candidate) => used.has(candidate));
    if (path !== undefined) {
      throw new ModosuError('VOLUME_EXISTS', `${path} belongs to the server ${present.description.name}; it is not deleted.`, {
        context: { path, uuid: record.uuid },
      });
    }
  }

  private async outcome(server: ServerRef, fence: Fence, present: DomainDescription): Promise<Swapped> {
    const record = await this.wayBacks.readOpen(server, fence.runId);
    if (record === null) {
      throw new ModosuError(
        'WAY_BACK_NOT_FOUND',
        `${server.name} uses the volumes of run ${fence.runId}, but what it used before is not in ${this.wayBacks.directoryOf(fence.runId)}.`,
        { context: { uuid: server.uuid } },
      );
    }
    if (!record.taken) await this.wayBacks.markTaken(fence.runId, true);
    await this.wayBacks.sweepReverted(server, fence.runId);
    return { generationId: present.generationId, kept: await this.wayBacks.factsOf(record) };
  }

  /** A definition in which this run's swap stands already is not what stood there before: the kept one stays. */
  private async keep(server: ServerRef, fence: Fence, present: StoredDefinition | null, intent: WayBackIntent): Promise<void> {
    const earlier = await this.wayBacks.readOpen(server, fence.runId);
    if (earlier !== null && present !== null && (await isSwappedBy(earlier, present.description))) return;
    await this.wayBacks.keep(server, fence.runId, present === null ? null : withFence(present.xml, null), intent);
  }

  private async defineKept(xml: string, what: string, server: ServerRef, fence: Fence, wasGone: boolean): Promise<void> {
    await this.definitions.define(xml, what, async () => {
      // A compensation may have overtaken an attempt that its caller has given up: it must not swap after all.
      if ((await this.wayBacks.readOpen(server, fence.runId)) === null) {
        throw takenBack(server, fence.runId);
      }
      await this.definitions.requireStillOurs(server, fence, wasGone);
    });
  }

  private async requireTaken(server: ServerRef, fence: Fence, what: string, isTaken: (after: DomainDescription) => boolean): Promise<Swapped> {
    const after = await this.domains.stored(server);
    if (isTaken(after.description)) return this.outcome(server, fence, after.description);
    const record = await this.wayBacks.readKept(server, fence.runId);
    if (record === null) throw new ModosuError('INTERNAL', `The way back of run ${fence.runId} is not in ${this.wayBacks.directoryOf(fence.runId)}.`);
    await this.putBack(server, fence, record);
    throw new ModosuError(
      'SWAP_REFUSED',
      `libvirt took ${what} of ${server.name} but did not keep its disks and links as given; the old definition was put back.`,
      { context: { uuid: server.uuid } },
    );
  }

  private async putBack(server: ServerRef, fence: Fence, record: WayBackRecord): Promise<void> {
    if (record.wasGone) {
      // First: whoever finds it gone after a crash must not take it for the work of somebody else.
      await this.wayBacks.markTaken(fence.runId, false);
      await this.definitions.undefine(server, fence);
    } else {
      const { description } = await this.domains.stored(server);
      // Here a disk that is there no more is no reason to stop: the old definition brings it back as it was.
      const xml = rewriteForReturn(await this.wayBacks.definitionOf(fence.runId), fence, description.name, stayingNow(record, description), []);
      await this.definitions.define(xml, `the old definition of ${server.name}`, () => this.definitions.requireStillOurs(server, fence, false));
    }
    await this.wayBacks.markReverted(fence.runId);
  }

  /** What `ofRunId` has kept, for a return to it. */
  private async requireSource(server: ServerRef, fence: Fence, ofRunId: string): Promise<WayBackRecord> {
    if (ofRunId === fence.runId) {
      throw new ModosuError('SWAP_REFUSED', `Run ${ofRunId} cannot return to what it has replaced itself; it takes its swap back instead.`);
    }
    const source = await this.wayBacks.readOpen(server, ofRunId);
    if (source === null) {
      throw new ModosuError(
        'WAY_BACK_NOT_FOUND',
        `The hypervisor's host keeps nothing that run ${ofRunId} has replaced (${this.wayBacks.directoryOf(ofRunId)}).`,
        { context: { uuid: server.uuid } },
      );
    }
    if (source.wasGone) {
      throw new ModosuError('WAY_BACK_EMPTY', `The hypervisor did not know ${server.name} before run ${ofRunId}: there is nothing to return to.`, {
        context: { uuid: server.uuid },
      });
    }
    return source;
  }
}

/** Disks and NVRAM of the request stand in the definition. */
function isInPlace(present: DomainDescription, request: SwapRequest): boolean {
  const kept = keptOf(request);
  const disksSwapped =
    present.disks.length === request.volumes.length + kept.length &&
    request.volumes.every((volume) =>
      present.disks.some((disk) => disk.target === volume.target && disk.path === volume.newPath && disk.format === volume.format),
    ) &&
    kept.every(({ target, path }) => present.disks.some((disk) => disk.target === target && disk.path === path));
  return disksSwapped && (request.nvramNewPath === null || present.nvram?.path === request.nvramNewPath);
}

const keptOf = ({ keptDisks = [] }: SwapRequest): NonNullable<SwapRequest['keptDisks']> => keptDisks;

/** The disks that a swap has left as they were, as they are in the present definition. */
const stayingNow = (record: WayBackRecord, present: DomainDescription): readonly DefinedDisk[] => {
  const targets = new Set(unchangedDisks(record).map(({ target }) => target));
  return present.disks.filter(({ target }) => targets.has(target));
};

/** All of them have to be there still: another server may use by now what this one has no more. */
function requireStaying(record: WayBackRecord, present: DomainDescription): readonly DefinedDisk[] {
  const staying = stayingNow(record, present);
  const gone = unchangedDisks(record).filter(({ target }) => !staying.some((disk) => disk.target === target));
  if (gone.length === 0) return staying;
  throw new ModosuError(
    'SWAP_REFUSED',
    `Run ${record.runId} has kept ${gone.map(({ target, path }) => `${target} (${path})`).join(', ')} as it was, and the server has it no more. Nothing was changed.`,
    {
      hint: 'Attach it again under the same target, then try again.',
      context: { paths: gone.map(({ path }) => path) },
    },
  );
}

function requireDefinitionOf(server: ServerRef, xml: string): DomainDescription {
  const described = describeDomain(parseDomain(xml));
  if (described.uuid.toLowerCase() === requireUuid(server.uuid)) return described;
  throw new ModosuError('SWAP_REFUSED', `The definition is that of another server (${described.uuid}, ${described.name}).`, { context: { uuid: server.uuid } });
}

/** Before anything is changed: a server must not get one old disk back and lose another. Throws `WAY_BACK_INCOMPLETE`. */
async function requireComplete(record: WayBackRecord): Promise<void> {
  const words = { same: '', missing: 'is missing', exchanged: 'is another file now', unreachable: 'cannot be reached' };
  const problems: string[] = [];
  for (const file of [...replacedVolumes(record), ...(record.nvram === null ? [] : [record.nvram])]) {
    const state = await stateOf(file);
    if (file.identity === NOT_THERE) problems.push(`${file.path} was not there even before run ${record.runId}`);
    else if (state !== 'same') problems.push(`${file.path} ${words[state]}`);
  }
  if (problems.length > 0) {
    throw new ModosuError('WAY_BACK_INCOMPLETE', `What run ${record.runId} has replaced is not complete: ${problems.join('; ')}. Nothing was changed.`, {
      context: { paths: problems },
    });
  }
}

/** A definition must never name a file that is not there: the server would not start, and its old disks would be out of use. */
async function requireFiles(request: SwapRequest): Promise<void> {
  const paths = [
    ...request.volumes.map((volume) => volume.newPath),
    ...keptOf(request).map(({ path }) => path),
    ...(request.nvramNewPath === null ? [] : [request.nvramNewPath]),
  ];
  for (const path of paths) {
    const found = await stat(path).catch((error: unknown) => {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw new ModosuError('TARGET_UNREACHABLE', `The volume ${path} cannot be looked at (${code ?? errorMessage(error)}); nothing was changed.`, {
        context: { path },
        cause: error,
      });
    });
    if (found === null || !found.isFile()) {
      throw new ModosuError('SWAP_REFUSED', `The volume ${path} is not there; nothing was changed.`, { context: { path } });
    }
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
