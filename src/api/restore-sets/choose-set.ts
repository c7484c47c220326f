import type { Catalog, ServerRecord } from '../../catalog/catalog';
import { ModosuError } from '../../contracts/errors';
import type { SetBasis } from '../../contracts/restore-set';
import { namesOf } from '../../contracts/text';
import { chooseAgreeingPoints, setServer, type SetServer } from '../../domain/relations/agreeing-points';
import { goLiveOrder } from '../../domain/restore-sets/order';
import type { ProfileSource } from '../../profiles/profile-source';

/** What is restored together, in the order in which it goes live. */
export interface ChosenSet {
  readonly members: readonly { readonly serverId: string; readonly recoveryPointId: string | null }[];
  readonly basis: SetBasis;
  readonly choice: readonly string[];
}

/**
 * Recovery points of these servers that agree with each other, by what the catalogue knows; nobody is asked.
 *
 * @param servers the first is the one whose data counts most
 * @param until ISO 8601: none of them is younger; null: any
 * @throws NO_RECOVERY_POINT, NO_AGREEING_POINTS
 */
export async function chooseSet(
  catalog: Pick<Catalog, 'candidatePoints' | 'listRelations'>,
  source: ProfileSource,
  servers: readonly ServerRecord[],
  until: string | null,
): Promise<ChosenSet> {
  const relations = await catalog.listRelations();
  const known: SetServer[] = [];
  for (const { id, name } of servers) {
    known.push(setServer(name, await catalog.candidatePoints(id, { until }), until));
  }
  const empty = known.filter(({ points }) => points.length === 0).map(({ name }) => name);
  if (empty.length > 0) {
    const before = until === null ? '' : ` from before the incident at ${until}`;
    throw new ModosuError('NO_RECOVERY_POINT', `${namesOf(empty)} ${empty.length === 1 ? 'has' : 'have'} no usable image${before}.`, {});
  }
  // A file that is wrong judges nothing: then only what was frozen together may meet, and its plans say that it is not known.
  const { profiles: found } = await source.find();
  const { basis, points, choice } = chooseAgreeingPoints({
    servers: known,
    relations,
    profiles: new Map(found.map(({ profile }) => [profile.name, profile])),
    now: new Date(),
  });
  if (basis === null) {
    throw new ModosuError(
      'NO_AGREEING_POINTS',
      `No recovery points of ${namesOf(
        servers.map(({ name }) => name),
        servers.length,
      )} agree with each other: ${choice.join(' ')}`,
    );
  }
  const names = servers.map(({ name }) => name);
  const order = basis === 'reseed' ? names : goLiveOrder(names, relations);
  const members = order.flatMap((name) => {
    const server = servers.find((one) => one.name === name);
    return server === undefined ? [] : [{ serverId: server.id, recoveryPointId: points.find((point) => point.server === name)?.id ?? null }];
  });
  return { members, basis, choice };
}
