import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../../src/catalog/catalog';
import { exportCatalog } from '../../src/catalog/catalog-export';
import { importCatalog, readHeader } from '../../src/catalog/catalog-import';
import { AUDIT_FILE, CATALOGUE_FILE } from '../../src/catalog/copied-tables';
import { createDataSource } from '../../src/catalog/data-source';
import { createTypeormCatalog } from '../../src/catalog/typeorm-catalog';
import type { CatalogCopyHeader } from '../../src/contracts/catalog-copy';
import { ModosuError } from '../../src/contracts/errors';
import type { ServerFacts } from '../../src/contracts/facts';
import { newId } from '../../src/contracts/ids';
import { offsiteLocation } from '../../src/contracts/offsite';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import type { CatalogueArchive } from '../../src/repositories/catalogue/catalogue-archive';
import { DATA_TAG, dataSetTag, recoveryPointTag } from '../../src/repositories/data/data-repository';
import { adoptFound, type FoundParts } from '../../src/roles/catalogue/found';
import { NOTHING_READ_BACK, pathsOf, readBack, type RebuildParts } from '../../src/roles/catalogue/rebuild';
import { isComplete, rebuildText } from '../../src/roles/catalogue/render';
import { DirectorySecrets } from '../../src/secrets/directory-secrets';
import { createDirectoryImageRepository } from '../../src/repositories/image/directory-image-repository';
import type { ImageRepository } from '../../src/repositories/image/image-repository';
import { backupRequest, ESTATE, finishedRun, givenServer, manifestOf, RESOLVED } from '../contract/catalog.fixtures';
import { makeManifest } from '../contract/data-repository.contract';
import { forge, makeImages, sha256, stageOne } from '../contract/image-repository.fixtures';
import { FakeDataRepository } from '../support/fake-data-repository';
import { FakeOffsiteRepository } from '../support/fake-offsite-repository';
import { notReadValue, readValue, sideOf } from '../support/made-up-relations';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { serverFacts } from '../support/server-facts';

jest.setTimeout(120_000);
const NOW = new Date('2026-06-01T00:00:00Z');
const KEY = 'a-recovery-key-of-some-length-00';

let postgres: TestPostgres;
let catalog: Catalog;
let directory: string;
beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  await postgres.empty();
  catalog = createTypeormCatalog(createDataSource({ url: postgres.appUrl }));
  directory = mkdtempSync(join(tmpdir(), 'modosu-rebuild-'));
});
afterEach(async () => {
  await catalog.close();
  rmSync(directory, { recursive: true, force: true });
});

async function* each(lines: readonly string[]): AsyncIterable<string> {
  for (const line of lines) yield await Promise.resolve(line);
}

const copyOf = async (): Promise<{ readonly header: CatalogCopyHeader; readonly lines: readonly string[] }> => {
  const dataSource = createDataSource({ url: postgres.appUrl, poolSize: 1 });
  try {
    const into = mkdtempSync(join(directory, 'copy-'));
    const header = await exportCatalog(dataSource, into, { software: 'test', now: NOW });
    const [first, ...lines] = readFileSync(join(into, CATALOGUE_FILE), 'utf8').trimEnd().split('\n');
    expect(readHeader(first)).toEqual(header);
    return { header, lines };
  } finally {
    await dataSource.destroy();
  }
};
const importing = (
  lines: readonly string[],
  header: CatalogCopyHeader,
  changes: { readonly isDryRun?: boolean; readonly paths?: ReadonlyMap<string, string> } = {},
) =>
  importCatalog(each(lines), {
    ownerUrl: postgres.ownerUrl,
    copy: { id: 'c'.repeat(64), repository: 'main', header },
    paths: new Map(),
    actor: 'alice',
    now: NOW,
    ...changes,
  });

describe('a copy of the catalogue', () => {
  it('brings everything back as it was, but for tokens and locks; a run under way counts as failed, and fencing goes on above', async () => {
    const server = await givenServer(catalog);
    const ended = await finishedRun(catalog, server);
    const manifest = manifestOf(server, 1);
    await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64));
    await catalog.holdRecoveryPoint('alice', manifest.recoveryPointId, 'the auditors want it');
    await catalog.createToken('alice', 'bob', ['read'], null);
    const open = await catalog.acceptBackup(backupRequest(server.id));
    await catalog.startRun(open.runId);
    await catalog.recordStep(open.runId, { seq: 0, key: 'copy:vda', title: 'Copy vda', state: 'running' });
    const [before, point] = [await catalog.getServer(server.id), await catalog.getRecoveryPoint(manifest.recoveryPointId)];
    const { header, lines } = await copyOf();
    expect(lines.join('\n')).not.toMatch(/token|secret_hash/);

    await postgres.empty();
    const { rows, interruptedRuns } = await importing(lines, header, { paths: new Map([['main', '/new/place']]) });
    expect(rows).toMatchObject({ hypervisor: 1, repository: 1, server: 2, run: 2, run_step: 1, recovery_point: 1, lineage: 2 });
    expect(interruptedRuns).toEqual([{ runId: open.runId, kind: 'backup-image', serverName: 'db01' }]);
    await expect(catalog.getServer(server.id)).resolves.toEqual(before);
    await expect(catalog.getRecoveryPoint(manifest.recoveryPointId)).resolves.toEqual(point);
    await expect(catalog.listRepositories()).resolves.toEqual([{ ...ESTATE.repositories[0], path: '/new/place' }]);
    await expect(catalog.getRun(ended)).resolves.toMatchObject({ state: 'succeeded' });
    await expect(catalog.getRun(open.runId)).resolves.toMatchObject({ state: 'failed', error: { code: 'CATALOG_REBUILT' }, steps: [{ state: 'failed' }] });
    await expect(catalog.listTokens()).resolves.toEqual([]);
    await expect(catalog.listOpenRuns()).resolves.toEqual([]);
    const audit = (await catalog.listAudit({}, { limit: 100, cursor: null })).items;
    expect(audit).toMatchObject([{ actor: 'alice', action: 'catalog.rebuilt', details: { auditBefore: header.audit } }]);
    const next = await catalog.acceptBackup(backupRequest(server.id));
    const { input } = await catalog.getDispatchable(next.runId);
    expect(input.fencingToken).toBeGreaterThan(NOW.getTime() / 1000);
  });

  it('brings configuration changes back, where they are complete, and what every generation says; what it knows more than an image goes on from there', async () => {
    const server = await givenServer(catalog);
    const opened = async (title: string): Promise<string> => {
      const request = {
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: title,
        serverId: server.id,
        title,
        ticket: 'OPS-1',
        author: 'bob',
        externalId: `x-${title}`,
      };
      return (await catalog.openChange({ ...request, applyAgain: { kind: 'text', text: 'line one\nline two' } })).change.id;
    };
    const imaged = async (generation: number, facts: ServerFacts): Promise<string> => {
      const at = new Date().toISOString();
      const said = { version: 5, pointInTime: at, publishedAt: at, changes: await catalog.changesAt(server.id, at) } as const;
      return (await catalog.recordRecoveryPoint(manifestOf(server, generation, said), 'main', 'a'.repeat(64), facts)).id;
    };
    const facts = serverFacts({ packages: [{ key: 'nginx', value: '1.22 "é" 😀' }] });
    const [one, half, cancelled] = [await opened('one'), await opened('half done'), await opened('cancelled')];
    await catalog.completeChange({ actor: 'alice', id: one });
    await catalog.cancelChange({ actor: 'alice', id: cancelled, reason: 'no' });
    await imaged(1, facts);
    await imaged(2, { ...facts, collectedAt: '2026-03-01T00:00:00.000Z' });
    const two = await opened('two');
    await catalog.completeChange({ actor: 'alice', id: two });
    const look = async () => ({
      changes: await Promise.all([one, half, cancelled, two].map((id) => catalog.getChange(id))),
      generations: await Promise.all([1, 2].map((generation) => catalog.getGeneration(server.id, generation))),
      now: await catalog.changesAt(server.id, null),
    });
    const before = await look();
    const { header, lines } = await copyOf();

    await postgres.empty();
    const { rows } = await importing(lines, header);
    // What has not changed between two images is stored once.
    expect(rows).toMatchObject({ configuration_change: 4, applied_change: 2, server_facts: 1, recovery_point: 2 });
    await expect(look()).resolves.toEqual(before);
    // An image is still due for the second one, and the next one has it.
    await catalog.recordDueBackups();
    await expect(catalog.listDueBackups({ state: 'waiting' }, { limit: 10, cursor: null })).resolves.toMatchObject({ items: [{ cause: 'change' }] });
    const third = await imaged(3, facts);
    await expect(catalog.getChange(two)).resolves.toMatchObject({ generation: 3, recoveryPointId: third });
  });

  it('brings back the markers of recovery points, and what was read for plans and runs, which undos are judged by', async () => {
    const server = await givenServer(catalog);
    const markers = [sideOf({ position: readValue('7 "é" 😀') }, { of: 'server' }), sideOf({ position: notReadValue() })];
    const manifest = manifestOf(server, 1, { version: 5, changes: { contained: [], partly: [], more: 0 }, facts: null, markers });
    await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64));
    await catalog.recordReadings('run_1:recheck', markers);
    const { header, lines } = await copyOf();
    await postgres.empty();
    await expect(catalog.markersOf(manifest.recoveryPointId)).resolves.toEqual([]);
    const { rows } = await importing(lines, header);
    expect(rows).toMatchObject({ recovery_point_markers: 1, marker_reading: 2 });
    await expect(catalog.markersOf(manifest.recoveryPointId)).resolves.toEqual(markers);
    // By relation, peer and side.
    await expect(catalog.readingsOf('run_1:recheck')).resolves.toEqual([...markers].reverse());
  });

  it('gives what waited to be deleted its time anew: nobody has watched it since', async () => {
    const server = await givenServer(catalog);
    const manifest = manifestOf(server, 1);
    await catalog.recordRecoveryPoint(manifest, 'main', 'a'.repeat(64));
    await catalog.decommissionServer({ actor: 'alice', serverId: server.id, confirm: server.name, reason: 'gone', keepDays: 1 });
    const expired = `UPDATE recovery_point SET state = 'expired', expired_at = '2026-05-01', deletes_at = '2026-05-02'`;
    await postgres.query(postgres.superuserUrl, `${expired}; UPDATE server SET protects_until = '2026-06-01 12:00Z' WHERE id = '${server.id}'`);
    const { header, lines } = await copyOf();
    await postgres.empty();
    const later = new Date(NOW.getTime() + 30 * 86_400_000);
    await importCatalog(each(lines), {
      ownerUrl: postgres.ownerUrl,
      copy: { id: 'c', repository: 'main', header },
      paths: new Map(),
      actor: 'alice',
      now: later,
    });
    await expect(catalog.getRecoveryPoint(manifest.recoveryPointId)).resolves.toMatchObject({ state: 'expired', deletesAt: null });
    await expect(catalog.getServer(server.id)).resolves.toMatchObject({ decommissioned: { protectsUntil: '2026-07-01T12:00:00.000Z' } });
  });

  it('is not read into a catalogue that has servers, nor a second time', async () => {
    await givenServer(catalog);
    const { header, lines } = await copyOf();
    await expect(importing(lines, header)).rejects.toMatchObject({ code: 'CATALOG_NOT_EMPTY' });
    await postgres.empty();
    await importing(lines, header);
    await expect(importing(lines, header)).rejects.toMatchObject({ code: 'CATALOG_NOT_EMPTY' });
  });

  it('is tried without a trace', async () => {
    await givenServer(catalog);
    const { header, lines } = await copyOf();
    await postgres.empty();
    await expect(importing(lines, header, { isDryRun: true })).resolves.toMatchObject({ rows: { server: 2 } });
    await expect(catalog.listServers()).resolves.toEqual([]);
    await expect(catalog.listAudit({}, { limit: 10, cursor: null })).resolves.toMatchObject({ items: [] });
  });

  it.each<[string, (lines: readonly string[]) => readonly string[]]>([
    ['that ends in the middle of a line', (lines) => [...lines.slice(0, -1), (lines.at(-1) ?? '').slice(0, 20)]],
    ['with a table nobody knows', (lines) => [...lines, '{"table":"pg_authid","row":{"rolname":"x"}}']],
    ['with a table that is not copied', (lines) => [...lines, '{"table":"token","row":{"id":"x"}}']],
    ['with a column nobody knows', (lines) => [...lines, '{"table":"policy","row":{"name":"x","surprise":1}}']],
    ['with a name of a column that is none', (lines) => [...lines, '{"table":"policy","row":{"name\\") VALUES (1); --":"x"}}']],
  ])('%s is refused, and nothing of it stays', async (_what, spoil) => {
    await givenServer(catalog);
    const { header, lines } = await copyOf();
    await postgres.empty();
    await expect(importing(spoil(lines), header)).rejects.toMatchObject({ code: 'CATALOG_COPY_UNREADABLE' });
    await expect(catalog.listServers()).resolves.toEqual([]);
  });

  it('of another schema, or of something else, is refused', async () => {
    const { header } = await copyOf();
    for (const line of [undefined, '', 'null', '{}', JSON.stringify({ ...header, version: 2 }), JSON.stringify({ ...header, schema: 'Later9999999999999' })]) {
      expect(() => readHeader(line)).toThrow(expect.objectContaining({ code: 'CATALOG_COPY_UNREADABLE' }) as Error);
    }
  });
});

describe('reading a copy back', () => {
  /** A place that holds one copy, made of the catalogue as it is. */
  const archived = async (secrets: DirectorySecrets, spoil: (into: string) => void = () => undefined): Promise<RebuildParts> => {
    const source = mkdtempSync(join(directory, 'source-'));
    const dataSource = createDataSource({ url: postgres.appUrl, poolSize: 1 });
    await exportCatalog(dataSource, source, { software: 'test', now: NOW });
    await dataSource.destroy();
    const from = new DirectorySecrets(join(source, 'secrets'));
    await from.getOrMake('data/srv_1/login', () => 'what opens it');
    await from.getOrMake('ssh/key', () => 'line one\nline two');
    spoil(source);
    return {
      catalog,
      ownerUrl: postgres.ownerUrl,
      archive: () =>
        ({
          list: async () => [{ id: 'c'.repeat(64), madeAt: NOW, host: 'lost' }],
          fetch: async (_id: string, into: string) => {
            const { cpSync } = await import('node:fs');
            cpSync(source, into, { recursive: true });
          },
        }) as unknown as ReturnType<RebuildParts['archive']>,
      secrets,
      scratch: join(directory, 'scratch'),
      auditBefore: join(directory, 'audit-before'),
      actor: 'alice',
      now: NOW,
    };
  };
  const PLACES = { repository: [{ name: null, path: '/srv/modosu' }], offsite: [] };
  const OPTIONS = { recoveryKey: KEY, copyId: null, isDryRun: false };

  it('brings the secrets that are missing back, keeps those that are others here, and takes the recovery key over', async () => {
    await givenServer(catalog);
    const secrets = new DirectorySecrets(join(directory, 'secrets'));
    const parts = await archived(secrets);
    await postgres.empty();
    await secrets.getOrMake('data/srv_1/login', () => 'another one');
    await expect(readBack(parts, PLACES, { ...OPTIONS, isDryRun: true })).resolves.toMatchObject({ secrets: { restored: 1, kept: ['data/srv_1/login'] } });
    await expect(secrets.read('ssh/key')).resolves.toBeNull();
    await expect(readBack(parts, PLACES, OPTIONS)).resolves.toMatchObject({
      copy: { repository: 'main' },
      rows: { server: 2 },
      secrets: { restored: 1, kept: ['data/srv_1/login'] },
      audit: { intact: true },
    });
    await expect(secrets.read('ssh/key')).resolves.toBe('line one\nline two');
    await expect(secrets.read('data/srv_1/login')).resolves.toBe('another one');
    await expect(secrets.read('catalogue/recovery-key')).resolves.toBe(KEY);
    await expect(readBack(parts, PLACES, { ...OPTIONS, recoveryKey: 'another-key-of-somebody-else-000' })).rejects.toMatchObject({ code: 'CATALOG_NOT_EMPTY' });
    await postgres.empty();
    await expect(readBack(parts, PLACES, { ...OPTIONS, recoveryKey: 'another-key-of-somebody-else-000' })).rejects.toMatchObject({
      code: 'RECOVERY_KEY_WRONG',
    });
  });

  it('a place that cannot be looked at may hold a newer copy: it is said which one is meant, or the place is left out', async () => {
    await givenServer(catalog);
    const parts = await archived(new DirectorySecrets(join(directory, 'secrets')));
    await postgres.empty();
    const archive: RebuildParts['archive'] = (ground, key) =>
      ground.beside === '/mnt/away'
        ? ({ list: async () => Promise.reject(new ModosuError('RECOVERY_KEY_WRONG', 'another key has made them')) } as unknown as CatalogueArchive)
        : ground.beside === '/mnt/new'
          ? ({ list: async () => Promise.reject(new ModosuError('CATALOG_COPY_NOT_FOUND', 'none was made')) } as unknown as CatalogueArchive)
          : parts.archive(ground, key);
    const away = { repository: [...PLACES.repository, { name: 'second', path: '/mnt/away' }], offsite: [] };
    await expect(readBack({ ...parts, archive }, away, OPTIONS)).rejects.toMatchObject({
      code: 'RECOVERY_KEY_WRONG',
      hint: expect.stringContaining('--copy ID') as string,
    });
    await expect(catalog.listServers()).resolves.toEqual([]);
    const fresh = { repository: PLACES.repository, offsite: [{ location: offsiteLocation('/mnt/new'), environment: { text: null, file: 'none' } }] };
    await expect(readBack({ ...parts, archive }, fresh, OPTIONS)).resolves.toMatchObject({ copy: { repository: 'main' } });
  });

  it('is read from beside an off-site repository when the image repository is lost, too; its place is asked for later', async () => {
    await givenServer(catalog);
    const parts = await archived(new DirectorySecrets(join(directory, 'secrets')));
    await postgres.empty();
    const places = { repository: [], offsite: [{ location: offsiteLocation('/mnt/vault'), environment: { text: null, file: 'none' } }] };
    await expect(readBack(parts, places, OPTIONS)).resolves.toMatchObject({ copy: { repository: '/mnt/vault' }, rows: { server: 2, repository: 1 } });
    await expect(catalog.listRepositories()).resolves.toEqual(ESTATE.repositories);
  });

  it.each<[string, (lines: readonly string[]) => readonly string[], string]>([
    ['an entry that was changed', (lines) => [...lines.slice(0, -1), (lines.at(-1) ?? '').replace('"setup"', '"mallory"')], 'was changed after it was written'],
    ['entries that were cut off', (lines) => lines.slice(0, -1), 'which its catalogue names'],
  ])('says of the audit of before that it is not intact: %s', async (_what, spoil, problem) => {
    await givenServer(catalog);
    const parts = await archived(new DirectorySecrets(join(directory, 'secrets')), (into) => {
      const file = join(into, AUDIT_FILE);
      writeFileSync(file, `${spoil(readFileSync(file, 'utf8').trimEnd().split('\n')).join('\n')}\n`);
    });
    await postgres.empty();
    const { audit } = await readBack(parts, PLACES, OPTIONS);
    expect(audit).toMatchObject({ intact: false, problem: expect.stringContaining(problem) as string });
  });

  it('knows which repository a place is by where it was, by its name, or because there is only one', () => {
    const known = [
      { name: 'main', path: '/srv/main' },
      { name: 'second', path: '/srv/second' },
    ];
    expect([...pathsOf([{ name: null, path: '/srv/second' }], known)]).toEqual([['second', '/srv/second']]);
    expect([...pathsOf([{ name: 'main', path: '/mnt' }], known)]).toEqual([['main', '/mnt']]);
    expect([...pathsOf([{ name: null, path: '/mnt' }], known.slice(0, 1))]).toEqual([['main', '/mnt']]);
    for (const places of [
      [{ name: null, path: '/mnt' }],
      [{ name: 'third', path: '/mnt' }],
      [
        { name: 'main', path: '/a' },
        { name: 'main', path: '/b' },
      ],
    ]) {
      expect(() => pathsOf(places, known)).toThrow(
        expect.objectContaining({ code: 'REQUEST_INVALID', hint: expect.stringContaining('second (it was in /srv/second)') as string }) as Error,
      );
    }
  });
});

describe('what is found in the repositories', () => {
  let repository: ImageRepository;
  let data: FakeDataRepository;
  let vault: FakeOffsiteRepository;
  let images: { readonly directory: string; readonly image: string };
  const parts = (changes: Partial<FoundParts> = {}): FoundParts => ({
    catalog,
    imageRepository: async () => repository,
    dataRepository: async () => data,
    offsiteRepository: async () => vault,
    actor: 'alice',
    hypervisor: 'hv1',
    isDryRun: false,
    ...changes,
  });
  beforeAll(async () => {
    images = await makeImages(1);
  });
  afterAll(() => rmSync(images.directory, { recursive: true, force: true }));
  beforeEach(async () => {
    const path = join(directory, 'repository');
    mkdirSync(path);
    repository = createDirectoryImageRepository({ name: 'main', path });
    await repository.initialise();
    data = new FakeDataRepository();
    vault = new FakeOffsiteRepository('vault');
    await catalog.applyEstate('setup', { ...ESTATE, servers: [] }, []);
  });
  let servers = 0;
  const newServer = (): { readonly id: string; readonly name: string; readonly uuid: string } => {
    servers += 1;
    return { id: newId('srv'), name: `found${servers}`, uuid: `33333333-3333-4333-8333-${String(servers).padStart(12, '0')}` };
  };
  const taken = async (server = newServer(), generation = 1, lineageId = 'lin-1'): Promise<ImageManifest> => {
    const { draft } = await stageOne(repository, images.image, { serverId: server.id });
    return repository.publish({ ...draft, server, generation, lineageId }, NOW);
  };

  it('is recorded with its server, once; a second look changes nothing', async () => {
    const server = newServer();
    const [full, child] = [await taken(server), await taken(server, 2, 'lin-2')];
    await expect(adoptFound(parts({ isDryRun: true }))).resolves.toMatchObject({ servers: { added: [server.name] }, recoveryPoints: { added: 2 } });
    await expect(catalog.listServers()).resolves.toEqual([]);
    await expect(adoptFound(parts())).resolves.toEqual({
      servers: { found: 1, added: [server.name] },
      recoveryPoints: { known: 0, added: 2 },
      copiesAdded: 0,
      offsiteOnly: [],
      missing: [],
      orphans: [],
      notLooked: [],
      away: [],
    });
    await expect(catalog.getServer(server.id)).resolves.toMatchObject({ ...server, lineageId: 'lin-2', policy: null });
    for (const { recoveryPointId } of [full, child]) await expect(catalog.getRecoveryPoint(recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
    await expect(adoptFound(parts())).resolves.toMatchObject({ servers: { added: [] }, recoveryPoints: { known: 2, added: 0 }, missing: [], orphans: [] });
  });

  describe('of images that say what they contain', () => {
    const one = { id: newId('chg'), title: 'LDAP-Client "sssd"', ticket: 'OPS-1', completedAt: '2026-02-01T00:00:00.000Z' };
    const two = { id: newId('chg'), title: 'kernel', ticket: null, completedAt: '2026-02-02T00:00:00.000Z' };
    const facts = serverFacts({ users: [{ key: 'renée', value: '1000' }] });
    const telling = async (
      server: ReturnType<typeof newServer>,
      generation: number,
      changes: NonNullable<ImageManifest['changes']>,
      said: ServerFacts | null = facts,
    ): Promise<ImageManifest> => {
      const { draft, recoveryPointId } = await stageOne(repository, images.image, { serverId: server.id });
      if (said !== null) await repository.stageFacts(recoveryPointId, said);
      return repository.publish({ ...draft, server, generation, lineageId: 'lin-1', changes }, NOW);
    };

    it('comes back with changes and facts, and the server has what its newest image has', async () => {
      const server = newServer();
      await telling(server, 1, { contained: [one], partly: [two], more: 4 });
      await telling(server, 2, { contained: [one, two], partly: [], more: 4 });
      await telling(server, 3, { contained: [one, two], partly: [], more: 4 }, null);
      await adoptFound(parts());
      await expect(catalog.listGenerations(server.id, { limit: 10, cursor: null })).resolves.toMatchObject({
        items: [
          { generation: 3, facts: { state: 'missing' }, isOnPresentLine: true },
          { generation: 2, facts: { state: 'collected', entries: 1 } },
          { generation: 1, changes: { contained: [one], partly: [two], more: 4 } },
        ],
      });
      await expect(catalog.getGeneration(server.id, 1)).resolves.toMatchObject({ sections: facts.sections });
      await expect(catalog.changesAt(server.id, null)).resolves.toEqual({ contained: [one, two], partly: [], more: 4 });
      // The images name them; nobody knows more, and what is registered from now on comes on top.
      await expect(catalog.getChange(one.id)).rejects.toMatchObject({ code: 'CHANGE_NOT_FOUND' });
      const request = {
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: 'd',
        serverId: server.id,
        title: 'new',
        ticket: null,
        author: null,
        externalId: null,
      };
      const { change } = await catalog.openChange({ ...request, applyAgain: null });
      await catalog.completeChange({ actor: 'alice', id: change.id });
      expect((await catalog.changesAt(server.id, null)).contained.map(({ id }) => id)).toEqual([one.id, two.id, change.id]);
    });

    it.each<[string, (path: string) => void]>([
      ['gone', (path) => rmSync(path)],
      ['damaged', (path) => writeFileSync(path, '{}')],
      ['a directory', (path) => (rmSync(path), mkdirSync(path))],
    ])('comes back without facts that are %s: the recovery point is usable', async (_what, harm) => {
      const server = newServer();
      const { recoveryPointId } = await telling(server, 1, { contained: [one], partly: [], more: 0 });
      harm(join(directory, 'repository', 'servers', server.id, recoveryPointId, 'facts.json'));
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 1 }, orphans: [], notLooked: [] });
      await expect(catalog.getGeneration(server.id, 1)).resolves.toMatchObject({ state: 'usable', changes: { contained: [one] }, facts: { state: 'missing' } });
    });

    it('comes back although somebody has put facts there that PostgreSQL could not hold', async () => {
      const server = newServer();
      const manifest = await telling(server, 1, { contained: [], partly: [], more: 0 });
      const place = join(directory, 'repository', 'servers', server.id, manifest.recoveryPointId);
      const text = JSON.stringify(serverFacts({ users: [{ key: 'a', value: '\u0000 \ud83d' }] }));
      writeFileSync(join(place, 'facts.json'), text);
      forge(place, JSON.stringify({ ...manifest, facts: { path: 'facts.json', sizeBytes: text.length, sha256: sha256(text) } }));
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 1 }, orphans: [] });
      await expect(catalog.getGeneration(server.id, 1)).resolves.toMatchObject({ state: 'usable', sections: null });
    });
  });

  it('data of a known server is recorded from its own repository', async () => {
    const server = newServer();
    await taken(server);
    await data.ensure(server.id);
    const id = newId('rp');
    const snapshotId = data.take(server.id, {
      hostname: 'guest',
      tags: [DATA_TAG, recoveryPointTag(id), dataSetTag('documents')],
      paths: ['/srv'],
      files: { '/srv/a': Buffer.from('a') },
    });
    const credentials = [{ account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: null, problem: null }];
    await data.publish(makeManifest(server.id, snapshotId, { version: 2, recoveryPointId: id, credentials }));
    await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 2 }, orphans: [], notLooked: [] });
    await expect(catalog.getRecoveryPoint(id)).resolves.toMatchObject({ kind: 'data', state: 'usable', snapshotId, credentials });
    await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { known: 2, added: 0 } });
  });

  it('rows without files are reported, and not usable until they are found again', async () => {
    const stays = await taken();
    await adoptFound(parts());
    const lost = manifestOf(await catalog.getServer(stays.server.id), 9);
    await catalog.recordRecoveryPoint(lost, 'main', 'a'.repeat(64));
    await expect(adoptFound(parts({ isDryRun: true }))).resolves.toMatchObject({ missing: [{ where: 'image repository main' }] });
    await expect(catalog.getRecoveryPoint(lost.recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
    const { missing } = await adoptFound(parts());
    expect(missing).toEqual([{ where: 'image repository main', what: expect.stringContaining(lost.recoveryPointId) as string }]);
    await expect(catalog.getRecoveryPoint(lost.recoveryPointId)).resolves.toMatchObject({ state: 'damaged' });
    await expect(catalog.getRecoveryPoint(stays.recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
    await expect(adoptFound(parts())).resolves.toMatchObject({ missing: [] });
  });

  it('a repository that holds nothing of what is known is taken for another one: nothing is marked', async () => {
    await catalog.applyEstate('setup', ESTATE, RESOLVED);
    const known = manifestOf(await catalog.getServer('db01'), 1);
    await catalog.recordRecoveryPoint(known, 'main', 'a'.repeat(64));
    await expect(adoptFound(parts())).resolves.toMatchObject({
      missing: [],
      notLooked: [{ where: 'image repository main', what: expect.stringContaining('another one') as string }],
    });
    // Nor one that holds others': two that were exchanged.
    await taken();
    await expect(adoptFound(parts())).resolves.toMatchObject({ missing: [], notLooked: [{ where: 'image repository main' }] });
    await expect(catalog.getRecoveryPoint(known.recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
  });

  it('what is of no use as it is, and what is of nobody, is reported and not touched; the rest is recorded all the same', async () => {
    const [good, bad, first] = [await taken(), await taken(), newServer()];
    const inRepository = (...path: readonly string[]): string => join(directory, 'repository', 'servers', ...path);
    rmSync(inRepository(bad.server.id, bad.recoveryPointId, 'disks', 'vda.qcow2'));
    await taken(first);
    await taken({ ...newServer(), name: first.name });
    const strange = inRepository(newId('srv'), newId('rp'));
    mkdirSync(strange, { recursive: true });
    writeFileSync(join(strange, 'manifest.json'), '{}');
    const { orphans, recoveryPoints } = await adoptFound(parts());
    expect(recoveryPoints.added).toBe(2);
    expect(orphans.map(({ what }) => what.split(':')[0]).sort()).toEqual(expect.arrayContaining(['ESTATE_CONFLICT', 'RECOVERY_POINT_INCOMPLETE']));
    expect(orphans).toHaveLength(3);
    await expect(catalog.getRecoveryPoint(good.recoveryPointId)).resolves.toMatchObject({ state: 'usable' });
    expect(readFileSync(join(strange, 'manifest.json'), 'utf8')).toBe('{}');
  });

  describe('copies off-site', () => {
    const offsite = [{ name: 'vault', location: '/mnt/vault', media: 'fixed' as const }];
    const signal = new AbortController().signal;
    const copied = async ({ server, recoveryPointId }: ImageManifest): Promise<void> => {
      const published = join(directory, 'repository', 'servers', server.id, recoveryPointId);
      await vault.copyImage({ serverId: server.id, recoveryPointId, directory: published }, { signal });
    };
    const lost = ({ server }: ImageManifest): void => rmSync(join(directory, 'repository', 'servers', server.id), { recursive: true });
    beforeEach(() => catalog.applyEstate('setup', { ...ESTATE, servers: [], offsite }, []));

    it('a place that was never used holds nothing; one that is away was not looked at', async () => {
      await expect(adoptFound(parts())).resolves.toMatchObject({ orphans: [], notLooked: [], copiesAdded: 0 });
      await vault.ensure();
      vault.isConnected = false;
      await expect(adoptFound(parts())).resolves.toMatchObject({ orphans: [], notLooked: [{ where: 'off-site repository vault' }] });
    });

    it('a medium that is not connected is named: it may hold more, and that is no fault', async () => {
      vault = new FakeOffsiteRepository('vault', { media: 'removable', isMade: true });
      const only = await taken();
      await copied(only);
      lost(only);
      vault.isConnected = false;
      const found = await adoptFound(parts());
      expect(found).toMatchObject({
        recoveryPoints: { added: 0 },
        orphans: [],
        notLooked: [],
        away: [{ where: 'off-site repository vault', what: expect.stringContaining('vault') as string }],
      });
      const report = { isDryRun: false, ...NOTHING_READ_BACK, ...found };
      expect(isComplete(report)).toBe(true);
      expect(rebuildText(report)).toContain('connect them, then `modosu catalog compare`:\n  off-site repository vault: ');
      vault.isConnected = true;
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 1 }, copiesAdded: 1, away: [] });
    });

    it('of what nobody knows bring it into the catalogue, with its server: not usable until it is fetched', async () => {
      const server = newServer();
      const [here, full, child] = [await taken(), await taken(server), await taken(server, 2, 'lin-2')];
      await vault.ensure();
      for (const one of [child, here, full]) await copied(one);
      lost(full);
      await expect(adoptFound(parts({ isDryRun: true }))).resolves.toMatchObject({
        servers: { added: [here.server.name, server.name] },
        recoveryPoints: { added: 3 },
        copiesAdded: 2,
      });
      await expect(catalog.listServers()).resolves.toEqual([]);
      const found = await adoptFound(parts());
      // Of what lies here a transfer makes sure.
      expect(found).toMatchObject({ recoveryPoints: { added: 3 }, copiesAdded: 2, missing: [], orphans: [], notLooked: [] });
      expect(found.offsiteOnly).toEqual(
        [full, child].map(({ recoveryPointId, generation }) => ({
          where: expect.stringContaining(recoveryPointId) as string,
          what: expect.stringMatching(new RegExp(`^generation ${generation} of ${server.name} from `)) as string,
        })),
      );
      await expect(catalog.getServer(server.id)).resolves.toMatchObject({ name: server.name, lineageId: 'lin-2', repository: 'main' });
      for (const { recoveryPointId } of [full, child]) {
        await expect(catalog.getRecoveryPoint(recoveryPointId)).resolves.toMatchObject({ state: 'damaged', copies: [{ offsite: 'vault', state: 'copied' }] });
      }
      await expect(catalog.getRecoveryPoint(here.recoveryPointId)).resolves.toMatchObject({ state: 'usable', copies: [] });
      // It can be fetched, as after the loss of any other.
      await catalog.requestTransfer({ actor: 'alice', reason: 'needed', kind: 'fetch', recoveryPointId: child.recoveryPointId, offsite: 'vault' });
      await catalog.recordOffsiteLook('vault', null);
      await expect(catalog.startNextTransfer('asked')).resolves.toMatchObject({
        kind: 'fetch',
        points: [{ recoveryPointId: child.recoveryPointId, isLost: true }],
      });
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 0 }, copiesAdded: 0, offsiteOnly: [], missing: [] });
    });

    it('of data of a server that is known are taken in, too', async () => {
      const image = await taken();
      const id = newId('rp');
      await data.ensure(image.server.id);
      const snapshotId = data.take(image.server.id, {
        hostname: 'guest',
        tags: [DATA_TAG, recoveryPointTag(id), dataSetTag('documents')],
        paths: ['/srv'],
        files: { '/srv/a': Buffer.from('a') },
      });
      const manifest = await data.publish(makeManifest(image.server.id, snapshotId, { recoveryPointId: id }));
      await vault.ensure();
      await vault.copyData({ manifest, access: await data.accessFromHere(image.server.id) }, { signal });
      // The machine with the data repository is gone.
      data = new FakeDataRepository();
      await expect(adoptFound(parts())).resolves.toMatchObject({
        recoveryPoints: { added: 2 },
        copiesAdded: 1,
        offsiteOnly: [{ where: expect.stringContaining(id) as string }],
      });
      await expect(catalog.getRecoveryPoint(id)).resolves.toMatchObject({ kind: 'data', state: 'damaged', copies: [{ state: 'copied' }] });
    });

    it('of data are taken in also where only an image off-site tells of the server; what lies here of it, too', async () => {
      const image = await taken();
      const ids = [newId('rp'), newId('rp')];
      await vault.ensure();
      await copied(image);
      await data.ensure(image.server.id);
      for (const [index, id] of ids.entries()) {
        const tags = [DATA_TAG, recoveryPointTag(id), dataSetTag('documents')];
        const snapshotId = data.take(image.server.id, { hostname: 'guest', tags, paths: ['/srv'], files: { '/srv/a': Buffer.from(`${index}`) } });
        const manifest = await data.publish(makeManifest(image.server.id, snapshotId, { recoveryPointId: id }));
        if (index === 0) await vault.copyData({ manifest, access: await data.accessFromHere(image.server.id) }, { signal });
      }
      lost(image);
      const expected = { servers: { added: [image.server.name] }, recoveryPoints: { added: 3 }, orphans: [], notLooked: [] };
      await expect(adoptFound(parts({ isDryRun: true }))).resolves.toMatchObject(expected);
      await expect(adoptFound(parts())).resolves.toMatchObject({ ...expected, copiesAdded: 1 });
      for (const id of ids) await expect(catalog.getRecoveryPoint(id)).resolves.toMatchObject({ state: 'usable' });
    });

    it('of an image change nothing of a server that is known: it may have begun another line since', async () => {
      const server = newServer();
      await taken(server);
      await adoptFound(parts());
      const newer = await taken(server, 2, 'lin-2');
      await vault.ensure();
      await copied(newer);
      rmSync(join(directory, 'repository', 'servers', server.id, newer.recoveryPointId), { recursive: true });
      await catalog.adoptServer('alice', { ...(await catalog.getServer(server.id)), lineageId: 'lin-restored' });
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 1 }, copiesAdded: 1 });
      await expect(catalog.getServer(server.id)).resolves.toMatchObject({ lineageId: 'lin-restored' });
    });

    it('that cannot be read now were not looked at: they are not called of no use', async () => {
      const one = await taken();
      await vault.ensure();
      await copied(one);
      lost(one);
      jest.spyOn(vault, 'openImage').mockRejectedValueOnce(new ModosuError('OFFSITE_LOCKED', 'somebody makes room'));
      await expect(adoptFound(parts())).resolves.toMatchObject({ orphans: [], notLooked: [{ what: 'OFFSITE_LOCKED: somebody makes room' }] });
      await expect(adoptFound(parts())).resolves.toMatchObject({ recoveryPoints: { added: 1 }, notLooked: [] });
    });

    it('are taken in, too, where the image repository was lost and an empty one stands in its place', async () => {
      const [known, unknown] = [await taken(), await taken()];
      await adoptFound(parts());
      await vault.ensure();
      for (const one of [known, unknown]) await copied(one);
      await postgres.query(postgres.superuserUrl, `DELETE FROM recovery_point WHERE id = '${unknown.recoveryPointId}'`);
      for (const one of [known, unknown]) lost(one);
      await expect(adoptFound(parts())).resolves.toMatchObject({
        recoveryPoints: { added: 1 },
        copiesAdded: 2,
        notLooked: [{ what: expect.stringContaining('is it another one?') as string }],
      });
      for (const { recoveryPointId } of [known, unknown]) {
        await expect(catalog.getRecoveryPoint(recoveryPointId)).resolves.toMatchObject({ copies: [{ offsite: 'vault', state: 'copied' }] });
      }
    });

    it('are only told where nobody could look whether what they are of lies here too, or of which repository it is', async () => {
      const one = await taken();
      await vault.ensure();
      await copied(one);
      const away = (): Promise<never> => Promise.reject(new Error('gone'));
      await expect(adoptFound(parts({ imageRepository: away }))).resolves.toMatchObject({
        recoveryPoints: { added: 0 },
        orphans: [
          {
            where: expect.stringContaining(one.recoveryPointId) as string,
            what: expect.stringContaining('not every image repository was looked at') as string,
          },
        ],
      });
      lost(one);
      const repositories = [...ESTATE.repositories, { name: 'second', kind: 'directory' as const, path: join(directory, 'second') }];
      await catalog.applyEstate('setup', { ...ESTATE, servers: [], offsite, repositories }, []);
      await expect(adoptFound(parts({ imageRepository: async () => repository }))).resolves.toMatchObject({
        recoveryPoints: { added: 0 },
        notLooked: [{ what: expect.stringMatching(/^REPOSITORY_NOT_CONFIGURED: .*main, second/) as string }],
      });
    });
  });

  it('a server is taken to be on the only hypervisor that is declared; where there are several, it is asked for', async () => {
    const server = newServer();
    await taken(server);
    await catalog.applyEstate(
      'setup',
      { ...ESTATE, servers: [], hypervisors: [...ESTATE.hypervisors, { name: 'hv2', kind: 'libvirt', uri: 'qemu:///system' }] },
      [],
    );
    await expect(adoptFound(parts({ hypervisor: null }))).resolves.toMatchObject({
      orphans: [],
      notLooked: [{ what: expect.stringMatching(/^HYPERVISOR_NOT_CONFIGURED: .*hv1, hv2/) as string }],
    });
    await expect(catalog.listServers()).resolves.toEqual([]);
    await expect(adoptFound(parts({ hypervisor: 'hv2' }))).resolves.toMatchObject({ servers: { added: [server.name] }, notLooked: [] });
  });

  it('a server is taken to be on the only hypervisor there is', async () => {
    const server = newServer();
    await taken(server);
    await expect(adoptFound(parts({ hypervisor: null }))).resolves.toMatchObject({ servers: { added: [server.name] } });
    await expect(catalog.getServer(server.id)).resolves.toMatchObject({ hypervisor: 'hv1' });
  });

  it('a repository that is away keeps nobody from the others, and is said to be not looked at', async () => {
    const away = (): Promise<never> => Promise.reject(new Error('gone'));
    await expect(adoptFound(parts({ imageRepository: away }))).resolves.toMatchObject({
      notLooked: [{ where: 'image repository main', what: 'INTERNAL: gone' }],
      missing: [],
    });
  });

  it('a server goes on with the line of an image that is newer than all that is known, and with no other', async () => {
    const server = newServer();
    await taken(server);
    await adoptFound(parts());
    // As an undo leaves it: back on an older line than that of its newest image.
    await catalog.adoptServer('alice', { ...(await catalog.getServer(server.id)), lineageId: 'lin-0' });
    await adoptFound(parts());
    await expect(catalog.getServer(server.id)).resolves.toMatchObject({ lineageId: 'lin-0' });
    await taken(server, 2, 'lin-3');
    await adoptFound(parts());
    await expect(catalog.getServer(server.id)).resolves.toMatchObject({ lineageId: 'lin-3' });
  });
});
