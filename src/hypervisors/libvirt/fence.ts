import { ModosuError } from '../../contracts/errors';
import type { Fence, ServerRef } from '../../contracts/server';
import type { Domains, StoredDefinition } from './domains';
import { FENCE_NAMESPACE, FENCE_PREFIX, fenceFragment, readFence, sameFence } from './fence-xml';
import type { Virsh } from './virsh';

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
    if (present !== null && (present.token > fence.token || (present.token === fence.token && present.runId !== fence.runId))) throw fencedOff(server, present, fence);
    if (!sameFence(present, fence)) {
      await this.change(server, ['--key', FENCE_PREFIX, '--set', fragment]);
      // Two takers may have read the same state: what stands there now decides.
      await this.require(server, fence);
    }
    return true;
  }

  /** See `Hypervisor.releaseFence`. */
  async release(server: ServerRef, fence: Fence): Promise<void> {
    const stored = await this.domains.storedOrNull(server);
    if (stored === null || !sameFence(readFence(stored.document), fence)) return;
    await this.change(server, ['--remove']);
  }

  /** The stored definition, in which exactly this fence stands. Throws `FENCED_OFF`, `SERVER_GONE`. */
  async require(server: ServerRef, fence: Fence): Promise<StoredDefinition> {
    const stored = await this.domains.stored(server);
    const present = readFence(stored.document);
    if (!sameFence(present, fence)) throw fencedOff(server, present, fence);
    return stored;
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

function fencedOff(server: ServerRef, present: Fence | null, ours: Fence): ModosuError {
  const holder = present === null ? 'nobody' : `run ${present.runId} (token ${present.token})`;
  return new ModosuError('FENCED_OFF', `${server.name} is held by ${holder}, not by run ${ours.runId} (token ${ours.token}).`, {
    context: { uuid: server.uuid, holder: present?.runId ?? null, token: ours.token },
  });
}
