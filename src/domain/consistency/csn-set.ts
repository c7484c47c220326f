import { orderByInclusion, type Order } from './order';
import { unreadable } from './unreadable';

/**
 * OpenLDAP's `contextCSN`: for each provider, by its server id, the newest change that has arrived here. The form is that of OpenLDAP 2.4 and later
 * (`servers/slapd/schema_init.c`): time with microseconds, number of the change in this microsecond, server id, number of the modification, in this order
 * and in numbers of fixed length, so that texts compare as changes do. Older forms have no microseconds, and are refused.
 *
 * Read are the values of the attribute, one a line. A provider always has one: where nothing was found, nothing was read.
 *
 * Canonical: lower case, in the order of server ids, with commas between them.
 */

/** A change of one provider that one side has and the other has not. */
export interface NewerCsn {
  /** Server id of the provider: three hexadecimal digits. */
  readonly sid: string;
  readonly csn: string;
  /** What the other side has of this provider; null: nothing. */
  readonly than: string | null;
}

/** Throws `MARKER_UNREADABLE`, also for two values of one provider. */
export const readCsnSet = (text: string): string =>
  [...parse(text)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, csn]) => csn)
    .join(',');

/** Of which providers the one has newer changes than the other, in the order of server ids. Throws `MARKER_UNREADABLE`. */
export function newerThan(one: string, other: string): readonly NewerCsn[] {
  const known = parse(other);
  return [...parse(readCsnSet(one))].flatMap(([sid, csn]) => {
    const than = known.get(sid) ?? null;
    return than === null || csn > than ? [{ sid, csn, than }] : [];
  });
}

/** For each provider; `ahead` and `behind` only when no provider says otherwise. Throws `MARKER_UNREADABLE`. */
export const compareCsnSets = (one: string, other: string): Order => orderByInclusion(newerThan(one, other).length > 0, newerThan(other, one).length > 0);

/** What has arrived here of this provider: one CSN, or nothing (''). Throws `MARKER_UNREADABLE`, also for a `sid` that is none. */
export function ofProvider(set: string, sid: string): string {
  if (!/^[0-9a-f]{3}$/i.test(sid)) throw unreadable('csn-set', sid, 'it is not the server id of a provider, three hexadecimal digits');
  return parse(set).get(sid.toLowerCase()) ?? '';
}

const CSN = /^\d{14}\.\d{6}z#[0-9a-f]{6}#([0-9a-f]{3})#[0-9a-f]{6}$/;

/** By server id. */
function parse(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const value of text.toLowerCase().split(/[\n,]/)) {
    const csn = value.trim();
    if (csn === '') continue;
    const sid = CSN.exec(csn)?.[1];
    if (sid === undefined) throw unreadable('csn-set', text, 'a value is not one such as 20260101120000.123456Z#000000#001#000000');
    if (found.has(sid)) throw unreadable('csn-set', text, `provider ${sid} has more than one value`);
    found.set(sid, csn.replace('z', 'Z'));
  }
  if (found.size === 0) throw unreadable('csn-set', text, 'it has no value');
  return found;
}
