/** What a probe reads of a server: how far its replicated state has advanced, or what it holds in common with others. */

/**
 * `counter`: a whole number from 0 on, of any size (a USN, a raft index). `lsn`: a position in PostgreSQL's log. `serial32`: the serial of a DNS zone, by
 * RFC 1982. `timeline-history`: PostgreSQL's timelines with the positions where each was left. `gtid-set`: MySQL's executed transactions. `csn-set`:
 * OpenLDAP's contextCSN, one for each provider. `set`: lines in no order. `timestamp`: a moment. `hash`: of contents that should be the same. `text`,
 * `boolean`: values that should be the same.
 */
export const MARKER_TYPES = ['counter', 'lsn', 'serial32', 'timeline-history', 'gtid-set', 'csn-set', 'set', 'timestamp', 'hash', 'text', 'boolean'] as const;

export type MarkerType = (typeof MARKER_TYPES)[number];

export interface Marker {
  readonly type: MarkerType;
  /** Canonical text: markers of one type are equal just when their texts are. What the probe printed is kept elsewhere, as evidence. */
  readonly value: string;
}
