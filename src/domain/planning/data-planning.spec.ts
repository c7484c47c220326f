import type { FilesDataSet, PostgresqlDataSet } from '../../contracts/data';
import type { DataRecoveryPointView } from '../../contracts/recovery-point';
import { chooseData, dataFindings, MOST_FILES, recoveryLoss, requireSelectable } from './data-planning';
import { dataAfterImageSteps, dataBackupSteps, dataRestoreSteps, itemKey } from '../steps/data-steps';

const uploads: FilesDataSet = { kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: [], before: ['/bin/pause'], after: null };
const shop: PostgresqlDataSet = { kind: 'postgresql', name: 'shop', databases: ['shop', 'crm'], user: 'postgres', osUser: 'postgres', socketDirectory: null, port: 5432, spoolDirectory: '/var/tmp/spool', before: null, after: null };

const filesPoint = (id: string, pointInTime: string): DataRecoveryPointView => ({
  kind: 'data', id, serverId: 'srv_1', serverName: 'db01', state: 'usable', pointInTime, publishedAt: pointInTime, sizeBytes: 1, reason: 'daily', runId: 'run_1', dataSet: 'uploads', purpose: 'backup', snapshotId: `s-${id}`, addedBytes: 1, declared: uploads,
  content: { kind: 'files', paths: ['/srv/uploads'], files: 1, totalBytes: 1, problems: [] },
});
const dumpPoint = (id: string, pointInTime: string, engineMajor = 15): DataRecoveryPointView => ({
  ...filesPoint(id, pointInTime), dataSet: 'shop', declared: shop,
  content: {
    kind: 'postgresql', engineVersion: `${engineMajor}.1`, engineMajor, directory: '/var/tmp/spool/run_1', factsFile: 'facts.json', globalsFile: 'globals.sql',
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
    expect(dataFindings(choices, IMAGE).map(({ code, severity }) => [code, severity])).toEqual([['DATA_FOLLOWS', 'ok'], ['DATA_FOLLOWS', 'ok']]);
  });

  it('is one from before the incident', () => {
    const [choice] = chooseData('uploads', [filesPoint('rp_2', '2026-03-02T09:00:00.000Z'), filesPoint('rp_1', '2026-03-02T07:00:00.000Z')], IMAGE, { ...usual, incidentAt: '2026-03-02T08:00:00.000Z' });
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
      return dataFindings(chooseData('uploads', [counted], IMAGE, usual), IMAGE).map(({ code, severity }) => `${severity} ${code}`);
    };
    expect(codes(MOST_FILES)).toEqual(['ok DATA_FOLLOWS', 'warn FILES_OVER_IMAGE']);
    expect(codes(MOST_FILES + 1)).toEqual(['ok DATA_FOLLOWS', 'warn FILES_OVER_IMAGE', 'block TOO_MANY_FILES']);
  });

  it.each([
    ['none is there', [], usual, 'none', 'DATA_NONE'],
    ['all are older than the image, which holds newer data', [filesPoint('rp_1', '2026-03-02T05:59:59.000Z')], usual, 'older', 'DATA_OLDER_THAN_IMAGE'],
    ['the image alone was asked for', [filesPoint('rp_1', '2026-03-02T09:00:00.000Z')], { ...usual, noData: true }, 'left-out', 'DATA_LEFT_OUT'],
    ['disks are kept, with newer data on them', [filesPoint('rp_1', '2026-03-02T09:00:00.000Z')], { ...usual, keepsDisks: true }, 'disks-kept', 'DATA_DISKS_KEPT'],
  ] as const)('is nothing when %s, and the plan warns', (_what, usable, request, why, code) => {
    const choices = chooseData('uploads', usable, IMAGE, request);
    expect(choices).toMatchObject([{ planned: null, why }]);
    expect(dataFindings(choices, IMAGE)).toMatchObject([{ code, severity: 'warn' }]);
  });

  it('blocks when the database was upgraded after the image was taken', () => {
    const choices = chooseData('shop', [dumpPoint('rp_2', '2026-03-02T09:00:00.000Z', 16), dumpPoint('rp_1', '2026-03-02T05:00:00.000Z', 15)], IMAGE, usual);
    expect(dataFindings(choices, IMAGE)).toContainEqual(expect.objectContaining({ code: 'DATABASE_ENGINE_TOO_OLD', severity: 'block', message: expect.stringContaining('PostgreSQL 16') as string }));
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
});

describe('what may be selected', () => {
  const files = filesPoint('rp_1', '2026-03-02T09:00:00.000Z');
  const dump = dumpPoint('rp_1', '2026-03-02T09:00:00.000Z');
  const database = { kind: 'postgresql', tables: [], schemas: [], whole: true, replace: false } as const;
  it.each([
    ['a path inside', files, { kind: 'files', paths: ['/srv/uploads/2026'], replace: false }],
    ['the declared path itself', files, { kind: 'files', paths: ['/srv/uploads'], replace: false }],
    ['everything', files, { kind: 'files', paths: [], replace: true }],
    ['a database', dump, { ...database, database: 'crm' }],
  ] as const)('%s', (_what, point, selection) => expect(() => requireSelectable(point, selection)).not.toThrow());

  it.each([
    ['a path outside', files, { kind: 'files', paths: ['/etc/shadow'], replace: false }, '/etc/shadow'],
    ['a path that only begins alike', files, { kind: 'files', paths: ['/srv/uploads2'], replace: false }, '/srv/uploads2'],
    ['a database that is not in it', dump, { ...database, database: 'hr' }, 'it holds shop, crm'],
    ['a database of files', files, { ...database, database: 'shop' }, 'holds files, not databases'],
    ['files of a database', dump, { kind: 'files', paths: [], replace: false }, 'holds databases, not files'],
  ] as const)('not %s', (_what, point, selection, words) => {
    expect(() => requireSelectable(point, selection)).toThrow(expect.objectContaining({ code: 'DATA_NOT_IN_RECOVERY_POINT', message: expect.stringContaining(words) as string }) as Error);
  });
});

describe('steps of data', () => {
  it('of a backup: one line for each data set, dumps and programs where they are declared', () => {
    expect(dataBackupSteps([{ recoveryPointId: 'rp_1', dataSet: uploads }, { recoveryPointId: 'rp_2', dataSet: shop }]).map(({ key }) => key)).toEqual([
      'examine', 'fence', 'before:uploads', 'save:uploads', 'verify:uploads', 'publish:uploads', 'dump:shop', 'save:shop', 'verify:shop', 'publish:shop', 'release',
    ]);
  });

  it('of a restore: only a whole database is loaded beside', () => {
    const item = { dataSet: shop, selection: { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false, replace: false } } as const;
    expect(dataRestoreSteps(item).map(({ key }) => key)).toEqual(['check', 'fence', 'safety', 'fetch', 'place', 'tidy', 'record']);
    const whole = { ...item, selection: { ...item.selection, tables: [], whole: true } };
    expect(dataRestoreSteps(whole).map(({ key }) => key)).toContain('load');
    expect(itemKey(whole)).toBe('shop:shop');
    expect(dataAfterImageSteps(whole).map(({ key }) => key)).toEqual(['data-fetch:shop:shop', 'data-place:shop:shop']);
  });
});
