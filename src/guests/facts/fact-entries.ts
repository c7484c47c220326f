import { FACT_LIMITS, type FactEntry } from '../../contracts/facts';
import { redact } from '../../contracts/redact';
import { cleanWords } from '../../contracts/text';
import { sha256Of } from '../../system/sha256';

/** As a guest says them: not yet cleaned, not yet unique. */
export type RawFact = readonly [key: string, value: string];

/** What a collector has found. */
export interface Collected {
  readonly facts: readonly RawFact[];
  /** There was more. */
  readonly truncated: boolean;
}

const HASH_DIGITS = 12;

/**
 * One short line of what a guest says, without what looks like a secret (the source of a mount may have a login in it). What is cut ends with a hash of all of
 * it: two texts that differ behind the cut, such as groups with many members, stay different.
 */
export function factText(said: string): string {
  const text = redact(said);
  if (text.length <= FACT_LIMITS.characters) return cleanWords(text, FACT_LIMITS.characters);
  const mark = ` #${sha256Of(text).slice(0, HASH_DIGITS)}`;
  const room = FACT_LIMITS.characters - mark.length;
  const cut = cleanWords(text, room);
  // Words are counted in characters, limits in units: some characters take two.
  return `${cut.length <= room ? cut : `${cleanWords(cut.slice(0, room - 1), room)}…`}${mark}`;
}

/**
 * Sorted, each key once: values of the same key, such as several versions of one package, are one value. At most `max` of them, the first ones by key, so that
 * two truncated sections have as many keys in common as they can.
 */
export function entriesOf({ facts, truncated }: Collected, max: number): { readonly entries: readonly FactEntry[]; readonly truncated: boolean } {
  const values = new Map<string, Set<string>>();
  for (const [rawKey, rawValue] of facts) {
    const key = factText(rawKey);
    if (key === '') continue;
    const known = values.get(key) ?? new Set();
    values.set(key, known.add(factText(rawValue)));
  }
  const keys = [...values.keys()].sort();
  return {
    entries: keys.slice(0, max).map((key) => ({ key, value: factText([...(values.get(key) ?? [])].sort().join('; ')) })),
    truncated: truncated || keys.length > max,
  };
}
