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
