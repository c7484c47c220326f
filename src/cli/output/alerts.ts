import type { AlertDeliveryView, AlertView } from '../../contracts/alert';
import { table, utc } from './text';

export const alertTable = (alerts: readonly AlertView[]): string =>
  table(
    ['RAISED', 'CLEARED', 'SERVER', 'CODE', 'MESSAGES', 'WHAT'],
    alerts.map(({ raisedAt, clearedAt, serverName, code, deliveries, message, hint }) => [
      utc(raisedAt),
      utc(clearedAt),
      serverName,
      code,
      deliveries.length === 0 ? '-' : deliveries.map(deliveryText).join('; '),
      clearedAt === null ? `${message} ${hint}` : message,
    ]),
  );

const deliveryText = ({ event, channel, state, attempts, lastProblem }: AlertDeliveryView): string =>
  `${event} by ${channel}: ${state}${lastProblem === null ? '' : ` after ${attempts} attempt(s), ${lastProblem}`}`;
