import type { AlertCatalog } from './port/alerts';
import type { AuditCatalog } from './port/audit';
import type { BackupSetCatalog } from './port/backup-sets';
import type { ChangeCatalog } from './port/changes';
import type { GenerationCatalog } from './port/generations';
import type { InventoryCatalog } from './port/inventory';
import type { JudgementCatalog } from './port/judgements';
import type { MarkerCatalog } from './port/markers';
import type { OffsiteCatalog } from './port/offsite';
import type { PlanCatalog } from './port/plans';
import type { RebuildCatalog } from './port/rebuild';
import type { RecoveryPointCatalog } from './port/recovery-points';
import type { RepeatedRequestCatalog } from './port/repeated-requests';
import type { RestoreSetCatalog } from './port/restore-sets';
import type { RetentionCatalog } from './port/retention';
import type { RunCatalog } from './port/runs';
import type { ScheduleCatalog } from './port/schedules';
import type { StatusCatalog } from './port/status';
import type { TokenCatalog } from './port/tokens';
import type { VerificationCatalog } from './port/verifications';
import type { WayBackCatalog } from './port/way-backs';

export type * from './port/requests';

/**
 * Port of the catalogue: inventory, recovery points, plans, runs, locks, tokens and audit in PostgreSQL. Implemented by `typeorm-catalog.ts`;
 * entities never leave this folder. Every method that changes something writes its audit entry in the same transaction.
 *
 * All methods throw `CATALOG_UNAVAILABLE` (retry later) when PostgreSQL does not answer.
 */
export interface Catalog
  extends
    InventoryCatalog,
    ScheduleCatalog,
    ChangeCatalog,
    MarkerCatalog,
    JudgementCatalog,
    GenerationCatalog,
    RecoveryPointCatalog,
    RetentionCatalog,
    StatusCatalog,
    RebuildCatalog,
    VerificationCatalog,
    OffsiteCatalog,
    AlertCatalog,
    PlanCatalog,
    BackupSetCatalog,
    RestoreSetCatalog,
    RunCatalog,
    RepeatedRequestCatalog,
    WayBackCatalog,
    TokenCatalog,
    AuditCatalog {
  /** Throws `CATALOG_UNAVAILABLE` or `CATALOG_SCHEMA_OUTDATED`. */
  check(): Promise<void>;
  close(): Promise<void>;
}
