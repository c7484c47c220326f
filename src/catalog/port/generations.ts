import type { GenerationDetail, GenerationView } from '../../contracts/generation';
import type { Page, PageRequest } from './requests';

/** Images as generations of a server. */
export interface GenerationCatalog {
  /** Images of a server by their number, newest first, without those that are deleted. Throws `SERVER_NOT_FOUND`. */
  listGenerations(serverId: string, page: PageRequest): Promise<Page<GenerationView>>;
  /** One of them, also one that is deleted, with its facts. Throws `SERVER_NOT_FOUND`, `GENERATION_NOT_FOUND`. */
  getGeneration(serverId: string, generation: number): Promise<GenerationDetail>;
  /** Next generation number of a server: one more than the highest ever recorded. Read under the server's lock. */
  nextGeneration(serverId: string): Promise<number>;
}
