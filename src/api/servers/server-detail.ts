import type { ServerRecord } from '../../catalog/catalog';
import type { ServerDetailView } from '../../contracts/api/server';
import type { ServerView } from '../../contracts/server';
import { ModosuError, toModosuError, type ErrorSummary } from '../../contracts/errors';
import { hypervisorNotConfigured } from '../../contracts/not-declared';
import type { DataRecoveryPointView, ImageRecoveryPointView } from '../../contracts/recovery-point';
import type { ServerInspection } from '../../contracts/server';
import { keptBytes } from '../../contracts/way-back';
import type { ApiDependencies } from '../dependencies';
import { withinDeadline } from '../../contracts/deadline';

const INSPECTION_TIMEOUT_MS = 15_000;

/** Only the fields that are shown: what a store adds to its records stays inside. */
export const serverView = (record: ServerRecord): ServerView => ({
  id: record.id,
  name: record.name,
  uuid: record.uuid,
  domainName: record.domainName,
  hypervisor: record.hypervisor,
  repository: record.repository,
  policy: record.policy,
  stopTimeoutSeconds: record.stopTimeoutSeconds,
  agentTimeoutSeconds: record.agentTimeoutSeconds,
  protection: record.protection,
  lineageId: record.lineageId,
  decommissioned: record.decommissioned,
});

/** The catalogue's part is always there; what the hypervisor cannot say is reported inside, because that is when people look here. */
export async function serverDetail(dependencies: ApiDependencies, record: ServerRecord): Promise<ServerDetailView> {
  const { catalog } = dependencies;
  const [inspected, newestRecoveryPoint, newestData, openRuns, wayBacks] = await Promise.all([
    inspect(dependencies, record),
    newestOrNull(dependencies, record.id),
    newestOfEach(dependencies, record),
    catalog.listOpenRuns(),
    catalog.listWayBacks({ serverId: record.id, state: 'open' }),
  ]);
  const openRunId = openRuns.find(({ serverId }) => serverId === record.id)?.runId ?? null;
  return {
    ...serverView(record),
    ...inspected,
    newestRecoveryPoint,
    newestData,
    openRunId,
    wayBacks,
    keptBytes: wayBacks.reduce((sum, wayBack) => sum + keptBytes(wayBack), 0),
  };
}

interface Inspected {
  readonly inspection: ServerInspection | null;
  readonly inspectionError: ErrorSummary | null;
}

async function inspect({ catalog, hypervisor, config, log }: ApiDependencies, record: ServerRecord): Promise<Inspected> {
  try {
    const declaration = (await catalog.listHypervisors()).find(({ name }) => name === record.hypervisor);
    if (declaration === undefined) throw hypervisorNotConfigured(record.hypervisor);
    const looking = hypervisor(declaration).inspect({ uuid: record.uuid, name: record.domainName });
    const timeoutMs = config.inspectionTimeoutMs ?? INSPECTION_TIMEOUT_MS;
    const late = (): ModosuError =>
      new ModosuError('HYPERVISOR_COMMAND_TIMED_OUT', `Inspecting "${record.name}" took longer than ${Math.round(timeoutMs / 1000)} s.`);
    const inspection = await withinDeadline(looking, timeoutMs, late);
    return { inspection, inspectionError: null };
  } catch (thrown) {
    const error = toModosuError(thrown);
    if (error.code !== 'INTERNAL') return { inspection: null, inspectionError: error.summary() };
    log.error({ serverId: record.id, error: String(thrown) }, 'inspection failed by a fault');
    return { inspection: null, inspectionError: new ModosuError('INTERNAL', 'The inspection failed because of a fault in Modosu.').summary() };
  }
}

async function newestOrNull({ catalog }: ApiDependencies, serverId: string): Promise<ImageRecoveryPointView | null> {
  try {
    return await catalog.newestUsable(serverId);
  } catch (error) {
    if (toModosuError(error).code === 'NO_RECOVERY_POINT') return null;
    throw error;
  }
}

async function newestOfEach({ catalog }: ApiDependencies, { id, protection }: ServerRecord): Promise<readonly DataRecoveryPointView[]> {
  const newest: DataRecoveryPointView[] = [];
  for (const { name } of protection.dataSets) newest.push(...(await catalog.usableData(id, name)).slice(0, 1));
  return newest;
}
