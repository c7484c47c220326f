import type { RetentionPreview } from '../../contracts/retention';
import { plain, table, utc } from './text';

export function retentionText({ serverName, policy, keep, expire, items }: RetentionPreview): string {
  const summary = `${plain(serverName)}, ${policy === null ? 'no policy' : `policy ${plain(policy)}`}: ${keep} stay, ${expire} would go.`;
  if (items.length === 0) return summary;
  const rows = items.map(({ recoveryPointId, kind, dataSet, pointInTime, verdict, reasons }) => [
    recoveryPointId,
    kind === 'image' ? 'image' : `data ${dataSet ?? ''}`,
    utc(pointInTime),
    verdict,
    reasons.length === 0 ? 'no rule keeps it' : reasons.map(({ rule, detail }) => `${rule} (${detail})`).join('; '),
  ]);
  return `${summary}\n\n${table(['ID', 'WHAT', 'POINT IN TIME', 'VERDICT', 'WHY'], rows)}`;
}
