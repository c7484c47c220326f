import { AuditEntryEntity, IdempotencyKeyEntity, TokenEntity } from './access';
import { HypervisorEntity, LineageEntity, RepositoryEntity, ServerEntity } from './inventory';
import { RecoveryPointEntity } from './recovery-point';
import { RestorePlanEntity } from './restore-plan';
import { RunEntity, RunStepEntity, ServerLockEntity } from './run';

export * from './access';
export * from './inventory';
export * from './recovery-point';
export * from './restore-plan';
export * from './run';

/** All tables, for the data source. */
export const ENTITIES = [
  HypervisorEntity,
  RepositoryEntity,
  ServerEntity,
  LineageEntity,
  RecoveryPointEntity,
  RestorePlanEntity,
  RunEntity,
  RunStepEntity,
  ServerLockEntity,
  TokenEntity,
  IdempotencyKeyEntity,
  AuditEntryEntity,
];
