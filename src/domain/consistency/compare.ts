import type { Marker, MarkerType } from '../../contracts/marker';
import { compareCounters } from './counter';
import { compareCsnSets } from './csn-set';
import { compareGtidSets } from './gtid-set';
import { compareLsns } from './lsn';
import { orderByEquality, type Order } from './order';
import { compareSerials } from './serial32';
import { compareSets } from './set';
import { compareTimelineHistories } from './timeline-history';
import { compareTimestamps } from './timestamp';

export type { Order } from './order';

const COMPARATORS: Readonly<Record<MarkerType, (one: string, other: string) => Order>> = {
  counter: compareCounters,
  lsn: compareLsns,
  serial32: compareSerials,
  'timeline-history': compareTimelineHistories,
  'gtid-set': compareGtidSets,
  'csn-set': compareCsnSets,
  set: compareSets,
  timestamp: compareTimestamps,
  hash: orderByEquality,
  text: orderByEquality,
  boolean: orderByEquality,
};

/**
 * How far one server's state has advanced beside another's: `ahead` means that `one` holds everything `other` holds, and more. Pure. It says nothing about
 * whether the two may be compared at all (one cluster, one zone, one suffix): that is for the rule that asks.
 *
 * Counters, positions and moments have an order, and so have serials except at the distance of 2^31 (`incomparable`). Sets are compared by inclusion, sets of
 * CSNs by provider, histories of timelines by which goes on from which. Hashes, texts and booleans are the same or `diverged`. Markers of two types are
 * `incomparable`.
 *
 * @param one as `readMarker` gave it; so is `other`
 * @throws MARKER_UNREADABLE for a value that is not of its type, as far as that shows
 */
export const compareMarkers = (one: Marker, other: Marker): Order => (one.type === other.type ? COMPARATORS[one.type](one.value, other.value) : 'incomparable');
