/** Which of the names somebody has most likely meant; null: none is near. Pure. */
export function nearestName(typed: string, names: readonly string[]): string | null {
  const limit = Math.max(2, Math.floor(typed.length / 4));
  const [nearest] = names.map((name) => ({ name, distance: distance(typed, name, limit) })).sort((one, other) => one.distance - other.distance);
  if (nearest !== undefined && nearest.distance <= limit) return nearest.name;
  const beginning = names.filter((name) => typed.length >= 3 && (name.startsWith(typed) || typed.startsWith(name)));
  return beginning.length === 1 ? (beginning[0] ?? null) : null;
}

/** Those of `candidates` that a person who wrote `wanted` may have meant, nearest first, at most three: for whoever can look at all of them. Pure. */
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

/** How many letters have to be put in, taken away or exchanged (Levenshtein); `limit` + 1 when it is more than `limit`. */
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
