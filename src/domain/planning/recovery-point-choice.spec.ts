import type { DataRecoveryPointView, ImageRecoveryPointView } from '../../contracts/recovery-point';
import { chooseCopied, newestData, requireDataPoint, requireImage } from './recovery-point-choice';

const SERVER = { id: 'srv_1', name: 'db01' };
const common = {
  serverId: 'srv_1',
  serverName: 'db01',
  state: 'usable',
  pointInTime: '2026-03-02T07:00:00.000Z',
  publishedAt: '2026-03-02T07:30:00.000Z',
  expiredAt: null,
  deletesAt: null,
  deletedAt: null,
  sizeBytes: 1,
  reason: 'daily',
  runId: 'run_1',
  hold: null,
  verification: { state: 'unverified', method: null, at: null, problem: null, boot: null },
} as const;
const image = (changes: Partial<ImageRecoveryPointView> = {}): ImageRecoveryPointView => ({
  ...common,
  kind: 'image',
  id: 'rp_i',
  generation: 1,
  parentId: null,
  lineageId: 'l1',
  consistency: 'offline',
  setId: null,
  repository: 'main',
  disks: [],
  ...changes,
});
const data = (changes: Partial<DataRecoveryPointView> = {}): DataRecoveryPointView => ({
  ...common,
  kind: 'data',
  id: 'rp_d',
  dataSet: 'uploads',
  purpose: 'backup',
  snapshotId: 's',
  addedBytes: 1,
  declared: { kind: 'files', name: 'uploads', paths: ['/srv'], excludes: [], before: null, after: null },
  content: { kind: 'files', paths: ['/srv'], files: 1, totalBytes: 1, problems: [] },
  ...changes,
});
const error = (code: string, message: string): Error => expect.objectContaining({ code, message });

describe('a chosen recovery point', () => {
  it("is the server's own, usable, and of the kind that is asked for", () => {
    expect(() => requireImage(image(), SERVER)).not.toThrow();
    expect(() => requireDataPoint(data(), SERVER, 'uploads')).not.toThrow();
  });

  it.each([
    ['image', () => requireImage(image({ serverId: 'srv_2', serverName: 'web01', state: 'damaged' }), SERVER), 'rp_i'],
    ['data', () => requireDataPoint(data({ serverId: 'srv_2', serverName: 'web01', state: 'damaged' }), SERVER, 'uploads'), 'rp_d'],
  ])('is no %s of another server', (_kind, choose, id) =>
    expect(choose).toThrow(error('RECOVERY_POINT_NOT_FOUND', `There is no recovery point "${id}" of server "db01" in the catalogue.`)),
  );

  it('is none that is damaged', () => {
    expect(() => requireImage(image({ state: 'damaged' }), SERVER)).toThrow(
      error('RECOVERY_POINT_NOT_USABLE', 'Recovery point rp_i is damaged: it cannot be restored.'),
    );
    expect(() => requireDataPoint(data({ state: 'damaged' }), SERVER, 'other')).toThrow(
      error('RECOVERY_POINT_NOT_USABLE', 'Recovery point rp_d is damaged: it cannot be restored.'),
    );
  });

  it('is none of another kind, or of another data set', () => {
    expect(() => requireImage(data(), SERVER)).toThrow(error('RECOVERY_POINT_NOT_USABLE', 'Recovery point rp_d holds data; this restore needs an image.'));
    expect(() => requireDataPoint(image(), SERVER, 'uploads')).toThrow(
      error('RECOVERY_POINT_NOT_USABLE', 'Recovery point rp_i holds an image; this restore needs data.'),
    );
    expect(() => requireDataPoint(data(), SERVER, 'shop')).toThrow(
      error('RECOVERY_POINT_NOT_USABLE', 'Recovery point rp_d is not one of the data set "shop".'),
    );
  });
});

describe('the newest data', () => {
  const request = { dataSet: 'uploads', serverName: 'db01', incidentAt: null };
  const newer = data({ id: 'rp_2', pointInTime: '2026-03-02T09:00:00.000Z', publishedAt: '2026-03-02T09:30:00.000Z' });
  const older = data({ id: 'rp_1' });
  const before = (incidentAt: string): string => newestData([newer, older], { ...request, incidentAt }).id;

  it('is the first one', () => expect(newestData([newer, older], request)).toBe(newer));

  it('holds nothing from after the incident: files are read until it is published', () => {
    expect(before('2026-03-02T09:30:00.000Z')).toBe('rp_2');
    expect(before('2026-03-02T09:29:59.999Z')).toBe('rp_1');
  });

  it('may not be there at all, or only after the incident', () => {
    const none = expect.objectContaining({
      code: 'NO_RECOVERY_POINT',
      message: 'The data set "uploads" of server "db01" has no usable recovery point.',
      hint: 'Take one with `modosu backup data db01 --reason TEXT`; `modosu recovery-point list --server db01` shows what there is.',
      context: { server: 'db01', dataSet: 'uploads' },
    }) as Error;
    expect(() => newestData([], request)).toThrow(none);
    expect(() => newestData([], { ...request, incidentAt: '2026-03-02T06:00:00.000Z' })).toThrow(none);
    expect(() => before('2026-03-02T06:00:00.000Z')).toThrow(
      expect.objectContaining({
        code: 'NO_RECOVERY_POINT',
        message: 'The data set "uploads" of server "db01" has no usable recovery point from before the incident at 2026-03-02T06:00:00.000Z.',
        hint: 'Choose one with --recovery-point: `modosu recovery-point list --server db01`.',
        context: { server: 'db01', dataSet: 'uploads' },
      }),
    );
  });
});

describe('what is fetched for a plan', () => {
  const copied = { image: 'rp_9', data: [{ dataSet: 'shop', recoveryPointId: 'rp_8' }] };
  const asked = { server: { id: 'srv_1', name: 'db01' }, from: 'vault', dataSet: null, recoveryPointId: null };

  it('is the one that was named, or the newest that has a whole copy', () => {
    expect(chooseCopied(copied, asked)).toBe('rp_9');
    expect(chooseCopied(copied, { ...asked, dataSet: 'shop' })).toBe('rp_8');
    expect(chooseCopied({ image: null, data: [] }, { ...asked, recoveryPointId: 'rp_1' })).toBe('rp_1');
  });

  it.each([
    ['an image', { image: null, data: copied.data }, null],
    ['a data set', copied, 'other'],
  ])('may not be there: %s', (_what, there, dataSet) => {
    expect(() => chooseCopied(there, { ...asked, dataSet })).toThrow(
      expect.objectContaining({
        code: 'NO_RECOVERY_POINT',
        message: 'Nothing of server "db01" that could be restored so has a whole copy in vault.',
        hint: expect.stringContaining('modosu recovery-point list --server db01') as string,
        context: { serverId: 'srv_1', server: 'db01', offsite: 'vault' },
      }) as Error,
    );
  });
});
