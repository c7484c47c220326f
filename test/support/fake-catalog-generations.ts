import type { Catalog, ServerRecord } from '../../src/catalog/catalog';
import { readSequenceCursor, rowsToRead, sequenceCursor, toPage } from '../../src/catalog/cursor';
import type { RecoveryPointRow } from '../../src/catalog/entities';
import { factsToStore, generationNotFound, generationView } from '../../src/catalog/generation-rows';
import type { ServerFacts } from '../../src/contracts/facts';
import type { StoredFacts } from '../../src/contracts/generation';

/** The rest of the catalogue in memory. */
export interface GenerationSurroundings {
  server(serverId: string): ServerRecord;
  points(serverId: string): readonly RecoveryPointRow[];
}

/** Generations and their facts, in memory. */
export class FakeGenerations {
  private readonly facts = new Map<string, StoredFacts>();

  constructor(private readonly around: GenerationSurroundings) {}

  /** What a recovery point that is recorded says of its facts. */
  keep(facts: ServerFacts | null): Pick<RecoveryPointRow, 'facts' | 'factsSha256'> {
    if (facts === null) return { facts: null, factsSha256: null };
    const { summary, sha256, stored } = factsToStore(facts);
    this.facts.set(sha256, stored);
    return { facts: summary, factsSha256: sha256 };
  }

  list: Catalog['listGenerations'] = async (serverId, page) => {
    const server = this.around.server(serverId);
    const before = readSequenceCursor('generations', page.cursor);
    const rows = this.around
      .points(serverId)
      .filter(({ kind, state, generation }) => kind === 'image' && state !== 'deleted' && (before === 0 || (generation ?? 0) < before))
      .sort((a, b) => (b.generation ?? 0) - (a.generation ?? 0));
    return toPage(
      rows.slice(0, rowsToRead(page)),
      page,
      (row) => generationView(row, server),
      ({ generation }) => sequenceCursor('generations', generation ?? 0),
    );
  };

  get: Catalog['getGeneration'] = async (serverId, generation) => {
    const server = this.around.server(serverId);
    const row = this.around.points(serverId).find((point) => point.kind === 'image' && point.generation === generation);
    if (row === undefined) throw generationNotFound(server, generation);
    return { ...generationView(row, server), sections: this.facts.get(row.factsSha256 ?? '')?.sections ?? null };
  };
}
