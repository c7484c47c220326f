import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import type { MarkerType } from '../../src/contracts/marker';
import type { MarkerReading, MarkerSpec, ProbeSpec } from '../../src/contracts/profile';
import type { ProbeTarget } from '../../src/probes/probe';
import { readMarker, readMarkers } from '../../src/probes/read-markers';
import { unusedPort } from '../../src/roles/up/ports';
import { makeCertificate } from '../support/data-lab';
import { NameServer } from '../support/name-server';
import { eventually } from '../support/processes';
import { ownedDirectory } from '../support/owned-directory';

const target = (address: string | null = '127.0.0.1'): ProbeTarget => ({ agent: null, address, facts: {}, now: () => new Date() });
const marker = (type: MarkerType, probe: ProbeSpec, timeoutSeconds = 5): MarkerSpec => ({
  name: 'marker',
  type,
  of: 'peer',
  probe,
  timeoutSeconds,
  isCaptured: true,
});
const valueOf = (reading: MarkerReading): string => {
  if (reading.state !== 'read') throw new Error(`${reading.code}: ${reading.message}`);
  return reading.value;
};
const failedWith = (code: string, words: RegExp): unknown => ({ state: 'failed', code, message: expect.stringMatching(words), at: expect.any(String) });

describe('probes of name servers', () => {
  const LARGEST = 2 ** 32 - 1;
  const EXAMPLE = {
    name: 'example.test',
    serial: LARGEST,
    records: [
      'web IN A 192.0.2.2',
      'web IN A 192.0.2.10',
      'web IN AAAA 2001:db8:0:0::1',
      '@ IN MX 10 Mail',
      'alias IN CNAME web',
      'note IN TXT "v=spf1 " "-all"',
      'note IN TXT "two\\010lines \\\\ and \\"quotes\\""',
      ...Array.from({ length: 40 }, (_, n) => `many IN TXT "member ${n} of a set that no datagram of 512 bytes holds"`),
    ],
  };
  let root: string;
  let primary: NameServer;
  let secondary: NameServer;
  const ask = (probe: Omit<Extract<ProbeSpec, { kind: 'dns' }>, 'kind' | 'port'>, type: MarkerType = 'set', server = primary): Promise<MarkerReading> =>
    readMarker(marker(type, { kind: 'dns', ...probe, port: String(server.port) }), target());
  const serialOf = (server: NameServer): Promise<MarkerReading> => ask({ name: 'example.test', type: 'SOA', field: 'serial' }, 'serial32', server);

  beforeAll(async () => {
    root = ownedDirectory(process.env['MODOSU_TEST_DIRECTORY'] ?? '/var/tmp', 'modosu-probes-');
    primary = await NameServer.primary(join(root, 'primary'), [EXAMPLE]);
    secondary = await NameServer.secondary(join(root, 'secondary'), primary, ['example.test']);
  });
  afterAll(async () => {
    await secondary?.stop();
    await primary?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('read of each server what that one has: a secondary does not follow a primary that has gone back', async () => {
    const secondaryHas = (serial: number): Promise<boolean> =>
      eventually(`the secondary has ${serial}`, async () => {
        const reading = await serialOf(secondary);
        return reading.state === 'read' && reading.value === String(serial);
      });
    await secondaryHas(LARGEST);
    expect(valueOf(await serialOf(primary))).toBe(String(LARGEST));
    // Around the circle of RFC 1982, which is forward.
    await primary.restartWith({ ...EXAMPLE, serial: 4 });
    await secondaryHas(4);
    await primary.restartWith(EXAMPLE);
    expect(valueOf(await serialOf(primary))).toBe(String(LARGEST));
    // The secondary asks every second.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(valueOf(await serialOf(secondary))).toBe('4');
  });

  it.each([
    ['A', 'web.example.test', ['192.0.2.10', '192.0.2.2']],
    ['AAAA', 'WEB.Example.Test.', ['2001:db8::1']],
    ['NS', 'example.test', ['ns1.example.test.', 'ns2.example.test.']],
    ['MX', 'example.test', ['10 mail.example.test.']],
    ['TXT', 'note.example.test', ['two\\010lines \\\\ and "quotes"', 'v=spf1 -all']],
    ['A', 'note.example.test', ['']],
  ] as const)('read %s records of %s, sorted, and none where there are none', async (type, name, expected) => {
    expect(valueOf(await ask({ name, type })).split('\n')).toEqual(expected);
  });

  it('ask over TCP for what no datagram holds', async () => {
    const lines = valueOf(await ask({ name: 'many.example.test', type: 'TXT' })).split('\n');
    expect(lines).toHaveLength(40);
    expect(lines).toContain('member 39 of a set that no datagram of 512 bytes holds');
  });

  it('read the whole SOA where no field is asked for', async () => {
    expect(valueOf(await ask({ name: 'example.test', type: 'SOA' }, 'text', secondary))).toBe('ns1.example.test. hostmaster.example.test. 4 1 1 600 60');
  });

  it.each([
    ['a name that is not there', { name: 'absent.example.test', type: 'A' }, 'PROBE_FAILED', /NXDOMAIN for absent\.example\.test\. A/],
    ['a zone of somebody else', { name: 'example.org', type: 'SOA', field: 'serial' }, 'PROBE_FAILED', /REFUSED/],
    ['an SOA in the middle of a zone', { name: 'web.example.test', type: 'SOA', field: 'serial' }, 'PROBE_FAILED', /no zone that begins at/],
    ['an alias', { name: 'alias.example.test', type: 'A' }, 'PROBE_FAILED', /is an alias: web\.example\.test\./],
    ['what is no name', { name: 'a..b', type: 'A' }, 'PROBE_INVALID', /no name of DNS/],
    ['a field of what has none', { name: 'example.test', type: 'A', field: 'serial' }, 'PROBE_INVALID', /Only an SOA/],
  ] as const)('fail for %s', async (_what, probe, code, words) => {
    expect(await ask(probe)).toEqual(failedWith(code, words));
  });

  it('fail where nobody listens, at once', async () => {
    const port = String(await unusedPort());
    const spec = marker('serial32', { kind: 'dns', name: 'example.test', type: 'SOA', field: 'serial', port });
    const startedAt = performance.now();
    expect(await readMarker(spec, target())).toEqual(failedWith('PEER_UNREACHABLE', /127\.0\.0\.1:\d+ cannot be reached/));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await readMarker(spec, target('name.invalid'))).toEqual(failedWith('PEER_UNREACHABLE', /name\.invalid/));
    expect(await readMarker(spec, target(null))).toEqual(failedWith('PEER_ADDRESS_MISSING', /no address/));
  });

  describe('that are hostile', () => {
    let udp: Socket;
    let tcp: Server;
    let answer: (query: Buffer) => readonly Buffer[];
    let overTcp: Buffer;
    let queries: number;
    const flagged = (query: Buffer, flags: number): Buffer => {
      const message = Buffer.from(query);
      message.writeUInt16BE(flags, 2);
      return message;
    };
    const [ANSWER, CACHED, CUT] = [0x8400, 0x8080, 0x8600];
    const withRecord = (query: Buffer, record: readonly number[], flags = ANSWER): Buffer => {
      const message = Buffer.concat([flagged(query, flags), Buffer.from(record)]);
      message.writeUInt16BE(1, 6);
      return message;
    };
    /** From a pointer to the question's name on: A, IN, 60 s, 192.0.2.1. */
    const RECORD = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    const askHostile = (timeoutSeconds = 5): Promise<MarkerReading> =>
      readMarker(marker('set', { kind: 'dns', name: 'example.test', type: 'A', port: String(udp.address().port) }, timeoutSeconds), target());

    beforeAll(async () => {
      udp = createSocket('udp4');
      udp.on('message', (query, from) => {
        queries += 1;
        for (const message of answer(query)) udp.send(message, from.port, from.address);
      });
      await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
      tcp = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(overTcp));
      });
      await new Promise<void>((resolve) => tcp.listen(udp.address().port, '127.0.0.1', resolve));
    });
    beforeEach(() => {
      queries = 0;
      overTcp = Buffer.alloc(0);
    });
    afterAll(async () => {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    });

    it.each([
      ['answer from a cache', (query: Buffer) => [withRecord(query, RECORD, CACHED)], /not authoritative/],
      ['say nothing but their id', (query: Buffer) => [query.subarray(0, 2)], /ends too early/],
      ['send the question back', (query: Buffer) => [query], /answers something else/],
      [
        'answer another question',
        (query: Buffer) => [flagged(Buffer.from(query.toString('latin1').replace('example', 'exomple'), 'latin1'), ANSWER)],
        /another question/,
      ],
      ['have a name in a circle', (query: Buffer) => [withRecord(query, [0xc0, query.length, ...RECORD.slice(2)])], /leads nowhere/],
      ['have a record beyond the end', (query: Buffer) => [withRecord(query, RECORD.slice(0, -1))], /ends too early/],
      ['have a record of another length', (query: Buffer) => [withRecord(query, [...RECORD.slice(0, 11), 5, 1, 2, 3, 4, 5])], /another length/],
      ['cut it off, and over TCP again', (query: Buffer) => [flagged(query, CUT)], /closed before its end/],
    ] as const)('fail when they %s', async (_what, answers, words) => {
      answer = answers;
      expect(await askHostile()).toEqual(failedWith('PROBE_FAILED', words));
    });

    it('get no guess in before the answer', async () => {
      answer = (query) => {
        const guess = withRecord(query, [...RECORD.slice(0, -1), 66]);
        guess.writeUInt16BE((query.readUInt16BE(0) + 1) % 0x1_0000, 0);
        return [guess, Buffer.alloc(1), withRecord(query, RECORD)];
      };
      expect(valueOf(await askHostile())).toBe('192.0.2.1');
    });

    it('are asked again when a datagram was lost, and given up in time', async () => {
      answer = (query) => (queries < 2 ? [] : [withRecord(query, RECORD)]);
      expect(valueOf(await askHostile())).toBe('192.0.2.1');
      answer = () => [];
      const startedAt = performance.now();
      expect(await askHostile(0.5)).toEqual(failedWith('PROBE_TIMED_OUT', /within 0\.5 s/));
      expect(performance.now() - startedAt).toBeLessThan(1_500);
    });
  });
});

describe('probes over HTTP', () => {
  let server: HttpServer;
  let answer: RequestListener;
  let base: string;
  const seen: string[] = [];
  const ask = (path: string, { type = 'text', pointer, timeoutSeconds = 5 }: { type?: MarkerType; pointer?: string; timeoutSeconds?: number } = {}) =>
    readMarker(marker(type, { kind: 'http', url: `${base}${path}`, ...(pointer === undefined ? {} : { pointer }) }, timeoutSeconds), target(null));

  beforeAll(async () => {
    server = createHttpServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const says =
    (body: string, status = 200): RequestListener =>
    (_request, response) =>
      void response.writeHead(status).end(body);

  it('read the body, or what a pointer leads to', async () => {
    answer = says('{"header":{"revision":18446744073709551615,"term":7},"members":["b","a"]}\n');
    expect(valueOf(await ask('/x', { type: 'counter', pointer: '/header/revision' }))).toBe('18446744073709551615');
    expect(valueOf(await ask('/x', { type: 'set', pointer: '/members' }))).toBe('a\nb');
    expect(await ask('/x', { pointer: '/header/none' })).toEqual(failedWith('PROBE_FAILED', /nothing at "\/header\/none"/));
    expect(valueOf(await ask('/x'))).toContain('"term":7');
  });

  it('follow no redirect', async () => {
    answer = (_request, response) => void response.writeHead(302, { location: `${base}/elsewhere` }).end();
    seen.length = 0;
    expect(await ask('/from')).toEqual(failedWith('PROBE_FAILED', /redirect \(302\)/));
    expect(seen).toEqual(['GET /from']);
  });

  it('fail for other statuses, with what was said, cleaned', async () => {
    answer = says('down \u001b[31mfor good\u001b[0m', 503);
    expect(await ask('/x?token=secret')).toEqual(failedWith('PROBE_FAILED', /^http:\/\/127\.0\.0\.1:\d+\/x answers with status 503: down \[31mfor good \[0m$/));
  });

  it.each([undefined, '/x'])('take no more than is allowed of 100 MB (pointer: %s)', async (pointer) => {
    let sent = 0;
    const piece = Buffer.alloc(1024 * 1024, '9');
    answer = (_request, response) => {
      const pour = (): void => {
        while (sent < 100 && !response.destroyed) {
          sent += 1;
          if (!response.write(piece)) return void response.once('drain', pour);
        }
        response.end();
      };
      pour();
    };
    expect(await ask('/x', { pointer })).toEqual(failedWith('PROBE_OUTPUT_TOO_LARGE', /more than (?:64|1024) KiB/));
    expect(sent).toBeLessThan(50);
  });

  it.each([
    ['never answers', () => undefined],
    ['sends a byte now and then', (_request, response) => void setInterval(() => response.write('x'), 100).unref()],
  ] as readonly (readonly [string, RequestListener])[])('end in time where the server %s', async (_what, listener) => {
    answer = listener;
    const startedAt = performance.now();
    expect(await ask('/x', { timeoutSeconds: 0.5 })).toEqual(failedWith('PROBE_TIMED_OUT', /within 0\.5 s/));
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  it.each([
    ['garbage', '{"a": nope', 'PROBE_FAILED', /no JSON/],
    ['a depth that is meant to harm', '['.repeat(500_000), 'PROBE_FAILED', /no JSON/],
    ['null', '{"a":null}', 'PROBE_FAILED', /no single value/],
    ['an object', '{"a":{"b":1}}', 'PROBE_FAILED', /no single value/],
    ['control characters', '{"a":"x\\u001b[2J"}', 'MARKER_UNREADABLE', /control characters/],
    ['what a prototype has', '{}', 'PROBE_FAILED', /nothing at/],
  ])('fail for %s', async (what, body, code, words) => {
    answer = says(body);
    expect(await ask('/x', { pointer: what.includes('prototype') ? '/constructor/name' : '/a' })).toEqual(failedWith(code, words));
  });

  it('fail where a connection is refused, reset, or speaks something else', async () => {
    expect(await readMarker(marker('text', { kind: 'http', url: `http://127.0.0.1:${await unusedPort()}/` }), target())).toEqual(
      failedWith('PEER_UNREACHABLE', /ECONNREFUSED/),
    );
    answer = (request) => void request.socket.resetAndDestroy();
    expect(await ask('/x')).toMatchObject({ code: 'PEER_UNREACHABLE' });
    answer = (request) => void request.socket.end('SSH-2.0-x\r\n');
    expect(await ask('/x')).toMatchObject({ code: 'PROBE_FAILED' });
  });

  it('ask nothing of what is no such URL, or has a password', async () => {
    for (const url of ['file:///etc/passwd', 'nowhere', 'http://user:hunter2@127.0.0.1/']) {
      const reading = await readMarker(marker('text', { kind: 'http', url }), target());
      expect(reading).toMatchObject({ state: 'failed', code: 'PROBE_INVALID' });
      expect(JSON.stringify(reading)).not.toContain('hunter2');
    }
  });

  it('trust no certificate that this machine does not, whatever its environment says', async () => {
    const { certificateFile, keyFile } = await makeCertificate();
    const tls = createTlsServer({ cert: readFileSync(certificateFile), key: readFileSync(keyFile) }, says('1'));
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const url = `https://127.0.0.1:${(tls.address() as AddressInfo).port}/`;
      expect(await readMarker(marker('text', { kind: 'http', url }), target())).toEqual(failedWith('PROBE_FAILED', /certificate/));
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      await new Promise((resolve) => tls.close(resolve));
    }
  });
});

describe('probes of ports', () => {
  const ask = (port: number | string, address: string | null = '127.0.0.1'): Promise<MarkerReading> =>
    readMarker(marker('boolean', { kind: 'tcp', port: String(port) }, 1), target(address));

  it('are true where a connection is accepted, and leave none open', async () => {
    const server = createServer((socket) => socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    expect(valueOf(await ask((server.address() as AddressInfo).port))).toBe('true');
    // Ends when no connection is left.
    await new Promise((resolve) => server.close(resolve));
  });

  it('are false where it is refused', async () => {
    const port = await unusedPort();
    expect(valueOf(await ask(port))).toBe('false');
    expect(valueOf(await ask(port, 'localhost'))).toBe('false');
  });

  it('fail where that is not known', async () => {
    expect(await ask(80, 'name.invalid')).toEqual(failedWith('PEER_UNREACHABLE', /name\.invalid:80 cannot be reached/));
    expect(await ask(80, null)).toMatchObject({ code: 'PEER_ADDRESS_MISSING' });
    for (const port of ['0', '65536', '80x', '', '-1']) expect(await ask(port)).toMatchObject({ code: 'PROBE_INVALID' });
  });

  it('fail where nobody says a word', async () => {
    const port = await unusedPort();
    const listen = `require('node:net').createServer().listen({ host: '127.0.0.1', port: ${port}, backlog: 1 }, () => console.log('listens'))`;
    const server = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'ignore'] });
    const waiting: ReturnType<typeof connect>[] = [];
    try {
      await once(server.stdout, 'data');
      // It takes no connection any more; when its queue is full, the kernel answers nobody.
      server.kill('SIGSTOP');
      for (let count = 0; count < 5; count += 1) waiting.push(connect({ host: '127.0.0.1', port }).on('error', () => undefined));
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await ask(port)).toEqual(failedWith('PROBE_TIMED_OUT', /within 1 s/));
    } finally {
      for (const socket of waiting) socket.destroy();
      server.kill('SIGKILL');
    }
  });
});

describe('several probes', () => {
  it('come in the order of their specs, and end with what ends them', async () => {
    const silent = createServer((socket) => socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const slow = marker('text', { kind: 'http', url: `http://127.0.0.1:${port}/` }, 30);
    const quick = marker('boolean', { kind: 'tcp', port: String(port) });
    const startedAt = performance.now();
    const readings = await readMarkers([slow, quick, slow, quick], target(), { concurrency: 2, deadlineMs: 1_500 });
    expect(readings.map((reading) => (reading.state === 'read' ? reading.value : reading.code))).toEqual([
      'PROBE_TIMED_OUT',
      'true',
      'PROBE_TIMED_OUT',
      'PROBE_TIMED_OUT',
    ]);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    const reason = new Error('nobody wants it any more');
    const leaving = new AbortController();
    setTimeout(() => leaving.abort(reason), 100);
    await expect(readMarkers([slow, slow], target(), { concurrency: 1, deadlineMs: 30_000, signal: leaving.signal })).rejects.toBe(reason);
    await expect(readMarker(slow, target(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await new Promise((resolve) => silent.close(resolve));
  });
});
