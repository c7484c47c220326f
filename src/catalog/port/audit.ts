import type { AuditEntryView, AuditVerification } from '../../contracts/run';
import type { Actor, Page, PageRequest } from './requests';

/** The audit: append-only, each entry sealed by the one before. */
export interface AuditCatalog {
  /** For events that change nothing else, such as a refused request. */
  audit(entry: {
    readonly actor: Actor;
    readonly action: string;
    readonly runId?: string | null;
    readonly serverId?: string | null;
    readonly details?: Readonly<Record<string, unknown>>;
  }): Promise<void>;
  /** Oldest first. */
  listAudit(filter: { readonly runId?: string }, page: PageRequest): Promise<Page<AuditEntryView>>;
  /** Walks the whole chain in batches and names the first bad entry. */
  verifyAudit(): Promise<AuditVerification>;
}
