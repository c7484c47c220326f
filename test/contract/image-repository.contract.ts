import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newId } from '../../src/contracts/ids';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { definitionContract } from './image-repository.definition.contract';
import { factsContract } from './image-repository.facts.contract';
import { DEFINITION, flipBit, makeImages, MIB, NOW, NVRAM, run, stageOne, takeOne, verifyAll, VIRTUAL_SIZE_BYTES } from './image-repository.fixtures';

export interface ImageRepositoryUnderTest {
  /** Initialised and empty. */
  readonly repository: ImageRepository;
  readonly dispose: () => Promise<void>;
}

/** What every image repository has to do, whatever stores it. */
export function describeImageRepository(name: string, create: () => Promise<ImageRepositoryUnderTest>): void {
  describe(`image repository: ${name}`, () => {
    let images: Awaited<ReturnType<typeof makeImages>>;
    let underTest: ImageRepositoryUnderTest;
    let repository: ImageRepository;
    const signal = (): AbortSignal => new AbortController().signal;

    beforeAll(async () => {
      images = await makeImages();
    });
    afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
    beforeEach(async () => {
      underTest = await create();
      repository = underTest.repository;
    });
    afterEach(() => underTest.dispose());

    describe('a recovery point', () => {
      it('comes back as it was given: disks, definition, NVRAM, and what the manifest says', async () => {
        const { serverId, recoveryPointId, draft, manifest } = await takeOne(repository, images.image, { targets: ['vda', 'vdb'], nvram: true });
        const opened = await repository.open(serverId, recoveryPointId);
        expect(opened.manifest).toEqual(manifest);
        const { nvramOrigin, disks, ...rest } = draft;
        expect(opened.manifest).toMatchObject({ ...rest, format: 'modosu-image-recovery-point', version: 1, publishedAt: NOW.toISOString() });
        expect(opened.manifest.nvram?.origin).toEqual(nvramOrigin);
        expect(opened.manifest.disks.map(({ target, origin }) => ({ target, origin }))).toEqual(disks.map(({ target, origin }) => ({ target, origin })));
        for (const target of ['vda', 'vdb']) expect(readFileSync(opened.diskPath(target)).equals(readFileSync(images.image))).toBe(true);
        expect(readFileSync(opened.definitionPath, 'utf8')).toBe(DEFINITION);
        expect(readFileSync(opened.nvramPath ?? '').equals(NVRAM)).toBe(true);
        await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      });

      it('has checksums that other programs compute too', async () => {
        const { manifest, serverId, recoveryPointId } = await takeOne(repository, images.image);
        const opened = await repository.open(serverId, recoveryPointId);
        const image = manifest.disks[0]?.image;
        const content = readFileSync(opened.diskPath('vda'));
        const digests: string[] = [];
        for (let at = 0; at < content.length; at += 16 * MIB) {
          digests.push(
            createHash('sha256')
              .update(content.subarray(at, at + 16 * MIB))
              .digest('hex'),
          );
        }
        const list = `modosu-segments 1 size=${content.length} segment=${16 * MIB}\n${digests.join('\n')}\n`;
        expect(digests).toHaveLength(3);
        expect(image).toMatchObject({ sizeBytes: content.length, segmentSizeBytes: 16 * MIB, sha256: createHash('sha256').update(list).digest('hex') });
        expect(manifest.definition).toEqual({
          path: 'domain.xml',
          sizeBytes: DEFINITION.length,
          sha256: createHash('sha256').update(DEFINITION).digest('hex'),
        });
        expect(manifest.nvram).toBeNull();
        expect(opened.nvramPath).toBeNull();
      });

      it('has a manifest checksum that changes with the manifest only', async () => {
        const one = await takeOne(repository, images.image);
        const two = await takeOne(repository, images.image);
        const first = await repository.open(one.serverId, one.recoveryPointId);
        expect(first.manifestSha256).toMatch(/^[0-9a-f]{64}$/);
        expect((await repository.open(one.serverId, one.recoveryPointId)).manifestSha256).toBe(first.manifestSha256);
        expect((await repository.open(two.serverId, two.recoveryPointId)).manifestSha256).not.toBe(first.manifestSha256);
      });

      it('says which disks it holds when it is asked for another', async () => {
        const { serverId, recoveryPointId } = await takeOne(repository, images.image);
        const opened = await repository.open(serverId, recoveryPointId);
        expect(() => opened.diskPath('vdz')).toThrow(expect.objectContaining({ code: 'RECOVERY_POINT_INCOMPLETE', message: expect.stringContaining('vda') }));
      });

      it('is not found where there is none', async () => {
        const { serverId, recoveryPointId } = await takeOne(repository, images.image);
        await expect(repository.open(serverId, newId('rp'))).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
        await expect(repository.open(newId('srv'), recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      });
    });

    describe('publishing', () => {
      it('comes last: nothing is visible before', async () => {
        const { draft, serverId, recoveryPointId } = await stageOne(repository, images.image);
        expect(await repository.list()).toEqual({ manifests: [], unreadable: [] });
        expect((await repository.check()).recoveryPoints).toBe(0);
        await expect(repository.open(serverId, recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
        const manifest = await repository.publish(draft, NOW);
        expect(await repository.list()).toEqual({ manifests: [manifest], unreadable: [] });
        expect((await repository.check()).recoveryPoints).toBe(1);
      });

      it('may be repeated, also after a second attempt has staged something again', async () => {
        const { draft, manifest, serverId, recoveryPointId } = await takeOne(repository, images.image);
        expect(await repository.publish(draft, new Date('2030-01-01T00:00:00Z'))).toEqual(manifest);
        const again = await stageOne(repository, images.image, { serverId, recoveryPointId });
        expect(await repository.publish(again.draft, new Date('2030-01-01T00:00:00Z'))).toEqual(manifest);
        expect(existsSync(again.staged.directory)).toBe(false);
        await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      });

      it('takes several servers and generations side by side', async () => {
        const one = await takeOne(repository, images.image);
        const two = await takeOne(repository, images.image, { serverId: one.serverId });
        const three = await takeOne(repository, images.image);
        const { manifests } = await repository.list();
        expect(manifests.map((manifest) => manifest.recoveryPointId).sort()).toEqual([one, two, three].map((each) => each.recoveryPointId).sort());
      });

      it('leaves out what the manifest does not name', async () => {
        const { draft, staged, serverId, recoveryPointId } = await stageOne(repository, images.image);
        writeFileSync(join(staged.directory, 'disks', 'vdb.qcow2'), 'left by an earlier attempt');
        await repository.publish(draft, NOW);
        const opened = await repository.open(serverId, recoveryPointId);
        expect(existsSync(join(dirname(opened.diskPath('vda')), 'vdb.qcow2'))).toBe(false);
      });

      const refusals: readonly (readonly [what: string, code: string, spoil: (taken: Awaited<ReturnType<typeof stageOne>>) => Promise<void> | void])[] = [
        ['an image that has changed in size since it was hashed', 'RECOVERY_POINT_CORRUPT', ({ staged }) => appendFileSync(staged.diskPath('vda'), 'x')],
        ['an image that is missing', 'RECOVERY_POINT_INCOMPLETE', ({ staged }) => rmSync(staged.diskPath('vda'))],
        ['a definition that is missing', 'RECOVERY_POINT_INCOMPLETE', ({ staged }) => rmSync(staged.definitionPath)],
        ['NVRAM that is missing', 'RECOVERY_POINT_INCOMPLETE', ({ staged }) => rmSync(staged.nvramPath)],
        [
          'an image with a backing file',
          'IMAGE_HEADER_REFUSED',
          async ({ staged }) => {
            // Same size as what was hashed: only the header gives it away.
            const size = statSync(staged.diskPath('vda')).size;
            rmSync(staged.diskPath('vda'));
            await run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', images.image, staged.diskPath('vda'));
            truncateSync(staged.diskPath('vda'), size);
          },
        ],
      ];
      it.each(refusals)('refuses %s', async (_, code, spoil) => {
        const taken = await stageOne(repository, images.image, { nvram: true });
        await spoil(taken);
        await expect(repository.publish(taken.draft, NOW)).rejects.toMatchObject({ code });
        expect(await repository.list()).toEqual({ manifests: [], unreadable: [] });
      });

      it('refuses a draft that contradicts the images or the format', async () => {
        const { draft } = await stageOne(repository, images.image);
        const [disk] = draft.disks;
        if (disk === undefined) throw new Error('no disk staged');
        const wrong = [
          { ...draft, disks: [{ ...disk, virtualSizeBytes: VIRTUAL_SIZE_BYTES + 512 }] },
          { ...draft, disks: [{ ...disk, checksums: { ...disk.checksums, sha256: '0'.repeat(64) } }] },
          { ...draft, disks: [] },
          { ...draft, disks: [disk, disk] },
          { ...draft, generation: 0 },
          { ...draft, pointInTime: 'yesterday' },
        ];
        for (const bad of wrong) await expect(repository.publish(bad, NOW)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
        expect((await repository.list()).manifests).toEqual([]);
        await expect(repository.publish(draft, NOW)).resolves.toMatchObject({ recoveryPointId: draft.recoveryPointId });
      });
    });

    definitionContract(() => ({ repository, image: images.image }));
    factsContract(() => ({ repository, image: images.image }));

    describe('staging', () => {
      it('finds what is already there', async () => {
        const { recoveryPointId, staged } = await stageOne(repository, images.image);
        const again = await repository.stage(recoveryPointId);
        expect(again.directory).toBe(staged.directory);
        expect(readFileSync(again.definitionPath, 'utf8')).toBe(DEFINITION);
        expect(statSync(again.directory).mode & 0o777).toBe(0o711);
        expect(statSync(dirname(again.diskPath('vda'))).mode & 0o777).toBe(0o711);
      });

      it('is discarded as often as one likes, and never what is published', async () => {
        const published = await takeOne(repository, images.image);
        const { recoveryPointId, staged } = await stageOne(repository, images.image);
        await repository.discardStaged(recoveryPointId);
        await repository.discardStaged(recoveryPointId);
        await repository.discardStaged(newId('rp'));
        expect(existsSync(staged.directory)).toBe(false);
        await repository.discardStaged(published.recoveryPointId);
        await expect(verifyAll(repository, published.serverId, published.recoveryPointId)).resolves.toEqual(published.manifest);
      });

      it('that is published is removed for good, as often as one likes; the others stay', async () => {
        const [gone, stays] = [await takeOne(repository, images.image), await takeOne(repository, images.image)];
        const paths = await repository.open(gone.serverId, gone.recoveryPointId);
        await repository.remove(gone.serverId, gone.recoveryPointId);
        await expect(repository.open(gone.serverId, gone.recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
        expect(existsSync(paths.diskPath('vda'))).toBe(false);
        await repository.remove(gone.serverId, gone.recoveryPointId);
        await repository.remove(gone.serverId, newId('rp'));
        await repository.remove(newId('srv'), newId('rp'));
        expect((await repository.check()).recoveryPoints).toBe(1);
        expect((await repository.list()).unreadable).toEqual([]);
        await expect(verifyAll(repository, stays.serverId, stays.recoveryPointId)).resolves.toEqual(stays.manifest);
        // Two at once, and nothing left: then another disk is in its place.
        await Promise.all([1, 2].map(() => repository.remove(stays.serverId, stays.recoveryPointId)));
        await expect(repository.remove(gone.serverId, gone.recoveryPointId)).rejects.toMatchObject({ code: 'REPOSITORY_UNREACHABLE' });
      });

      it.each(['', '..', '../x', '/etc', 'rp_', 'rp_../../../../../../../etc/x', `run_${'0'.repeat(26)}`, `rp_${'0'.repeat(26)}\n`, '-rf', '復元点'])(
        'refuses %j as an id',
        async (id) => {
          await expect(repository.stage(id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
          await expect(repository.discardStaged(id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
          await expect(repository.remove(newId('srv'), id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
          await expect(repository.remove(id, newId('rp'))).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
          await expect(repository.open(newId('srv'), id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
          await expect(repository.open(id, newId('rp'))).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
        },
      );

      it.each(['', '..', '../vda', 'vda/../..', 'vd a', '-vda', 'VDA', 'vda\n', 'ディスク', 'v', 'averylongname'])('refuses %j as a disk', async (target) => {
        const id = newId('rp');
        const staged = await repository.stage(id);
        expect(() => staged.diskPath(target)).toThrow(expect.objectContaining({ code: 'PATH_NOT_ALLOWED' }));
        await expect(repository.hashWhileWritten(id, target, Promise.resolve(), { signal: signal() })).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      });
    });

    describe('hashing while an image is written', () => {
      it("passes the writer's own error on", async () => {
        const id = newId('rp');
        await repository.stage(id);
        const plain = new Error('the copy failed');
        await expect(repository.hashWhileWritten(id, 'vda', Promise.reject(plain), { signal: signal() })).rejects.toBe(plain);
        const system = Object.assign(new Error('no space'), { code: 'ENOSPC' });
        await expect(repository.hashWhileWritten(id, 'vda', Promise.reject(system), { signal: signal() })).rejects.toBe(system);
      });

      it('ends with the reason of the abort', async () => {
        const id = newId('rp');
        await repository.stage(id);
        const abort = new AbortController();
        const result = repository.hashWhileWritten(id, 'vda', new Promise(() => undefined), { signal: abort.signal });
        abort.abort(new Error('cancelled by a person'));
        await expect(result).rejects.toThrow('cancelled by a person');
      });

      it('hashes two disks at once and reports how far it is', async () => {
        const id = newId('rp');
        const staged = await repository.stage(id);
        const progress: number[] = [];
        for (const target of ['vda', 'vdb']) writeFileSync(staged.diskPath(target), readFileSync(images.image));
        const [one, two] = await Promise.all(
          ['vda', 'vdb'].map((target) =>
            repository.hashWhileWritten(id, target, Promise.resolve(), { signal: signal(), onProgress: ({ doneBytes }) => progress.push(doneBytes) }),
          ),
        );
        expect(one).toEqual(two);
        expect(one?.sizeBytes).toBe(statSync(images.image).size);
        expect(progress.filter((bytes) => bytes === one?.sizeBytes)).toHaveLength(2);
      });

      it('says so when the finished image is missing', async () => {
        const id = newId('rp');
        await repository.stage(id);
        await expect(repository.hashWhileWritten(id, 'vda', Promise.resolve(), { signal: signal() })).rejects.toMatchObject({
          code: 'RECOVERY_POINT_INCOMPLETE',
        });
      });
    });

    describe('damage', () => {
      type Opened = Awaited<ReturnType<ImageRepository['open']>>;
      const besides = (opened: Opened, name: string): string => join(dirname(opened.definitionPath), name);
      const cases: readonly (readonly [what: string, code: string, harm: (opened: Opened) => void, message: RegExp])[] = [
        [
          'a bit flipped in the first segment of an image',
          'RECOVERY_POINT_CORRUPT',
          (opened) => flipBit(opened.diskPath('vda'), 5 * MIB),
          /vda\.qcow2.*segment 0 /,
        ],
        [
          'a bit flipped in the second segment',
          'RECOVERY_POINT_CORRUPT',
          (opened) => flipBit(opened.diskPath('vda'), 16 * MIB),
          /vda\.qcow2.*segment 1 \(bytes 16777216 to 33554431\)/,
        ],
        [
          'the last bit flipped',
          'RECOVERY_POINT_CORRUPT',
          (opened) => flipBit(opened.diskPath('vda'), statSync(opened.diskPath('vda')).size - 1),
          /vda\.qcow2.*segment 2 /,
        ],
        [
          'a truncated image',
          'RECOVERY_POINT_CORRUPT',
          (opened) => truncateSync(opened.diskPath('vda'), 30 * MIB),
          /vda\.qcow2 has 31457280 bytes; the manifest says/,
        ],
        [
          'an image that has grown',
          'RECOVERY_POINT_CORRUPT',
          (opened) => appendFileSync(opened.diskPath('vda'), 'x'),
          /vda\.qcow2 has \d+ bytes; the manifest says/,
        ],
        ['a missing image', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(opened.diskPath('vda')), /vda\.qcow2 is missing/],
        ['a bit flipped in a segment list', 'RECOVERY_POINT_CORRUPT', (opened) => flipBit(besides(opened, 'disks/vda.segments'), 100), /vda\.segments differs/],
        ['a missing segment list', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(besides(opened, 'disks/vda.segments')), /vda\.segments is missing/],
        ['a bit flipped in the definition', 'RECOVERY_POINT_CORRUPT', (opened) => flipBit(opened.definitionPath, 3), /domain\.xml differs/],
        ['a truncated definition', 'RECOVERY_POINT_CORRUPT', (opened) => truncateSync(opened.definitionPath, 3), /domain\.xml has 3 bytes/],
        ['a missing definition', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(opened.definitionPath), /domain\.xml is missing/],
        ['a bit flipped in the NVRAM', 'RECOVERY_POINT_CORRUPT', (opened) => flipBit(opened.nvramPath ?? '', 9), /nvram\.fd differs/],
        ['missing NVRAM', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(opened.nvramPath ?? ''), /nvram\.fd is missing/],
        ['a bit flipped in the manifest', 'RECOVERY_POINT_CORRUPT', (opened) => flipBit(besides(opened, 'manifest.json'), 200), /manifest\.json differs/],
        ['a missing manifest', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(besides(opened, 'manifest.json')), /manifest\.json is missing/],
        ['missing disks', 'RECOVERY_POINT_INCOMPLETE', (opened) => rmSync(besides(opened, 'disks'), { recursive: true }), /disks is missing/],
      ];
      it.each(cases)('%s is found', async (_, code, harm, message) => {
        const { serverId, recoveryPointId } = await takeOne(repository, images.image, { nvram: true });
        const opened = await repository.open(serverId, recoveryPointId);
        harm(opened);
        await expect(verifyAll(repository, serverId, recoveryPointId)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
      });

      it.each(cases.slice(3, 6).concat(cases.slice(10, 11)))('%s is found without reading the images', async (_, code, harm) => {
        const { serverId, recoveryPointId } = await takeOne(repository, images.image, { nvram: true });
        harm(await repository.open(serverId, recoveryPointId));
        await expect(repository.open(serverId, recoveryPointId)).rejects.toMatchObject({ code });
      });

      it('of one recovery point does not hide the others', async () => {
        const bad = await takeOne(repository, images.image);
        const good = await takeOne(repository, images.image);
        flipBit(besides(await repository.open(bad.serverId, bad.recoveryPointId), 'manifest.json'), 200);
        const { manifests, unreadable } = await repository.list();
        expect(manifests).toEqual([good.manifest]);
        expect(unreadable).toEqual([{ path: expect.stringContaining(bad.recoveryPointId), problem: expect.stringContaining('differs from its checksum') }]);
      });
    });

    describe('verifying an image', () => {
      it('reports how far it is and ends at once with the reason of an abort', async () => {
        const { serverId, recoveryPointId, manifest } = await takeOne(repository, images.image);
        const image = manifest.disks[0]?.image;
        if (image === undefined) throw new Error('no image');
        const seen: number[] = [];
        await repository.verifyImage(serverId, recoveryPointId, image, { signal: signal(), onProgress: ({ doneBytes }) => seen.push(doneBytes) });
        // One report for each segment. They are hashed side by side, and the short one at the end may be done before its neighbour.
        const steps = seen.map((doneBytes, index) => doneBytes - (seen[index - 1] ?? 0));
        expect(steps.sort((a, b) => b - a)).toEqual([16 * MIB, 16 * MIB, image.sizeBytes - 32 * MIB]);

        const abort = new AbortController();
        const reason = new Error('cancelled by a person');
        const result = repository.verifyImage(serverId, recoveryPointId, image, { signal: abort.signal, onProgress: () => abort.abort(reason) });
        await expect(result).rejects.toBe(reason);
        await expect(repository.verifyImage(serverId, recoveryPointId, image, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      });

      it('refuses an image that the manifest does not name, or names otherwise', async () => {
        const { serverId, recoveryPointId, manifest } = await takeOne(repository, images.image);
        const image = manifest.disks[0]?.image;
        if (image === undefined) throw new Error('no image');
        for (const other of [
          { ...image, path: '../../../../etc/passwd' },
          { ...image, sha256: '0'.repeat(64) },
          { ...image, sizeBytes: 1 },
        ]) {
          await expect(repository.verifyImage(serverId, recoveryPointId, other, { signal: signal() })).rejects.toMatchObject({
            code: 'RECOVERY_POINT_CORRUPT',
          });
        }
      });
    });

    describe('space', () => {
      it('is refused with numbers when there is too little', async () => {
        const { freeBytes } = await repository.check();
        expect(freeBytes).toBeGreaterThan(0);
        await expect(repository.requireSpace(1)).resolves.toBeUndefined();
        await expect(repository.requireSpace(freeBytes * 2)).rejects.toMatchObject({
          code: 'NOT_ENOUGH_SPACE',
          message: expect.stringMatching(/\d (MiB|GiB|TiB) free .* \d.* needed/),
          context: { neededBytes: freeBytes * 2 + 64 * MIB, freeBytes: expect.any(Number) },
        });
      });
    });
  });
}
