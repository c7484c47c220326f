/** A database as it stands in the guest now. */
export interface PresentDatabase {
  readonly name: string;
  readonly allowsConnections: boolean;
  readonly bytes: number;
  readonly sessions: number;
  readonly prepared: readonly string[];
  /** What runs have noted at it: `modosu.<what>`. */
  readonly notes: readonly string[];
}

/** A note at a database is a setting nobody reads: it lives and dies with it, and changes in the same transactions. */
export const noteOf = (what: 'loaded' | 'placed', value: string): string => `modosu.${what}=${value}`;
