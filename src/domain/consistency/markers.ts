import type { Marker, MarkerType } from '../../contracts/marker';
import { readCounter } from './counter';
import { readCsnSet } from './csn-set';
import { readGtidSet } from './gtid-set';
import { readLsn } from './lsn';
import { readBoolean, readHash, readText } from './plain-values';
import { readSerial } from './serial32';
import { readSet } from './set';
import { readTimelineHistory } from './timeline-history';
import { readTimestamp } from './timestamp';
import { unreadable } from './unreadable';

/** What a probe has printed, as a marker. Pure; what is printed comes from a guest and is hostile. */

/** As UTF-8. Nothing that a probe reads is larger; what is, is no marker. */
export const MAX_MARKER_BYTES = 64 * 1024;

interface Form {
  readonly read: (text: string) => string;
  readonly hasLines: boolean;
}

const line = (read: Form['read']): Form => ({ read, hasLines: false });
const lines = (read: Form['read']): Form => ({ read, hasLines: true });

const FORMS: Readonly<Record<MarkerType, Form>> = {
  counter: line(readCounter),
  lsn: line(readLsn),
  serial32: line(readSerial),
  'timeline-history': lines(readTimelineHistory),
  'gtid-set': lines(readGtidSet),
  'csn-set': lines(readCsnSet),
  set: lines(readSet),
  timestamp: line(readTimestamp),
  hash: line(readHash),
  text: lines(readText),
  boolean: line(readBoolean),
};

/** Half a surrogate pair cannot be stored; U+FFFD stands for bytes that were no text, so that different ones would be the same. */
const NO_TEXT = /[\p{Cs}\ufffd]/u;
const CONTROL = /\p{Cc}/u;
const CONTROL_BESIDE_LINES = /[^\P{Cc}\n\t]/u;

/**
 * The canonical marker of what was printed, in time that grows with its length alone (of sets with that of sorting it). White space at its ends counts for
 * nothing; lines may end as on Windows. The form of each type stands in its file. Reading a marker's value again gives that marker.
 *
 * @throws MARKER_UNREADABLE for what is longer than `MAX_MARKER_BYTES`, has control characters (of those, line feeds and tabs are allowed where the type has
 *   lines) or is no text, and for what is not of the type. Of what was printed, its message has at most 80 characters, none of which controls anything.
 */
export function readMarker(type: MarkerType, raw: string): Marker {
  if (raw.length > MAX_MARKER_BYTES || new TextEncoder().encode(raw).length > MAX_MARKER_BYTES) throw unreadable(type, raw, 'it is longer than 64 KiB');
  const { read, hasLines } = FORMS[type];
  const text = (hasLines ? raw.replaceAll('\r\n', '\n') : raw).trim();
  if (NO_TEXT.test(text)) throw unreadable(type, text, 'it is not text in UTF-8');
  if ((hasLines ? CONTROL_BESIDE_LINES : CONTROL).test(text)) throw unreadable(type, text, 'it has control characters');
  return { type, value: read(text) };
}
