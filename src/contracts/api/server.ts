import { z } from 'zod';
import type { ErrorSummary } from '../errors';
import type { DataRecoveryPointView, ImageRecoveryPointView } from '../recovery-point';
import { DISK_FORMATS, DEFAULT_KEEP_DAYS, MAX_KEEP_DAYS, type Decommissioning, type ServerInspection, type ServerView } from '../server';
import type { WayBackView } from '../way-back';
import { errorSummarySchema, oneLine, reason, timestamp } from './common';
import { protectionSchema } from './protection';
import { dataRecoveryPointSchema, imageRecoveryPointSchema } from './recovery-point';
import { agentState, powerState, wayBackSchema } from './way-back';

const diskFormat = z.enum(DISK_FORMATS);

const nicSchema = z.object({
  mac: z.string(),
  type: z.string(),
  source: z.string().nullable(),
  linkUp: z.boolean().meta({ description: 'false: the cable is unplugged in the definition.' }),
});

const serverInspectionSchema = z
  .object({
    uuid: z.string(),
    domainName: z.string(),
    powerState,
    domainType: z.string(),
    definitionFingerprint: z.string(),
    disks: z.array(
      z.object({
        target: z.string(),
        bus: z.string(),
        path: z.string(),
        format: diskFormat,
        virtualSizeBytes: z.number(),
        allocatedBytes: z.number(),
        backingChain: z.array(z.object({ path: z.string(), format: diskFormat })),
        holdsCheckpoints: z.boolean().optional().meta({ description: 'False: images of it are whole every time.' }),
      }),
    ),
    removableMedia: z.array(z.object({ target: z.string(), source: z.string().nullable() })),
    firmware: z.enum(['bios', 'uefi']),
    nvram: z.object({ path: z.string(), format: diskFormat, sizeBytes: z.number() }).nullable(),
    nics: z.array(nicSchema),
    generationId: z.string().nullable(),
    agent: z.object({ state: agentState, version: z.string().nullable(), commands: z.array(z.string()) }),
    refusals: z.array(errorSummarySchema).meta({ description: 'Why an image cannot be taken; empty when it can.' }),
    memoryBytes: z.number(),
    vcpus: z.number(),
  })
  .meta({ id: 'ServerInspection' }) satisfies z.ZodType<ServerInspection>;

export const decommissioningSchema = z
  .object({
    at: timestamp,
    by: z.string(),
    reason: z.string(),
    keepDays: z.int().meta({ description: 'For so many days what protects its last recovery points goes on.' }),
    protectsUntil: timestamp.meta({
      description: 'When these days are over: from then on no rule keeps any of its recovery points. Time in which nobody judged them is added.',
    }),
  })
  .meta({ id: 'Decommissioning' }) satisfies z.ZodType<Decommissioning>;

/** Takes a server out of service. */
export const decommissionRequestSchema = z
  .strictObject({
    confirm: oneLine(255, 'must be the name of the server').meta({ description: 'The name of the server, typed again.' }),
    reason,
    keepDays: z.int().min(1).max(MAX_KEEP_DAYS).default(DEFAULT_KEEP_DAYS).meta({
      description: 'For so many days its last recovery points stay protected as they are now; from then on no rule keeps any of them.',
    }),
  })
  .meta({ id: 'DecommissionRequest' });
export type DecommissionRequest = z.output<typeof decommissionRequestSchema>;

/** Takes it back. */
export const recommissionRequestSchema = z.strictObject({ reason }).meta({ id: 'RecommissionRequest' });
export type RecommissionRequest = z.output<typeof recommissionRequestSchema>;

export const serverViewSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    uuid: z.string().meta({ description: "The server's identity on its hypervisor." }),
    domainName: z.string(),
    hypervisor: z.string(),
    repository: z.string(),
    policy: z.string().nullable().meta({ description: 'null: nothing is backed up by itself.' }),
    stopTimeoutSeconds: z.number(),
    agentTimeoutSeconds: z.number(),
    protection: protectionSchema,
    lineageId: z.string(),
    decommissioned: decommissioningSchema.nullable().meta({ description: 'Since when, and why, it is out of service; null: it is in service.' }),
  })
  .meta({ id: 'Server' }) satisfies z.ZodType<ServerView>;

/** A server with what its hypervisor says at this moment. */
export interface ServerDetailView extends ServerView {
  /** Null when the hypervisor could not say; `inspectionError` then says why. */
  readonly inspection: ServerInspection | null;
  readonly inspectionError: ErrorSummary | null;
  readonly newestRecoveryPoint: ImageRecoveryPointView | null;
  /** The newest usable one of each declared data set that has any. */
  readonly newestData: readonly DataRecoveryPointView[];
  /** The run that holds the server now. */
  readonly openRunId: string | null;
  /** Open ones, newest first: what restores have kept of the server. */
  readonly wayBacks: readonly WayBackView[];
  /** Room their volumes take on the hypervisor's host. */
  readonly keptBytes: number;
}

export const serverDetailSchema = serverViewSchema
  .extend({
    inspection: serverInspectionSchema.nullable(),
    inspectionError: errorSummarySchema.nullable(),
    newestRecoveryPoint: imageRecoveryPointSchema.nullable().meta({ description: 'The newest usable image.' }),
    newestData: z.array(dataRecoveryPointSchema).meta({ description: 'The newest usable one of each declared data set that has any.' }),
    openRunId: z.string().nullable(),
    wayBacks: z.array(wayBackSchema).meta({ description: 'Open ones, newest first: what restores have kept of the server.' }),
    keptBytes: z.number().meta({ description: "Room their volumes take on the hypervisor's host." }),
  })
  .meta({ id: 'ServerDetail' }) satisfies z.ZodType<ServerDetailView>;

export { diskFormat };
