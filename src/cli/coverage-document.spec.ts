import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ts from 'typescript';

const ROOT = join(__dirname, '../..');
const TIERS: readonly (readonly [directory: string, tier: string])[] = [
  ['test/contract/', 'contract'],
  ['test/integration/', 'integration'],
  ['test/workflows/', 'workflows'],
  ['test/e2e/', 'e2e'],
  ['', 'unit'],
];
const SPECS: readonly string[] = ['src', 'activities', 'workflows', 'demo', 'bench', 'test'].flatMap((root) =>
  readdirSync(join(ROOT, root), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(spec|contract)\.ts$/.test(path))
    .map((path) => `${root}/${path}`),
);

interface Quoted {
  readonly line: number;
  /** Files that the words in backticks before it may mean. */
  readonly files: readonly string[];
  readonly name: string;
  readonly tiers: string;
  /** `FULL` stands right after it, or among the tiers. */
  readonly isMarkedFull: boolean;
}

/** Files are named as short as they are understood: `salvage`, `agent.spec`, `src/domain/planning/salvage.spec.ts`. Other things in backticks are no files. */
const filesOf = (word: string): readonly string[] => {
  const bare = word.replace(/(\.spec)?(\.ts)?$/, '');
  return SPECS.filter((path) => [/(\.spec)?\.ts$/, /\.contract\.ts$/].some((ending) => `/${path}`.replace(ending, '').endsWith(`/${bare}`)));
};

const PAGE = readFileSync(join(ROOT, 'docs/COVERAGE.md'), 'utf8');

const FULL = '(`test:full`)';

/** Rows of tables: the cell before the last names tests, the last their tiers. */
const QUOTED: readonly Quoted[] = PAGE.split('\n').flatMap((text, index) => {
  const cells = text.startsWith('|') ? text.split('|').slice(1, -1) : [];
  if (cells.length < 3) return [];
  let files: readonly string[] = [];
  const [tests, tiers] = [cells.at(-2) ?? '', cells.at(-1) ?? ''];
  return [...tests.matchAll(/`([^`]+)`|"([^"]+)"/g)].flatMap((found): readonly Quoted[] => {
    const [all, word, name] = found;
    const isMarkedFull = tiers.includes(FULL) || tests.slice(found.index + all.length).startsWith(` ${FULL}`);
    if (name !== undefined) return [{ line: index + 1, files, name, tiers, isMarkedFull }];
    const named = filesOf(word ?? '');
    if (named.length > 0) files = named;
    return [];
  });
});

const PLACE = /%[sj]|…/;

/** Every string and template of a file: titles of tests and the cases that complete them. */
function textsOf(path: string): readonly string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.push(node.text);
    else if (ts.isTemplateExpression(node)) texts.push([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…'));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest));
  return texts;
}

const known = new Map<string, readonly string[]>();
const textsIn = (path: string): readonly string[] => known.get(path) ?? known.set(path, textsOf(path)).get(path) ?? [];
/** As it stands there, or as a case completes it: "%s is found" with "a truncated image". */
const holds = (texts: readonly string[], piece: string): boolean =>
  texts.some((text) => text.includes(piece)) ||
  texts.filter((text) => PLACE.test(text)).some((title) => texts.some((text) => title.replace(PLACE, () => text).includes(piece)));
/** "…" stands for what is left out, or for what a case puts there. */
const isIn = (path: string, name: string): boolean => name.split('…').every((piece) => holds(textsIn(path), piece.trim()));
/** Specs that `npm test` leaves out, as the program that runs them lists them. */
const ONLY_FULL: readonly string[] = [...readFileSync(join(ROOT, 'scripts/run-tests.mjs'), 'utf8').matchAll(/onlyFull: \[([^\]]*)\]/g)].flatMap(
  ([, list = '']) => [...list.matchAll(/'([^']+)'/g)].flatMap(([, path]) => path ?? []),
);

/** Titles in a file that stand in `inFull` or `describeInFull`. */
function fullTextsOf(path: string): readonly string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node, isFull: boolean): void => {
    const isIn = isFull || (ts.isCallExpression(node) && /^(inFull|describeInFull)\b/.test(node.expression.getText()));
    if (isIn && ts.isStringLiteralLike(node)) texts.push(node.text);
    ts.forEachChild(node, (child) => {
      visit(child, isIn);
    });
  };
  visit(ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true), false);
  return texts;
}
const knownFull = new Map<string, readonly string[]>();
const fullTextsIn = (path: string): readonly string[] => knownFull.get(path) ?? knownFull.set(path, fullTextsOf(path)).get(path) ?? [];
const isOnlyFull = (path: string, name: string): boolean =>
  ONLY_FULL.includes(path) || name.split('…').every((piece) => fullTextsIn(path).some((text) => text.includes(piece.trim())));

const tierOf = (path: string): string => TIERS.find(([directory]) => path.startsWith(directory))?.[1] ?? '';

describe('docs/COVERAGE.md', () => {
  it('names no file that is not there', () => {
    const named = [...PAGE.matchAll(/`((?:src|activities|test)\/[^`]+|[^`/ ]+\.(?:spec|contract))`/g)].map(([, word]) => word ?? '');
    expect(named.filter((word) => filesOf(word).length === 0 && !existsSync(join(ROOT, word)))).toEqual([]);
  });

  it('names no test that is not there', () => {
    expect(QUOTED.length).toBeGreaterThan(300);
    expect(QUOTED.filter(({ files, name }) => !files.some((path) => isIn(path, name))).map(({ line, name }) => `line ${line}: ${name}`)).toEqual([]);
  });

  it('names the tier where each lies', () => {
    expect(
      QUOTED.filter(({ files, name, tiers }) => !files.some((path) => isIn(path, name) && tiers.includes(tierOf(path)))).map(
        ({ line, name, tiers }) => `line ${line}: ${name}:${tiers}`,
      ),
    ).toEqual([]);
  });

  it('says of each test that `npm test` leaves out that it does', () => {
    expect(ONLY_FULL.length).toBeGreaterThan(5);
    const unmarked = QUOTED.filter(({ isMarkedFull }) => !isMarkedFull).filter(({ files, name }) => {
      const places = files.filter((path) => isIn(path, name));
      return places.length > 0 && places.every((path) => isOnlyFull(path, name));
    });
    expect(unmarked.map(({ line, name }) => `line ${line}: ${name}`)).toEqual([]);
  });

  it.each([
    ['salvage', 'a disk that nobody has'],
    ['salvage', 'refuses to keep … and says nothing'],
  ])('would notice in `%s`: "%s"', (word, name) => {
    expect(filesOf(word).some((path) => isIn(path, name))).toBe(false);
  });
});
