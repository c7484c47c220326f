import { planHash } from '../../src/catalog/plan-hash';
import type { AcceptDataBackupRequest, AcceptPlanRequest, Catalog, ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { CredentialDeclaration } from '../../src/contracts/credential';
import type { DataManifest, PostgresqlDataSet } from '../../src/contracts/data';
import { newId } from '../../src/contracts/ids';
import type { DataRestorePlanBody } from '../../src/contracts/plan';
import type { KeptDataRecord } from '../../src/contracts/way-back';
import type { CatalogUnderTest } from './catalog.contract';
import { actions, backupRequest, BEFORE, codeOf, ESTATE, manifestOf, refusal, RESOLVED, restoreRequest, succeeded } from './catalog.fixtures';

const SHOP: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: 'postgres',
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/var/tmp/modosu-spool',
  before: null,
  after: null,
};

async function givenServerWithData(catalog: Catalog, credentials?: readonly CredentialDeclaration[]): Promise<ServerRecord> {
  const [db01, web01] = ESTATE.servers;
  const dataSets = [{ kind: 'files', name: 'uploads', paths: ['/srv/uploads'] }, SHOP];
  const declared = { ...ESTATE, servers: [{ ...db01, dataSets, credentials }, web01] };
  await catalog.applyEstate('setup', estateSchema.parse(declared), RESOLVED);
  return catalog.getServer('db01');
}

const request = (serverId: string, changes: Partial<AcceptDataBackupRequest> = {}): AcceptDataBackupRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  serverId,
  reason: 'daily',
  dataSets: null,
  ...changes,
});

export const dataManifest = (server: ServerRecord, hour: number, changes: Partial<DataManifest> = {}): DataManifest => ({
  format: 'modosu-data-recovery-point',
  version: 1,
  recoveryPointId: newId('rp'),
  server: { id: server.id, name: server.name, uuid: server.uuid },
  dataSet: SHOP,
  runId: newId('run'),
  purpose: 'backup',
  reason: 'daily',
  pointInTime: new Date(Date.UTC(2026, 1, 1, hour)).toISOString(),
  publishedAt: new Date(Date.UTC(2026, 1, 1, hour, 5)).toISOString(),
  snapshotId: 'e'.repeat(64),
  keyId: 'k1',
  totalBytes: 5_000_000_000,
  addedBytes: 100,
  content: {
    kind: 'postgresql',
    engineVersion: '15.18',
    engineMajor: 15,
    directory: '/var/tmp/modosu-spool/run',
    factsFile: 'facts.json',
    globalsFile: 'globals.sql',
    databases: [{ name: 'shop', file: '1.dump', sizeBytes: 300, tables: 2, rows: 5500 }],
  },
  software: { modosu: '0.1.0', restic: '0.14.0' },
  ...changes,
});

const selection = { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false, replace: false } as const;
const planRequest = (serverId: string, recoveryPointId: string | null): AcceptPlanRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'p',
  serverId,
  scenario: 'data',
  dataSet: 'shop',
  selection,
  recoveryPointId,
  incidentAt: '2026-02-01T09:30:00.000Z',
});

function planBody(planId: string, server: ServerRecord, manifest: DataManifest): DataRestorePlanBody {
  return {
    planId,
    runId: newId('run'),
    scenario: 'data',
    server: {
      serverId: server.id,
      name: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      domainName: server.domainName,
      macs: [],
      powerState: 'running',
    },
    recoveryPoint: {
      id: manifest.recoveryPointId,
      dataSet: manifest.dataSet,
      pointInTime: manifest.pointInTime,
      snapshotId: manifest.snapshotId,
      reason: manifest.reason,
      content: manifest.content,
    },
    selection,
    changes: [],
    before: BEFORE,
    steps: [],
    findings: [],
    losses: [],
    loss: { incidentAt: '2026-02-01T09:30:00.000Z', pointInTime: manifest.pointInTime, seconds: 1800 },
    estimate: null,
    createdAt: '2026-03-01T00:00:00.000Z',
  };
}

async function givenPlan(catalog: Catalog, server: ServerRecord): Promise<{ readonly planId: string; readonly manifest: DataManifest }> {
  const manifest = dataManifest(server, 9);
  await catalog.recordDataRecoveryPoint(manifest);
  const { planId } = await catalog.acceptPlan(planRequest(server.id, manifest.recoveryPointId));
  const body = planBody(planId, server, manifest);
  await catalog.completePlan(planId, body, planHash(body));
  return { planId, manifest };
}

export function dataContract(subject: () => CatalogUnderTest): void {
  describe('data', () => {
    it('a backup gets an item with a recovery point of its own for each data set that was asked for', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const { runId } = await catalog.acceptDataBackup(request(server.id));
      const run = await catalog.getDispatchable(runId);
      expect(run).toMatchObject({
        kind: 'backup-data',
        input: { runId, serverName: 'db01', reason: 'daily', items: [{ dataSet: { name: 'uploads', excludes: [] } }, { dataSet: SHOP }] },
      });
      const ids = run.kind === 'backup-data' ? run.input.items.map(({ recoveryPointId }) => recoveryPointId) : [];
      expect(new Set(ids).size).toBe(2);
      await catalog.finishRun(runId, { state: 'cancelled', error: null });
      const { runId: one } = await catalog.acceptDataBackup(request(server.id, { dataSets: ['shop'] }));
      expect((await catalog.getDispatchable(one)).input).toMatchObject({ items: [{ dataSet: { name: 'shop' } }] });
      expect((await catalog.listAudit({ runId: one }, { limit: 5, cursor: null })).items[0]?.details).toMatchObject({
        kind: 'backup-data',
        dataSets: ['shop'],
      });
    });

    it('a recovery point remembers which versions of credentials were valid, as its manifest says', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const credentials: NonNullable<DataManifest['credentials']> = [
        { account: 'root', store: 'vault', path: 'servers/db01', version: '7', createdAt: '2026-01-31T08:00:00.000Z', problem: null },
        { account: 'backup', store: 'vault', path: 'servers/db01', version: null, createdAt: null, problem: 'SECRET_STORE_SEALED' },
      ];
      const { id } = await catalog.recordDataRecoveryPoint(dataManifest(server, 9, { version: 2, credentials }));
      expect(await catalog.getRecoveryPoint(id)).toMatchObject({ credentials });
      expect(await catalog.usableData(server.id, 'shop')).toMatchObject([{ id, credentials }]);
      const adopted = await catalog.adoptDataRecoveryPoint('alice', dataManifest(server, 10, { version: 2, credentials }));
      expect(adopted).toMatchObject({ credentials });
      expect(await catalog.recordDataRecoveryPoint(dataManifest(server, 8))).not.toHaveProperty('credentials');
    });

    it('runs that save data are told which credentials are declared; where none is, nothing of them', async () => {
      const { catalog } = subject();
      const declared: CredentialDeclaration = { account: 'root', store: 'vault', path: 'servers/db01', reapply: true };
      const inputs = async (server: ServerRecord) => {
        const { runId: saving } = await catalog.acceptDataBackup(request(server.id));
        const backup = (await catalog.getDispatchable(saving)).input;
        await catalog.finishRun(saving, { state: 'cancelled', error: null });
        const { runId: restoring } = await catalog.acceptPlanned(restoreRequest(server.id, (await givenPlan(catalog, server)).planId));
        const restore = (await catalog.getDispatchable(restoring)).input;
        await catalog.finishRun(restoring, { state: 'cancelled', error: null });
        return [backup, restore];
      };
      for (const input of await inputs(await givenServerWithData(catalog))) expect(input).not.toHaveProperty('credentials');
      for (const input of await inputs(await givenServerWithData(catalog, [declared]))) expect(input).toMatchObject({ credentials: [declared] });
    });

    it('a backup of what is not declared is refused and holds nothing', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      expect(await refusal(catalog.acceptDataBackup(request(server.id, { dataSets: ['hr'] })))).toMatchObject({
        code: 'DATA_SET_NOT_FOUND',
        message: expect.stringContaining('uploads, shop') as string,
      });
      const web01 = await catalog.getServer('web01');
      expect(await codeOf(catalog.acceptDataBackup(request(web01.id)))).toBe('DATA_SET_NOT_FOUND');
      expect(await catalog.listOpenRuns()).toEqual([]);
    });

    it('one lock: a data backup waits for nobody and disturbs nobody', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const { runId } = await catalog.acceptDataBackup(request(server.id));
      expect(await refusal(catalog.acceptDataBackup(request(server.id)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId } });
      expect(await refusal(catalog.acceptBackup(backupRequest(server.id)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId } });
      await catalog.finishRun(runId, succeeded);
      const image = await catalog.acceptBackup(backupRequest(server.id));
      expect(await refusal(catalog.acceptDataBackup(request(server.id)))).toMatchObject({ code: 'SERVER_BUSY', context: { runId: image.runId } });
    });

    it('recovery points are recorded once, listed with the images, and found by data set, newest first', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const older = dataManifest(server, 8);
      const newer = dataManifest(server, 10);
      const view = await catalog.recordDataRecoveryPoint(older);
      expect(view).toEqual({
        kind: 'data',
        id: older.recoveryPointId,
        serverId: server.id,
        serverName: 'db01',
        state: 'usable',
        pointInTime: older.pointInTime,
        publishedAt: older.publishedAt,
        sizeBytes: 5_000_000_000,
        reason: 'daily',
        runId: older.runId,
        hold: null,
        expiredAt: null,
        deletesAt: null,
        deletedAt: null,
        verification: { state: 'unverified', method: null, at: null, problem: null, boot: null },
        dataSet: 'shop',
        purpose: 'backup',
        snapshotId: older.snapshotId,
        addedBytes: 100,
        declared: SHOP,
        content: older.content,
      });
      expect(await catalog.recordDataRecoveryPoint(older)).toEqual(view);
      await catalog.recordDataRecoveryPoint(newer);
      await catalog.recordDataRecoveryPoint(dataManifest(server, 11, { dataSet: { ...SHOP, name: 'crm' } }));
      expect((await catalog.usableData(server.id, 'shop')).map(({ id }) => id)).toEqual([newer.recoveryPointId, older.recoveryPointId]);
      expect(await catalog.getRecoveryPoint(older.recoveryPointId)).toEqual({ ...view, copies: [] });
      expect((await catalog.listRecoveryPoints({ serverId: server.id }, { limit: 10, cursor: null })).items.map(({ kind }) => kind)).toEqual([
        'data',
        'data',
        'data',
        'image',
      ]);
      expect((await actions(catalog)).filter((action) => action === 'recovery-point.published')).toHaveLength(4);
    });

    it('images and data do not stand in for each other', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const image = await catalog.recordRecoveryPoint(manifestOf(server, 1), 'main');
      const data = await catalog.recordDataRecoveryPoint(dataManifest(server, 9));
      expect((await catalog.newestUsable(server.id)).id).toBe(image.id);
      expect(await catalog.nextGeneration(server.id)).toBe(2);
      expect(
        await codeOf(
          catalog.acceptPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'p', serverId: server.id, scenario: 'server', recoveryPointId: data.id }),
        ),
      ).toBe('RECOVERY_POINT_NOT_USABLE');
      expect(await codeOf(catalog.acceptPlan(planRequest(server.id, image.id)))).toBe('RECOVERY_POINT_NOT_USABLE');
    });

    it('what was saved before a restore is never chosen by itself, only by its id', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const safety = await catalog.recordDataRecoveryPoint(dataManifest(server, 11, { purpose: 'safety' }));
      expect(await catalog.usableData(server.id, 'shop')).toEqual([]);
      await expect(catalog.acceptPlan(planRequest(server.id, safety.id))).resolves.toMatchObject({ replayed: false });
    });

    it('a damaged one is not chosen any more', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const data = await catalog.recordDataRecoveryPoint(dataManifest(server, 9));
      await catalog.markRecoveryPoint(data.id, 'damaged', 'a pack is damaged');
      expect(await catalog.usableData(server.id, 'shop')).toEqual([]);
      expect(await codeOf(catalog.acceptPlan(planRequest(server.id, data.id)))).toBe('RECOVERY_POINT_NOT_USABLE');
    });

    it('a plan of data keeps what was asked for, and becomes a run that holds the server', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const { planId, manifest } = await givenPlan(catalog, server);
      expect(await catalog.getDispatchablePlan(planId)).toEqual({
        scenario: 'data',
        input: { planId, serverId: server.id, recoveryPointId: manifest.recoveryPointId, dataSet: 'shop', selection, incidentAt: '2026-02-01T09:30:00.000Z' },
      });
      expect(await refusal(catalog.acceptPlanned(restoreRequest(server.id, planId, { hold: true })))).toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringContaining('running server') as string,
      });
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      expect(await catalog.getDispatchable(runId)).toMatchObject({
        kind: 'restore-data',
        input: { runId, planId, safetyRecoveryPointId: expect.stringMatching(/^rp_/) as string },
      });
      expect(await catalog.getRun(runId)).toMatchObject({ kind: 'restore-data', recoveryPointId: manifest.recoveryPointId });
    });

    it('what a data restore keeps is a way back on the same line of disk states, live at once; undo and confirm go on from there', async () => {
      const { catalog } = subject();
      const server = await givenServerWithData(catalog);
      const { planId, manifest } = await givenPlan(catalog, server);
      const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
      await catalog.startRun(runId);
      const record: KeptDataRecord = {
        runId,
        undone: false,
        dataSet: SHOP,
        recoveryPointId: manifest.recoveryPointId,
        kept: {
          kind: 'postgresql',
          database: 'shop',
          whole: true,
          keptDatabase: 'replaced_x',
          restoredSchema: null,
          keptSchema: null,
          added: [],
          replaced: ['shop'],
          keptBytes: 300,
        },
      };
      const facts = { wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true, data: record };
      const wayBack = await catalog.openWayBack(runId, facts, BEFORE, new Date(Date.UTC(2026, 2, 8)));
      expect(wayBack).toMatchObject({
        state: 'open',
        data: record,
        lineageBefore: server.lineageId,
        lineageAfter: server.lineageId,
        wentLiveAt: '2026-03-01T00:00:00.000Z',
      });
      expect((await catalog.getServer('db01')).lineageId).toBe(server.lineageId);
      await catalog.finishRun(runId, { state: 'succeeded', error: null, recoverySeconds: 42, lostSeconds: 1800 });
      expect(await catalog.getRun(runId)).toMatchObject({ recoverySeconds: 42, lostSeconds: 1800, allowedActions: ['undo', 'confirm'] });
      expect(await catalog.measuredRecoverySeconds(server.id, 'restore-data')).toEqual([42]);
      expect(await catalog.measuredRecoverySeconds(server.id, 'restore-server')).toEqual([]);
      expect(await actions(catalog, runId)).toContain('data.placed');
      const { runId: confirming } = await catalog.acceptConfirm({
        actor: 'alice',
        idempotencyKey: null,
        requestDigest: 'c',
        serverId: server.id,
        reason: 'all is well',
        ofRunId: runId,
      });
      await catalog.startRun(confirming);
      await catalog.closeWayBack(confirming, runId);
      expect((await catalog.getWayBack(runId)).state).toBe('confirmed');
    });
  });
}
