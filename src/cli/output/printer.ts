import { Document, isScalar, visit } from 'yaml';
import { line, type CliIo } from '../io';
import { escapeUnsafe, isUnsafe } from './text';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

const COLOURS = { red: 31, green: 32, yellow: 33, bold: 1 } as const;

/** Where a command's words go: data to stdout in the chosen format, notes to stderr. */
export class Printer {
  constructor(
    readonly io: CliIo,
    readonly format: OutputFormat,
  ) {}

  /** The result of a command. `readable` makes the text for people; machines get `value` itself. */
  data(value: unknown, readable: () => string): void {
    if (this.format === 'json') line(this.io.stdout, escapeUnsafe(JSON.stringify(value, null, 2)));
    else if (this.format === 'yaml') this.io.stdout.write(yaml(value));
    else line(this.io.stdout, readable());
  }

  /** Something to know that is not the result. */
  note(text: string): void {
    line(this.io.stderr, text);
  }

  /** Colour only repeats what the words say, and only on a terminal. */
  paint(colour: keyof typeof COLOURS, text: string): string {
    const { NO_COLOR: noColour, TERM: terminal } = this.io.env;
    const wanted = this.io.stdout.isTTY === true && (noColour === undefined || noColour === '') && terminal !== 'dumb';
    return wanted ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
  }
}

/** Strings with control characters are double-quoted, where escapes are read back. */
function yaml(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      if (isScalar(node) && typeof node.value === 'string' && isUnsafe(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return escapeUnsafe(document.toString({ lineWidth: 0 }));
}
