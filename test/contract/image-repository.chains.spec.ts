import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository, ManifestDraft } from '../../src/repositories/image/image-repository';
import {
  contentOf,
  flipBit,
  makeImages,
  MIB,
  NOW,
  run,
  sha256,
  stageIncremental,
  stageOne,
  takeIncremental,
  takeOne,
  verifyAll,
  VIRTUAL_SIZE_BYTES,
  type Change,
  type Taken,
} from './image-repository.fixtures';

jest.setTimeout(120_000);

const signal = (): AbortSignal => new AbortController().signal;

describe('image repository: recovery points that build on others', () => {
  let images: Awaited<ReturnType<typeof makeImages>>;
  let path: string;
  let repository: ImageRepository;
  let full: Awaited<ReturnType<typeof takeOne>>;
  beforeAll(async () => {
    images = await makeImages(2);
  });
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(async () => {
    path = mkdtempSync(join(tmpdir(), 'modosu-chains-'));
    repository = createDirectoryImageRepository({ name: 'main', path });
    await repository.initialise();
    full = await takeOne(repository, images.image, { targets: ['vda', 'vdb'] });
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  const opened = ({ serverId, recoveryPointId }: Pick<Taken, 'serverId' | 'recoveryPointId'>) => repository.open(serverId, recoveryPointId);
  const filesOf = async (taken: Taken, target: string) => (await opened(taken)).imagesOf(target);
  const contentsOf = async (taken: Taken, target: string): Promise<string> =>
    sha256(await contentOf((await filesOf(taken, target)).map((image) => image.path)));
  /** What a disk holds after these changes. */
  const changedTo = (before: Buffer, changes: readonly Change[]): Buffer => {
    const after = Buffer.from(before);
    for (const { atMiB, lengthMiB, byte } of changes) after.fill(byte, atMiB * MIB, (atMiB + lengthMiB) * MIB);
    return after;
  };

  it('bring each disk back as it was at each moment', async () => {
    const before = await contentOf([images.image]);
    const first: readonly Change[] = [
      { atMiB: 1, lengthMiB: 1, byte: 0x11 },
      { atMiB: 40, lengthMiB: 2, byte: 0x22 },
    ];
    const second: readonly Change[] = [{ atMiB: 41, lengthMiB: 3, byte: 0x33 }];
    const one = await takeIncremental(repository, full, { changes: { vda: first }, whole: { vdb: images.image } });
    const two = await takeIncremental(repository, one, { changes: { vda: second, vdb: second } });

    const [afterOne, afterTwo] = [changedTo(before, first), changedTo(changedTo(before, first), second)];
    expect([await contentsOf(full, 'vda'), await contentsOf(full, 'vdb')]).toEqual([sha256(before), sha256(before)]);
    expect([await contentsOf(one, 'vda'), await contentsOf(one, 'vdb')]).toEqual([sha256(afterOne), sha256(before)]);
    expect([await contentsOf(two, 'vda'), await contentsOf(two, 'vdb')]).toEqual([sha256(afterTwo), sha256(changedTo(before, second))]);

    const idsOf = async (taken: Taken, target: string) => (await filesOf(taken, target)).map((image) => image.recoveryPointId);
    const [a, b, c] = [full, one, two].map(({ recoveryPointId }) => recoveryPointId);
    expect([await idsOf(full, 'vda'), await idsOf(one, 'vda'), await idsOf(two, 'vda')]).toEqual([[a], [b, a], [c, b, a]]);
    // One whole image in between, and the chain of that disk ends there.
    expect([await idsOf(one, 'vdb'), await idsOf(two, 'vdb')]).toEqual([[b], [c, b]]);
    for (const { recoveryPointId, image, path: file } of await filesOf(two, 'vda')) {
      expect(file).toBe(join(path, 'servers', full.serverId, recoveryPointId, 'disks', 'vda.qcow2'));
      await repository.verifyImage(full.serverId, recoveryPointId, image, { signal: signal() });
    }
    expect((await opened(two)).diskPath('vda')).toBe((await filesOf(two, 'vda'))[0].path);
    await expect(verifyAll(repository, two.serverId, two.recoveryPointId)).resolves.toEqual(two.manifest);
    expect((await repository.list()).unreadable).toEqual([]);
  });

  it('can be read by QEMU itself: the names in the headers lead to the parents', async () => {
    const one = await takeIncremental(repository, full);
    const two = await takeIncremental(repository, one, { changes: { vda: [{ atMiB: 5, lengthMiB: 1, byte: 0x55 }] } });
    await run('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', (await opened(two)).diskPath('vda'), join(path, 'by-header.raw'));
    expect(sha256(readFileSync(join(path, 'by-header.raw')))).toBe(await contentsOf(two, 'vda'));
  });

  it("say what they build on, with the checksum of the parent's manifest; a full says nothing of it", async () => {
    const one = await takeIncremental(repository, full, { whole: { vdb: images.image } });
    const parent = readFileSync(join(dirname((await opened(full)).definitionPath), 'manifest.json'), 'utf8');
    expect(one.manifest).toMatchObject({ version: 2, parentId: full.recoveryPointId, parentSha256: sha256(parent), lineageId: 'lin-1' });
    expect(one.manifest.disks.map(({ target, incremental }) => [target, incremental])).toEqual([
      ['vda', true],
      ['vdb', false],
    ]);
    expect((await opened(full)).manifestSha256).toBe(one.manifest.parentSha256);
    expect(JSON.parse(parent)).toMatchObject({ version: 1, parentId: null });
    expect(parent).not.toMatch(/parentSha256|incremental/);
    expect(await run('sh', '-c', 'cd "$1" && sha256sum -c SHA256SUMS', 'sh', dirname((await opened(one)).definitionPath))).toContain('manifest.json: OK');
  });

  it('name only disks that they hold', async () => {
    const one = await opened(await takeIncremental(repository, full));
    const refused = expect.objectContaining({ code: 'RECOVERY_POINT_INCOMPLETE', message: expect.stringContaining('it holds vda') as string }) as Error;
    expect(() => one.imagesOf('vdb')).toThrow(refused);
    expect(() => one.backingName('vdb')).toThrow(refused);
    expect(one.backingName('vda')).toBe(`../../${one.manifest.recoveryPointId}/disks/vda.qcow2`);
  });

  it('are hashed as they lie, also when the writer was watched from the beginning', async () => {
    const { recoveryPointId, staged, draft } = await stageIncremental(repository, full, { changes: { vda: [{ atMiB: 0, lengthMiB: 40, byte: 0x44 }] } });
    let finish: () => void = () => undefined;
    const written = new Promise<void>((resolve) => (finish = resolve));
    const watched = repository.hashWhileWritten(recoveryPointId, 'vda', written, { signal: signal() });
    setTimeout(finish, 500);
    expect(await watched).toEqual(draft.disks[0]?.checksums);
    const list = readFileSync(join(staged.directory, 'disks', 'vda.segments'), 'utf8')
      .split('\n')
      .slice(1, -1);
    const content = readFileSync(staged.diskPath('vda'));
    expect(list).toEqual([0, 1, 2].map((index) => sha256(content.subarray(index * 16 * MIB, (index + 1) * 16 * MIB))));
    await expect(repository.publish(draft, NOW)).resolves.toMatchObject({ recoveryPointId });
  });

  it('may be published again, also when the parent is gone by now', async () => {
    const one = await takeIncremental(repository, full);
    expect(await repository.publish(one.draft, new Date('2030-01-01T00:00:00Z'))).toEqual(one.manifest);
    rmSync(join(path, 'servers', full.serverId, full.recoveryPointId), { recursive: true });
    expect(await repository.publish(one.draft, new Date('2030-01-01T00:00:00Z'))).toEqual(one.manifest);
  });

  describe('are not published', () => {
    type Spoil = (taken: Taken) => Promise<ManifestDraft | void> | ManifestDraft | void;
    const placeOf = ({ serverId, recoveryPointId }: Pick<Taken, 'serverId' | 'recoveryPointId'>): string => join(path, 'servers', serverId, recoveryPointId);
    const firstDisk = (draft: ManifestDraft, change: object): ManifestDraft => ({ ...draft, disks: draft.disks.map((disk) => ({ ...disk, ...change })) });
    /** An image that names something else, hashed as any other. */
    const naming =
      (name: (taken: Taken) => string, format = 'qcow2'): Spoil =>
      (taken) =>
        replaced(taken, ['-u', '-b', name(taken), '-F', format]);
    const replaced = async ({ staged, draft, recoveryPointId }: Taken, options: readonly string[], sizeBytes = VIRTUAL_SIZE_BYTES): Promise<ManifestDraft> => {
      rmSync(staged.diskPath('vda'));
      await run('qemu-img', 'create', '-q', '-f', 'qcow2', ...options, staged.diskPath('vda'), String(sizeBytes));
      const checksums = await repository.hashWhileWritten(recoveryPointId, 'vda', Promise.resolve(), { signal: signal() });
      return firstDisk(draft, { checksums, virtualSizeBytes: sizeBytes });
    };
    const rightName = ({ draft }: Taken): string => `../../${draft.parentId}/disks/vda.qcow2`;

    const refusals: readonly (readonly [what: string, code: string, spoil: Spoil, message: RegExp])[] = [
      ['with an incremental disk and no parent', 'RECOVERY_POINT_CORRUPT', ({ draft }) => ({ ...draft, parentId: null }), /no parent/],
      [
        'with a parent that no disk builds on',
        'RECOVERY_POINT_CORRUPT',
        ({ draft }) => firstDisk(draft, { incremental: false }),
        /no disk builds on the parent/,
      ],
      ['with a parent that is no id', 'PATH_NOT_ALLOWED', ({ draft }) => ({ ...draft, parentId: '../x' }), /not an id/],
      [
        'with a parent that is not there',
        'RECOVERY_POINT_INCOMPLETE',
        ({ draft }) => ({ ...draft, parentId: newId('rp') }),
        /builds on "rp_.*", which is missing/,
      ],
      ['with themselves as their parent', 'RECOVERY_POINT_INCOMPLETE', ({ draft }) => ({ ...draft, parentId: draft.recoveryPointId }), /which is missing/],
      [
        'with a parent that is only staged',
        'RECOVERY_POINT_INCOMPLETE',
        async ({ draft, serverId }) => ({ ...draft, parentId: (await stageOne(repository, images.image, { serverId })).recoveryPointId }),
        /which is missing/,
      ],
      [
        'with a parent of another server',
        'RECOVERY_POINT_INCOMPLETE',
        async ({ draft }) => ({ ...draft, parentId: (await takeOne(repository, images.image)).recoveryPointId }),
        /which is missing/,
      ],
      [
        'with a parent of another lineage',
        'RECOVERY_POINT_CORRUPT',
        ({ draft }) => ({ ...draft, lineageId: 'lin-2' }),
        /its parent rp_.* has the lineage lin-1/,
      ],
      [
        'with a parent that has no such disk',
        'RECOVERY_POINT_CORRUPT',
        async ({ draft, serverId }) => ({ ...draft, parentId: (await takeOne(repository, images.image, { serverId, targets: ['vdc'] })).recoveryPointId }),
        /holds no disk "vda"/,
      ],
      [
        'with another size than the parent',
        'RECOVERY_POINT_CORRUPT',
        (taken) => replaced(taken, ['-u', '-b', rightName(taken), '-F', 'qcow2'], 2 * VIRTUAL_SIZE_BYTES),
        /vda has a virtual size of 67108864 bytes; what builds on it says 134217728/,
      ],
      ['on a parent whose image is missing', 'RECOVERY_POINT_INCOMPLETE', () => rmSync(join(placeOf(full), 'disks', 'vdb.qcow2')), /vdb\.qcow2 is missing/],
      [
        'on a parent whose image is cut short',
        'RECOVERY_POINT_CORRUPT',
        () => truncateSync(join(placeOf(full), 'disks', 'vda.qcow2'), MIB),
        /has 1048576 bytes/,
      ],
      ['on a parent whose manifest is damaged', 'RECOVERY_POINT_CORRUPT', () => flipBit(join(placeOf(full), 'manifest.json'), 200), /manifest\.json differs/],
      ['with an image that stands alone', 'IMAGE_HEADER_REFUSED', (taken) => replaced(taken, []), /names no backing file/],
      ['with an image that names another disk', 'IMAGE_HEADER_REFUSED', naming((taken) => rightName(taken).replace('vda', 'vdb')), /vdb\.qcow2/],
      ['with an image that names another parent', 'IMAGE_HEADER_REFUSED', naming(() => `../../${newId('rp')}/disks/vda.qcow2`), /builds on/],
      ['with an image that names the parent by an absolute path', 'IMAGE_HEADER_REFUSED', naming(() => join(placeOf(full), 'disks', 'vda.qcow2')), /builds on/],
      ['with an image that names the parent by a detour', 'IMAGE_HEADER_REFUSED', naming((taken) => `../disks/${rightName(taken)}`), /builds on/],
      ['with an image that says that the parent is raw', 'IMAGE_HEADER_REFUSED', naming(rightName, 'raw'), /\(raw\)/],
      [
        'with an image that names no file at all',
        'IMAGE_HEADER_REFUSED',
        naming(() => 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/etc/shadow"}}'),
        /not a plain path/,
      ],
      [
        'with an image that was not the one that was hashed',
        'RECOVERY_POINT_CORRUPT',
        ({ draft }) => firstDisk(draft, { checksums: { ...draft.disks[0]?.checksums, sha256: '0'.repeat(64) } }),
        /not the one that was hashed/,
      ],
    ];
    it.each(refusals)('%s', async (_, code, spoil, message) => {
      const taken = await stageIncremental(repository, full);
      const draft = (await spoil(taken)) ?? taken.draft;
      await expect(repository.publish(draft, NOW)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
      expect(existsSync(join(path, 'servers', taken.serverId, taken.recoveryPointId))).toBe(false);
      expect(existsSync(taken.staged.diskPath('vda'))).toBe(true);
    });

    it('with a whole disk that names the parent although it is said to stand alone', async () => {
      const taken = await stageIncremental(repository, full, { changes: { vda: [], vdb: [] } });
      const draft = { ...taken.draft, disks: taken.draft.disks.map((disk) => ({ ...disk, incremental: disk.target === 'vda' })) };
      await expect(repository.publish(draft, NOW)).rejects.toMatchObject({
        code: 'IMAGE_HEADER_REFUSED',
        message: expect.stringContaining('vdb.qcow2') as string,
      });
      expect(existsSync(join(path, 'servers', taken.serverId, taken.recoveryPointId))).toBe(false);
    });
  });
});
