import { z } from 'zod';
import { APPLY_TIMEOUT_SECONDS, CHANGE_IMAGES, CHANGE_STATES, type ApplyAgain, type ChangeView, type GenerationChanges } from '../change';
import { oneLine, pageQueryFields, reason, serverQueryField, timestamp } from './common';
import { argv } from './protection';

/** Configuration changes of servers, and what generations say of them. */

const MAX_TEXT = 4000;

/** Several lines for people. */
const instructions = z
  .string()
  .trim()
  .min(1)
  .max(MAX_TEXT)
  .refine((text) => !/[^\n\t\P{Cc}]|\p{Cs}/u.test(text), 'must not contain control characters but line ends and tabs');

const applyAgainSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('text'), text: instructions.meta({ description: 'For people.' }) }),
    z.strictObject({
      kind: z.literal('command'),
      argv: argv.meta({ description: 'Program and arguments, run in the guest; no shell, and no secrets: everybody can read them.' }),
      timeoutSeconds: z.int().min(APPLY_TIMEOUT_SECONDS.min).max(APPLY_TIMEOUT_SECONDS.max).default(APPLY_TIMEOUT_SECONDS.default),
    }),
  ])
  .meta({
    id: 'ApplyAgain',
    description: 'How it is made once more, after the server has gone back to a generation without it.',
  }) satisfies z.ZodType<ApplyAgain>;

const changeState = z.enum(CHANGE_STATES).meta({ description: 'cancelled: it was not carried out, or was taken back.' });

export const changeSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    title: z.string(),
    ticket: z.string().nullable(),
    author: z.string().meta({ description: 'Who makes it.' }),
    applyAgain: applyAgainSchema.nullable(),
    externalId: z.string().nullable().meta({ description: 'The name that a tool has for it, unique for the server.' }),
    state: changeState,
    openedAt: timestamp,
    openedBy: z.string(),
    completedAt: timestamp.nullable(),
    completedBy: z.string().nullable(),
    cancelledAt: timestamp.nullable(),
    cancelledBy: z.string().nullable(),
    cancelReason: z.string().nullable(),
    generation: z.int().nullable().meta({ description: 'The first generation that contains it; null: none does yet.' }),
    recoveryPointId: z.string().nullable().meta({ description: 'The recovery point of that generation.' }),
    inServer: z.enum(['yes', 'partly', 'no']).meta({
      description: 'Whether the server has it now: a restore takes it back to a time before. partly: it is being made, or was when the image was taken.',
    }),
    imageComes: z.enum(CHANGE_IMAGES).nullable().meta({
      description:
        'When the first image comes that contains it. by-itself: as soon as it is complete. with-schedule: the policy images the server offline, which stops it; the next image of the schedule contains the change. null: none is waited for; also where the run that was to take it has ended without, and where the server is decommissioned.',
    }),
  })
  .meta({ id: 'Change' }) satisfies z.ZodType<ChangeView>;

const recordedFields = {
  id: z.string(),
  title: z.string(),
  ticket: z.string().nullable(),
  completedAt: timestamp.nullable().meta({ description: 'null: it was open when the image was taken.' }),
};
export const recordedChangeSchema = z.object(recordedFields).meta({ id: 'RecordedChange' });

export const lostChangeSchema = z
  .object({
    ...recordedFields,
    how: z.enum(['missing', 'partly']).meta({ description: 'partly: the generation was taken while it was being made.' }),
    applyAgain: applyAgainSchema.nullable(),
  })
  .meta({ id: 'LostChange' });

export const generationChangesSchema = z
  .object({
    contained: z.array(recordedChangeSchema).meta({ description: 'In the order of their completion.' }),
    partly: z.array(recordedChangeSchema).meta({ description: 'Open when the image was taken: nobody knows how much of them is in it.' }),
    more: z.int().meta({ description: 'How many older ones it contains that are not listed.' }),
  })
  .meta({ id: 'GenerationChanges' }) satisfies z.ZodType<GenerationChanges>;

export const changeQuerySchema = z.strictObject({ server: serverQueryField, state: changeState.optional(), ...pageQueryFields });
export type ChangeQuery = z.output<typeof changeQuerySchema>;

const openFields = {
  title: oneLine(200).meta({ description: 'What is changed, as people say it.' }),
  ticket: oneLine(100).nullable().default(null).meta({ description: 'Where it was asked for and agreed on.' }),
  author: oneLine(100).nullable().default(null).meta({ description: 'Who makes it; null: the owner of the token.' }),
  applyAgain: applyAgainSchema.nullable().default(null),
};
const externalId = oneLine(200).meta({ description: 'The name that a tool has for it: the same again is the same change.' });

export const openChangeRequestSchema = z.strictObject({ ...openFields, externalId: externalId.nullable().default(null) }).meta({ id: 'OpenChangeRequest' });
export type OpenChangeRequestBody = z.output<typeof openChangeRequestSchema>;

const madeAgain = z.boolean().default(false).meta({
  description:
    'It was begun before the server went back in time, and made again from the beginning since: without this such a change is not complete (`CHANGE_INTERRUPTED`).',
});

export const completeChangeRequestSchema = z.strictObject({ madeAgain }).prefault({}).meta({ id: 'CompleteChangeRequest' });
export type CompleteChangeRequest = z.output<typeof completeChangeRequestSchema>;

export const cancelChangeRequestSchema = z.strictObject({ reason }).meta({ id: 'CancelChangeRequest' });
export type CancelChangeRequest = z.output<typeof cancelChangeRequestSchema>;

export const changeEventSchema = z
  .strictObject({
    server: z.string().min(1).max(255).meta({ description: 'Name or id of the server.' }),
    externalId,
    event: z.enum(['started', 'completed', 'failed']).meta({
      description: 'completed: also of one that was never told of. failed: it was not carried out; `CHANGE_NOT_FOUND` where it was never told of.',
    }),
    ...openFields,
    title: openFields.title.nullable().default(null).meta({ description: 'null: the external id.' }),
    madeAgain: madeAgain.meta({ description: 'With completed: the tool has made it from the beginning since the server went back in time.' }),
  })
  .meta({ id: 'ChangeEvent' });
export type ChangeEvent = z.output<typeof changeEventSchema>;
