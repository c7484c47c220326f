/** Which of the names somebody has most likely meant; null: none is near. Pure. */
export function nearestName(typed: string, names: readonly string[]): string | null {
  const [nearest] = names.map((name) => ({ name, distance: distance(typed, name) })).sort((one, other) => one.distance - other.distance);
  if (nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(typed.length / 4))) return nearest.name;
  const beginning = names.filter((name) => typed.length >= 3 && (name.startsWith(typed) || typed.startsWith(name)));
  return beginning.length === 1 ? (beginning[0] ?? null) : null;
}

/** How many letters have to be put in, taken away or exchanged (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const above = row;
    row = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const exchanged = (above[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      row.push(Math.min(exchanged, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
  }
  return row[other.length] ?? 0;
}
