import type { ServerFacts } from '../contracts/facts';
import { factsState, type CollectedFacts, type FactsState, type GenerationView, type StoredFacts } from '../contracts/generation';
import { ModosuError } from '../contracts/errors';
import { canonicalJson } from '../domain/canonical-json';
import { sha256Of } from '../system/sha256';
import type { RecoveryPointRow } from './entities';

/** Generations between the port and their rows. Pure. */

/** What of the facts stands in the row of the recovery point, and what is kept once under its checksum. */
export function factsToStore(facts: ServerFacts): { readonly summary: CollectedFacts; readonly sha256: string; readonly stored: StoredFacts } {
  const { collectedAt: _collectedAt, ...stored } = facts;
  return { summary: factsState(facts), sha256: sha256Of(canonicalJson(stored)), stored };
}

const factsOf = ({ facts, changes }: Pick<RecoveryPointRow, 'facts' | 'changes'>): FactsState => {
  if (facts !== null) return facts;
  const why =
    changes === null
      ? 'the image was taken by an earlier version'
      : 'nobody could ask the server: it was off, or its agent did not answer; or what it told could not be read again';
  return { state: 'missing', why };
};

/** @param lineageId of the disks that the server has now */
export const generationView = (row: RecoveryPointRow, { name, lineageId }: { readonly name: string; readonly lineageId: string }): GenerationView => ({
  generation: row.generation ?? 0,
  recoveryPointId: row.id,
  serverId: row.serverId,
  serverName: name,
  state: row.state,
  pointInTime: row.pointInTime.toISOString(),
  consistency: row.consistency ?? 'crash',
  reason: row.reason,
  isOnPresentLine: row.lineageId === lineageId,
  changes: row.changes,
  facts: factsOf(row),
  credentials: row.credentials ?? [],
});

export const generationNotFound = (server: { readonly name: string }, generation: number): ModosuError =>
  new ModosuError('GENERATION_NOT_FOUND', `Server "${server.name}" has no generation ${generation}.`, { context: { server: server.name, generation } });
