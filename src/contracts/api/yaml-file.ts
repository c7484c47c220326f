import { isAlias, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import type { ErrorCode } from '../error-codes';
import { ModosuError } from '../errors';
import { formatBytes } from '../format';

/**
 * Files that people write in YAML and a schema judges: the estate, profiles. Everything that is wrong is said at once, each with line and column.
 */

/** References inside the file are allowed; a few that multiply into millions of values are not. */
const MAX_ALIASES = 100;
const MAX_NESTING = 50;
const SHOWN_ERRORS = 50;

export interface YamlForm<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** Of the error that is thrown. */
  readonly code: ErrorCode;
  readonly maxBytes: number;
}

type YamlPath = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;

/**
 * The file's content, checked.
 *
 * @param name of the file, for errors
 * @throws the form's code; each line of `errors` in its context says file, line, column, path and what is wrong, the first fifty of them
 */
export function parseYamlFile<Schema extends z.ZodType>(name: string, content: Uint8Array, { schema, code, maxBytes }: YamlForm<Schema>): z.output<Schema> {
  const problems: string[] = [];
  const value = valueOf(name, content, maxBytes, schema, problems);
  if (problems.length === 0) return value as z.output<Schema>;
  const count = problems.length === 1 ? 'one error' : `${problems.length} errors`;
  throw new ModosuError(code, `${name} has ${count}.`, { context: { errors: problems.slice(0, SHOWN_ERRORS) } });
}

/**
 * Where in a file that was read before a value stands, as `NAME:LINE:COLUMN`; for what is missing, where its nearest surroundings stand.
 *
 * @param path such as `relations[0].parameters.hours`
 */
export function placeInYaml(name: string, content: Uint8Array, path: string): string {
  const lines = new LineCounter();
  const document = parseDocument(decode(content) ?? '', { lineCounter: lines, version: '1.2' });
  const keys = [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) => (index === undefined ? (key ?? '') : Number(index)));
  const { line, col } = lines.linePos(offsetOf(document, keys));
  return `${name}:${line}:${col}`;
}

/** What is wrong goes to `problems`; without any, this is what the schema says. */
function valueOf(name: string, content: Uint8Array, maxBytes: number, schema: z.ZodType, problems: string[]): unknown {
  const refuse = (problem: string): void => void problems.push(`${name}${problem}`);
  if (content.byteLength > maxBytes) return refuse(`: larger than ${formatBytes(maxBytes)}`);
  const lines = new LineCounter();
  const refuseAt = (offset: number, text: string): void => {
    const { line, col } = lines.linePos(offset);
    refuse(`:${line}:${col}: ${text}`);
  };
  const text = decode(content);
  if (text === null) return refuse(': is not UTF-8 text');
  const tooDeep = lineNestedTooDeep(text);
  if (tooDeep !== null) return refuse(`:${tooDeep}:1: is nested more than ${MAX_NESTING} levels deep`);
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true, strict: true, prettyErrors: true });
  } catch (error) {
    return refuse(`: cannot be read as YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const problem of [...document.errors, ...document.warnings]) {
    refuseAt(problem.pos[0], problem.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '');
  }
  if (problems.length > 0) return undefined;
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch {
    return refuse(': its references (&, *) cannot be resolved, or there are too many of them');
  }
  const parsed = schema.safeParse(plain);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues.flatMap((found) => closest(found))) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        refuseAt(offsetOf(document, [...issue.path, key], 'key'), `${pathText([...issue.path, key])}: this field is not known`);
      }
    } else refuseAt(offsetOf(document, issue.path), `${pathText(issue.path)}: ${issue.message}`);
  }
  return undefined;
}

const UNION_WITHOUT_WORDS = 'Invalid input';

/** What fits none of several forms and was given no words of its own: what keeps it from the form that it comes closest to. */
function closest(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union' || issue.message !== UNION_WITHOUT_WORDS || issue.errors.length === 0) return [issue];
  const [nearest = []] = [...issue.errors].sort((one, other) => distance(one) - distance(other));
  return nearest.flatMap((inner) => closest({ ...inner, path: [...issue.path, ...inner.path] }));
}

const distance = (issues: readonly Issue[]): number => issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);

function decode(content: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return null;
  }
}

/** Such files are a few levels deep. The YAML reader recurses, so what is far deeper is refused before it. Null: it is not. */
function lineNestedTooDeep(text: string): number | null {
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
    if (open > MAX_NESTING) return line;
  }
  return null;
}

/** Where in the file a value stands; for what is missing, where its nearest surroundings stand. */
function offsetOf(document: Document.Parsed, path: YamlPath, part: 'key' | 'value' = 'value'): number {
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

const pathText = (path: YamlPath): string => {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
};
