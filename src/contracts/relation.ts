/** Relations: which servers need each other, and which hold copies of each other's state. Declared in the estate. */

/**
 * `depends-on`: the server works only while its peers do. `replicates-with`: they hold copies of each other's state. `member-of`: they are members of one
 * cluster or domain, each with a part of its state.
 */
export const RELATION_TYPES = ['depends-on', 'replicates-with', 'member-of'] as const;
export type RelationType = (typeof RELATION_TYPES)[number];

/** Of `depends-on`. `hard`: it does not even start without them. `soft`: it starts, and misses them. */
export const RELATION_STRENGTHS = ['hard', 'soft'] as const;
export type RelationStrength = (typeof RELATION_STRENGTHS)[number];

export interface RelationPeer {
  readonly server: string;
  /** Where a worker reaches it, for probes over the network; null: nowhere, it is asked through its guest agent alone. */
  readonly address: string | null;
}

export interface Relation {
  readonly name: string;
  readonly type: RelationType;
  /** The server that would go back in time. A relation that holds both ways is declared both ways. */
  readonly server: string;
  /** Where a worker reaches that server, for probes over the network; null: nowhere. */
  readonly address: string | null;
  readonly peers: readonly RelationPeer[];
  /** `hard` for what is no `depends-on`: the order of a restore follows it. */
  readonly strength: RelationStrength;
  /** What is read at both, and how it is judged; null: nothing is. */
  readonly profile: string | null;
  /** For the profile. */
  readonly parameters: Readonly<Record<string, string>>;
}
