import { z } from 'zod';
import { ALERT_CHANNELS, ALERT_DELIVERY_STATES, ALERT_EVENTS, ALERT_KINDS, ALERT_STATES, type AlertDeliveryView, type AlertView } from '../alert';
import { pageQueryFields, serverQueryField, timestamp } from './common';

const alertDeliverySchema = z
  .object({
    id: z.string().meta({ description: 'What the receiver gets as webhook-id, the same at every attempt.' }),
    event: z.enum(ALERT_EVENTS),
    channel: z.enum(ALERT_CHANNELS),
    state: z
      .enum(ALERT_DELIVERY_STATES)
      .meta({ description: 'given-up: it was tried for a day at least, what it tells has been over for a day, or its beginning was never told.' }),
    attempts: z.int(),
    lastProblem: z.string().nullable().meta({ description: 'What kept the last attempt from succeeding.' }),
    deliveredAt: timestamp.nullable(),
  })
  .meta({ id: 'AlertDelivery' }) satisfies z.ZodType<AlertDeliveryView>;

export const alertSchema = z
  .object({
    id: z.string(),
    kind: z.enum(ALERT_KINDS).meta({
      description:
        'breach: a server is not protected as its policy promises. run-failed: the last run of a kind failed. waiting: a run waits for somebody. damaged: a recovery point is.',
    }),
    code: z.string().meta({ description: 'Code of the breach or of the error; WAITING_FOR_GO_LIVE; WAITING_FOR_SIGN_OFF; RECOVERY_POINT_DAMAGED.' }),
    serverId: z.string(),
    serverName: z.string(),
    runId: z.string().nullable(),
    message: z.string().meta({ description: 'As it was when the alert was raised.' }),
    hint: z.string().meta({ description: 'What to do next.' }),
    raisedAt: timestamp,
    clearedAt: timestamp.nullable().meta({ description: 'null: it is still so.' }),
    deliveries: z.array(alertDeliverySchema).meta({ description: 'Messages about it, in the order in which they are sent.' }),
  })
  .meta({ id: 'Alert' }) satisfies z.ZodType<AlertView>;

export const alertQuerySchema = z.strictObject({
  server: serverQueryField,
  state: z.enum(ALERT_STATES).optional(),
  ...pageQueryFields,
});
export type AlertQuery = z.output<typeof alertQuerySchema>;
