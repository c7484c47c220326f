import { connect } from 'node:net';
import type { ProbeSpec } from '../contracts/profile';
import { codesOf, networkFailure } from './network-errors';
import { addressOf, placeOf, portOf, type Asked } from './transport';

type TcpProbe = Extract<ProbeSpec, { kind: 'tcp' }>;

/**
 * `true`: a connection was accepted, and is closed at once without a byte. `false`: the server has refused it. Whoever says nothing (a firewall, a server that
 * is down) has not refused: that throws `PEER_UNREACHABLE`, or runs out of time. What forwards ports (user-mode networking, a load balancer) accepts for a
 * server that does not listen.
 */
export function askByTcp(probe: TcpProbe, { target, signal }: Asked): Promise<string> {
  const [host, port] = [addressOf(target), portOf(probe.port)];
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      resolve('true');
      socket.destroy();
    });
    // Stays: a reset may follow on what is settled already.
    socket.on('error', (error) => {
      if (codesOf(error).every((code) => code === 'ECONNREFUSED')) resolve('false');
      else reject(networkFailure(error, placeOf(host, port)));
      socket.destroy();
    });
  });
}
