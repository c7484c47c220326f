import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, EntityManager } from 'typeorm';
import { appendAudit, type AuditEvent } from '../audit/append-audit';
import { mayBeTriedAgain, translateDatabaseError } from './database-errors';

/** A transaction in progress. */
export interface Transaction {
  readonly manager: EntityManager;
  /** Remembers an event; it is written right before the commit, in the order of the calls. */
  audit(event: AuditEvent): void;
}

const MAX_ATTEMPTS = 4;

/**
 * All access to PostgreSQL: connects with the first use, keeps audit and change in one transaction, tries deadlocks again and translates errors.
 */
export class Database {
  private connecting: Promise<DataSource> | null = null;

  constructor(private readonly dataSource: DataSource) {}

  /** Runs reads. Each statement sees what was committed when it began. */
  async read<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    try {
      const { manager } = await this.connected();
      return await work(manager);
    } catch (error) {
      throw translateDatabaseError(error);
    }
  }

  /**
   * Runs `work` in one transaction and appends its audit events last, so that the audit's lock is held only over the commit. `work` may be run
   * several times (deadlock; with REPEATABLE READ also where another transaction was first): it must not change anything but the database.
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>, isolation: 'READ COMMITTED' | 'REPEATABLE READ' = 'READ COMMITTED'): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { manager } = await this.connected();
        return await manager.transaction(isolation, (inner) => this.withAudit(inner, work));
      } catch (error) {
        if (!mayBeTriedAgain(error) || attempt === MAX_ATTEMPTS) throw translateDatabaseError(error);
        await delay(Math.random() * 20 * 2 ** attempt);
      }
    }
  }

  async close(): Promise<void> {
    await this.connecting?.catch(() => undefined);
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private async withAudit<T>(manager: EntityManager, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const events: AuditEvent[] = [];
    const result = await work({ manager, audit: (event) => events.push(event) });
    await appendAudit((sql, parameters) => manager.query(sql, [...(parameters ?? [])]), events);
    return result;
  }

  /** Many callers at once wait for one attempt; after a failed one the next call tries again. */
  private async connected(): Promise<DataSource> {
    if (this.dataSource.isInitialized) return this.dataSource;
    this.connecting ??= this.dataSource.initialize().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }
}
