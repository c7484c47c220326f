import { ModosuError } from '../../../contracts/errors';
import type { Fence, NicInspection, ServerRef } from '../../../contracts/server';
import type { Domains } from './domains';
import type { Fences } from './fence';
import { isSwappedBy } from '../swaps/swap-state';
import type { Virsh } from '../virsh';
import type { WayBackRecord, WayBacks } from '../swaps/way-back';

const isOneOf = (macs: readonly string[]): ((nic: NicInspection) => boolean) => {
  const wanted = new Set(macs.map((mac) => mac.toLowerCase()));
  return ({ mac }) => wanted.has(mac.toLowerCase());
};

/** MACs of the interfaces among `macs` whose links are up, as the definition spells them. */
export const upAmong = (nics: readonly NicInspection[], macs: readonly string[]): readonly string[] =>
  nics
    .filter(isOneOf(macs))
    .filter(({ linkUp }) => linkUp)
    .map(({ mac }) => mac);

/** No interface among `macs` has its link up. */
export const isDown = (nics: readonly NicInspection[], macs: readonly string[]): boolean => upAmong(nics, macs).length === 0;

/** The links of a server that a swap has left down. */
export class Links {
  constructor(
    private readonly virsh: Virsh,
    private readonly domains: Domains,
    private readonly fences: Fences,
    private readonly wayBacks: WayBacks,
  ) {}

  /**
   * See `Hypervisor.goLive`. The stored definition first: should that fail, the guest has not had its network yet, and undoing loses nothing.
   */
  async goLive(server: ServerRef, fence: Fence): Promise<{ readonly raised: readonly string[] }> {
    const record = await this.wayBacks.readOpen(server, fence.runId);
    if (record === null) {
      await this.fences.requireUnlessGone(server, fence);
      return { raised: [] };
    }
    const stored = await this.fences.require(server, fence);
    if (!(await isSwappedBy(record, stored.description))) throw changedMeanwhile(server, record);
    const macs = record.quarantined;
    await this.raise(server, fence, macs, 'stored');
    if ((await this.domains.state(server)).powerState !== 'off') await this.raise(server, fence, macs, 'running');
    return { raised: macs };
  }

  private async raise(server: ServerRef, fence: Fence, macs: readonly string[], which: 'stored' | 'running'): Promise<void> {
    const nicsNow = async (): Promise<readonly NicInspection[]> => {
      const { description } = which === 'stored' ? await this.domains.stored(server) : await this.domains.live(server);
      return description.nics;
    };
    for (const mac of macs) {
      if (isUp(await nicsNow(), mac)) continue;
      await this.fences.require(server, fence);
      await this.virsh.runOn(server.uuid, 'domif-setlink', ['--interface', mac, '--state', 'up', ...(which === 'stored' ? ['--config'] : [])]);
    }
    const after = await nicsNow();
    const still = macs.filter((mac) => !isUp(after, mac));
    if (still.length === 0) return;
    throw new ModosuError(
      'HYPERVISOR_COMMAND_FAILED',
      `The links of ${server.name} could not be raised in its ${which} definition: ${still.join(', ')} still down, or the interface is there no more.`,
      {
        hint: `Compare the interfaces: virsh domiflist ${server.uuid}`,
        context: { uuid: server.uuid, macs: still },
      },
    );
  }
}

/** With links up, a definition that names other volumes would be taken for the restored server, and start as another one. */
const changedMeanwhile = ({ name, uuid }: ServerRef, { runId, puts }: WayBackRecord): ModosuError =>
  new ModosuError(
    'DEFINITION_CHANGED',
    `Somebody has defined ${name} with other volumes than run ${runId} has restored (${puts.join(', ')}); no link was raised.`,
    {
      hint: `Find out who did that. Define it with its restored volumes again: while it still runs with them, virsh dumpxml ${uuid} --security-info shows how. Then raise its links (virsh domif-setlink ${uuid} MAC up --config, and the same without --config), or go back with \`modosu run undo ${runId}\`.`,
      context: { uuid, paths: puts },
    },
  );

/** True when the interface is there and its link is up. */
function isUp(nics: readonly NicInspection[], mac: string): boolean {
  const found = nics.filter(isOneOf([mac]));
  return found.length > 0 && found.every(({ linkUp }) => linkUp);
}
