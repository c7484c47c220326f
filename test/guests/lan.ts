/**
 * A network of two guests on this host's loopback alone: no bridge, nothing that leaves the host. Their second NICs are two ends of a wire, UDP from port to
 * port, so that either guest may start, stop, or be restored while the other runs. To libvirt they are interfaces as any other: a restore takes the link of the one
 * it restores down, and go-live raises it.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { ModosuError } from '../../src/contracts/errors';
import { guestOutput } from './guest-commands';
import { virsh } from './run-program';

export interface LanEnd {
  /** Of this guest, with the length of its prefix, such as `192.168.77.11/24`. */
  readonly address: string;
  /** Where this end listens, on 127.0.0.1. */
  readonly port: number;
  /** Where the other one does. */
  readonly peerPort: number;
}

/** Two ends of one wire, for guests with these addresses. */
export async function layWire(addresses: readonly [string, string]): Promise<readonly [LanEnd, LanEnd]> {
  const port = await unusedUdpPort();
  const peerPort = await unusedUdpPort(port);
  return [
    { address: addresses[0], port, peerPort },
    { address: addresses[1], port: peerPort, peerPort: port },
  ];
}

/** Below those that the kernel gives to whoever asks for any. */
const [LOWEST, CEILING, TRIES] = [20_000, 32_000, 50];

async function unusedUdpPort(but?: number): Promise<number> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = randomInt(LOWEST, CEILING);
    const socket = createSocket('udp4');
    try {
      socket.bind({ address: '127.0.0.1', port, exclusive: true });
      await once(socket, 'listening');
      if (port !== but) return port;
    } catch {
      // Taken: another one.
    } finally {
      socket.close();
    }
  }
  throw new ModosuError('PORT_TAKEN', `No UDP port is free on 127.0.0.1 between ${LOWEST} and ${CEILING}.`);
}

/** eth0 is the one to the host. A boot that proves an image has no second one that is up. */
const SCRIPT = (address: string): string => `#!/bin/sh
[ -e /sys/class/net/eth1 ] || exit 0
ip link set eth1 up
ip addr show dev eth1 | grep -q ' ${address} ' || ip addr add ${address} dev eth1
exit 0
`;

/** Gives a running guest its address, now and at every start of its disk, before its services start. Idempotent. */
export async function joinLan(uuid: string, { address }: Pick<LanEnd, 'address'>): Promise<void> {
  const path = '/etc/init.d/start.d/lan';
  await guestOutput(uuid, ['sh', '-euc', 'printf %s "$2" > "$1"; chmod 755 "$1"; sync; exec "$1"', 'sh', path, SCRIPT(address)]);
}

/** Pulls the cable of a running guest's end out, or puts it in again: what quarantine and go-live do. */
export async function setLanLink(uuid: string, state: 'up' | 'down'): Promise<void> {
  const mac = /^\s*\S+\s+udp\s.*?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/m.exec(await virsh(['domiflist', uuid]))?.[1];
  if (mac === undefined) throw new ModosuError('HYPERVISOR_COMMAND_FAILED', `The domain ${uuid} has no end of a wire.`);
  await virsh(['domif-setlink', uuid, mac, state]);
}
