import { newId } from '../../src/contracts/ids';
import { NO_PROTECTION, type Protection } from '../../src/contracts/protection';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate } from '../../src/contracts/estate';
import { dataManifest } from './catalog.data.contract';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, codeOf, ESTATE, givenServer, manifestOf, readAll, refusal, RESOLVED } from './catalog.fixtures';

export function inventoryContract(subject: () => CatalogUnderTest): void {
  describe('inventory', () => {
    it('applies an estate, says what it made, and audits each thing', async () => {
      const { catalog } = subject();
      const planned = await catalog.diffEstate(ESTATE, RESOLVED);
      expect(await catalog.listServers()).toEqual([]);
      const changes = await catalog.applyEstate('alice', ESTATE, RESOLVED);
      expect(changes).toEqual(planned);
      expect(changes.map(({ subject: kind, name, change }) => `${kind} ${name} ${change}`)).toEqual([
        'hypervisor hv1 create',
        'repository main create',
        'server db01 create',
        'server web01 create',
      ]);
      expect(await catalog.listHypervisors()).toEqual(ESTATE.hypervisors);
      expect(await catalog.listRepositories()).toEqual(ESTATE.repositories);
      const { items } = await catalog.listAudit({}, { limit: 10, cursor: null });
      expect(items.map(({ actor, action, details }) => `${actor} ${action} ${String(details['name'])}`)).toEqual([
        'alice hypervisor.created hv1',
        'alice repository.created main',
        'alice server.created db01',
        'alice server.created web01',
      ]);
      expect(items[2]?.serverId).toBe((await catalog.getServer('db01')).id);
    });

    it('stores a server with its identity and a lineage of its own', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const [db01, web01] = await catalog.listServers();
      expect(db01).toEqual({
        id: expect.stringMatching(/^srv_/),
        name: 'db01',
        uuid: RESOLVED[0]?.uuid,
        domainName: 'db01',
        hypervisor: 'hv1',
        repository: 'main',
        policy: null,
        stopTimeoutSeconds: 120,
        agentTimeoutSeconds: 300,
        protection: NO_PROTECTION,
        decommissioned: null,
        lineageId: expect.any(String),
      });
      expect(web01?.domainName).toBe('web-domain');
      expect(web01?.lineageId).not.toBe(db01?.lineageId);
    });

    it('finds a server by id and by name', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      expect(await catalog.getServer(server.id)).toEqual(server);
      expect(await catalog.getServer('db01')).toEqual(server);
      expect(await refusal(catalog.getServer('db99'))).toMatchObject({ code: 'SERVER_NOT_FOUND', message: expect.stringContaining('"db99"') });
    });

    it('changes nothing and audits nothing the second time', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const before = await actions(catalog);
      const changes = await catalog.applyEstate('alice', ESTATE, RESOLVED);
      expect(new Set(changes.map(({ change }) => change))).toEqual(new Set(['unchanged']));
      expect(await catalog.getServer('db01')).toEqual(server);
      expect(await actions(catalog)).toEqual(before);
    });

    it('updates fields, keeps ids, and keeps what the file no longer names', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const estate = {
        hypervisors: ESTATE.hypervisors,
        repositories: [{ name: 'second', kind: 'directory' as const, path: '/mnt/second' }],
        offsite: [],
        policies: [],
        groups: [],
        relations: [],
        servers: [{ ...ESTATE.servers[0]!, repository: 'second', stopTimeoutSeconds: 600 }],
      };
      const changes = await catalog.applyEstate('alice', estate, RESOLVED);
      expect(changes).toContainEqual({
        subject: 'server',
        name: 'db01',
        change: 'update',
        fields: ['repository: main -> second', 'stopTimeoutSeconds: 120 -> 600'],
      });
      expect(changes).toContainEqual({ subject: 'server', name: 'web01', change: 'kept', fields: [] });
      expect(changes).toContainEqual({ subject: 'repository', name: 'main', change: 'kept', fields: [] });
      expect(await catalog.getServer('db01')).toEqual({ ...server, repository: 'second', stopTimeoutSeconds: 600 });
      expect(await catalog.listServers()).toHaveLength(2);
      expect((await actions(catalog)).slice(-2)).toEqual(['repository.created', 'server.updated']);
    });

    it('stores what is declared about a server, and shows shortly what changes', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const declare = (protection: Partial<Protection>): Estate => estateSchema.parse({ ...ESTATE, servers: [{ ...ESTATE.servers[0]!, ...protection }] });
      const protection: Protection = {
        disks: [
          { target: 'vda', role: 'system' },
          { target: 'vdb', role: 'data' },
        ],
        nics: [{ mac: '52:54:00:00:00:02', role: 'backup' }],
        healthChecks: [
          { kind: 'command', name: 'shop', timeoutSeconds: 60, argv: ['/usr/bin/shop-check', '--all'] },
          { kind: 'tcp', name: 'web', timeoutSeconds: 30, host: '192.0.2.7', port: 443 },
        ],
        quiesce: { before: ['/usr/bin/pause', 'shop'], after: null },
        onlineBackup: { rateLimitBytesPerSecond: 50_000_000, maxGuestLatencyMs: null },
        dataSets: [{ kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: ['*.tmp'], before: null, after: ['/usr/bin/resume', 'shop'] }],
        credentials: [
          { account: 'root', store: 'vault', path: 'servers/db01', reapply: true },
          { account: 'backup', store: 'vault', path: 'servers/db01', field: 'backup', reapply: false },
        ],
        ssh: { host: '192.0.2.10', port: 2222, user: 'root', sudo: false, hostKey: `ssh-ed25519 ${'A'.repeat(68)}` },
      };
      const changes = await catalog.applyEstate('alice', declare(protection), RESOLVED);
      expect(changes).toContainEqual({
        subject: 'server',
        name: 'db01',
        change: 'update',
        fields: [
          'disks: none -> vda system, vdb data',
          'nics: none -> 52:54:00:00:00:02 backup',
          'healthChecks: none -> shop, web',
          'quiesce: none -> {"before":["/usr/bin/pause","shop"]}',
          'onlineBackup: none -> {"rateLimitBytesPerSecond":50000000}',
          'dataSets: none -> uploads (files)',
          'credentials: none -> root in vault servers/db01, set after restores, backup in vault servers/db01#backup',
          'ssh: none -> root@192.0.2.10:2222, host key …AAAAAAAAAAAA',
        ],
      });
      expect(await catalog.getServer('db01')).toEqual({ ...server, protection });
      expect(await catalog.diffEstate(declare(protection), RESOLVED)).toContainEqual({ subject: 'server', name: 'db01', change: 'unchanged', fields: [] });
      const mended = { ...protection, healthChecks: protection.healthChecks.map((check) => ({ ...check, timeoutSeconds: 90 })) };
      expect(await catalog.applyEstate('alice', declare(mended), RESOLVED)).toContainEqual({
        subject: 'server',
        name: 'db01',
        change: 'update',
        fields: ['healthChecks: shop, web -> shop, web (changed)'],
      });
      await catalog.applyEstate('alice', declare({}), RESOLVED);
      expect((await catalog.getServer('db01')).protection).toEqual(NO_PROTECTION);
    });

    it('refuses two servers with one SSH host key or address', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const KEY = (letter: string): string => `ssh-ed25519 ${letter.repeat(68)}`;
      const access = { host: '192.0.2.10', port: 22, user: 'root', sudo: false, hostKey: KEY('A') };
      const second = { name: 'db02', uuid: '5e2f1f0a-3333-4444-8555-666677778888', domainName: 'db02' };
      const declare = (ssh: typeof access): Estate =>
        estateSchema.parse({
          ...ESTATE,
          servers: [
            { ...ESTATE.servers[0]!, ssh: access },
            { ...ESTATE.servers[0]!, name: 'db02', domain: 'db02', ssh },
          ],
        });
      for (const ssh of [access, { ...access, host: '192.0.2.11' }, { ...access, hostKey: KEY('B') }]) {
        expect(await codeOf(catalog.applyEstate('alice', declare(ssh), [...RESOLVED, second]))).toBe('ESTATE_CONFLICT');
      }
      await catalog.applyEstate('alice', declare({ ...access, host: '192.0.2.11', hostKey: KEY('B') }), [...RESOLVED, second]);
      expect((await catalog.getServer('db02')).protection.ssh).toMatchObject({ host: '192.0.2.11' });
    });

    it('refuses another domain under a known name', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const other = RESOLVED.map((server) => ({ ...server, uuid: `${server.uuid}-other` }));
      expect(await refusal(catalog.applyEstate('alice', ESTATE, other))).toMatchObject({ code: 'ESTATE_CONFLICT', context: { server: 'db01' } });
      expect(await codeOf(catalog.diffEstate(ESTATE, other))).toBe('ESTATE_CONFLICT');
    });

    it('refuses two names for one domain, also when one is only in the catalogue, and then changes nothing', async () => {
      const { catalog } = subject();
      await givenServer(catalog);
      const estate = {
        ...ESTATE,
        repositories: [...ESTATE.repositories, { name: 'new', kind: 'directory' as const, path: '/new' }],
        servers: [{ ...ESTATE.servers[0]!, name: 'renamed' }],
      };
      const call = catalog.applyEstate('alice', estate, [{ ...RESOLVED[0]!, name: 'renamed' }]);
      expect(await codeOf(call)).toBe('ESTATE_CONFLICT');
      expect(await catalog.listRepositories()).toHaveLength(1);
      expect(await catalog.listServers()).toHaveLength(2);
    });

    it('keeps a known server whose domain is gone, and refuses a new one without a domain', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await catalog.applyEstate('alice', ESTATE, [RESOLVED[1]!]);
      expect(await catalog.getServer('db01')).toEqual(server);
      const withNew = { ...ESTATE, servers: [...ESTATE.servers, { ...ESTATE.servers[0]!, name: 'app01' }] };
      expect(await refusal(catalog.applyEstate('alice', withNew, RESOLVED))).toMatchObject({
        code: 'DOMAIN_NOT_FOUND',
        message: expect.stringContaining('app01'),
      });
    });

    it('gives the same result when the same estate is applied many times at once', async () => {
      const { catalog } = subject();
      const results = await Promise.all(Array.from({ length: 8 }, () => catalog.applyEstate('alice', ESTATE, RESOLVED)));
      expect(results.filter((changes) => changes.some(({ change }) => change === 'create'))).toHaveLength(1);
      expect(await catalog.listServers()).toHaveLength(2);
    });
  });

  describe('recovery points', () => {
    it('records a published one once and shows it', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      expect(await catalog.nextGeneration(server.id)).toBe(1);
      const manifest = manifestOf(server, 1);
      const view = await catalog.recordRecoveryPoint(manifest, 'main');
      expect(view).toEqual({
        id: manifest.recoveryPointId,
        serverId: server.id,
        serverName: 'db01',
        kind: 'image',
        generation: 1,
        lineageId: server.lineageId,
        parentId: null,
        state: 'usable',
        consistency: 'offline',
        pointInTime: manifest.pointInTime,
        publishedAt: manifest.publishedAt,
        repository: 'main',
        sizeBytes: 5_000_004_500,
        disks: [{ target: 'vda', virtualSizeBytes: 10_737_418_240, storedBytes: 5_000_000_000 }],
        reason: 'before the upgrade',
        setId: null,
        runId: manifest.runId,
        hold: null,
        expiredAt: null,
        deletesAt: null,
        deletedAt: null,
        verification: { state: 'unverified', method: null, at: null, problem: null, boot: null },
      });
      expect(await catalog.recordRecoveryPoint(manifest, 'main')).toEqual(view);
      expect(await catalog.getRecoveryPoint(view.id)).toEqual({ ...view, copies: [] });
      expect(await catalog.nextGeneration(server.id)).toBe(2);
      expect((await actions(catalog)).filter((action) => action === 'recovery-point.published')).toHaveLength(1);
    });

    it('refuses a generation that is taken, an unknown server and an unknown repository', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      expect(await codeOf(catalog.recordRecoveryPoint(manifestOf(server, 1), 'main'))).toBe('INTERNAL');
      expect(await codeOf(catalog.recordRecoveryPoint(manifestOf(server, 2), 'nowhere'))).toBe('REPOSITORY_NOT_CONFIGURED');
      expect(await codeOf(catalog.recordRecoveryPoint(manifestOf({ ...server, id: newId('srv') }, 2), 'main'))).toBe('SERVER_NOT_FOUND');
      expect(await codeOf(catalog.nextGeneration('srv_unknown'))).toBe('SERVER_NOT_FOUND');
      expect(await codeOf(catalog.getRecoveryPoint('rp_unknown'))).toBe('RECOVERY_POINT_NOT_FOUND');
    });

    it('lists newest first, by server, in pages that stay right while new ones arrive', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const web01 = await catalog.getServer('web01');
      for (const generation of [1, 2, 3, 4, 5]) await catalog.recordRecoveryPoint(manifestOf(server, generation), 'main');
      await catalog.recordRecoveryPoint(manifestOf(web01, 1), 'main');
      const first = await catalog.listRecoveryPoints({ serverId: server.id }, { limit: 2, cursor: null });
      await catalog.recordRecoveryPoint(manifestOf(server, 6), 'main');
      const rest = await readAll((cursor) => catalog.listRecoveryPoints({ serverId: server.id }, { limit: 2, cursor: cursor ?? first.nextCursor }));
      expect([...first.items, ...rest].map((point) => (point.kind === 'image' ? point.generation : null))).toEqual([5, 4, 3, 2, 1]);
      const everything = await readAll((cursor) => catalog.listRecoveryPoints({}, { limit: 3, cursor }));
      expect(everything).toHaveLength(7);
      expect(new Set(everything.map(({ id }) => id)).size).toBe(7);
    });

    it('gives no cursor when the last page is exactly full', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      for (const generation of [1, 2]) await catalog.recordRecoveryPoint(manifestOf(server, generation), 'main');
      expect((await catalog.listRecoveryPoints({}, { limit: 2, cursor: null })).nextCursor).toBeNull();
    });

    it('gives usable images of one server, newest first, as many as were asked for and none after a moment', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const generations = async (until: string | null, limit: number) =>
        (await catalog.usableImages(server.id, until, limit)).map(({ generation }) => generation);
      expect(await generations(null, 10)).toEqual([]);
      const points = [];
      for (const generation of [2, 1, 4, 3]) points.push(await catalog.recordRecoveryPoint(manifestOf(server, generation), 'main'));
      await catalog.recordRecoveryPoint(manifestOf(await catalog.getServer('web01'), 9), 'main');
      await catalog.recordDataRecoveryPoint(dataManifest(server, 8));
      expect(await generations(null, 10)).toEqual([4, 3, 2, 1]);
      expect(await generations(null, 2)).toEqual([4, 3]);
      const third = points[3]?.pointInTime ?? '';
      expect(await generations(third, 10)).toEqual([3, 2, 1]);
      expect(await generations(new Date(Date.parse(third) - 1).toISOString(), 1)).toEqual([2]);
      await catalog.markRecoveryPoint(points[3]?.id ?? '', 'damaged', 'bit flip');
      expect(await generations(null, 10)).toEqual([4, 2, 1]);
      expect(await catalog.usableImages(server.id, null, 1)).toEqual([await catalog.newestUsable(server.id)]);
      expect(await codeOf(catalog.usableImages('srv_unknown', null, 10))).toBe('SERVER_NOT_FOUND');
    });

    it('chooses the newest usable one, never a damaged one', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      expect(await codeOf(catalog.newestUsable(server.id))).toBe('NO_RECOVERY_POINT');
      const older = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const newer = await catalog.recordRecoveryPoint(manifestOf(server, 2), 'main');
      expect((await catalog.newestUsable(server.id)).id).toBe(newer.id);
      expect((await catalog.newestUsable(server.id, newer.pointInTime)).id).toBe(newer.id);
      expect((await catalog.newestUsable(server.id, new Date(Date.parse(newer.pointInTime) - 1).toISOString())).id).toBe(older.id);
      await expect(catalog.newestUsable(server.id, '2001-01-01T00:00:00.000Z')).rejects.toMatchObject({
        code: 'NO_RECOVERY_POINT',
        message: expect.stringContaining('before the incident at 2001') as string,
      });
      await catalog.markRecoveryPoint(newer.id, 'damaged', 'segment 3 of vda differs');
      await catalog.markRecoveryPoint(newer.id, 'damaged', 'again');
      expect((await catalog.newestUsable(server.id)).id).toBe(older.id);
      expect((await catalog.getRecoveryPoint(newer.id)).state).toBe('damaged');
      const { items } = await catalog.listAudit({}, { limit: 100, cursor: null });
      const marks = items.filter(({ action }) => action === 'recovery-point.damaged');
      expect(marks.map(({ details }) => details['why'])).toEqual(['segment 3 of vda differs']);
      expect(await codeOf(catalog.markRecoveryPoint('rp_unknown', 'damaged', 'x'))).toBe('RECOVERY_POINT_NOT_FOUND');
    });

    it('never gives a generation twice, also after damage', async () => {
      const { catalog } = subject();
      const server = await givenServer(catalog);
      const point = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      await catalog.markRecoveryPoint(point.id, 'damaged', 'bit flip');
      expect(await catalog.nextGeneration(server.id)).toBe(2);
    });
  });
}
