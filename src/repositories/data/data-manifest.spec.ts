import type { DataManifest } from '../../contracts/data';
import { MAX_DATA_MANIFEST_BYTES, parseDataManifest, renderDataManifest } from './data-manifest';

const ID = '01aaaaaaaaaaaaaaaaaaaaaaaa';
const POINT = `rp_${ID}`;
const FILES: DataManifest = {
  format: 'modosu-data-recovery-point',
  version: 1,
  recoveryPointId: POINT,
  server: { id: `srv_${ID}`, name: 'db01', uuid: '3f0c9c1e-1111-4222-8333-44445555aAbB' },
  dataSet: { kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: ['*.tmp'], before: ['/bin/pause'], after: null },
  runId: `run_${ID}`,
  purpose: 'backup',
  reason: 'daily\nrun',
  pointInTime: '2026-03-02T09:30:00.000Z',
  publishedAt: '2026-03-02T09:31:00.000Z',
  snapshotId: '0123456789abcdef'.repeat(4),
  keyId: 'key-1',
  totalBytes: 10,
  addedBytes: 0,
  content: { kind: 'files', paths: ['/srv/uploads'], files: 3, totalBytes: 10, problems: ['a file has\nchanged'] },
  software: { modosu: '0.1.0', restic: '0.14.0' },
};
const SHOP: DataManifest = {
  ...FILES,
  dataSet: {
    kind: 'postgresql',
    name: 'shop',
    databases: ['shop'],
    user: 'postgres',
    osUser: 'postgres',
    socketDirectory: '/run/postgresql',
    port: 5432,
    spoolDirectory: '/var/tmp/spool',
    before: null,
    after: ['/bin/resume', '--now'],
  },
  content: {
    kind: 'postgresql',
    engineVersion: '15.18',
    engineMajor: 15,
    directory: '/var/tmp/spool/run_1',
    factsFile: 'facts.json',
    globalsFile: 'globals.sql',
    databases: [{ name: 'shop', file: '1.dump', sizeBytes: 300, tables: 2, rows: 5500 }],
  },
};

const REFERENCE = { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-01-31T08:00:00Z', problem: null };
const REMEMBERING: DataManifest = { ...SHOP, version: 2, credentials: [REFERENCE] };

/** The manifest with one place of it changed, such as `dataSet.paths.0`; `undefined` takes it away. */
function changed(manifest: DataManifest, place: string, value: unknown): DataManifest {
  const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
  const names = place.split('.');
  const last = names.pop() ?? '';
  let at: Record<string, unknown> = copy;
  for (const name of names) at = at[name] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy as unknown as DataManifest;
}
const placesIn = (value: unknown, name = ''): readonly string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [`${name}${key}`]), ...placesIn(inner, `${name}${key}.`)])
    : [];
const objectsIn = (value: unknown, name = ''): readonly string[] =>
  typeof value === 'object' && value !== null
    ? [...(Array.isArray(value) ? [] : [name]), ...Object.entries(value).flatMap(([key, inner]) => objectsIn(inner, `${name}${key}.`))]
    : [];

const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), 'utf8');
/** What is said against a manifest; null when it is read. */
const problem = (value: unknown): string | null => {
  try {
    parseDataManifest(bytesOf(value), POINT);
    return null;
  } catch (error) {
    expect(error).toMatchObject({
      code: 'RECOVERY_POINT_CORRUPT',
      message: expect.stringContaining(`The manifest of the recovery point ${POINT} is not valid: `) as string,
      context: { recoveryPointId: POINT },
    });
    return (error as Error).message;
  }
};
const program = (most: number): readonly string[] => Array<string>(most).fill('x');

describe('the manifest of a data recovery point', () => {
  it.each([
    ['files', FILES],
    ['databases', SHOP],
    ['data that remembers credentials', REMEMBERING],
  ])('of %s is read as it was written', (_what, manifest) => {
    const bytes = renderDataManifest(manifest);
    expect(parseDataManifest(bytes, POINT)).toEqual(manifest);
    expect(bytes.toString()).toBe(`${JSON.stringify(manifest, null, 2)}\n`);
  });

  it('is not written when it could never be read again', () => {
    expect(() => renderDataManifest({ ...FILES, totalBytes: -1 })).toThrow(expect.objectContaining({ code: 'RECOVERY_POINT_CORRUPT' }) as Error);
  });

  it.each<[string, DataManifest, unknown]>([
    ['purpose', FILES, 'safety'],
    ['reason', FILES, 'x'.repeat(10_000)],
    ['server.name', FILES, 'x'.repeat(4096)],
    ['dataSet.name', FILES, 'x'.repeat(64)],
    ['dataSet.paths', FILES, ['/', '/a', '/with\nlines/..b/.c', `/${'x'.repeat(4095)}`]],
    ['dataSet.paths', FILES, Array<string>(10_000).fill('/a')],
    ['dataSet.excludes', FILES, Array<string>(10_000).fill('*.tmp')],
    ['dataSet.excludes', FILES, ['x'.repeat(4096)]],
    ['dataSet.before', FILES, program(1000)],
    ['dataSet.before', FILES, ['x'.repeat(100_000)]],
    ['content.paths', FILES, Array<string>(10_000).fill('/a')],
    ['content.problems', FILES, Array<string>(1000).fill('x')],
    ['content.problems', FILES, []],
    ['content.files', FILES, 0],
    ['keyId', FILES, 'aZ9_-'],
    ['keyId', FILES, 'x'.repeat(64)],
    ['dataSet.osUser', SHOP, null],
    ['dataSet.socketDirectory', SHOP, null],
    ['dataSet.port', SHOP, 1],
    ['dataSet.port', SHOP, 65_535],
    ['content.engineMajor', SHOP, 1],
    ['content.engineMajor', SHOP, 10_000],
    ['content.engineVersion', SHOP, 'x'.repeat(64)],
    ['content.databases.0.file', SHOP, '..1.dump'],
    ['content.databases', SHOP, Array<unknown>(10_000).fill({ name: 'a', file: 'b', sizeBytes: 0, tables: 0, rows: 0 })],
    ['credentials', REMEMBERING, Array<unknown>(20).fill({ ...REFERENCE, version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' })],
  ])('may say in %s what is within its bounds', (place, manifest, value) => expect(problem(changed(manifest, place, value))).toBeNull());

  it.each<[string, DataManifest, unknown, string]>([
    ['format', FILES, 'other', 'format:'],
    ['recoveryPointId', FILES, `run_${ID}`, 'recoveryPointId: is not an id beginning with "rp_"'],
    ['recoveryPointId', FILES, 'rp_02aaaaaaaaaaaaaaaaaaaaaaaa', 'it is that of rp_02aaaaaaaaaaaaaaaaaaaaaaaa'],
    ['server.id', FILES, POINT, 'server.id: is not an id beginning with "srv_"'],
    ['runId', FILES, POINT, 'runId: is not an id beginning with "run_"'],
    ['server.name', FILES, '', 'server.name:'],
    ['server.name', FILES, 'db\u001b[31m', 'server.name: has control characters'],
    ['server.name', FILES, 'db\u007f', 'server.name: has control characters'],
    ['server.name', FILES, 'x'.repeat(4097), 'server.name:'],
    ['server.uuid', FILES, '3f0c9c1e-1111-4222-8333-44445555aabbc', 'server.uuid: is not a UUID'],
    ['server.uuid', FILES, 'x3f0c9c1e-1111-4222-8333-44445555aabb', 'server.uuid: is not a UUID'],
    ['server.uuid', FILES, '3f0c9c1e-1111-4222-8333-44445555aagg', 'server.uuid: is not a UUID'],
    ['purpose', FILES, 'test', 'purpose:'],
    ['reason', FILES, 'x'.repeat(10_001), 'reason:'],
    ['pointInTime', FILES, 'today', 'pointInTime:'],
    ['snapshotId', FILES, '0123456789abcdef', "snapshotId: is not restic's full id of a snapshot"],
    ['snapshotId', FILES, `${'0'.repeat(64)}0`, 'snapshotId:'],
    ['snapshotId', FILES, `x${'0'.repeat(64)}`, 'snapshotId:'],
    ['snapshotId', FILES, 'A'.repeat(64), 'snapshotId:'],
    ['keyId', FILES, '', 'keyId: is not the id of a key'],
    ['keyId', FILES, 'x'.repeat(65), 'keyId: is not the id of a key'],
    ['keyId', FILES, '../key', 'keyId: is not the id of a key'],
    ['keyId', FILES, 'key/', 'keyId: is not the id of a key'],
    ['totalBytes', FILES, -1, 'totalBytes:'],
    ['addedBytes', FILES, 0.5, 'addedBytes:'],
    ['dataSet.name', FILES, 'x'.repeat(65), 'dataSet.name:'],
    ['dataSet.paths', FILES, [], 'dataSet.paths:'],
    ['dataSet.paths', FILES, Array<string>(10_001).fill('/a'), 'dataSet.paths:'],
    ['dataSet.paths.0', FILES, 'srv', 'dataSet.paths.0: is not an absolute path without ".."'],
    ['dataSet.paths.0', FILES, '/srv/../etc', 'dataSet.paths.0: is not an absolute path without ".."'],
    ['dataSet.paths.0', FILES, '/srv/./a', 'dataSet.paths.0: is not an absolute path without ".."'],
    ['dataSet.paths.0', FILES, '/srv\u0000', 'dataSet.paths.0: has a null character'],
    ['dataSet.paths.0', FILES, `/${'x'.repeat(4096)}`, 'dataSet.paths.0:'],
    ['dataSet.excludes', FILES, Array<string>(10_001).fill('*'), 'dataSet.excludes:'],
    ['dataSet.excludes.0', FILES, 'a\u0000', 'dataSet.excludes.0: has a null character'],
    ['dataSet.before', FILES, [], 'dataSet.before:'],
    ['dataSet.before', FILES, program(1001), 'dataSet.before:'],
    ['dataSet.before', FILES, ['x'.repeat(100_001)], 'dataSet.before.0:'],
    ['content.problems', FILES, Array<string>(1001).fill('x'), 'content.problems:'],
    ['content.problems', FILES, ['x'.repeat(4097)], 'content.problems.0:'],
    ['content.paths', FILES, Array<string>(10_001).fill('/a'), 'content.paths:'],
    ['content.paths.0', FILES, '../a', 'content.paths.0:'],
    ['content', FILES, SHOP.content, 'content.kind: is not the kind of the data set'],
    ['content', SHOP, FILES.content, 'content.kind: is not the kind of the data set'],
    ['dataSet.databases', SHOP, [], 'dataSet.databases:'],
    ['dataSet.databases', SHOP, [''], 'dataSet.databases.0:'],
    ['dataSet.socketDirectory', SHOP, 'run', 'dataSet.socketDirectory: is not an absolute path'],
    ['dataSet.port', SHOP, 0, 'dataSet.port:'],
    ['dataSet.port', SHOP, 65_536, 'dataSet.port:'],
    ['dataSet.spoolDirectory', SHOP, '/var/../etc', 'dataSet.spoolDirectory:'],
    ['content.engineMajor', SHOP, 0, 'content.engineMajor:'],
    ['content.engineMajor', SHOP, 10_001, 'content.engineMajor:'],
    ['content.engineVersion', SHOP, 'x'.repeat(65), 'content.engineVersion:'],
    ['content.factsFile', SHOP, '../facts.json', 'content.factsFile: is not the name of a file'],
    ['content.globalsFile', SHOP, '..', 'content.globalsFile: is not the name of a file'],
    ['content.databases.0.file', SHOP, '.', 'content.databases.0.file: is not the name of a file'],
    ['content.databases.0.file', SHOP, '', 'content.databases.0.file:'],
    ['content.databases.0.rows', SHOP, -1, 'content.databases.0.rows:'],
    ['content.databases', SHOP, Array<unknown>(10_001).fill({ name: 'a', file: 'b', sizeBytes: 0, tables: 0, rows: 0 }), 'content.databases:'],
    ['credentials', REMEMBERING, [], 'credentials:'],
    ['credentials', REMEMBERING, null, 'credentials:'],
    ['credentials', REMEMBERING, Array<unknown>(21).fill(REFERENCE), 'credentials:'],
    ['credentials.0.version', REMEMBERING, '', 'credentials.0.version:'],
    ['credentials.0.createdAt', REMEMBERING, 'yesterday', 'credentials.0.createdAt:'],
    ['credentials.0.account', REMEMBERING, 'a\nb', 'credentials.0.account: has control characters'],
    ['credentials.0.password', REMEMBERING, 'x', 'password'],
    ['credentials', FILES, [REFERENCE], 'credentials'],
    ['software.restic', FILES, 'x'.repeat(65), 'software.restic:'],
    ['software.modosu', FILES, 'x'.repeat(65), 'software.modosu:'],
  ])('may not say in %s what is outside of them', (place, manifest, value, said) => expect(problem(changed(manifest, place, value))).toContain(said));

  it.each([
    ['files', FILES],
    ['databases', SHOP],
    ['data that remembers credentials', REMEMBERING],
  ])('of %s has every field it has to have, and none that this version does not know', (_what, manifest) => {
    for (const place of placesIn(manifest)) expect([place, problem(changed(manifest, place, undefined))]).toEqual([place, expect.stringContaining(place)]);
    for (const place of objectsIn(manifest)) expect([place, problem(changed(manifest, `${place}later`, 1))]).toEqual([place, expect.stringContaining('later')]);
  });

  it('has its problems named, three at most', () => {
    expect(problem({ ...FILES, totalBytes: -1, addedBytes: -1, keyId: '', purpose: '' })?.match(/; /g)).toHaveLength(2);
    expect(problem(7)).toContain('is not valid: the manifest: ');
    expect(problem(null)).toContain('is not valid: the manifest: ');
  });

  it('is no manifest where it is not JSON in UTF-8', () => {
    for (const bytes of [Buffer.from('{'), Buffer.from([0x22, 0xff, 0x22])]) {
      expect(() => parseDataManifest(bytes, POINT)).toThrow(`The manifest of the recovery point ${POINT} is not valid: it is not JSON`);
    }
  });

  it('is not read where it is larger than any real one', () => {
    expect(MAX_DATA_MANIFEST_BYTES).toBe(4_194_304);
    const padded = (bytes: number): Buffer => Buffer.concat([bytesOf(FILES), Buffer.alloc(bytes - bytesOf(FILES).length, ' ')]);
    expect(parseDataManifest(padded(MAX_DATA_MANIFEST_BYTES), POINT)).toEqual(FILES);
    expect(() => parseDataManifest(padded(MAX_DATA_MANIFEST_BYTES + 1), POINT)).toThrow('it has 4194305 bytes');
  });

  it.each([0, 3])('of version %d is left to the program that wrote it, whatever else it holds', (version) => {
    expect(() => parseDataManifest(bytesOf({ format: FILES.format, version, anything: true }), POINT)).toThrow(
      expect.objectContaining({
        code: 'REPOSITORY_FORMAT_UNKNOWN',
        message: `The recovery point ${POINT} has version ${version} of the format; this program reads versions 1 and 2`,
        hint: expect.stringContaining('that wrote it') as string,
        context: { recoveryPointId: POINT },
      }) as Error,
    );
  });

  it.each([
    ['another format of a later version', { ...FILES, format: 'other', version: 2 }],
    ['a version that is no number', { ...FILES, version: '2' }],
  ])('is damaged, not newer, where it has %s', (_what, value) => expect(problem(value)).not.toBeNull());
});
