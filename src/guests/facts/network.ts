import { ModosuError } from '../../contracts/errors';
import type { Collected } from './fact-entries';
import { linesOf, type FactFile } from './fact-files';
import type { FactSource } from './fact-source';
import { parseAddresses, parseResolvers, parseRoutes, parseRoutes6 } from './parse-network';

/** Addresses of interfaces, default routes, resolvers and the name. */
export async function collectNetwork(source: FactSource): Promise<Collected> {
  const lines = async (path: FactFile): Promise<readonly string[]> => {
    const file = await source.file(path);
    return file === null ? [] : linesOf(file);
  };
  const said = await source.mustRun(['ip', '-o', 'addr']);
  const addresses = parseAddresses(linesOf({ text: said.stdout, truncated: said.truncated }));
  if (addresses.length === 0) {
    throw new ModosuError('FACTS_NOT_COLLECTED', 'ip in the guest names no interface with an address.', { context: { program: 'ip' } });
  }
  const [hostname] = await lines('/proc/sys/kernel/hostname');
  return {
    facts: [
      ...(hostname === undefined ? [] : [['hostname', hostname] as const]),
      ...addresses,
      ...parseRoutes(await lines('/proc/net/route')),
      ...parseRoutes6(await lines('/proc/net/ipv6_route')),
      ...parseResolvers(await lines('/etc/resolv.conf')),
    ],
    truncated: said.truncated,
  };
}
