import { PlanningJudgements } from '../../activities/planning-activities';
import type { ActivityDependencies } from '../../activities/dependencies';
import type { ServerRecord } from '../../src/catalog/catalog';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate } from '../../src/contracts/estate';
import type { DataManifest, DataSet, FilesDataSet, PostgresqlDataSet } from '../../src/contracts/data';
import { toModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { DataSurvey } from '../../src/contracts/plan';
import type { DataRecoveryPointView, ImageRecoveryPointView } from '../../src/contracts/recovery-point';
import type { KeptDataRecord, StateBefore } from '../../src/contracts/way-back';
import { manifestOf, type ApiHarness } from './api-harness';

export const UPLOADS: FilesDataSet = { kind: 'files', name: 'uploads', paths: ['/srv/uploads', '/etc/app'], excludes: ['*.tmp'], before: null, after: null };
export const SHOP: PostgresqlDataSet = {
  kind: 'postgresql',
  name: 'shop',
  databases: ['shop'],
  user: 'postgres',
  osUser: 'postgres',
  socketDirectory: null,
  port: 5432,
  spoolDirectory: '/var/tmp/modosu-spool',
  before: ['/usr/local/bin/flush', 'all of it'],
  after: null,
};
/** Declared, never backed up. */
export const LEDGERS: PostgresqlDataSet = { ...SHOP, name: 'ledgers', databases: ['hr', 'crm'], before: null };

/** db01 has data sets; web01 has none. */
export const DATA_ESTATE: Estate = estateSchema.parse({
  hypervisors: [{ name: 'local', kind: 'libvirt' }],
  repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
  servers: [
    { name: 'db01', hypervisor: 'local', repository: 'main', dataSets: [UPLOADS, SHOP, LEDGERS] },
    { name: 'web01', hypervisor: 'local', repository: 'main' },
  ],
});

const HOUR = 3_600_000;
export const hoursAgo = (hours: number): string => new Date(Date.now() - hours * HOUR).toISOString();

export function dataManifestOf(server: ServerRecord, dataSet: DataSet, pointInTime: string, changes: Partial<DataManifest> = {}): DataManifest {
  return {
    format: 'modosu-data-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: server.id, name: server.name, uuid: server.uuid },
    dataSet,
    runId: newId('run'),
    purpose: 'backup',
    reason: 'nightly',
    pointInTime,
    publishedAt: pointInTime,
    snapshotId: 'e'.repeat(64),
    keyId: 'k1',
    totalBytes: 300 * 1024 * 1024,
    addedBytes: 7 * 1024 * 1024,
    content:
      dataSet.kind === 'files'
        ? { kind: 'files', paths: dataSet.paths, files: 1234, totalBytes: 300 * 1024 * 1024, problems: ['/srv/uploads/a.log: changed while it was read'] }
        : {
            kind: 'postgresql',
            engineVersion: '15.18',
            engineMajor: 15,
            directory: '/var/tmp/modosu-spool/run',
            factsFile: 'facts.json',
            globalsFile: 'globals.sql',
            databases: dataSet.databases.map((name, index) => ({ name, file: `${index + 1}.dump`, sizeBytes: 300 * 1024 * 1024, tables: 2, rows: 5500 })),
          },
    software: { modosu: '0.0.0', restic: '0.14.0' },
    ...changes,
  };
}

export interface Seeded {
  readonly server: ServerRecord;
  /** Without data sets; has an image. */
  readonly other: ServerRecord;
  readonly image: ImageRecoveryPointView;
  /** Of `UPLOADS`, two hours old. */
  readonly files: DataRecoveryPointView;
  /** Of `SHOP`: one hour old, and one from yesterday. */
  readonly dump: DataRecoveryPointView;
  readonly olderDump: DataRecoveryPointView;
}

export async function seedData(api: ApiHarness): Promise<Seeded> {
  await api.createServer('db01');
  await api.createServer('web01');
  await api.applyEstate(DATA_ESTATE);
  const server = await api.catalog.getServer('db01');
  return {
    server,
    other: await api.catalog.getServer('web01'),
    image: await api.catalog.recordRecoveryPoint(manifestOf(server), 'main'),
    files: await api.catalog.recordDataRecoveryPoint(dataManifestOf(server, UPLOADS, hoursAgo(2))),
    olderDump: await api.catalog.recordDataRecoveryPoint(dataManifestOf(server, SHOP, hoursAgo(24))),
    dump: await api.catalog.recordDataRecoveryPoint(dataManifestOf(server, SHOP, hoursAgo(1))),
  };
}

/** The worker's part of a plan of data: its own judgement, and this look at the guest. */
export async function makeDataPlan(api: ApiHarness, planId: string, survey: Partial<DataSurvey> = {}): Promise<void> {
  const planning = new PlanningJudgements({ catalog: api.catalog } as unknown as ActivityDependencies);
  const plan = await api.catalog.getDispatchablePlan(planId);
  if (plan.scenario !== 'data') throw new Error(`plan ${planId} is none of data`);
  try {
    const source = await planning.chooseDataSource(plan.input);
    const present = await api.hypervisor.inspect({ uuid: source.uuid, name: source.serverName });
    await planning.composeDataPlan(source, { present, changes: [], findings: [], losses: [], ...survey });
  } catch (thrown) {
    await api.catalog.failPlan(planId, toModosuError(thrown).summary());
  }
}

/** The worker's part of the plan of an undo of data. */
export async function makeDataUndoPlan(api: ApiHarness, planId: string): Promise<void> {
  const planning = new PlanningJudgements({ catalog: api.catalog } as unknown as ActivityDependencies);
  const plan = await api.catalog.getDispatchablePlan(planId);
  if (plan.scenario !== 'undo') throw new Error(`plan ${planId} is none of an undo`);
  const source = await planning.chooseUndoSource(plan.input);
  const present = await api.hypervisor.inspect({ uuid: source.uuid, name: source.serverName });
  await planning.composeUndoPlan(source, {
    present,
    wayBack: null,
    writtenBytes: {},
    data: {
      changes: [{ effect: 'replaced', what: 'table public.orders', count: 1, bytes: null, examples: [], rows: { now: 90, then: 120 } }],
      findings: [],
      losses: ['Rows written to public.orders since are kept aside.'],
    },
  });
}

const BEFORE: StateBefore = { powerState: 'running', agent: 'answering' };

/** A restore of tables that has succeeded and keeps the rows they had. */
export async function doneDataRestore(api: ApiHarness, { server, dump }: Seeded): Promise<string> {
  const selection = { kind: 'postgresql', database: 'shop', tables: [{ schema: 'public', name: 'orders' }], schemas: [], whole: false, replace: true } as const;
  const { planId } = await api.catalog.acceptPlan({
    actor: 'test',
    idempotencyKey: null,
    requestDigest: '',
    serverId: server.id,
    scenario: 'data',
    dataSet: 'shop',
    selection,
    recoveryPointId: dump.id,
  });
  await makeDataPlan(api, planId);
  const { runId } = await api.catalog.acceptPlanned({
    actor: 'test',
    idempotencyKey: null,
    requestDigest: '',
    serverId: server.id,
    reason: 'orders were deleted',
    planId,
    confirm: server.name,
    hold: false,
  });
  await api.catalog.startRun(runId);
  const data: KeptDataRecord = {
    runId,
    undone: false,
    dataSet: SHOP,
    recoveryPointId: dump.id,
    kept: {
      kind: 'postgresql',
      database: 'shop',
      whole: false,
      keptDatabase: null,
      restoredSchema: null,
      keptSchema: 'kept_x',
      added: [],
      replaced: ['public.orders'],
      keptBytes: 4 * 1024 * 1024,
    },
  };
  await api.catalog.openWayBack(
    runId,
    { wasGone: false, volumes: [], nvramPath: null, generationId: null, complete: true, data },
    BEFORE,
    new Date(Date.now() + 7 * 24 * HOUR),
  );
  await api.catalog.finishRun(runId, { state: 'succeeded', error: null, recoverySeconds: 42, lostSeconds: 3600 });
  return runId;
}
