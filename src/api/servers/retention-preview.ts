import type { Catalog, ServerRecord } from '../../catalog/catalog';
import type { RetentionPreview } from '../../contracts/retention';
import { judgeRetention, retentionContext } from '../../domain/retention/retention';

/** What retention would do with the recovery points of a server at `now`. Deletes nothing. */
export async function retentionPreview(catalog: Pick<Catalog, 'listPolicies' | 'retentionPoints'>, server: ServerRecord, now: Date): Promise<RetentionPreview> {
  const [policies, points] = await Promise.all([catalog.listPolicies(), catalog.retentionPoints(server.id)]);
  const policy = policies.find(({ name }) => name === server.policy) ?? null;
  const verdicts = judgeRetention(points, retentionContext(policy, server.decommissioned, now));
  const items = verdicts.flatMap((verdict, index) => {
    const point = points[index];
    if (point === undefined) return [];
    const { kind, dataSet, pointInTime, expiredAt } = point;
    return [{ ...verdict, kind, dataSet, pointInTime: pointInTime.toISOString(), expiredAt: expiredAt?.toISOString() ?? null }];
  });
  const expire = items.filter(({ verdict }) => verdict === 'expire').length;
  return {
    serverId: server.id,
    serverName: server.name,
    policy: server.policy,
    decommissioned: server.decommissioned,
    at: now.toISOString(),
    keep: items.length - expire,
    expire,
    items: items.reverse(),
  };
}
