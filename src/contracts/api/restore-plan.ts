import { z } from 'zod';
import type { RestorePlanBody, RestorePlanView } from '../plan';
import { errorSummarySchema, reason, timestamp } from './common';
import { diskFormat, powerState } from './server';

export const planBodySchema = z
  .object({
    planId: z.string(),
    runId: z.string().meta({ description: 'Id of the run that will carry this plan out.' }),
    scenario: z.enum(['server']),
    server: z.object({
      serverId: z.string(),
      name: z.string(),
      uuid: z.string(),
      hypervisor: z.string(),
      domainName: z.string().nullable(),
      macs: z.array(z.string()),
      powerState: powerState.nullable(),
    }),
    recoveryPoint: z.object({
      id: z.string(),
      generation: z.int(),
      pointInTime: timestamp,
      consistency: z.string(),
      reason: z.string(),
      repository: z.string(),
    }),
    definitionFrom: z.enum(['present', 'recovery-point']),
    volumes: z.array(
      z.object({
        target: z.string(),
        replacesPath: z.string().nullable(),
        newPath: z.string(),
        format: diskFormat,
        virtualSizeBytes: z.number(),
        flattened: z.boolean(),
      }),
    ),
    nvramNewPath: z.string().nullable(),
    renewsGenerationId: z.boolean(),
    steps: z.array(z.object({ key: z.string(), title: z.string() })),
    findings: z.array(
      z.object({
        code: z.string(),
        severity: z.enum(['ok', 'warn', 'step', 'block', 'unknown']),
        message: z.string(),
        remedy: z.string().optional(),
        evidence: z.array(z.string()),
      }),
    ),
    losses: z.array(z.string()),
    space: z.array(z.object({ directory: z.string(), neededBytes: z.number(), freeBytes: z.number() })),
    estimate: z.object({ p50Seconds: z.number(), p90Seconds: z.number(), basedOnRuns: z.int() }).nullable(),
    basis: z.object({
      definitionFingerprint: z.string().nullable(),
      disks: z.array(z.object({ target: z.string(), path: z.string() })),
      recoveryPointId: z.string(),
      manifestSha256: z.string(),
    }),
    createdAt: timestamp,
  })
  .meta({ id: 'RestorePlanBody' }) satisfies z.ZodType<RestorePlanBody>;

export const restorePlanSchema = z
  .object({
    id: z.string(),
    state: z.enum(['planning', 'ready', 'failed', 'used']),
    serverId: z.string(),
    serverName: z.string(),
    scenario: z.enum(['server']),
    requestedBy: z.string(),
    createdAt: timestamp,
    hash: z.string().nullable().meta({ description: 'SHA-256 of the canonical body; null until ready. Also the ETag.' }),
    body: planBodySchema.nullable(),
    error: errorSummarySchema.nullable(),
    runId: z.string().nullable(),
  })
  .meta({ id: 'RestorePlan' }) satisfies z.ZodType<RestorePlanView>;

export const restorePlanRequestSchema = z
  .strictObject({
    scenario: z.literal('server'),
    recoveryPointId: z.string().min(1).max(64).optional().meta({ description: 'The newest usable one where absent.' }),
  })
  .meta({ id: 'RestorePlanRequest' });
export type RestorePlanRequest = z.output<typeof restorePlanRequestSchema>;

export const restoreRunRequestSchema = z
  .strictObject({
    reason,
    confirm: z.string().max(255).meta({ description: "The server's name, typed again." }),
  })
  .meta({ id: 'RestoreRunRequest' });
export type RestoreRunRequest = z.output<typeof restoreRunRequestSchema>;
