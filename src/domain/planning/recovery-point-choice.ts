import { ModosuError } from '../../contracts/errors';
import type { DataRecoveryPointView, ImageRecoveryPointView, RecoveryPointView } from '../../contracts/recovery-point';
import { heldUntil } from './data-planning';

/** Which recovery point a plan is made from. */

interface OfServer {
  readonly id: string;
  readonly name: string;
}

/** @throws RECOVERY_POINT_NOT_FOUND for one of another server, RECOVERY_POINT_NOT_USABLE for a damaged one or one of data */
export function requireImage(point: RecoveryPointView, server: OfServer): asserts point is ImageRecoveryPointView {
  requireUsable(point, server);
  if (point.kind !== 'image') throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} holds data, not an image.`);
}

/** @throws RECOVERY_POINT_NOT_FOUND for one of another server, RECOVERY_POINT_NOT_USABLE for a damaged one, an image, or one of another data set */
export function requireDataPoint(point: RecoveryPointView, server: OfServer, dataSet: string): asserts point is DataRecoveryPointView {
  requireUsable(point, server);
  if (point.kind !== 'data' || point.dataSet !== dataSet) throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} is not one of the data set "${dataSet}".`);
}

function requireUsable(point: RecoveryPointView, server: OfServer): void {
  if (point.serverId !== server.id) throw new ModosuError('RECOVERY_POINT_NOT_FOUND', `Recovery point ${point.id} is one of server ${point.serverName}, not of ${server.name}.`);
  if (point.state !== 'usable') throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} is ${point.state}.`);
}

/**
 * The newest one of a data set that holds nothing from after the incident.
 *
 * @param usable newest first
 * @throws NO_RECOVERY_POINT
 */
export function newestData(usable: readonly DataRecoveryPointView[], { dataSet, serverName, incidentAt }: { readonly dataSet: string; readonly serverName: string; readonly incidentAt: string | null }): DataRecoveryPointView {
  const until = incidentAt === null ? Infinity : Date.parse(incidentAt);
  const newest = usable.find((candidate) => Date.parse(heldUntil(candidate)) <= until);
  if (newest !== undefined) return newest;
  const before = usable.length === 0 || incidentAt === null ? '' : ` from before the incident at ${incidentAt}`;
  throw new ModosuError('NO_RECOVERY_POINT', `The data set "${dataSet}" of server "${serverName}" has no usable recovery point${before}.`, { hint: 'Choose one with --recovery-point: `modosu recovery-point list --server NAME`.' });
}
