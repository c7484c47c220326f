import type { DefinitionDiff, DefinitionLine, DescribedDefinition } from '../../contracts/definition';

/** Lines that are shown before and after a difference. */
const CONTEXT = 3;
/** Lines that differ, of which more are counted and not shown. */
const MAX_CHANGED = 200;
/** Cells of the table in which common lines are looked for: two thousand lines on each side. Where more differ, no line counts as common. */
const MAX_CELLS = 4_000_000;

/** What is different in `after`, line by line. Pure. */
export function diffDefinitions(before: DescribedDefinition, after: DescribedDefinition): Extract<DefinitionDiff, { readonly state: 'compared' }> {
  const lines = diffLines(before.lines, after.lines);
  const changed = lines.flatMap(({ kind }, at) => (kind === 'same' ? [] : [at]));
  const count = (of: DefinitionLine['kind']): number => lines.filter(({ kind }) => kind === of).length;
  return {
    state: 'compared',
    parts: partsOf(lines, changed.slice(0, MAX_CHANGED)),
    removed: count('removed'),
    added: count('added'),
    more: Math.max(0, changed.length - MAX_CHANGED),
    hiddenDiffers: before.hiddenSha256 !== after.hiddenSha256,
  };
}

/** In sentences; none: they are the same. */
export function definitionWords(diff: DefinitionDiff): readonly string[] {
  if (diff.state !== 'compared') {
    return diff.notRead.map(({ generation, code }) => `The definition of generation ${generation} was not read (${code}), and not compared.`);
  }
  const { removed, added, hiddenDiffers } = diff;
  const counts = [
    ...(removed === 0 ? [] : [`${lineCount(removed)} only in the earlier one`]),
    ...(added === 0 ? [] : [`${lineCount(added)} only in the later one`]),
  ];
  return [
    ...(counts.length === 0 ? [] : [`The definition differs: ${counts.join(', ')}.`]),
    ...(hiddenDiffers ? ['Values of the definition that are not shown differ.'] : []),
  ];
}

const lineCount = (lines: number): string => (lines === 1 ? '1 line' : `${lines} lines`);

/** Each stretch of differences with its surroundings; stretches that touch are one. */
function partsOf(lines: readonly DefinitionLine[], changed: readonly number[]): readonly (readonly DefinitionLine[])[] {
  const stretches: { from: number; to: number }[] = [];
  const end = changed.at(-1) ?? -1;
  for (const at of changed) {
    const [from, to] = [Math.max(0, at - CONTEXT), Math.min(lines.length, at + CONTEXT + 1)];
    const last = stretches.at(-1);
    if (last !== undefined && from <= last.to) last.to = to;
    else stretches.push({ from, to });
  }
  // After the last one that is shown, others may follow at once: they are counted as more.
  return stretches.map(({ from, to }) => lines.slice(from, to).filter(({ kind }, index) => kind === 'same' || from + index <= end));
}

function diffLines(before: readonly string[], after: readonly string[]): readonly DefinitionLine[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return [
    ...linesOf('same', before.slice(0, start)),
    ...diffMiddle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...linesOf('same', before.slice(before.length - end)),
  ];
}

const linesOf = (kind: DefinitionLine['kind'], texts: readonly string[]): readonly DefinitionLine[] => texts.map((text) => ({ kind, text }));

/** By the longest sequence of common lines. */
function diffMiddle(before: readonly string[], after: readonly string[]): readonly DefinitionLine[] {
  const width = after.length + 1;
  if ((before.length + 1) * width > MAX_CELLS) return [...linesOf('removed', before), ...linesOf('added', after)];
  // Cell (i, j): how many lines are common from line i of the earlier one and line j of the later one on.
  const common = new Uint32Array((before.length + 1) * width);
  const commonFrom = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = before[i] === after[j] ? commonFrom(i + 1, j + 1) + 1 : Math.max(commonFrom(i + 1, j), commonFrom(i, j + 1));
    }
  }
  const lines: DefinitionLine[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [then, now] = [before[i], after[j]];
    if (then !== undefined && then === now) {
      lines.push({ kind: 'same', text: then });
      [i, j] = [i + 1, j + 1];
    } else if (then !== undefined && (now === undefined || commonFrom(i + 1, j) >= commonFrom(i, j + 1))) {
      lines.push({ kind: 'removed', text: then });
      i += 1;
    } else if (now !== undefined) {
      lines.push({ kind: 'added', text: now });
      j += 1;
    }
  }
  return lines;
}
