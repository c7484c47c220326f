import { Worker } from '@temporalio/worker';
import { CatalogueWrites } from '../../activities/catalogue-activities';
import type { ActivityDependencies } from '../../activities/dependencies';
import { estateSchema } from '../../src/contracts/api/estate';
import { CONTROL_TASK_QUEUE } from '../../src/contracts/ids';
import type { Policy } from '../../src/contracts/policy';
import { TemporalClient } from '../../src/temporal/client';
import { syncSchedules } from '../../src/temporal/schedules';
import { bundleWorkflowsForTests, startTemporalForTests, type TestTemporal } from '../support/temporal';
import { eventually } from '../support/up-process';

jest.setTimeout(180_000);

const policies = (...declared: readonly object[]): readonly Policy[] => estateSchema.parse({ policies: declared }).policies;
const retention = { last: 3 };
const DAILY = {
  name: 'daily',
  timeZone: 'Europe/Berlin',
  image: { schedule: { every: 'week', on: ['sunday', 'wednesday'], at: '01:15' }, retention },
  data: { schedule: { cron: '30 2 * JAN-DEC *' }, retention },
};

describe('schedules in Temporal', () => {
  let temporal: TestTemporal;

  beforeAll(async () => {
    temporal = await startTemporalForTests();
  });
  afterAll(() => temporal.close());

  const schedules = () => temporal.client.client.schedule;
  const ids = async (): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const { scheduleId } of schedules().list()) found.push(scheduleId);
    return found.sort();
  };
  /** The list of schedules follows what was done by some moments. */
  const listed = (...expected: readonly string[]) =>
    eventually(
      () => ids(),
      (found) => JSON.stringify(found) === JSON.stringify([...expected].sort()),
      20_000,
    );

  it('are made from the policies, and come when the clocks of their time zone show it', async () => {
    expect(await syncSchedules(temporal.client, policies(DAILY))).toEqual({
      created: ['policy/daily/image', 'policy/daily/data'],
      updated: [],
      deleted: [],
      met: [],
      refused: [],
    });
    await listed('policy/daily/image', 'policy/daily/data');
    const { info, policies: how, action } = await schedules().getHandle('policy/daily/image').describe();
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', weekday: 'short', hour: '2-digit', minute: '2-digit' });
    const times = new Set(info.nextActionTimes.map((at) => local.format(at).replace(',', '')));
    expect([...times].sort()).toEqual(['Sun 01:15', 'Wed 01:15']);
    expect(how).toMatchObject({ overlap: 'SKIP', catchupWindow: 600_000 });
    expect(action).toMatchObject({ workflowType: 'backupsDue', taskQueue: CONTROL_TASK_QUEUE });
    expect(await syncSchedules(temporal.client, policies(DAILY))).toEqual({ created: [], updated: [], deleted: [], met: [], refused: [] });
  });

  it('are changed with their policy, and only then', async () => {
    await schedules().create({
      scheduleId: 'somebody-elses',
      spec: { intervals: [{ every: '1 day' }] },
      action: { type: 'startWorkflow', workflowType: 'x', taskQueue: 'x' },
    });
    await listed('policy/daily/image', 'policy/daily/data', 'somebody-elses');
    const changed = policies({ ...DAILY, rtoMinutes: 5, data: { ...DAILY.data, schedule: { every: 'day', at: '03:45' } } });
    expect(await syncSchedules(temporal.client, changed)).toEqual({ created: [], updated: ['policy/daily/data'], deleted: [], met: [], refused: [] });
    const { info } = await schedules().getHandle('policy/daily/data').describe();
    const local = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' });
    expect([...new Set(info.nextActionTimes.map((at) => local.format(at)))]).toEqual(['03:45']);
  });

  it('go with their policy; those of others stay', async () => {
    await eventually(
      async () => syncSchedules(temporal.client, policies({ ...DAILY, data: null })),
      ({ deleted }) => deleted.length === 0,
      20_000,
    );
    await listed('policy/daily/image', 'somebody-elses');
    await syncSchedules(temporal.client, []);
    await listed('somebody-elses');
  });

  it('are made again when somebody has deleted them, also by several workers at once', async () => {
    const reports = await Promise.all([1, 2, 3].map(() => syncSchedules(temporal.client, policies(DAILY))));
    // Each is made by one of them; nobody asks for or changes what is being made, which takes Temporal seconds.
    expect(reports.flatMap(({ created }) => created).sort()).toEqual(['policy/daily/data', 'policy/daily/image']);
    expect(reports.flatMap(({ updated }) => updated)).toEqual([]);
    await listed('policy/daily/image', 'policy/daily/data', 'somebody-elses');
    await schedules().getHandle('policy/daily/image').delete();
    await listed('policy/daily/data', 'somebody-elses');
    expect((await syncSchedules(temporal.client, policies(DAILY))).created).toEqual(['policy/daily/image']);
  });

  it('one that Temporal refuses keeps the others from nothing, and is told', async () => {
    const unknown: Policy = { ...policies({ ...DAILY, name: 'atlantis', data: null })[0]!, timeZone: 'Europe/Atlantis' };
    const report = await syncSchedules(temporal.client, [unknown, ...policies(DAILY), ...policies({ ...DAILY, name: 'second', data: null })]);
    expect(report.refused).toEqual([expect.stringMatching(/^policy\/atlantis\/image: .*Atlantis/)]);
    expect(report.created).toContain('policy/second/image');
    await listed('policy/daily/image', 'policy/daily/data', 'policy/second/image', 'somebody-elses');
  });

  it('knock: what is due is written down when the time comes', async () => {
    let recorded = 0;
    const catalog = { recordDueBackups: async () => ((recorded += 1), []) };
    const writes = new CatalogueWrites({ catalog, log: { info() {}, warn() {}, error() {} } } as unknown as ActivityDependencies);
    const worker = await Worker.create({
      connection: temporal.environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue: CONTROL_TASK_QUEUE,
      dataConverter: temporal.dataConverter,
      workflowBundle: await bundleWorkflowsForTests(),
      activities: { recordDueBackups: () => writes.recordDueBackups() },
    });
    await worker.runUntil(async () => {
      await syncSchedules(temporal.client, policies(DAILY));
      await schedules().getHandle('policy/daily/data').trigger();
      await eventually(
        () => recorded,
        (times) => times === 1,
        20_000,
      );
    });
  });

  it('say so when Temporal does not answer', async () => {
    const away = new TemporalClient({ address: '127.0.0.1:1', namespace: 'none', deadlineMs: 500 });
    await expect(syncSchedules(away, policies(DAILY))).rejects.toMatchObject({ code: 'TEMPORAL_UNAVAILABLE' });
    await away.close();
  });
});
