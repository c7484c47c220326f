import type { AuditEntryView, RunStepView, RunView } from '../contracts/run';
import type { RestorePlanBody, RestorePlanView } from '../contracts/plan';
import type { ImageManifest, RecoveryPointView } from '../contracts/recovery-point';
import type { ServerRecord } from './catalog';
import type { AuditEntryRow, RecoveryPointRow, RestorePlanRow, RunRow, ServerRow } from './entities';
import type { StoredStep } from './step-transition';

/** Rows as the contracts show them. */

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

export const serverRecord = ({ createdAt: _createdAt, ...record }: ServerRow): ServerRecord => record;

export const recoveryPointView = ({ stateReason: _stateReason, pointInTime, publishedAt, ...row }: RecoveryPointRow): RecoveryPointView => ({
  ...row,
  pointInTime: pointInTime.toISOString(),
  publishedAt: publishedAt.toISOString(),
});

/** The row of a published recovery point. Its size counts the images, the definition and the NVRAM. */
export function recoveryPointRow(manifest: ImageManifest, repository: string): RecoveryPointRow {
  const files = [...manifest.disks.map(({ image }) => image), manifest.definition, ...(manifest.nvram === null ? [] : [manifest.nvram])];
  return {
    id: manifest.recoveryPointId,
    serverId: manifest.server.id,
    serverName: manifest.server.name,
    kind: 'image',
    generation: manifest.generation,
    lineageId: manifest.lineageId,
    state: 'usable',
    stateReason: null,
    consistency: manifest.consistency,
    pointInTime: new Date(manifest.pointInTime),
    publishedAt: new Date(manifest.publishedAt),
    repository,
    sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    disks: manifest.disks.map(({ target, virtualSizeBytes, image }) => ({ target, virtualSizeBytes, storedBytes: image.sizeBytes })),
    reason: manifest.reason,
    runId: manifest.runId,
  };
}

export const planView = (row: RestorePlanRow, serverName: string): RestorePlanView => ({
  id: row.id,
  state: row.state,
  serverId: row.serverId,
  serverName,
  scenario: row.scenario,
  requestedBy: row.requestedBy,
  createdAt: row.createdAt.toISOString(),
  hash: row.hash,
  body: row.body === null ? null : (JSON.parse(row.body) as RestorePlanBody),
  error: row.error,
  runId: row.runId,
});

export const stepView = ({ seq, key, title, state, startedAt, finishedAt, progress, detail, error }: StoredStep): RunStepView => ({
  seq,
  key,
  title,
  state,
  startedAt: iso(startedAt),
  finishedAt: iso(finishedAt),
  progress,
  detail,
  error,
});

export const runView = ({ input: _input, requestedAt, startedAt, finishedAt, ...row }: RunRow, serverName: string, steps: readonly StoredStep[]): RunView => ({
  ...row,
  serverName,
  requestedAt: requestedAt.toISOString(),
  startedAt: iso(startedAt),
  finishedAt: iso(finishedAt),
  steps: steps.map(stepView),
});

export const auditEntryView = ({ at, ...row }: AuditEntryRow): AuditEntryView => ({ ...row, at: at.toISOString() });
