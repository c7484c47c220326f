import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OnlineBackupStart } from '../../src/contracts/activities';
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
  readonly disks: readonly { readonly target: string; readonly targetPath: string; readonly content: Buffer }[];
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
  private readonly jobs = new Map<string, FakeJob>();

  constructor(private readonly view: FakeOnlineView) {}

  /** The fence was judged already. */
  async begin(request: OnlineBackupRequest, signal: AbortSignal): Promise<OnlineBackupStart> {
    signal.throwIfAborted();
    const { server, fence, disks } = request;
    const earlier = this.jobs.get(fence.runId);
    if (earlier !== undefined) return earlier.start;
    if (this.view.powerState(server) === 'off') throw new ModosuError('BACKUP_JOB_LOST', `${server.name} is off: an online backup needs it to run.`);
    this.requireUnchanged(request);
    if ([...this.jobs.values()].some((job) => job.server.uuid === server.uuid && job.state === 'running')) {
      throw new ModosuError('BACKUP_JOB_FOREIGN', `Another backup of ${server.name} runs.`);
    }
    for (const { targetPath } of disks) await this.write(targetPath, Buffer.alloc(0));
    const start = this.start(request);
    const { disks: present } = this.view.definition(server);
    const contents: FakeJob['disks'][number][] = [];
    for (const { target, targetPath } of disks) {
      const disk = present.find((candidate) => candidate.target === target);
      if (disk !== undefined) contents.push({ target, targetPath, content: await this.view.readDisk(disk.path, disk.format) });
    }
    this.jobs.set(fence.runId, { server, start, disks: contents, state: 'running' });
    return start;
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
        for (const { targetPath, content } of job.disks) if (job.state === 'running') await this.write(targetPath, fakeQcow2(content));
        job.state = 'completed';
        return { virtualSizeBytes: Object.fromEntries(job.disks.map(({ target, content }) => [target, content.length])) };
      }
      await delay(Math.max(POLL_MS, this.faults.jobMs / 10), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  cancel(server: ServerRef, runId: string): void {
    if (this.jobs.get(runId)?.server.uuid === server.uuid) this.jobs.delete(runId);
  }

  sweep(openRunIds: ReadonlySet<string>): readonly string[] {
    const done: string[] = [];
    for (const [runId, job] of this.jobs) {
      if (openRunIds.has(runId)) continue;
      this.jobs.delete(runId);
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
