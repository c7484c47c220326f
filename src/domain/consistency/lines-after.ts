/**
 * The rest of each line that begins with the prefix, a line each; for programs that print more than the value, such as `contextCSN: …` of `ldapsearch`. White
 * space around the rest counts for nothing. '' where no line does: for most types that is no marker, and never one that is as good as another.
 */
export const linesAfter = (prefix: string, printed: string): string =>
  printed
    .split(/\r?\n/)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim())
    .join('\n');
