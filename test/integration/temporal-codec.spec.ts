import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { newId } from '../../src/contracts/ids';
import type { BackupImageInput } from '../../src/contracts/workflows';
import { EncryptionCodec } from '../../src/temporal/codec';
import { createDataConverter } from '../../src/temporal/data-converter';
import { ensurePayloadKeys, loadPayloadKeys } from '../../src/temporal/payload-keys';
import { payloadKeysOf } from '../support/payload-keys';
import { TemporalClient } from '../../src/temporal/client';
import { bundleWorkflowsForTests, startTemporalForTests, type TestTemporal } from '../support/temporal';

const SECRET = 'volcano-otter-7731';

const input = (reason: string): BackupImageInput => ({
  runId: newId('run'),
  serverId: newId('srv'),
  serverName: SECRET,
  uuid: '00000000-0000-4000-8000-000000000001',
  hypervisor: 'h1',
  repository: 'main',
  fencingToken: 1,
  stopTimeoutSeconds: 60,
  agentTimeoutSeconds: 60,
  recoveryPointId: newId('rp'),
  mode: 'offline',
  allowCrashConsistent: false,
  quiesce: { before: null, after: null },
  onlineBackup: { rateLimitBytesPerSecond: null, maxGuestLatencyMs: null },
  reason,
  acceptedAt: '2026-01-01T00:00:00.000Z',
});

describe('what Temporal stores', () => {
  let temporal: TestTemporal;
  let worker: Worker;
  let running: Promise<void>;

  beforeAll(async () => {
    temporal = await startTemporalForTests();
    worker = await Worker.create({
      connection: temporal.environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue: 'codec',
      dataConverter: temporal.dataConverter,
      workflowBundle: await bundleWorkflowsForTests(join(__dirname, '../support/fixtures/temporal-workflows.ts')),
      activities: {
        echo: (text: string) => {
          if (text === 'echo and fail') throw new Error(`${SECRET} in an activity's error`);
          return Promise.resolve(`${SECRET} ${text}`);
        },
      },
    });
    running = worker.run();
  }, 60_000);

  afterAll(async () => {
    worker.shutdown();
    await running;
    await temporal.close();
  }, 30_000);

  /** The whole history as text, with every base64 string beside what it stands for. */
  const storedBy = async (workflowId: string): Promise<string> => {
    const history = await temporal.client.client.workflow.getHandle(workflowId).fetchHistory();
    return JSON.stringify(history).replace(
      /"([A-Za-z0-9+/]{8,}={0,2})"/g,
      (whole, base64: string) => `${whole} ${Buffer.from(base64, 'base64').toString('latin1')}`,
    );
  };

  it('holds inputs, results and activity results in no readable form', async () => {
    const handle = await temporal.client.client.workflow.start('backupImage', { workflowId: newId('run'), taskQueue: 'codec', args: [input('echo')] });
    await handle.signal('finish');
    await expect(handle.result()).resolves.toEqual({ state: 'succeeded' });
    const stored = await storedBy(handle.workflowId);
    expect(stored).toContain('activityTaskCompletedEventAttributes');
    expect(stored).toContain('binary/encrypted');
    expect(stored).not.toContain(SECRET);
    expect(stored).not.toContain('succeeded');
  });

  it.each(['fail', 'echo and fail'])('holds messages and stacks of failures in no readable form (%s), and gives them back to us', async (reason) => {
    const handle = await temporal.client.client.workflow.start('backupImage', { workflowId: newId('run'), taskQueue: 'codec', args: [input(reason)] });
    const error = await handle.result().then(
      () => null,
      (thrown: unknown) => thrown as WorkflowFailedError,
    );
    expect(error).toBeInstanceOf(WorkflowFailedError);
    let messages = '';
    for (let current: Error | undefined = error ?? undefined; current !== undefined; current = current.cause as Error | undefined) messages += current.message;
    expect(messages).toContain(SECRET);
    const stored = await storedBy(handle.workflowId);
    expect(stored).toContain('Encoded failure');
    expect(stored).not.toContain(SECRET);
    expect(stored).not.toContain('temporal-workflows');
  });

  it('cannot be read with another key, and the error names the missing one', async () => {
    const handle = await temporal.client.client.workflow.start('backupImage', { workflowId: newId('run'), taskQueue: 'codec', args: [input('echo')] });
    await handle.signal('finish');
    await handle.result();
    const stranger = new TemporalClient({
      address: temporal.address,
      namespace: temporal.namespace,
      dataConverter: createDataConverter(payloadKeysOf('other', { other: randomBytes(32) })),
    });
    await expect(stranger.client.workflow.getHandle(handle.workflowId).result()).rejects.toMatchObject({
      code: 'PAYLOAD_UNREADABLE',
      message: expect.stringContaining('"test"') as string,
    });
    await stranger.close();
  });
});

describe('EncryptionCodec', () => {
  const keyA = randomBytes(32);
  const keyB = randomBytes(32);
  const codec = new EncryptionCodec(payloadKeysOf('a', { a: keyA }));
  const plain = defaultPayloadConverter.toPayload({ name: SECRET });

  it('gives back exactly what it was given, and never the same bytes twice', async () => {
    const [one] = await codec.encode([plain]);
    const [two] = await codec.encode([plain]);
    expect(Buffer.from(one?.data ?? []).equals(Buffer.from(two?.data ?? []))).toBe(false);
    const [back] = await codec.decode([one ?? {}]);
    expect(defaultPayloadConverter.fromPayload(back ?? {})).toEqual({ name: SECRET });
    const [nothing] = await codec.decode(await codec.encode([defaultPayloadConverter.toPayload(undefined)]));
    expect(defaultPayloadConverter.fromPayload(nothing ?? {})).toBeUndefined();
  });

  it('still reads what an older key wrote, and writes with the current one', async () => {
    const old = await codec.encode([plain]);
    const rotated = new EncryptionCodec(payloadKeysOf('b', { a: keyA, b: keyB }));
    expect(defaultPayloadConverter.fromPayload((await rotated.decode(old))[0] ?? {})).toEqual({ name: SECRET });
    expect(Buffer.from((await rotated.encode([plain]))[0]?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('b');
    await expect(codec.decode(await rotated.encode([plain]))).rejects.toMatchObject({
      code: 'PAYLOAD_UNREADABLE',
      context: { keyId: 'b', knownKeyIds: ['a'] },
    });
  });

  it.each([0, 12, -1])('refuses a payload with a bit flipped at byte %d', async (position) => {
    const [payload] = await codec.encode([plain]);
    const data = Buffer.from(payload?.data ?? []);
    const index = position < 0 ? data.length + position : position;
    data.writeUInt8(data.readUInt8(index) ^ 1, index);
    await expect(codec.decode([{ ...payload, data }])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
  });

  it('refuses cut payloads, and a key id exchanged for another', async () => {
    const [payload] = await codec.encode([plain]);
    await expect(codec.decode([{ ...payload, data: Buffer.from(payload?.data ?? []).subarray(0, 20) }])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
    await expect(codec.decode([{ ...payload, data: Buffer.alloc(0) }])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
    const both = new EncryptionCodec(payloadKeysOf('a', { a: keyA, b: keyA }));
    const metadata = { ...payload?.metadata, 'encryption-key-id': Buffer.from('b') };
    await expect(both.decode([{ ...payload, metadata }])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
  });

  it('refuses what is not encrypted: only holders of a key may give a run its input', async () => {
    await expect(codec.decode([plain])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE', message: expect.stringContaining('not encrypted') as string });
  });

  it('reads as nothing what the Temporal server writes itself about a cancelled activity that nobody was carrying out; anything near it is refused', async () => {
    const mark = defaultPayloadConverter.toPayload('ACTIVITY_ID_NOT_STARTED');
    const [read, ...more] = await codec.decode([mark]);
    expect(more).toEqual([]);
    expect(defaultPayloadConverter.fromPayload(read ?? {})).toBeUndefined();
    for (const near of ['ACTIVITY_ID_NOT_STARTED ', 'ACTIVITY_ID_UNKNOWN', '', { mark: 'ACTIVITY_ID_NOT_STARTED' }]) {
      await expect(codec.decode([defaultPayloadConverter.toPayload(near)])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
    }
    await expect(codec.decode([{ ...mark, metadata: { encoding: Buffer.from('binary/plain') } }])).rejects.toMatchObject({ code: 'PAYLOAD_UNREADABLE' });
  });
});

describe('payload key file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'modosu-keys-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const code = (action: () => unknown): string => {
    try {
      action();
      return 'nothing thrown';
    } catch (error) {
      return `${(error as { code: string }).code}: ${(error as Error).message}`;
    }
  };

  it('is made once, private, and never replaced', async () => {
    const path = join(directory, 'keys.json');
    await ensurePayloadKeys(path, new Date('2026-01-02T03:04:05Z'));
    const first = readFileSync(path, 'utf8');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await ensurePayloadKeys(path, new Date('2026-05-05T00:00:00Z'));
    expect(readFileSync(path, 'utf8')).toBe(first);
    expect(loadPayloadKeys(path).current.id).toBe('k20260102');
    expect(loadPayloadKeys(path).current.key).toHaveLength(32);
  });

  it('is refused when it is missing, readable for others, or malformed; the message never shows a key', () => {
    const path = join(directory, 'keys.json');
    expect(code(() => loadPayloadKeys(path))).toMatch(/^CONFIG_INVALID: .*cannot be read/);
    const secret = randomBytes(32).toString('base64');
    writeFileSync(path, `{"current":"a","keys":{"a":"${secret}"}}`, { mode: 0o600 });
    chmodSync(path, 0o640);
    expect(code(() => loadPayloadKeys(path))).toMatch(/^CONFIG_INVALID: .*0600/);
    chmodSync(path, 0o600);
    expect(loadPayloadKeys(path).current.id).toBe('a');
    for (const content of [`{"current":"b","keys":{"a":"${secret}"}}`, `{"current":"a","keys":{"a":"short"}}`, `{"keys": "${secret}`, '']) {
      writeFileSync(path, content);
      const message = code(() => loadPayloadKeys(path));
      expect(message).toMatch(/^CONFIG_INVALID: .*malformed/);
      expect(message).not.toContain(secret);
    }
  });
});
