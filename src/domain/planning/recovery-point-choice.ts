import { ModosuError } from '../../contracts/errors';
import type { DataRecoveryPointView, ImageRecoveryPointView, RecoveryPointKind, RecoveryPointView } from '../../contracts/recovery-point';
import { quoted } from '../../contracts/text';
import { heldUntil } from './data-planning';

/** Which recovery point a plan is made from. */

interface OfServer {
  readonly id: string;
  readonly name: string;
}

/** Where a person has named one: that it is the server's, of the kind that is restored, and usable. */
type Chosen = Pick<RecoveryPointView, 'id' | 'serverId' | 'kind' | 'state'>;

/** @throws RECOVERY_POINT_NOT_FOUND for one of another server, RECOVERY_POINT_NOT_USABLE for one of another kind, or that is damaged, expired or deleted */
export function requireSuitable({ id, serverId, kind, state }: Chosen, server: OfServer, wanted: RecoveryPointKind): void {
  if (serverId !== server.id) throw recoveryPointNotFound(id, server);
  if (kind !== wanted) {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${id} holds ${WHAT[kind]}; this restore needs ${WHAT[wanted]}.`, {
      hint: 'Choose one of the right kind: `modosu recovery-point list --server NAME`.',
      context: { recoveryPointId: id, kind },
    });
  }
  if (state !== 'usable') {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${id} is ${state}: it cannot be restored.`, {
      // It is still there: somebody may need it more than its policy knew.
      ...(state === 'expired' ? { hint: `No rule keeps it, but it is still there: \`modosu recovery-point hold ${id} --reason TEXT\` has it back.` } : {}),
      context: { recoveryPointId: id },
    });
  }
}

const WHAT = { image: 'an image', data: 'data' } as const;

/** @throws as `requireSuitable` */
export function requireImage(point: RecoveryPointView, server: OfServer): asserts point is ImageRecoveryPointView {
  requireSuitable(point, server, 'image');
}

/** @throws as `requireSuitable`; RECOVERY_POINT_NOT_USABLE also for one of another data set */
export function requireDataPoint(point: RecoveryPointView, server: OfServer, dataSet: string): asserts point is DataRecoveryPointView {
  requireSuitable(point, server, 'data');
  if (point.kind !== 'data' || point.dataSet !== dataSet) {
    throw new ModosuError('RECOVERY_POINT_NOT_USABLE', `Recovery point ${point.id} is not one of the data set "${dataSet}".`, {
      context: { recoveryPointId: point.id },
    });
  }
}

/** @param server where it was looked for; undefined: anywhere */
export const recoveryPointNotFound = (id: string, server?: OfServer): ModosuError =>
  new ModosuError(
    'RECOVERY_POINT_NOT_FOUND',
    `There is no recovery point ${quoted(id)}${server === undefined ? '' : ` of server "${server.name}"`} in the catalogue.`,
    { context: { recoveryPointId: id.slice(0, 128) } },
  );

/**
 * The newest one of a data set that holds nothing from after the incident.
 *
 * @param usable newest first
 * @throws NO_RECOVERY_POINT
 */
export function newestData(
  usable: readonly DataRecoveryPointView[],
  { dataSet, serverName, incidentAt }: { readonly dataSet: string; readonly serverName: string; readonly incidentAt: string | null },
): DataRecoveryPointView {
  const until = incidentAt === null ? Infinity : Date.parse(incidentAt);
  const newest = usable.find((candidate) => Date.parse(heldUntil(candidate)) <= until);
  if (newest !== undefined) return newest;
  const before = usable.length === 0 ? '' : ` from before the incident at ${incidentAt}`;
  throw new ModosuError('NO_RECOVERY_POINT', `The data set "${dataSet}" of server "${serverName}" has no usable recovery point${before}.`, {
    hint:
      usable.length === 0
        ? `Take one with \`modosu backup data ${serverName} --reason TEXT\`; \`modosu recovery-point list --server ${serverName}\` shows what there is.`
        : `Choose one with --recovery-point: \`modosu recovery-point list --server ${serverName}\`.`,
    context: { server: serverName, dataSet },
  });
}

/** What an off-site repository holds whole of a server, the newest of each; as `newestCopied` of the catalogue gives it. */
interface Copied {
  readonly image: string | null;
  readonly data: readonly { readonly dataSet: string; readonly recoveryPointId: string }[];
}

/**
 * What is fetched for a plan: the one that was named, or the newest that has a whole copy.
 *
 * @param dataSet null: the server is restored, from an image
 * @throws NO_RECOVERY_POINT
 */
export function chooseCopied(
  { image, data }: Copied,
  {
    server,
    from,
    dataSet,
    recoveryPointId,
  }: { readonly server: OfServer; readonly from: string; readonly dataSet: string | null; readonly recoveryPointId: string | null },
): string {
  const newest = dataSet === null ? image : (data.find((one) => one.dataSet === dataSet)?.recoveryPointId ?? null);
  const chosen = recoveryPointId ?? newest;
  if (chosen !== null) return chosen;
  throw new ModosuError('NO_RECOVERY_POINT', `Nothing of server "${server.name}" that could be restored so has a whole copy in ${from}.`, {
    hint: `\`modosu recovery-point list --server ${server.name}\` shows what there is, and what is copied where.`,
    context: { serverId: server.id, server: server.name, offsite: from },
  });
}
