import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { ServerFacts } from '../../src/contracts/facts';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import { serverFacts } from '../support/server-facts';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, codeOf, finishedRestore, finishedUndo, givenServer, manifestOf, readAll, refusal } from './catalog.fixtures';
import { given, retire, watch } from './catalog.retention.contract';

const page = { limit: 50, cursor: null };
const NGINX = serverFacts({ packages: [{ key: 'nginx:amd64', value: '1.22' }] });
const DAY = 86_400_000;

const CHANGES: NonNullable<ImageManifest['changes']> = {
  contained: [{ id: 'chg_01aaaaaaaaaaaaaaaaaaaaaaaa', title: 'Install nginx', ticket: 'OPS-1', completedAt: '2026-01-01T00:00:00.000Z' }],
  partly: [{ id: 'chg_01aaaaaaaaaaaaaaaaaaaaaaab', title: 'Upgrade the kernel', ticket: null, completedAt: null }],
  more: 2,
};

/** As a backup publishes it now. */
const newManifest = (server: ServerRecord, generation: number, changes: Partial<ImageManifest> = {}): ImageManifest =>
  manifestOf(server, generation, { version: 5, changes: CHANGES, ...changes });

async function imaged(catalog: Catalog, server: ServerRecord, facts: ServerFacts | null = null): Promise<ImageManifest> {
  const manifest = newManifest(await catalog.getServer(server.id), await catalog.nextGeneration(server.id));
  await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64), facts);
  return manifest;
}

/** Images of a server by their number, and what each says of it. The clock begins at 2026-03-01. */
export function generationContract(subject: () => CatalogUnderTest): void {
  describe('generations', () => {
    it('are listed by their number, the newest first, page by page, in whatever order they were recorded', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web = await catalog.getServer('web01');
      for (const generation of [3, 1, 12, 2, 11]) await catalog.recordRecoveryPoint(newManifest(server, generation), 'main');
      await catalog.recordRecoveryPoint(newManifest(web, 7), 'main');
      const numbers = (await readAll((cursor) => catalog.listGenerations(server.id, { limit: 2, cursor }))).map(({ generation }) => generation);
      expect(numbers).toEqual([12, 11, 3, 2, 1]);
      expect(await catalog.listGenerations(server.id, { limit: 5, cursor: null })).toMatchObject({ nextCursor: null });
      expect((await catalog.listGenerations(web.id, page)).items).toMatchObject([{ generation: 7, serverName: 'web01' }]);
    });

    it('say what is known of them, and of what nobody knows why', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const first = manifestOf(server, 1);
      await catalog.recordRecoveryPoint(first, 'main');
      await imaged(catalog, server);
      const third = await imaged(catalog, server, NGINX);
      const { items } = await catalog.listGenerations(server.id, page);
      expect(items).toEqual([
        {
          generation: 3,
          recoveryPointId: third.recoveryPointId,
          serverId: server.id,
          serverName: 'db01',
          state: 'usable',
          pointInTime: third.pointInTime,
          consistency: 'offline',
          reason: third.reason,
          isOnPresentLine: true,
          changes: CHANGES,
          facts: { state: 'collected', collectedAt: NGINX.collectedAt, family: 'debian', entries: 1, failed: [], truncated: [] },
          credentials: [],
        },
        expect.objectContaining({ generation: 2, changes: CHANGES, facts: { state: 'missing', why: expect.stringContaining('agent') as string } }),
        expect.objectContaining({
          generation: 1,
          changes: null,
          facts: { state: 'missing', why: expect.stringContaining('earlier version') as string },
        }),
      ]);
      expect(await catalog.getGeneration(server.id, 3)).toEqual({ ...items[0], sections: NGINX.sections });
      expect(await catalog.getGeneration(server.id, 1)).toEqual({ ...items[2], sections: null });
    });

    it('remember which versions of credentials were valid, as their manifests say', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const credentials: NonNullable<ImageManifest['credentials']> = [
        { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-01-31T08:00:00.000Z', problem: null },
        { account: 'backup', store: 'vault', path: 'servers/db01', version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' },
      ];
      const { id } = await catalog.recordRecoveryPoint(newManifest(server, 1, { credentials }), 'main');
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({ kind: 'image', credentials });
      expect((await catalog.listGenerations(server.id, page)).items).toMatchObject([{ credentials }]);
      expect(await catalog.getGeneration(server.id, 1)).toMatchObject({ credentials });
    });

    it('of the line that a restore has left say so, and come back to it with its undo', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await imaged(catalog, server);
      const present = async () =>
        (await catalog.listGenerations(server.id, page)).items.map(({ generation, isOnPresentLine }) => [generation, isOnPresentLine]);
      const restore = await finishedRestore(catalog, server);
      await imaged(catalog, server);
      expect(await present()).toEqual([
        [3, true],
        [2, false],
        [1, false],
      ]);
      await finishedUndo(catalog, await catalog.getServer(server.id), restore);
      expect(await present()).toEqual([
        [3, false],
        [2, true],
        [1, true],
      ]);
    });

    it('that are deleted are not listed, and say what they were to whoever asks for them by number', async () => {
      const under = subject();
      const { catalog } = under;
      const server = await given(catalog, { last: 1 });
      for (const generation of [1, 2]) {
        const at = new Date(Date.UTC(2026, 1, generation)).toISOString();
        await catalog.recordRecoveryPoint(newManifest(server, generation, { pointInTime: at, publishedAt: at }), 'main', undefined, NGINX);
      }
      await retire(catalog);
      expect((await catalog.listGenerations(server.id, page)).items).toMatchObject([{ generation: 2 }, { generation: 1, state: 'expired' }]);
      await watch(under, DAY);
      expect((await catalog.listGenerations(server.id, page)).items).toMatchObject([{ generation: 2 }]);
      expect(await catalog.getGeneration(server.id, 1)).toMatchObject({ state: 'deleted', changes: CHANGES, sections: NGINX.sections });
      expect(await catalog.nextGeneration(server.id)).toBe(3);
    });

    it('that are not there, of servers that are not there, and cursors of other lists are refused', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await imaged(catalog, server);
      expect(await refusal(catalog.getGeneration(server.id, 2))).toMatchObject({
        code: 'GENERATION_NOT_FOUND',
        context: { server: 'db01', generation: 2 },
      });
      expect(await codeOf(catalog.getGeneration((await catalog.getServer('web01')).id, 1))).toBe('GENERATION_NOT_FOUND');
      // More than a number of PostgreSQL's can be.
      expect(await codeOf(catalog.getGeneration(server.id, 2 ** 31))).toBe('GENERATION_NOT_FOUND');
      const beyond = Buffer.from(JSON.stringify(['generations', 2 ** 40])).toString('base64url');
      expect((await catalog.listGenerations(server.id, { limit: 2, cursor: beyond })).items).toHaveLength(1);
      const nobody = 'srv_00000000000000000000000000';
      expect(await codeOf(catalog.getGeneration(nobody, 1))).toBe('SERVER_NOT_FOUND');
      expect(await codeOf(catalog.listGenerations(nobody, page))).toBe('SERVER_NOT_FOUND');
      for (const position of [['changes', 1], ['generations', '1'], ['generations', -1], ['generations']]) {
        const cursor = Buffer.from(JSON.stringify(position)).toString('base64url');
        expect(await codeOf(catalog.listGenerations(server.id, { limit: 2, cursor }))).toBe('REQUEST_INVALID');
      }
    });

    it('of which nothing has changed between two share what was collected, and each says when that was', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const later = { ...NGINX, collectedAt: '2026-02-04T00:00:00.000Z' };
      const [one, two, three] = [await imaged(catalog, server, NGINX), await imaged(catalog, server, later), await imaged(catalog, server, serverFacts())];
      const read = await Promise.all([one, two, three].map(({ generation }) => catalog.getGeneration(server.id, generation)));
      expect(read.map(({ facts, sections }) => [facts.state === 'collected' && facts.collectedAt, sections])).toEqual([
        [NGINX.collectedAt, NGINX.sections],
        [later.collectedAt, NGINX.sections],
        [serverFacts().collectedAt, serverFacts().sections],
      ]);
    });

    it('with kinds that are missing or cut off count them', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const error = { code: 'GUEST_COMMAND_FORBIDDEN', message: 'may not run "ss"', hint: 'x' } as const;
      const facts = serverFacts(
        { users: [{ key: 'root', value: '0' }] },
        {
          family: 'rhel',
          sections: {
            ports: { kind: 'ports', state: 'failed', error },
            packages: { kind: 'packages', state: 'collected', entries: [{ key: 'a 😀 \\u0000 "', value: '' }], truncated: true },
          },
        },
      );
      const { generation } = await imaged(catalog, server, facts);
      expect(await catalog.getGeneration(server.id, generation)).toMatchObject({
        facts: { state: 'collected', family: 'rhel', entries: 2, failed: ['ports'], truncated: ['packages'] },
        sections: facts.sections,
      });
    });

    it('are recorded once: what is said again of facts changes nothing', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const manifest = newManifest(server, 1);
      const first = await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64), NGINX);
      for (const facts of [NGINX, serverFacts(), null]) {
        await expect(catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64), facts)).resolves.toEqual(first);
      }
      await expect(catalog.adoptRecoveryPoint('alice', manifest, 'main', 'a'.repeat(64), undefined, serverFacts())).resolves.toEqual(first);
      expect(await catalog.getGeneration(server.id, 1)).toMatchObject({ facts: { entries: 1 }, sections: NGINX.sections });
      expect((await actions(catalog)).filter((action) => action.startsWith('recovery-point.'))).toEqual(['recovery-point.published']);
    });

    it('that are found in a repository bring their changes and their facts with them', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const manifest = newManifest(server, 4);
      await catalog.adoptRecoveryPoint('alice', manifest, 'main', 'a'.repeat(64), undefined, NGINX);
      expect(await catalog.getGeneration(server.id, 4)).toMatchObject({ changes: CHANGES, facts: { state: 'collected' }, sections: NGINX.sections });
      // Nobody knows these changes but the image: the server has them all the same.
      const { contained, partly, more } = await catalog.changesAt(server.id, null);
      expect([contained, partly, more]).toEqual([CHANGES.contained, CHANGES.partly, 2]);
      const away = newManifest(server, 5);
      await catalog.adoptRecoveryPoint('alice', away, 'main', 'a'.repeat(64), 'it lies off-site alone', null);
      expect(await catalog.getGeneration(server.id, 5)).toMatchObject({ state: 'damaged', changes: CHANGES, facts: { state: 'missing' }, sections: null });
    });
  });
}
