import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ServerActivities } from '../src/contracts/activities';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { Fence } from '../src/contracts/server';
import type { RestoreServerInput, RunInput } from '../src/contracts/workflows';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { serverRef } from './host-activities';

/** How long a guest that was asked to shut down is waited for at least, and at most, before it is believed that it goes on running. */
const SHUTDOWN_AT_LEAST_MS = 30_000;
const SHUTDOWN_AT_MOST_MS = 20 * 60_000;
const POLL_MS = 500;

const fenceOf = (input: RunInput): Fence => ({ runId: input.runId, token: input.fencingToken });

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
    return whileAlive(async (signal) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      // A second attempt goes on with the deadline of the first: a guest that never starts must not be waited for again and again.
      const sinceFirstAttemptMs = Date.now() - Context.current().info.scheduledTimestampMs;
      const deadlineMs = Math.max(1_000, input.agentTimeoutSeconds * 1000 - sinceFirstAttemptMs);
      await hypervisor.guestAgent(serverRef(input)).waitUntilAnswering({ deadlineMs, signal });
    });
  }

  swapVolumes(input: RestoreServerInput, plan: RestorePlanBody): Promise<{ generationId: string | null }> {
    return whileAlive(async () => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      return hypervisor.swap({
        server: serverRef(input),
        fence: fenceOf(input),
        definition: plan.definitionFrom === 'present' ? { from: 'present' } : { from: 'recovery-point', path: await this.verifiedDefinition(input, plan) },
        volumes: plan.volumes,
        nvramNewPath: plan.nvramNewPath,
        renewGenerationId: plan.renewsGenerationId,
      });
    });
  }

  /** Only where the definition comes from the recovery point: a repository that is away must not stop a swap that needs nothing from it. */
  private async verifiedDefinition(input: RestoreServerInput, plan: RestorePlanBody): Promise<string> {
    const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
    await repository.verifySmallFiles(input.serverId, plan.recoveryPoint.id);
    return (await repository.open(input.serverId, plan.recoveryPoint.id)).definitionPath;
  }

  revertSwap(input: RestoreServerInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).revertSwap(serverRef(input), fenceOf(input)));
  }
}
