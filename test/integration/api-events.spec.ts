import { get, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { ModosuError } from '../../src/contracts/errors';
import type { RunView } from '../../src/contracts/run';
import { ApiHarness } from './api-harness';

interface Event {
  readonly id: string;
  readonly run: RunView;
}

/** An open event stream, read as text. */
class Stream {
  text = '';
  ended = false;

  private constructor(readonly response: IncomingMessage) {
    response.setEncoding('utf8');
    response.on('data', (part: string) => (this.text += part));
    response.on('error', () => undefined);
    response.once('close', () => (this.ended = true));
  }

  static async open(api: ApiHarness, runId: string, headers: Readonly<Record<string, string>> = {}): Promise<Stream> {
    const request = get(`${api.url}/v1/runs/${runId}/events`, { agent: false, headers: { Authorization: `Bearer ${api.tokens.read}`, ...headers } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return new Stream(response);
  }

  get events(): readonly Event[] {
    return [...this.text.matchAll(/^id: (.+)\nevent: run\ndata: (.+)\n\n/gm)].map(([, id, data]) => ({ id: id ?? '', run: JSON.parse(data ?? '') as RunView }));
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the events of a run', () => {
  let api: ApiHarness;
  let runId: string;

  beforeEach(async () => {
    api = await ApiHarness.start({ heartbeatMs: 20 });
    await api.seed();
    const { body } = await api.call('POST', '/v1/servers/db01/backups', { body: { kind: 'image', mode: 'offline', reason: 'test' } });
    runId = String(body['id']);
  });

  afterEach(async () => api.close());

  it('come at once and with each change, and the stream ends with the run', async () => {
    const stream = await Stream.open(api, runId);
    expect(stream.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    await until('first state', () => stream.events.length === 1);
    expect(stream.events[0]?.run.state).toBe('accepted');
    await api.catalog.startRun(runId);
    await until('running', () => stream.events.length === 2);
    await api.catalog.recordStep(runId, { seq: 1, key: 'copy:vda', title: 'Copy vda', state: 'running' });
    await until('step', () => stream.events.at(-1)?.run.steps[0]?.key === 'copy:vda');
    await api.catalog.recordProgress(runId, 'copy:vda', {
      doneBytes: 5,
      totalBytes: 10,
      updatedAt: new Date().toISOString(),
      bytesPerSecond: 5,
      secondsLeft: 1,
      stalledSince: null,
    });
    await until('progress', () => stream.events.at(-1)?.run.steps[0]?.progress?.doneBytes === 5);
    expect(stream.events.at(-1)?.run.steps[0]?.progress).toMatchObject({ bytesPerSecond: 5, secondsLeft: 1, stalledSince: null });
    await api.catalog.finishRun(runId, { state: 'failed', error: new ModosuError('COPY_FAILED', 'x').summary() });
    await until('end', () => stream.ended);
    expect(stream.events.at(-1)?.run).toMatchObject({ state: 'failed', error: { code: 'COPY_FAILED' } });
    expect(new Set(stream.events.map(({ id }) => id)).size).toBe(stream.events.length);
  });

  it('carry heartbeats while nothing happens', async () => {
    const stream = await Stream.open(api, runId);
    await until('two heartbeats', () => (stream.text.match(/^: /gm) ?? []).length >= 2);
    expect(stream.events).toHaveLength(1);
    stream.response.destroy();
  });

  it('are not sent again to whom has them, and are sent to whom has older ones', async () => {
    const first = await Stream.open(api, runId);
    await until('first state', () => first.events.length === 1);
    first.response.destroy();
    const id = first.events[0]?.id ?? '';
    const same = await Stream.open(api, runId, { 'Last-Event-ID': id });
    await until('a heartbeat', () => same.text.includes(': '));
    expect(same.events).toEqual([]);
    same.response.destroy();
    await api.catalog.startRun(runId);
    const newer = await Stream.open(api, runId, { 'Last-Event-ID': id });
    await until('new state', () => newer.events.length === 1);
    expect(newer.events[0]?.run.state).toBe('running');
    newer.response.destroy();
  });

  it('of a run that has ended are its last state', async () => {
    await api.catalog.finishRun(runId, { state: 'succeeded', error: null });
    const stream = await Stream.open(api, runId);
    await until('end', () => stream.ended);
    expect(stream.events.map(({ run }) => run.state)).toEqual(['succeeded']);
  });

  it('end when the API shuts down, and when PostgreSQL goes away, so that the client comes again', async () => {
    const stream = await Stream.open(api, runId);
    await until('first state', () => stream.events.length === 1);
    await api.restart();
    await until('end by shutdown', () => stream.ended);
    const second = await Stream.open(api, runId);
    await until('first state again', () => second.events.length === 1);
    api.catalog.failWith(new ModosuError('CATALOG_UNAVAILABLE', 'away'));
    await until('end by failure', () => second.ended);
    api.catalog.failWith(null);
  });

  it('stop being looked for when the client has gone', async () => {
    const stream = await Stream.open(api, runId);
    await until('first state', () => stream.events.length === 1);
    const closed = api.log.length;
    stream.response.destroy();
    await until('log line', () => api.log.length > closed);
    expect(api.log.at(-1)).toMatchObject({ message: 'request broken off' });
    let asked = 0;
    const getRun = api.catalog.getRun;
    api.catalog.getRun = async (id) => {
      asked += 1;
      return getRun(id);
    };
    const other = await Stream.open(api, runId);
    await until('the other stream asks', () => asked > 5);
    const withOne = asked;
    other.response.destroy();
    await until('nobody asks any more', () => api.log.filter(({ message }) => message === 'request broken off').length === 2);
    expect(asked - withOne).toBeLessThan(5);
  });

  it('do not keep the API from shutting down when the client does not read', async () => {
    const getRun = api.catalog.getRun;
    api.catalog.getRun = async (id) => ({ ...(await getRun(id)), reason: 'x'.repeat(16 * 1024 * 1024) });
    const request = get(`${api.url}/v1/runs/${runId}/events`, { agent: false, headers: { Authorization: `Bearer ${api.tokens.read}` } });
    request.on('error', () => undefined);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    const gone = once(response.socket, 'close');
    const started = performance.now();
    await api.restart();
    expect(performance.now() - started).toBeLessThan(4_000);
    response.resume();
    await gone;
  });

  it('end when the token is revoked', async () => {
    const [token] = (await api.catalog.listTokens()).filter(({ name }) => name === 'read');
    const stream = await Stream.open(api, runId);
    await until('first state', () => stream.events.length === 1);
    await api.catalog.revokeToken('somebody', token?.id ?? '');
    await until('end', () => stream.ended);
    expect(stream.events).toHaveLength(1);
  });

  it('end with the token', async () => {
    const short = await api.catalog.createToken('test', 'short', ['read'], new Date(Date.now() + 1500));
    const stream = await Stream.open(api, runId, { Authorization: `Bearer ${short.secret}` });
    await until('end', () => stream.ended);
    expect(stream.events).toHaveLength(1);
  });
});
