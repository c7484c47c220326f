import { stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CheckpointSurvey, OnlineBackupStart } from '../../src/contracts/activities/images';
import type { ErrorCode } from '../../src/contracts/error-codes';
import { ModosuError } from '../../src/contracts/errors';
import type { PowerState, ServerRef } from '../../src/contracts/server';
import type { Hypervisor, OnlineBackupRequest } from '../../src/hypervisors/hypervisor';
import { errorCode } from '../../src/system/files';
import { fakeQcow2 } from './fake-qcow2';
import type { FakeDefinition } from './fake-server';

/** How an online backup of the fake goes; a test changes it as it likes. */
export interface FakeOnlineFaults {
  /** The job goes on until it is false again. */
  holdJob: boolean;
  /** The job ends with this error, as often as it is followed. */
  jobFails: ErrorCode | null;
  /** The agent refuses to freeze. */
  freezeFails: boolean;
  /** Time a job takes, spread over ten reports of progress. Default 0. */
  jobMs: number;
}

interface FakeJob {
  readonly server: ServerRef;
  readonly start: OnlineBackupStart;
  readonly disks: readonly { readonly target: string; readonly targetPath: string; readonly content: Buffer; readonly backingName?: string }[];
  readonly checkpoint: string | null;
  readonly since: string | null;
  state: 'running' | 'completed';
}

/** What the fake hypervisor tells about a server. */
export interface FakeOnlineView {
  definition(server: ServerRef): FakeDefinition;
  fingerprint(server: ServerRef): string;
  powerState(server: ServerRef): PowerState | 'gone';
  agentAnswers(server: ServerRef): boolean;
  readDisk(path: string, format: 'qcow2' | 'raw'): Promise<Buffer>;
}

const POLL_MS = 5;

/** Online backups without QEMU: the point in time is the content of the files when a job begins. */
export class FakeOnlineBackups {
  readonly faults: FakeOnlineFaults = { holdJob: false, jobFails: null, freezeFails: false, jobMs: 0 };
  /** By file and name: the content then. */
  private readonly checkpoints = new Map<string, Map<string, Buffer>>();
  private readonly jobs = new Map<string, FakeJob>();
  /** Runs that are prepared, and wait for their begin. */
  readonly prepared = new Set<string>();

  constructor(private readonly view: FakeOnlineView) {}

  /** The fence was judged already. */
  async prepare(request: OnlineBackupRequest, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.jobs.has(request.fence.runId)) return;
    await this.makeTargets(request);
    this.start(request);
    this.prepared.add(request.fence.runId);
  }

  /** The same. */
  async begin(request: OnlineBackupRequest, signal: AbortSignal): Promise<OnlineBackupStart> {
    signal.throwIfAborted();
    const { server, fence, disks } = request;
    const earlier = this.jobs.get(fence.runId);
    if (earlier !== undefined) return earlier.start;
    const { checkpoint = null, since = null } = request;
    await this.makeTargets(request);
    this.prepared.delete(fence.runId);
    const start = this.start(request);
    const { disks: present } = this.view.definition(server);
    const contents: FakeJob['disks'][number][] = [];
    for (const { target, targetPath, backingName } of disks) {
      const disk = present.find((candidate) => candidate.target === target);
      if (disk === undefined) continue;
      const content = await this.view.readDisk(disk.path, disk.format);
      contents.push({ target, targetPath, content, ...(backingName === undefined ? {} : { backingName }) });
      if (checkpoint !== null && disk.format === 'qcow2') (await this.checkpointsOf(disk.path)).set(checkpoint, content);
    }
    const begun = { ...start, since };
    this.jobs.set(fence.runId, { server, start: begun, disks: contents, checkpoint, since, state: 'running' });
    return begun;
  }

  private async makeTargets(request: OnlineBackupRequest): Promise<void> {
    const { server, disks, since = null } = request;
    if (this.view.powerState(server) === 'off') throw new ModosuError('BACKUP_JOB_LOST', `${server.name} is off: an online backup needs it to run.`);
    this.requireUnchanged(request);
    if ([...this.jobs.values()].some((job) => job.server.uuid === server.uuid && job.state === 'running')) {
      throw new ModosuError('BACKUP_JOB_FOREIGN', `Another backup of ${server.name} runs.`);
    }
    if (since !== null) {
      const { found, problem } = await this.findCheckpoints(server, [since]);
      if (found === null) throw new ModosuError('CHECKPOINT_LOST', `What has changed on ${server.name} cannot be told: ${problem}`);
    }
    for (const { targetPath } of disks) await this.write(targetPath, Buffer.alloc(0));
  }

  async follow(...[{ server, runId }, { signal, onProgress }]: Parameters<Hypervisor['followOnlineBackup']>): ReturnType<Hypervisor['followOnlineBackup']> {
    for (let part = 1; ; part += 1) {
      signal.throwIfAborted();
      const job = this.jobs.get(runId);
      if (job === undefined) throw new ModosuError('BACKUP_JOB_LOST', `No backup of ${server.name} has begun that could be followed.`);
      if (this.view.powerState(server) === 'off' || this.view.powerState(server) === 'gone') {
        throw new ModosuError('BACKUP_JOB_LOST', `The backup job of ${server.name} ended with the server.`);
      }
      if (this.faults.jobFails !== null) throw new ModosuError(this.faults.jobFails, `The backup job of ${server.name} failed on purpose.`);
      const isOver = !this.faults.holdJob && (part > 10 || this.faults.jobMs === 0);
      for (const { target, content } of job.disks) {
        onProgress(target, { doneBytes: isOver ? content.length : Math.floor((content.length * Math.min(part, 9)) / 10), totalBytes: content.length });
      }
      if (isOver) {
        for (const { targetPath, content, backingName } of job.disks) {
          if (job.state === 'running') await this.write(targetPath, fakeQcow2(content, backingName));
        }
        job.state = 'completed';
        return { virtualSizeBytes: Object.fromEntries(job.disks.map(({ target, content }) => [target, content.length])) };
      }
      await delay(Math.max(POLL_MS, this.faults.jobMs / 10), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  cancel(server: ServerRef, runId: string): void {
    this.prepared.delete(runId);
    const job = this.jobs.get(runId);
    if (job?.server.uuid !== server.uuid) return;
    this.jobs.delete(runId);
    if (job.checkpoint !== null) this.removeCheckpoint(job.checkpoint);
  }

  async settle(server: ServerRef, runId: string): Promise<void> {
    const job = this.jobs.get(runId);
    if (job?.server.uuid !== server.uuid) return;
    this.jobs.delete(runId);
    for (const { path } of this.view.definition(server).disks) {
      const held = await this.checkpointsOf(path);
      for (const name of [...held.keys()]) if (name !== job.checkpoint) held.delete(name);
    }
  }

  async findCheckpoints(server: ServerRef, names: readonly string[]): Promise<CheckpointSurvey> {
    if (this.view.powerState(server) === 'gone') throw new ModosuError('SERVER_GONE', `${server.name} is gone.`);
    if (this.view.powerState(server) === 'off') return { able: [], virtualSizeBytes: {}, found: null, problem: `${server.name} is off` };
    const virtualSizeBytes: Record<string, number> = {};
    for (const { target, path, format } of this.view.definition(server).disks) virtualSizeBytes[target] = (await this.view.readDisk(path, format)).length;
    const disks = this.view.definition(server).disks.filter(({ format }) => format === 'qcow2');
    const able = disks.map(({ target }) => target);
    const held = await Promise.all(disks.map(({ path }) => this.checkpointsOf(path)));
    const name = disks.length === 0 ? undefined : names.find((one) => held.every((known) => known.has(one)));
    const isElsewhere = names.some((one) => [...this.checkpoints.values()].some((known) => known.has(one)));
    const problem = isElsewhere ? 'a disk is another file now' : 'none was left in its disks';
    if (name === undefined) return { able, virtualSizeBytes, found: null, problem };
    const changedBytes: Record<string, number> = {};
    for (const { target, path, format } of disks) {
      changedBytes[target] = changed((await this.checkpointsOf(path)).get(name) ?? Buffer.alloc(0), await this.view.readDisk(path, format));
    }
    return { able, virtualSizeBytes, found: { name, changedBytes }, problem: null };
  }

  /** A file is one by its path and by what it is. */
  private async checkpointsOf(path: string): Promise<Map<string, Buffer>> {
    const key = `${path} ${(await stat(path)).ino}`;
    const known = this.checkpoints.get(key) ?? new Map<string, Buffer>();
    this.checkpoints.set(key, known);
    return known;
  }

  private removeCheckpoint(name: string): void {
    for (const known of this.checkpoints.values()) known.delete(name);
  }

  sweep(openRunIds: ReadonlySet<string>): readonly string[] {
    const done: string[] = [];
    for (const [runId, job] of this.jobs) {
      if (openRunIds.has(runId)) continue;
      this.cancel(job.server, runId);
      if (job.state === 'running') done.push(`run ${runId} is over: cancelled its backup job of ${job.server.name}`);
    }
    return done;
  }

  /** Runs whose job goes on. */
  running(): readonly string[] {
    return [...this.jobs].filter(([, job]) => job.state === 'running').map(([runId]) => runId);
  }

  private start({ server, quiesce, allowCrashConsistent }: OnlineBackupRequest): OnlineBackupStart {
    const pointInTime = new Date().toISOString();
    const problem = !this.view.agentAnswers(server)
      ? new ModosuError('AGENT_SILENT', `The guest agent of ${server.name} does not answer.`)
      : this.faults.freezeFails
        ? new ModosuError('QUIESCE_FAILED', `The file systems of ${server.name} could not be frozen.`)
        : null;
    if (problem === null) return { pointInTime, consistency: quiesce.before === null ? 'filesystem' : 'application', frozenMs: 1, note: null };
    if (!allowCrashConsistent) throw problem;
    return { pointInTime, consistency: 'crash', frozenMs: null, note: `${server.name} was not quiesced: ${problem.message}` };
  }

  private requireUnchanged({ server, disks, definitionFingerprint }: OnlineBackupRequest): void {
    const present = this.view.definition(server).disks;
    const isSame = present.length === disks.length && disks.every(({ target, path }) => present.some((disk) => disk.target === target && disk.path === path));
    if (!isSame || this.view.fingerprint(server) !== definitionFingerprint) {
      throw new ModosuError('DEFINITION_CHANGED', `${server.name} is not as it was when the backup was examined.`);
    }
  }

  private async write(path: string, content: Uint8Array): Promise<void> {
    try {
      await writeFile(path, content);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
      throw new ModosuError('REPOSITORY_UNREACHABLE', `The directory ${dirname(path)} does not exist.`, { cause: error });
    }
  }
}

const GRAIN_BYTES = 65_536;

/** As QEMU counts: whole pieces in which anything differs. */
function changed(before: Buffer, now: Buffer): number {
  let bytes = 0;
  for (let at = 0; at < Math.max(before.length, now.length); at += GRAIN_BYTES) {
    if (!before.subarray(at, at + GRAIN_BYTES).equals(now.subarray(at, at + GRAIN_BYTES))) bytes += GRAIN_BYTES;
  }
  return bytes;
}
