import type { RetentionPreview } from '../../contracts/retention';
import type { Decommissioning } from '../../contracts/server';
import { plain, table, utc } from './text';

export function retentionText({ serverName, policy, decommissioned, at, keep, expire, items }: RetentionPreview): string {
  const counts = `${plain(serverName)}, ${policy === null ? 'no policy' : `policy ${plain(policy)}`}: ${keep} stay, ${expire} would go.`;
  const isOver = decommissioned !== null && decommissioned.protectsUntil <= at;
  const summary = decommissioned === null ? counts : `${counts}\n${decommissionedText(decommissioned, isOver)}`;
  if (items.length === 0) return summary;
  const rows = items.map(({ recoveryPointId, kind, dataSet, pointInTime, verdict, expiredAt, reasons }) => [
    recoveryPointId,
    kind === 'image' ? 'image' : `data ${dataSet ?? ''}`,
    utc(pointInTime),
    verdict,
    reasons.length === 0
      ? `no rule keeps it${isOver ? ', because the server is decommissioned' : ''}${expiredAt === null ? '' : `; it has expired at ${utc(expiredAt)}`}`
      : reasons.map(({ rule, detail }) => `${rule} (${detail})`).join('; '),
  ]);
  return `${summary}\n\n${table(['ID', 'WHAT', 'POINT IN TIME', 'VERDICT', 'WHY'], rows)}`;
}

function decommissionedText({ at, by, reason, protectsUntil }: Decommissioning, isOver: boolean): string {
  const since = `Decommissioned by ${plain(by)} at ${utc(at)}: ${plain(reason)}.`;
  return isOver
    ? `${since} Since ${utc(protectsUntil)} no rule keeps any of them; what is held, in use, or needed by such a one stays.`
    : `${since} Until ${utc(protectsUntil)} they stay as long as those of a server in service; from then on no rule keeps any of them.`;
}
