import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { newId } from '../../src/contracts/ids';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { DEFINITION, flipBit, forge, MIB, NOW, sha256, stageOne, takeIncremental, takeOne } from './image-repository.fixtures';

/** The definition of a recovery point, read by itself: for people who look at a generation. */
export function definitionContract(subject: () => { readonly repository: ImageRepository; readonly image: string }): void {
  describe('the definition', () => {
    it('is read as it was published, also of one that builds on another, and whatever has happened to the images', async () => {
      const { repository, image } = subject();
      const full = await takeOne(repository, image);
      const builds = await takeIncremental(repository, full);
      const { diskPath } = await repository.open(full.serverId, full.recoveryPointId);
      rmSync(diskPath('vda'));
      for (const { serverId, recoveryPointId } of [full, builds]) await expect(repository.readDefinition(serverId, recoveryPointId)).resolves.toBe(DEFINITION);
    });

    it.each<[string, string, (path: string) => void]>([
      ['missing', 'RECOVERY_POINT_INCOMPLETE', (path) => rmSync(path)],
      ['truncated', 'RECOVERY_POINT_CORRUPT', (path) => truncateSync(path, 10)],
      ['empty', 'RECOVERY_POINT_CORRUPT', (path) => truncateSync(path, 0)],
      ['changed by a bit', 'RECOVERY_POINT_CORRUPT', (path) => flipBit(path, 20)],
      ['as large as 100 MiB', 'RECOVERY_POINT_CORRUPT', (path) => truncateSync(path, 100 * MIB)],
      ['a symbolic link', 'RECOVERY_POINT_CORRUPT', (path) => (rmSync(path), symlinkSync('/etc/hostname', path))],
      ['a directory', 'RECOVERY_POINT_CORRUPT', (path) => (rmSync(path), mkdirSync(path))],
    ])('that is %s is not read: %s', async (_what, code, harm) => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId } = await takeOne(repository, image);
      const { definitionPath } = await repository.open(serverId, recoveryPointId);
      harm(definitionPath);
      await expect(repository.readDefinition(serverId, recoveryPointId)).rejects.toMatchObject({ code });
    });

    it('that somebody has put there with a fitting checksum is not read either when it is larger than any is', async () => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, manifest } = await takeOne(repository, image);
      const { directory, definitionPath } = await repository.open(serverId, recoveryPointId);
      const text = ' '.repeat(4 * MIB + 1);
      writeFileSync(definitionPath, text);
      const definition = { path: 'domain.xml', sizeBytes: text.length, sha256: sha256(text) };
      forge(directory, `${JSON.stringify({ ...manifest, definition }, null, 2)}\n`);
      await expect(repository.readDefinition(serverId, recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_CORRUPT' });
    });

    it('is asked of nothing that is not published', async () => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, draft } = await stageOne(repository, image);
      await expect(repository.readDefinition(serverId, recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      await repository.publish(draft, NOW);
      await expect(repository.readDefinition(newId('srv'), recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      for (const id of ['', '../x', '/etc']) {
        await expect(repository.readDefinition(serverId, id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      }
      await repository.remove(serverId, recoveryPointId);
      await expect(repository.readDefinition(serverId, recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
    });
  });
}
