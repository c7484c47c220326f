import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenerationChanges } from '../../src/contracts/change';
import type { ServerFacts } from '../../src/contracts/facts';
import { newId } from '../../src/contracts/ids';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { withinRoom } from '../../src/domain/relations/captured';
import { notReadValue, readValue, sideOf } from '../support/made-up-relations';
import { serverFacts } from '../support/server-facts';
import {
  DEFINITION,
  flipBit,
  forge,
  MIB,
  NOW,
  run,
  sha256,
  stageIncremental,
  stageOne,
  takeOne,
  verifyAll,
  type StageOptions,
} from './image-repository.fixtures';

export const CHANGES: GenerationChanges = {
  contained: [{ id: newId('chg'), title: 'LDAP-Client "sssd" で認証', ticket: 'OPS-12', completedAt: '2026-02-01T00:00:00.000Z' }],
  partly: [{ id: newId('chg'), title: 'Upgrade the kernel', ticket: null, completedAt: null }],
  more: 3,
};

export const FACTS = serverFacts(
  { packages: [{ key: 'nginx:amd64', value: '1.22.1-9' }], users: [{ key: 'renée', value: '1000, 1000, /home/renée, /bin/bash' }] },
  {
    sections: {
      ports: { kind: 'ports', state: 'failed', error: { code: 'GUEST_PROGRAM_MISSING', message: 'ss is not in the guest', hint: 'Install iproute2.' } },
      files: { kind: 'files', state: 'collected', entries: [{ key: '/etc/ssh/sshd_config', value: 'a'.repeat(64) }], truncated: true },
    },
  },
);

/** Takes a recovery point as a backup does that asks the guest: `facts` null where nobody could. */
export async function takeWithFacts(
  repository: ImageRepository,
  image: string,
  facts: ServerFacts | null = FACTS,
  options: StageOptions = {},
): Promise<{ readonly serverId: string; readonly recoveryPointId: string; readonly manifest: ImageManifest; readonly directory: string }> {
  const { draft, serverId, recoveryPointId } = await stageOne(repository, image, options);
  if (facts !== null) await repository.stageFacts(recoveryPointId, facts);
  const manifest = await repository.publish({ ...draft, changes: CHANGES }, NOW);
  return { serverId, recoveryPointId, manifest, directory: (await repository.open(serverId, recoveryPointId)).directory };
}

/** Facts lie beside an image, and nothing of a restore depends on them. */
export function factsContract(subject: () => { readonly repository: ImageRepository; readonly image: string }): void {
  describe('facts of the server', () => {
    it('are published with the recovery point, named in its manifest and its checksums, and come back as they were given', async () => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, manifest, directory } = await takeWithFacts(repository, image);
      const bytes = readFileSync(join(directory, 'facts.json'));
      expect(manifest).toMatchObject({ version: 5, changes: CHANGES, facts: { path: 'facts.json', sizeBytes: bytes.length, sha256: sha256(bytes) } });
      expect(readFileSync(join(directory, 'SHA256SUMS'), 'utf8')).toContain(`${sha256(bytes)}  facts.json\n`);
      expect(await run('sh', '-c', `cd '${directory}' && sha256sum --quiet --strict -c SHA256SUMS`)).toBe('');
      expect(statSync(join(directory, 'facts.json')).mode & 0o777).toBe(0o600);
      await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toEqual(FACTS);
    });

    it('are those of the last collection, also where an attempt before it has left some', async () => {
      const { repository, image } = subject();
      const { draft, serverId, recoveryPointId } = await stageOne(repository, image);
      await repository.stageFacts(recoveryPointId, serverFacts({ packages: Array.from({ length: 500 }, (_, at) => ({ key: `p${at}`, value: '1' })) }));
      await repository.stageFacts(recoveryPointId, FACTS);
      await repository.publish({ ...draft, changes: CHANGES }, NOW);
      await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toEqual(FACTS);
    });

    it('that nobody could collect are none, and the changes are there all the same', async () => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, manifest, directory } = await takeWithFacts(repository, image, null);
      expect(manifest).toMatchObject({ version: 5, facts: null, changes: CHANGES });
      expect(readFileSync(join(directory, 'SHA256SUMS'), 'utf8')).not.toContain('facts');
      await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toBeNull();
    });

    it('make the manifest of an incremental one of version 6, whether it is of a set or not', async () => {
      const { repository, image } = subject();
      const parent = await takeWithFacts(repository, image);
      for (const setId of [undefined, newId('set')]) {
        const { draft, serverId, recoveryPointId } = await stageIncremental(repository, parent);
        await repository.stageFacts(recoveryPointId, FACTS);
        const manifest = await repository.publish({ ...draft, changes: CHANGES, ...(setId === undefined ? {} : { setId }) }, NOW);
        expect([manifest.version, manifest.setId]).toEqual([6, setId]);
        await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toEqual(FACTS);
        await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      }
    });

    it('have the markers of its relations beside them in the manifest, as many as there is room for, and these come back as they were given', async () => {
      const { repository, image } = subject();
      const wide = (peer: string) => sideOf({ position: readValue('語'.repeat(5_000), '\u001b[2J "raw" \n'), words: notReadValue() }, { peer });
      const markers = withinRoom(Array.from({ length: 200 }, (_, index) => wide(`db${index}`)));
      const { draft, serverId, recoveryPointId } = await stageOne(repository, image);
      const manifest = await repository.publish({ ...draft, changes: CHANGES, markers }, NOW);
      expect(manifest).toMatchObject({ version: 5, markers });
      const opened = await repository.open(serverId, recoveryPointId);
      expect(opened.manifest.markers).toEqual(markers);
      await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      const bare = await takeWithFacts(repository, image);
      expect('markers' in bare.manifest).toBe(false);
    });

    it('are in no recovery point of which nobody knows the changes: it has the version that earlier programs read', async () => {
      const { repository, image } = subject();
      const versions: (readonly [number, boolean])[] = [];
      const full = await takeOne(repository, image);
      for (const setId of [undefined, newId('set')]) {
        const ofSet = setId === undefined ? {} : { setId };
        const one = await stageOne(repository, image);
        const builds = await stageIncremental(repository, full);
        for (const { draft, recoveryPointId, serverId } of [one, builds]) {
          await repository.stageFacts(recoveryPointId, FACTS);
          const manifest = await repository.publish({ ...draft, ...ofSet }, NOW);
          versions.push([manifest.version, 'facts' in manifest || 'changes' in manifest]);
          await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toBeNull();
        }
      }
      expect(versions).toEqual([1, 2, 3, 4].map((version) => [version, false]));
    });

    it.each<[string, (path: string) => void]>([
      ['missing', (path) => rmSync(path)],
      ['truncated', (path) => truncateSync(path, 100)],
      ['empty', (path) => truncateSync(path, 0)],
      ['changed by a bit', (path) => flipBit(path, 200)],
      ['as large as 100 MiB', (path) => truncateSync(path, 100 * MIB)],
      ['no JSON', (path) => writeFileSync(path, 'not JSON')],
      ['a symbolic link', (path) => (rmSync(path), symlinkSync('/etc/hostname', path))],
      ['a link to itself', (path) => (rmSync(path), symlinkSync('facts.json', path))],
      ['a directory', (path) => (rmSync(path), mkdirSync(path))],
    ])('that are %s are none, and the recovery point is as whole as before', async (_what, harm) => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, manifest, directory } = await takeWithFacts(repository, image, FACTS, { nvram: true });
      harm(join(directory, 'facts.json'));
      await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toBeNull();
      await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toEqual(manifest);
      const opened = await repository.open(serverId, recoveryPointId);
      expect(readFileSync(opened.definitionPath, 'utf8')).toBe(DEFINITION);
      expect(readFileSync(opened.diskPath('vda')).equals(readFileSync(image))).toBe(true);
      expect(await repository.list()).toEqual({ manifests: [manifest], unreadable: [] });
      // Others build on it as before.
      await expect(repository.publish((await stageIncremental(repository, { serverId, recoveryPointId })).draft, NOW)).resolves.toMatchObject({ version: 2 });
    });

    const said = (changes: object): string => JSON.stringify({ ...FACTS, ...changes });
    const section = (changes: object): string => said({ sections: [{ kind: 'os', state: 'collected', entries: [], truncated: false, ...changes }] });
    it.each<[string, string | Buffer]>([
      ['are no JSON', 'not JSON'],
      ['are no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
      ['are of a later version', said({ version: 2 })],
      ['have a NUL in a key, which PostgreSQL refuses', section({ entries: [{ key: 'a\u0000', value: '' }] })],
      ['have a terminal escape in a value', section({ entries: [{ key: 'a', value: '\u001b[2J' }] })],
    ])('that somebody has put there with fitting checksums, and that %s, are none', async (_what, text) => {
      const { repository, image } = subject();
      const { serverId, recoveryPointId, manifest, directory } = await takeWithFacts(repository, image);
      writeFileSync(join(directory, 'facts.json'), text);
      const facts = { path: 'facts.json', sizeBytes: Buffer.byteLength(text), sha256: sha256(text) };
      forge(directory, `${JSON.stringify({ ...manifest, facts }, null, 2)}\n`);
      await expect(repository.readFacts(serverId, recoveryPointId)).resolves.toBeNull();
      await expect(verifyAll(repository, serverId, recoveryPointId)).resolves.toMatchObject({ recoveryPointId });
    });

    it('go with what is discarded, and are asked of nothing that is not there', async () => {
      const { repository, image } = subject();
      const { draft, serverId, recoveryPointId } = await stageOne(repository, image);
      await repository.stageFacts(recoveryPointId, FACTS);
      await expect(repository.readFacts(serverId, recoveryPointId)).rejects.toMatchObject({ code: 'RECOVERY_POINT_NOT_FOUND' });
      await repository.discardStaged(recoveryPointId);
      const again = await stageOne(repository, image, { serverId, recoveryPointId });
      await expect(repository.publish({ ...again.draft, changes: CHANGES, runId: draft.runId }, NOW)).resolves.toMatchObject({ facts: null });
      for (const id of ['', '../x', '/etc']) {
        await expect(repository.stageFacts(id, FACTS)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
        await expect(repository.readFacts(serverId, id)).rejects.toMatchObject({ code: 'PATH_NOT_ALLOWED' });
      }
    });
  });
}
