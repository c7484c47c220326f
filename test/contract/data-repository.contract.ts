import { newId } from '../../src/contracts/ids';
import type { DataManifest, FilesDataSet } from '../../src/contracts/data';
import { dataSetTag, DATA_TAG, MANIFEST_TAG, recoveryPointTag, type DataRepository } from '../../src/repositories/data/data-repository';

export interface TakenSnapshot {
  readonly snapshotId: string;
  /** The directory that holds the files, as the guest has named it. */
  readonly root: string;
}

export interface DataRepositoryUnderTest {
  /** Without any server. */
  readonly repository: DataRepository;
  /** What restic in a guest does, with nothing but `access`. */
  readonly take: (
    serverId: string,
    options: { readonly hostname: string; readonly tags: readonly string[]; readonly files: Readonly<Record<string, string>> },
  ) => Promise<TakenSnapshot>;
  /** The storage of a server's repository is gone. */
  readonly lose: (serverId: string) => void;
  readonly dispose: () => Promise<void>;
}

const FILES = { 'a.txt': 'hello\n', 'sub/b.txt': 'deep', 'sub/empty': '', 'sub/below/c': 'c' };
const ABSENT = '0'.repeat(64);

export const filesDataSet = (path: string): FilesDataSet => ({ kind: 'files', name: 'documents', paths: [path], excludes: [], before: null, after: null });

export function makeManifest(serverId: string, snapshotId: string, changes: Partial<DataManifest> = {}): DataManifest {
  return {
    format: 'modosu-data-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: serverId, name: 'db01', uuid: '6f1c2f5e-4a3b-4c1d-8e9f-0a1b2c3d4e5f' },
    dataSet: filesDataSet('/srv'),
    runId: newId('run'),
    purpose: 'backup',
    reason: 'daily — 毎日',
    pointInTime: '2026-01-02T03:04:05.678Z',
    publishedAt: '2026-01-02T03:05:00Z',
    snapshotId,
    keyId: 'e792bc46',
    totalBytes: 11,
    addedBytes: 400,
    content: { kind: 'files', paths: ['/srv'], files: 4, totalBytes: 11, problems: [] },
    software: { modosu: '0.1.0', restic: '0.14.0' },
    ...changes,
  };
}

/** What every data repository has to do. Slow ones are started once: each test has a server of its own. */
export function describeDataRepository(name: string, create: () => Promise<DataRepositoryUnderTest>): void {
  describe(`data repository: ${name}`, () => {
    let underTest: DataRepositoryUnderTest;
    let repository: DataRepository;
    beforeAll(async () => {
      underTest = await create();
      repository = underTest.repository;
    }, 60_000);
    afterAll(() => underTest.dispose(), 60_000);

    it('says what it is', async () => {
      await expect(repository.probe()).resolves.toEqual({ restic: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string, address: expect.any(String) as string });
    });

    it('has nothing of a server before `ensure`, which may be repeated', async () => {
      const serverId = newId('srv');
      const missing = { code: 'DATA_REPOSITORY_MISSING' };
      await expect(repository.access(serverId)).rejects.toMatchObject(missing);
      await expect(repository.snapshots(serverId, [])).rejects.toMatchObject(missing);
      await expect(repository.removeStaleLocks(serverId)).rejects.toMatchObject(missing);
      await expect(repository.open(serverId, newId('rp'))).rejects.toMatchObject(missing);
      await expect(repository.check(serverId, { part: null })).rejects.toMatchObject(missing);
      await expect(repository.readAll(serverId, ABSENT)).rejects.toMatchObject(missing);
      await expect(repository.publish(makeManifest(serverId, ABSENT))).rejects.toMatchObject(missing);
      await Promise.all([repository.ensure(serverId), repository.ensure(serverId)]);
      const first = await repository.access(serverId);
      await repository.ensure(serverId);
      await expect(repository.access(serverId)).resolves.toEqual(first);
      await expect(repository.snapshots(serverId, [])).resolves.toEqual([]);
      await expect(repository.removeStaleLocks(serverId)).resolves.toBeUndefined();
    });

    it('that is gone is not made anew before it is given up; then another one is made, and the old one is read by nobody', async () => {
      const serverId = newId('srv');
      await expect(repository.presence(serverId)).resolves.toBe('never');
      await expect(repository.giveUp(serverId)).resolves.toBeUndefined();
      await repository.ensure(serverId);
      await expect(repository.presence(serverId)).resolves.toBe('there');
      await expect(repository.giveUp(serverId)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      const before = await repository.access(serverId);
      const { snapshotId } = await underTest.take(serverId, { hostname: 'db01', tags: [DATA_TAG], files: FILES });
      const one = await repository.publish(makeManifest(serverId, snapshotId));

      underTest.lose(serverId);
      await expect(repository.presence(serverId)).resolves.toBe('gone');
      await expect(repository.ensure(serverId)).rejects.toMatchObject({ code: 'DATA_REPOSITORY_UNREACHABLE' });
      await repository.giveUp(serverId);
      await repository.giveUp(serverId);
      await expect(repository.presence(serverId)).resolves.toBe('never');
      await repository.ensure(serverId);
      await expect(repository.presence(serverId)).resolves.toBe('there');
      await expect(repository.open(serverId, one.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      const after = await repository.access(serverId);
      expect(after.env.RESTIC_REPOSITORY).toBe(before.env.RESTIC_REPOSITORY);
      expect(after.env.RESTIC_PASSWORD).not.toBe(before.env.RESTIC_PASSWORD);
      const again = await underTest.take(serverId, { hostname: 'db01', tags: [DATA_TAG], files: FILES });
      await repository.publish(makeManifest(serverId, again.snapshotId, { keyId: after.keyId }));
      await expect(repository.check(serverId, { part: { number: 1, of: 1 } })).resolves.toBeUndefined();
    });

    it('gives each server a login, a password and a key of its own', async () => {
      const [one, two] = [newId('srv'), newId('srv')];
      await Promise.all([repository.ensure(one), repository.ensure(two)]);
      const [first, second] = await Promise.all([repository.access(one), repository.access(two)]);
      expect(
        Object.keys(first.env)
          .filter((name) => name !== 'RESTIC_KEY_HINT')
          .sort(),
      ).toEqual(['RESTIC_PASSWORD', 'RESTIC_REPOSITORY']);
      expect(first.env.RESTIC_REPOSITORY).toMatch(new RegExp(`^rest:https?://${one}:[^@]+@[^/]+/${one}/$`));
      expect(first.keyId).toMatch(/^[0-9a-f]{8}$/);
      expect(first.keyId).not.toBe(second.keyId);
      expect(first.secrets).toHaveLength(2);
      expect(first.secrets.filter((secret) => second.secrets.includes(secret))).toEqual([]);
      expect(first.secrets).toContain(first.env.RESTIC_PASSWORD);
      expect(first.secrets.some((secret) => first.env.RESTIC_REPOSITORY?.includes(secret))).toBe(true);
    });

    it.each(['', '..', 'srv_', 'srv_../../../../../../../../x', `rp_${'0'.repeat(26)}`, `srv_${'0'.repeat(26)}\n`, '-rf'])(
      'refuses %j as a server',
      async (id) => {
        const refused = { code: 'PATH_NOT_ALLOWED' };
        await expect(repository.ensure(id)).rejects.toMatchObject(refused);
        await expect(repository.access(id)).rejects.toMatchObject(refused);
        await expect(repository.presence(id)).rejects.toMatchObject(refused);
        await expect(repository.giveUp(id)).rejects.toMatchObject(refused);
        await expect(repository.snapshots(id, [])).rejects.toMatchObject(refused);
        await expect(repository.open(id, newId('rp'))).rejects.toMatchObject(refused);
        await expect(repository.check(id, { part: null })).rejects.toMatchObject(refused);
        await expect(repository.readAll(id, ABSENT)).rejects.toMatchObject(refused);
      },
    );

    describe('a snapshot', () => {
      let serverId: string;
      let taken: TakenSnapshot;
      let newer: TakenSnapshot;
      const list = (paths: readonly string[], maxEntries = 100) => repository.list(serverId, taken.snapshotId, paths, { maxEntries });

      beforeAll(async () => {
        serverId = newId('srv');
        await repository.ensure(serverId);
        taken = await underTest.take(serverId, { hostname: 'db01', tags: [DATA_TAG, 'modosu-data-set=documents'], files: FILES });
        newer = await underTest.take(serverId, { hostname: 'db01', tags: [DATA_TAG, 'modosu-data-set=other'], files: { x: 'y' } });
      }, 60_000);

      it('is read whole, and checked with all the others, part by part', async () => {
        await expect(repository.readAll(serverId, taken.snapshotId)).resolves.toBeUndefined();
        await expect(repository.readAll(serverId, ABSENT)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        await expect(repository.readAll(serverId, 'latest')).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
        await expect(repository.check(serverId, { part: null })).resolves.toBeUndefined();
        for (const number of [1, 2]) await expect(repository.check(serverId, { part: { number, of: 2 } })).resolves.toBeUndefined();
        const stopped = AbortSignal.abort(new Error('stopped'));
        await expect(repository.check(serverId, { part: null, signal: stopped })).rejects.toThrow('stopped');
        await expect(repository.readAll(serverId, taken.snapshotId, { signal: stopped })).rejects.toThrow('stopped');
      });

      it('is found by its tags, all of them, oldest first', async () => {
        const both = await repository.snapshots(serverId, [DATA_TAG]);
        expect(both.map(({ id }) => id)).toEqual([taken.snapshotId, newer.snapshotId]);
        expect(both[0]).toEqual({
          id: taken.snapshotId,
          time: expect.any(String) as string,
          hostname: 'db01',
          tags: [DATA_TAG, dataSetTag('documents')],
          paths: [taken.root],
        });
        expect(Date.parse(both[0]?.time ?? '')).not.toBeNaN();
        expect((await repository.snapshots(serverId, [DATA_TAG, dataSetTag('other')])).map(({ id }) => id)).toEqual([newer.snapshotId]);
        await expect(repository.snapshots(serverId, [DATA_TAG, 'absent'])).resolves.toEqual([]);
        for (const tag of ['', 'a,b']) await expect(repository.snapshots(serverId, [tag])).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
      });

      it('is listed at and below paths, sorted', async () => {
        const all = await list([taken.root]);
        expect(all.map(({ path, type, sizeBytes }) => ({ path: path.slice(taken.root.length), type, sizeBytes }))).toEqual([
          { path: '', type: 'dir', sizeBytes: 0 },
          { path: '/a.txt', type: 'file', sizeBytes: 6 },
          { path: '/sub', type: 'dir', sizeBytes: 0 },
          { path: '/sub/b.txt', type: 'file', sizeBytes: 4 },
          { path: '/sub/below', type: 'dir', sizeBytes: 0 },
          { path: '/sub/below/c', type: 'file', sizeBytes: 1 },
          { path: '/sub/empty', type: 'file', sizeBytes: 0 },
        ]);
        expect(all[1]).toMatchObject({ mode: 0o644, uid: expect.any(Number) as number, gid: expect.any(Number) as number });
        expect(Number.isInteger(all[1]?.mtime)).toBe(true);
        expect((await list([`${taken.root}/sub/`, `${taken.root}/a.txt`, `${taken.root}/sub/b.txt`])).map(({ path }) => path.slice(taken.root.length))).toEqual(
          ['/a.txt', '/sub', '/sub/b.txt', '/sub/below', '/sub/below/c', '/sub/empty'],
        );
        expect((await list(['/'])).map(({ path }) => path)).toEqual(expect.arrayContaining(all.map(({ path }) => path)));
      });

      it('says which path it does not hold, and when there are too many', async () => {
        await expect(list([taken.root, `${taken.root}/absent`])).rejects.toMatchObject({
          code: 'DATA_NOT_IN_RECOVERY_POINT',
          message: expect.stringContaining('absent') as string,
        });
        // The same beginning is not the same directory.
        await expect(list([`${taken.root}/su`])).rejects.toMatchObject({ code: 'DATA_NOT_IN_RECOVERY_POINT' });
        await expect(list([taken.root], 6)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
        await expect(list([taken.root], 7)).resolves.toHaveLength(7);
        const aborted = AbortSignal.abort(new Error('stopped by its caller'));
        await expect(repository.list(serverId, taken.snapshotId, [taken.root], { maxEntries: 100, signal: aborted })).rejects.toThrow('stopped by its caller');
      });

      it('gives small files back, and only files', async () => {
        const read = (path: string, maxBytes = 6) => repository.read(serverId, taken.snapshotId, path, { maxBytes });
        await expect(read(`${taken.root}/a.txt`)).resolves.toEqual(Buffer.from('hello\n'));
        await expect(read(`${taken.root}/sub/empty`)).resolves.toEqual(Buffer.alloc(0));
        for (const path of [`${taken.root}/sub`, `${taken.root}/absent`, taken.root]) {
          await expect(read(path)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        }
        await expect(read(`${taken.root}/a.txt`, 5)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
      });

      it('has a size', async () => {
        await expect(repository.sizeOf(serverId, taken.snapshotId)).resolves.toEqual({ files: 4, totalBytes: 11 });
      });

      it('is named by its full id, and has to be there', async () => {
        for (const id of ['latest', taken.snapshotId.slice(0, 8), '', '--help', `${taken.snapshotId}:/`]) {
          await expect(repository.list(serverId, id, ['/'], { maxEntries: 1000 })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
          await expect(repository.read(serverId, id, '/x', { maxBytes: 1 })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
          await expect(repository.sizeOf(serverId, id)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
        }
        await expect(repository.list(serverId, ABSENT, ['/'], { maxEntries: 1000 })).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        await expect(repository.read(serverId, ABSENT, '/x', { maxBytes: 1 })).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        await expect(repository.sizeOf(serverId, ABSENT)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
      });

      it.each(['', 'relative', '/a/../b', '/a/./b', '-x'])('refuses the path %j', async (path) => {
        await expect(list([path])).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
        await expect(repository.read(serverId, taken.snapshotId, path, { maxBytes: 1 })).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      });
    });

    describe('forgetting', () => {
      const published = async (serverId: string, content: string): Promise<{ readonly id: string; readonly snapshotId: string; readonly path: string }> => {
        const id = newId('rp');
        const tags = [DATA_TAG, recoveryPointTag(id), dataSetTag('documents')];
        const { snapshotId, root } = await underTest.take(serverId, { hostname: 'db01', tags, files: { 'a.txt': content } });
        await repository.publish(makeManifest(serverId, snapshotId, { recoveryPointId: id }));
        return { id, snapshotId, path: `${root}/a.txt` };
      };
      const isGone = async (serverId: string, { id, snapshotId, path }: Awaited<ReturnType<typeof published>>): Promise<void> => {
        await expect(repository.open(serverId, id)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
        await expect(repository.read(serverId, snapshotId, path, { maxBytes: 100 })).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        await expect(repository.snapshots(serverId, [recoveryPointTag(id)])).resolves.toEqual([]);
      };

      it('removes those that are named, with their manifests and all attempts; the others stay, byte for byte; called again it is content', async () => {
        expect(repository.canForget()).toBe(true);
        const [serverId, other] = [newId('srv'), newId('srv')];
        await Promise.all([repository.ensure(serverId), repository.ensure(other)]);
        const [first, second, third] = [await published(serverId, 'first'), await published(serverId, 'second'), await published(serverId, 'third')];
        const elsewhere = await published(other, 'of another server');
        const attempt = await underTest.take(serverId, { hostname: 'db01', tags: [DATA_TAG, recoveryPointTag(first.id)], files: { again: 'first' } });
        const both = [DATA_TAG, recoveryPointTag(first.id), recoveryPointTag(third.id)];
        const shared = await underTest.take(serverId, { hostname: 'db01', tags: both, files: { x: 'says it is of two' } });
        await repository.forget(serverId, [first.id, second.id, elsewhere.id]);
        await isGone(serverId, second);
        await expect(repository.snapshots(serverId, [])).resolves.toHaveLength(3);
        expect((await repository.snapshots(serverId, [recoveryPointTag(first.id)])).map(({ id }) => id)).toEqual([shared.snapshotId]);
        await expect(repository.readAll(serverId, attempt.snapshotId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE' });
        await expect(repository.read(serverId, third.snapshotId, third.path, { maxBytes: 100 })).resolves.toEqual(Buffer.from('third'));
        await expect(repository.open(serverId, third.id)).resolves.toMatchObject({ snapshotId: third.snapshotId });
        await expect(repository.open(other, elsewhere.id)).resolves.toMatchObject({ snapshotId: elsewhere.snapshotId });
        await expect(repository.check(serverId, { part: { number: 1, of: 1 } })).resolves.toBeUndefined();

        await expect(repository.forget(serverId, [first.id, second.id])).resolves.toBeUndefined();
        await repository.forget(serverId, [first.id, third.id]);
        await isGone(serverId, third);
        // And it goes on as a repository.
        const next = await published(serverId, 'next');
        await expect(repository.read(serverId, next.snapshotId, next.path, { maxBytes: 100 })).resolves.toEqual(Buffer.from('next'));
      });

      it('removes nothing when it is stopped, of a server without a repository, or by anything but an id', async () => {
        const serverId = newId('srv');
        await expect(repository.forget(serverId, [newId('rp')])).rejects.toMatchObject({ code: 'DATA_REPOSITORY_MISSING' });
        await repository.ensure(serverId);
        const point = await published(serverId, 'stays');
        await expect(repository.forget(serverId, [point.id], { signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped');
        for (const id of ['', 'latest', point.snapshotId, `${point.id},x`, '--prune']) {
          await expect(repository.forget(serverId, [point.id, id])).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
        }
        await expect(repository.open(serverId, point.id)).resolves.toMatchObject({ snapshotId: point.snapshotId });
      });
    });

    describe('a manifest', () => {
      let serverId: string;
      beforeAll(async () => {
        serverId = newId('srv');
        await repository.ensure(serverId);
      }, 60_000);
      const snapshotId = 'ab'.repeat(32);

      it('comes back as it was published, once, whoever tries again; with another snapshot it is another one', async () => {
        const manifest = makeManifest(serverId, snapshotId);
        await expect(repository.open(serverId, manifest.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
        await expect(repository.publish(manifest)).resolves.toEqual(manifest);
        await expect(repository.open(serverId, manifest.recoveryPointId)).resolves.toEqual(manifest);
        await expect(repository.publish({ ...manifest, publishedAt: '2026-01-02T04:00:00Z' })).resolves.toEqual(manifest);
        await expect(repository.publish({ ...manifest, snapshotId: 'cd'.repeat(32) })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
        await expect(repository.open(serverId, manifest.recoveryPointId)).resolves.toEqual(manifest);
        const [stored, ...more] = await repository.snapshots(serverId, [MANIFEST_TAG, recoveryPointTag(manifest.recoveryPointId), dataSetTag('documents')]);
        expect({ stored, more }).toMatchObject({ stored: { hostname: 'modosu', paths: ['/manifest.json'] }, more: [] });
      });

      it('of a database too', async () => {
        const manifest = makeManifest(serverId, snapshotId, {
          dataSet: {
            kind: 'postgresql',
            name: 'orders',
            databases: ['shop'],
            user: 'postgres',
            osUser: 'postgres',
            socketDirectory: null,
            port: 5432,
            spoolDirectory: '/var/spool/modosu',
            before: ['true'],
            after: null,
          },
          content: {
            kind: 'postgresql',
            engineVersion: '15.18',
            engineMajor: 15,
            directory: '/var/spool/modosu/orders',
            factsFile: 'facts.json',
            globalsFile: 'globals.sql',
            databases: [{ name: 'shop', file: '0.dump', sizeBytes: 1, tables: 2, rows: 3 }],
          },
        });
        await repository.publish(manifest);
        await expect(repository.open(serverId, manifest.recoveryPointId)).resolves.toEqual(manifest);
      });

      it('is refused when it could not be read again', async () => {
        const good = makeManifest(serverId, snapshotId);
        const wrong: readonly unknown[] = [
          { ...good, version: 2 },
          { ...good, more: 1 },
          { ...good, snapshotId: 'latest' },
          { ...good, pointInTime: 'yesterday' },
          { ...good, recoveryPointId: 'rp_1' },
          { ...good, totalBytes: -1 },
          { ...good, dataSet: { ...filesDataSet('/srv'), paths: [] } },
          { ...good, dataSet: filesDataSet('relative') },
          { ...good, content: { ...good.content, kind: 'postgresql' } },
        ];
        for (const manifest of wrong) {
          await expect(repository.publish(manifest as DataManifest)).rejects.toMatchObject({
            code: expect.stringMatching(/^(RECOVERY_POINT_CORRUPT|REPOSITORY_FORMAT_UNKNOWN)$/) as string,
          });
        }
        await expect(repository.open(serverId, good.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      });

      it('is asked for by its id', async () => {
        for (const id of ['', '../x', 'rp_1', 'a,b']) await expect(repository.open(serverId, id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      });
    });
  });
}
