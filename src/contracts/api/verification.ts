import { z } from 'zod';
import { RECOVERY_POINT_KINDS } from '../recovery-point';
import { READING_METHODS, VERIFICATION_METHODS, VERIFICATION_STATES, type BootResult, type VerificationView } from '../verification';
import { errorSummarySchema, pageQueryFields, reason, serverQueryField, timestamp } from './common';

const READING = 'checksums: every byte was read. structure: all that is needed is there, and a part of the bytes was read, each time another one.';
export const readingMethod = z.enum(READING_METHODS).meta({ description: READING });
const verificationMethod = z.enum(VERIFICATION_METHODS).meta({ description: `${READING} boot: the image was started without any network.` });

const bootResultSchema = z
  .object({
    seconds: z.number().meta({ description: 'From the start of its virtual machine until its agent answered.' }),
    checks: z.array(z.object({ name: z.string(), evidence: z.string() })).meta({ description: 'Health checks that passed, in their own words.' }),
    notMade: z.array(z.string()).meta({ description: 'Health checks that cannot be made without a network.' }),
  })
  .meta({ id: 'BootResult' }) satisfies z.ZodType<BootResult>;

const verificationState = z.enum(VERIFICATION_STATES);

export const verificationSchema = z
  .object({
    id: z.string(),
    serverId: z.string(),
    serverName: z.string(),
    kind: z.enum(RECOVERY_POINT_KINDS),
    recoveryPointId: z.string().nullable().meta({ description: 'null: all data of the server.' }),
    method: verificationMethod,
    state: verificationState.meta({
      description:
        'failed: stored bytes are not what was written; of a boot, the image did not come up. not-run: it could not be carried out, so that nothing is known by it.',
    }),
    waitsFor: z.string().nullable().meta({ description: 'Why it has not begun.' }),
    requestedBy: z.string().meta({ description: 'schedule: its policy asks for it.' }),
    reason: z.string(),
    requestedAt: timestamp,
    startedAt: timestamp.nullable(),
    finishedAt: timestamp.nullable(),
    doneBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
    error: errorSummarySchema.nullable().meta({ description: 'What is damaged, what did not come up, or why it could not be carried out.' }),
    boot: bootResultSchema.nullable().meta({ description: 'What a boot that passed has shown.' }),
  })
  .meta({ id: 'Verification' }) satisfies z.ZodType<VerificationView>;

export const verifyRequestSchema = z
  .strictObject({
    reason,
    method: z.enum(['checksums', 'boot']).default('checksums').meta({ description: 'boot: of an image; it is started without any network, and thrown away.' }),
  })
  .meta({ id: 'VerifyRequest' });
export type VerifyRequest = z.output<typeof verifyRequestSchema>;

export const verifyServerRequestSchema = z
  .strictObject({
    reason,
    method: z.enum(['structure', 'boot']).default('structure').meta({ description: 'structure: of all its data. boot: of its newest usable image.' }),
  })
  .meta({ id: 'VerifyServerRequest' });
export type VerifyServerRequest = z.output<typeof verifyServerRequestSchema>;

export const cancelVerificationRequestSchema = z.strictObject({ reason }).meta({ id: 'CancelVerificationRequest' });
export type CancelVerificationRequest = z.output<typeof cancelVerificationRequestSchema>;

export const verificationQuerySchema = z.strictObject({
  server: serverQueryField,
  state: verificationState.optional(),
  ...pageQueryFields,
});
export type VerificationQuery = z.output<typeof verificationQuerySchema>;
