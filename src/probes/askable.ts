import type { MarkerSpec } from '../contracts/profile';
import { canonicalName } from './dns-message';
import { DNS_PORT } from './dns-probe';
import { fillIn, type ProbeValues } from './fill-in';
import { urlOf } from './http-probe';
import { oneQuery } from './sql-probe';
import { portOf } from './transport';

/**
 * What would be asked with these values (`fillIn`), without asking it. Throws `PROBE_INVALID` for all that would be refused when it is asked, whatever a server
 * says: so that it is told when it is declared, not at night when it is needed. `parameter` in its context: whose value is in the way, where one alone is.
 */
export function askable(spec: MarkerSpec, values: ProbeValues): MarkerSpec {
  const filled = fillIn(spec, values);
  const { probe } = filled;
  if (probe.kind === 'sql') oneQuery(probe.query);
  if (probe.kind === 'sql' && probe.port !== undefined) portOf(probe.port);
  if (probe.kind === 'dns') canonicalName(probe.name);
  if (probe.kind === 'dns') portOf(probe.port ?? DNS_PORT);
  if (probe.kind === 'tcp') portOf(probe.port);
  if (probe.kind === 'http') urlOf(probe.url);
  return filled;
}
