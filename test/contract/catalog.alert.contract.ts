import type { AlertChannel, AlertMessage } from '../../src/contracts/alert';
import type { Catalog } from '../../src/catalog/catalog';
import { ModosuError } from '../../src/contracts/errors';
import type { CatalogUnderTest } from './catalog.contract';
import { ESTATE, backupRequest, givenServer, manifestOf, succeeded, swappedRestore } from './catalog.fixtures';

const MINUTE = 60_000;
const page = { limit: 50, cursor: null };
const CHANNELS = ['webhook'] as const;
/** Both servers have no policy: that is what there is to tell where nothing else is said. */
const NO_POLICIES = { raised: 2, cleared: 0 };

const open = async (catalog: Catalog) => (await catalog.listAlerts({ state: 'open' }, page)).items;
const failed = async (catalog: Catalog, serverId: string): Promise<string> => {
  const { runId } = await catalog.acceptBackup(backupRequest(serverId));
  await catalog.finishRun(runId, { state: 'failed', error: new ModosuError('COPY_FAILED', 'the copy ended').summary() });
  return runId;
};
/** Takes every message that is due, delivered. */
const drain = async (catalog: Catalog, channel: AlertChannel = 'webhook'): Promise<readonly string[]> => {
  const told: string[] = [];
  for (let message = await catalog.nextAlertMessage(channel); message !== null; message = await catalog.nextAlertMessage(channel)) {
    told.push(`${message.event} ${message.alert.code} ${message.alert.serverName}`);
    await catalog.recordAlertAttempt(message.deliveryId, null);
  }
  return told;
};

export function alertContract(subject: () => CatalogUnderTest): void {
  describe('alerts', () => {
    it('are raised once for each breach, and cleared when it is over, with a message for each', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual(NO_POLICIES);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 0, cleared: 0 });
      advance(1000);
      const runId = await failed(catalog, server.id);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 1, cleared: 0 });
      expect(await open(catalog)).toMatchObject([
        { kind: 'run-failed', code: 'COPY_FAILED', serverId: server.id, serverName: 'db01', runId, clearedAt: null },
        { kind: 'breach', code: 'NO_POLICY' },
        { kind: 'breach', code: 'NO_POLICY' },
      ]);
      expect((await drain(catalog)).toSorted()).toEqual(['raised COPY_FAILED db01', 'raised NO_POLICY db01', 'raised NO_POLICY web01']);
      advance(1000);
      const again = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.finishRun(again.runId, succeeded);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 0, cleared: 1 });
      expect(await drain(catalog)).toEqual(['cleared COPY_FAILED db01']);
      expect((await catalog.listAlerts({ state: 'cleared' }, page)).items).toMatchObject([
        {
          code: 'COPY_FAILED',
          raisedAt: '2026-03-01T00:00:01.000Z',
          clearedAt: '2026-03-01T00:00:02.000Z',
          deliveries: [
            { event: 'raised', channel: 'webhook', state: 'delivered', attempts: 1, lastProblem: null, deliveredAt: '2026-03-01T00:00:01.000Z' },
            { event: 'cleared', channel: 'webhook', state: 'delivered', attempts: 1, lastProblem: null, deliveredAt: '2026-03-01T00:00:02.000Z' },
          ],
        },
      ]);
    });

    it('are one while a run fails again and again, and a new one when it fails after it was well', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await catalog.reviewAlerts(CHANNELS);
      const changes: unknown[] = [];
      for (const state of ['failed', 'failed', 'succeeded', 'failed'] as const) {
        advance(1000);
        if (state === 'failed') await failed(catalog, server.id);
        else await catalog.finishRun((await catalog.acceptBackup(backupRequest(server.id))).runId, succeeded);
        const { raised, cleared } = await catalog.reviewAlerts(CHANNELS);
        changes.push(`${raised} ${cleared}`);
      }
      expect(changes).toEqual(['1 0', '0 0', '0 1', '1 0']);
    });

    it('tell of a run that waits for a word, and of a recovery point that is damaged', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const runId = await swappedRestore(catalog, server);
      await catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state: 'waiting' });
      const point = await catalog.recordRecoveryPoint(manifestOf(server, 7), 'main');
      await catalog.markRecoveryPoint(point.id, 'damaged', 'segment 3 of vda differs');
      await catalog.reviewAlerts(CHANNELS);
      const [damaged, waiting] = (await open(catalog)).filter(({ kind }) => kind !== 'breach').toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
      expect(waiting).toMatchObject({ kind: 'waiting', code: 'WAITING_FOR_GO_LIVE', runId });
      expect(damaged).toMatchObject({ kind: 'damaged', code: 'RECOVERY_POINT_DAMAGED', message: expect.stringContaining('segment 3 of vda differs') });
      await catalog.recordStep(runId, { seq: 9, key: 'go-live', title: 'Go live', state: 'succeeded' });
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 0, cleared: 1 });
    });

    it('are written down where nobody is told, and their end is told to nobody then', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await failed(catalog, server.id);
      await catalog.reviewAlerts([]);
      expect(await open(catalog)).toHaveLength(3);
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(server.id))).runId, succeeded);
      await catalog.reviewAlerts(CHANNELS);
      // What is still so is told by the channel that has come.
      expect((await drain(catalog)).toSorted()).toEqual(['raised NO_POLICY db01', 'raised NO_POLICY web01']);
    });

    it('are compared by several at the same time, and told once', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const reviews = await Promise.all([catalog.reviewAlerts(CHANNELS), catalog.reviewAlerts(CHANNELS), catalog.reviewAlerts(CHANNELS)]);
      expect(reviews.toSorted((a, b) => b.raised - a.raised)).toEqual([NO_POLICIES, { raised: 0, cleared: 0 }, { raised: 0, cleared: 0 }]);
      const taken = await Promise.all([1, 2, 3, 4].map(() => catalog.nextAlertMessage('webhook')));
      const ids = taken.flatMap((message) => (message === null ? [] : [message.deliveryId]));
      expect(new Set(ids).size).toBe(ids.length);
    });

    it('stay as they are while the time is not believed', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const asked: Date[] = [];
      const doubted = await catalog.reviewAlerts(CHANNELS, (now) => (asked.push(now), false));
      expect([doubted, asked, await open(catalog)]).toEqual([{ raised: 0, cleared: 0 }, [new Date('2026-03-01T00:00:00.000Z')], []]);
    });

    it('are told by each channel, whichever of them the worker knows that compares', async () => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await failed(catalog, server.id);
      await catalog.reviewAlerts([]);
      await catalog.reviewAlerts(CHANNELS);
      await catalog.reviewAlerts(['webhook', 'email']);
      expect((await open(catalog)).map(({ deliveries }) => deliveries.map(({ channel }) => channel))).toEqual(Array(3).fill(['email', 'webhook']));
      await drain(catalog);
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(server.id))).runId, succeeded);
      expect(await catalog.reviewAlerts([])).toEqual({ raised: 0, cleared: 1 });
      expect(await drain(catalog)).toEqual(['cleared COPY_FAILED db01']);
    });

    it('of many servers are raised and told at once', async () => {
      const { catalog } = subject();
      const [template] = ESTATE.servers;
      if (template === undefined) throw new Error('no server');
      // More than one statement takes.
      const servers = Array.from({ length: 501 }, (_, at) => ({ ...template, name: `many${at}`, domain: `many${at}` }));
      const resolved = servers.map(({ name }, at) => ({ name, domainName: name, uuid: `11111111-1111-4111-8111-${String(at).padStart(12, '0')}` }));
      await catalog.applyEstate('setup', { ...ESTATE, servers }, resolved);
      expect(await catalog.reviewAlerts(['webhook', 'email'])).toEqual({ raised: 501, cleared: 0 });
      const first = await catalog.listAlerts({}, { limit: 500, cursor: null });
      const second = await catalog.listAlerts({}, { limit: 500, cursor: first.nextCursor });
      expect([...first.items, ...second.items].filter(({ deliveries }) => deliveries.length === 2)).toHaveLength(501);
    });

    it('are listed by server, page by page', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await catalog.reviewAlerts(CHANNELS);
      expect((await catalog.listAlerts({ serverId: server.id }, page)).items.map(({ serverName }) => serverName)).toEqual(['db01']);
      const first = await catalog.listAlerts({}, { limit: 1, cursor: null });
      const second = await catalog.listAlerts({}, { limit: 1, cursor: first.nextCursor });
      expect([...first.items, ...second.items].map(({ serverName }) => serverName).toSorted()).toEqual(['db01', 'web01']);
      expect(second.nextCursor).toBeNull();
    });
  });

  describe('a message about an alert', () => {
    const next = async (catalog: Catalog): Promise<AlertMessage> => {
      const message = await catalog.nextAlertMessage('webhook');
      if (message === null) throw new Error('no message is due');
      return message;
    };
    /** One server with one alert. */
    const failAgain = async (catalog: Catalog, serverId: string, advance: (milliseconds: number) => void): Promise<void> => {
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      await catalog.reviewAlerts(CHANNELS);
      advance(1000);
      await failed(catalog, serverId);
      await catalog.reviewAlerts(CHANNELS);
    };
    const givenOne = async (): Promise<{ readonly catalog: Catalog; readonly advance: (milliseconds: number) => void; readonly serverId: string }> => {
      const { catalog, advance } = subject();
      const server = await givenServer(catalog);
      await catalog.reviewAlerts(['webhook', 'email']);
      await drain(catalog);
      await drain(catalog, 'email');
      advance(1000);
      await failed(catalog, server.id);
      await catalog.reviewAlerts(CHANNELS);
      return { catalog, advance, serverId: server.id };
    };

    it('is tried again after longer and longer pauses, under the same id', async () => {
      const { catalog, advance } = await givenOne();
      const { deliveryId } = await next(catalog);
      expect(await catalog.nextAlertMessage('webhook')).toBeNull();
      await catalog.recordAlertAttempt(deliveryId, 'the receiver answered 503');
      expect((await open(catalog))[0]?.deliveries).toMatchObject([
        { state: 'waiting', attempts: 1, lastProblem: 'the receiver answered 503', deliveredAt: null },
      ]);
      advance(MINUTE / 2);
      expect((await next(catalog)).deliveryId).toBe(deliveryId);
      advance(MINUTE / 2);
      expect(await catalog.nextAlertMessage('webhook')).toBeNull();
      advance(MINUTE / 2);
      // The second attempt was never heard of again.
      expect((await next(catalog)).deliveryId).toBe(deliveryId);
      await catalog.recordAlertAttempt(deliveryId, null);
      expect((await open(catalog))[0]?.deliveries).toMatchObject([{ state: 'delivered', attempts: 3, lastProblem: null }]);
    });

    it('is given up after a day, and stays so: its end is told to nobody', async () => {
      const { catalog, advance, serverId } = await givenOne();
      let hours = 0;
      for (; hours < 48 && (await open(catalog))[0]?.deliveries[0]?.state === 'waiting'; hours += 1) {
        const message = await catalog.nextAlertMessage('webhook');
        if (message !== null) await catalog.recordAlertAttempt(message.deliveryId, 'the receiver answered 500');
        advance(60 * MINUTE);
      }
      expect(hours).toBe(30);
      expect((await open(catalog))[0]?.deliveries).toMatchObject([{ state: 'given-up', attempts: 30 }]);
      await catalog.recordAlertAttempt((await open(catalog))[0]?.deliveries[0]?.id ?? '', null);
      expect((await open(catalog))[0]?.deliveries).toMatchObject([{ state: 'given-up' }]);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 0, cleared: 1 });
      expect(await catalog.nextAlertMessage('webhook')).toBeNull();
    });

    it('of the end waits for that of the beginning, which does not know the end', async () => {
      const { catalog, advance, serverId } = await givenOne();
      const first = await next(catalog);
      await catalog.recordAlertAttempt(first.deliveryId, 'the receiver cannot be reached');
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      expect(await catalog.reviewAlerts(CHANNELS)).toEqual({ raised: 0, cleared: 1 });
      expect(await catalog.nextAlertMessage('webhook')).toBeNull();
      advance(MINUTE / 2);
      const again = await next(catalog);
      expect(again).toMatchObject({ deliveryId: first.deliveryId, event: 'raised', alert: { clearedAt: null } });
      await catalog.recordAlertAttempt(again.deliveryId, null);
      expect(await next(catalog)).toMatchObject({ event: 'cleared', alert: { code: 'COPY_FAILED', clearedAt: '2026-03-01T00:00:02.000Z' } });
    });

    it('takes that of the end, which waits for it, with it when it is given up', async () => {
      const { catalog, advance, serverId } = await givenOne();
      for (let attempt = 1; attempt < 30; attempt += 1) {
        await catalog.recordAlertAttempt((await next(catalog)).deliveryId, 'the receiver answered 500');
        advance(60 * MINUTE);
      }
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      await catalog.reviewAlerts(CHANNELS);
      await catalog.recordAlertAttempt((await next(catalog)).deliveryId, 'the receiver answered 500');
      const { items } = await catalog.listAlerts({ state: 'cleared' }, page);
      expect(items).toMatchObject([
        {
          deliveries: [
            { event: 'raised', state: 'given-up' },
            { event: 'cleared', state: 'given-up' },
          ],
        },
      ]);
    });

    it('keeps all later ones of its condition waiting, so that nobody takes for over what began again', async () => {
      const { catalog, advance, serverId } = await givenOne();
      await drain(catalog);
      await failAgain(catalog, serverId, advance);
      // The end does not get through; that it began again is due at once, and waits.
      await catalog.recordAlertAttempt((await next(catalog)).deliveryId, 'the receiver answered 503');
      expect(await catalog.nextAlertMessage('webhook')).toBeNull();
      advance(MINUTE / 2);
      expect(await drain(catalog)).toEqual(['cleared COPY_FAILED db01', 'raised COPY_FAILED db01']);
    });

    it('is dropped a day after what it tells is over: a channel that comes back after months tells no old stories', async () => {
      const { catalog, advance, serverId } = await givenOne();
      await failAgain(catalog, serverId, advance);
      advance(24 * 60 * MINUTE - 1000);
      await catalog.reviewAlerts([]);
      expect((await catalog.listAlerts({ state: 'cleared' }, page)).items[0]?.deliveries).toMatchObject([{ state: 'waiting' }, { state: 'waiting' }]);
      advance(1001);
      await catalog.reviewAlerts([]);
      expect((await catalog.listAlerts({ state: 'cleared' }, page)).items[0]?.deliveries).toMatchObject([{ state: 'given-up' }, { state: 'given-up' }]);
      // What is still so is told.
      expect(await drain(catalog)).toEqual(['raised COPY_FAILED db01']);
    });

    it('is sent although a clock that was a year ahead has put it off', async () => {
      const { catalog, advance } = await givenOne();
      advance(365 * 24 * 60 * MINUTE);
      const { deliveryId } = await next(catalog);
      advance(-365 * 24 * 60 * MINUTE);
      expect((await next(catalog)).deliveryId).toBe(deliveryId);
    });

    it('goes by each channel in its own time', async () => {
      const { catalog, advance, serverId } = await givenOne();
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      expect(await catalog.reviewAlerts(['webhook', 'email'])).toEqual({ raised: 0, cleared: 1 });
      // Whoever gets mail was not told that it began.
      expect(await catalog.nextAlertMessage('email')).toBeNull();
      advance(1000);
      await failed(catalog, serverId);
      await catalog.reviewAlerts(['webhook', 'email']);
      const hook = await next(catalog);
      await catalog.recordAlertAttempt(hook.deliveryId, 'the receiver answered 500');
      const mail = await catalog.nextAlertMessage('email');
      expect(mail).toMatchObject({ channel: 'email', event: 'raised', alert: { code: 'COPY_FAILED' } });
      await catalog.recordAlertAttempt(mail?.deliveryId ?? '', null);
      advance(1000);
      await catalog.finishRun((await catalog.acceptBackup(backupRequest(serverId))).runId, succeeded);
      await catalog.reviewAlerts(['webhook', 'email']);
      expect(await catalog.nextAlertMessage('email')).toMatchObject({ event: 'cleared' });
    });
  });
}
