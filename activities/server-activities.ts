import { setTimeout as delay } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { ServerActivities } from '../src/contracts/activities';
import type { RestorePlanBody } from '../src/contracts/plan';
import type { Fence } from '../src/contracts/server';
import type { RestoreServerInput, RunInput } from '../src/contracts/workflows';
import type { ActivityDependencies } from './dependencies';
import { whileAlive } from './heartbeat';
import { serverRef } from './host-activities';

/** How long a guest that was asked to shut down may take until it is believed that it never will. */
const SHUTDOWN_UNDER_WAY_MS = 60_000;
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

  startAfterShutdown(input: RunInput): Promise<void> {
    return whileAlive(async (signal) => {
      const hypervisor = await this.deps.hypervisor(input.hypervisor);
      const giveUpAt = performance.now() + SHUTDOWN_UNDER_WAY_MS;
      // Started while it still shuts down it would stay off: "running" here is not yet the state that lasts.
      while ((await hypervisor.powerState(serverRef(input))) !== 'off' && performance.now() < giveUpAt) await delay(POLL_MS, undefined, { signal });
      await hypervisor.start(serverRef(input), fenceOf(input));
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
      const repository = await this.deps.imageRepository(plan.recoveryPoint.repository);
      if (plan.definitionFrom === 'recovery-point') await repository.verifySmallFiles(input.serverId, plan.recoveryPoint.id);
      const { definitionPath } = await repository.open(input.serverId, plan.recoveryPoint.id);
      return hypervisor.swap({
        server: serverRef(input),
        fence: fenceOf(input),
        definition: plan.definitionFrom === 'present' ? { from: 'present' } : { from: 'recovery-point', path: definitionPath },
        volumes: plan.volumes,
        nvramNewPath: plan.nvramNewPath,
        renewGenerationId: plan.renewsGenerationId,
      });
    });
  }

  revertSwap(input: RestoreServerInput): Promise<void> {
    return whileAlive(async () => (await this.deps.hypervisor(input.hypervisor)).revertSwap(serverRef(input), fenceOf(input)));
  }
}
