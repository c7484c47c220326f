import { AlertDeliveryEntity, AlertEntity } from './alert';
import { AuditEntryEntity, IdempotencyKeyEntity, TokenEntity, TokenRevocationEntity } from './access';
import { HypervisorEntity, LineageEntity, RepositoryEntity, RepositoryRoomEntity, ServerEntity } from './inventory';
import { DueBackupEntity, PolicyEntity } from './policy';
import { RecoveryPointEntity } from './recovery-point';
import { RestorePlanEntity } from './restore-plan';
import { RunDecisionEntity, RunEntity, RunStepEntity, ServerLockEntity } from './run';
import { VerificationEntity } from './verification';
import { WayBackEntity } from './way-back';

export * from './access';
export * from './alert';
export * from './inventory';
export * from './policy';
export * from './recovery-point';
export * from './restore-plan';
export * from './run';
export * from './verification';
export * from './way-back';

/** All tables, for the data source. */
export const ENTITIES = [
  HypervisorEntity,
  RepositoryEntity,
  RepositoryRoomEntity,
  PolicyEntity,
  DueBackupEntity,
  ServerEntity,
  LineageEntity,
  RecoveryPointEntity,
  RestorePlanEntity,
  RunEntity,
  RunStepEntity,
  RunDecisionEntity,
  ServerLockEntity,
  WayBackEntity,
  VerificationEntity,
  AlertEntity,
  AlertDeliveryEntity,
  TokenEntity,
  TokenRevocationEntity,
  IdempotencyKeyEntity,
  AuditEntryEntity,
];
