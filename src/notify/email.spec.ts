import { createServer, type AddressInfo, type Server as NetServer } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { AlertMessage } from '../contracts/alert';
import { email } from './email';

const ALERT: AlertMessage['alert'] = {
  id: 'alrt_1',
  kind: 'breach',
  code: 'RPO_EXCEEDED',
  serverId: 'srv_1',
  serverName: 'db01',
  runId: null,
  message: 'The newest usable image of server "db01" is too old.',
  hint: 'Take one now.',
  raisedAt: '2026-03-01T00:00:00.000Z',
  clearedAt: null,
};
const RAISED: AlertMessage = { deliveryId: 'msg_1', event: 'raised', channel: 'email', alert: ALERT };
const never = new AbortController().signal;

let server: SMTPServer | null = null;
let mails: { readonly from: string; readonly to: readonly string[]; readonly text: string }[];

async function smtp(options: SMTPServerOptions = {}): Promise<number> {
  const made = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom === false || mailFrom === undefined ? '' : mailFrom.address;
        mails.push({ from, to: rcptTo.map(({ address }) => address), text: Buffer.concat(chunks).toString() });
        callback();
      });
    },
    ...options,
  });
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', () => resolve()));
  return (made.server.address() as AddressInfo).port;
}

beforeEach(() => {
  mails = [];
});
afterEach(async () => {
  const running = server;
  server = null;
  await new Promise<void>((resolve) => (running === null ? resolve() : running.close(() => resolve())));
});

const send = (port: number, message = RAISED, { login = '', signal = never } = {}): Promise<string | null> =>
  email({ url: `smtp://${login}127.0.0.1:${port}`, from: 'modosu@example.org', to: ['a@example.org', 'b@example.org'] })(message, signal);
const header = (text: string, name: string): string => new RegExp(`^${name}: (.*(?:\\r\\n[ \\t].*)*)`, 'im').exec(text)?.[1] ?? '';

it('is sent to everybody, in words, with what to do', async () => {
  expect(await send(await smtp())).toBeNull();
  const [{ from, to, text }, ...others] = mails as [(typeof mails)[number]];
  expect([from, to, others]).toEqual(['modosu@example.org', ['a@example.org', 'b@example.org'], []]);
  expect(header(text, 'subject')).toBe('[Modosu] ALERT db01: RPO_EXCEEDED');
  expect(header(text, 'message-id')).toBe('<alrt_1@example.org>');
  expect(header(text, 'auto-submitted')).toBe('auto-generated');
  expect(header(text, 'content-type')).toMatch(/^text\/plain/);
  for (const line of [ALERT.message, ALERT.hint, 'server: db01', 'since: 2026-03-01T00:00:00.000Z']) expect(text).toContain(line);
});

it('of the end answers the one of the beginning', async () => {
  const clearedAt = '2026-03-01T01:00:00.000Z';
  expect(await send(await smtp(), { ...RAISED, deliveryId: 'msg_2', event: 'cleared', alert: { ...ALERT, clearedAt } })).toBeNull();
  const text = mails[0]?.text ?? '';
  expect(header(text, 'subject')).toBe('[Modosu] OVER db01: RPO_EXCEEDED');
  expect([header(text, 'message-id'), header(text, 'in-reply-to')]).toEqual(['<msg_2@example.org>', '<alrt_1@example.org>']);
  expect(text).toContain(`until: ${clearedAt}`);
});

it('keeps what a guest has said from becoming a header, a receiver or a line of its own', async () => {
  const hostile = 'x\r\nBcc: evil@example.com\r\n\r\n.\r\nMAIL FROM:<evil@example.com>\r\n';
  expect(await send(await smtp(), { ...RAISED, alert: { ...ALERT, message: hostile, hint: hostile, code: hostile, serverName: hostile } })).toBeNull();
  expect(mails).toHaveLength(1);
  expect(mails[0]?.to).toEqual(['a@example.org', 'b@example.org']);
  expect(mails[0]?.text).not.toMatch(/^bcc:/im);
  expect(mails[0]?.text).not.toMatch(/^MAIL FROM/m);
});

it('tells a refusal by its codes, not in words that may repeat a login', async () => {
  const port = await smtp({ onRcptTo: (_address, _session, callback) => callback(Object.assign(new Error('no t0psecret here'), { responseCode: 550 })) });
  expect(await send(port)).toBe('the mail server did not take it (EENVELOPE 550)');
});

it('is delivered when one of its receivers is refused, which is told', async () => {
  const onRcptTo: SMTPServerOptions['onRcptTo'] = ({ address }, _session, callback) => callback(address.startsWith('a') ? new Error('unknown') : null);
  const refused: number[] = [];
  const url = `smtp://127.0.0.1:${await smtp({ onRcptTo })}`;
  const sendIt = email({ url, from: 'modosu@example.org', to: ['a@example.org', 'b@example.org'] }, { onRefused: (count) => refused.push(count) });
  expect(await sendIt(RAISED, never)).toBeNull();
  expect(mails[0]?.to).toEqual(['b@example.org']);
  expect(refused).toEqual([1]);
});

it('logs in, and tells a wrong login without it', async () => {
  const logins: string[] = [];
  const port = await smtp({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, callback) => {
      logins.push(`${username} ${password}`);
      if (password === 'r/ght') callback(null, { user: username });
      else callback(new Error(`bad login ${username}`));
    },
  });
  expect(await send(port, RAISED, { login: 'me:r%2Fght@' })).toBeNull();
  expect(await send(port, RAISED, { login: 'me:wrong@' })).toBe('the mail server did not take it (EAUTH 535)');
  expect(logins).toEqual(['me r/ght', 'me wrong']);
});

it('sends no login to another machine that offers no TLS', async () => {
  const logins: string[] = [];
  const port = await smtp({
    allowInsecureAuth: true,
    onAuth: ({ username }, _session, callback) => (logins.push(username ?? ''), callback(null, { user: 'me' })),
  });
  // The same server under a name that is not taken for loopback.
  const toOther = email({ url: `smtp://me:secret@[::ffff:127.0.0.1]:${port}`, from: 'modosu@example.org', to: ['a@example.org'] });
  expect(await toOther(RAISED, never)).toBe('the mail server did not take it (ETLS 500)');
  expect([logins, mails]).toEqual([[], []]);
});

it('a server that is not there is told', async () => {
  expect(await send(1)).toBe('the mail server did not take it (ESOCKET)');
});

describe('a server that says nothing', () => {
  let silent: NetServer;
  beforeEach(async () => {
    silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => new Promise<void>((resolve) => silent.close(() => resolve())));

  it('is given up when the worker stops', async () => {
    const stop = new AbortController();
    const connected = new Promise((resolve) => silent.once('connection', resolve));
    const sent = send((silent.address() as AddressInfo).port, RAISED, { signal: stop.signal });
    await connected;
    stop.abort();
    expect(await sent).toBe('the worker was stopped meanwhile');
  });

  it('is given up in time', async () => {
    const toSilent = email(
      { url: `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`, from: 'modosu@example.org', to: ['a@example.org'] },
      { deadlineMs: 200 },
    );
    expect(await toSilent(RAISED, never)).toBe('no answer within 0.2 s');
  });
});
