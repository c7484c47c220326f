import { planHash } from '../../src/catalog/plan-hash';
import type { AcceptBackupRequest, AcceptConfirmRequest, AcceptPlannedRequest, Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { ResolvedServer } from '../../src/contracts/estate';
import { estateSchema } from '../../src/contracts/api/estate';
import type { Estate } from '../../src/contracts/estate';
import { isModosuError, type ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { Finding, RestorePlanBody, UndoPlanBody } from '../../src/contracts/plan';
import type { ImageManifest } from '../../src/contracts/recovery-point';
import type { StepProgress } from '../../src/contracts/run';
import type { KeptDataRecord, StateBefore, WayBackFacts } from '../../src/contracts/way-back';

/** Things a test of the catalogue needs: an estate, recovery points, plans, requests. */

export const ESTATE: Estate = estateSchema.parse({
  hypervisors: [{ name: 'hv1', kind: 'libvirt' }],
  repositories: [{ name: 'main', kind: 'directory', path: '/srv/modosu' }],
  servers: [
    { name: 'db01', hypervisor: 'hv1', repository: 'main' },
    { name: 'web01', hypervisor: 'hv1', repository: 'main', domain: 'web-domain' },
  ],
});

export const RESOLVED: readonly ResolvedServer[] = [
  { name: 'db01', uuid: '11111111-1111-4111-8111-111111111111', domainName: 'db01' },
  { name: 'web01', uuid: '22222222-2222-4222-8222-222222222222', domainName: 'web-domain' },
];

/** Applies the estate and gives its first server. */
export async function givenServer(catalog: Catalog): Promise<ServerRecord> {
  await catalog.applyEstate('setup', ESTATE, RESOLVED);
  return catalog.getServer('db01');
}

export const backupRequest = (serverId: string, changes: Partial<AcceptBackupRequest> = {}): AcceptBackupRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  serverId,
  reason: 'before the upgrade',
  mode: 'offline',
  allowCrashConsistent: false,
  ...changes,
});

export const restoreRequest = (serverId: string, planId: string, changes: Partial<AcceptPlannedRequest> = {}): AcceptPlannedRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  serverId,
  reason: 'the OS no longer starts',
  planId,
  confirm: 'db01',
  hold: false,
  ...changes,
});

export const confirmRequest = (serverId: string, ofRunId: string, changes: Partial<AcceptConfirmRequest> = {}): AcceptConfirmRequest => ({
  actor: 'alice',
  idempotencyKey: null,
  requestDigest: 'd1',
  serverId,
  reason: 'the restore has proven itself',
  ofRunId,
  ...changes,
});

const HASH = 'a'.repeat(64);

export function manifestOf(server: ServerRecord, generation: number, changes: Partial<ImageManifest> = {}): ImageManifest {
  return {
    format: 'modosu-image-recovery-point',
    version: 1,
    recoveryPointId: newId('rp'),
    server: { id: server.id, name: server.name, uuid: server.uuid },
    generation,
    lineageId: server.lineageId,
    parentId: null,
    runId: newId('run'),
    reason: 'before the upgrade',
    consistency: 'offline',
    pointInTime: new Date(Date.UTC(2026, 0, generation)).toISOString(),
    publishedAt: new Date(Date.UTC(2026, 0, generation, 1)).toISOString(),
    disks: [
      {
        target: 'vda',
        image: {
          path: 'disks/vda.qcow2',
          sizeBytes: 5_000_000_000,
          sha256: HASH,
          format: 'qcow2',
          segmentsPath: 'disks/vda.segments',
          segmentSizeBytes: 67_108_864,
        },
        virtualSizeBytes: 10_737_418_240,
        origin: { path: '/var/lib/libvirt/images/db01.qcow2', format: 'qcow2', flattened: false },
      },
    ],
    definition: { path: 'domain.xml', sizeBytes: 4000, sha256: HASH },
    definitionFingerprint: HASH,
    nvram: { path: 'nvram', sizeBytes: 500, sha256: HASH, origin: { path: '/var/lib/libvirt/nvram/db01.fd', format: 'raw' } },
    removableMedia: [],
    nics: [],
    generationId: null,
    firmware: 'uefi',
    domainType: 'kvm',
    powerStateBefore: 'running',
    agentBefore: 'answering',
    software: { modosu: '0.1.0' },
    ...changes,
  };
}

export const BEFORE: StateBefore = { powerState: 'running', agent: 'answering' };

/** What a run keeps; the paths tell runs apart. */
export const factsOf = (runId: string, changes: Partial<WayBackFacts> = {}): WayBackFacts => ({
  wasGone: false,
  volumes: [{ target: 'vda', path: `/images/kept-by-${runId}.qcow2`, allocatedBytes: 5_000_000_000 }],
  nvramPath: '/nvram/db01.fd',
  generationId: null,
  complete: true,
  ...changes,
});

/** What a restore of data has kept in the guest. */
export const KEPT_DATA: KeptDataRecord = {
  runId: 'run_of_data',
  undone: false,
  dataSet: { kind: 'files', name: 'uploads', paths: ['/srv/uploads'], excludes: [], before: null, after: null },
  recoveryPointId: 'rp_of_data',
  kept: { kind: 'files', directories: ['/srv/.modosu-kept'], added: 0, replaced: 1, keptBytes: 300 },
};

export function planBodyOf(planId: string, server: ServerRecord, recoveryPointId: string, findings: readonly Finding[] = []): RestorePlanBody {
  return {
    planId,
    runId: newId('run'),
    scenario: 'server',
    server: {
      serverId: server.id,
      name: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      domainName: server.domainName,
      macs: ['52:54:00:00:00:01'],
      powerState: 'running',
    },
    recoveryPoint: { id: recoveryPointId, generation: 1, pointInTime: '2026-01-01T00:00:00.000Z', consistency: 'offline', reason: 'first', repository: 'main' },
    definitionFrom: 'present',
    volumes: [
      { target: 'vda', replacesPath: '/images/db01.qcow2', newPath: '/images/db01.qcow2.run', format: 'qcow2', virtualSizeBytes: 10, flattened: false },
    ],
    nvramNewPath: null,
    renewsGenerationId: false,
    quarantinedMacs: ['52:54:00:00:00:01'],
    healthChecks: [],
    before: BEFORE,
    steps: [{ key: 'check', title: 'Check the plan' }],
    findings,
    losses: ['What was written since 2026-01-01.'],
    space: [{ directory: '/images', neededBytes: 10, freeBytes: 100 }],
    estimate: null,
    basis: { definitionFingerprint: HASH, disks: [{ target: 'vda', path: '/images/db01.qcow2' }], recoveryPointId, manifestSha256: HASH },
    createdAt: '2026-02-01T00:00:00.000Z',
  };
}

/** Of a plan: changes that the restore takes away, and that it applies again. */
export const applyingAgain = (...ids: readonly string[]): Pick<RestorePlanBody, 'lostChanges' | 'appliesChanges'> => ({
  lostChanges: {
    changes: ids.map((id) => ({ id, title: `change ${id}`, ticket: null, completedAt: '2026-02-01T00:00:00.000Z', how: 'missing', applyAgain: null })),
    returning: [],
    isKnown: true,
    drift: null,
  },
  appliesChanges: true,
});

export const BLOCKING: Finding = { code: 'DISK_SET_DIFFERS', severity: 'block', message: 'Disk vdb is missing.', evidence: [] };

/** A plan that is ready, for a recovery point of its own, or the given one. */
export async function givenReadyPlan(
  catalog: Catalog,
  server: ServerRecord,
  findings: readonly Finding[] = [],
  of: string | null = null,
  changes: Partial<RestorePlanBody> = {},
): Promise<{ readonly planId: string; readonly hash: string; readonly recoveryPointId: string }> {
  const manifest = manifestOf(server, await catalog.nextGeneration(server.id));
  await catalog.recordRecoveryPoint(manifest, 'main');
  const { planId } = await catalog.acceptPlan({
    actor: 'alice',
    idempotencyKey: null,
    requestDigest: 'p',
    serverId: server.id,
    scenario: 'server',
    recoveryPointId: null,
    keepDisks: [],
    attachOldDisks: [],
  });
  const recoveryPointId = of ?? manifest.recoveryPointId;
  const body = { ...planBodyOf(planId, server, recoveryPointId, findings), ...changes };
  const hash = planHash(body);
  await catalog.completePlan(planId, body, hash);
  return { planId, hash, recoveryPointId };
}

export function undoBodyOf(planId: string, server: ServerRecord, ofRunId: string, findings: readonly Finding[] = []): UndoPlanBody {
  return {
    planId,
    runId: newId('run'),
    scenario: 'undo',
    server: {
      serverId: server.id,
      name: server.name,
      uuid: server.uuid,
      hypervisor: server.hypervisor,
      domainName: server.domainName,
      macs: ['52:54:00:00:00:01'],
      powerState: 'running',
    },
    undoes: { runId: ofRunId, kind: 'restore-server', swappedAt: '2026-03-01T00:00:00.000Z', wentLiveAt: null, reason: 'the OS no longer starts' },
    volumes: [{ target: 'vda', presentPath: '/images/new.qcow2', returnsToPath: `/images/kept-by-${ofRunId}.qcow2`, writtenBytes: null }],
    generationId: { now: null, then: null },
    lineage: { now: server.lineageId, then: 'the one before' },
    returnsTo: BEFORE,
    before: BEFORE,
    steps: [{ key: 'check', title: 'Check the plan' }],
    findings,
    losses: [],
    basis: { definitionFingerprint: HASH, disks: [{ target: 'vda', path: '/images/new.qcow2' }] },
    createdAt: '2026-03-01T00:00:00.000Z',
  };
}

/** The plan of an undo that is ready. */
export async function givenReadyUndoPlan(
  catalog: Catalog,
  server: ServerRecord,
  ofRunId: string,
  findings: readonly Finding[] = [],
): Promise<{ readonly planId: string; readonly hash: string }> {
  const { planId } = await catalog.acceptUndoPlan({ actor: 'alice', idempotencyKey: null, requestDigest: 'u', ofRunId });
  const body = undoBodyOf(planId, server, ofRunId, findings);
  const hash = planHash(body);
  await catalog.completePlan(planId, body, hash);
  return { planId, hash };
}

export const EXPIRY = new Date(Date.UTC(2026, 2, 8));

/** A restore whose volumes are swapped and that waits in quarantine, holding the server. */
export async function swappedRestore(
  catalog: Catalog,
  server: ServerRecord,
  facts: Partial<WayBackFacts> = {},
  changes: Partial<RestorePlanBody> = {},
): Promise<string> {
  const { planId } = await givenReadyPlan(catalog, server, [], null, changes);
  const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId));
  await catalog.startRun(runId);
  await catalog.openWayBack(runId, factsOf(runId, facts), BEFORE, EXPIRY);
  return runId;
}

/** A restore that has gone live and ended. */
export async function finishedRestore(catalog: Catalog, server: ServerRecord, facts: Partial<WayBackFacts> = {}): Promise<string> {
  const runId = await swappedRestore(catalog, server, facts);
  await catalog.recordGoLive(runId);
  await catalog.finishRun(runId, succeeded);
  return runId;
}

/** Accepts the undo of a run and lets it swap; it holds the server. */
export async function swappedUndo(catalog: Catalog, server: ServerRecord, ofRunId: string, facts: Partial<WayBackFacts> = {}): Promise<string> {
  const { planId } = await givenReadyUndoPlan(catalog, server, ofRunId);
  const { runId } = await catalog.acceptPlanned(restoreRequest(server.id, planId, { reason: 'back' }));
  await catalog.startRun(runId);
  await catalog.takeWayBack(runId, ofRunId, factsOf(runId, facts), BEFORE, EXPIRY);
  return runId;
}

export async function finishedUndo(catalog: Catalog, server: ServerRecord, ofRunId: string): Promise<string> {
  const runId = await swappedUndo(catalog, server, ofRunId);
  await catalog.finishRun(runId, succeeded);
  return runId;
}

/** A confirm from request to end. */
export async function finishedConfirm(catalog: Catalog, server: ServerRecord, ofRunId: string): Promise<string> {
  const { runId } = await catalog.acceptConfirm(confirmRequest(server.id, ofRunId));
  await catalog.startRun(runId);
  await catalog.closeWayBack(runId, ofRunId);
  await catalog.finishRun(runId, succeeded);
  return runId;
}

/** Progress as a copy at 1 MB/s reports it. */
export const progressOf = (changes: Partial<StepProgress> = {}): StepProgress => ({
  doneBytes: 5,
  totalBytes: 10,
  updatedAt: '2026-03-01T00:00:00.500Z',
  bytesPerSecond: 1_000_000,
  secondsLeft: 1,
  stalledSince: null,
  ...changes,
});

export const succeeded = { state: 'succeeded', error: null } as const;

/** A backup run from request to end. */
export async function finishedRun(catalog: Catalog, server: ServerRecord): Promise<string> {
  const { runId } = await catalog.acceptBackup(backupRequest(server.id));
  await catalog.startRun(runId);
  await catalog.finishRun(runId, succeeded);
  return runId;
}

/** The `ModosuError` a call fails with; a call that succeeds fails the test. */
export async function refusal(call: Promise<unknown>): Promise<ModosuError> {
  try {
    await call;
  } catch (error) {
    if (isModosuError(error)) return error;
    throw error;
  }
  throw new Error('expected a ModosuError, but the call succeeded');
}

export const codeOf = async (call: Promise<unknown>): Promise<string> => (await refusal(call)).code;

/** The actions in the audit, oldest first. */
export async function actions(catalog: Catalog, runId?: string): Promise<readonly string[]> {
  const { items } = await catalog.listAudit(runId === undefined ? {} : { runId }, { limit: 500, cursor: null });
  return items.map(({ action }) => action);
}

/** Everything of a list, read in pages of `limit`. */
export async function readAll<T>(
  read: (cursor: string | null) => Promise<{ readonly items: readonly T[]; readonly nextCursor: string | null }>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: { readonly items: readonly T[]; readonly nextCursor: string | null } = await read(cursor);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return items;
}
