/**
 * The rest of each line that begins with the prefix, a line each; for programs that print more than the value, such as `contextCSN: …` of `ldapsearch`. White
 * space around the rest counts for nothing. '' where no line does: nothing was said then (`probes/probe.ts`), also of a `set`.
 */
export const linesAfter = (prefix: string, printed: string): string =>
  printed
    .split(/\r?\n/)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim())
    .join('\n');
