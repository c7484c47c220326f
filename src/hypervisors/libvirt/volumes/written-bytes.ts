import { isModosuError } from '../../../contracts/errors';
import type { ServerRef } from '../../../contracts/server';
import type { Domains } from '../domains/domains';
import type { Virsh } from '../virsh';

/** See `Hypervisor.writtenBytes`. The counters are QEMU's own and begin anew with each start. */
export async function writtenBytes(virsh: Virsh, domains: Domains, server: ServerRef): Promise<Readonly<Record<string, number>>> {
  const state = await domains.stateOrNull(server);
  if (state === null || state.powerState === 'off') return {};
  try {
    return parseWrittenBytes(await virsh.runOn(server.uuid, 'domstats', ['--block']));
  } catch (error) {
    if (isModosuError(error) && error.code === 'SERVER_GONE') return {};
    throw error;
  }
}

/** `block.N.name=vda` and `block.N.wr.bytes=4096`. Disks without a counter, such as empty drives, are left out. Pure. */
export function parseWrittenBytes(text: string): Readonly<Record<string, number>> {
  const names = new Map([...text.matchAll(/^\s*block\.(\d+)\.name=(\S+)\s*$/gm)].map(([, index, name]) => [index, name]));
  const written: Record<string, number> = {};
  for (const [, index, bytes] of text.matchAll(/^\s*block\.(\d+)\.wr\.bytes=(\d+)\s*$/gm)) {
    const name = names.get(index);
    if (name !== undefined) written[name] = Number(bytes);
  }
  return written;
}
