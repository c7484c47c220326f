import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlertMessage } from '../contracts/alert';
import { webhook } from './webhook';

const MESSAGE: AlertMessage = {
  deliveryId: 'msg_1',
  event: 'raised',
  channel: 'webhook',
  alert: {
    id: 'alrt_1',
    kind: 'breach',
    code: 'RPO_EXCEEDED',
    serverId: 'srv_1',
    serverName: 'db01',
    runId: null,
    message: 'Ünten "db01" <b>',
    hint: 'h',
    raisedAt: '2026-03-01T00:00:00.000Z',
    clearedAt: null,
  },
};
const NOW = new Date('2026-03-01T00:05:00.900Z');
const never = new AbortController().signal;

let server: Server;
let seen: { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }[];
let answer: { status: number; headers?: Record<string, string>; isSilent?: boolean };
const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=t0psecret`;

beforeEach(async () => {
  seen = [];
  answer = { status: 204 };
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url ?? '' });
      if (answer.isSilent !== true) response.writeHead(answer.status, answer.headers).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(
  () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
);

const send = (secret = 'a secret of many words', signal = never): Promise<string | null> => webhook({ url: url(), secret }, fetch, () => NOW)(MESSAGE, signal);

it('posts the alert, signed as Standard Webhooks are', async () => {
  expect(await send()).toBeNull();
  const [{ headers, body, path }] = seen as [(typeof seen)[number]];
  expect(path).toBe('/hook?token=t0psecret');
  expect(JSON.parse(body)).toEqual({ type: 'alert.raised', timestamp: '2026-03-01T00:00:00.000Z', data: MESSAGE.alert });
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': 'msg_1', 'webhook-timestamp': '1772323500' });
  const expected = createHmac('sha256', 'a secret of many words').update(`msg_1.1772323500.${body}`).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${expected}`);
});

it('takes a key as the specification writes keys', async () => {
  const key = Buffer.from('0123456789abcdef0123456789abcdef');
  expect(await send(`whsec_${key.toString('base64')}`)).toBeNull();
  const [{ headers, body }] = seen as [(typeof seen)[number]];
  expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', key).update(`msg_1.1772323500.${body}`).digest('base64')}`);
});

it('says when it ended, in a message of the end', async () => {
  const clearedAt = '2026-03-01T00:04:00.000Z';
  await webhook({ url: url(), secret: 's' })({ ...MESSAGE, event: 'cleared', alert: { ...MESSAGE.alert, clearedAt } }, never);
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ type: 'alert.cleared', timestamp: clearedAt, data: { clearedAt } });
});

it.each([400, 401, 410, 500, 503])('an answer of %d is no delivery', async (status) => {
  answer = { status };
  expect(await send()).toBe(`the receiver answered ${status}`);
});

it('a redirect is no delivery, and is not followed', async () => {
  answer = { status: 302, headers: { location: '/elsewhere' } };
  expect(await send()).toBe('the receiver answered 302');
  expect(seen).toHaveLength(1);
});

it('a receiver that is not there is told without its address, which may hold a secret', async () => {
  const gone = webhook({ url: 'http://127.0.0.1:1/hook?token=t0psecret', secret: 's' });
  expect(await gone(MESSAGE, never)).toBe('the receiver cannot be reached');
  const refused = Object.assign(new TypeError('fetch failed http://x/?token=t0psecret'), { cause: { code: 'ECONNREFUSED' } });
  expect(await webhook({ url: 'http://x/?token=t0psecret', secret: 's' }, async () => Promise.reject(refused))(MESSAGE, never)).toBe(
    'the receiver cannot be reached (ECONNREFUSED)',
  );
});

it('gives up on a receiver that does not answer when the worker stops', async () => {
  answer = { status: 200, isSilent: true };
  const stop = new AbortController();
  const sent = send('s', stop.signal);
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  expect(await sent).toBe('the worker was stopped meanwhile');
});

it('gives up on a receiver that does not answer in time', async () => {
  const timedOut = async (): Promise<Response> => Promise.reject(new DOMException('late', 'TimeoutError'));
  expect(await webhook({ url: url(), secret: 's' }, timedOut)(MESSAGE, never)).toBe('no answer within 10 s');
});
