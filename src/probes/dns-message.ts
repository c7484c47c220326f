import { isIPv6, SocketAddress } from 'node:net';
import { domainToASCII } from 'node:url';
import { quoted } from '../contracts/text';
import { probeInvalid } from './transport';

/** Messages of DNS (RFC 1035) as far as a probe needs them: one question, and the records that answer it. Pure. */

export const DNS_TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, MX: 15, TXT: 16, AAAA: 28 } as const;
export type DnsType = keyof typeof DNS_TYPES;

const HEADER_BYTES = 12;
const CLASS_IN = 1;
const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const IS_ANSWER = 0x8000;
const OPCODE = 0x7800;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RCODE = 0x000f;

export interface DnsQuestion {
  readonly id: number;
  readonly name: string;
  readonly type: DnsType;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  /** As zone files write it; of an SOA all seven values. */
  readonly data: string;
}

export interface DnsAnswer {
  /** The server has the zone itself, and has not kept the answer of another one. */
  readonly isAuthoritative: boolean;
  /** There is more than a datagram holds: ask over TCP. */
  readonly isTruncated: boolean;
  /** 0: no error. */
  readonly rcode: number;
  /** Of class IN; those of the question's type, and aliases. */
  readonly records: readonly DnsRecord[];
}

/** What a server sends that is no message of DNS, or none that answers the question. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

/** Lower case, with a dot at its end; names beyond ASCII by IDNA. Throws `PROBE_INVALID`. */
export function canonicalName(text: string): string {
  // `domainToASCII` leaves line breaks out, and goes on.
  const name = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : /[\s\p{C}]/u.test(text) ? '' : domainToASCII(text);
  const rooted = name.endsWith('.') ? name : `${name}.`;
  const labels = rooted === '.' ? [] : rooted.slice(0, -1).split('.');
  const isName = name !== '' && !/[\\"()@;]/.test(name) && labels.every((label) => label.length > 0 && label.length <= MAX_LABEL_BYTES);
  if (!isName || rooted.length >= MAX_NAME_BYTES) throw probeInvalid(`${quoted(text)} is no name of DNS.`);
  return rooted;
}

/** Without "recursion desired": a server that would have to ask another one has nothing to say here. */
export function queryMessage({ id, name, type }: DnsQuestion): Buffer {
  const labels = name === '.' ? [] : name.slice(0, -1).split('.');
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(1, 4);
  const question = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'ascii')]);
  return Buffer.concat([header, ...question, Buffer.from([0, 0, DNS_TYPES[type], 0, CLASS_IN])]);
}

/** Throws `NoAnswer`: whatever comes from elsewhere is taken for hostile, and read within its own bounds. */
export function readAnswer(message: Buffer, asked: DnsQuestion): DnsAnswer {
  const reader = new Reader(message);
  const [id, flags, questions, answers] = [reader.number(2), reader.number(2), reader.number(2), reader.number(2)];
  reader.skip(4);
  if (id !== asked.id || (flags & IS_ANSWER) === 0 || (flags & OPCODE) !== 0) throw new NoAnswer('it answers something else');
  const answer = { isAuthoritative: (flags & AUTHORITATIVE) !== 0, isTruncated: (flags & TRUNCATED) !== 0, rcode: flags & RCODE };
  // A server that could not read the question does not repeat it.
  if (questions === 0 && answer.rcode !== 0) return { ...answer, records: [] };
  const isTheQuestion = questions === 1 && reader.name() === asked.name && reader.number(2) === DNS_TYPES[asked.type] && reader.number(2) === CLASS_IN;
  if (!isTheQuestion) throw new NoAnswer('it answers another question');
  // Of what was cut off nothing is used.
  if (answer.isTruncated) return { ...answer, records: [] };
  const records: DnsRecord[] = [];
  for (let left = answers; left > 0; left -= 1) {
    const [name, type, dnsClass] = [reader.name(), reader.number(2), reader.number(2)];
    reader.skip(4);
    const end = reader.number(2) + reader.at;
    reader.requireUntil(end);
    if (dnsClass === CLASS_IN && (type === DNS_TYPES[asked.type] || type === DNS_TYPES.CNAME)) records.push({ name, type, data: dataOf(reader, type, end) });
    reader.at = end;
  }
  return { ...answer, records };
}

function dataOf(reader: Reader, type: number, end: number): string {
  const data = textOf(reader, type, end);
  if (reader.at !== end) throw new NoAnswer('a record has another length than it says');
  return data;
}

function textOf(reader: Reader, type: number, end: number): string {
  switch (type) {
    case DNS_TYPES.A:
      return Array.from(reader.bytes(4)).join('.');
    case DNS_TYPES.AAAA:
      return ipv6Of(reader.bytes(16));
    case DNS_TYPES.NS:
    case DNS_TYPES.CNAME:
      return reader.name();
    case DNS_TYPES.MX:
      return `${reader.number(2)} ${reader.name()}`;
    case DNS_TYPES.SOA:
      return [reader.name(), reader.name(), ...Array.from({ length: 5 }, () => reader.number(4))].join(' ');
    default: {
      // One text in several strings, as SPF and DKIM have it.
      let text = '';
      while (reader.at < end) text += printable(reader.bytes(reader.number(1)));
      return text;
    }
  }
}

function ipv6Of(bytes: Buffer): string {
  const address = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16)).join(':');
  return isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

/** As zone files write it: nothing in it ends a line, and no two texts look alike. `special`: what has a meaning of its own. */
const printable = (bytes: Buffer, special = /[\\]/): string =>
  Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    if (byte < 0x20 || byte > 0x7e) return `\\${String(byte).padStart(3, '0')}`;
    return special.test(character) ? `\\${character}` : character;
  }).join('');

class Reader {
  at = 0;

  constructor(private readonly message: Buffer) {}

  requireUntil(end: number): void {
    if (end > this.message.length) throw new NoAnswer('it ends too early');
  }

  skip(count: number): void {
    this.requireUntil(this.at + count);
    this.at += count;
  }

  bytes(count: number): Buffer {
    const from = this.at;
    this.skip(count);
    return this.message.subarray(from, this.at);
  }

  number(count: 1 | 2 | 4): number {
    return this.bytes(count).readUIntBE(0, count);
  }

  /** Canonical. A pointer leads backwards only, so that none leads in a circle. */
  name(): string {
    let name = '';
    let sizeBytes = 1;
    let next: number | null = null;
    let earliest = this.at;
    for (;;) {
      const length = this.number(1);
      if (length === 0) break;
      if (length > MAX_LABEL_BYTES) {
        const target = ((length & 0x3f) << 8) | this.number(1);
        next ??= this.at;
        if (length < 0xc0 || target >= earliest) throw new NoAnswer('a name in it leads nowhere');
        this.at = earliest = target;
        continue;
      }
      name += `${printable(this.bytes(length), /[\\.]/).toLowerCase()}.`;
      sizeBytes += length + 1;
      if (sizeBytes > MAX_NAME_BYTES) throw new NoAnswer('a name in it is too long');
    }
    this.at = next ?? this.at;
    return name === '' ? '.' : name;
  }
}
