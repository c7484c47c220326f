import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { lookup } from 'node:dns/promises';
import { NoAnswer, queryMessage, readAnswer, type DnsAnswer, type DnsQuestion } from './dns-message';

export interface NameServer {
  /** Name or IP address. */
  readonly address: string;
  readonly port: number;
}

/** A datagram may be lost: the same one is sent again after so long, then after twice that. */
const AGAIN_MS = 1_000;
const LENGTH_BYTES = 2;

/**
 * Asks this name server and nobody else, over UDP, and over TCP what a datagram cannot hold. Not Node's resolver: that wants recursion, and does not say whether
 * an answer is authoritative. Throws Node's errors (`ECONNREFUSED` also of UDP, where the host says that nobody listens) and `NoAnswer`; waits for as long as
 * the signal is not aborted.
 */
export async function exchange(server: NameServer, question: DnsQuestion, signal: AbortSignal): Promise<DnsAnswer> {
  // Looked up once: TCP asks the same machine.
  const { address } = await lookup(server.address);
  signal.throwIfAborted();
  const answer = await overUdp({ address, port: server.port }, question, signal);
  return answer.isTruncated ? overTcp({ address, port: server.port }, question, signal) : answer;
}

function overUdp({ address, port }: NameServer, question: DnsQuestion, signal: AbortSignal): Promise<DnsAnswer> {
  return new Promise((resolve, reject) => {
    // Connected to the server: of others, the kernel lets nothing in.
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let timer: NodeJS.Timeout | undefined;
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners('message');
      socket.close();
      finish();
    };
    let isSettled = false;
    const once = (finish: () => void): void => {
      if (isSettled) return;
      isSettled = true;
      settle(finish);
    };
    const onAbort = (): void => once(() => reject(signal.reason));
    const send = (waitMs: number): void => {
      socket.send(queryMessage(question), (error) => {
        if (error !== null) once(() => reject(error));
      });
      timer = setTimeout(() => send(waitMs * 2), waitMs);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => once(() => reject(error)));
    socket.on('message', (message) => {
      // Somebody's guess, or the answer to another question from the same port.
      if (message.length < LENGTH_BYTES || message.readUInt16BE(0) !== question.id) return;
      once(() => {
        try {
          resolve(readAnswer(message, question));
        } catch (error) {
          reject(error);
        }
      });
    });
    socket.connect(port, address, (error?: Error) => {
      if (error) once(() => reject(error));
      else if (!isSettled) send(AGAIN_MS);
    });
  });
}

async function overTcp({ address, port }: NameServer, question: DnsQuestion, signal: AbortSignal): Promise<DnsAnswer> {
  const socket = connect({ host: address, port, signal });
  const query = queryMessage(question);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(query.length);
  // Never with `end`: some servers take a half-closed connection for one that nobody listens to any more.
  socket.write(Buffer.concat([length, query]));
  const pieces: Buffer[] = [];
  let [received, wanted] = [0, LENGTH_BYTES];
  // Left half-way, also by what is thrown, it closes the connection. A message has at most 64 KiB: its length says so.
  for await (const piece of socket as AsyncIterable<Buffer>) {
    pieces.push(piece);
    received += piece.length;
    if (received >= LENGTH_BYTES && wanted === LENGTH_BYTES) wanted += Buffer.concat(pieces).readUInt16BE(0);
    if (received >= wanted && wanted > LENGTH_BYTES) return readAnswer(Buffer.concat(pieces).subarray(LENGTH_BYTES, wanted), question);
  }
  throw new NoAnswer('the connection was closed before its end');
}
