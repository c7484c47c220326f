import { isIPv6, SocketAddress } from 'node:net';
import type { RawFact } from './fact-entries';

/** Made by containers and hypervisors, under names that are never the same again. */
const PASSING_INTERFACE = /^(cali|lxc|veth|vnet\d)/;

/**
 * `ip -o addr`, of iproute2 or busybox: each interface with its addresses, without those that the system makes up for a while, those of the link alone, and
 * those that a router's advertisement has given (`dynamic`): they come some time after the start, and go with the router. What DHCP has given over IPv4 stays.
 */
export function parseAddresses(lines: readonly string[]): readonly RawFact[] {
  const found = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, family, address, rest = ''] = /^\d+: +(\S+) +(inet6?) +([0-9a-f.:]+(?: peer [0-9a-f.:]+)?(?:\/\d{1,3})?)([^\\]*)/.exec(line) ?? [];
    if (name === undefined || address === undefined || PASSING_INTERFACE.test(name)) continue;
    if (family === 'inet6' && /\b(temporary|secondary|deprecated|tentative|dynamic|scope link)\b/.test(rest)) continue;
    found.set(name, [...(found.get(name) ?? []), address]);
  }
  return [...found].map(([name, addresses]) => [name, addresses.sort().join(', ')]);
}

/** /proc/net/route: how everything else is reached over IPv4. */
export const parseRoutes = (lines: readonly string[]): readonly RawFact[] =>
  defaultRoutes(
    'default route',
    lines.flatMap((line) => {
      const [name = '', to, via = '', flags = '', , , metric = '', mask] = line.trim().split(/\s+/);
      const isDefault = to === '00000000' && mask === '00000000' && isUsable(flags) && /^[0-9A-F]{8}$/.test(via) && /^\d{1,10}$/.test(metric);
      return isDefault ? [{ name, via: ipv4Of(via), metric }] : [];
    }),
  );

/** /proc/net/ipv6_route, without those that a router's advertisement has made. */
export const parseRoutes6 = (lines: readonly string[]): readonly RawFact[] =>
  defaultRoutes(
    'default route IPv6',
    lines.flatMap((line) => {
      const [to = '', length, , , via = '', metric = '', , , flags = '', name = ''] = line.trim().split(/\s+/);
      const isDefault =
        /^0{32}$/.test(to) &&
        length === '00' &&
        isUsable(flags) &&
        !isAdvertised(flags) &&
        /^[0-9a-f]{32}$/.test(via) &&
        /^[0-9a-f]{8}$/.test(metric) &&
        name !== 'lo';
      return isDefault ? [{ name, via: ipv6Of(via), metric: String(Number.parseInt(metric, 16)) }] : [];
    }),
  );

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;
const isUsable = (flags: string): boolean => /^[0-9A-Fa-f]{1,8}$/.test(flags) && (Number.parseInt(flags, 16) & (RTF_UP | RTF_REJECT)) === RTF_UP;

const RTF_ADDRCONF = 0x40000;
const isAdvertised = (flags: string): boolean => (Number.parseInt(flags, 16) & RTF_ADDRCONF) !== 0;

function defaultRoutes(word: string, routes: readonly { readonly name: string; readonly via: string; readonly metric: string }[]): readonly RawFact[] {
  return routes
    .filter(({ name }) => name !== '' && !PASSING_INTERFACE.test(name))
    .map(({ name, via, metric }) => [`${word} ${name}`, `${/^(0\.0\.0\.0|::)$/.test(via) ? 'on the link' : `via ${via}`}, metric ${metric}`]);
}

/** resolv.conf(5). */
export function parseResolvers(lines: readonly string[]): readonly RawFact[] {
  const valuesOf = (...words: readonly string[]): string =>
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([word = '']) => words.includes(word))
      .map(([, ...values]) => values.join(' '))
      .join(', ');
  const facts: readonly RawFact[] = [
    ['resolvers', valuesOf('nameserver')],
    ['search domains', valuesOf('search', 'domain')],
    ['resolver options', valuesOf('options')],
  ];
  return facts.filter(([, value]) => value !== '');
}

/** The kernel prints the four bytes of an address as one number of a machine whose lowest byte comes first. */
export const ipv4Of = (hex: string): string =>
  (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.');

/** 32 digits in the order of the address, in its usual short form. */
export function ipv6Of(hex: string): string {
  const long = (hex.toLowerCase().match(/.{4}/g) ?? []).join(':');
  return isIPv6(long) ? new SocketAddress({ family: 'ipv6', address: long }).address : long;
}
