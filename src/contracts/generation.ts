import type { GenerationChanges } from './change';
import type { CredentialReference } from './credential';
import type { DefinitionDiff, GenerationDefinition } from './definition';
import type { FactDiff, FactKind, OsFamily, ServerFacts } from './facts';
import type { Consistency, RecoveryPointState } from './recovery-point';

/** Generations: the images of a server, by number, with what each says of the server it was taken from. */

/** How complete the facts of a generation are. */
export type FactsState =
  | {
      readonly state: 'collected';
      /** ISO 8601. */
      readonly collectedAt: string;
      readonly family: OsFamily;
      readonly entries: number;
      /** Kinds that could not be collected. */
      readonly failed: readonly FactKind[];
      /** Kinds of which there was more than is kept. */
      readonly truncated: readonly FactKind[];
    }
  | { readonly state: 'missing'; readonly why: string };

/** What a step of a backup says about the facts it has collected. */
export type CollectedFacts = Extract<FactsState, { readonly state: 'collected' }>;

export interface GenerationView {
  readonly generation: number;
  readonly recoveryPointId: string;
  readonly serverId: string;
  readonly serverName: string;
  readonly state: RecoveryPointState;
  readonly pointInTime: string;
  readonly consistency: Consistency;
  readonly reason: string;
  /** Whether it is of the disks that the server has now: a restore begins a new line, undoing it returns to the old one. */
  readonly isOnPresentLine: boolean;
  /** Null: an earlier version has taken it, and nobody knows. */
  readonly changes: GenerationChanges | null;
  readonly facts: FactsState;
  /** Which versions of the credentials of the server were valid. Empty: none was declared, or an earlier version has taken it. */
  readonly credentials: readonly CredentialReference[];
}

export interface GenerationDetail extends GenerationView {
  /** Null: see `facts`. */
  readonly sections: ServerFacts['sections'] | null;
}

/** With what lies in the repository alone. */
export interface ShownGeneration extends GenerationDetail {
  readonly definition: GenerationDefinition;
}

/** From the earlier to the later of two generations, whichever was named first. */
export interface GenerationDiff {
  readonly serverId: string;
  readonly serverName: string;
  readonly before: GenerationView;
  readonly after: GenerationView;
  /** Changes that only one of the two contains. Null: one of them says nothing about changes. */
  readonly changes: { readonly added: GenerationChanges['contained']; readonly removed: GenerationChanges['contained'] } | null;
  /** Null: one of them has no facts. */
  readonly facts: FactDiff | null;
  /** In sentences. */
  readonly summary: readonly string[];
}

/** With what lies in the repository alone; the sentences tell of it, too. */
export interface ShownGenerationDiff extends GenerationDiff {
  readonly definition: DefinitionDiff;
}

/** The rows of facts are the same for as long as nothing changes: the moment they were collected at is not part of them. */
export type StoredFacts = Omit<ServerFacts, 'collectedAt'>;

export const factsState = ({ collectedAt, family, sections }: ServerFacts): CollectedFacts => ({
  state: 'collected',
  collectedAt,
  family,
  entries: sections.reduce((sum, section) => sum + (section.state === 'collected' ? section.entries.length : 0), 0),
  failed: sections.flatMap((section) => (section.state === 'failed' ? [section.kind] : [])),
  truncated: sections.flatMap((section) => (section.state === 'collected' && section.truncated ? [section.kind] : [])),
});
