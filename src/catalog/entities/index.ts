import { AlertDeliveryEntity, AlertEntity } from './alert';
import { AuditEntryEntity, IdempotencyKeyEntity, TokenEntity, TokenRevocationEntity } from './access';
import { BackupGroupEntity, BackupSetEntity } from './backup-set';
import { AppliedChangeEntity, ConfigurationChangeEntity } from './change';
import { CatalogCopyEntity, HypervisorEntity, LineageEntity, RepositoryEntity, RepositoryRoomEntity, ServerEntity } from './inventory';
import { NightlyJudgementEntity } from './judgement';
import { MarkerReadingEntity, RecoveryPointMarkersEntity } from './marker';
import { OffsiteCopyEntity, OffsiteRepositoryEntity, OffsiteTransferEntity } from './offsite';
import { DueBackupEntity, PolicyEntity } from './policy';
import { RecoveryPointEntity, ServerFactsEntity } from './recovery-point';
import { RelationEntity } from './relation';
import { RestorePlanEntity } from './restore-plan';
import { RestoreSetEntity } from './restore-set';
import { RetentionPassEntity } from './retention-pass';
import { RunDecisionEntity, RunEntity, RunStepEntity, ServerLockEntity } from './run';
import { VerificationEntity } from './verification';
import { WayBackEntity } from './way-back';

export * from './access';
export * from './alert';
export * from './backup-set';
export * from './change';
export * from './inventory';
export * from './judgement';
export * from './marker';
export * from './offsite';
export * from './policy';
export * from './recovery-point';
export * from './relation';
export * from './restore-plan';
export * from './restore-set';
export * from './retention-pass';
export * from './run';
export * from './verification';
export * from './way-back';

/** All tables, for the data source. */
export const ENTITIES = [
  HypervisorEntity,
  RepositoryEntity,
  RepositoryRoomEntity,
  CatalogCopyEntity,
  PolicyEntity,
  DueBackupEntity,
  ServerEntity,
  LineageEntity,
  ConfigurationChangeEntity,
  AppliedChangeEntity,
  BackupGroupEntity,
  RelationEntity,
  BackupSetEntity,
  ServerFactsEntity,
  RecoveryPointEntity,
  RecoveryPointMarkersEntity,
  MarkerReadingEntity,
  NightlyJudgementEntity,
  RestorePlanEntity,
  RestoreSetEntity,
  RunEntity,
  RunStepEntity,
  RunDecisionEntity,
  ServerLockEntity,
  WayBackEntity,
  VerificationEntity,
  OffsiteRepositoryEntity,
  OffsiteCopyEntity,
  OffsiteTransferEntity,
  RetentionPassEntity,
  AlertEntity,
  AlertDeliveryEntity,
  TokenEntity,
  TokenRevocationEntity,
  IdempotencyKeyEntity,
  AuditEntryEntity,
];
