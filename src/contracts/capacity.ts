/** Room in repositories, and how it changes. */

/** What was free in a repository at a moment. */
export interface RoomSample {
  readonly at: Date;
  readonly freeBytes: number;
}

export interface CapacityForecast {
  /** By how much it fills each day, in the long run; less than 0: it empties; null: too little was measured. */
  readonly bytesPerDay: number | null;
  /** When it is full if that goes on, ISO 8601; null: it does not fill, or nobody can say. */
  readonly fullAt: string | null;
  readonly basedOnDays: number;
}

export interface RepositoryCapacity extends CapacityForecast {
  readonly name: string;
  /** As measured last; null: never. */
  readonly freeBytes: number | null;
  readonly measuredAt: string | null;
}
