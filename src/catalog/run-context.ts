import { In, type EntityManager } from 'typeorm';
import { RestoreSetEntity, RunDecisionEntity, WayBackEntity, type RunRow } from './entities';
import { serverNames } from './inventory-store';
import { restoreSetOf } from './restore-set-of';
import type { RunContext } from './views';

/** What a run's view needs beside its own row, for a page of runs in a handful of statements. */
export async function readRunContexts(manager: EntityManager, runs: readonly RunRow[]): Promise<(run: RunRow) => RunContext> {
  const names = await serverNames(
    manager,
    runs.map(({ serverId }) => serverId),
  );
  const wayBacks = runs.length === 0 ? [] : await manager.findBy(WayBackEntity, { runId: In(runs.map(({ id }) => id)) });
  const newest = await newestOpenByServer(
    manager,
    wayBacks.flatMap(({ state, serverId }) => (state === 'open' ? [serverId] : [])),
  );
  const waiting = runs.filter(({ waitingFor }) => waitingFor !== null).map(({ id }) => id);
  const decisions = waiting.length === 0 ? [] : await manager.findBy(RunDecisionEntity, { runId: In(waiting) });
  const setIds = runs.filter(({ waitingFor }) => waitingFor === 'go-live').flatMap((run) => restoreSetOf(run) ?? []);
  const sets = setIds.length === 0 ? [] : await manager.findBy(RestoreSetEntity, { id: In(setIds), state: 'running' });
  return (run) => ({
    serverName: names.get(run.serverId) ?? run.serverId,
    wayBack: wayBacks.find(({ runId }) => runId === run.id) ?? null,
    newestOpenRunId: newest.get(run.serverId) ?? null,
    decided: decisions.some(({ runId, kind }) => runId === run.id && kind === run.waitingFor),
    goesLiveWithSet: sets.some(({ id }) => id === restoreSetOf(run)),
  });
}

/** By server, the run with its newest open way back: the only one that may be undone. */
async function newestOpenByServer(manager: EntityManager, serverIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (serverIds.length === 0) return new Map();
  const rows = await manager.find(WayBackEntity, { where: { serverId: In([...new Set(serverIds)]), state: 'open' }, order: { fencingToken: 'ASC' } });
  return new Map(rows.map(({ serverId, runId }) => [serverId, runId]));
}
