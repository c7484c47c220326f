import { isModosuError, ModosuError } from '../../contracts/errors';
import type { GuestProgram } from '../guest-agent';
import type { Collected } from './fact-entries';
import { headOf, linesOf, splitHeads } from './fact-files';
import type { FactSource } from './fact-source';
import { parseHolders, parseSockets, type Listener } from './parse-sockets';

const TABLES = [
  { path: '/proc/net/tcp', protocol: 'tcp' },
  { path: '/proc/net/tcp6', protocol: 'tcp' },
  { path: '/proc/net/udp', protocol: 'udp' },
  { path: '/proc/net/udp6', protocol: 'udp' },
] as const;

/** Sockets beyond that are listed without their programs: an argument vector has an end. */
const MAX_NAMED = 400;
/** The kernel keeps 15 bytes of a name. */
const NAME_BYTES = 64;
const NOT_VISIBLE = 'program not visible';

/** What listens, TCP and UDP, with the name of the program where it can be seen. */
export async function collectPorts(source: FactSource): Promise<Collected> {
  const tables = [];
  for (const { path, protocol } of TABLES) {
    // Without IPv6 its two are not there.
    const file = path.endsWith('6') ? await source.file(path) : await source.needed(path);
    if (file === null) continue;
    if (!/^ *sl +local_address/.test(file.text)) {
      throw new ModosuError('FACTS_NOT_COLLECTED', `${path} in the guest is no table of sockets.`, { context: { path } });
    }
    tables.push(parseSockets(protocol, file));
  }
  const listeners = tables.flatMap((table) => table.listeners);
  const programs = await programsOf(source, listeners);
  return {
    facts: listeners.map(({ name, inode }) => [name, programs.get(inode) ?? NOT_VISIBLE]),
    truncated: tables.some(({ truncated }) => truncated),
  };
}

/** Names of programs by inode; none where the guest has no GNU find, or no program may run. */
async function programsOf(source: FactSource, listeners: readonly Listener[]): Promise<ReadonlyMap<string, string>> {
  const inodes = [...new Set(listeners.map(({ inode }) => inode))].filter((inode) => inode !== '0').slice(0, MAX_NAMED);
  if (inodes.length === 0) return new Map();
  try {
    const found = await source.run(findHolders(inodes));
    const holders = parseHolders(linesOf({ text: found.stdout, truncated: found.truncated }));
    const pids = [...new Set(holders.values())];
    if (pids.length === 0) return new Map();
    const paths = pids.map((pid) => `/proc/${pid}/comm`);
    const { stdout } = await source.run(headOf(paths, NAME_BYTES));
    const names = splitHeads(stdout, paths, NAME_BYTES);
    return new Map(
      [...holders].flatMap(([inode, pid]) => {
        const name = names.get(`/proc/${pid}/comm`)?.text.trim();
        return name === undefined || name === '' ? [] : [[inode, name] as const];
      }),
    );
  } catch (error) {
    if (isModosuError(error) && (error.code === 'GUEST_COMMAND_FORBIDDEN' || error.code === 'GUEST_PROGRAM_MISSING')) return new Map();
    throw error;
  }
}

/** Descriptors of processes that are one of these sockets: it looks into `fd` of each process, and nowhere else. */
const findHolders = (inodes: readonly string[]): GuestProgram['argv'] => [
  ...(['find', '/proc', '-mindepth', '1', '-maxdepth', '3'] as const),
  ...['(', '-path', '/proc/*', '!', '-path', '/proc/[0-9]*', '-prune', ')'],
  ...['-o', '(', '-path', '/proc/*/*', '!', '-path', '/proc/*/fd', '!', '-path', '/proc/*/fd/*', '-prune', ')'],
  ...['-o', '(', '-false', ...inodes.flatMap((inode) => ['-o', '-lname', `socket:[[]${inode}]`]), ')'],
  ...['-printf', '%p %l\\n'],
];
