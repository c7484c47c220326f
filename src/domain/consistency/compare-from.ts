import type { Marker } from '../../contracts/marker';
import { ofProvider } from './csn-set';
import { compareGtidSets, ofSource } from './gtid-set';
import { orderInLine, type Order } from './order';

/**
 * As `compareMarkers`, of what comes from one source alone: that a replica has transactions of others, too, says nothing of how far it has followed this one.
 * Null: neither has anything from it, as when the source was mistyped, and nothing can be said.
 *
 * @param source UUID of a MySQL server, or server id of an OpenLDAP provider
 * @throws MARKER_UNREADABLE, also for a source that is none, and for markers of types that have no sources
 */
export function compareFrom(one: Marker, other: Marker, source: string): Order | null {
  const part = one.type === 'gtid-set' ? ofSource : ofProvider;
  const [mine, theirs] = [part(one.value, source), part(other.value, source)];
  if (mine === '' && theirs === '') return null;
  // Nothing is before every CSN, and CSNs of one provider are in the order of their texts.
  return one.type === 'gtid-set' ? compareGtidSets(mine, theirs) : orderInLine(mine, theirs);
}
