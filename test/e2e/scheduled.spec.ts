import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import type { AlertView } from '../../src/contracts/alert';
import type { DueBackupView } from '../../src/contracts/due-backup';
import type { EstateStatus } from '../../src/contracts/protection-status';
import type { RecoveryPointView } from '../../src/contracts/recovery-point';
import { checksumFiles, guestOutput, waitForAgent, type GuestServer } from '../guests/guest-server';
import { E2eStack } from '../support/e2e-stack';
import { inFull } from '../support/thorough';
import { eventually } from '../support/up-process';
import { WebhookReceiver } from '../support/webhook-receiver';

/** Backups that nobody asks for: a policy, a clock, a real guest. */
jest.setTimeout(1_200_000);
const NAME = 'e2e-scheduled';
const SECRET = 'known to both sides';
const receiver = new WebhookReceiver(SECRET);
const subjects: string[] = [];
const mailServer = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData: (stream, _session, callback) => {
    let text = '';
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('end', () => {
      subjects.push(/^Subject: (.*)$/m.exec(text)?.[1]?.trim() ?? '');
      callback();
    });
  },
});
const env: Record<string, string> = {
  MODOSU_EXPIRED_KEPT_HOURS: '0',
  MODOSU_WEBHOOK_SECRET: SECRET,
  MODOSU_MAIL_FROM: 'modosu@example.org',
  MODOSU_MAIL_TO: 'on-call@example.org',
};
const stack = new E2eStack(env);
let guest: GuestServer;

beforeAll(async () => {
  env['MODOSU_WEBHOOK_URL'] = await receiver.listen();
  await new Promise<void>((resolve) => mailServer.listen(0, '127.0.0.1', () => resolve()));
  env['MODOSU_SMTP_URL'] = `smtp://127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`;
  await stack.start();
  guest = await stack.addServer({
    name: NAME,
    guest: 'postgresql',
    protection: { dataSets: [{ kind: 'files', name: 'app', paths: ['/opt/app'], excludes: [], before: null, after: null }] },
  });
  await waitForAgent(guest.uuid, 120_000);
  await guestOutput(guest.uuid, ['sh', '-c', 'mkdir -p /opt/app/files && head -c 300000 /dev/urandom > /opt/app/files/random && sync']);
});
afterAll(async () => {
  await stack.close();
  await receiver.close();
  await new Promise<void>((resolve) => mailServer.close(() => resolve()));
});

/** The next full minute that is at least so far away. */
const minuteAfter = (seconds: number): Date => new Date(Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000);
const retention = { last: 3 };
const once = (at: Date) => ({ every: 'day', at: at.toISOString().slice(11, 16) });
const due = async (): Promise<readonly DueBackupView[]> => (await stack.get<{ items: DueBackupView[] }>(`/v1/due-backups?server=${NAME}`)).body.items;
const alerts = async (state: 'open' | 'cleared'): Promise<readonly AlertView[]> =>
  (await stack.get<{ items: AlertView[] }>(`/v1/alerts?server=${NAME}&state=${state}`)).body.items;
const status = async (): Promise<EstateStatus> => (await stack.get<EstateStatus>('/v1/status')).body;
const points = async (): Promise<readonly RecoveryPointView[]> =>
  (await stack.get<{ items: RecoveryPointView[] }>(`/v1/recovery-points?server=${NAME}`)).body.items;

it('an image and the data are taken when their time comes, one after the other, and the estate is protected', async () => {
  const at = minuteAfter(40);
  await stack.declarePolicy({
    name: 'nightly',
    image: { schedule: once(at), retention, rpoHours: 48 },
    data: { schedule: once(at), retention, rpoHours: 48 },
  });
  await stack.declare(NAME, { policy: 'nightly' });
  const before = await status();
  expect(before.isProtected).toBe(false);
  expect(before.servers[0]?.breaches.map(({ code, kind }) => `${code} ${String(kind)}`)).toEqual(['NO_RECOVERY_POINT image', 'NO_RECOVERY_POINT data']);
  // The receiver is there, but not well: what it refuses is sent again.
  receiver.answers.push(503);
  const open = await eventually(
    () => alerts('open'),
    (all) => all.filter(({ code }) => code === 'NO_RECOVERY_POINT').length === 2,
    60_000,
  );
  expect(open.map(({ message }) => message).toSorted()).toEqual(before.servers[0]?.breaches.map(({ message }) => message).toSorted());
  expect(before.servers[0]?.things.map(({ nextDueAt }) => nextDueAt)).toEqual([at.toISOString(), at.toISOString()]);

  // Both are due at once; the server has one place.
  const seen = await eventually(due, (all) => all.some(({ state }) => state === 'started') && all.some(({ waitsFor }) => waitsFor !== null), 150_000);
  const first = seen.find(({ state }) => state === 'started');
  expect(seen.find(({ state }) => state === 'waiting')?.waitsFor).toBe(`the server is held by run ${first?.runId ?? ''}`);
  expect(seen.every(({ dueAt, missedBefore }) => dueAt === at.toISOString() && missedBefore === 0)).toBe(true);

  const taken = await eventually(points, (all) => all.length === 2, 200_000);
  expect(taken.map(({ kind, state, reason }) => [kind, state, reason]).sort()).toEqual([
    ['data', 'usable', `policy "nightly", due at ${at.toISOString()}`],
    ['image', 'usable', `policy "nightly", due at ${at.toISOString()}`],
  ]);
  const runs = await Promise.all((await due()).map(({ runId }) => stack.finished(runId ?? '')));
  expect(runs.map(({ state, requestedBy }) => [state, requestedBy])).toEqual([
    ['succeeded', 'schedule'],
    ['succeeded', 'schedule'],
  ]);
  const after = await status();
  expect(after).toMatchObject({ isProtected: true, breaches: 0 });
  expect(after.servers[0]?.things.map(({ lastRun }) => lastRun?.state)).toEqual(['succeeded', 'succeeded']);
});

it('whoever is told of alerts has heard of each once when it began, refused ones again, and once when it was over', async () => {
  const codes = (type: string): readonly string[] =>
    [...new Map(receiver.received.filter((message) => message.type === type).map(({ id, data }) => [id, data.code])).values()]
      .filter((code) => code === 'NO_RECOVERY_POINT')
      .toSorted();
  await eventually(
    () => codes('alert.cleared'),
    (cleared) => cleared.length === 2,
    90_000,
  );
  expect(codes('alert.raised')).toEqual(['NO_RECOVERY_POINT', 'NO_RECOVERY_POINT']);
  const mails = await eventually(
    () => subjects.filter((subject) => subject.endsWith('NO_RECOVERY_POINT')),
    (some) => some.length >= 4,
    60_000,
  );
  expect(mails.toSorted()).toEqual(['ALERT', 'ALERT', 'OVER', 'OVER'].map((word) => `[Modosu] ${word} ${NAME}: NO_RECOVERY_POINT`));
  expect(receiver.received.every(({ isSigned }) => isSigned)).toBe(true);
  expect(await alerts('open')).toEqual([]);
  await eventually(
    () => alerts('cleared'),
    (all) => all.every(({ deliveries }) => deliveries.every(({ state }) => state !== 'waiting')),
    60_000,
  );
  const told = (await alerts('cleared')).flatMap(({ deliveries }) => deliveries);
  expect(told.map(({ state, event }) => `${event} ${state}`).toSorted()).toEqual([
    ...told.filter(({ event }) => event === 'cleared').map(() => 'cleared delivered'),
    ...told.filter(({ event }) => event === 'raised').map(() => 'raised delivered'),
  ]);
  // The one that was refused came again, under the same id.
  expect(told.filter(({ attempts }) => attempts === 2)).toHaveLength(1);
  const again = told.find(({ attempts }) => attempts === 2)?.id;
  expect(receiver.received.filter(({ id }) => id === again)).toHaveLength(2);
  expect(JSON.stringify(receiver.received)).not.toContain(SECRET);
});

it('one that came due while everything was down is caught up, once, and holds what was in the guest', async () => {
  await guestOutput(guest.uuid, ['sh', '-c', 'head -c 300000 /dev/urandom > /opt/app/files/later && sync']);
  const at = minuteAfter(10);
  await stack.declarePolicy({ name: 'nightly', data: { schedule: once(at), retention, rpoHours: 48 } });
  await stack.goDown();
  await eventually(
    () => Date.now(),
    (now) => now > at.getTime() + 2_000,
    100_000,
  );
  await stack.start();
  const caughtUp = await eventually(due, (all) => all.some(({ dueAt, state }) => dueAt === at.toISOString() && state === 'started'), 60_000);
  const [newest, ...others] = caughtUp.filter(({ dueAt }) => dueAt === at.toISOString());
  expect(others).toEqual([]);
  const run = await stack.finished(newest?.runId ?? '');
  expect(run).toMatchObject({ state: 'succeeded', kind: 'backup-data', requestedBy: 'schedule' });
  expect(await points()).toHaveLength(3);

  const before = await checksumFiles(guest.uuid, '/opt/app/files');
  await guestOutput(guest.uuid, ['sh', '-c', 'rm /opt/app/files/later /opt/app/files/random && sync']);
  const restored = await stack.restoreData(NAME, 'app', { kind: 'files', paths: [], replace: false });
  expect(restored.state).toBe('succeeded');
  expect(await checksumFiles(guest.uuid, '/opt/app/files')).toBe(before);
});

inFull('an image that no rule keeps goes for good; one that data stands on stays, and what is left can be restored', async () => {
  const [first] = (await points()).filter(({ kind }) => kind === 'image');
  await stack.declarePolicy({
    name: 'nightly',
    image: { schedule: { cron: '0 0 1 1 *' }, retention: { last: 1 } },
    data: { schedule: { cron: '0 0 1 1 *' }, retention },
  });
  const second = await stack.backup(NAME, 'second', { mode: 'online' });
  const third = await stack.backup(NAME, 'third', { mode: 'online' });
  const directory = ({ serverId, id }: { readonly serverId: string; readonly id: string }): string => join(stack.repository, 'servers', serverId, id);
  await eventually(
    () => [directory(second), join(stack.repository, 'removing', second.id)].some((path) => existsSync(path)),
    (isThere) => !isThere,
    240_000,
  );
  expect((await stack.get(`/v1/recovery-points/${second.id}`)).body).toMatchObject({ state: 'deleted', deletedAt: expect.stringMatching(/Z$/) as string });
  expect((await points()).filter(({ kind }) => kind === 'image').map(({ id, state }) => [id, state])).toEqual([
    [third.id, 'usable'],
    [first?.id, 'usable'],
  ]);
  expect(existsSync(join(directory(third), 'manifest.json'))).toBe(true);
  const { items } = (await stack.get<{ items: { action: string; details: { recoveryPointId?: string } }[] }>('/v1/audit?limit=200')).body;
  const steps = items.filter(({ action, details }) => action.startsWith('recovery-point.') && details.recoveryPointId === second.id);
  expect(steps.map(({ action }) => action).toSorted()).toEqual(
    ['published', 'expired', 'deleted', 'removed'].map((step) => `recovery-point.${step}`).toSorted(),
  );
  for (const { id } of [first, third].filter((one) => one !== undefined)) expect((await stack.plan(NAME, id)).state).toBe('ready');
});
