import { randomInt } from 'node:crypto';
import type { ProbeSpec } from '../contracts/profile';
import { exchange } from './dns-exchange';
import { canonicalName, DNS_TYPES, NoAnswer, type DnsAnswer, type DnsQuestion } from './dns-message';
import { networkFailure } from './network-errors';
import { addressOf, placeOf, portOf, probeFailed, probeInvalid, type Asked } from './transport';

type DnsProbe = Extract<ProbeSpec, { kind: 'dns' }>;

export const DNS_PORT = '53';
const RCODES: Readonly<Record<number, string>> = { 1: 'FORMERR', 2: 'SERVFAIL', 3: 'NXDOMAIN', 4: 'NOTIMP', 5: 'REFUSED', 9: 'NOTAUTH' };
/** In the data of an SOA, after the names of the primary and of whoever answers for it. */
const SERIAL = 2;

/**
 * The records of one name as the name server at the target's address has them itself: sorted, a line each, as zone files write them (names in lower case with a
 * dot at their end, a TXT in one piece, its bytes beyond ASCII as `\DDD`). No records: nothing, which is a value for a `set`; of an SOA it is `PROBE_FAILED`.
 *
 * An answer that is not authoritative is `PROBE_FAILED`: it came from a cache, and says nothing of what this server has; so are an alias in the place of the
 * name, and every error of DNS. A secondary whose zone has expired says SERVFAIL.
 */
export async function askByDns(probe: DnsProbe, { target, signal }: Asked): Promise<string> {
  const server = { address: addressOf(target), port: portOf(probe.port ?? DNS_PORT) };
  const place = placeOf(server.address, server.port);
  if (probe.field !== undefined && probe.type !== 'SOA') throw probeInvalid(`Only an SOA has a field, and the probe asks for ${probe.type}.`);
  const question = { id: randomInt(0x1_0000), name: canonicalName(probe.name), type: probe.type };
  const answer = await exchange(server, question, signal).catch((error: unknown) => {
    throw error instanceof NoAnswer ? probeFailed(`${place} sends what is no answer to this question`, error.message) : networkFailure(error, place);
  });
  const records = recordsOf(answer, question, place);
  return probe.field === 'serial' ? records.map((record) => record.split(' ')[SERIAL]).join('\n') : records.join('\n');
}

function recordsOf({ rcode, isAuthoritative, records }: DnsAnswer, { name, type }: DnsQuestion, place: string): readonly string[] {
  if (rcode !== 0) throw probeFailed(`${place} answers with ${RCODES[rcode] ?? `error ${rcode}`} for ${name} ${type}`);
  if (!isAuthoritative) throw probeFailed(`${place} does not serve the zone of ${name} itself: its answer is not authoritative`);
  const own = records.filter((record) => record.name === name);
  const alias = own.find((record) => record.type === DNS_TYPES.CNAME);
  if (alias !== undefined) throw probeFailed(`${name} is an alias`, alias.data);
  const found = own.map(({ data }) => data).sort();
  if (type === 'SOA' && found.length !== 1) throw probeFailed(`${place} has no zone that begins at ${name}`);
  return found;
}
