import type { RoomSample } from '../../contracts/capacity';
import type { CatalogFigures } from '../../contracts/figures';
import type { ProtectionFacts } from '../../contracts/protection-status';

/** What can be said of an estate as a whole. */
export interface StatusCatalog {
  /** What is there of every server, for judging whether it is protected as promised. */
  protectionFacts(): Promise<ProtectionFacts>;
  /** What is free in a repository now. Kept once an hour, whoever measures; of one that is not declared nothing is kept. Not audited. */
  recordRepositoryRoom(repository: string, freeBytes: number): Promise<void>;
  /** What was measured in the last 61 days, by repository and time. */
  repositoryRoom(): Promise<readonly (RoomSample & { readonly repository: string })[]>;
  /** Counts over everything that is stored. Its cost grows with the history: callers ask every few seconds at most. */
  figures(): Promise<CatalogFigures>;
}
