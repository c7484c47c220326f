import type { ServerGroup } from './backup-set';
import type { OffsiteMedia } from './offsite';
import type { Policy } from './policy';
import type { Protection } from './protection';
import type { Relation } from './relation';

/** What is protected, where it runs, where its recovery points go: as people declare it in a file, with all defaults filled in. */

export interface HypervisorDeclaration {
  readonly name: string;
  readonly kind: 'libvirt';
  readonly uri: 'qemu:///system' | 'qemu:///session';
  /** Backups of a schedule that run on it at the same time; absent: `DEFAULT_MAX_BACKUPS`. */
  readonly maxBackups?: number;
}

export interface RepositoryDeclaration {
  readonly name: string;
  readonly kind: 'directory';
  readonly path: string;
  /** Backups of a schedule that run into it at the same time; absent: `DEFAULT_MAX_BACKUPS`. */
  readonly maxBackups?: number;
}

export interface OffsiteDeclaration {
  readonly name: string;
  readonly location: string;
  readonly media: OffsiteMedia;
}

export interface ServerDeclaration extends Protection {
  readonly name: string;
  readonly hypervisor: string;
  /** Name of the domain on the hypervisor; the server's own name where absent. */
  readonly domain?: string;
  readonly repository: string;
  /** Null: nothing is backed up by itself. */
  readonly policy: string | null;
  readonly stopTimeoutSeconds: number;
  readonly agentTimeoutSeconds: number;
}

export interface Estate {
  readonly hypervisors: readonly HypervisorDeclaration[];
  readonly repositories: readonly RepositoryDeclaration[];
  readonly offsite: readonly OffsiteDeclaration[];
  readonly policies: readonly Policy[];
  readonly servers: readonly ServerDeclaration[];
  readonly groups: readonly ServerGroup[];
  readonly relations: readonly Relation[];
}

/** An estate server together with the identity its hypervisor gave; made by whoever applies the estate. */
export interface ResolvedServer {
  readonly name: string;
  readonly uuid: string;
  readonly domainName: string;
}

/** How an estate is compared and applied. */
export interface EstateOptions {
  /** Policies, groups and relations that the file does not declare any more are deleted. Default: false. */
  readonly prune?: boolean;
}

export const ESTATE_SUBJECTS = ['hypervisor', 'repository', 'offsite', 'policy', 'server', 'group', 'relation'] as const;
export type EstateSubject = (typeof ESTATE_SUBJECTS)[number];

/** `kept`: in the catalogue but not in the file; nothing is removed. `delete`: the same of `PRUNED_SUBJECTS`, when it was asked for. */
export const ESTATE_CHANGES = ['create', 'update', 'unchanged', 'kept', 'delete'] as const;

export interface EstateChange {
  readonly subject: EstateSubject;
  readonly name: string;
  readonly change: (typeof ESTATE_CHANGES)[number];
  /** One line per changed field, such as `repository: main -> second`. */
  readonly fields: readonly string[];
  /** What should be known of it beside what changes. Absent: nothing. */
  readonly note?: string;
}
