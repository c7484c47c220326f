import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import { ModosuError } from '../../src/contracts/errors';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, backupRequest, BEFORE, codeOf, EXPIRY, factsOf, manifestOf, refusal, RESOLVED, succeeded } from './catalog.fixtures';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const RETENTION = { last: 3, daily: 7 };
/** The clock stands at 2026-03-01T00:00Z, a Sunday. */
const POLICY = {
  name: 'daily',
  image: { schedule: { every: 'week', on: ['sunday'], at: '01:00' }, retention: RETENTION },
  data: { schedule: { every: 'day', at: '02:30' }, retention: RETENTION, rpoHours: 26 },
};
const DATA_SETS = [{ kind: 'files', name: 'uploads', paths: ['/srv/uploads'] }];
const page = { limit: 50, cursor: null };

interface Changes {
  readonly policies?: readonly object[];
  readonly db01?: object;
  readonly web01?: object;
  readonly hypervisor?: object;
  readonly repository?: object;
}

const estate = ({ policies = [POLICY], db01 = {}, web01 = {}, hypervisor = {}, repository = {} }: Changes = {}) =>
  estateSchema.parse({
    hypervisors: [{ name: 'hv1', kind: 'libvirt', ...hypervisor }],
    repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu', ...repository }],
    policies,
    servers: [
      { name: 'db01', hypervisor: 'hv1', repository: 'main', policy: 'daily', dataSets: DATA_SETS, ...db01 },
      { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain', ...web01 },
    ],
  });

const apply = async (catalog: Catalog, changes?: Changes): Promise<ServerRecord> => {
  await catalog.applyEstate('setup', estate(changes), RESOLVED);
  return catalog.getServer('db01');
};

/** All of them, as `kind dueAt state`, newest first. */
const dueTexts = async (catalog: Catalog): Promise<readonly string[]> =>
  (await catalog.listDueBackups({}, page)).items.map(({ serverName, kind, dueAt, state }) => `${serverName} ${kind} ${dueAt.slice(0, 16)} ${state}`);

export function scheduleContract(subject: () => CatalogUnderTest): void {
  describe('policies', () => {
    it('are kept as declared', async () => {
      const { catalog } = subject();
      const server = await apply(catalog);
      expect(server.policy).toBe('daily');
      expect(await catalog.listPolicies()).toEqual(estate().policies);
      expect(await catalog.getPolicy('daily')).toEqual(estate().policies[0]);
      expect(await refusal(catalog.getPolicy('hourly'))).toMatchObject({ code: 'POLICY_NOT_FOUND', context: { policy: 'hourly' } });
    });

    it('show in the difference, shortly', async () => {
      const { catalog } = subject();
      const created = await catalog.diffEstate(estate(), RESOLVED);
      expect(created).toContainEqual({
        subject: 'policy',
        name: 'daily',
        change: 'create',
        fields: [
          'timeZone: UTC',
          'image: every sunday at 01:00, online, up to 13 incrementals, keeps last 3, daily 7',
          'data: every day at 02:30, keeps last 3, daily 7',
          'dataRpoHours: 26',
          'verification: within 24 h, every 30 days',
        ],
      });
      await apply(catalog);
      const changed = await catalog.diffEstate(estate({ policies: [{ ...POLICY, timeZone: 'Europe/Berlin', image: null }], db01: { policy: null } }), RESOLVED);
      expect(changed).toContainEqual({
        subject: 'policy',
        name: 'daily',
        change: 'update',
        fields: ['timeZone: UTC -> Europe/Berlin', 'image: every sunday at 01:00, online, up to 13 incrementals, keeps last 3, daily 7 -> none'],
      });
      expect(changed).toContainEqual({ subject: 'server', name: 'db01', change: 'update', fields: ['policy: daily -> none'] });
    });

    it('say how many incrementals follow a full, where servers go on', async () => {
      const { catalog } = subject();
      const shown = async (image: object): Promise<string | undefined> => {
        const changes = await catalog.diffEstate(estate({ policies: [{ ...POLICY, image: { ...POLICY.image, ...image } }] }), RESOLVED);
        return changes.find(({ subject: of }) => of === 'policy')?.fields[1];
      };
      expect(await shown({ maxIncrements: 1 })).toBe('image: every sunday at 01:00, online, up to 1 incremental, keeps last 3, daily 7');
      expect(await shown({ maxIncrements: 0 })).toBe('image: every sunday at 01:00, online, each one whole, keeps last 3, daily 7');
      expect(await shown({ mode: 'offline', maxIncrements: 5 })).toBe('image: every sunday at 01:00, offline, keeps last 3, daily 7');
      await apply(catalog);
      const changed = await catalog.diffEstate(estate({ policies: [{ ...POLICY, image: { ...POLICY.image, maxIncrements: 6 } }] }), RESOLVED);
      expect(changed.find(({ subject: of }) => of === 'policy')?.fields).toEqual([
        'image: every sunday at 01:00, online, up to 13 incrementals, keeps last 3, daily 7 -> every sunday at 01:00, online, up to 6 incrementals, keeps last 3, daily 7',
      ]);
    });

    it.each<[string, object, string]>([
      ['a cron expression that never comes', { ...POLICY, data: { ...POLICY.data, rpoHours: null, schedule: { cron: '0 0 30 2 *' } } }, 'SCHEDULE_INVALID'],
      ['a time zone nobody knows', { ...POLICY, timeZone: 'Mars/Phobos' }, 'TIME_ZONE_UNKNOWN'],
      ['retention that keeps nothing', { ...POLICY, data: { ...POLICY.data, retention: {} } }, 'RETENTION_KEEPS_NOTHING'],
      ['an RPO shorter than the time between two backups', { ...POLICY, data: { ...POLICY.data, rpoHours: 12 } }, 'POLICY_INVALID'],
      [
        'jitter that is longer than the time between two backups',
        { ...POLICY, data: { ...POLICY.data, schedule: { cron: '0 * * * *' }, jitterMinutes: 60 } },
        'POLICY_INVALID',
      ],
      ['nothing that it asks for', { name: 'daily' }, 'POLICY_INVALID'],
    ])('are refused with %s, and nothing is changed', async (_what, policy, code) => {
      const { catalog } = subject();
      expect(await codeOf(catalog.diffEstate(estate({ policies: [policy] }), RESOLVED))).toBe(code);
      expect(await codeOf(catalog.applyEstate('alice', estate({ policies: [policy] }), RESOLVED))).toBe(code);
      expect(await catalog.listServers()).toEqual([]);
    });

    it('stay when the file does not name them any more, and go with prune', async () => {
      const { catalog } = subject();
      await apply(catalog);
      const without = estate({ policies: [], db01: { policy: null } });
      expect(await catalog.applyEstate('alice', without, RESOLVED)).toContainEqual({ subject: 'policy', name: 'daily', change: 'kept', fields: [] });
      expect(await catalog.listPolicies()).toHaveLength(1);
      expect(await catalog.diffEstate(without, RESOLVED, { prune: true })).toContainEqual({ subject: 'policy', name: 'daily', change: 'delete', fields: [] });
      expect(await catalog.listPolicies()).toHaveLength(1);
      await catalog.applyEstate('alice', without, RESOLVED, { prune: true });
      expect(await catalog.listPolicies()).toEqual([]);
      expect((await actions(catalog)).slice(-1)).toEqual(['policy.deleted']);
    });

    it('do not go while a server has them that the file does not name', async () => {
      const { catalog } = subject();
      await apply(catalog);
      const others = { ...estate({ policies: [], db01: { policy: null } }), servers: [] };
      const refused = await refusal(catalog.applyEstate('alice', others, RESOLVED, { prune: true }));
      expect(refused).toMatchObject({ code: 'ESTATE_CONFLICT', context: { policy: 'daily', server: 'db01' } });
      expect(await catalog.listPolicies()).toHaveLength(1);
    });
  });

  describe('holds', () => {
    it('are of one person and one reason: another one is told whose it is', async () => {
      const { catalog } = subject();
      const server = await apply(catalog);
      const { id } = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const held = await catalog.holdRecoveryPoint('alice', id, 'evidence');
      expect(held.hold).toEqual({ reason: 'evidence', by: 'alice', at: '2026-03-01T00:00:00.000Z' });
      expect(await catalog.holdRecoveryPoint('alice', id, 'evidence')).toEqual(held);
      expect(await refusal(catalog.holdRecoveryPoint('bob', id, 'evidence'))).toMatchObject({ code: 'RECOVERY_POINT_HELD', context: { heldBy: 'alice' } });
      expect(await codeOf(catalog.holdRecoveryPoint('alice', id, 'another case'))).toBe('RECOVERY_POINT_HELD');
      expect((await catalog.retentionPoints(server.id)).map(({ hold }) => hold)).toEqual([{ reason: 'evidence' }]);
      expect((await catalog.releaseRecoveryPoint('bob', id, 'closed')).hold).toBeNull();
      expect((await catalog.releaseRecoveryPoint('bob', id, 'closed')).hold).toBeNull();
      expect((await actions(catalog)).slice(-2)).toEqual(['recovery-point.held', 'recovery-point.released']);
      expect(await codeOf(catalog.holdRecoveryPoint('alice', 'rp_00000000000000000000000000', 'x'))).toBe('RECOVERY_POINT_NOT_FOUND');
    });
  });

  describe('what protection is judged by', () => {
    it('is the newest usable of images and data sets, of the present disks, and nothing that a wrong clock has dated into the future', async () => {
      const { catalog } = subject();
      const server = await apply(catalog);
      await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      await catalog.recordRecoveryPoint(manifestOf(server, 2, { pointInTime: '2036-01-01T00:00:00.000Z' }), 'main');
      await catalog.recordRecoveryPoint(manifestOf(server, 3, { lineageId: '00000000-0000-4000-8000-000000000000' }), 'main');
      expect((await catalog.protectionFacts()).newest).toEqual([
        {
          serverId: server.id,
          kind: 'image',
          dataSet: null,
          newestAt: '2026-01-03T00:00:00.000Z',
          newestOnLineAt: '2026-01-01T00:00:00.000Z',
          unverifiedSince: '2026-03-01T00:00:00.000Z',
        },
      ]);
    });

    it('is how the last backup of each kind has ended', async () => {
      const { catalog, advance } = subject();
      const server = await apply(catalog);
      for (const state of ['succeeded', 'failed'] as const) {
        advance(1000);
        const { runId } = await catalog.acceptBackup(backupRequest(server.id));
        await catalog.finishRun(runId, { state, error: state === 'failed' ? new ModosuError('INTERNAL', 'test').summary() : null });
      }
      expect((await catalog.protectionFacts()).lastRuns).toMatchObject([{ serverId: server.id, kind: 'image', state: 'failed', errorCode: 'INTERNAL' }]);
    });
  });

  describe('room of repositories', () => {
    const room = async (catalog: Catalog) =>
      (await catalog.repositoryRoom()).map(({ repository, at, freeBytes }) => `${repository} ${at.toISOString().slice(5, 16)} ${freeBytes}`);

    it('is kept once an hour, however often and by however many it is measured', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      await Promise.all([catalog.recordRepositoryRoom('main', 5_000_000_000_000), catalog.recordRepositoryRoom('main', 5_000_000_000_000)]);
      advance(HOUR - 1);
      await catalog.recordRepositoryRoom('main', 1);
      advance(1);
      await catalog.recordRepositoryRoom('main', 7);
      expect(await room(catalog)).toEqual(['main 03-01T00:00 5000000000000', 'main 03-01T01:00 7']);
    });

    it('is nothing of a repository that is not declared, and of times that nobody looks at', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      await catalog.recordRepositoryRoom('second', 1);
      await catalog.recordRepositoryRoom('main', 1);
      advance(61 * DAY);
      expect(await room(catalog)).toEqual([]);
    });
  });

  describe('due backups', () => {
    it('are written down when their time has come, once', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(2.5 * HOUR);
      const twice = await Promise.all([catalog.recordDueBackups(), catalog.recordDueBackups()]);
      expect(twice.flat().map(({ kind, state, missedBefore }) => [kind, state, missedBefore])).toEqual([
        ['image', 'waiting', 0],
        ['data', 'waiting', 0],
      ]);
      expect(await catalog.recordDueBackups()).toEqual([]);
      expect(await dueTexts(catalog)).toEqual(['db01 data 2026-03-01T02:30 waiting', 'db01 image 2026-03-01T01:00 waiting']);
    });

    it('are asked for once after days in which nothing ran, and the audit says how many were missed', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      advance(5 * DAY + 3 * HOUR);
      const due = await catalog.recordDueBackups();
      expect(due.map(({ kind, dueAt, missedBefore }) => [kind, dueAt, missedBefore])).toEqual([
        ['image', '2026-03-01T01:00:00.000Z', 0],
        ['data', '2026-03-06T02:30:00.000Z', 5],
      ]);
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.filter(({ action }) => action === 'due-backup.missed').map(({ actor, details }) => [actor, details])).toEqual([
        ['schedule', { kind: 'data', policy: 'daily', times: 5, caughtUpBy: '2026-03-06T02:30:00.000Z' }],
      ]);
    });

    it('are not asked for by a schedule that did not hold yet', async () => {
      const { catalog, advance } = subject();
      const server = await apply(catalog, { db01: { policy: null } });
      await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      advance(3 * HOUR);
      await apply(catalog);
      expect(await catalog.recordDueBackups()).toEqual([]);
      // What the schedule would have asked for earlier today, had it been like this then.
      advance(HOUR);
      await apply(catalog, { policies: [{ ...POLICY, data: { ...POLICY.data, schedule: { every: 'day', at: '03:30' } } }] });
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(24 * HOUR);
      expect((await catalog.recordDueBackups()).map(({ dueAt }) => dueAt)).toEqual(['2026-03-02T03:30:00.000Z']);
    });

    it('are a baseline some minutes after a server was registered that was never imaged, once', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { db01: { policy: null } });
      advance(3 * HOUR);
      const server = await apply(catalog);
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(HOUR / 4);
      expect(await catalog.recordDueBackups()).toMatchObject([{ kind: 'image', cause: 'baseline', policy: 'daily', dueAt: '2026-03-01T03:15:00.000Z' }]);
      const begun = await catalog.startNextDueBackup();
      expect((await catalog.getRun(begun?.runId ?? '')).reason).toBe('policy "daily", baseline: there was no image of the server');
      await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      await catalog.finishRun(begun?.runId ?? '', succeeded);
      advance(HOUR / 4);
      expect(await catalog.recordDueBackups()).toEqual([]);
    });

    it('are asked for, missed ones too, when a policy was changed but not its schedule', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      advance(3 * HOUR);
      await apply(catalog, { policies: [{ ...POLICY, rtoMinutes: 60, data: { ...POLICY.data, retention: { last: 9 } } }] });
      expect((await catalog.recordDueBackups()).map(({ kind }) => kind)).toEqual(['image', 'data']);
    });

    it('give way to the next one of their kind', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      advance(DAY);
      await catalog.recordDueBackups();
      expect(await dueTexts(catalog)).toEqual([
        'db01 data 2026-03-02T02:30 waiting',
        'db01 data 2026-03-01T02:30 superseded',
        'db01 image 2026-03-01T01:00 waiting',
      ]);
      expect((await actions(catalog)).filter((action) => action.startsWith('due-backup'))).toEqual(['due-backup.superseded']);
    });

    it('are not put off by their own jitter when they come after one that still waits', async () => {
      const { catalog, advance } = subject();
      const jitter = { policies: [{ ...POLICY, image: null, data: { ...POLICY.data, jitterMinutes: 720 } }] };
      const server = await apply(catalog, jitter);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      advance(3 * HOUR);
      const [first] = await catalog.recordDueBackups();
      advance(DAY);
      await catalog.recordDueBackups();
      const [second] = (await catalog.listDueBackups({ state: 'waiting' }, page)).items;
      expect(second).toMatchObject({ dueAt: '2026-03-02T02:30:00.000Z', notBefore: first?.notBefore });
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
      expect(await catalog.startNextDueBackup()).not.toBeNull();
    });

    it('are asked for again when a clock that was ten years ahead is put right', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { policies: [{ ...POLICY, image: null }] });
      const tenYears = 3653 * DAY;
      advance(tenYears);
      await catalog.recordDueBackups();
      await apply(catalog, { policies: [{ ...POLICY, image: null, data: { ...POLICY.data, schedule: { every: 'day', at: '04:00' } } }] });
      advance(5 * HOUR - tenYears);
      expect((await catalog.recordDueBackups()).map(({ dueAt }) => dueAt)).toEqual(['2026-03-01T04:00:00.000Z']);
      advance(DAY);
      expect((await catalog.recordDueBackups()).map(({ dueAt }) => dueAt)).toEqual(['2026-03-02T04:00:00.000Z']);
    });

    it('are written down and begun at the same time by several, each once', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { web01: { policy: 'daily', dataSets: DATA_SETS }, hypervisor: { maxBackups: 9 }, repository: { maxBackups: 9 } });
      for (let day = 0; day < 4; day += 1) {
        advance(DAY + 3 * HOUR);
        await Promise.all([1, 2, 3].flatMap(() => [catalog.recordDueBackups(), catalog.startNextDueBackup(), catalog.startNextDueBackup()]));
        for (const { runId } of await catalog.listOpenRuns()) await catalog.finishRun(runId, { state: 'succeeded', error: null });
      }
      const { items } = await catalog.listDueBackups({}, page);
      const runs = items.flatMap(({ runId }) => runId ?? []);
      expect(new Set(runs).size).toBe(runs.length);
      for (const { state, runId } of items) expect(runId !== null).toBe(state === 'started');
      const requested = (await catalog.listRuns({}, page)).items.map(({ id }) => id);
      expect([...requested].sort()).toEqual([...runs].sort());
      expect(runs.length).toBeGreaterThanOrEqual(2);
    });

    it('of images that stop their server are not begun when they are hours late', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { policies: [{ ...POLICY, data: null, image: { ...POLICY.image, mode: 'offline' } }] });
      advance(5 * HOUR + 1);
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect(await dueTexts(catalog)).toEqual(['db01 image 2026-03-01T01:00 withdrawn']);
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      expect(items.at(-1)).toMatchObject({ action: 'due-backup.withdrawn', details: { why: 'it would stop the server, and is more than 4 h late' } });
    });

    it('begin as a run would that a person asks for', async () => {
      const { catalog, advance } = subject();
      const server = await apply(catalog, { policies: [{ ...POLICY, image: { ...POLICY.image, mode: 'offline', maxIncrements: 4 } }] });
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      const accepted = await catalog.startNextDueBackup();
      const runId = accepted?.runId ?? '';
      expect(await catalog.getRun(runId)).toMatchObject({
        kind: 'backup-image',
        state: 'accepted',
        serverId: server.id,
        requestedBy: 'schedule',
        reason: 'policy "daily", due at 2026-03-01T01:00:00.000Z',
      });
      expect((await catalog.getDispatchable(runId)).input).toMatchObject({ mode: 'offline', allowCrashConsistent: false, maxIncrements: 4 });
      expect((await catalog.listDueBackups({ state: 'started' }, page)).items).toMatchObject([{ kind: 'image', runId, waitsFor: null }]);
      expect((await actions(catalog)).slice(-1)).toEqual(['run.requested']);
    });

    it('wait for whoever holds the server, say so, and begin afterwards', async () => {
      const { catalog, advance } = subject();
      const server = await apply(catalog);
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup()).toBeNull();
      const waiting = (await catalog.listDueBackups({ serverId: server.id, state: 'waiting' }, page)).items;
      expect(waiting.map(({ kind, waitsFor }) => [kind, waitsFor])).toEqual([
        ['data', `the server is held by run ${runId}`],
        ['image', `the server is held by run ${runId}`],
      ]);
      await catalog.finishRun(runId, { state: 'failed', error: new ModosuError('INTERNAL', 'test').summary() });
      const image = await catalog.startNextDueBackup();
      expect((await catalog.getRun(image?.runId ?? '')).kind).toBe('backup-image');
      expect(await catalog.startNextDueBackup()).toBeNull();
      await catalog.finishRun(image?.runId ?? '', { state: 'succeeded', error: null });
      const data = await catalog.startNextDueBackup();
      expect((await catalog.getRun(data?.runId ?? '')).kind).toBe('backup-data');
      expect(await catalog.startNextDueBackup()).toBeNull();
    });

    it('wait for a place on the hypervisor', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { web01: { policy: 'daily' }, hypervisor: { maxBackups: 1 } });
      expect((await catalog.listHypervisors())[0]).toMatchObject({ maxBackups: 1 });
      advance(1.5 * HOUR);
      expect(await catalog.recordDueBackups()).toHaveLength(2);
      const started = await Promise.all([catalog.startNextDueBackup(), catalog.startNextDueBackup()]);
      expect(started.filter((accepted) => accepted !== null)).toHaveLength(1);
      const [waiting] = (await catalog.listDueBackups({ state: 'waiting' }, page)).items;
      expect(waiting?.waitsFor).toBe('hypervisor "hv1" has 1 of 1 backups at the same time');
    });

    it('wait for a place in the data repository', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { policies: [{ ...POLICY, image: null }], web01: { policy: 'daily', dataSets: DATA_SETS }, hypervisor: { maxBackups: 9 } });
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup(1)).not.toBeNull();
      expect(await catalog.startNextDueBackup(1)).toBeNull();
      const [waiting] = (await catalog.listDueBackups({ state: 'waiting' }, page)).items;
      expect(waiting).toMatchObject({ kind: 'data', waitsFor: 'the data repository takes 1 of 1 backups at the same time' });
      expect(await catalog.startNextDueBackup(2)).not.toBeNull();
    });

    it('wait for a place in the repository', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { web01: { policy: 'daily' }, repository: { maxBackups: 1 } });
      advance(1.5 * HOUR);
      await catalog.recordDueBackups();
      expect(await catalog.startNextDueBackup()).not.toBeNull();
      expect(await catalog.startNextDueBackup()).toBeNull();
      const [waiting] = (await catalog.listDueBackups({ state: 'waiting' }, page)).items;
      expect(waiting?.waitsFor).toBe('repository "main" takes 1 of 1 images at the same time');
    });

    it('do not begin before their part of the jitter is over', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { policies: [{ ...POLICY, data: null, image: { ...POLICY.image, jitterMinutes: 600 } }] });
      advance(HOUR);
      const [due] = await catalog.recordDueBackups();
      const waitMs = Date.parse(due?.notBefore ?? '') - Date.parse(due?.dueAt ?? '');
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThan(600 * 60_000);
      advance(waitMs - 1);
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect((await catalog.listDueBackups({}, page)).items).toMatchObject([{ state: 'waiting', waitsFor: null }]);
      advance(1);
      expect(await catalog.startNextDueBackup()).not.toBeNull();
    });

    it('are withdrawn when the server has another policy by now; a run that has begun goes on', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      const accepted = await catalog.startNextDueBackup();
      await catalog.applyEstate('alice', estate({ policies: [], db01: { policy: null } }), RESOLVED, { prune: true });
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect(await dueTexts(catalog)).toEqual(['db01 data 2026-03-01T02:30 withdrawn', 'db01 image 2026-03-01T01:00 started']);
      expect((await actions(catalog)).slice(-1)).toEqual(['due-backup.withdrawn']);
      await catalog.startRun(accepted?.runId ?? '');
      await catalog.finishRun(accepted?.runId ?? '', { state: 'succeeded', error: null });
      expect((await catalog.getRun(accepted?.runId ?? '')).state).toBe('succeeded');
      expect(await catalog.recordDueBackups()).toEqual([]);
    });

    it('of data are withdrawn when the server declares none any more', async () => {
      const { catalog, advance } = subject();
      await apply(catalog, { policies: [{ ...POLICY, image: null }] });
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      await apply(catalog, { policies: [{ ...POLICY, image: null }], db01: { dataSets: [] } });
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect(await dueTexts(catalog)).toEqual(['db01 data 2026-03-01T02:30 withdrawn']);
    });

    it('are withdrawn when the policy asks for their kind no more', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      advance(3 * HOUR);
      await catalog.recordDueBackups();
      await apply(catalog, { policies: [{ ...POLICY, image: null }] });
      const accepted = await catalog.startNextDueBackup();
      expect((await catalog.getRun(accepted?.runId ?? '')).kind).toBe('backup-data');
      expect(await dueTexts(catalog)).toEqual(['db01 data 2026-03-01T02:30 started', 'db01 image 2026-03-01T01:00 withdrawn']);
    });

    it('are an image at once when a restored server is live, which is not asked for again', async () => {
      const { catalog, advance } = subject();
      const server = await apply(catalog, { policies: [{ ...POLICY, data: null }] });
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.startRun(runId);
      await catalog.openWayBack(runId, factsOf(runId), BEFORE, EXPIRY);
      expect(await catalog.recordDueBackups()).toEqual([]);
      advance(60_000);
      await catalog.recordGoLive(runId);
      const [due, ...others] = await catalog.recordDueBackups();
      expect(others).toEqual([]);
      expect(due).toMatchObject({ kind: 'image', cause: 'restore', dueAt: '2026-03-01T00:01:00.000Z', notBefore: '2026-03-01T00:01:00.000Z', missedBefore: 0 });
      expect(await catalog.recordDueBackups()).toEqual([]);
      await catalog.finishRun(runId, { state: 'succeeded', error: null });
      const accepted = await catalog.startNextDueBackup();
      expect(await catalog.getRun(accepted?.runId ?? '')).toMatchObject({
        kind: 'backup-image',
        reason: 'policy "daily", restored and live since 2026-03-01T00:01:00.000Z',
      });
      const { lineageId } = await catalog.getServer('db01');
      await catalog.recordRecoveryPoint(manifestOf({ ...server, lineageId }, 1), 'main');
      expect(await catalog.recordDueBackups()).toEqual([]);
    });

    it('of a restored server that gets another policy meanwhile are asked for by that one, once', async () => {
      const { catalog, advance } = subject();
      const images = { ...POLICY, data: null };
      const server = await apply(catalog, { policies: [images] });
      const { runId } = await catalog.acceptBackup(backupRequest(server.id));
      await catalog.startRun(runId);
      await catalog.openWayBack(runId, factsOf(runId), BEFORE, EXPIRY);
      await catalog.recordGoLive(runId);
      advance(1000);
      expect(await catalog.recordDueBackups()).toHaveLength(1);
      await apply(catalog, { policies: [images, { ...images, name: 'weekly' }], db01: { policy: 'weekly' } });
      expect(await catalog.startNextDueBackup()).toBeNull();
      expect(await dueTexts(catalog)).toEqual(['db01 image 2026-03-01T00:00 withdrawn']);
      const [again, ...others] = await catalog.recordDueBackups();
      expect(others).toEqual([]);
      expect(again).toMatchObject({ policy: 'weekly', cause: 'restore', state: 'waiting' });
      expect(await catalog.recordDueBackups()).toEqual([]);
      expect(await dueTexts(catalog)).toEqual(['db01 image 2026-03-01T00:00 waiting']);
    });

    it('are listed page by page', async () => {
      const { catalog, advance } = subject();
      await apply(catalog);
      for (let day = 0; day < 3; day += 1) {
        advance(DAY);
        await catalog.recordDueBackups();
      }
      const first = await catalog.listDueBackups({}, { limit: 2, cursor: null });
      const second = await catalog.listDueBackups({}, { limit: 2, cursor: first.nextCursor });
      expect([...first.items, ...second.items].map(({ kind, dueAt }) => `${kind} ${dueAt.slice(0, 10)}`)).toEqual([
        'data 2026-03-03',
        'data 2026-03-02',
        'data 2026-03-01',
        'image 2026-03-01',
      ]);
      expect(second.nextCursor).toBeNull();
      expect(await codeOf(catalog.listRuns({}, { limit: 2, cursor: first.nextCursor }))).toBe('REQUEST_INVALID');
    });
  });
}
