import { isAlias, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { estateSchema, type Estate } from '../contracts/api/estate';
import { ModosuError } from '../contracts/errors';
import { messageOf } from './thrown';

/** Ten thousand servers fit. */
export const MAX_ESTATE_BYTES = 2 * 1024 * 1024;
/** References inside the file are allowed; a few that multiply into millions of values are not. */
const MAX_ALIASES = 100;
const MAX_NESTING = 50;
const SHOWN_ERRORS = 50;

type EstatePath = readonly PropertyKey[];

/** An estate file's content, checked. Throws `ESTATE_INVALID`; each line of its `errors` says file, line, column, path and what is wrong. */
export function parseEstateFile(name: string, content: Buffer): Estate {
  if (content.byteLength > MAX_ESTATE_BYTES) throw invalid(name, [`${name}: larger than ${MAX_ESTATE_BYTES / 1024 / 1024} MiB`]);
  const lines = new LineCounter();
  const at = (offset: number, text: string): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}: ${text}`;
  };
  const text = decode(name, content);
  refuseDeepNesting(name, text);
  const document = read(name, text, lines);
  const problems = [...document.errors, ...document.warnings].map((problem) =>
    at(problem.pos[0], problem.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? ''),
  );
  if (problems.length > 0) throw invalid(name, problems);
  const parsed = estateSchema.safeParse(expand(name, document));
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => at(offsetOf(document, [...issue.path, key], 'key'), `${pathText([...issue.path, key])}: this field is not known`))
      : [at(offsetOf(document, issue.path), `${pathText(issue.path)}: ${issue.message}`)],
  );
  throw invalid(name, errors);
}

function invalid(name: string, errors: readonly string[]): ModosuError {
  const shown = errors.slice(0, SHOWN_ERRORS);
  const count = errors.length === 1 ? 'one error' : `${errors.length} errors`;
  return new ModosuError('ESTATE_INVALID', `${name} has ${count}.`, { context: { errors: shown } });
}

function decode(name: string, content: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw invalid(name, [`${name}: is not UTF-8 text`]);
  }
}

/** An estate is three levels deep. The YAML reader recurses, so what is far deeper is refused before it. */
function refuseDeepNesting(name: string, text: string): void {
  let line = 1;
  let open = 0;
  let quote: string | null = null;
  for (const character of text) {
    if (character === '\n') line += 1;
    if (quote !== null) {
      if (character === quote) quote = null;
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '[' || character === '{') open += 1;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    if (open > MAX_NESTING) throw invalid(name, [`${name}:${line}:1: is nested more than ${MAX_NESTING} levels deep`]);
  }
}

function read(name: string, text: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, { lineCounter, version: '1.2', uniqueKeys: true, strict: true, prettyErrors: true });
  } catch (error) {
    throw invalid(name, [`${name}: cannot be read as YAML: ${messageOf(error)}`]);
  }
}

function expand(name: string, document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch {
    throw invalid(name, [`${name}: its references (&, *) cannot be resolved, or there are too many of them`]);
  }
}

/** Where in the file a value stands; for what is missing, where its nearest surroundings stand. */
function offsetOf(document: Document.Parsed, path: EstatePath, part: 'key' | 'value' = 'value'): number {
  let node: unknown = document.contents;
  let offset = rangeOf(node) ?? 0;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
      if (pair === undefined) break;
      offset = rangeOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isCollection(node) && typeof key === 'number') {
      node = node.items[key];
      offset = rangeOf(node) ?? offset;
    } else break;
  }
  return part === 'value' && isScalar(node) ? (rangeOf(node) ?? offset) : offset;
}

const rangeOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

const pathText = (path: EstatePath): string => {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
};
