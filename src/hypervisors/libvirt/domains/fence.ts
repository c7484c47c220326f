import { ModosuError } from '../../../contracts/errors';
import type { Fence, ServerRef } from '../../../contracts/server';
import type { Domains, StoredDefinition } from './domains';
import { FENCE_NAMESPACE, FENCE_PREFIX, fenceFragment, isHeldBy, readFence, type StandingFence } from './fence-xml';
import type { Virsh } from '../virsh';

/** Who may write to a server, as it stands in the domain's own metadata: it holds even where Modosu's database is lost or a worker is a zombie. */
export class Fences {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
  ) {}

  /** See `Hypervisor.takeFence`. */
  async take(server: ServerRef, fence: Fence): Promise<boolean> {
    const fragment = fenceFragment(fence);
    const stored = await this.domains.storedOrNull(server);
    if (stored === null) return false;
    const present = readFence(stored.document);
    if (present !== null && (present.token > fence.token || (present.token === fence.token && (present.released || present.runId !== fence.runId)))) {
      throw fencedOff(server, present, fence);
    }
    if (!isHeldBy(present, fence)) {
      await this.change(server, ['--key', FENCE_PREFIX, '--set', fragment]);
      // Two takers may have read the same state: what stands there now decides.
      await this.require(server, fence);
    }
    return true;
  }

  /** See `Hypervisor.releaseFence`. */
  async release(server: ServerRef, fence: Fence): Promise<void> {
    const stored = await this.domains.storedOrNull(server);
    if (stored === null || !isHeldBy(readFence(stored.document), fence)) return;
    await this.change(server, ['--key', FENCE_PREFIX, '--set', fenceFragment(fence, { released: true })]);
  }

  /** The stored definition, in which exactly this fence stands and was not given back. Throws `FENCED_OFF`, `SERVER_GONE`. */
  async require(server: ServerRef, fence: Fence): Promise<StoredDefinition> {
    const stored = await this.domains.stored(server);
    const present = readFence(stored.document);
    if (!isHeldBy(present, fence)) throw fencedOff(server, present, fence);
    return stored;
  }

  /** Whether exactly this fence stands in a definition that was just read. */
  isHeld(stored: StoredDefinition, fence: Fence): boolean {
    return isHeldBy(readFence(stored.document), fence);
  }

  /** See `Hypervisor.requireFence`. */
  async requireUnlessGone(server: ServerRef, fence: Fence): Promise<void> {
    const stored = await this.domains.storedOrNull(server);
    if (stored === null) return;
    const present = readFence(stored.document);
    if (!isHeldBy(present, fence)) throw fencedOff(server, present, fence);
  }

  private async change(server: ServerRef, args: readonly string[]): Promise<void> {
    const state = await this.domains.state(server);
    const places = [...(state.persistent ? ['--config'] : []), ...(state.powerState === 'off' ? [] : ['--live'])];
    const outcome = await this.virsh.attemptOn(server.uuid, 'metadata', ['--uri', FENCE_NAMESPACE, ...places, ...args]);
    if (outcome.exitCode === 0) return;
    // It went off in between, or the live definition never had the element: the stored one is what counts.
    await this.virsh.runOn(server.uuid, 'metadata', ['--uri', FENCE_NAMESPACE, '--config', ...args]);
  }
}

function fencedOff(server: ServerRef, present: StandingFence | null, ours: Fence): ModosuError {
  const held = (run: StandingFence): string =>
    run.released
      ? `${server.name} was given back by run ${run.runId} (token ${run.token}), and run ${ours.runId} (token ${ours.token})`
      : `${server.name} is held by run ${run.runId} (token ${run.token}), and run ${ours.runId} (token ${ours.token})`;
  const message =
    present === null
      ? `${server.name} is held by nobody, and run ${ours.runId} (token ${ours.token}) must not write without holding it.`
      : `${held(present)} must not write.`;
  return new ModosuError('FENCED_OFF', message, {
    // After a catalogue was restored from an older copy its tokens start below the marks on the hypervisors.
    ...(present?.released === true && present.runId !== ours.runId
      ? {
          hint: `If no other Modosu works on this server (was the catalogue restored from an older copy?), remove the mark: virsh metadata ${server.uuid} --uri ${FENCE_NAMESPACE} --config --remove (and --live while it runs)`,
        }
      : {}),
    context: { uuid: server.uuid, holder: present === null || present.released ? null : present.runId, token: ours.token },
  });
}
