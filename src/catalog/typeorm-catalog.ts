import type { DataSource } from 'typeorm';
import { ModosuError } from '../contracts/errors';
import { auditStore, tokenStore } from './access-store';
import { alertStore } from './alert-store';
import { backupSetStore } from './backup-set-store';
import type { Catalog } from './catalog';
import { catalogCopyStore } from './catalog-copy-store';
import { changeStore } from './change-store';
import { Database } from './database';
import { decommissionStore } from './decommission-store';
import { decisionStore } from './decision-store';
import { dueBackupStore } from './due-backup-store';
import { figuresStore } from './figures-store';
import { generationStore } from './generation-store';
import { repeatedRequestStore } from './idempotency';
import { inventoryStore } from './inventory-store';
import { judgementStore } from './judgement-store';
import { markerStore } from './marker-store';
import { offsiteStore } from './offsite-store';
import { pendingMigrations } from './migrate';
import { planStore } from './plan-store';
import { protectionStore } from './protection-store';
import { recoveryPointStore } from './recovery-point-store';
import { relationStore } from './relation-store';
import { retentionStore } from './retention-store';
import { restoreSetStore } from './restore-set-store';
import { roomStore } from './room-store';
import { runAcceptanceStore } from './run-acceptance-store';
import { runStore } from './run-store';
import { databaseNow } from './shared-now';
import { verificationStore } from './verification-store';
import { wayBackStore } from './way-back-store';

/**
 * The catalogue in PostgreSQL. Connects with the first call and again after PostgreSQL was away, so it can be made before PostgreSQL answers.
 *
 * @param dataSource from `createDataSource`; `close` ends it.
 * @param clock of tests; not given: that of this machine, and PostgreSQL's where several processes must agree
 */
export function createTypeormCatalog(dataSource: DataSource, clock?: () => Date): Catalog {
  const database = new Database(dataSource);
  const sharedNow = clock === undefined ? databaseNow : async (): Promise<Date> => clock();
  const now = clock ?? ((): Date => new Date());
  return {
    check: () =>
      database.read(async (manager) => {
        const pending = await pendingMigrations(manager);
        if (pending.length === 0) return;
        throw new ModosuError('CATALOG_SCHEMA_OUTDATED', `The catalogue in PostgreSQL lacks ${pending.length} migration(s): ${pending.join(', ')}.`, {
          context: { pending },
        });
      }),
    close: () => database.close(),
    ...inventoryStore(database, now),
    ...relationStore(database),
    ...changeStore(database, now),
    ...generationStore(database),
    ...markerStore(database, now),
    ...judgementStore(database, sharedNow),
    ...dueBackupStore(database, now),
    ...decommissionStore(database, sharedNow),
    ...recoveryPointStore(database, now),
    ...retentionStore(database, now, sharedNow),
    ...protectionStore(database, now),
    ...roomStore(database, now),
    ...catalogCopyStore(database, now, sharedNow),
    ...alertStore(database, sharedNow),
    ...offsiteStore(database, sharedNow),
    ...verificationStore(database, sharedNow),
    ...repeatedRequestStore(database),
    ...planStore(database, now),
    ...runAcceptanceStore(database, now),
    ...backupSetStore(database, now),
    ...restoreSetStore(database, now),
    ...runStore(database, now),
    ...figuresStore(database, now),
    ...decisionStore(database, now),
    ...wayBackStore(database, now),
    ...tokenStore(database, now),
    ...auditStore(database),
  };
}
