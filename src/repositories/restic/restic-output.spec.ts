import { isStale } from './lock-judge';
import { Lines, parseKeyId, parseLock, parseNode, parseRepositoryId, parseRestoreSize, parseSnapshots } from './restic-output';

const ID = 'ab'.repeat(32);
const corrupt = expect.objectContaining({ code: 'RECOVERY_POINT_CORRUPT' }) as unknown as Error;
/** As restic 0.14 prints it. */
const node = (changes: object = {}): string =>
  JSON.stringify({
    name: 'a.txt',
    type: 'file',
    path: '/srv/a.txt',
    uid: 1000,
    gid: 100,
    size: 6,
    mode: 420,
    permissions: '-rw-r--r--',
    mtime: '2026-11-26T04:20:55.397046854Z',
    atime: '2026-11-26T04:20:55Z',
    ctime: '2026-11-26T04:20:55Z',
    struct_type: 'node',
    ...changes,
  });

describe('what restic prints', () => {
  it('about files', () => {
    expect(parseNode(node())).toEqual({ path: '/srv/a.txt', type: 'file', sizeBytes: 6, mtime: 1_795_666_855, mode: 0o644, uid: 1000, gid: 100 });
    expect(parseNode(node({ type: 'dir', path: '/tmp', size: undefined, mode: 2_148_532_735 }))).toMatchObject({ type: 'dir', sizeBytes: 0, mode: 0o1777 });
    expect(parseNode(node({ mode: 420 + 2 ** 23 + 2 ** 22 }))).toMatchObject({ mode: 0o6644 });
    expect(parseNode(node({ type: 'fifo', size: 7 }))).toMatchObject({ type: 'other', sizeBytes: 0 });
    expect(parseNode(node({ mtime: '1969-12-31T23:59:59.5+00:00' }))).toMatchObject({ mtime: -1 });
    expect(parseNode(JSON.stringify({ time: '2026-11-26T04:20:55Z', id: ID, struct_type: 'snapshot' }))).toEqual({ snapshotId: ID });
  });

  it.each([
    ['nothing', ''],
    ['half a line', node().slice(0, 40)],
    ['a list', '[]'],
    ['a relative path', node({ path: 'srv' })],
    ['a very long path', node({ path: `/${'x'.repeat(30_000)}` })],
    ['a negative size', node({ size: -1 })],
    ['a size that no number holds', node({ size: 1e300 })],
    ['a time that is none', node({ mtime: 'yesterday' })],
    ['a mode that is none', node({ mode: 2 ** 40 })],
  ])('is not believed about files: %s', (_, line) => {
    expect(() => parseNode(line)).toThrow(corrupt);
  });

  it('comes in lines, wherever they are cut, and never endless ones', () => {
    const seen: string[] = [];
    const lines = new Lines((line) => seen.push(line));
    const text = Buffer.from('eins\nzwölf\n\nrest');
    for (const byte of text) lines.add(Buffer.from([byte]));
    lines.end();
    expect(seen).toEqual(['eins', 'zwölf', '', 'rest']);
    expect(() => {
      for (let piece = 0; piece < 100; piece += 1) lines.add(Buffer.alloc(10_000, 'x'));
    }).toThrow(corrupt);
  });

  it('about snapshots, oldest first', () => {
    const snapshot = (id: string, time: string, more: object = {}) => ({ id, time, hostname: 'g', tree: 't', ...more });
    const [one, two] = ['01'.repeat(32), '02'.repeat(32)];
    const json = JSON.stringify([snapshot(two, '2026-11-26T04:20:55+09:00'), snapshot(one, '2026-11-25T19:20:54Z', { tags: ['a'], paths: ['/srv'] })]);
    expect(parseSnapshots(json)).toEqual([
      { id: one, time: '2026-11-25T19:20:54Z', hostname: 'g', tags: ['a'], paths: ['/srv'] },
      { id: two, time: '2026-11-26T04:20:55+09:00', hostname: 'g', tags: [], paths: [] },
    ]);
    expect(parseSnapshots('null')).toEqual([]);
    expect(parseSnapshots('[]\n')).toEqual([]);
    for (const bad of ['', '{}', JSON.stringify([snapshot('latest', '2026-11-26T04:20:55Z')]), JSON.stringify([snapshot(one, 'x')]), json.slice(0, -5)]) {
      expect(() => parseSnapshots(bad)).toThrow(corrupt);
    }
  });

  it('about sizes, keys and the repository', () => {
    expect(parseRestoreSize('{"total_size":3000012,"total_file_count":13,"snapshots_count":1}')).toBe(3_000_012);
    expect(() => parseRestoreSize('{"total_size":0,"total_file_count":0,"snapshots_count":0}')).toThrow(corrupt);
    expect(parseKeyId('[{"current":false,"id":"00000000"},{"current":true,"id":"e792bc46","userName":"root"}]')).toBe('e792bc46');
    for (const bad of ['[]', '[{"current":false,"id":"e792bc46"}]', '[{"current":true,"id":"../../x"}]']) expect(() => parseKeyId(bad)).toThrow(corrupt);
    expect(parseRepositoryId(`{"version":2,"id":"${ID}","chunker_polynomial":"x"}`)).toBe(ID);
    expect(() => parseRepositoryId('{"version":2}')).toThrow(corrupt);
  });
});

describe('a lock', () => {
  const now = new Date('2026-11-26T05:00:00Z');
  const lock = (time: string, hostname = 'guest', pid = 17) =>
    parseLock(JSON.stringify({ time, exclusive: false, hostname, username: 'root', pid })) ?? { time: now, hostname, pid };
  const stale = (candidate: Parameters<typeof isStale>[0], alive = false, writtenAt: Date | null = null): boolean =>
    isStale(candidate, { now, writtenAt, hostname: 'here', isAlive: () => alive });

  it('is stale when it is old, or of a process of this machine that has ended', () => {
    expect(stale(lock('2026-11-26T04:29:59Z'))).toBe(true);
    expect(stale(lock('2026-11-26T04:31:00Z'))).toBe(false);
    expect(stale(lock('2026-11-26T13:31:00+09:00'))).toBe(false);
    expect(stale(lock('2026-11-26T04:59:00Z', 'here'))).toBe(true);
    expect(stale(lock('2026-11-26T04:59:00Z', 'here'), true)).toBe(false);
    expect(stale(lock('2026-11-27T04:59:00Z'))).toBe(false);
  });
  it('of a guest whose clock is wrong by hours is as old as the file of it', () => {
    const hoursBehind = lock('2026-11-26T01:00:00Z');
    expect(stale(hoursBehind, false, new Date('2026-11-26T04:55:00Z'))).toBe(false);
    expect(stale(hoursBehind, false, new Date('2026-11-26T04:29:59Z'))).toBe(true);
    expect(stale(lock('2026-11-26T04:59:00Z'), false, new Date('2026-11-26T01:00:00Z'))).toBe(false);
    expect(stale(lock('2026-11-26T04:59:00Z', 'here'), false, now)).toBe(true);
  });
  it("that nobody can read is nobody's", () => {
    for (const text of ['', '{}', '{"time":"x"}', '[]']) expect(parseLock(text)).toBeNull();
  });
});
