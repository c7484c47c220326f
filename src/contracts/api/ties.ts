import type { z } from 'zod';
import type { DataChange, DataContent, DataSelection, DataSet } from '../data';
import type { ErrorSummary } from '../errors';
import type { RestorePlanView } from '../plan';
import type { AlertView } from '../alert';
import type { VerificationView } from '../verification';
import type { ChangeView, GenerationChanges } from '../change';
import type { CredentialReference, PlannedCredential } from '../credential';
import type { ShownGeneration, ShownGenerationDiff } from '../generation';
import type { Relation } from '../relation';
import type { DueBackupView } from '../due-backup';
import type { Policy } from '../policy';
import type { Profile } from '../profile';
import type { EstateStatus } from '../protection-status';
import type { RetentionPreview } from '../retention';
import type { HealthCheck, Protection } from '../protection';
import type { RecoveryPointView } from '../recovery-point';
import type { AuditEntryView, AuditVerification, RunKind, RunState, RunView } from '../run';
import type { StateBefore, WayBackView } from '../way-back';
import type { auditEntrySchema, auditVerificationSchema } from './audit';
import type { errorSummarySchema } from './common';
import type { dataChangeSchema, dataContentSchema, dataSelectionSchema } from './data';
import type { alertSchema } from './alert';
import type { verificationSchema } from './verification';
import type { changeSchema, generationChangesSchema } from './change';
import type { credentialReferenceSchema, plannedCredentialSchema } from './credential';
import type { generationDetailSchema, generationDiffSchema } from './generation';
import type { relationSchema } from './relation';
import type { dueBackupSchema } from './due-backup';
import type { policySchema } from './policy';
import type { profileSchema } from './profile';
import type { ProfileSummary, profileSummarySchema, ProfileView, profileViewSchema } from './profile-view';
import type { PolicyView, policyViewSchema } from './policy-view';
import type { retentionPreviewSchema } from './retention';
import type { estateStatusSchema } from './status';
import type { EstateChangesView, estateChangesSchema } from './estate-request';
import type { dataSetSchema, healthCheckSchema, protectionSchema } from './protection';
import type { recoveryPointViewSchema } from './recovery-point';
import type { restorePlanSchema } from './restore-plan';
import type { runKind, runState, runViewSchema } from './run';
import type { ServerDetailView, serverDetailSchema, serverViewSchema } from './server';
import type { ServerView } from '../server';
import type { CreatedToken, createdTokenSchema } from './token';
import type { stateBeforeSchema, wayBackSchema } from './way-back';

/**
 * Types that stand beside a schema, because workflows may not import zod, say exactly what it says: what is added to one alone does not compile. `satisfies
 * z.ZodType<T>` at the schema shows where they differ, and alone would let a schema say less: an enum without the newest value, an object without an optional
 * field.
 */
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
type IsSame<A, B> = (<T>() => T extends A ? true : false) extends <T>() => T extends B ? true : false ? true : false;
type Tie<Schema extends z.ZodType, Type> = IsSame<Frozen<z.output<Schema>>, Frozen<Type>>;
type AllTrue<Ties extends readonly true[]> = Ties;

export type TiedTypes = AllTrue<
  [
    Tie<typeof auditEntrySchema, AuditEntryView>,
    Tie<typeof auditVerificationSchema, AuditVerification>,
    Tie<typeof createdTokenSchema, CreatedToken>,
    Tie<typeof dataChangeSchema, DataChange>,
    Tie<typeof dataContentSchema, DataContent>,
    Tie<typeof dataSelectionSchema, DataSelection>,
    Tie<typeof dataSetSchema, DataSet>,
    Tie<typeof errorSummarySchema, ErrorSummary>,
    Tie<typeof estateChangesSchema, EstateChangesView>,
    Tie<typeof healthCheckSchema, HealthCheck>,
    Tie<typeof changeSchema, ChangeView>,
    Tie<typeof credentialReferenceSchema, CredentialReference>,
    Tie<typeof plannedCredentialSchema, PlannedCredential>,
    Tie<typeof generationChangesSchema, GenerationChanges>,
    Tie<typeof generationDetailSchema, ShownGeneration>,
    Tie<typeof relationSchema, Relation>,
    Tie<typeof generationDiffSchema, ShownGenerationDiff>,
    Tie<typeof dueBackupSchema, DueBackupView>,
    Tie<typeof alertSchema, AlertView>,
    Tie<typeof verificationSchema, VerificationView>,
    Tie<typeof estateStatusSchema, EstateStatus>,
    Tie<typeof policySchema, Policy>,
    Tie<typeof policyViewSchema, PolicyView>,
    Tie<typeof profileSchema, Profile>,
    Tie<typeof profileSummarySchema, ProfileSummary>,
    Tie<typeof profileViewSchema, ProfileView>,
    Tie<typeof retentionPreviewSchema, RetentionPreview>,
    Tie<typeof protectionSchema, Protection>,
    Tie<typeof recoveryPointViewSchema, RecoveryPointView>,
    Tie<typeof restorePlanSchema, RestorePlanView>,
    Tie<typeof runKind, RunKind>,
    Tie<typeof runState, RunState>,
    Tie<typeof runViewSchema, RunView>,
    Tie<typeof serverDetailSchema, ServerDetailView>,
    Tie<typeof serverViewSchema, ServerView>,
    Tie<typeof stateBeforeSchema, StateBefore>,
    Tie<typeof wayBackSchema, WayBackView>,
  ]
>;
