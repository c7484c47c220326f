import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isId } from '../../../contracts/ids';
import { ModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import type { WayBackFacts } from '../../../contracts/way-back';
import { errorCode, errorMessage, fileExists, fsyncDirectory, writeFileDurably } from '../../../system/files';
import { describeDomain, parseDomain, type DomainDescription } from '../domains/domain-xml';
import { allocatedBytesOf, remember, stateOf, UNKNOWN, type KeptFile } from './kept-files';
import { newPathBeside } from '../volumes/volumes';
import { requireUuid } from '../virsh';

const fileSchema = z.object({ path: z.string(), identity: z.string(), directory: z.string() });
/** `way-back/<runId>/way-back.json`. Beside it, in `definition.xml`, what stood there: without any fence, with what the host hides by default. */
const recordSchema = z.object({
  version: z.literal(2),
  uuid: z.string(),
  wasGone: z.boolean(),
  ofRunId: z.string().nullable(),
  volumes: z.array(fileSchema.extend({ target: z.string(), allocatedBytes: z.number() })),
  nvram: fileSchema.nullable(),
  generationId: z.string().nullable(),
  puts: z.array(z.string()),
  quarantined: z.array(z.string()),
  taken: z.boolean().default(true),
  reverted: z.boolean(),
});
const firstSchema = z.strictObject({ uuid: z.string(), wasGone: z.boolean() });

/** What stood there before a run's swap, and what the swap has put in its place. */
export interface WayBackRecord {
  readonly runId: string;
  readonly uuid: string;
  /** The hypervisor did not know the server. */
  readonly wasGone: boolean;
  /** The run whose volumes this swap has returned to, and whose way back it has used up; null for a restore. */
  readonly ofRunId: string | null;
  readonly volumes: readonly (KeptFile & { readonly target: string; readonly allocatedBytes: number })[];
  /** Null: none, or libvirt has placed it itself. */
  readonly nvram: KeptFile | null;
  readonly generationId: string | null;
  /** Files of the definition that the swap has put in place. */
  readonly puts: readonly string[];
  /** MACs of the links this swap has put down. */
  readonly quarantined: readonly string[];
  /** libvirt was seen to have the swap in place: what it has put there may be in use by a server, also by one that libvirt does not know any more. */
  readonly taken: boolean;
  /** The run has taken its swap back: nothing is kept, and a swap of it that is still on its way must not go on. */
  readonly reverted: boolean;
}

type StoredRecord = Omit<WayBackRecord, 'runId'> & { readonly version: 2 };

/** What a swap is about to do, for its record. */
export type WayBackIntent = Pick<WayBackRecord, 'ofRunId' | 'puts' | 'quarantined'>;

/**
 * The records of what swaps have replaced, in the adapter's state directory: on stable storage before each swap, so that whoever comes after a crash finds
 * them.
 */
export class WayBacks {
  private readonly root: string;

  constructor(private readonly stateDirectory: string) {
    this.root = join(stateDirectory, 'way-back');
  }

  directoryOf(runId: string): string {
    if (!isId('run', runId)) throw new ModosuError('REQUEST_INVALID', `${JSON.stringify(runId)} is not the id of a run.`);
    return join(this.root, runId);
  }

  /**
   * Stands for a run that has taken back a swap it had no record of yet. A file of its own: an attempt that is on its way writes the record, and must not be
   * able to write this away.
   */
  private readonly forbiddenPathOf = (runId: string): string => join(this.directoryOf(runId), 'taken-back');
  readonly definitionPathOf = (runId: string): string => join(this.directoryOf(runId), 'definition.xml');
  private readonly recordPathOf = (runId: string): string => join(this.directoryOf(runId), 'way-back.json');

  /** Keeps what stands there (`xml` without a fence; null for a server that is gone), replacing what an earlier attempt of the run has kept. */
  async keep(server: ServerRef, runId: string, xml: string | null, intent: WayBackIntent): Promise<void> {
    const uuid = requireUuid(server.uuid);
    const described = xml === null ? null : describeDomain(parseDomain(xml));
    const nvramPath = described?.nvram?.path ?? null;
    const volumes = await Promise.all((described?.disks ?? []).map(async ({ target, path }) => ({ target, ...(await remember(path)) })));
    const nvram = nvramPath === null ? null : await remember(nvramPath);
    const record: StoredRecord = {
      version: 2,
      uuid,
      wasGone: described === null,
      ofRunId: intent.ofRunId,
      volumes,
      nvram,
      generationId: described?.generationId ?? null,
      puts: intent.puts,
      quarantined: intent.quarantined,
      taken: false,
      reverted: false,
    };
    await mkdir(this.directoryOf(runId), { recursive: true, mode: 0o700 });
    await fsyncDirectory(this.stateDirectory);
    await fsyncDirectory(this.root);
    if (xml !== null) await writeFileDurably(this.definitionPathOf(runId), xml);
    await this.write(runId, record);
  }

  /** Null: this run has kept nothing. Throws `SWAP_REFUSED` for a record of another server, `WAY_BACK_INCOMPLETE` for one that cannot be read. */
  async read(server: ServerRef, runId: string): Promise<WayBackRecord | null> {
    return ofServer(server, await this.find(runId));
  }

  /** As `read`; null also when nothing is kept because the run has taken its swap back before it had kept anything. */
  async readKept(server: ServerRef, runId: string): Promise<WayBackRecord | null> {
    return ofServer(server, await this.findKept(runId));
  }

  /** As `read`, of whatever server. */
  async find(runId: string): Promise<WayBackRecord | null> {
    const [record, forbidden] = [await this.findKept(runId), await this.forbidden(runId)];
    return record === null ? forbidden : { ...record, reverted: record.reverted || forbidden !== null };
  }

  private async findKept(runId: string): Promise<WayBackRecord | null> {
    const path = this.recordPathOf(runId);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
    const unreadable = (problem: string, cause: unknown): ModosuError =>
      new ModosuError('WAY_BACK_INCOMPLETE', `The record ${path} of what run ${runId} has replaced cannot be read: ${problem}.`, {
        hint: 'Look at it and at the definition beside it; nothing is deleted while it cannot be read.',
        context: { path },
        cause,
      });
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch (error) {
      throw unreadable(errorMessage(error), error);
    }
    const current = recordSchema.safeParse(parsed);
    if (current.success) return { runId, ...current.data };
    const first = firstSchema.safeParse(parsed);
    if (first.success) return this.completeFirst(runId, first.data);
    throw unreadable(first.error.issues[0]?.message ?? 'unknown form', first.error);
  }

  /** From now on no swap of this run can be carried out, also not by an attempt that is on its way. For a run without a record; called again, nothing more. */
  async forbid(server: ServerRef, runId: string): Promise<void> {
    const uuid = requireUuid(server.uuid);
    await mkdir(this.directoryOf(runId), { recursive: true, mode: 0o700 });
    await fsyncDirectory(this.stateDirectory);
    await fsyncDirectory(this.root);
    await writeFileDurably(this.forbiddenPathOf(runId), `${uuid}\n`);
    // An attempt that has died may have left a definition, and it holds passwords. One that may still define has written its record before this.
    if ((await this.findKept(runId)) === null) await rm(this.definitionPathOf(runId), { force: true });
  }

  /** Throws `SWAP_REFUSED` when this run has taken its swap back. */
  async requireNotForbidden(server: ServerRef, runId: string): Promise<void> {
    if ((await this.read(server, runId))?.reverted === true) throw takenBack(server, runId);
  }

  private async forbidden(runId: string): Promise<WayBackRecord | null> {
    try {
      const uuid = (await readFile(this.forbiddenPathOf(runId), 'utf8')).trim();
      return {
        runId,
        uuid,
        wasGone: false,
        ofRunId: null,
        volumes: [],
        nvram: null,
        generationId: null,
        puts: [],
        quarantined: [],
        taken: false,
        reverted: true,
      };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** As `read`; null also when the run has taken its swap back. */
  async readOpen(server: ServerRef, runId: string): Promise<WayBackRecord | null> {
    const record = await this.read(server, runId);
    return record === null || record.reverted ? null : record;
  }

  async definitionOf(runId: string): Promise<string> {
    const path = this.definitionPathOf(runId);
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      // Storage that does not answer now is no reason to give up: whoever asks tries again.
      const code = errorCode(error);
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
      throw new ModosuError('WAY_BACK_INCOMPLETE', `The kept definition ${path} cannot be read: ${errorMessage(error)}.`, { context: { path }, cause: error });
    }
  }

  /** Records of other runs (of all servers) that would still return to what they name: neither taken back nor used up by an undo. */
  async othersStillNeeded(runId: string): Promise<readonly WayBackRecord[]> {
    const records = (await this.all()).filter((record) => !record.reverted);
    const usedUp = new Set(records.map(({ ofRunId }) => ofRunId));
    return records.filter((record) => record.runId !== runId && !record.wasGone && !usedUp.has(record.runId));
  }

  markTaken = (runId: string, taken: boolean): Promise<void> => this.mark(runId, { taken });
  markReverted = (runId: string): Promise<void> => this.mark(runId, { reverted: true });

  private async mark(runId: string, change: Partial<Pick<WayBackRecord, 'taken' | 'reverted'>>): Promise<void> {
    const record = await this.find(runId);
    if (record === null || record.reverted) return;
    const { runId: _name, ...rest } = record;
    await this.write(runId, { version: 2, ...rest, ...change });
  }

  /** Forgets a record, durably. Called again after a crash it removes what is left of it. */
  async remove(runId: string): Promise<void> {
    const directory = this.directoryOf(runId);
    if (!(await fileExists(directory))) return;
    // Without this file it is a record no more, whatever else is left.
    await rm(this.recordPathOf(runId), { force: true });
    await fsyncDirectory(directory);
    await rm(directory, { recursive: true, force: true });
    await fsyncDirectory(this.root);
  }

  /** What is kept, as it is now. */
  async factsOf(record: WayBackRecord): Promise<WayBackFacts> {
    const replaced = replacedVolumes(record);
    const files = [...replaced, ...(record.nvram === null ? [] : [record.nvram])];
    const states = await Promise.all(files.map(stateOf));
    return {
      wasGone: record.wasGone,
      volumes: await Promise.all(replaced.map(async ({ target, path }) => ({ target, path, allocatedBytes: await allocatedBytesOf(path) }))),
      unchanged: unchangedDisks(record).map(({ target, path }) => ({ target, path })),
      nvramPath: record.nvram === null || record.puts.includes(record.nvram.path) ? null : record.nvram.path,
      generationId: record.generationId,
      complete: states.every((state) => state === 'same'),
    };
  }

  private async write(runId: string, record: StoredRecord): Promise<void> {
    await writeFileDurably(this.recordPathOf(runId), `${JSON.stringify(record)}\n`);
  }

  private async all(): Promise<readonly WayBackRecord[]> {
    const records = await Promise.all((await this.runIds()).map((runId) => this.find(runId)));
    return records.filter((record) => record !== null);
  }

  private async runIds(): Promise<readonly string[]> {
    const names = await readdir(this.root).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    return names.filter((name) => isId('run', name));
  }

  /**
   * For tidiness alone, and never throws: what cannot be removed now goes after the next swap. Removes what runs of the server have left that have taken
   * their swap back. Only after the swap of this run: an attempt of theirs that comes now meets a newer fence, where until then the mark alone stops it (a
   * server that is gone has no fence).
   */
  async sweepReverted({ uuid }: ServerRef, runId: string): Promise<void> {
    for (const other of await this.runIds().catch(() => [])) {
      const record = await this.find(other).catch(() => null);
      if (record?.uuid === requireUuid(uuid) && record.reverted && other !== runId) await this.remove(other).catch(() => undefined);
    }
  }

  /** A record of the first version says only whether the server was gone: the rest is in its definition, and identities are not known. */
  private async completeFirst(runId: string, { uuid, wasGone }: { readonly uuid: string; readonly wasGone: boolean }): Promise<WayBackRecord> {
    const described = wasGone ? null : describeDomain(parseDomain(await this.definitionOf(runId)));
    const unknown = (path: string): KeptFile => ({ path, identity: UNKNOWN, directory: UNKNOWN });
    const nvramPath = described?.nvram?.path ?? null;
    const volumes = (described?.disks ?? []).map(({ target, path }) => ({ target, ...unknown(path), allocatedBytes: 0 }));
    const puts = [...volumes.map(({ path }) => path), ...(nvramPath === null ? [] : [nvramPath])].map((path) => newPathBeside(path, runId));
    const madeByIt = await Promise.all(puts.map(fileExists));
    return {
      runId,
      uuid,
      wasGone,
      ofRunId: null,
      volumes,
      nvram: nvramPath === null ? null : unknown(nvramPath),
      generationId: described?.generationId ?? null,
      puts,
      quarantined: [],
      taken: true,
      // The first version left the record of a swap that was taken back, and deleted the volumes.
      reverted: puts.length > 0 && madeByIt.every((exists) => !exists),
    };
  }
}

export const takenBack = (server: ServerRef, runId: string): ModosuError =>
  new ModosuError('SWAP_REFUSED', `Run ${runId} has taken back its swap of ${server.name} meanwhile.`, {
    hint: `This attempt came too late and has changed nothing; \`modosu run show ${runId}\` says how the run went on.`,
    context: { uuid: server.uuid },
  });

function ofServer(server: ServerRef, record: WayBackRecord | null): WayBackRecord | null {
  if (record === null || record.uuid === requireUuid(server.uuid)) return record;
  throw new ModosuError('SWAP_REFUSED', `The way back of run ${record.runId} belongs to another server.`, { context: { uuid: server.uuid } });
}

/** Files that the definition before the swap names and the one after it does not: a disk that was kept, or an NVRAM that was not restored, is still in use. */
export function replacedFiles(record: WayBackRecord): readonly KeptFile[] {
  return [...record.volumes, ...(record.nvram === null ? [] : [record.nvram])].filter(({ path }) => !record.puts.includes(path));
}

/** Disks that the swap has left as they were: named before and after it. They belong to the server all the time, and to nobody's way back. */
export const unchangedDisks = (record: WayBackRecord): WayBackRecord['volumes'] => record.volumes.filter(({ path }) => record.puts.includes(path));

export const replacedVolumes = (record: WayBackRecord): WayBackRecord['volumes'] => record.volumes.filter(({ path }) => !record.puts.includes(path));

/** Files a definition names itself. */
export const namedFiles = (described: DomainDescription): readonly string[] => [
  ...described.disks.map(({ path }) => path),
  ...(described.nvram?.path ? [described.nvram.path] : []),
];
