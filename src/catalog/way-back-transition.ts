import { ModosuError } from '../contracts/errors';
import type { StateBefore, WayBackFacts, WayBackView } from '../contracts/way-back';
import { requireOpen, type Swapped } from '../domain/way-back-rules';
import type { WayBackRow } from './entities';

/** How the record of what a run has kept comes to be and ends. Pure: the stores add the locking. */

export interface Swap extends Swapped {
  readonly runId: string;
  readonly serverId: string;
  readonly fencingToken: number;
  readonly facts: WayBackFacts;
  readonly before: StateBefore;
  readonly lineageBefore: string;
  readonly expiresAt: Date;
}

export const openedWayBack = ({ facts, before, ...swap }: Swap, now: Date): WayBackRow => ({
  ...swap,
  state: 'open',
  wasGone: facts.wasGone,
  volumes: facts.volumes.map(({ target, path, allocatedBytes }) => ({ target, path, allocatedBytes })),
  nvramPath: facts.nvramPath,
  data: facts.data ?? null,
  before: { powerState: before.powerState, agent: before.agent },
  createdAt: now,
  closedBy: null,
  closedAt: null,
});

type Closing = Pick<WayBackRow, 'state' | 'closedBy' | 'closedAt'>;

export const closing = (state: 'reverted' | 'undone' | 'confirmed', runId: string, now: Date): Closing => ({ state, closedBy: runId, closedAt: now });
export const REOPENING: Closing = { state: 'open', closedBy: null, closedAt: null };

export const wayBackView = (
  { fencingToken: _fencingToken, createdAt, expiresAt, wentLiveAt, closedAt, ...row }: WayBackRow,
  serverName: string,
): WayBackView => ({
  ...row,
  serverName,
  createdAt: createdAt.toISOString(),
  expiresAt: expiresAt.toISOString(),
  wentLiveAt: wentLiveAt?.toISOString() ?? null,
  closedAt: closedAt?.toISOString() ?? null,
});

/** What the audit says about a swap. */
export const swapDetails = ({ lineageBefore, lineageAfter, volumes, data, expiresAt }: WayBackRow): Readonly<Record<string, unknown>> => ({
  ...(data === null
    ? { lineageId: lineageAfter, before: lineageBefore, kept: volumes.map(({ path }) => path) }
    : { dataSet: data.dataSet.name, recoveryPointId: data.recoveryPointId, ...data.kept }),
  expiresAt,
});

/** The row of an open way back. Throws `WAY_BACK_NOT_FOUND`, `WAY_BACK_CLOSED`. */
export function requireOpenRow(runId: string, row: WayBackRow | null, serverName: string): WayBackRow {
  if (row === null) throw noWayBack(runId);
  requireOpen(wayBackView(row, serverName));
  return row;
}

export const noWayBack = (runId: string): ModosuError =>
  new ModosuError('WAY_BACK_NOT_FOUND', `Run ${runId} has not replaced the volumes of this server: there is nothing to go back to.`, { context: { runId } });
