import { randomUUID } from 'node:crypto';
import type { AuditEvent } from '../../src/audit/append-audit';
import { storableText } from '../../src/audit/storable';
import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { decisionRefusal, decisionView } from '../../src/catalog/decision-store';
import { decisionMeant, mustBeDecided, notAppliedWith } from '../../src/domain/run-actions';
import type { RunDecisionRow, RunRow, ServerLockRow, WayBackRow } from '../../src/catalog/entities';
import { WORKER } from '../../src/catalog/recovery-point-store';
import { goesLiveWithSet, restoreSetOf } from '../../src/catalog/restore-set-of';
import { fencedOff, runNotFound } from '../../src/catalog/run-store';
import type { RunContext } from '../../src/catalog/views';
import { closing, noWayBack, openedWayBack, REOPENING, requireOpenRow, swapDetails, wayBackView } from '../../src/catalog/way-back-transition';
import type { DecisionKind } from '../../src/contracts/run';
import type { WayBackView } from '../../src/contracts/way-back';
import { afterRestore, afterUndo, requireConfirmable, requireUndoable } from '../../src/domain/way-back-rules';

/** The rest of the catalogue in memory. */
export interface FakeWorld {
  now(): Date;
  /** Each throws when it is not there. */
  run(runId: string): RunRow;
  server(serverId: string): ServerRecord;
  lockOf(serverId: string): ServerLockRow | undefined;
  runs(): readonly RunRow[];
  isRunningSet(restoreSetId: string | null): boolean;
  /** Ids of the changes that people apply again in it. */
  changesToSignOff(run: RunRow): readonly string[];
  setLineage(serverId: string, lineageId: string): void;
  append(event: AuditEvent): void;
}

type Methods = Pick<
  Catalog,
  | 'openWayBack'
  | 'takeWayBack'
  | 'revertWayBack'
  | 'closeWayBack'
  | 'recordGoLive'
  | 'getWayBack'
  | 'listWayBacks'
  | 'listExpiredWayBacks'
  | 'decide'
  | 'getDecision'
  | 'listDecidedButWaiting'
>;

/** Ways back and decisions of the catalogue in memory. */
export class FakeWayBacks implements Methods {
  private readonly rows = new Map<string, WayBackRow>();
  private readonly decisions = new Map<string, RunDecisionRow>();

  constructor(private readonly world: FakeWorld) {}

  /** The recovery point that a restore has begun this line of disks with; null: the line is a server's first, or unknown. */
  beginningOf(lineageId: string): string | null {
    const begun = [...this.rows.values()].find((row) => row.lineageAfter === lineageId && this.world.run(row.runId).kind === 'restore-server');
    return begun === undefined ? null : this.world.run(begun.runId).recoveryPointId;
  }

  isKnownLine(lineageId: string): boolean {
    return [...this.rows.values()].some((row) => row.lineageBefore !== row.lineageAfter && (row.lineageBefore === lineageId || row.lineageAfter === lineageId));
  }

  openWayBack: Catalog['openWayBack'] = async (runId, facts, before, expiresAt) => {
    const run = this.world.run(runId);
    const server = this.world.server(run.serverId);
    const earlier = this.rows.get(runId);
    if (earlier !== undefined) return wayBackView(earlier, server.name);
    const { fencingToken } = this.requireHold(run);
    const { id: serverId, lineageId: lineageBefore } = server;
    const at = this.world.now();
    const swapped = afterRestore(facts, lineageBefore, randomUUID(), at);
    const row = openedWayBack({ runId, serverId, fencingToken, facts, before, lineageBefore, expiresAt, ...swapped }, at);
    const sameLine = row.lineageAfter === lineageBefore;
    return this.swapped(row, server, { action: sameLine ? 'data.placed' : 'lineage.started', details: swapDetails(row) });
  };

  takeWayBack: Catalog['takeWayBack'] = async (runId, ofRunId, facts, before, expiresAt) => {
    const run = this.world.run(runId);
    const server = this.world.server(run.serverId);
    const earlier = this.rows.get(runId);
    if (earlier !== undefined) return wayBackView(earlier, server.name);
    const { fencingToken } = this.requireHold(run);
    const taken = requireOpenRow(ofRunId, this.ofServer(ofRunId, server.id), server.name);
    const at = this.world.now();
    const { id: serverId, lineageId: lineageBefore } = server;
    const swapped = afterUndo(taken, lineageBefore, at);
    const row = openedWayBack({ runId, serverId, fencingToken, facts, before, lineageBefore, expiresAt, ...swapped }, at);
    this.rows.set(ofRunId, { ...taken, ...closing('undone', runId, at) });
    return this.swapped(row, server, { action: row.data === null ? 'lineage.returned' : 'data.returned', details: { ...swapDetails(row), undoes: ofRunId } });
  };

  revertWayBack: Catalog['revertWayBack'] = async (runId) => {
    const run = this.world.run(runId);
    const own = this.rows.get(runId);
    if (own?.state !== 'open') return;
    this.requireHold(run);
    this.rows.set(runId, { ...own, ...closing('reverted', runId, this.world.now()) });
    const taken = [...this.rows.values()].find(({ closedBy, state }) => closedBy === runId && state === 'undone');
    if (taken !== undefined) this.rows.set(taken.runId, { ...taken, ...REOPENING });
    this.world.setLineage(own.serverId, own.lineageBefore);
    const details = { lineageId: own.lineageBefore, before: own.lineageAfter, reopened: taken?.runId };
    this.world.append({ actor: WORKER, action: 'way-back.reverted', runId, serverId: own.serverId, details });
  };

  closeWayBack: Catalog['closeWayBack'] = async (runId, ofRunId) => {
    const run = this.world.run(runId);
    const server = this.world.server(run.serverId);
    const kept = this.ofServer(ofRunId, server.id);
    if (kept?.state === 'confirmed' && kept.closedBy === runId) return;
    const open = requireOpenRow(ofRunId, kept, server.name);
    this.requireHold(run);
    this.rows.set(ofRunId, { ...open, ...closing('confirmed', runId, this.world.now()) });
    this.world.append({
      actor: WORKER,
      action: 'way-back.confirmed',
      runId,
      serverId: server.id,
      details: { ofRunId, deleted: open.volumes.map(({ path }) => path) },
    });
  };

  recordGoLive: Catalog['recordGoLive'] = async (runId) => {
    const run = this.world.run(runId);
    const server = this.world.server(run.serverId);
    const own = requireOpenRow(runId, this.rows.get(runId) ?? null, server.name);
    if (own.wentLiveAt !== null) return;
    this.requireHold(run);
    this.rows.set(runId, { ...own, wentLiveAt: this.world.now() });
    this.world.append({ actor: WORKER, action: 'run.went-live', runId, serverId: server.id, details: { kind: run.kind } });
  };

  getWayBack: Catalog['getWayBack'] = async (runId) => {
    const { serverId } = this.world.run(runId);
    const row = this.rows.get(runId);
    if (row === undefined) throw noWayBack(runId);
    return wayBackView(row, this.world.server(serverId).name);
  };

  listWayBacks: Catalog['listWayBacks'] = async ({ serverId, state }) =>
    this.find((row) => (serverId ?? row.serverId) === row.serverId && (state ?? row.state) === row.state);

  /** When the server went live with the disks of this line; null: it did not, or no restore has put them in place. */
  wentLiveAt(serverId: string, lineageId: string): Date | null {
    return [...this.rows.values()].find((row) => row.serverId === serverId && row.lineageAfter === lineageId && row.data == null)?.wentLiveAt ?? null;
  }

  listExpiredWayBacks: Catalog['listExpiredWayBacks'] = async (at) =>
    this.find(({ state, wentLiveAt, expiresAt }) => state === 'open' && wentLiveAt !== null && expiresAt <= at);

  decide: Catalog['decide'] = async (request) => {
    const { runId, actor } = request;
    try {
      const run = this.world.run(runId);
      const kind = decisionMeant(run, request.kind, this.decisions.has(`${runId} sign-off-live`));
      if (!mustBeDecided(run, kind, this.decisions.has(`${runId} ${kind}`))) return;
      const restoreSetId = restoreSetOf(run);
      if (kind === 'go-live' && restoreSetId !== null && restoreSetId !== request.restoreSetId && this.world.isRunningSet(restoreSetId)) {
        throw goesLiveWithSet(runId, restoreSetId);
      }
      const notApplied = notAppliedWith(runId, kind, request.notApplied, this.world.changesToSignOff(run));
      const reason = storableText(request.reason);
      this.decisions.set(`${runId} ${kind}`, { runId, kind, actor, reason, decidedAt: this.world.now(), notApplied });
      this.world.append({
        actor,
        action: 'run.decided',
        runId,
        serverId: run.serverId,
        details: { kind, reason, ...(notApplied === null ? {} : { notApplied }) },
      });
    } catch (error) {
      const event = decisionRefusal(request, error);
      if (event !== null) this.world.append(event);
      throw error;
    }
  };

  getDecision: Catalog['getDecision'] = async (runId, kind) => {
    this.world.run(runId);
    const row = this.decisions.get(`${runId} ${kind}`);
    return row === undefined ? null : decisionView(row);
  };

  listDecidedButWaiting: Catalog['listDecidedButWaiting'] = async () =>
    this.world
      .runs()
      .filter(({ id, waitingFor }) => waitingFor !== null && this.decisions.has(`${id} ${waitingFor}`))
      .map(({ id, serverId }) => ({ runId: id, serverId }));

  /** Throws like the real one when the swap of a run may not be undone now. */
  requireUndoable(runId: string, server: ServerRecord): void {
    requireUndoable(this.existing(runId, server), this.openOf(server.id));
  }

  /** Throws like the real one when what a run has kept may not be deleted now. */
  requireConfirmable(runId: string, server: ServerRecord): void {
    requireConfirmable(this.existing(runId, server));
  }

  wayBackOf(runId: string): WayBackRow | undefined {
    return this.rows.get(runId);
  }

  isDecided(runId: string, kind: DecisionKind): boolean {
    return this.decisions.has(`${runId} ${kind}`);
  }

  contextOf(run: RunRow): RunContext {
    const { id, serverId, waitingFor } = run;
    return {
      serverName: this.world.server(serverId).name,
      wayBack: this.rows.get(id) ?? null,
      newestOpenRunId: this.openOf(serverId)[0]?.runId ?? null,
      decided: waitingFor !== null && this.decisions.has(`${id} ${waitingFor}`),
      goesLiveWithSet: waitingFor === 'go-live' && this.world.isRunningSet(restoreSetOf(run)),
    };
  }

  private swapped(row: WayBackRow, server: ServerRecord, event: Pick<AuditEvent, 'action' | 'details'>): WayBackView {
    this.rows.set(row.runId, row);
    this.world.setLineage(server.id, row.lineageAfter);
    this.world.append({ actor: WORKER, runId: row.runId, serverId: server.id, ...event });
    return wayBackView(row, server.name);
  }

  private requireHold(run: RunRow): ServerLockRow {
    const lock = this.world.lockOf(run.serverId);
    if (lock?.runId !== run.id) throw fencedOff(run);
    return lock;
  }

  private existing(runId: string, server: ServerRecord): WayBackView {
    if (this.world.run(runId).serverId !== server.id) throw runNotFound(runId);
    const row = this.rows.get(runId);
    if (row === undefined) throw noWayBack(runId);
    return wayBackView(row, server.name);
  }

  private ofServer(runId: string, serverId: string): WayBackRow | null {
    const row = this.rows.get(runId);
    return row?.serverId === serverId ? row : null;
  }

  private openOf(serverId: string): readonly WayBackView[] {
    return this.find((row) => row.serverId === serverId && row.state === 'open');
  }

  /** Newest first. */
  private find(matches: (row: WayBackRow) => boolean): readonly WayBackView[] {
    // Also when nothing is stored, PostgreSQL that is away does not answer.
    this.world.runs();
    return [...this.rows.values()]
      .filter(matches)
      .sort((a, b) => b.fencingToken - a.fencingToken)
      .map((row) => wayBackView(row, this.world.server(row.serverId).name));
  }
}
