import { z } from 'zod';
import { lostChangeSchema, recordedChangeSchema } from './change';
import {
  FINDING_SEVERITIES,
  PLAN_SCENARIOS,
  PLAN_STATES,
  type DataRestorePlanBody,
  type LostChanges,
  type PlanBody,
  type RestorePlanBody,
  type RestorePlanSummary,
  type RestorePlanView,
  type UndoPlanBody,
} from '../plan';
import { errorSummarySchema, oneLine, pageQueryFields, reason, serverQueryField, timestamp } from './common';
import { plannedCredentialSchema } from './credential';
import { dataChangeSchema, dataContentSchema, dataRestoreItemSchema, dataSelectionSchema, dataSetName, keptDataRecordSchema } from './data';
import { dataSetSchema, diskTarget, healthCheckSchema } from './protection';
import { retryingSchema, runKind } from './run';
import { diskFormat } from './server';
import { RULE_PHASES } from '../profile';
import { RELATION_TYPES } from '../relation';
import { powerState, stateBeforeSchema } from './way-back';
import { setOfPlanSchema } from './set-of-plan';

const serverIdentitySchema = z.object({
  serverId: z.string(),
  name: z.string(),
  uuid: z.string(),
  hypervisor: z.string(),
  domainName: z.string().nullable(),
  macs: z.array(z.string()),
  powerState: powerState.nullable(),
});

export const findingSeverity = z.enum(FINDING_SEVERITIES);

export const findingSchema = z.object({
  code: z.string(),
  severity: findingSeverity,
  message: z.string(),
  remedy: z.string().optional(),
  evidence: z.array(z.string()),
  relation: z
    .object({ name: z.string(), peer: z.string(), profile: z.string().nullable() })
    .optional()
    .meta({ description: 'The relation that it is about. What blocks because of one may be overridden.' }),
  leavesOpen: z.array(z.string()).optional().meta({ description: 'Of what is not known about a relation: codes of the rules that it leaves undecided.' }),
  notKnown: z.array(z.string()).optional().meta({
    description: 'What it is that is not known about a relation, such as `peer.entries.now`: to acknowledge it covers nothing else later in the run.',
  }),
  nothingKnown: z
    .literal(true)
    .optional()
    .meta({ description: 'Nothing that was asked of this side is known: to acknowledge it covers whatever the side is asked later in the run.' }),
  together: z.literal(true).optional().meta({ description: 'Of what a rule finds: restoring both servers, to recovery points that agree, settles it best.' }),
});

const basisDisks = z.array(z.object({ target: z.string(), path: z.string() }));

const lossSchema = z
  .object({ incidentAt: timestamp, pointInTime: timestamp, seconds: z.number() })
  .meta({ description: 'What is lost: from the oldest point in time that is restored to the incident.' });
const estimateSchema = z.object({ p50Seconds: z.number(), p90Seconds: z.number(), basedOnRuns: z.int() }).nullable();

/** What all kinds of plan say. */
const commonFields = {
  planId: z.string(),
  runId: z.string().meta({ description: 'Id of the run that will carry this plan out.' }),
  server: serverIdentitySchema,
  before: stateBeforeSchema.meta({ description: 'How the server was when the plan was made.' }),
  steps: z.array(z.object({ key: z.string(), title: z.string() })),
  findings: z.array(findingSchema),
  losses: z.array(z.string()).meta({ description: 'What goes back in time or is lost, in sentences.' }),
  createdAt: timestamp,
};

const factsNowSchema = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('compared'),
    of: z.int().meta({ description: 'The generation that is restored.' }),
    at: timestamp.meta({ description: 'When the guest agent of the server began to tell.' }),
    sentences: z
      .array(z.string())
      .meta({ description: 'In what the server differs from the generation, with some names. Empty: in nothing that was compared.' }),
    gaps: z.array(z.string()).meta({ description: 'What could not be compared.' }),
  }),
  z.object({
    state: z.literal('not-compared'),
    why: z.enum(['gone', 'off', 'no-agent', 'no-facts', 'failed']).meta({
      description:
        'gone: its hypervisor does not know it. off: it does not run. no-agent: its guest agent does not answer. no-facts: there are none of the generation. failed: it told nothing in time.',
    }),
    reason: z.string(),
  }),
]);

const lostChangesSchema = z
  .object({
    changes: z.array(lostChangeSchema).meta({ description: 'The server has them; the generation does not, or not wholly.' }),
    open: z
      .array(recordedChangeSchema)
      .optional()
      .meta({ description: 'They are being made: what was done of them on the disks that go is lost. Absent: none, or an earlier version has made the plan.' }),
    returning: z.array(recordedChangeSchema).meta({ description: 'The generation has them; the server does not.' }),
    isKnown: z.boolean().meta({ description: 'false: an earlier version has taken the generation.' }),
    drift: z
      .object({ of: z.int(), generation: z.int(), sentences: z.array(z.string()) })
      .nullable()
      .meta({ description: 'In what the newest image of the server differs from the one that is restored; null: nobody can say.' }),
    notCompared: z
      .object({ why: z.enum(['newest', 'no-image', 'no-facts', 'in-part']), generations: z.array(z.int()), sentences: z.array(z.string()) })
      .optional()
      .meta({
        description:
          'Why it cannot be said, or not of everything, what differs: no later image of the present disks (newest), none of them at all (no-image), facts that could not be collected (no-facts) or not completely (in-part). Absent: all was compared, or the plan is of an undo or an earlier version.',
      }),
    now: factsNowSchema.optional().meta({
      description:
        'The server itself, as it was while the plan was made, beside the generation that is restored; where it is compared it says more than drift, which goes by images alone. Absent: the plan is of an undo or an earlier version.',
    }),
  })
  .meta({ id: 'LostChanges' }) satisfies z.ZodType<LostChanges>;

const restorePlanBodySchema = z
  .object({
    ...commonFields,
    scenario: z.literal('server'),
    recoveryPoint: z.object({
      id: z.string(),
      generation: z.int(),
      pointInTime: timestamp,
      consistency: z.string(),
      reason: z.string(),
      repository: z.string(),
      reads: z
        .object({ recoveryPoints: z.int(), bytes: z.number() })
        .optional()
        .meta({ description: 'What the restore reads: an incremental with all that it builds on.' }),
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
    keptDisks: z
      .array(z.object({ target: z.string(), path: z.string(), virtualSizeBytes: z.number() }))
      .optional()
      .meta({ description: 'Disks that stay as they are now. Absent in plans of earlier versions: none.' }),
    oldDisks: z
      .array(z.object({ target: z.string(), path: z.string(), format: diskFormat }))
      .optional()
      .meta({ description: 'Old volumes attached read-only to the restored server while it runs. Absent in plans of earlier versions: none.' }),
    nvramNewPath: z.string().nullable(),
    renewsGenerationId: z.boolean(),
    quarantinedMacs: z.array(z.string()).meta({ description: 'NICs whose links are down until go-live.' }),
    healthChecks: z.array(healthCheckSchema).meta({ description: 'Made in quarantine, before go-live.' }),
    data: z
      .array(z.object({ item: dataRestoreItemSchema, pointInTime: timestamp }))
      .optional()
      .meta({ description: 'Restored in quarantine, after the image.' }),
    loss: lossSchema.optional(),
    space: z.array(z.object({ directory: z.string(), neededBytes: z.number(), freeBytes: z.number() })),
    lostChanges: lostChangesSchema.optional().meta({ description: 'What it does to the configuration. Absent in plans of earlier versions.' }),
    appliesChanges: z.boolean().optional().meta({ description: 'Whether the changes that are lost are applied again before go-live.' }),
    relations: z
      .array(
        z.object({
          name: z.string(),
          type: z.enum(RELATION_TYPES),
          serverAddress: z.string().nullable(),
          peer: z.string(),
          address: z.string().nullable(),
          profile: z.string(),
          profileSha256: z.string(),
          phases: z.array(z.enum(RULE_PHASES)).meta({ description: 'For which the profile had rules.' }),
          asksIn: z
            .array(z.enum(['quarantine', 'live']))
            .optional()
            .meta({ description: 'In which parts of the run its rules may ask for steps that the plan cannot know of.' }),
          parameters: z.record(z.string(), z.string()),
        }),
      )
      .optional()
      .meta({ description: 'What rules were judged by. They are judged again before the server is replaced, before go-live and after it.' }),
    relationSteps: z
      .array(
        z.object({
          key: z.templateLiteral(['rule:', z.string()]),
          code: z.string(),
          title: z.string(),
          argv: z.tuple([z.string()], z.string()).nullable(),
          on: z.enum(['server', 'peer']),
          when: z.enum(['quarantine', 'live']),
          relation: z.string(),
          peer: z.string(),
        }),
      )
      .optional()
      .meta({ description: 'What rules ask to be done. argv null: people do it, and sign it off.' }),
    credentials: z
      .array(plannedCredentialSchema)
      .optional()
      .meta({ description: 'Accounts whose passwords stand in a secret store: which version was valid then, and which is now. Absent: none is declared.' }),
    restoreSet: setOfPlanSchema.optional().meta({ description: 'The servers that are restored together with this one. Absent: it is restored alone.' }),
    estimate: estimateSchema,
    basis: z.object({
      definitionFingerprint: z.string().nullable(),
      disks: basisDisks,
      recoveryPointId: z.string(),
      manifestSha256: z.string(),
    }),
  })
  .meta({ id: 'RestorePlanBody' }) satisfies z.ZodType<RestorePlanBody>;

const dataRestorePlanBodySchema = z
  .object({
    ...commonFields,
    scenario: z.literal('data'),
    recoveryPoint: z.object({
      id: z.string(),
      dataSet: dataSetSchema,
      pointInTime: timestamp,
      snapshotId: z.string(),
      reason: z.string(),
      content: dataContentSchema,
    }),
    selection: dataSelectionSchema,
    changes: z.array(dataChangeSchema).meta({ description: 'What is added, replaced, put beside, kept, and what stays untouched.' }),
    loss: lossSchema,
    credentials: z.array(plannedCredentialSchema).optional().meta({
      description: 'Of the accounts that the recovery point remembers: which version was valid then, and which is now. None is set. Absent: it remembers none.',
    }),
    estimate: estimateSchema,
  })
  .meta({ id: 'DataRestorePlanBody' }) satisfies z.ZodType<DataRestorePlanBody>;

const undoPlanBodySchema = z
  .object({
    ...commonFields,
    scenario: z.literal('undo'),
    undoes: z.object({
      runId: z.string(),
      kind: runKind,
      swappedAt: timestamp,
      wentLiveAt: timestamp.nullable().meta({ description: 'null: never had its production network, and nothing is lost.' }),
      reason: z.string(),
    }),
    volumes: z.array(
      z.object({
        target: z.string(),
        presentPath: z.string().nullable().meta({ description: 'Kept, so that the undo can be undone.' }),
        returnsToPath: z.string().nullable().meta({ description: 'null: no such disk then. The present path: the disk stays as it is.' }),
        writtenBytes: z.number().nullable().meta({ description: 'Written to the present volume since the server was started; null when it is off.' }),
      }),
    ),
    generationId: z.object({ now: z.string().nullable(), then: z.string().nullable() }),
    lineage: z.object({ now: z.string(), then: z.string() }),
    returnsTo: stateBeforeSchema.meta({ description: 'How the server was before the swap that is undone.' }),
    lostChanges: lostChangesSchema.optional().meta({ description: 'What it does to the configuration. Absent in plans of earlier versions, and of data.' }),
    data: z
      .object({ record: keptDataRecordSchema, changes: z.array(dataChangeSchema) })
      .nullable()
      .optional()
      .meta({ description: 'Undo of a data restore: the volumes stay, the server runs on.' }),
    basis: z.object({ definitionFingerprint: z.string().nullable(), disks: basisDisks }),
  })
  .meta({ id: 'UndoPlanBody' }) satisfies z.ZodType<UndoPlanBody>;

const planBodySchema = z.discriminatedUnion('scenario', [restorePlanBodySchema, dataRestorePlanBodySchema, undoPlanBodySchema]) satisfies z.ZodType<PlanBody>;

const planState = z.enum(PLAN_STATES);

export const restorePlanSchema = z
  .object({
    id: z.string(),
    state: planState,
    serverId: z.string(),
    serverName: z.string(),
    scenario: z.enum(PLAN_SCENARIOS),
    requestedBy: z.string(),
    createdAt: timestamp,
    hash: z.string().nullable().meta({ description: 'SHA-256 of the canonical body; null until ready. Also the ETag.' }),
    body: planBodySchema.nullable(),
    error: errorSummarySchema.nullable(),
    retrying: retryingSchema
      .nullable()
      .meta({ description: 'What its making tries again, or what holds it up; null where it is nothing, and once it is made.' }),
    runId: z.string().nullable(),
  })
  .meta({ id: 'RestorePlan' }) satisfies z.ZodType<RestorePlanView>;

export const restorePlanSummarySchema = restorePlanSchema
  .omit({ body: true, retrying: true })
  .extend({
    undoesRunId: z.string().nullable().meta({ description: 'The run whose swap it undoes; null: it restores.' }),
    restoreSetId: z.string().nullable().meta({ description: 'It is carried out with the other plans of this set; null: alone.' }),
  })
  .meta({ id: 'RestorePlanSummary' }) satisfies z.ZodType<RestorePlanSummary>;

export const restorePlanQuerySchema = z.strictObject({ server: serverQueryField, state: planState.optional(), ...pageQueryFields });
export type RestorePlanQuery = z.output<typeof restorePlanQuerySchema>;

const diskTargets = z
  .array(diskTarget)
  .max(64)
  .refine((targets) => new Set(targets).size === targets.length, 'targets must be unique')
  .default([]);

/** Between whoever asks and this machine. */
const CLOCKS_DIFFER_MS = 60_000;

export const incidentAt = z.iso
  .datetime({ offset: true, error: 'must be a time like 2026-03-01T02:10:00Z' })
  .refine((time) => Date.parse(time) <= Date.now() + CLOCKS_DIFFER_MS, 'must not lie in the future')
  .optional()
  .meta({ description: 'When what is to be mended has happened; now where absent. What is lost is counted up to it.' });

const requestFields = {
  from: oneLine(64)
    .optional()
    .meta({ description: 'Off-site repository from which what is restored is fetched first, where it is not whole here. The plan takes as long as that.' }),
  recoveryPointId: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .meta({ description: 'The newest usable one where absent; of those from before the incident, where one is given.' }),
  incidentAt,
};

export const restorePlanRequestSchema = z
  .discriminatedUnion(
    'scenario',
    [
      z
        .strictObject({
          scenario: z.literal('server'),
          ...requestFields,
          keepDisks: diskTargets.meta({
            description: 'Disks declared with role data that stay attached as they are now; only the others go back to the recovery point.',
          }),
          attachOldDisks: diskTargets.meta({
            description:
              'Disks declared with role data that are restored and whose old volumes are attached read-only to the restored server, to copy from them.',
          }),
          noData: z.boolean().default(false).meta({ description: 'The image alone, without the data that was saved after it.' }),
          leaveChanges: z
            .boolean()
            .default(false)
            .meta({ description: 'Configuration changes that are lost are not applied again; the run does not wait for people to do so.' }),
          leaveCredentials: z
            .boolean()
            .default(false)
            .meta({ description: 'Passwords that were changed since are left as the image has them, also those declared with reapply.' }),
          findCompatible: z.boolean().default(false).meta({
            description:
              'Not the newest recovery point, but the newest that its peers would accept, by what the rules of its relations say. Not with recoveryPointId or from.',
          }),
        })
        .refine(({ findCompatible, recoveryPointId, from }) => !findCompatible || (recoveryPointId === undefined && from === undefined), {
          path: ['findCompatible'],
          error: 'chooses the recovery point itself, of those that are here: leave recoveryPointId and from out',
        })
        .meta({ id: 'ServerRestorePlanRequest' }),
      z
        .strictObject({ scenario: z.literal('data'), ...requestFields, dataSet: dataSetName, selection: dataSelectionSchema })
        .meta({ id: 'DataRestorePlanRequest' }),
    ],
    { error: (issue) => (issue.code === 'invalid_union' ? 'must be server or data' : undefined) },
  )
  .meta({ id: 'RestorePlanRequest' });
export type RestorePlanRequest = z.output<typeof restorePlanRequestSchema>;

/** What of a plan's findings is accepted. */
export const overrideFields = {
  override: z
    .strictObject({ codes: z.array(oneLine(50)).min(1).max(50), reason })
    .nullable()
    .default(null)
    .meta({ description: 'Findings of relations that block and are overridden all the same, by their codes, and why. It goes into the audit.' }),
  acknowledgeUnknown: z
    .boolean()
    .default(false)
    .meta({ description: 'What the plan says is not known is known not to be. It goes into the audit. Without it such a plan is not carried out.' }),
};

export const restoreRunRequestSchema = z
  .strictObject({
    reason,
    confirm: z.string().max(255).meta({ description: "The server's name, typed again." }),
    hold: z.boolean().default(false).meta({ description: 'Restores of a server only: stop before go-live and wait for a person.' }),
    ...overrideFields,
  })
  .meta({ id: 'RestoreRunRequest' });
export type RestoreRunRequest = z.output<typeof restoreRunRequestSchema>;
