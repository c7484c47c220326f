import type { SavedData } from '../../src/contracts/activities/data';
import type { PlanSource } from '../../src/contracts/activities/planning';
import type { DataRestorePlanBody, DataSurvey, RestorePlanBody, RestoreSurvey, UndoPlanBody, UndoSurvey } from '../../src/contracts/plan';
import { NO_PROTECTION } from '../../src/contracts/protection';
import type { KeptDataRecord, WayBackFacts, WayBackView } from '../../src/contracts/way-back';
import type { ServerInspection } from '../../src/contracts/server';
import type {
  BackupDataInput,
  BackupImageInput,
  ConfirmInput,
  DataRestoreItem,
  RestoreDataInput,
  RestoreServerInput,
  UndoInput,
} from '../../src/contracts/workflows';
import type { FilesDataSet, PostgresqlContent, PostgresqlDataSet } from '../../src/contracts/data';
import type { DataRecoveryPointView } from '../../src/contracts/recovery-point';
import { planDataRestore } from '../../src/domain/planning/data-planning';
import { planRestore } from '../../src/domain/planning/restore-planning';
import { planUndo } from '../../src/domain/planning/undo-planning';
/** What the workflows are played with: their inputs, and what the activities tell them of the server, its images, its data and its ways back. */

export const HYPERVISOR = 'kvm1';
export const RUN = {
  runId: 'run_01aaaaaaaaaaaaaaaaaaaaaaaa',
  serverId: 'srv_01aaaaaaaaaaaaaaaaaaaaaaaa',
  serverName: 'db01',
  uuid: '3f0c9c1e-1111-4222-8333-444455556666',
  hypervisor: HYPERVISOR,
  repository: 'main',
  fencingToken: 7,
  acceptedAt: '2026-03-02T11:59:00.000Z',
  stopTimeoutSeconds: 60,
  agentTimeoutSeconds: 60,
};
export const BACKUP: BackupImageInput = {
  ...RUN,
  recoveryPointId: 'rp_01aaaaaaaaaaaaaaaaaaaaaaaa',
  mode: 'offline',
  allowCrashConsistent: false,
  quiesce: NO_PROTECTION.quiesce,
  onlineBackup: NO_PROTECTION.onlineBackup,
  reason: 'baseline',
};
export const ONLINE: BackupImageInput = { ...BACKUP, mode: 'online' };
export const RESTORE: RestoreServerInput = { ...RUN, planId: 'plan_01aaaaaaaaaaaaaaaaaaaaaaaa', planHash: 'h', hold: false, reason: 'it no longer starts' };
const RESTORED_RUN = 'run_00aaaaaaaaaaaaaaaaaaaaaaaa';
export const UNDO: UndoInput = { ...RUN, planId: 'plan_02aaaaaaaaaaaaaaaaaaaaaaaa', planHash: 'h', ofRunId: RESTORED_RUN, reason: 'the wrong one' };
export const CONFIRM: ConfirmInput = { ...RUN, ofRunId: RESTORED_RUN, reason: 'all is well' };

export const inspection: ServerInspection = {
  uuid: RUN.uuid,
  domainName: 'db01',
  powerState: 'running',
  domainType: 'qemu',
  definitionFingerprint: 'f1',
  disks: ['vda', 'vdb'].map((target) => ({
    target,
    bus: 'virtio',
    path: `/srv/vm/${target}.qcow2`,
    format: 'qcow2',
    virtualSizeBytes: 1024,
    allocatedBytes: 512,
    backingChain: [],
  })),
  removableMedia: [],
  firmware: 'uefi',
  nvram: { path: '/srv/vm/db01.fd', format: 'raw', sizeBytes: 64 },
  nics: [{ mac: '52:54:00:00:00:01', type: 'user', source: null, linkUp: true }],
  generationId: 'g1',
  agent: { state: 'silent', version: null, commands: [] },
  refusals: [],
  memoryBytes: 1,
  vcpus: 1,
};

export const SURVEY: RestoreSurvey = {
  present: inspection,
  manifestSha256: 'a'.repeat(64),
  manifest: {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: BACKUP.recoveryPointId,
    server: { id: RUN.serverId, name: 'db01', uuid: RUN.uuid },
    generation: 1,
    lineageId: 'l1',
    parentId: null,
    runId: 'run_0',
    reason: 'baseline',
    consistency: 'offline',
    pointInTime: '2026-03-02T09:00:00.000Z',
    publishedAt: '2026-03-02T09:01:00.000Z',
    disks: ['vda', 'vdb'].map((target) => ({
      target,
      virtualSizeBytes: 1024,
      image: {
        path: `disks/${target}.qcow2`,
        format: 'qcow2',
        sizeBytes: 512,
        sha256: 'b'.repeat(64),
        segmentsPath: `disks/${target}.segments`,
        segmentSizeBytes: 16,
      },
      origin: { path: `/srv/vm/${target}.qcow2`, format: 'qcow2', flattened: false },
    })),
    definition: { path: 'domain.xml', sizeBytes: 1, sha256: 'c'.repeat(64) },
    definitionFingerprint: 'f1',
    nvram: { path: 'nvram.fd', sizeBytes: 64, sha256: 'd'.repeat(64), origin: { path: '/srv/vm/db01.fd', format: 'raw' } },
    removableMedia: [],
    nics: [],
    generationId: 'g1',
    firmware: 'uefi',
    domainType: 'qemu',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: 'test' },
  },
  targets: {
    volumes: ['vda', 'vdb'].map((target) => ({
      target,
      replacesPath: `/srv/vm/${target}.qcow2`,
      newPath: `/srv/vm/${target}.qcow2.${RUN.runId}`,
      format: 'qcow2',
      virtualSizeBytes: 1024,
      flattened: false,
    })),
    nvramNewPath: `/srv/vm/db01.fd.${RUN.runId}`,
    space: [{ directory: '/srv/vm', neededBytes: 1024, freeBytes: 1e12 }],
    missingMedia: [],
  },
};

export const PLAN_SOURCE: PlanSource = {
  planId: RESTORE.planId,
  runId: RUN.runId,
  serverId: RUN.serverId,
  serverName: 'db01',
  uuid: RUN.uuid,
  hypervisor: HYPERVISOR,
  repository: 'main',
  recoveryPointId: BACKUP.recoveryPointId,
  measuredRecoverySeconds: [],
  protection: { ...NO_PROTECTION, healthChecks: [{ name: 'database', kind: 'command', argv: ['pg_isready'], timeoutSeconds: 60 }] },
  openWayBacks: [],
};
/** A plan of a server, with what its relations say. */
export const planJudged = (judged?: Parameters<typeof planRestore>[3]): RestorePlanBody =>
  planRestore(PLAN_SOURCE, SURVEY, new Date('2026-03-02T12:00:00.000Z'), judged);
export const PLAN: RestorePlanBody = planJudged();

export const KEPT: WayBackFacts = {
  wasGone: false,
  volumes: ['vda', 'vdb'].map((target) => ({ target, path: `/srv/vm/${target}.old`, allocatedBytes: 512 })),
  nvramPath: '/srv/vm/db01.fd',
  generationId: 'g0',
  complete: true,
};
export const WAY_BACK: WayBackView = {
  runId: RESTORED_RUN,
  serverId: RUN.serverId,
  serverName: 'db01',
  state: 'open',
  wasGone: false,
  volumes: KEPT.volumes,
  nvramPath: KEPT.nvramPath,
  data: null,
  before: { powerState: 'running', agent: 'answering' },
  lineageBefore: 'l0',
  lineageAfter: 'l1',
  createdAt: '2026-03-02T11:00:00.000Z',
  expiresAt: '2026-03-09T11:00:00.000Z',
  wentLiveAt: '2026-03-02T11:01:00.000Z',
  closedBy: null,
  closedAt: null,
};
export const UNDO_SURVEY: UndoSurvey = { present: inspection, wayBack: KEPT, writtenBytes: { vda: 1024 } };
export const UNDO_PLAN: UndoPlanBody = planUndo(
  {
    planId: UNDO.planId,
    runId: RUN.runId,
    serverId: RUN.serverId,
    serverName: 'db01',
    uuid: RUN.uuid,
    hypervisor: HYPERVISOR,
    lineageId: 'l1',
    wayBack: WAY_BACK,
    undoneRun: { kind: 'restore-server', reason: 'it no longer starts' },
  },
  UNDO_SURVEY,
  new Date('2026-03-02T12:00:00.000Z'),
);

export const FILES: FilesDataSet = {
  kind: 'files',
  name: 'uploads',
  paths: ['/srv/uploads'],
  excludes: [],
  before: ['/usr/bin/pause'],
  after: ['/usr/bin/resume'],
};
export const SHOP: PostgresqlDataSet = {
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
export const POSTGRESQL_CONTENT: PostgresqlContent = {
  kind: 'postgresql',
  engineVersion: '15.18',
  engineMajor: 15,
  directory: '/var/tmp/modosu-spool/run',
  factsFile: 'facts.json',
  globalsFile: 'globals.sql',
  databases: [{ name: 'shop', file: '1.dump', sizeBytes: 300, tables: 2, rows: 5500 }],
};
export const SAVED: SavedData = {
  snapshotId: 'e'.repeat(64),
  pointInTime: '2026-03-02T11:00:00.000Z',
  content: { kind: 'files', paths: FILES.paths, files: 3, totalBytes: 300, problems: [] },
  totalBytes: 300,
  addedBytes: 100,
  resticVersion: '0.14.0',
};
export const BACKUP_DATA: BackupDataInput = {
  ...RUN,
  items: [
    { recoveryPointId: 'rp_02aaaaaaaaaaaaaaaaaaaaaaaa', dataSet: FILES },
    { recoveryPointId: 'rp_03aaaaaaaaaaaaaaaaaaaaaaaa', dataSet: SHOP },
  ],
  reason: 'daily',
};
export const DATA_ITEM: DataRestoreItem = {
  dataSet: SHOP,
  recoveryPointId: 'rp_03aaaaaaaaaaaaaaaaaaaaaaaa',
  snapshotId: SAVED.snapshotId,
  content: POSTGRESQL_CONTENT,
  selection: { kind: 'postgresql', database: 'shop', tables: [], schemas: [], whole: true, replace: true },
};
export const DATA_POINT: DataRecoveryPointView = {
  kind: 'data',
  id: DATA_ITEM.recoveryPointId,
  serverId: RUN.serverId,
  serverName: 'db01',
  state: 'usable',
  pointInTime: SAVED.pointInTime,
  publishedAt: SAVED.pointInTime,
  expiredAt: null,
  deletesAt: null,
  deletedAt: null,
  sizeBytes: 300,
  reason: 'daily',
  runId: 'run_0',
  hold: null,
  verification: { state: 'unverified', method: null, at: null, problem: null, boot: null },
  dataSet: 'shop',
  purpose: 'backup',
  snapshotId: SAVED.snapshotId,
  addedBytes: 100,
  declared: SHOP,
  content: POSTGRESQL_CONTENT,
};
export const RESTORE_DATA: RestoreDataInput = {
  ...RUN,
  planId: 'plan_03aaaaaaaaaaaaaaaaaaaaaaaa',
  planHash: 'h',
  safetyRecoveryPointId: 'rp_04aaaaaaaaaaaaaaaaaaaaaaaa',
  reason: 'a table was dropped',
};
export const DATA_SURVEY: DataSurvey = {
  present: { ...inspection, agent: { state: 'answering', version: '7.2', commands: ['guest-exec'] } },
  changes: [],
  findings: [],
  losses: [],
};
export const DATA_PLAN: DataRestorePlanBody = planDataRestore(
  {
    planId: RESTORE_DATA.planId,
    runId: RUN.runId,
    serverId: RUN.serverId,
    serverName: 'db01',
    uuid: RUN.uuid,
    hypervisor: HYPERVISOR,
    point: DATA_POINT,
    item: DATA_ITEM,
    selection: DATA_ITEM.selection,
    measuredRecoverySeconds: [],
    incidentAt: null,
  },
  DATA_SURVEY,
  new Date('2026-03-02T12:00:00.000Z'),
);
export const KEPT_DATA: KeptDataRecord = {
  runId: RUN.runId,
  undone: false,
  dataSet: SHOP,
  recoveryPointId: DATA_POINT.id,
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
