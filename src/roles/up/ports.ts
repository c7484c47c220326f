import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { ModosuError } from '../../contracts/errors';
import { writeFileDurably } from '../../system/files';

export interface PortWish {
  /** Key in the ports file. */
  readonly name: string;
  readonly variable: string;
  readonly host: string;
  /** 0: any, kept over restarts. */
  readonly port: number;
}

/**
 * Decides the port of each part. A configured one must be free (`PORT_TAKEN` names the variable); for 0 the one remembered from the last start is taken again,
 * or, when somebody else took it meanwhile, a new one.
 */
export async function choosePorts(portsFile: string, wishes: readonly PortWish[]): Promise<Readonly<Record<string, number>>> {
  const remembered = await readRemembered(portsFile);
  const chosen = new Map<string, number>();
  for (const wish of wishes) {
    if (wish.port !== 0) {
      await requireFree(wish);
      chosen.set(wish.name, wish.port);
      continue;
    }
    const last = remembered[wish.name];
    const usable = last !== undefined && ![...chosen.values()].includes(last) && (await isFree(wish.host, last));
    chosen.set(wish.name, usable ? last : await anyFreePort(wish.host, chosen));
  }
  const result = Object.fromEntries(chosen);
  await writeFileDurably(portsFile, `${JSON.stringify({ ...remembered, ...result }, null, 2)}\n`, 0o644);
  return result;
}

async function requireFree({ variable, host, port }: PortWish): Promise<void> {
  const problem = await tryListen(host, port);
  if (problem === null) return;
  if (problem.code === 'EADDRINUSE') {
    throw new ModosuError('PORT_TAKEN', `Port ${port} on ${host} is taken by another program.`, {
      hint: `Free it (\`ss -ltnp 'sport = :${port}'\` shows who listens), or set ${variable} to another port.`,
      context: { port, host, variable },
    });
  }
  throw new ModosuError(
    'CONFIG_INVALID',
    `Nothing can listen on ${host}:${port} (${problem.code ?? problem.message}): correct ${variable} or MODOSU_API_HOST.`,
    { context: { port, host, variable } },
  );
}

const isFree = async (host: string, port: number): Promise<boolean> => (await tryListen(host, port)) === null;

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** Below the ports that the kernel gives to outgoing connections, where that is known: one of those could be taken by any program before ours listens. */
const LOWEST = 20_000;
const TRIES = 50;

/** A port on which nobody listens, and that no outgoing connection gets. */
export const unusedPort = (host = '127.0.0.1'): Promise<number> => anyFreePort(host, new Map());

async function anyFreePort(host: string, taken: ReadonlyMap<string, number>): Promise<number> {
  const isTaken = (port: number): boolean => [...taken.values()].includes(port);
  const ceiling = await firstOutgoingPort();
  for (let attempt = 0; attempt < TRIES && ceiling > LOWEST; attempt += 1) {
    const port = randomInt(LOWEST, ceiling);
    if (!isTaken(port) && (await isFree(host, port))) return port;
  }
  return portOfTheKernel(host, isTaken);
}

async function portOfTheKernel(host: string, isTaken: (port: number) => boolean): Promise<number> {
  const port = await new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
  return isTaken(port) ? portOfTheKernel(host, isTaken) : port;
}

/** 0: nobody says. */
async function firstOutgoingPort(): Promise<number> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '');
  const first = Number(/^\d+/.exec(text)?.[0] ?? 0);
  return Number.isInteger(first) && first <= 65_535 ? first : 0;
}

async function readRemembered(portsFile: string): Promise<Record<string, number>> {
  try {
    const value: unknown = JSON.parse(await readFile(portsFile, 'utf8'));
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, number] => Number.isInteger(entry[1]) && entry[1] > 0 && entry[1] <= 65_535),
    );
  } catch {
    return {}; // not there, or torn: choose anew
  }
}
