import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModosuError } from '../../src/contracts/errors';
import type { ServerRef } from '../../src/contracts/server';
import type { WayBackFacts } from '../../src/contracts/way-back';
import { allocatedBytesOf, NOT_THERE, remember, stateOf, type KeptFile } from '../../src/hypervisors/libvirt/swaps/kept-files';
import { filesNamedBy, filesUsedBy, usesSameFiles, type FakeDefinition, type FakeServer } from './fake-server';

interface FakeRecord {
  readonly runId: string;
  readonly uuid: string;
  readonly ofRunId: string | null;
  /** Null: the server was gone. */
  readonly before: FakeDefinition | null;
  readonly files: readonly KeptFile[];
  readonly puts: readonly string[];
  readonly quarantined: readonly string[];
  taken: boolean;
  reverted: boolean;
}

/** What the swaps of the fake hypervisor have replaced. The files are real, so their identities are too. */
export class FakeWayBacks {
  private readonly records = new Map<string, FakeRecord>();

  /** Null: nothing is kept, or the run has taken its swap back. */
  open(server: ServerRef, runId: string): FakeRecord | null {
    const record = this.records.get(runId);
    if (record === undefined || record.reverted) return null;
    if (record.uuid !== server.uuid) throw new ModosuError('SWAP_REFUSED', `The way back of run ${runId} belongs to another server.`);
    return record;
  }

  async keep(
    server: ServerRef,
    runId: string,
    before: FakeDefinition | null,
    next: FakeDefinition,
    more: Pick<FakeRecord, 'ofRunId' | 'quarantined'>,
  ): Promise<FakeRecord> {
    const earlier = this.open(server, runId);
    if (earlier !== null && before !== null && this.isSwappedBy(earlier, before)) return earlier;
    const files = await Promise.all((before === null ? [] : filesNamedBy(before)).map(remember));
    const record: FakeRecord = { runId, uuid: server.uuid, before, files, puts: filesNamedBy(next), taken: false, reverted: false, ...more };
    this.records.set(runId, record);
    return record;
  }

  isSwappedBy(record: FakeRecord, present: FakeDefinition): boolean {
    if (record.before !== null && usesSameFiles(record.before, present)) return false;
    const before = new Set(record.before === null ? [] : filesNamedBy(record.before));
    return filesUsedBy(present).some((path) => record.puts.includes(path) && !before.has(path));
  }

  /** The record to return to. */
  source(server: ServerRef, runId: string): FakeRecord & { readonly before: FakeDefinition } {
    const record = this.open(server, runId);
    if (record === null) throw new ModosuError('WAY_BACK_NOT_FOUND', `Nothing is kept of run ${runId}.`);
    if (record.before === null) throw new ModosuError('WAY_BACK_EMPTY', `${server.name} was not there before run ${runId}.`);
    return { ...record, before: record.before };
  }

  /** What a swap has replaced, as it is defined again: disks that it has left as they were keep the file they have now. */
  returned(record: FakeRecord, before: FakeDefinition, present: FakeDefinition): FakeDefinition {
    return {
      ...before,
      disks: before.disks.map((disk) => (record.puts.includes(disk.path) ? (present.disks.find(({ target }) => target === disk.target) ?? disk) : disk)),
    };
  }

  requireStaying(record: FakeRecord & { readonly before: FakeDefinition }, present: FakeDefinition): void {
    const gone = record.before.disks.find((disk) => record.puts.includes(disk.path) && !present.disks.some(({ target }) => target === disk.target));
    if (gone !== undefined) throw new ModosuError('SWAP_REFUSED', `${gone.target} was kept as it was, and the server has it no more.`);
  }

  async requireComplete(record: FakeRecord): Promise<void> {
    for (const file of replacedFiles(record)) {
      const state = await stateOf(file);
      if (state !== 'same') throw new ModosuError('WAY_BACK_INCOMPLETE', `The kept file ${file.path} is ${state}.`, { context: { paths: [file.path] } });
    }
  }

  async factsOf(record: FakeRecord): Promise<WayBackFacts> {
    const { before } = record;
    const replaced = (before?.disks ?? []).filter(({ path }) => !record.puts.includes(path));
    const states = await Promise.all(replacedFiles(record).map(stateOf));
    return {
      wasGone: before === null,
      volumes: await Promise.all(replaced.map(async ({ target, path }) => ({ target, path, allocatedBytes: await allocatedBytesOf(path) }))),
      unchanged: (before?.disks ?? []).filter(({ path }) => record.puts.includes(path)).map(({ target, path }) => ({ target, path })),
      nvramPath: before === null || before.nvramPath === null || record.puts.includes(before.nvramPath) ? null : before.nvramPath,
      generationId: before?.generationId ?? null,
      complete: states.every((state) => state === 'same'),
    };
  }

  requireNotStranded(runId: string, paths: readonly string[], servers: ReadonlyMap<string, FakeServer>): void {
    const record = this.records.get(runId);
    if (record === undefined || record.reverted || !record.taken || servers.has(record.uuid)) return;
    if (paths.some((path) => record.puts.includes(path))) {
      throw new ModosuError('SERVER_GONE', `The server that run ${runId} has put its volumes into is gone.`);
    }
  }

  markTaken(runId: string): void {
    const record = this.records.get(runId);
    if (record !== undefined) record.taken = true;
  }

  /** A run that has taken back a swap that it had not begun. */
  forbid(server: ServerRef, runId: string): void {
    this.records.set(runId, { runId, uuid: server.uuid, ofRunId: null, before: null, files: [], puts: [], quarantined: [], taken: false, reverted: true });
  }

  requireNotForbidden(server: ServerRef, runId: string): void {
    if (this.records.get(runId)?.reverted === true) throw new ModosuError('SWAP_REFUSED', `Run ${runId} has taken back its swap of ${server.name} meanwhile.`);
  }

  markReverted(runId: string): void {
    const record = this.records.get(runId);
    if (record !== undefined) record.reverted = true;
  }

  /** See `Hypervisor.discardKept`; the fence is the caller's business. */
  async discard(server: ServerRef, ofRunId: string, servers: Iterable<FakeServer>): Promise<readonly string[]> {
    const record = this.open(server, ofRunId);
    const present: KeptFile[] = [];
    for (const file of record?.files ?? []) {
      if (record?.puts.includes(file.path) === true || file.identity === NOT_THERE) continue;
      const state = await stateOf(file);
      if (state === 'unreachable') throw new ModosuError('TARGET_UNREACHABLE', `The directory ${dirname(file.path)} is not there.`);
      if (state === 'exchanged') throw new ModosuError('WAY_BACK_INCOMPLETE', `${file.path} is another file now.`);
      if (state === 'same') present.push(file);
    }
    const needed = [...[...servers].map(({ definition }) => definition), ...this.othersStillNeeded(ofRunId)];
    const used = present.find(({ path }) => needed.some((definition) => filesUsedBy(definition).includes(path)));
    if (used !== undefined) throw new ModosuError('VOLUME_EXISTS', `${used.path} is in use, or another run would return to it.`);
    for (const { path } of present) await rm(path);
    this.forget(ofRunId);
    return present.map(({ path }) => path);
  }

  private othersStillNeeded(runId: string): readonly FakeDefinition[] {
    const records = [...this.records.values()].filter((record) => !record.reverted);
    const usedUp = new Set(records.map(({ ofRunId }) => ofRunId));
    return records.filter((record) => record.runId !== runId && !usedUp.has(record.runId)).flatMap(({ before }) => (before === null ? [] : [before]));
  }

  private forget(runId: string): void {
    const ofRunId = this.records.get(runId)?.ofRunId ?? null;
    if (ofRunId !== null) this.forget(ofRunId);
    this.records.delete(runId);
  }
}

/** An NVRAM that goes on being used is looked at all the same. */
const replacedFiles = ({ files, puts, before }: FakeRecord): readonly KeptFile[] =>
  files.filter(({ path }) => !puts.includes(path) || path === before?.nvramPath);
