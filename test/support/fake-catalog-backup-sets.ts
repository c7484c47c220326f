import type { RunGrant } from '../../src/catalog/acceptance';
import { memberInput, newSet, setBusy, setEnded, setInput, setMember, setNotFound, setRefused, setRequested, setView } from '../../src/catalog/backup-set-rows';
import type { AcceptBackupSetRequest, Catalog, ServerRecord } from '../../src/catalog/catalog';
import type { BackupSetRow, RecoveryPointRow, RunRow } from '../../src/catalog/entities';
import { WORKER } from '../../src/catalog/recovery-point-store';
import type { BackupSetView, ServerGroup } from '../../src/contracts/backup-set';
import type { ModosuError } from '../../src/contracts/errors';
import { newId } from '../../src/contracts/ids';
import type { Policy } from '../../src/contracts/policy';
import { isFinal } from '../../src/contracts/run';
import type { BackupImageInput } from '../../src/contracts/workflows';
import { requireInService } from '../../src/domain/retention/decommissioning';
import type { FakeGround } from './fake-catalog-ground';

/** The rest of the catalogue in memory. */
export interface BackupSetSurroundings {
  server(serverId: string): ServerRecord;
  servers(): readonly ServerRecord[];
  policies(): readonly Policy[];
  group(name: string): ServerGroup;
  runs(): readonly RunRow[];
  findPoint(id: string): RecoveryPointRow | undefined;
  /** `SERVER_BUSY`; null: nobody holds it. */
  busy(server: ServerRecord): ModosuError | null;
  lock(server: ServerRecord, runId: string): RunGrant;
  addRun(request: AcceptBackupSetRequest, input: BackupImageInput): void;
}

/** Sets of images that are taken together, in memory. */
export class FakeBackupSets implements Pick<Catalog, 'acceptBackupSet' | 'getDispatchableSet' | 'listOpenSets' | 'getSet' | 'listSets' | 'newestSets'> {
  private readonly rows = new Map<string, BackupSetRow>();

  constructor(
    private readonly ground: FakeGround,
    private readonly around: BackupSetSurroundings,
  ) {}

  acceptBackupSet: Catalog['acceptBackupSet'] = async (request) => {
    this.ground.reach();
    try {
      const backupSetId = newId('set');
      const earlier = this.ground.earlier(request, backupSetId);
      if (earlier !== null) return { backupSetId: earlier, replayed: true };
      const { servers: names } = this.around.group(request.group);
      const servers = this.around.servers().filter(({ name }) => names.includes(name));
      for (const server of servers) requireInService(server);
      const [first, ...more] = servers.flatMap((server) => this.around.busy(server) ?? []);
      if (first !== undefined) throw setBusy(request.group, [first, ...more]);
      const set = newSet(backupSetId, request, this.ground.now());
      const inputs = servers.map((server) => memberInput(server, this.around.policies(), request, this.around.lock(server, newId('run')), set));
      this.rows.set(backupSetId, set);
      for (const input of inputs) this.around.addRun(request, input);
      this.ground.append(setRequested(set, request.actor, inputs, request.allowCrashConsistent));
      this.ground.claim(request, backupSetId);
      return { backupSetId, replayed: false };
    } catch (error) {
      const event = setRefused(request, error);
      if (event !== null) this.ground.append(event);
      throw error;
    }
  };

  getDispatchableSet: Catalog['getDispatchableSet'] = async (backupSetId) => {
    const inputs = this.runsOfSet(backupSetId).map(({ input }) => input as BackupImageInput);
    return { set: setInput(this.set(backupSetId), inputs), runs: inputs.map((input) => ({ kind: 'backup-image', input })) };
  };

  listOpenSets: Catalog['listOpenSets'] = async (olderThan) => {
    this.ground.reach();
    return [...this.rows.values()]
      .filter(({ id, requestedAt }) => requestedAt < olderThan && this.runsOfSet(id).some(({ state }) => !isFinal(state)))
      .map((row) => setInput(row, this.setView(row).members));
  };

  getSet: Catalog['getSet'] = async (backupSetId) => this.setView(this.set(backupSetId));

  listSets: Catalog['listSets'] = async ({ group }, page) => {
    const rows = [...this.rows.values()].filter(({ groupName }) => group === undefined || groupName === group);
    return this.ground.newestFirst(
      'backup-sets',
      rows,
      page,
      ({ requestedAt }) => requestedAt,
      (row) => this.setView(row),
    );
  };

  newestSets: Catalog['newestSets'] = async (groups) => {
    const pages = await Promise.all(groups.map((group) => this.listSets({ group }, { limit: 1, cursor: null })));
    return pages.flatMap(({ items }) => items);
  };

  /** One of its runs has ended: the last one ends the set. */
  runEnded({ setId }: RunRow): void {
    const set = setId === null ? null : this.setView(this.set(setId));
    if (set !== null && set.state !== 'running') this.ground.append(setEnded(set, WORKER));
  }

  private set(id: string): BackupSetRow {
    return this.ground.found(this.rows.get(id), () => setNotFound(id));
  }

  private runsOfSet(backupSetId: string): RunRow[] {
    return this.around.runs().filter((run) => run.setId === backupSetId);
  }

  private setView(row: BackupSetRow): BackupSetView {
    const runs = this.runsOfSet(row.id);
    return setView(
      row,
      runs.map((run) => setMember(run, this.around.server(run.serverId).name, this.around.findPoint(run.recoveryPointId ?? '') ?? null)),
      runs,
    );
  }
}
