import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ts from 'typescript';
import { FINDING_CODES, isFindingCode } from './finding-codes';
import { BREACH_CODES } from './protection-status';

const ROOT = join(__dirname, '../..');
const CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** Findings, breaches and conditions of alerts, and causes of what no rule can say: what an object with a code has beside it. */
const SHAPES: readonly (readonly string[])[] = [['severity'], ['serverId', 'message', 'hint'], ['what', 'why', 'references']];

/** Codes that others have said, of errors, breaches, causes and rules of profiles; and the column of a table. */
const PASSED_ON: readonly string[] = [
  'src/catalog/entities/alert.ts: text()',
  'src/domain/alerts/alerts.ts: code',
  'src/domain/consistency/judge.ts: cause.code',
  'src/domain/consistency/judge.ts: rule',
  'src/domain/planning/restore-findings.ts: refusal.code',
  'src/domain/planning/undo-planning.ts: saved.code',
];

interface Raised {
  readonly codes: readonly string[];
  /** Expressions that nobody could follow to a code. */
  readonly unread: readonly string[];
}

/** What is raised in one file. A code that a function is given is looked for where it is called. */
function raisedIn(path: string, text: string): Raised {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const codes: string[] = [];
  const unread: string[] = [];

  const follow = (expression: ts.Expression): void => {
    const found = literalsIn(expression);
    if (found.length > 0) codes.push(...found);
    else if (ts.isIdentifier(expression)) followName(expression);
    else unread.push(expression.getText(file));
  };

  const followName = (name: ts.Identifier): void => {
    const declared = declarationOf(name);
    if (declared === null) unread.push(name.text);
    else if (ts.isParameter(declared)) {
      const calls = callsOf(declared);
      if (calls.length === 0) unread.push(name.text);
      calls.forEach(follow);
    } else if (declared.initializer !== undefined) follow(declared.initializer);
    else unread.push(name.text);
  };

  /** Arguments for this parameter, of all calls in this file. */
  const callsOf = (parameter: ts.ParameterDeclaration): readonly ts.Expression[] => {
    const owner = parameter.parent;
    const name = ts.isFunctionDeclaration(owner) ? owner.name : ts.isVariableDeclaration(owner.parent) ? owner.parent.name : undefined;
    const index = owner.parameters.indexOf(parameter);
    const scope = blockOf(owner);
    return all(scope)
      .filter(ts.isCallExpression)
      .filter(({ expression }) => name !== undefined && ts.isIdentifier(name) && ts.isIdentifier(expression) && expression.text === name.text)
      .flatMap((call) => call.arguments[index] ?? []);
  };

  for (const node of all(file)) {
    if (!ts.isObjectLiteralExpression(node)) continue;
    const named = new Map(node.properties.flatMap((property) => (property.name === undefined ? [] : [[property.name.getText(file), property] as const])));
    const code = named.get('code');
    if (code === undefined || !SHAPES.some((shape) => shape.every((name) => named.has(name)))) continue;
    if (ts.isShorthandPropertyAssignment(code)) followName(code.name);
    else if (ts.isPropertyAssignment(code)) follow(code.initializer);
  }
  return { codes, unread };
}

const all = (node: ts.Node): readonly ts.Node[] => {
  const nodes: ts.Node[] = [];
  const visit = (one: ts.Node): void => {
    nodes.push(one);
    ts.forEachChild(one, visit);
  };
  visit(node);
  return nodes;
};

/** Those that the value may be; not those that it is compared with. */
function literalsIn(expression: ts.Expression): readonly string[] {
  if (ts.isConditionalExpression(expression)) return [...literalsIn(expression.whenTrue), ...literalsIn(expression.whenFalse)];
  if (ts.isParenthesizedExpression(expression) || ts.isAsExpression(expression)) return literalsIn(expression.expression);
  if (ts.isArrayLiteralExpression(expression)) return expression.elements.flatMap(literalsIn);
  return ts.isStringLiteralLike(expression) && CODE.test(expression.text) ? [expression.text] : [];
}

function blockOf(node: ts.Node): ts.Node {
  let block = node.parent;
  while (!ts.isBlock(block) && !ts.isSourceFile(block)) block = block.parent;
  return block;
}

type Declared = ts.VariableDeclaration | ts.ParameterDeclaration;

/** The nearest one, seen from where the name is used; null: it is not declared in this file. */
function declarationOf(name: ts.Identifier): Declared | null {
  for (let scope: ts.Node = name.parent; ; scope = scope.parent) {
    const own = ts.isFunctionLike(scope)
      ? scope.parameters
      : ts.isBlock(scope) || ts.isSourceFile(scope)
        ? scope.statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) => [...declarationList.declarations])
        : [];
    const found = own.find((one): one is Declared => (ts.isParameter(one) || ts.isVariableDeclaration(one)) && binds(one.name, name.text));
    if (found !== undefined) return found;
    if (ts.isSourceFile(scope)) return null;
  }
}

const binds = (name: ts.BindingName, wanted: string): boolean =>
  ts.isIdentifier(name) ? name.text === wanted : name.elements.some((element) => ts.isBindingElement(element) && binds(element.name, wanted));

/** Forms of what is sent say of what kind a code is, and are no code. */
const isForm = (path: string): boolean => path.startsWith('src/contracts/api/');

const SOURCES: readonly Raised[] = ['src', 'activities', 'workflows'].flatMap((root) =>
  readdirSync(join(ROOT, root), { recursive: true, encoding: 'utf8' })
    .map((path) => `${root}/${path}`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && !isForm(path))
    .map((path) => {
      const { codes, unread } = raisedIn(path, readFileSync(join(ROOT, path), 'utf8'));
      return { codes, unread: unread.map((expression) => `${path}: ${expression}`) };
    }),
);
const RAISED = new Set(SOURCES.flatMap(({ codes }) => codes));

describe('FINDING_CODES', () => {
  it('has every code of a finding, a breach or an alert that is raised anywhere', () => {
    expect([...RAISED].filter((code) => !isFindingCode(code)).sort()).toEqual([]);
  });

  it('has every breach that has a series in the metrics, and each of them is raised', () => {
    expect(BREACH_CODES.filter((code) => !isFindingCode(code) || !RAISED.has(code))).toEqual([]);
  });

  it('has none that nobody raises', () => {
    expect(RAISED.size).toBeGreaterThan(80);
    expect(Object.keys(FINDING_CODES).filter((code) => !RAISED.has(code))).toEqual([]);
  });

  it('rests on codes that can be read where they are raised, but for those that are passed on', () => {
    expect([...new Set(SOURCES.flatMap(({ unread }) => unread))].sort()).toEqual(PASSED_ON);
  });

  it.each(Object.entries(FINDING_CODES))('%s has a meaning and something to do, a sentence each', (code, { meaning, whatToDo }) => {
    expect(code).toMatch(CODE);
    expect(meaning).toMatch(/^[A-Z].*[^.]\.$/);
    expect(whatToDo).toMatch(/^[A-Z`].*[^.]\.$/);
  });

  it('knows no code of an object prototype', () => expect(isFindingCode('constructor')).toBe(false));

  it.each([
    ["const a = { code: 'A_CODE', severity: 'ok' };", ['A_CODE'], []],
    ["const a = { code: x === 'NO_CODE' ? 'A_CODE' : 'B_CODE', severity };", ['A_CODE', 'B_CODE'], []],
    ["const NAMED = 'A_CODE'; const a = { code: NAMED, severity };", ['A_CODE'], []],
    ["const make = (x: number, code: string) => ({ code, severity }); make(1, 'A_CODE'); other(1, 'B_CODE');", ['A_CODE'], []],
    ["function make(code: string) { return { code, serverId, message, hint }; } make('A_CODE');", ['A_CODE'], []],
    ["const [code, words] = isSo ? (['A_CODE', a] as const) : (['B_CODE', b] as const); const f = { code, severity };", ['A_CODE', 'B_CODE'], []],
    ["const a = { code: 'A_CODE', message, hint };", [], []],
    ['const a = { code: error.code, severity };', [], ['error.code']],
    ['const make = (code: string) => ({ code, severity });', [], ['code']],
  ])('is compared with what is raised: %s', (text, codes, unread) => {
    expect(raisedIn('a.ts', text)).toEqual({ codes, unread });
  });
});
