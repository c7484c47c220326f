import type { Catalog, ServerRecord } from '../../catalog/catalog';
import type { RetentionPreview } from '../../contracts/retention';
import { judgeRetention } from '../../domain/retention/retention';

/** What retention would do with the recovery points of a server at `now`. Deletes nothing. */
export async function retentionPreview(catalog: Pick<Catalog, 'listPolicies' | 'retentionPoints'>, server: ServerRecord, now: Date): Promise<RetentionPreview> {
  const [policies, points] = await Promise.all([catalog.listPolicies(), catalog.retentionPoints(server.id)]);
  const policy = policies.find(({ name }) => name === server.policy) ?? null;
  const verdicts = judgeRetention(points, {
    now,
    timeZone: policy?.timeZone ?? 'UTC',
    rules: { image: policy?.image?.retention ?? null, data: policy?.data?.retention ?? null },
    clockTrusted: true,
    decommissioned: false,
  });
  const items = verdicts.flatMap((verdict, index) => {
    const point = points[index];
    return point === undefined ? [] : [{ ...verdict, kind: point.kind, dataSet: point.dataSet, pointInTime: point.pointInTime.toISOString() }];
  });
  const expire = items.filter(({ verdict }) => verdict === 'expire').length;
  return {
    serverId: server.id,
    serverName: server.name,
    policy: server.policy,
    at: now.toISOString(),
    keep: items.length - expire,
    expire,
    items: items.reverse(),
  };
}
