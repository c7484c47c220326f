import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ts from 'typescript';
import { everyCommand, inertProgram, wordsOf } from '../../test/support/inert-program';

const ROOT = join(__dirname, '../..');

const filesBelow = (folder: string, isWanted: (name: string) => boolean): readonly string[] =>
  (readdirSync(join(ROOT, folder), { recursive: true }) as string[]).filter(isWanted).map((name) => `${folder}/${name}`);

const SOURCES = ['src', 'workflows', 'activities'].flatMap((folder) =>
  filesBelow(folder, (name) => name.endsWith('.ts') && !name.endsWith('.spec.ts') && !name.endsWith('.d.ts')),
);

/** All texts of a source: literals as they are, with `VALUE` for what a template puts in. Comments are none. */
function textsOf(source: string): readonly string[] {
  const texts: string[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.push(node.text);
    else if (ts.isTemplateExpression(node)) texts.push(node.head.text + node.templateSpans.map(({ literal }) => `VALUE${literal.text}`).join(''));
    ts.forEachChild(node, look);
  };
  look(ts.createSourceFile('one.ts', source, ts.ScriptTarget.Latest));
  return texts;
}

/** In backticks, in brackets, or as a text of its own. What shows forms to choose from is no command. */
const commandsOf = (text: string): readonly string[] =>
  [...text.matchAll(/`(modosu [^`\n]+)`|\((modosu [^`\n)]+)\)|^(modosu [^`\n]+)$/g)]
    .map(([, quoted, bracketed, whole]) => quoted ?? bracketed ?? whole ?? '')
    .filter((command) => !/[[|]/.test(command));

const GROUPS: ReadonlySet<string> = new Set(inertProgram().commands.flatMap((command) => (command.commands.length > 0 ? [command.name()] : [])));

/** Its words or options are put in as well: nothing to parse. */
function isPutTogether(command: string): boolean {
  const [first, second] = wordsOf(command).slice(1);
  return first === 'VALUE' || (second === 'VALUE' && GROUPS.has(first ?? '')) || command.includes('VALUEVALUE');
}

/** What people are told to run. */
const HINTS: readonly (readonly [file: string, command: string])[] = [
  ...SOURCES.map((file) => [file, textsOf(readFileSync(join(ROOT, file), 'utf8'))] as const),
  ...filesBelow('profiles', (name) => name.endsWith('.yaml')).map((file) => [file, [readFileSync(join(ROOT, file), 'utf8')]] as const),
].flatMap(([file, texts]) => [...new Set(texts.flatMap(commandsOf))].filter((command) => !isPutTogether(command)).map((command) => [file, command] as const));

const NEEDS_MORE: ReadonlySet<string> = new Set([
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
  'commander.help',
  'commander.optionMissingArgument',
]);

/** What is in capitals stands for something that can be read: whatever else is missing or wrong is noticed. */
function programForPlaceholders(): ReturnType<typeof inertProgram> {
  const program = inertProgram();
  for (const command of everyCommand(program)) {
    for (const part of [...command.options, ...command.registeredArguments]) {
      const parse = part.parseArg;
      if (parse === undefined) continue;
      part.parseArg = <T>(value: string, previous: T): T => (/^[A-Z_]+$/.test(value) ? (value as unknown as T) : (parse.call(part, value, previous) as T));
    }
  }
  return program;
}

/** A sentence may name a command by its words alone; one that is given anything is to be run as it stands, with something put for what is in capitals. */
async function understand(command: string): Promise<void> {
  const words = wordsOf(command.replace(/ > \S+$/, '')).slice(1);
  try {
    await programForPlaceholders().parseAsync([...words], { from: 'user' });
  } catch (error) {
    const { code = '' } = error as { readonly code?: string };
    if (code === 'commander.helpDisplayed' || code === 'commander.version') return;
    if (NEEDS_MORE.has(code) && words.every((word) => /^[a-z-]+$/.test(word) && !word.startsWith('-'))) return;
    throw error;
  }
}

describe('hints', () => {
  it('are looked at, in messages and templates', () => {
    expect(HINTS.length).toBeGreaterThan(150);
    expect(HINTS).toContainEqual(['src/contracts/error-codes.ts', 'modosu backup image NAME --mode online --reason TEXT']);
    expect(HINTS).toContainEqual(['src/domain/protection-status.ts', 'modosu backup image VALUE --mode VALUE --reason TEXT']);
  });

  it.each(HINTS)('%s: %s', async (_file, command) => understand(command));

  it.each([
    'modosu backup image NAME --reason TEXT',
    'modosu backup image NAME --mode both --reason TEXT',
    'modosu backup image NAME --mode MODE',
    'modosu run list --limit LIMIT --always',
    'modosu backup data NAME',
    'modosu run lits',
    'modosu run show RUN --always',
  ])('`%s` would be noticed', async (command) => {
    await expect(understand(command)).rejects.toThrow();
  });

  it('a command that is only named is none to be run', async () => understand('modosu backup image'));
});
