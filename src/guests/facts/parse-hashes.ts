const LINE = /^(\\?)([0-9a-f]{64}) [ *](\/.*)$/;

export const isHashLine = (line: string): boolean => LINE.test(line);

/** Lines of `sha256sum`, by path. A path with line ends or backslashes is said with escapes, behind a backslash at the beginning. Other lines are passed over. */
export function parseHashes(lines: readonly string[]): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  for (const line of lines) {
    const [, escaped, hash, path] = LINE.exec(line) ?? [];
    if (hash === undefined || path === undefined) continue;
    hashes.set(escaped === '' ? path : path.replace(/\\([nr\\])/g, (_, letter: 'n' | 'r' | '\\') => ({ n: '\n', r: '\r', '\\': '\\' })[letter]), hash);
  }
  return hashes;
}
