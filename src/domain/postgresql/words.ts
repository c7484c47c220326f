import { cleanWords } from '../../contracts/text';

/** What the guest says is hostile: this makes it fit for messages. */

const MAX_WORDS = 400;

/**
 * No control, format or unassigned characters: they could forge lines of a log or steer a terminal. The end of a long complaint says more than its beginning.
 */
export function words(text: string, maxLength: number = MAX_WORDS): string {
  return cleanWords(text, maxLength, { keep: 'end' });
}

/** A name for messages. */
export const named = (name: string): string => {
  const plain = Array.from(name.slice(0, 256).replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' '));
  return plain.length <= 64 ? plain.join('') : `${plain.slice(0, 63).join('')}…`;
};

/** `schema.table` for messages and lists. */
export const tableNamed = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${named(schema)}.${named(name)}`;

/** Some names, and how many more there are. */
export function some(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}

/** Those of `candidates` that a person who wrote `wanted` may have meant, nearest first, at most three. */
export function nearNames(wanted: string, candidates: readonly string[]): readonly string[] {
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  const lower = wanted.toLowerCase();
  return candidates
    .slice(0, 5_000)
    .map((name) => ({
      name,
      distance: name.toLowerCase().includes(lower) || lower.includes(name.toLowerCase()) ? 1 : distance(lower, name.toLowerCase(), limit),
    }))
    .filter((entry) => entry.distance <= limit)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein's; `limit` + 1 when it is more than `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    if (Math.min(...next) > limit) return limit + 1;
    row = next;
  }
  return row[b.length] ?? limit + 1;
}
