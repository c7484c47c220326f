import { z } from 'zod';
import { AGENT_STATES, POWER_STATES } from '../server';
import { WAY_BACK_STATES, type StateBefore, type WayBackView } from '../way-back';
import { keptDataRecordSchema } from './data';
import { pageQueryFields, serverQueryField, timestamp } from './common';

export const powerState = z.enum(POWER_STATES);
export const agentState = z.enum(AGENT_STATES);

/** How a server was before a swap. */
export const stateBeforeSchema = z.object({ powerState, agent: agentState }) satisfies z.ZodType<StateBefore>;

const wayBackState = z.enum(WAY_BACK_STATES);

export const wayBackSchema = z
  .object({
    runId: z.string().meta({ description: 'The run that replaced the volumes, a restore or an undo.' }),
    serverId: z.string(),
    serverName: z.string(),
    state: wayBackState.meta({ description: 'open: the old volumes are kept and can be returned to.' }),
    wasGone: z.boolean().meta({ description: 'The hypervisor did not know the server: there is nothing to go back to.' }),
    volumes: z.array(z.object({ target: z.string(), path: z.string(), allocatedBytes: z.number() })),
    nvramPath: z.string().nullable(),
    data: keptDataRecordSchema.nullable().meta({ description: 'What a restore of data has kept in the guest; null: volumes were swapped.' }),
    before: stateBeforeSchema,
    lineageBefore: z.string(),
    lineageAfter: z.string(),
    createdAt: timestamp,
    expiresAt: timestamp.meta({ description: 'When the old volumes are deleted by themselves, once the server has gone live.' }),
    wentLiveAt: timestamp.nullable().meta({ description: 'null: never had its production network.' }),
    closedBy: z.string().nullable().meta({ description: 'The run that has closed it.' }),
    closedAt: timestamp.nullable(),
  })
  .meta({ id: 'WayBack' }) satisfies z.ZodType<WayBackView>;

export const wayBackQuerySchema = z.strictObject({ server: serverQueryField, state: wayBackState.optional(), ...pageQueryFields });
export type WayBackQuery = z.output<typeof wayBackQuerySchema>;
