import { newId } from '../../src/contracts/ids';
import type { CatalogUnderTest } from './catalog.contract';
import { dataManifest } from './catalog.data.contract';
import { ESTATE, givenServer, manifestOf } from './catalog.fixtures';

const MINUTE = 60_000;
const MAIN = { kind: 'image', name: 'main' } as const;
const VAULT = { kind: 'offsite', name: 'vault' } as const;

export function copiesContract(subject: () => CatalogUnderTest): void {
  describe('copies of the catalogue', () => {
    const everyMs = 5 * MINUTE;

    it('are due where something has happened that is in none, and not again before their time', async () => {
      const { catalog, advance } = subject();
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toBeNull();
      await givenServer(catalog);
      const [state] = await catalog.catalogCopies();
      expect(state).toEqual({ ...MAIN, copiedAt: null, auditSeq: null, behindSince: expect.any(String) as string, problem: null });
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toEqual(MAIN);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toBeNull();
      const { items } = await catalog.listAudit({}, { limit: 500, cursor: null });
      const auditSeq = items.at(-1)?.seq ?? 0;
      await catalog.recordCatalogCopy(MAIN, { auditSeq, copiedAt: new Date('2026-03-01T00:00:01Z') });
      await expect(catalog.catalogCopies()).resolves.toEqual([{ ...MAIN, copiedAt: '2026-03-01T00:00:01.000Z', auditSeq, behindSince: null, problem: null }]);
      advance(everyMs);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toBeNull();
      await catalog.audit({ actor: 'alice', action: 'test.happened' });
      expect((await catalog.catalogCopies())[0]?.behindSince).not.toBeNull();
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toMatchObject({ name: 'main' });
      // Neither the turn nor what came of it is something that happened.
      expect((await catalog.listAudit({}, { limit: 500, cursor: null })).items).toHaveLength(items.length + 1);
    });

    it('are made once a day although nothing happens', async () => {
      const { catalog, advance } = subject();
      await givenServer(catalog);
      await catalog.takeCatalogCopyTurn(everyMs, [MAIN]);
      await catalog.recordCatalogCopy(MAIN, { auditSeq: 1_000, copiedAt: new Date('2026-03-01T00:00:00Z') });
      advance(23 * 60 * MINUTE);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toBeNull();
      advance(60 * MINUTE);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toMatchObject({ name: 'main' });
    });

    it('that fail are told with their code, tried again, and keep what is known of the last one', async () => {
      const { catalog, advance } = subject();
      await givenServer(catalog);
      await catalog.takeCatalogCopyTurn(everyMs, [MAIN]);
      await catalog.recordCatalogCopy(MAIN, { auditSeq: 1_000, copiedAt: new Date('2026-03-01T00:00:00Z') });
      advance(25 * 60 * MINUTE);
      await catalog.takeCatalogCopyTurn(everyMs, [MAIN]);
      await catalog.recordCatalogCopy(MAIN, { problem: { code: 'RECOVERY_KEY_WRONG', message: 'another key' } });
      await expect(catalog.catalogCopies()).resolves.toMatchObject([
        { copiedAt: '2026-03-01T00:00:00.000Z', auditSeq: 1_000, problem: { code: 'RECOVERY_KEY_WRONG', message: 'another key' } },
      ]);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toBeNull();
      advance(everyMs);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN])).resolves.toMatchObject({ name: 'main' });
    });

    it('are made by whoever reaches the repository', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      await expect(
        catalog.takeCatalogCopyTurn(everyMs, [
          { kind: 'image', name: 'other' },
          { kind: 'offsite', name: 'main' },
        ]),
      ).resolves.toBeNull();
      await expect(catalog.takeCatalogCopyTurn(everyMs, [{ kind: 'image', name: 'other' }, MAIN])).resolves.toMatchObject({ name: 'main' });
    });

    it('beside an off-site repository have a turn of their own', async () => {
      const { catalog, advance } = subject();
      await givenServer(catalog);
      const offsite = [{ name: 'vault', location: '/mnt/vault', media: 'fixed' as const }];
      await catalog.applyEstate('alice', { ...ESTATE, servers: [], offsite }, []);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN, VAULT])).resolves.toEqual(MAIN);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN, VAULT])).resolves.toEqual(VAULT);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [MAIN, VAULT])).resolves.toBeNull();
      await catalog.recordCatalogCopy(VAULT, { auditSeq: 1_000, copiedAt: new Date('2026-03-01T00:00:00Z') });
      await catalog.recordCatalogCopy(MAIN, { problem: { code: 'RECOVERY_KEY_WRONG', message: 'another key' } });
      await expect(catalog.catalogCopies()).resolves.toMatchObject([
        { ...MAIN, copiedAt: null, problem: { code: 'RECOVERY_KEY_WRONG' } },
        { ...VAULT, copiedAt: '2026-03-01T00:00:00.000Z', auditSeq: 1_000, problem: null },
      ]);
      advance(everyMs);
      await expect(catalog.takeCatalogCopyTurn(everyMs, [VAULT])).resolves.toBeNull();
    });

    it('are taken by one of those that ask at once', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const turns = await Promise.all(Array.from({ length: 5 }, () => catalog.takeCatalogCopyTurn(everyMs, [MAIN])));
      expect(turns.filter((turn) => turn !== null)).toHaveLength(1);
    });
  });

  describe('what is found in repositories', () => {
    const found = {
      id: newId('srv'),
      name: 'lost01',
      uuid: '33333333-3333-4333-8333-333333333333',
      hypervisor: 'hv1',
      repository: 'main',
      lineageId: 'line-1',
    };

    it('a server that only its images tell of is made under its own id, once, without a policy', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      await expect(catalog.adoptServer('alice', found)).resolves.toBe('added');
      await expect(catalog.adoptServer('alice', found)).resolves.toBe('known');
      await expect(catalog.getServer('lost01')).resolves.toMatchObject({ ...found, domainName: 'lost01', policy: null });
      const { items } = await catalog.listAudit({}, { limit: 500, cursor: null });
      expect(items.filter(({ action }) => action === 'server.adopted')).toMatchObject([{ actor: 'alice', serverId: found.id }]);
    });

    it('a known server goes on with the line of its newest image', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await expect(catalog.adoptServer('alice', { ...server, lineageId: 'line-2' })).resolves.toBe('known');
      await expect(catalog.getServer(server.id)).resolves.toEqual({ ...server, lineageId: 'line-2' });
    });

    it('a name, or a UUID on its hypervisor, that another server has is a conflict', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await expect(catalog.adoptServer('alice', { ...found, name: server.name })).rejects.toMatchObject({ code: 'ESTATE_CONFLICT' });
      await expect(catalog.adoptServer('alice', { ...found, uuid: server.uuid })).rejects.toMatchObject({ code: 'ESTATE_CONFLICT' });
      await expect(catalog.adoptServer('alice', { ...found, hypervisor: 'other' })).rejects.toMatchObject({ code: 'HYPERVISOR_NOT_CONFIGURED' });
      await expect(catalog.adoptServer('alice', { ...found, repository: 'other' })).rejects.toMatchObject({ code: 'REPOSITORY_NOT_CONFIGURED' });
    });

    it('recovery points that lie elsewhere are not usable from the first moment on, whatever they build on', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const full = manifestOf(server, 1);
      const child = manifestOf(server, 2, { parentId: full.recoveryPointId });
      const data = dataManifest(server, 3);
      const damaged = { state: 'damaged' };
      for (const manifest of [full, child]) {
        await expect(catalog.adoptRecoveryPoint('alice', manifest, 'main', 'a'.repeat(64), 'it lies in the vault')).resolves.toMatchObject(damaged);
      }
      await expect(catalog.adoptDataRecoveryPoint('alice', data, 'it lies in the vault')).resolves.toMatchObject(damaged);
      // Found again, the one it builds on makes only itself usable.
      await catalog.markRecoveryPoint(full.recoveryPointId, 'usable', 'it was found');
      await expect(catalog.getRecoveryPoint(full.recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
      await expect(catalog.getRecoveryPoint(child.recoveryPointId)).resolves.toMatchObject(damaged);
    });

    it('recovery points are recorded as adopted, by whoever has found them, in any order', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const full = manifestOf(server, 1);
      const child = manifestOf(server, 2, { parentId: full.recoveryPointId });
      await catalog.adoptRecoveryPoint('alice', full, 'main', 'a'.repeat(64));
      await catalog.adoptRecoveryPoint('alice', child, 'main', 'b'.repeat(64));
      await catalog.adoptRecoveryPoint('alice', child, 'main', 'b'.repeat(64));
      const data = dataManifest(server, 3);
      await catalog.adoptDataRecoveryPoint('alice', data);
      await expect(catalog.getRecoveryPoint(child.recoveryPointId)).resolves.toMatchObject({ state: 'usable', parentId: full.recoveryPointId });
      await expect(catalog.getRecoveryPoint(data.recoveryPointId)).resolves.toMatchObject({ state: 'usable', kind: 'data' });
      await expect(catalog.nextGeneration(server.id)).resolves.toBe(3);
      const { items } = await catalog.listAudit({}, { limit: 500, cursor: null });
      expect(items.filter(({ action }) => action === 'recovery-point.adopted').map(({ actor }) => actor)).toEqual(['alice', 'alice', 'alice']);
    });
  });
}
