import { setTimeout as delay } from 'node:timers/promises';
import { isModosuError, ModosuError } from '../../../contracts/errors';
import type { Fence, ServerRef } from '../../../contracts/server';
import type { Hypervisor } from '../../hypervisor';
import type { Domains, DomainState } from './domains';
import type { Fences } from './fence';
import type { Stops } from './stops';
import { libvirtMessage, type Virsh } from '../virsh';

const POLL_MS = 500;
/** A guest may miss the first request, for example while it still boots. */
const ASK_AGAIN_MS = 30_000;
const MIN_ASK_MS = 1_000;
const START_TIMEOUT_MS = 120_000;

/** Starts and stops servers. */
export class Power {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
    private readonly stops: Stops,
  ) {}

  async start(server: ServerRef, fence: Fence): Promise<void> {
    await this.fences.require(server, fence);
    const before = await this.stateOnceStarted(server);
    if (before.powerState === 'running') return;
    if (before.powerState === 'paused') {
      throw new ModosuError('START_FAILED', `${server.name} is ${before.libvirtState}: it has a process but does not run.`, {
        hint: `Look why it was paused (a full disk under its images?), then: virsh resume ${server.uuid}`,
      });
    }
    await this.fences.require(server, fence);
    const outcome = await this.virsh.attemptOn(server.uuid, 'start', [], { timeoutMs: START_TIMEOUT_MS });
    if (outcome.exitCode === 0) return this.noteStart(server, fence);
    const after = await this.stateOnceStarted(server);
    if (after.powerState === 'running') return this.noteStart(server, fence); // somebody else was faster
    if (after.powerState !== 'off') await this.cutPower(server, fence); // not half started
    throw this.virsh.failure('start', outcome, 'START_FAILED');
  }

  /**
   * Only of a server that was seen off: one that still runs may be about to stop, because its guest was asked to. A record that cannot be written fails no start:
   * the server runs.
   */
  private async noteStart(server: ServerRef, { runId }: Fence): Promise<void> {
    await this.stops.recordStart(server, runId).catch(() => undefined);
  }

  /** An earlier attempt, whose worker has died or did not wait, may be starting it at this moment: libvirt calls that paused, and it passes. */
  private async stateOnceStarted(server: ServerRef): Promise<DomainState> {
    for (const giveUpAt = performance.now() + START_TIMEOUT_MS; ; await delay(POLL_MS)) {
      const state = await this.domains.state(server);
      if (state.powerState !== 'paused' || performance.now() > giveUpAt || !(await this.domains.isStartingUp(server))) return state;
    }
  }

  async shutDown(server: ServerRef, fence: Fence, options: Parameters<Hypervisor['shutDown']>[2]): Promise<void> {
    const giveUpAt = performance.now() + options.deadlineMs;
    options.signal.throwIfAborted();
    await this.fences.require(server, fence);
    let askedAt = -Infinity;
    let answer = '';
    for (;;) {
      const { powerState, libvirtState } = await this.domains.state(server);
      if (powerState === 'off') return;
      if (powerState === 'paused') {
        throw new ModosuError('SERVER_PAUSED', `${server.name} is ${libvirtState} and cannot shut itself down.`, {
          context: { uuid: server.uuid, state: libvirtState },
        });
      }
      const now = performance.now();
      if (now >= giveUpAt) {
        throw new ModosuError(
          'STOP_TIMED_OUT',
          `${server.name} was still ${libvirtState} ${Math.round(options.deadlineMs / 1000)} s after it was asked to shut down${answer}.`,
          {
            context: { uuid: server.uuid, deadlineSeconds: Math.round(options.deadlineMs / 1000) },
          },
        );
      }
      if (now - askedAt >= ASK_AGAIN_MS) {
        // Also when it is asked again: minutes may have passed, and whoever holds the server by now may have stopped or started it.
        await this.fences.require(server, fence);
        await this.stops.record(server, fence.runId);
        askedAt = now;
        await this.fences.require(server, fence);
        answer = await this.ask(server, Math.max(MIN_ASK_MS, Math.min(ASK_AGAIN_MS, giveUpAt - now)), options.signal);
      }
      await delay(Math.min(POLL_MS, Math.max(0, giveUpAt - performance.now())), undefined, { signal: options.signal }).catch(() =>
        options.signal.throwIfAborted(),
      );
    }
  }

  /**
   * Through the agent, which needs no ACPI in the guest; ACPI where no agent answers. Returns what to add to the error when it was in vain:
   * a request that fails is no reason to give up before the deadline.
   */
  private async ask(server: ServerRef, timeoutMs: number, signal: AbortSignal): Promise<string> {
    try {
      const agent = await this.virsh.attemptOn(server.uuid, 'shutdown', ['--mode', 'agent'], { timeoutMs, signal });
      if (agent.exitCode === 0) return ' (the guest agent had accepted)';
      const acpi = await this.virsh.attemptOn(server.uuid, 'shutdown', ['--mode', 'acpi'], { timeoutMs, signal });
      if (acpi.exitCode === 0) return ` (through ACPI; its guest agent said: ${libvirtMessage(agent.stderr)})`;
      return ` (neither agent nor ACPI worked: ${libvirtMessage(acpi.stderr)})`;
    } catch (error) {
      signal.throwIfAborted();
      if (isModosuError(error) && error.code === 'HYPERVISOR_COMMAND_TIMED_OUT') return ' (the request itself was not answered)';
      throw error;
    }
  }

  async powerOff(server: ServerRef, fence: Fence): Promise<void> {
    const before = await this.domains.stateOrNull(server);
    if (before === null || before.powerState === 'off') return;
    await this.fences.require(server, fence);
    await this.stops.record(server, fence.runId);
    await this.cutPower(server, fence);
  }

  private async cutPower(server: ServerRef, fence: Fence): Promise<void> {
    await this.fences.require(server, fence);
    const outcome = await this.virsh.attemptOn(server.uuid, 'destroy', [], { timeoutMs: START_TIMEOUT_MS });
    if (outcome.exitCode === 0) return;
    const after = await this.domains.stateOrNull(server);
    if (after !== null && after.powerState !== 'off') throw this.virsh.failure('destroy', outcome, 'HYPERVISOR_COMMAND_FAILED');
  }
}
