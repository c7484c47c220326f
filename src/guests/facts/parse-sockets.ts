import type { FileText } from './fact-files';
import { linesOf } from './fact-files';
import { ipv4Of, ipv6Of } from './parse-network';

export interface Listener {
  /** Such as `tcp 0.0.0.0:22` or `udp [::]:123`. */
  readonly name: string;
  /** Of the socket, by which the process that has it is found; "0" of none. */
  readonly inode: string;
}

/** States of TCP, which UDP borrows: 7 is a socket that is bound and connected to nobody. */
const LISTENS = { tcp: '0A', udp: '07' } as const;
/** From here on the kernel gives away ports of its own choice: of UDP such a one is most often a client's, which waits for an answer. */
const FIRST_EPHEMERAL = 32_768;

/** /proc/net/tcp, tcp6, udp, udp6. */
export function parseSockets(protocol: 'tcp' | 'udp', file: FileText): { readonly listeners: readonly Listener[]; readonly truncated: boolean } {
  const listeners: Listener[] = [];
  let seesOthers = false;
  for (const line of linesOf(file)) {
    const [, address = '', portHex = '', state, inode = ''] =
      /^ *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) \S+ \S+ \S+ +\d+ +\d+ +(\d{1,20}) /.exec(line) ?? [];
    if (state === undefined) continue;
    if (state !== LISTENS[protocol]) {
      seesOthers = true;
      continue;
    }
    const port = Number.parseInt(portHex, 16);
    if (protocol === 'udp' && port >= FIRST_EPHEMERAL) continue;
    listeners.push({ name: `${protocol} ${addressOf(address)}:${port}`, inode });
  }
  // Those that listen come first of TCP's sockets: where others are seen, they are complete, however many connections there are.
  return { listeners, truncated: file.truncated && !(protocol === 'tcp' && seesOthers) };
}

const addressOf = (hex: string): string =>
  hex.length === 8 ? ipv4Of(hex) : `[${ipv6Of((hex.match(/.{8}/g) ?? []).map((word) => (word.match(/../g) ?? []).reverse().join('')).join(''))}]`;

/** Of `find` over descriptors, `/proc/812/fd/6 socket:[309244]`: the process with the lowest number that has each socket, by inode. */
export function parseHolders(lines: readonly string[]): ReadonlyMap<string, number> {
  const holders = new Map<string, number>();
  for (const line of lines) {
    const [, pid, inode] = /^\/proc\/(\d{1,10})\/fd\/\d+ socket:\[(\d{1,20})\]$/.exec(line) ?? [];
    if (pid === undefined || inode === undefined) continue;
    holders.set(inode, Math.min(Number(pid), holders.get(inode) ?? Infinity));
  }
  return holders;
}
