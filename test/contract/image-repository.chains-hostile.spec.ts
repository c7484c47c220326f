import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import {
  flipBit,
  forge,
  makeImages,
  MIB,
  NOW,
  run,
  sha256,
  stageIncremental,
  takeIncremental,
  takeOne,
  VIRTUAL_SIZE_BYTES,
  type Taken,
} from './image-repository.fixtures';

jest.setTimeout(120_000);

type Json = Record<string, unknown>;

describe('image repository: chains with damaged or hostile content', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let path: string;
  let repository: ImageRepository;
  /** A full, and two that build on it one after the other. */
  let full: Awaited<ReturnType<typeof takeOne>>;
  let one: Awaited<ReturnType<typeof takeIncremental>>;
  let two: Awaited<ReturnType<typeof takeIncremental>>;
  /** As it was published; each test works on a copy of it. */
  let pristine: string;
  beforeAll(async () => {
    images = await makeImages(20);
    pristine = mkdtempSync(join(tmpdir(), 'modosu-chains-hostile-'));
    const first = createDirectoryImageRepository({ name: 'main', path: pristine });
    await first.initialise();
    full = await takeOne(first, images.image, { targets: ['vda', 'vdb'] });
    one = await takeIncremental(first, full, { changes: { vda: [{ atMiB: 1, lengthMiB: 1, byte: 0x11 }] }, whole: { vdb: images.image } });
    two = await takeIncremental(first, one);
  });
  afterAll(() => {
    for (const directory of [images.directory, pristine]) rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'modosu-chains-hostile-'));
    await run('cp', '-a', `${pristine}/.`, path);
    repository = createDirectoryImageRepository({ name: 'main', path });
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const placeOf = ({ recoveryPointId }: { readonly recoveryPointId: string }): string => join(path, 'servers', full.serverId, recoveryPointId);
  const imageOf = (taken: Taken, target = 'vda'): string => join(placeOf(taken), 'disks', `${target}.qcow2`);
  const open = ({ recoveryPointId }: { readonly recoveryPointId: string }) => repository.open(full.serverId, recoveryPointId);
  const manifestOf = (taken: Taken): Json => JSON.parse(readFileSync(join(placeOf(taken), 'manifest.json'), 'utf8')) as Json;
  const checksumOf = (taken: Taken): string => sha256(readFileSync(join(placeOf(taken), 'manifest.json')));
  /** Changes a manifest, with a fitting checksum. */
  const lie = (taken: Taken, change: Json): void => forge(placeOf(taken), JSON.stringify({ ...manifestOf(taken), ...change }));
  /** The same, and the child pins what came of it: what somebody would do who can write everywhere. */
  const lieToChild = (parent: Taken, child: Taken, change: Json): void => {
    lie(parent, change);
    lie(child, { parentSha256: checksumOf(parent) });
  };
  const disksOf = (taken: Taken): readonly Json[] => manifestOf(taken)['disks'] as Json[];
  const refusedWith = (code: string, ...words: readonly string[]): object => ({
    code,
    message: expect.stringMatching(new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*'))) as string,
  });

  it('are what they were before anything is done to them', async () => {
    await expect(open(two)).resolves.toMatchObject({ manifest: two.manifest });
  });

  describe('an image whose header', () => {
    const right = (): string => `../../${full.recoveryPointId}/disks/vda.qcow2`;
    const rewrite = async (image: string, ...options: readonly string[]): Promise<void> => {
      const { size } = statSync(image);
      rmSync(image);
      await run('qemu-img', 'create', '-q', '-f', 'qcow2', ...options, image, String(VIRTUAL_SIZE_BYTES));
      truncateSync(image, size);
    };
    const naming = (name: string, format = 'qcow2'): Promise<void> => rewrite(imageOf(one), '-u', '-b', name, '-F', format);

    const headers: readonly (readonly [what: string, harm: () => Promise<void> | void])[] = [
      ['names nothing', () => rewrite(imageOf(one))],
      ['names an absolute path', () => naming(imageOf(full))],
      ['names another file of the host', () => naming('/etc/shadow')],
      ['names a description in JSON', () => naming('json:{"driver":"qcow2","file":{"driver":"file","filename":"/etc/shadow"}}')],
      ['names a host of the network', () => naming('nbd://192.0.2.1/x')],
      ['names another disk', () => naming(right().replace('vda', 'vdb'))],
      ['names another recovery point', () => naming(right().replace(full.recoveryPointId, two.recoveryPointId))],
      ['names the parent by a detour', () => naming(right().replace('/disks/', '/./disks/'))],
      ['names the parent after a byte order mark', () => naming(`\ufeff${right()}`)],
      ['says that the parent is raw', () => naming(right(), 'raw')],
      [
        'does not say which format the parent has',
        () => {
          const content = readFileSync(imageOf(one));
          content.writeUInt32BE(0x12345678, content.indexOf(Buffer.from('e2792aca', 'hex')));
          writeFileSync(imageOf(one), content);
        },
      ],
    ];
    it.each(headers)('%s is refused before any tool opens it, also as a parent', async (_, harm) => {
      await harm();
      const refused = refusedWith('IMAGE_HEADER_REFUSED', imageOf(one));
      await expect(open(one)).rejects.toMatchObject(refused);
      await expect(open(two)).rejects.toMatchObject({ ...refused, context: { recoveryPointId: one.recoveryPointId } });
      await expect(open(full)).resolves.toMatchObject({ manifest: full.manifest });
    });

    it.each<[string, () => Taken]>([
      ['a full', () => full],
      ['a whole disk of an incremental', () => one],
    ])('names the right place is refused where it is %s', async (_, taken) => {
      const image = imageOf(taken(), 'vdb');
      await rewrite(image, '-u', '-b', right().replace('vda', 'vdb'), '-F', 'qcow2');
      await expect(open(taken())).rejects.toMatchObject({
        ...refusedWith('IMAGE_HEADER_REFUSED', image),
        context: { recoveryPointId: taken().recoveryPointId },
      });
    });

    it('says another size than the manifest is refused', async () => {
      const image = imageOf(one);
      const { size } = statSync(image);
      rmSync(image);
      await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-u', '-b', right(), '-F', 'qcow2', image, String(2 * VIRTUAL_SIZE_BYTES));
      truncateSync(image, size);
      await expect(open(one)).rejects.toMatchObject(refusedWith('RECOVERY_POINT_CORRUPT', image, 'virtual size of 134217728'));
    });
  });

  describe('a parent that', () => {
    const removed = (taken: Taken, name: string): void => rmSync(join(placeOf(taken), name), { recursive: true });
    const moved = (from: string): string => {
      const outside = join(images.directory, newId('rp'));
      renameSync(from, outside);
      return outside;
    };
    type Harm = () => unknown;
    const named = (taken: () => Taken, ...words: readonly string[]) => [taken, words] as const;
    const cases: readonly (readonly [what: string, code: string, harm: Harm, at: readonly [taken: () => Taken, words: readonly string[]]])[] = [
      ['is missing', 'RECOVERY_POINT_INCOMPLETE', () => removed(one, '.'), named(() => one, 'which is missing')],
      ["is the parent's, and missing", 'RECOVERY_POINT_INCOMPLETE', () => removed(full, '.'), named(() => full, 'which is missing')],
      ['has lost its image', 'RECOVERY_POINT_INCOMPLETE', () => removed(full, 'disks/vda.qcow2'), named(() => full, 'vda.qcow2 is missing')],
      ['has lost its manifest', 'RECOVERY_POINT_INCOMPLETE', () => removed(one, 'manifest.json'), named(() => one, 'manifest.json is missing')],
      ['has a truncated image', 'RECOVERY_POINT_CORRUPT', () => truncateSync(imageOf(full), MIB), named(() => full, 'vda.qcow2 has 1048576 bytes')],
      [
        'has a bit flipped in a segment list',
        'RECOVERY_POINT_CORRUPT',
        () => flipBit(join(placeOf(full), 'disks', 'vda.segments'), 100),
        named(() => full, 'vda.segments differs'),
      ],
      ['is a link', 'RECOVERY_POINT_CORRUPT', () => symlinkSync(moved(placeOf(full)), placeOf(full)), named(() => full, 'is not a directory')],
      [
        'has a link in the place of its image',
        'RECOVERY_POINT_CORRUPT',
        () => symlinkSync(moved(imageOf(full)), imageOf(full)),
        named(() => full, 'vda.qcow2 is not a regular file'),
      ],
      ['is of another lineage now', 'RECOVERY_POINT_CORRUPT', () => lie(full, { lineageId: 'lin-2' }), named(() => full, 'differs from the checksum')],
      [
        'is of another lineage, and pinned',
        'RECOVERY_POINT_CORRUPT',
        () => lieToChild(one, two, { lineageId: 'lin-2' }),
        named(() => one, 'has the lineage lin-2'),
      ],
      [
        'is of another server, and pinned',
        'RECOVERY_POINT_CORRUPT',
        () => lieToChild(one, two, { server: { ...full.draft.server, id: newId('srv') } }),
        named(() => one, 'belongs to recovery point'),
      ],
      [
        'has no such disk, and is pinned',
        'RECOVERY_POINT_CORRUPT',
        () => lieToChild(one, two, { disks: disksOf(one).map((disk) => (disk['target'] === 'vda' ? diskNamed(disk, 'vdc') : disk)) }),
        named(() => one, 'holds no disk "vda"'),
      ],
      [
        'says another size of the disk, and is pinned',
        'RECOVERY_POINT_CORRUPT',
        () => lieToChild(one, two, { disks: disksOf(one).map((disk) => ({ ...disk, virtualSizeBytes: 2 * VIRTUAL_SIZE_BYTES })) }),
        named(() => one, 'vda has a virtual size of 134217728 bytes'),
      ],
      [
        'builds on its own child',
        'RECOVERY_POINT_CORRUPT',
        () => lieToChild(one, two, { parentId: two.recoveryPointId }),
        named(() => one, 'which builds on it itself'),
      ],
      [
        'is the recovery point itself',
        'RECOVERY_POINT_CORRUPT',
        () => lie(two, { parentId: two.recoveryPointId }),
        named(() => two, 'which builds on it itself'),
      ],
      [
        'another manifest names by a checksum of its own',
        'RECOVERY_POINT_CORRUPT',
        () => lie(two, { parentSha256: '0'.repeat(64) }),
        named(() => one, 'differs'),
      ],
    ];
    it.each(cases)('%s is found, and named', async (_, code, harm, [taken, words]) => {
      harm();
      await expect(open(two)).rejects.toMatchObject({
        ...refusedWith(code, taken().recoveryPointId, ...words),
        context: { recoveryPointId: taken().recoveryPointId },
      });
    });

    it('has lost what only itself needs is nothing to those that build on it', async () => {
      rmSync(join(placeOf(full), 'domain.xml'));
      // Nobody continues this disk.
      rmSync(imageOf(full, 'vdb'));
      await expect(open(two)).resolves.toMatchObject({ manifest: two.manifest });
      await expect(open(full)).rejects.toMatchObject({ code: 'RECOVERY_POINT_INCOMPLETE', context: { recoveryPointId: full.recoveryPointId } });
    });

    it('others build on is not removed, whatever the catalogue believes; the last of a chain is', async () => {
      await expect(repository.remove(full.serverId, full.recoveryPointId)).rejects.toMatchObject(
        refusedWith('RECOVERY_POINT_NEEDED', full.recoveryPointId, one.recoveryPointId),
      );
      await expect(open(two)).resolves.toMatchObject({ manifest: two.manifest });
      for (const taken of [two, one, full]) await repository.remove(taken.serverId, taken.recoveryPointId);
      await expect(open(full)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
    });

    it('was exchanged for another one, complete and with fitting checksums, is found by what the child has pinned', async () => {
      const others = await makeImages(3);
      try {
        rmSync(placeOf(full), { recursive: true });
        await takeOne(repository, others.image, { serverId: full.serverId, recoveryPointId: full.recoveryPointId, targets: ['vda', 'vdb'] });
        await expect(open(full)).resolves.toBeDefined();
        await expect(open(one)).rejects.toMatchObject(
          refusedWith('RECOVERY_POINT_CORRUPT', full.recoveryPointId, 'manifest.json differs from the checksum', one.recoveryPointId),
        );
        // All the way up: the top stands for everything below it.
        await expect(open(two)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT', context: { recoveryPointId: full.recoveryPointId } });
      } finally {
        rmSync(others.directory, { recursive: true, force: true });
      }
    });

    it('has a bit flipped is found by reading that image, and no other', async () => {
      flipBit(imageOf(full), 17 * MIB);
      const files = (await open(two)).imagesOf('vda');
      const verified = await Promise.allSettled(
        files.map(({ recoveryPointId, image }) => repository.verifyImage(full.serverId, recoveryPointId, image, { signal: new AbortController().signal })),
      );
      expect(verified.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
      expect((verified[2] as PromiseRejectedResult).reason).toMatchObject({
        ...refusedWith('RECOVERY_POINT_CORRUPT', full.recoveryPointId, 'vda.qcow2: segment 1'),
        context: { recoveryPointId: full.recoveryPointId },
      });
    });

    it('is of a later version is left to the program that wrote it', async () => {
      lieToChild(one, two, { version: 7 });
      await expect(open(two)).rejects.toMatchObject(refusedWith('REPOSITORY_FORMAT_UNKNOWN', one.recoveryPointId, 'version 7'));
    });

    it('vanishes with the whole repository is not missing', async () => {
      const away = `${path}.away`;
      renameSync(path, away);
      mkdirSync(path);
      try {
        await expect(open(two)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      } finally {
        rmSync(path, { recursive: true });
        renameSync(away, path);
      }
    });
  });

  describe('a manifest', () => {
    const lies: readonly (readonly [what: string, taken: () => Taken, change: () => Json])[] = [
      ['of an incremental with a field nobody knows', () => one, () => ({ surprise: true })],
      ['of an incremental with a disk field nobody knows', () => one, () => ({ disks: disksOf(one).map((disk) => ({ ...disk, surprise: true })) })],
      ['of an incremental without a parent', () => one, () => ({ parentId: null })],
      ['of an incremental whose parent is no id', () => one, () => ({ parentId: '../../../../etc' })],
      ['of an incremental without a checksum of its parent', () => one, () => ({ parentSha256: undefined })],
      ['of an incremental that says nothing of one disk', () => one, () => ({ disks: disksOf(one).map((disk) => ({ ...disk, incremental: undefined })) })],
      ['of an incremental of which nothing builds on the parent', () => one, () => ({ disks: disksOf(one).map((disk) => ({ ...disk, incremental: false })) })],
      ['of an incremental that calls itself a full', () => one, () => ({ version: 1 })],
      ['of a full that calls itself an incremental', () => full, () => ({ version: 2 })],
      ['of a full with an incremental disk', () => full, () => ({ disks: disksOf(full).map((disk) => ({ ...disk, incremental: true })) })],
      ['of a full with a parent', () => full, () => ({ parentId: one.recoveryPointId })],
      ['of a full with the checksum of a parent', () => full, () => ({ parentSha256: '0'.repeat(64) })],
    ];
    it.each(lies)('%s is refused', async (_, taken, change) => {
      lie(taken(), change());
      await expect(open(taken())).rejects.toMatchObject({
        ...refusedWith('RECOVERY_POINT_CORRUPT', 'manifest.json is not valid'),
        context: { recoveryPointId: taken().recoveryPointId },
      });
    });
  });

  describe('a chain', () => {
    /** Makes the chain so long, by copies of `one` that build on each other. Returns the last. */
    const lengthen = (to: number): { readonly serverId: string; readonly recoveryPointId: string } => {
      const template = { manifest: manifestOf(one), image: readFileSync(imageOf(one)) };
      const at = template.image.indexOf(full.recoveryPointId);
      let last = one.recoveryPointId;
      for (let length = 2; length < to; length += 1) {
        const recoveryPointId = newId('rp');
        const place = placeOf({ recoveryPointId });
        mkdirSync(join(place, 'disks'), { recursive: true });
        for (const name of ['domain.xml', 'SHA256SUMS', 'disks/vda.segments']) copyFileSync(join(placeOf(one), name), join(place, name));
        template.image.write(last, at, 'latin1');
        writeFileSync(join(place, 'disks', 'vda.qcow2'), template.image);
        const parentSha256 = sha256(readFileSync(join(placeOf({ recoveryPointId: last }), 'manifest.json')));
        const disks = disksOf(one).filter((disk) => disk['target'] === 'vda');
        forge(place, JSON.stringify({ ...template.manifest, recoveryPointId, parentId: last, parentSha256, disks }));
        last = recoveryPointId;
      }
      return { serverId: full.serverId, recoveryPointId: last };
    };

    it('may have 256 recovery points, and not one more', async () => {
      const last = lengthen(256);
      expect((await open(last)).imagesOf('vda')).toHaveLength(256);
      const staged = await stageIncremental(repository, last, { changes: { vda: [] } });
      await expect(repository.publish(staged.draft, NOW)).rejects.toMatchObject(refusedWith('RECOVERY_POINT_CORRUPT', last.recoveryPointId, 'a chain of 256'));
      expect(existsSync(placeOf(staged))).toBe(false);
      const longer = lengthen(257);
      await expect(open(longer)).rejects.toMatchObject(refusedWith('RECOVERY_POINT_CORRUPT', 'at most 256'));
    });
  });

  /** A disk of a manifest under another name. */
  const diskNamed = (disk: Json, target: string): Json => ({
    ...disk,
    target,
    image: { ...(disk['image'] as Json), path: `disks/${target}.qcow2`, segmentsPath: `disks/${target}.segments` },
  });
});
