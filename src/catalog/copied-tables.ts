/**
 * What of the catalogue is in its copies, each table after those it refers to. Not in them: tokens (one that was revoked since would be alive again), locks and
 * Idempotency-Keys (they belong to runs that nobody carries on), alerts, verifications, transfers and judgements of the night (found out, or begun, again), and the audit, which is copied as a file of its
 * own: the new one begins with the old one's head.
 */
export const COPIED_TABLES = [
  'hypervisor',
  'repository',
  'repository_room',
  'offsite_repository',
  'policy',
  'server',
  'backup_group',
  'relation',
  'backup_set',
  'run',
  'run_step',
  'run_decision',
  'lineage',
  'configuration_change',
  'applied_change',
  'server_facts',
  'recovery_point',
  'recovery_point_markers',
  'marker_reading',
  'offsite_copy',
  'restore_plan',
  'restore_set',
  'way_back',
  'due_backup',
] as const;
export type CopiedTable = (typeof COPIED_TABLES)[number];

/** Every other table, so that a new one is not forgotten. */
export const TABLES_LEFT_OUT = [
  'alert',
  'alert_delivery',
  'audit_entry',
  'catalog_copy',
  'idempotency_key',
  'nightly_judgement',
  'offsite_transfer',
  'retention_pass',
  'schema_migration',
  'server_lock',
  'token',
  'token_revocation',
  'verification',
] as const;

export const CATALOGUE_FILE = 'catalogue.ndjson';
export const AUDIT_FILE = 'audit.ndjson';
