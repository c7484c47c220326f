import { escapeIdentifier } from 'pg';
import { MIGRATIONS_TABLE } from './data-source';

/** What the application may do, table by table: nothing more than the stores need. Nothing is ever deleted but locks, policies, groups, relations and readings that nobody asks for any more; audit is only appended. */
const RIGHTS: Readonly<Record<string, string>> = {
  hypervisor: 'SELECT, INSERT, UPDATE',
  repository: 'SELECT, INSERT, UPDATE',
  policy: 'SELECT, INSERT, UPDATE, DELETE',
  backup_group: 'SELECT, INSERT, UPDATE, DELETE',
  relation: 'SELECT, INSERT, UPDATE, DELETE',
  // UPDATE is never used: it is what a lock of a row needs.
  backup_set: 'SELECT, INSERT, UPDATE',
  repository_room: 'SELECT, INSERT',
  catalog_copy: 'SELECT, INSERT, UPDATE',
  due_backup: 'SELECT, INSERT, UPDATE',
  alert: 'SELECT, INSERT, UPDATE',
  alert_delivery: 'SELECT, INSERT, UPDATE',
  verification: 'SELECT, INSERT, UPDATE',
  offsite_repository: 'SELECT, INSERT, UPDATE',
  offsite_copy: 'SELECT, INSERT, UPDATE',
  offsite_transfer: 'SELECT, INSERT, UPDATE',
  retention_pass: 'SELECT, INSERT, UPDATE',
  server: 'SELECT, INSERT, UPDATE',
  lineage: 'SELECT, INSERT',
  configuration_change: 'SELECT, INSERT, UPDATE',
  applied_change: 'SELECT, INSERT, UPDATE',
  server_facts: 'SELECT, INSERT',
  recovery_point: 'SELECT, INSERT, UPDATE',
  recovery_point_markers: 'SELECT, INSERT',
  marker_reading: 'SELECT, INSERT, UPDATE, DELETE',
  nightly_judgement: 'SELECT, INSERT, UPDATE',
  restore_plan: 'SELECT, INSERT, UPDATE',
  restore_set: 'SELECT, INSERT, UPDATE',
  run: 'SELECT, INSERT, UPDATE',
  run_step: 'SELECT, INSERT, UPDATE',
  run_decision: 'SELECT, INSERT',
  server_lock: 'SELECT, INSERT, UPDATE, DELETE',
  way_back: 'SELECT, INSERT, UPDATE',
  token: 'SELECT, INSERT',
  token_revocation: 'SELECT, INSERT',
  idempotency_key: 'SELECT, INSERT',
  audit_entry: 'SELECT, INSERT',
  [MIGRATIONS_TABLE]: 'SELECT',
};

/** Takes everything away and gives exactly the rights above; run in one transaction by the owner, after each migration. */
export function grantStatements(appRole: string): readonly string[] {
  const role = escapeIdentifier(appRole);
  return [
    `REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, ${role}`,
    `REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, ${role}`,
    `GRANT USAGE ON SCHEMA public TO ${role}`,
    ...Object.entries(RIGHTS).map(([table, rights]) => `GRANT ${rights} ON ${table} TO ${role}`),
    `GRANT USAGE ON SEQUENCE fencing_token_seq TO ${role}`,
  ];
}
