import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { describeImageRepository } from './image-repository.contract';
import { forge, makeImages, run, stageOne, takeOne } from './image-repository.fixtures';

jest.setTimeout(180_000);

const MARKER = 'modosu-repository.json';
const makeDirectory = (): string => mkdtempSync(join(tmpdir(), 'modosu-repository-'));

describeImageRepository('a directory', async () => {
  const path = makeDirectory();
  const repository = createDirectoryImageRepository({ name: 'main', path });
  await repository.initialise();
  return { repository, dispose: async () => rmSync(path, { recursive: true, force: true }) };
});

describe('image repository: a directory and what may be wrong with it', () => {
  let path: string;
  let repository: ImageRepository;
  beforeEach(() => {
    path = makeDirectory();
    repository = createDirectoryImageRepository({ name: 'main', path, now: () => new Date('2026-01-01T00:00:00Z') });
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  it('becomes a repository once and stays the same one', async () => {
    await repository.initialise();
    const marker = readFileSync(join(path, MARKER), 'utf8');
    expect(JSON.parse(marker)).toEqual({
      format: 'modosu-image-repository',
      version: 1,
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      createdAt: '2026-01-01T00:00:00.000Z',
    });
    await repository.initialise();
    expect(readFileSync(join(path, MARKER), 'utf8')).toBe(marker);
    expect(await repository.check()).toEqual({ freeBytes: expect.any(Number), recoveryPoints: 0 });
  });

  it('is made on a fresh file system, and again after an interrupted attempt', async () => {
    mkdirSync(join(path, 'lost+found'));
    mkdirSync(join(path, 'staging'));
    writeFileSync(join(path, `.${MARKER}.0123456789ab.tmp`), '{"form');
    await repository.initialise();
    await expect(repository.check()).resolves.toMatchObject({ recoveryPoints: 0 });
  });

  it('is not made where somebody else keeps things', async () => {
    writeFileSync(join(path, 'photos.tar'), 'mine');
    await expect(repository.initialise()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN', message: expect.stringContaining('photos.tar') });
    await expect(repository.check()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    await expect(repository.stage(newId('rp'))).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    expect(readdirSync(path)).toEqual(['photos.tar']);
  });

  it('is not made below something that looks like ours but holds data', async () => {
    mkdirSync(join(path, 'servers'));
    writeFileSync(join(path, 'servers', 'x'), 'data of a repository whose marker is lost');
    await expect(repository.initialise()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
  });

  it('is never made by using it: an empty directory is a mount point that is not mounted', async () => {
    const id = newId('rp');
    const attempts: readonly (() => Promise<unknown>)[] = [
      () => repository.check(),
      () => repository.requireSpace(1),
      () => repository.stage(id),
      () => repository.discardStaged(id),
      () => repository.list(),
      () => repository.open(newId('srv'), id),
      () => repository.hashWhileWritten(id, 'vda', Promise.resolve(), { signal: new AbortController().signal }),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE', retry: 'later', message: expect.stringContaining('is empty') });
    }
    expect(readdirSync(path)).toEqual([]);
  });

  it('is unreachable where there is no directory, and none is made', async () => {
    const missing = join(path, 'not-there');
    const absent = createDirectoryImageRepository({ name: 'main', path: missing });
    await expect(absent.initialise()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    await expect(absent.check()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    expect(existsSync(missing)).toBe(false);
    const file = createDirectoryImageRepository({ name: 'main', path: join(path, 'file') });
    writeFileSync(join(path, 'file'), '');
    await expect(file.check()).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE', message: expect.stringContaining('not a directory') });
  });

  it.each([
    [
      'of another version',
      '{"format":"modosu-image-repository","version":2,"id":"6f1c7a0e-4f64-4f0a-9a52-0c7e4f3b9d11","createdAt":"2026-01-01T00:00:00.000Z"}',
    ],
    ['of another program', '{"version":1}'],
    ['that is not JSON', '\u0000\u0001'],
    ['that is empty', ''],
  ])('with a marker %s is refused and left alone', async (_, marker) => {
    writeFileSync(join(path, MARKER), marker);
    await expect(repository.check()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    await expect(repository.initialise()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    expect(readFileSync(join(path, MARKER), 'utf8')).toBe(marker);
  });

  it('does not follow a marker that is a link or wait for one that is a FIFO', async () => {
    symlinkSync('/etc/hostname', join(path, MARKER));
    await expect(repository.check()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
    rmSync(join(path, MARKER));
    await run('mkfifo', join(path, MARKER));
    await expect(repository.check()).rejects.toMatchObject({ code: 'REPOSITORY_FORMAT_UNKNOWN' });
  });
});

describe('image repository: a directory with hostile or damaged content', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let path: string;
  let repository: ImageRepository;
  beforeAll(async () => {
    images = await makeImages();
  });
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(async () => {
    path = makeDirectory();
    repository = createDirectoryImageRepository({ name: 'main', path });
    await repository.initialise();
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const placeOf = (taken: { readonly serverId: string; readonly recoveryPointId: string }): string =>
    join(path, 'servers', taken.serverId, taken.recoveryPointId);

  it('keeps what it stores to its owner', async () => {
    const taken = await takeOne(repository, images.image, { nvram: true });
    const modes = (directory: string): Record<string, string> =>
      Object.fromEntries(
        readdirSync(directory, { withFileTypes: true }).map((entry) => [entry.name, (lstatSync(join(directory, entry.name)).mode & 0o777).toString(8)]),
      );
    expect(modes(placeOf(taken))).toEqual({ SHA256SUMS: '600', disks: '700', 'domain.xml': '600', 'manifest.json': '600', 'nvram.fd': '600' });
    expect(modes(join(placeOf(taken), 'disks'))).toEqual({ 'vda.qcow2': '600', 'vda.segments': '600' });
    expect(modes(path)).toEqual({ [MARKER]: '600', servers: '700', staging: '711' });
  });

  it('can be checked with coreutils alone', async () => {
    const taken = await takeOne(repository, images.image, { nvram: true, targets: ['vda', 'vdb'] });
    const place = placeOf(taken);
    expect(await run('sh', '-c', 'cd "$1" && sha256sum -c SHA256SUMS', 'sh', place)).toBe(
      'manifest.json: OK\ndomain.xml: OK\nnvram.fd: OK\ndisks/vda.segments: OK\ndisks/vdb.segments: OK\n',
    );
    const recipe = 'cd "$1/disks" && split -b 16M --filter="sha256sum | cut -c1-64" vda.qcow2 | diff - <(tail -n +2 vda.segments) && echo intact';
    expect(await run('bash', '-c', recipe, 'bash', place)).toBe('intact\n');
  });

  it('that vanishes in the middle of a copy is unreachable', async () => {
    const id = newId('rp');
    await repository.stage(id);
    const result = repository.hashWhileWritten(id, 'vda', new Promise(() => undefined), { signal: new AbortController().signal });
    const away = `${path}.away`;
    renameSync(path, away);
    try {
      await expect(result).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      await expect(repository.stage(id)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      await expect(repository.discardStaged(id)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    } finally {
      renameSync(away, path);
    }
    await expect(repository.stage(id)).resolves.toMatchObject({ directory: join(path, 'staging', id) });
  });

  it('that vanishes between copy and publication is unreachable, and the publication can be repeated', async () => {
    const { draft, serverId } = await stageOne(repository, images.image);
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    await expect(repository.publish(draft, new Date())).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
    expect(readdirSync(path)).toEqual([]);
    rmSync(path, { recursive: true });
    renameSync(`${path}.away`, path);
    await expect(repository.publish(draft, new Date())).resolves.toMatchObject({ server: { id: serverId } });
  });

  describe('a manifest that lies', () => {
    type Json = Record<string, unknown>;
    const change = (object: unknown, keys: readonly (string | number)[], value: unknown): void => {
      const last = keys.at(-1) ?? '';
      const holder = keys.slice(0, -1).reduce<unknown>((at, key) => (at as Json)[key], object) as Json;
      holder[last] = value;
    };

    const lies: readonly [what: string, keys: readonly (string | number)[], value: unknown, code?: string][] = [
      ['a path that leaves the recovery point', ['disks', 0, 'image', 'path'], '../../../../../../etc/shadow'],
      ['an absolute path', ['disks', 0, 'image', 'path'], '/etc/shadow'],
      ['the path of another disk', ['disks', 0, 'image', 'path'], 'disks/vdb.qcow2'],
      ['a segment list elsewhere', ['disks', 0, 'image', 'segmentsPath'], '../x.segments'],
      ['a definition elsewhere', ['definition', 'path'], '../../x/domain.xml'],
      ['a target with a slash', ['disks', 0, 'target'], '../vda'],
      ['a relative origin', ['disks', 0, 'origin', 'path'], 'etc/shadow'],
      ['an origin with a newline', ['disks', 0, 'origin', 'path'], '/a\nb'],
      ['another server', ['server', 'id'], newId('srv')],
      ['another recovery point', ['recoveryPointId'], newId('rp')],
      ['an id that is none', ['recoveryPointId'], '../../x'],
      ['a negative size', ['disks', 0, 'image', 'sizeBytes'], -1],
      ['another size', ['disks', 0, 'image', 'sizeBytes'], 12],
      ['an absurd segment size', ['disks', 0, 'image', 'segmentSizeBytes'], 1],
      ['another segment size', ['disks', 0, 'image', 'segmentSizeBytes'], 8 * 1024 ** 2],
      ['another virtual size', ['disks', 0, 'virtualSizeBytes'], 1024],
      ['another checksum', ['disks', 0, 'image', 'sha256'], '0'.repeat(64)],
      ['a checksum that is none', ['definition', 'sha256'], 'none'],
      ['a parent', ['parentId'], newId('rp')],
      ['no disks', ['disks'], []],
      ['a field nobody knows', ['surprise'], true],
      ['another format', ['format'], 'tar'],
      ['an unknown version', ['version'], 7, 'REPOSITORY_FORMAT_UNKNOWN'],
      ['the version of one that says what it contains', ['version'], 5],
      ['the version of an incremental', ['version'], 2],
      ['a disk that builds on nothing', ['disks', 0, 'incremental'], true],
      ["a parent's checksum, and no parent", ['parentSha256'], '0'.repeat(64)],
      ['a version that is none', ['version'], 'one'],
    ];
    it.each(lies)('about %s is refused', async (_, keys, value, code = 'RECOVERY_POINT_CORRUPT') => {
      const taken = await takeOne(repository, images.image);
      const manifest = JSON.parse(readFileSync(join(placeOf(taken), 'manifest.json'), 'utf8')) as Json;
      change(manifest, keys, value);
      forge(placeOf(taken), JSON.stringify(manifest));
      await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({ code });
    });

    it('that is huge, deep or no JSON is refused', async () => {
      const taken = await takeOne(repository, images.image);
      for (const text of ['', 'null', '[]', '{', '['.repeat(100_000), '"'.padEnd(5 * 1024 ** 2, 'x')]) {
        forge(placeOf(taken), text);
        await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      }
      const { manifests, unreadable } = await repository.list();
      expect(manifests).toEqual([]);
      expect(unreadable).toHaveLength(1);
    });

    it('by links is refused: nothing leads out of the repository', async () => {
      const outside = join(images.directory, 'outside');
      mkdirSync(outside, { recursive: true });
      for (const name of ['manifest.json', 'SHA256SUMS', 'domain.xml', 'disks/vda.qcow2', 'disks/vda.segments', 'disks']) {
        const taken = await takeOne(repository, images.image);
        const place = placeOf(taken);
        const moved = join(outside, `${taken.recoveryPointId}-${name.replace('/', '-')}`);
        renameSync(join(place, name), moved);
        symlinkSync(moved, join(place, name));
        await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      }
      const taken = await takeOne(repository, images.image);
      renameSync(join(path, 'servers', taken.serverId), join(outside, taken.serverId));
      symlinkSync(join(outside, taken.serverId), join(path, 'servers', taken.serverId));
      await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    });

    it('by FIFOs is refused and never waited for', async () => {
      for (const name of ['manifest.json', 'SHA256SUMS', 'domain.xml', 'disks/vda.qcow2', 'disks/vda.segments']) {
        const taken = await takeOne(repository, images.image);
        rmSync(join(placeOf(taken), name));
        await run('mkfifo', join(placeOf(taken), name));
        await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
      }
    });

    it("by the image's header is refused before any tool opens it", async () => {
      const taken = await takeOne(repository, images.image);
      const image = join(placeOf(taken), 'disks', 'vda.qcow2');
      const size = lstatSync(image).size;
      rmSync(image);
      await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-F', 'raw', '-b', '/etc/shadow', image, '64M');
      truncateSync(image, size);
      await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({
        code: 'IMAGE_HEADER_REFUSED',
        message: expect.stringContaining('/etc/shadow'),
      });
    });

    it('about a segment list is refused even when manifest and checksums were made to fit', async () => {
      const taken = await takeOne(repository, images.image);
      const place = placeOf(taken);
      const list = join(place, 'disks', 'vda.segments');
      appendFileSync(list, `${'0'.repeat(64)}\n`);
      const manifest = JSON.parse(readFileSync(join(place, 'manifest.json'), 'utf8')) as Json;
      change(manifest, ['disks', 0, 'image', 'sha256'], createHash('sha256').update(readFileSync(list)).digest('hex'));
      forge(place, JSON.stringify(manifest));
      await expect(repository.open(taken.serverId, taken.recoveryPointId)).rejects.toMatchObject({
        code: 'RECOVERY_POINT_CORRUPT',
        message: expect.stringContaining('not the segment list'),
      });
    });
  });

  it('reports what does not belong there', async () => {
    const taken = await takeOne(repository, images.image);
    writeFileSync(join(path, 'servers', 'notes.txt'), '');
    mkdirSync(join(path, 'servers', taken.serverId, 'rp_unfinished'));
    mkdirSync(join(path, 'servers', taken.serverId, newId('rp')));
    const { manifests, unreadable } = await repository.list();
    expect(manifests).toEqual([taken.manifest]);
    expect(unreadable.map((entry) => entry.path).sort()).toHaveLength(3);
  });
});
