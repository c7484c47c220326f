import type { ServerGroup } from '../../contracts/backup-set';
import type { HypervisorDeclaration, OffsiteDeclaration, RepositoryDeclaration } from '../../contracts/estate';
import type { Policy } from '../../contracts/policy';
import type { Relation } from '../../contracts/relation';
import type { ServerView } from '../../contracts/server';

/** What the catalogue holds now. */
export interface Inventory {
  readonly hypervisors: readonly HypervisorDeclaration[];
  readonly repositories: readonly RepositoryDeclaration[];
  readonly offsite: readonly OffsiteDeclaration[];
  readonly policies: readonly Policy[];
  readonly servers: readonly ServerView[];
  readonly groups: readonly ServerGroup[];
  readonly relations: readonly Relation[];
}

/** A server as it is to be stored; id and lineage are null for a new one. */
export interface ServerDraft extends Omit<ServerView, 'id' | 'lineageId' | 'decommissioned'> {
  readonly id: string | null;
}
