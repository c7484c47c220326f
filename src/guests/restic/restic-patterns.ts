/**
 * restic's patterns (its `filter` package): components are matched like file names in a shell, `**` stands for any number of them, and what lies below a
 * match is matched too.
 */

/** A path as a pattern that matches it alone, with what lies below it. */
export const asPattern = (path: string): string => path.replace(/[\\*?[]/g, '\\$&');

/** Whether restic leaves a path out because of these patterns; `!` takes a path back in. */
export function isExcluded(path: string, patterns: readonly string[]): boolean {
  const parts = path.split('/').filter((part) => part !== '');
  let excluded = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (matches(negated ? pattern.slice(1) : pattern, parts)) excluded = !negated;
  }
  return excluded;
}

function matches(pattern: string, parts: readonly string[]): boolean {
  const wanted = pattern.split('/').filter((part) => part !== '');
  if (wanted.length === 0) return false;
  const starts = pattern.startsWith('/') ? [0] : parts.map((_, index) => index);
  return starts.some((start) => matchesFrom(wanted, 0, parts, start));
}

function matchesFrom(wanted: readonly string[], at: number, parts: readonly string[], position: number): boolean {
  const part = wanted[at];
  if (part === undefined) return true;
  if (part === '**') {
    for (let next = position; next <= parts.length; next += 1) {
      if (matchesFrom(wanted, at + 1, parts, next)) return at + 1 < wanted.length || next < parts.length;
    }
    return false;
  }
  const present = parts[position];
  return present !== undefined && componentMatches(part, present) && matchesFrom(wanted, at + 1, parts, position + 1);
}

/** Without regular expressions made of a pattern: one with many stars would cost exponential time. */
function componentMatches(pattern: string, text: string): boolean {
  const tokens = tokensOf(pattern);
  if (tokens === null) return false;
  const characters = Array.from(text);
  let reached = new Set([0]);
  for (const token of tokens) {
    const next = new Set<number>();
    for (const position of reached) {
      if (token === '*') for (let end = position; end <= characters.length; end += 1) next.add(end);
      else {
        const character = characters[position];
        if (character !== undefined && token(character)) next.add(position + 1);
      }
    }
    reached = next;
  }
  return reached.has(characters.length);
}

type Token = '*' | ((character: string) => boolean);

/** Null: not a pattern that Go understands. */
function tokensOf(pattern: string): Token[] | null {
  const characters = Array.from(pattern);
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? '';
    if (character === '*') tokens.push('*');
    else if (character === '?') tokens.push(() => true);
    else if (character === '[') {
      const end = characters.indexOf(']', at + 2);
      if (end === -1) return null;
      tokens.push(classOf(characters.slice(at + 1, end)));
      at = end;
    } else {
      if (character === '\\') at += 1;
      const literal = characters[at];
      if (literal === undefined) return null;
      tokens.push((one) => one === literal);
    }
  }
  return tokens;
}

function classOf(members: readonly string[]): (character: string) => boolean {
  const negated = members[0] === '^';
  const set = negated ? members.slice(1) : members;
  return (character) => {
    let inside = false;
    for (let at = 0; at < set.length; at += 1) {
      const low = set[at] === '\\' ? (set[(at += 1)] ?? '') : (set[at] ?? '');
      const isRange = set[at + 1] === '-' && at + 2 < set.length;
      const high = isRange ? (set[(at += 2)] ?? low) : low;
      if (character >= low && character <= high) inside = true;
    }
    return inside !== negated;
  };
}
