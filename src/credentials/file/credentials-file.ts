import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type YAMLMap } from 'yaml';
import { ModosuError } from '../../contracts/errors';
import { isCount } from '../../contracts/json';

/** One version under a path of the file. */
export interface FileVersion {
  readonly version: number;
  readonly createdAt: string | null;
  /** Undefined: there is no such field. Anything but text is not what people meant: a password that YAML takes for a number has lost its zeros. */
  readonly field: (name: string) => unknown;
}

const OWN_KEYS = ['version', 'createdAt'];
const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/**
 * A file of credentials, in YAML or JSON:
 *
 *     credentials:
 *       servers/db01:
 *         versions:
 *           - version: 1
 *             createdAt: 2026-01-31T08:00:00Z
 *             password: "..."
 *           - version: 2
 *             ...
 *
 * A version is a whole number from 1 on, each one once; the highest is the current one. `createdAt` may be left out. All other keys of a version are its fields,
 * and hold text. What stands under other paths than the one that is asked for is not looked at, so that a mistake there keeps nobody from this one; but all of it
 * has to be YAML.
 *
 * Null: nothing stands under the path. Throws `SECRET_STORE_INVALID` with file, line and column, and nothing of what stands there: not even the words of the YAML
 * reader, which quote it.
 *
 * @param file its name, for messages
 */
export function versionsInFile(text: string, file: string, path: string): readonly FileVersion[] | null {
  const page = new Page(text, file);
  const root = page.mapOf(page.contents, 'the file');
  page.refuseOthers(root, ['credentials']);
  const credentials = page.mapOf(page.under(root, 'credentials'), '"credentials"');
  const secret = page.under(credentials, path);
  if (secret === undefined) return null;
  const entry = page.mapOf(secret, 'what stands under the path');
  page.refuseOthers(entry, ['versions']);
  const list = page.under(entry, 'versions');
  if (!isSeq(list)) throw page.wrong(list ?? entry, 'has no list "versions"');
  const versions = list.items.map((item) => fileVersion(page, page.mapOf(item, 'a version')));
  const twice = versions.findIndex(({ version }, index) => versions.findIndex((other) => other.version === version) < index);
  if (twice >= 0) throw page.wrong(list.items[twice], 'has a version that stands there already');
  return [...versions].sort((a, b) => a.version - b.version);
}

function fileVersion(page: Page, entry: YAMLMap): FileVersion {
  const version = page.under(entry, 'version');
  const number = isScalar(version) ? version.value : undefined;
  if (!isCount(number) || number === 0) throw page.wrong(version ?? entry, 'has no "version" that is a whole number from 1 on');
  return {
    version: number,
    createdAt: createdAt(page, entry),
    field: (name) => {
      const node = OWN_KEYS.includes(name) ? undefined : page.under(entry, name);
      if (node === undefined) return undefined;
      return isScalar(node) ? node.value : null;
    },
  };
}

function createdAt(page: Page, entry: YAMLMap): string | null {
  const node = page.under(entry, 'createdAt');
  if (node === undefined || (isScalar(node) && node.value === null)) return null;
  const text = isScalar(node) ? String(node.value) : '';
  if (!TIME.test(text) || Number.isNaN(Date.parse(text))) throw page.wrong(node, 'has a "createdAt" that is no time as 2026-01-31T08:00:00Z is');
  return new Date(text).toISOString();
}

/** The document with what is needed to say where in it something stands. */
class Page {
  readonly contents: Node | null;
  private readonly lines = new LineCounter();

  constructor(
    text: string,
    private readonly file: string,
  ) {
    const document = this.parse(text);
    // A warning tells of a tag that nobody here understands, such as of text that is encrypted: it would be taken for the password itself.
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw this.wrongAt(problem.pos[0], `is not YAML as it is read here (${problem.code})`);
    this.contents = document.contents;
  }

  mapOf(node: unknown, what: string): YAMLMap {
    if (!isMap(node)) throw this.wrong(node, `${what} is not a mapping`);
    return node;
  }

  /** What stands under a key; undefined: no such key. */
  under(map: YAMLMap, key: string): unknown {
    return map.items.find((item) => isScalar(item.key) && item.key.value === key)?.value ?? undefined;
  }

  refuseOthers(map: YAMLMap, known: readonly string[]): void {
    const other = map.items.find(({ key }) => !isScalar(key) || !known.includes(String(key.value)));
    if (other !== undefined) throw this.wrong(other.key, `has a key that is not known there: only ${known.map((key) => `"${key}"`).join(', ')} may be`);
  }

  wrong(node: unknown, problem: string): ModosuError {
    return this.wrongAt((node as Node | null | undefined)?.range?.[0] ?? 0, problem);
  }

  private wrongAt(offset: number, problem: string): ModosuError {
    const { line, col } = this.lines.linePos(offset);
    return new ModosuError('SECRET_STORE_INVALID', `${this.file}:${line}:${col}: ${problem}.`, {
      hint: 'Correct the file there; docs/SECRET-STORES.md says what it looks like.',
      context: { path: this.file, line, column: col },
    });
  }

  private parse(text: string): Document.Parsed {
    try {
      return parseDocument(text, { lineCounter: this.lines, version: '1.2', uniqueKeys: true, strict: true, stringKeys: true, prettyErrors: false });
    } catch {
      throw this.wrongAt(0, 'cannot be read as YAML: it is nested too deep'); // the reader recurses
    }
  }
}
