import { ModosuError } from '../contracts/errors';
import type { WayBackFacts, WayBackView } from '../contracts/way-back';

/** When a way back may be taken or given up (asked when a request is accepted, and again when it is carried out), and what follows from a swap. Pure. */

/**
 * Swaps are undone in the reverse of their order.
 *
 * @param open the open ways back of the server, newest first, as the catalogue lists them: in the order of the swaps, whatever the clocks of the workers said
 * @throws WAY_BACK_NOT_FOUND, WAY_BACK_CLOSED, WAY_BACK_NOT_NEWEST, WAY_BACK_EMPTY
 */
export function requireUndoable(wayBack: WayBackView, open: readonly WayBackView[]): void {
  requireOpen(wayBack);
  const [newer] = open;
  if (newer !== undefined && newer.runId !== wayBack.runId) {
    throw new ModosuError('WAY_BACK_NOT_NEWEST', `Run ${newer.runId} has replaced the volumes of ${wayBack.serverName} again after run ${wayBack.runId}.`, {
      hint: `Undo that one first (modosu run undo ${newer.runId} --reason TEXT), or delete what it has kept (modosu run confirm ${newer.runId} --reason TEXT).`,
      context: { runId: newer.runId },
    });
  }
  if (wayBack.wasGone) {
    throw new ModosuError('WAY_BACK_EMPTY', `The hypervisor did not know ${wayBack.serverName} before run ${wayBack.runId}: there is nothing to go back to.`);
  }
}

/** @throws WAY_BACK_NOT_FOUND, WAY_BACK_CLOSED, RUN_NOT_LIVE */
export function requireConfirmable(wayBack: WayBackView): void {
  requireOpen(wayBack);
  if (wayBack.wentLiveAt === null) {
    throw new ModosuError('RUN_NOT_LIVE', `The server of run ${wayBack.runId} has not gone live: its old volumes may still be needed.`, {
      hint: `Let it go live (modosu run go-live ${wayBack.runId} --reason TEXT) or undo it (modosu run undo ${wayBack.runId} --reason TEXT).`,
    });
  }
}

/** @throws WAY_BACK_NOT_FOUND, WAY_BACK_CLOSED */
export function requireOpen({ runId, state, closedBy, closedAt }: WayBackView): void {
  if (state === 'open') return;
  if (state === 'reverted') throw new ModosuError('WAY_BACK_NOT_FOUND', `Run ${runId} has put back itself what it had replaced.`);
  const how = state === 'undone' ? 'were returned to' : 'were deleted';
  throw new ModosuError(
    'WAY_BACK_CLOSED',
    `The volumes that run ${runId} had kept ${how} by run ${closedBy ?? 'unknown'} at ${closedAt ?? 'an unknown time'}.`,
    {
      context: { state, ...(closedBy === null ? {} : { runId: closedBy }) },
      ...(state === 'undone' && closedBy !== null ? { hint: `To have the undone state again, undo that run: modosu run undo ${closedBy}` } : {}),
    },
  );
}

/** What a swap makes of its server. */
export interface Swapped {
  /** The line of disks that it is on from then on. */
  readonly lineageAfter: string;
  /** Null: it starts in quarantine. */
  readonly wentLiveAt: Date | null;
}

/**
 * A restore begins a line of disks. Data was put in place inside the guest: its disks go on as they are, and nothing waits for a network.
 *
 * @param present the line that the server is on
 */
export const afterRestore = ({ data }: Pick<WayBackFacts, 'data'>, present: string, fresh: string, now: Date): Swapped =>
  data == null ? { lineageAfter: fresh, wentLiveAt: null } : { lineageAfter: present, wentLiveAt: now };

/**
 * An undo returns to the line that its restore had left. Data goes back inside the guest, on whatever line its disks are by now: another restore may have replaced
 * them since. It starts with its own links, nothing to go live with later: it counts as live from here on.
 *
 * @param present as in `afterRestore`
 */
export const afterUndo = ({ data, lineageBefore }: Pick<WayBackView, 'data' | 'lineageBefore'>, present: string, now: Date): Swapped => ({
  lineageAfter: data === null ? lineageBefore : present,
  wentLiveAt: now,
});
