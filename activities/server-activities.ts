import { setTimeout as delay } from 'node:timers/promises';
import type { AppliedChange } from '../src/contracts/activities/relations';
import type { BackupSubject, BegunOnlineBackup, ImageBasis, OnlineBackupStart, ServerActivities } from '../src/contracts/activities/images';
import { keptDisksOf, type OldDisk, type RestorePlanBody } from '../src/contracts/plan';
import type { HealthCheck } from '../src/contracts/protection';
import type { StepProgram } from '../src/contracts/reading';
import type { WayBackFacts } from '../src/contracts/way-back';
import type { BackupImageInput, ConfirmInput, RestoreServerInput, RunInput, UndoInput } from '../src/contracts/workflows';
import type { OnlineBackupRequest } from '../src/hypervisors/hypervisor';
import { checkHealth } from '../src/guests/health-checks';
import { isModosuError } from '../src/contracts/errors';
import { wholeAfterAll } from '../src/domain/planning/image-basis';
import type { ActivityDependencies } from './dependencies';
import { finalWhen } from './failures';
import { aliveWithin, whileAlive } from './heartbeat';
import { programInGuest } from './guest-programs';
import { fenceOf, guestOf, requireHeld, serverRef } from './server-of-run';

/** How long a guest that was asked to shut down is waited for at least, and at most, before it is believed that it goes on running. */
const SHUTDOWN_AT_LEAST_MS = 30_000;
const SHUTDOWN_AT_MOST_MS = 20 * 60_000;
const POLL_MS = 500;

/** Calls that change a server, each under the run's fence; see `ServerActivities`. */
export class ServerCalls implements ServerActivities {
  constructor(private readonly deps: ActivityDependencies) {}

  takeFence(input: RunInput): Promise<boolean> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).takeFence(serverRef(input), fenceOf(input)));
  }

  releaseFence(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).releaseFence(serverRef(input), fenceOf(input)));
  }

  shutDown(input: RunInput): Promise<void> {
    return whileAlive(async (signal) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      await hypervisor.shutDown(serverRef(input), fenceOf(input), { deadlineMs: input.stopTimeoutSeconds * 1000, signal });
    });
  }

  powerOff(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).powerOff(serverRef(input), fenceOf(input)));
  }

  start(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).start(serverRef(input), fenceOf(input)));
  }

  startAfterShutdown(input: RunInput): Promise<{ mayStillStop: boolean }> {
    return whileAlive(async (signal) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const giveUpAt = performance.now() + Math.min(SHUTDOWN_AT_MOST_MS, Math.max(SHUTDOWN_AT_LEAST_MS, input.stopTimeoutSeconds * 1000));
      // Started while it still shuts down it would stay off: "running" here is not yet the state that lasts.
      let isOff = (await hypervisor.powerState(serverRef(input))) === 'off';
      while (!isOff && performance.now() < giveUpAt) {
        await delay(POLL_MS, undefined, { signal });
        isOff = (await hypervisor.powerState(serverRef(input))) === 'off';
      }
      await hypervisor.start(serverRef(input), fenceOf(input));
      return { mayStillStop: !isOff };
    });
  }

  waitForAgent(input: RunInput): Promise<void> {
    return aliveWithin(input.agentTimeoutSeconds * 1000, async (options) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      await finalWhen('AGENT_SILENT', hypervisor.guestAgent(serverRef(input)).waitUntilAnswering(options));
    });
  }

  swapVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      return hypervisor.swap({
        server: serverRef(input),
        fence: fenceOf(input),
        definition: plan.definitionFrom === 'present' ? { from: 'present' } : { from: 'recovery-point', path: await this.verifiedDefinition(input, plan) },
        volumes: plan.volumes,
        keptDisks: keptDisksOf(plan),
        nvramNewPath: plan.nvramNewPath,
        renewGenerationId: plan.renewsGenerationId,
        quarantinedMacs: plan.quarantinedMacs,
      });
    });
  }

  /** Only where the definition comes from the recovery point: a repository that is away must not stop a swap that needs nothing from it. */
  private async verifiedDefinition(input: RestoreServerInput, plan: RestorePlanBody): Promise<string> {
    const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
    await repository.verifySmallFiles(input.serverId, plan.recoveryPoint.id);
    return (await repository.open(input.serverId, plan.recoveryPoint.id)).definitionPath;
  }

  revertSwap(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).revertSwap(serverRef(input), fenceOf(input)));
  }

  returnVolumes(input: UndoInput): Promise<{ readonly generationId: string | null; readonly kept: WayBackFacts }> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).returnVolumes(serverRef(input), fenceOf(input), input.ofRunId));
  }

  discardKept(input: ConfirmInput): Promise<{ readonly deleted: readonly string[] }> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).discardKept(serverRef(input), fenceOf(input), input.ofRunId));
  }

  attachOldDisk(input: RunInput, disk: OldDisk): Promise<{ readonly target: string }> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).attachOldDisk(serverRef(input), fenceOf(input), disk));
  }

  goLive(input: RunInput): Promise<{ readonly raised: readonly string[] }> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).goLive(serverRef(input), fenceOf(input)));
  }

  checkHealth(input: RunInput, check: HealthCheck): Promise<{ readonly evidence: string }> {
    return aliveWithin(check.timeoutSeconds * 1000, async (options) => checkHealth(await guestOf(this.deps, input), check, options));
  }

  applyChange(input: RunInput, program: StepProgram): Promise<AppliedChange> {
    return whileAlive(async (signal) => {
      const agent = await guestOf(this.deps, input);
      await requireHeld(this.deps, input);
      return programInGuest(agent, program, signal);
    });
  }

  prepareOnlineBackup(input: BackupImageInput, subject: BackupSubject, basis: ImageBasis): Promise<ImageBasis> {
    return whileAlive((signal) =>
      this.onBasis(input, subject, basis, async (intended) => {
        const hypervisor = await this.deps.hypervisor(input.hypervisor);
        await finalWhen('AGENT_SILENT', hypervisor.prepareOnlineBackup(await this.onlineRequest(input, subject, intended), { signal }));
        return intended;
      }),
    );
  }

  beginOnlineBackup(input: BackupImageInput, subject: BackupSubject, basis?: ImageBasis): Promise<BegunOnlineBackup> {
    return whileAlive(async (signal) => {
      if (basis === undefined) return this.beginOnline(input, subject, null, signal);
      return this.onBasis(input, subject, basis, async (intended) => begunOn(await this.beginOnline(input, subject, intended, signal), intended, subject));
    });
  }

  /** Where the hypervisor refuses the basis: without what it builds on, then without a checkpoint. With neither there is none to be refused. */
  private async onBasis<T>(input: BackupImageInput, subject: BackupSubject, basis: ImageBasis, work: (intended: ImageBasis) => Promise<T>): Promise<T> {
    for (let intended = basis; ;) {
      try {
        return await work(intended);
      } catch (thrown) {
        if (!intended.leavesCheckpoint || !isModosuError(thrown) || thrown.code !== 'CHECKPOINT_LOST') throw thrown;
        this.deps.log.warn({ runId: input.runId, server: input.serverName, why: thrown.message }, 'whole images are taken');
        intended = { ...wholeAfterAll(intended, subject, thrown.message), leavesCheckpoint: intended.parentId !== null };
      }
    }
  }

  /** `basis` null: asked for by a run of an earlier version, which leaves no checkpoint. */
  private async beginOnline(input: BackupImageInput, subject: BackupSubject, basis: ImageBasis | null, signal: AbortSignal): Promise<OnlineBackupStart> {
    const hypervisor = await this.deps.hypervisor(input.hypervisor);
    return finalWhen('AGENT_SILENT', hypervisor.beginOnlineBackup(await this.onlineRequest(input, subject, basis), { signal }));
  }

  private async onlineRequest(input: BackupImageInput, subject: BackupSubject, basis: ImageBasis | null): Promise<OnlineBackupRequest> {
    const staged = await (await this.deps.imageRepository(input.repository)).stage(input.recoveryPointId);
    return {
      server: serverRef(input),
      fence: fenceOf(input),
      disks: subject.disks.map(({ target, path }) => {
        const continued = basis?.incremental.find((disk) => disk.target === target);
        return { target, path, targetPath: staged.diskPath(target), ...(continued === undefined ? {} : { backingName: continued.backingName }) };
      }),
      ...(basis?.leavesCheckpoint === true ? { checkpoint: input.recoveryPointId } : {}),
      ...(basis?.parentId == null ? {} : { since: basis.parentId }),
      definitionFingerprint: subject.definitionFingerprint,
      quiesce: input.quiesce,
      allowCrashConsistent: input.allowCrashConsistent,
      limits: { ...input.onlineBackup, rateLimitBytesPerSecond: lowest(input.onlineBackup.rateLimitBytesPerSecond, this.deps.copyRateLimitBytesPerSecond) },
    };
  }

  settleOnlineBackup(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).settleOnlineBackup(serverRef(input), input.runId));
  }

  cancelOnlineBackup(input: RunInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).cancelOnlineBackup(serverRef(input), input.runId));
  }
}

/** What was begun may have been begun by an earlier attempt, which had to content itself with whole images. */
function begunOn(start: OnlineBackupStart, basis: ImageBasis, subject: BackupSubject): BegunOnlineBackup {
  if ((start.since ?? null) === basis.parentId) return { ...start, basis };
  return { ...start, basis: wholeAfterAll(basis, subject, `what has changed since recovery point ${basis.parentId} could not be told`) };
}

/** The lower of two limits, null when there is none. */
function lowest(one: number | null, other: number | undefined): number | null {
  if (one === null) return other ?? null;
  return other === undefined ? one : Math.min(one, other);
}
