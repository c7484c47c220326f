import type { FilesDataSet, PostgresqlDataSet } from '../../contracts/data';
import type { DataRecoveryPointView } from '../../contracts/recovery-point';
import type { DataPlanSource } from '../../contracts/activities/planning';
import type { DataSurvey } from '../../contracts/plan';
import type { ServerInspection } from '../../contracts/server';
import { afterIncident, chooseData, dataFindings, heldUntil, MOST_FILES, planDataRestore, recoveryLoss, requireSelectable } from './data-planning';
import { dataAfterImageSteps, dataBackupSteps, dataRestoreSteps, itemKey } from '../steps/data-steps';

const uploads: FilesDataSet = { kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: [], before: ['/bin/pause'], after: null };
const shop: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop', 'crm'],
  user: 'postgres',
  osUser: 'postgres',
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/var/tmp/spool',
  before: null,
  after: null,
};

const filesPoint = (id: string, pointInTime: string): DataRecoveryPointView => ({
  kind: 'data',
  id,
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'usable',
  pointInTime,
  publishedAt: pointInTime,
  expiredAt: null,
  deletesAt: null,
  deletedAt: null,
  sizeBytes: 1,
  reason: 'daily',
  runId: 'run_1',
  hold: null,
  verification: { state: 'unverified', method: null, at: null, problem: null, boot: null },
  dataSet: 'uploads',
  purpose: 'backup',
  snapshotId: `s-${id}`,
  addedBytes: 1,
  declared: uploads,
  content: { kind: 'files', paths: ['/srv/uploads'], files: 1, totalBytes: 1, problems: [] },
});
const dumpPoint = (id: string, pointInTime: string, engineMajor = 15): DataRecoveryPointView => ({
  ...filesPoint(id, pointInTime),
  dataSet: 'shop',
  declared: shop,
  content: {
    kind: 'postgresql',
    engineVersion: `${engineMajor}.1`,
    engineMajor,
    directory: '/var/tmp/spool/run_1',
    factsFile: 'facts.json',
    globalsFile: 'globals.sql',
    databases: ['shop', 'crm'].map((name, index) => ({ name, file: `${index + 1}.dump`, sizeBytes: 1, tables: 1, rows: 1 })),
  },
});
const IMAGE = { pointInTime: '2026-03-02T06:00:00.000Z' };
const usual = { noData: false, incidentAt: null, keepsDisks: false };

describe('the data that follows an image', () => {
  it('is the newest one, with an item for each database', () => {
    const choices = chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z'), dumpPoint('rp_1', '2026-03-02T07:00:00.000Z')], IMAGE, usual);
    expect(choices.map(({ planned }) => [planned?.item.recoveryPointId, planned?.item.selection])).toEqual([
      ['rp_2', { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true }],
      ['rp_2', { kind: 'postgresql', database: 'crm', tables: [], schemas: [], whole: true, replace: true }],
    ]);
    expect(dataFindings(choices, IMAGE).map(({ code, severity }) => [code, severity])).toEqual([
      ['DATA_FOLLOWS', 'ok'],
      ['DATA_FOLLOWS', 'ok'],
    ]);
  });

  it('is one from before the incident', () => {
    const atTheIncident = [filesPoint('rp_2', '2026-03-02T08:00:00.000Z'), filesPoint('rp_1', '2026-03-02T07:00:00.000Z')];
    expect(chooseData('uploads', atTheIncident, IMAGE, { ...usual, incidentAt: '2026-03-02T08:00:00.000Z' })[0]?.planned?.item.recoveryPointId).toBe('rp_2');
    const [choice] = chooseData('uploads', [filesPoint('rp_2', '2026-03-02T09:00:00.000Z'), filesPoint('rp_1', '2026-03-02T07:00:00.000Z')], IMAGE, {
      ...usual,
      incidentAt: '2026-03-02T08:00:00.000Z',
    });
    expect(choice?.planned?.item).toMatchObject({ recoveryPointId: 'rp_1', snapshotId: 's-rp_1', selection: { kind: 'files', paths: [], replace: true } });
  });

  it('is not one whose files were still being read at the incident', () => {
    const read = { ...filesPoint('rp_2', '2026-03-02T07:30:00.000Z'), publishedAt: '2026-03-02T08:30:00.000Z' };
    const request = { ...usual, incidentAt: '2026-03-02T08:00:00.000Z' };
    expect(chooseData('uploads', [read, filesPoint('rp_1', '2026-03-02T07:00:00.000Z')], IMAGE, request)[0]?.planned?.item.recoveryPointId).toBe('rp_1');
    const dumped = { ...dumpPoint('rp_4', '2026-03-02T07:30:00.000Z'), publishedAt: '2026-03-02T08:30:00.000Z' };
    expect(chooseData('shop', [dumped], IMAGE, request)[0]?.planned?.item.recoveryPointId).toBe('rp_4');
  });

  it('are files put over those of the image: the plan says so, and blocks where they are too many for a guest to compare', () => {
    const point = filesPoint('rp_1', '2026-03-02T09:00:00.000Z');
    const codes = (files: number): readonly string[] => {
      const counted = { ...point, content: { kind: 'files' as const, paths: ['/srv/uploads'] as const, files, totalBytes: 1, problems: [] } };
      const findings = dataFindings(chooseData('uploads', [counted], IMAGE, usual), IMAGE);
      expect(findings[2]?.evidence ?? []).toEqual([]);
      return findings.map(({ code, severity }) => `${severity} ${code}`);
    };
    expect(codes(MOST_FILES)).toEqual(['ok DATA_FOLLOWS', 'warn FILES_OVER_IMAGE']);
    expect(codes(MOST_FILES + 1)).toEqual(['ok DATA_FOLLOWS', 'warn FILES_OVER_IMAGE', 'block TOO_MANY_FILES']);
  });

  it.each([
    ['none is there', [], usual, 'none', 'DATA_NONE'],
    ['all are older than the image, which holds newer data', [filesPoint('rp_1', '2026-03-02T05:59:59.000Z')], usual, 'older', 'DATA_OLDER_THAN_IMAGE'],
    ['the image alone was asked for', [filesPoint('rp_1', '2026-03-02T09:00:00.000Z')], { ...usual, noData: true }, 'left-out', 'DATA_LEFT_OUT'],
    [
      'disks are kept, with newer data on them',
      [filesPoint('rp_1', '2026-03-02T09:00:00.000Z')],
      { ...usual, keepsDisks: true },
      'disks-kept',
      'DATA_DISKS_KEPT',
    ],
  ] as const)('is nothing when %s, and the plan warns', (_what, usable, request, why, code) => {
    const choices = chooseData('uploads', usable, IMAGE, request);
    expect(choices).toMatchObject([{ planned: null, why }]);
    expect(dataFindings(choices, IMAGE)).toMatchObject([{ code, severity: 'warn' }]);
  });

  it('may be as old as the image, which is asked for the newest data all the same', () => {
    const [choice] = chooseData('uploads', [filesPoint('rp_2', '2026-03-02T09:00:00.000Z'), filesPoint('rp_1', IMAGE.pointInTime)], IMAGE, {
      ...usual,
      incidentAt: '2026-03-02T08:00:00.000Z',
    });
    expect(choice).toMatchObject({
      dataSet: 'uploads',
      planned: { pointInTime: IMAGE.pointInTime },
      why: 'newest',
      newestAt: '2026-03-02T09:00:00.000Z',
      engine: null,
    });
  });

  it('is told with the recovery point it is from, and with the newest one where it is left out', () => {
    const at = '2026-03-02T09:00:00.000Z';
    const [point] = [filesPoint('rp_1', at)];
    const evidence = (request: typeof usual, usable = [point], image = IMAGE): readonly (readonly [string, readonly string[]])[] =>
      dataFindings(chooseData('uploads', usable, image, request), image).map((finding) => [finding.code, finding.evidence]);
    expect(evidence(usual)).toEqual([
      ['DATA_FOLLOWS', ['recovery point rp_1']],
      ['FILES_OVER_IMAGE', ['recovery point rp_1']],
    ]);
    expect(evidence({ ...usual, noData: true })).toEqual([['DATA_LEFT_OUT', [`newest recovery point ${at}`]]]);
    expect(evidence({ ...usual, noData: true }, [])).toEqual([['DATA_LEFT_OUT', []]]);
    expect(evidence({ ...usual, keepsDisks: true })).toEqual([['DATA_DISKS_KEPT', [`newest recovery point ${at}`]]]);
    expect(evidence({ ...usual, keepsDisks: true }, [])).toEqual([['DATA_DISKS_KEPT', []]]);
    expect(evidence(usual, [])).toEqual([['DATA_NONE', ['image 2026-03-02T06:00:00.000Z']]]);
    expect(evidence(usual, [point], { pointInTime: '2026-03-02T09:00:00.001Z' })).toEqual([
      ['DATA_OLDER_THAN_IMAGE', ['image 2026-03-02T09:00:00.001Z', `newest data ${at}`]],
    ]);
    const told = (request: typeof usual, usable = [point], image = IMAGE): string | undefined =>
      dataFindings(chooseData('uploads', usable, image, request), image)[0]?.message;
    expect(told(usual)).toBe(`Files of data set "uploads" follow the image, as they were at ${at}.`);
    expect(told(usual, [])).toContain('has no usable recovery point');
    expect(told(usual, [point], { pointInTime: '2026-03-02T09:00:00.001Z' })).toContain('is older than the image');
  });

  it('knows which version the image holds from the last dump before it, at the latest at the same moment', () => {
    const engine = (...points: readonly (readonly [string, number])[]): unknown =>
      chooseData(
        'shop',
        points.map(([at, major], index) => dumpPoint(`rp_${index}`, at, major)),
        IMAGE,
        usual,
      )[0]?.engine;
    expect(engine(['2026-03-02T09:00:00.000Z', 16], [IMAGE.pointInTime, 15], ['2026-03-02T05:00:00.000Z', 14])).toEqual({ dump: 16, image: 15 });
    expect(engine(['2026-03-02T09:00:00.000Z', 16], ['2026-03-02T06:00:00.001Z', 15], ['2026-03-02T05:00:00.000Z', 14])).toEqual({ dump: 16, image: 14 });
    expect(engine(['2026-03-02T09:00:00.000Z', 16], ['2026-03-02T06:00:00.001Z', 15])).toEqual({ dump: 16, image: null });
    // A data set may have been one of files before.
    expect(
      chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z', 16), filesPoint('rp_1', '2026-03-02T05:00:00.000Z')], IMAGE, usual)[0]?.engine,
    ).toEqual({ dump: 16, image: null });
  });

  it('may be of the same version or an older one than the image holds', () => {
    const codes = (dump: number, image: number): readonly string[] =>
      dataFindings(
        chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z', dump), dumpPoint('rp_1', '2026-03-02T05:00:00.000Z', image)], IMAGE, usual).slice(
          0,
          1,
        ),
        IMAGE,
      ).map(({ code }) => code);
    expect([codes(15, 15), codes(14, 15), codes(16, 15)]).toEqual([['DATA_FOLLOWS'], ['DATA_FOLLOWS'], ['DATABASE_ENGINE_TOO_OLD']]);
  });

  it('blocks when the database was upgraded after the image was taken', () => {
    const choices = chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z', 16), dumpPoint('rp_1', '2026-03-02T05:00:00.000Z', 15)], IMAGE, usual);
    expect(dataFindings(choices, IMAGE)).toContainEqual(
      expect.objectContaining({
        code: 'DATABASE_ENGINE_TOO_OLD',
        severity: 'block',
        message: expect.stringContaining('PostgreSQL 16') as string,
        evidence: ['recovery point rp_2'],
      }),
    );
    const unknown = chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z', 16)], IMAGE, usual);
    expect(dataFindings(unknown, IMAGE).map(({ code }) => code)).toEqual(['DATA_FOLLOWS', 'DATA_FOLLOWS']);
  });
});

describe('what is lost', () => {
  const now = new Date('2026-03-02T12:00:00.000Z');
  it.each([
    ['from the oldest point in time to the plan', ['2026-03-02T11:00:00.000Z', '2026-03-02T10:00:00.000Z'], null, 7200],
    ['to the incident, when it is known', ['2026-03-02T10:00:00.000Z'], '2026-03-02T10:30:00.000Z', 1800],
    ['nothing, when the point in time is later', ['2026-03-02T11:00:00.000Z'], '2026-03-02T10:30:00.000Z', 0],
  ] as const)('%s', (_what, points, incidentAt, seconds) => expect(recoveryLoss(points, incidentAt, now).seconds).toBe(seconds));

  it('is told with both moments, in tenths of a second', () => {
    expect(recoveryLoss(['2026-03-02T11:59:58.765Z', '2026-03-02T11:59:59.000Z'], null, now)).toEqual({
      incidentAt: '2026-03-02T12:00:00.000Z',
      pointInTime: '2026-03-02T11:59:58.765Z',
      seconds: 1.2,
    });
    expect(recoveryLoss(['2026-03-02T10:00:00.000Z'], '2026-03-02T12:30:00.000+02:00', now)).toEqual({
      incidentAt: '2026-03-02T10:30:00.000Z',
      pointInTime: '2026-03-02T10:00:00.000Z',
      seconds: 1800,
    });
  });

  it('reaches to the end of reading for files, and to one moment for databases', () => {
    const times = { pointInTime: '2026-03-02T10:00:00.000Z', publishedAt: '2026-03-02T10:30:00.000Z' };
    expect(heldUntil({ ...filesPoint('rp_1', times.pointInTime), ...times })).toBe(times.publishedAt);
    expect(heldUntil({ ...dumpPoint('rp_1', times.pointInTime), ...times })).toBe(times.pointInTime);
  });

  it('may be what the incident has done already', () => {
    const at = '2026-03-02T10:00:00.000Z';
    expect([afterIncident(at, null), afterIncident(at, at)]).toEqual([[], []]);
    expect(afterIncident('2026-03-02T10:00:00.001Z', at)).toMatchObject([{ code: 'RECOVERY_POINT_AFTER_INCIDENT', severity: 'warn', evidence: [] }]);
  });
});

describe('what may be selected', () => {
  const files = filesPoint('rp_1', '2026-03-02T09:00:00.000Z');
  const dump = dumpPoint('rp_1', '2026-03-02T09:00:00.000Z');
  const database = { kind: 'postgresql', tables: [], schemas: [], whole: true, replace: false } as const;
  it.each([
    ['a path inside', files, { kind: 'files', paths: ['/srv/uploads/2026'], replace: false }],
    ['the declared path itself', files, { kind: 'files', paths: ['/srv/uploads'], replace: false }],
    ['everything', files, { kind: 'files', paths: [], replace: true }],
    [
      'anything, where all was saved',
      { ...files, content: { kind: 'files', paths: ['/'], files: 1, totalBytes: 1, problems: [] } },
      { kind: 'files', paths: ['/etc/hosts', '/'], replace: false },
    ],
    [
      'paths below several that were declared',
      { ...files, content: { kind: 'files', paths: ['/srv/a', '/srv/b'], files: 1, totalBytes: 1, problems: [] } },
      { kind: 'files', paths: ['/srv/b/x', '/srv/a/x'], replace: false },
    ],
    ['a database', dump, { ...database, database: 'crm' }],
  ] as const)('%s', (_what, point, selection) => expect(() => requireSelectable(point, selection)).not.toThrow());

  it.each([
    ['a path outside', files, { kind: 'files', paths: ['/etc/shadow'], replace: false }, '/etc/shadow'],
    [
      'a path that is not absolute, where all was saved',
      { ...files, content: { kind: 'files', paths: ['/'], files: 1, totalBytes: 1, problems: [] } },
      { kind: 'files', paths: ['etc/hosts'], replace: false },
      'does not hold etc/hosts',
    ],
    [
      'a path outside beside one inside',
      files,
      { kind: 'files', paths: ['/srv/uploads/a', '/etc'], replace: false },
      'does not hold /etc: it holds /srv/uploads.',
    ],
    ['a path that only begins alike', files, { kind: 'files', paths: ['/srv/uploads2'], replace: false }, '/srv/uploads2'],
    ['a database that is not in it', dump, { ...database, database: 'hr' }, 'it holds shop, crm'],
    ['a database of files', files, { ...database, database: 'shop' }, 'holds files, not databases'],
    ['files of a database', dump, { kind: 'files', paths: [], replace: false }, 'holds databases, not files'],
  ] as const)('not %s', (_what, point, selection, words) => {
    expect(() => requireSelectable(point, selection)).toThrow(
      expect.objectContaining({
        code: 'DATA_NOT_IN_RECOVERY_POINT',
        message: expect.stringContaining(words) as string,
        context: { recoveryPointId: 'rp_1', dataSet: point.dataSet },
      }) as Error,
    );
  });
});

describe('the plan of a data restore', () => {
  const now = new Date('2026-03-02T12:00:00.000Z');
  const present: ServerInspection = {
    uuid: 'u',
    domainName: 'db01',
    powerState: 'running',
    domainType: 'qemu',
    definitionFingerprint: 'f1',
    disks: [],
    removableMedia: [],
    firmware: 'bios',
    nvram: null,
    nics: [
      { mac: '52:54:00:00:00:01', type: 'user', source: null, linkUp: true },
      { mac: '52:54:00:00:00:02', type: 'user', source: null, linkUp: true },
    ],
    generationId: null,
    agent: { state: 'answering', version: '7', commands: [] },
    refusals: [],
    memoryBytes: 1,
    vcpus: 1,
  };
  const survey: DataSurvey = {
    present,
    losses: ['What was written since is lost.'],
    changes: [{ effect: 'added', what: 'files', count: 1, bytes: 1, examples: ['/srv/uploads/a'] }],
    findings: [{ code: 'SPACE_ENOUGH', severity: 'ok', message: 'There is room.', evidence: [] }],
  };
  const sourceOf = (changes: Partial<DataPlanSource> = {}, problems: readonly string[] = []): DataPlanSource => {
    const point = {
      ...filesPoint('rp_1', '2026-03-02T09:00:00.000Z'),
      content: { kind: 'files' as const, paths: ['/srv/uploads'] as const, files: 1, totalBytes: 1, problems },
    };
    const selection = { kind: 'files', paths: ['/srv/uploads/a'], replace: true } as const;
    return {
      planId: 'plan_1',
      runId: 'run_1',
      serverId: 'srv_1',
      serverName: 'db01',
      uuid: 'u',
      hypervisor: 'kvm1',
      point,
      item: { dataSet: uploads, recoveryPointId: 'rp_1', snapshotId: 's-rp_1', content: point.content, selection },
      selection,
      measuredRecoverySeconds: [10, 30, 20],
      incidentAt: null,
      ...changes,
    };
  };

  it('says what will be done to which server, from what, and what it costs', () => {
    const { steps, ...plan } = planDataRestore(sourceOf(), survey, now);
    expect(steps.map(({ key }) => key)).toEqual(['check', 'fence', 'safety', 'fetch', 'place', 'tidy', 'record']);
    expect(plan).toEqual({
      planId: 'plan_1',
      runId: 'run_1',
      scenario: 'data',
      server: {
        serverId: 'srv_1',
        name: 'db01',
        uuid: 'u',
        hypervisor: 'kvm1',
        domainName: 'db01',
        macs: ['52:54:00:00:00:01', '52:54:00:00:00:02'],
        powerState: 'running',
      },
      recoveryPoint: {
        id: 'rp_1',
        dataSet: uploads,
        pointInTime: '2026-03-02T09:00:00.000Z',
        snapshotId: 's-rp_1',
        reason: 'daily',
        content: { kind: 'files', paths: ['/srv/uploads'], files: 1, totalBytes: 1, problems: [] },
      },
      selection: { kind: 'files', paths: ['/srv/uploads/a'], replace: true },
      changes: survey.changes,
      before: { powerState: 'running', agent: 'answering' },
      findings: survey.findings,
      losses: survey.losses,
      loss: { incidentAt: '2026-03-02T12:00:00.000Z', pointInTime: '2026-03-02T09:00:00.000Z', seconds: 10_800 },
      estimate: { p50Seconds: 20, p90Seconds: 30, basedOnRuns: 3 },
      createdAt: '2026-03-02T12:00:00.000Z',
    });
  });

  it('warns that a decommissioned server stays so', () => {
    const decommissioned = { at: '2026-03-01T00:00:00.000Z', by: 'alice', reason: 'replaced by db02', keepDays: 90, protectsUntil: '2026-05-30T00:00:00.000Z' };
    expect(planDataRestore({ ...sourceOf(), decommissioned }, survey, now).findings[0]).toMatchObject({ code: 'SERVER_DECOMMISSIONED', severity: 'warn' });
  });

  it('says which credentials were valid at the recovery point, and what the store says now, without a step of its own', () => {
    const then = { account: 'root', store: 'vault', path: 'servers/db01', version: '1', createdAt: null, problem: null };
    const source = sourceOf({ point: { ...filesPoint('rp_1', '2026-03-02T09:00:00.000Z'), credentials: [then] } });
    const said = { account: 'root', current: { version: '2', createdAt: null }, problem: null, remembered: 'there' as const };
    const plan = planDataRestore(source, { ...survey, credentials: [said] }, now);
    expect(plan.credentials).toMatchObject([{ account: 'root', path: 'servers/db01', then, now: said.current, changed: 'yes', isSet: false }]);
    expect(plan.findings).toMatchObject([...survey.findings, { code: 'CREDENTIAL_ROTATED', severity: 'warn' }]);
    expect(plan.steps).toEqual(planDataRestore(sourceOf(), survey, now).steps);
    // Where it is declared to be now counts, whoever has it there.
    const moved = planDataRestore(
      { ...source, credentials: [{ account: 'root', store: 'vault', path: 'linux/db01', reapply: true }] },
      { ...survey, credentials: [{ ...said, current: { version: '1', createdAt: null } }] },
      now,
    );
    expect(moved.credentials).toMatchObject([{ path: 'linux/db01', changed: 'yes', isSet: false }]);
    // A workflow of an earlier version has asked nobody.
    expect(planDataRestore(source, survey, now)).not.toHaveProperty('credentials');
  });

  it('warns of files that go back on a server that shares its state with others, and of no database', () => {
    const shared = [{ relation: 'zone', type: 'replicates-with', peers: ['ns2'], profile: 'dns-zone' }] as const;
    const codes = (source: DataPlanSource, beside: typeof shared | readonly []) =>
      planDataRestore(source, survey, now, beside).findings.map(({ code }) => code);
    expect(codes(sourceOf(), shared)).toEqual(['FILES_GO_BACK_BESIDE_PEERS', 'SPACE_ENOUGH']);
    expect(codes(sourceOf(), [])).toEqual(['SPACE_ENOUGH']);
    expect(codes(sourceOf({ point: dumpPoint('rp_1', '2026-03-02T09:00:00.000Z') }), shared)).toEqual(['SPACE_ENOUGH']);
  });

  it('warns of what was taken after the incident, and of files that changed while they were read', () => {
    const problems = Array.from({ length: 21 }, (_, number) => `file ${number} changed`);
    const codes = planDataRestore(sourceOf({ incidentAt: '2026-03-02T08:00:00.000Z' }, problems), survey, now).findings.map(({ code }) => code);
    expect(codes).toEqual(['RECOVERY_POINT_AFTER_INCIDENT', 'FILES_CHANGED_WHILE_READ', 'SPACE_ENOUGH']);
    const torn = (some: readonly string[]) => planDataRestore(sourceOf({}, some), survey, now).findings[0];
    expect(torn(problems)).toMatchObject({
      severity: 'warn',
      message: '21 files changed while the recovery point of 2026-03-02T09:00:00.000Z was taken and may be torn.',
      evidence: problems.slice(0, 20),
    });
    expect(torn(['one'])).toMatchObject({
      message: 'A file changed while the recovery point of 2026-03-02T09:00:00.000Z was taken and may be torn.',
      evidence: ['one'],
    });
    const dump = dumpPoint('rp_1', '2026-03-02T09:00:00.000Z');
    expect(planDataRestore(sourceOf({ point: dump }), survey, now).findings).toEqual(survey.findings);
  });
});

describe('steps of data', () => {
  it('of a backup: one line for each data set, dumps and programs where they are declared', () => {
    expect(
      dataBackupSteps([
        { recoveryPointId: 'rp_1', dataSet: uploads },
        { recoveryPointId: 'rp_2', dataSet: shop },
      ]).map(({ key }) => key),
    ).toEqual([
      'examine',
      'fence',
      'before:uploads',
      'save:uploads',
      'verify:uploads',
      'publish:uploads',
      'dump:shop',
      'save:shop',
      'verify:shop',
      'publish:shop',
      'release',
    ]);
  });

  it('of a restore: only a whole database is loaded beside', () => {
    const item = {
      dataSet: shop,
      selection: { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false, replace: false },
    } as const;
    expect(dataRestoreSteps(item).map(({ key }) => key)).toEqual(['check', 'fence', 'safety', 'fetch', 'place', 'tidy', 'record']);
    const whole = { ...item, selection: { ...item.selection, tables: [], whole: true } };
    expect(dataRestoreSteps(whole).map(({ key }) => key)).toContain('load');
    expect(itemKey(whole)).toBe('shop:shop');
    expect(dataAfterImageSteps(whole).map(({ key }) => key)).toEqual(['data-fetch:shop:shop', 'data-place:shop:shop']);
  });
});
