import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ts from 'typescript';
import { everyCommand, inertProgram, wordsOf } from '../../test/support/inert-program';
import { undoRun } from './commands/undo';
import type { CliContext } from './context';
import type { Printer } from './output/printer';

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

/** Where an undo is spoken of whose run has ended: a plan is made first, and needs no reason. */
const OF_ENDED_RUNS: readonly string[] = [
  'src/cli/commands/decisions.ts',
  'src/cli/commands/undo.ts',
  'src/cli/output/data.ts',
  'src/cli/output/restore-sets.ts',
  'src/cli/output/runs.ts',
  'src/hypervisors/libvirt/domains/links.ts',
  'workflows/runbook/relations.ts',
];
const UNDO = 'modosu run undo ';
const UNDOES = HINTS.filter(([file, command]) => command.startsWith(UNDO) && !command.includes(' --plan ') && !OF_ENDED_RUNS.includes(file));
const OPEN_RUN = { id: `run_${'0'.repeat(26)}`, kind: 'restore-server', state: 'running', wayBack: null };

/** Carries `run undo` out on a run that waits before go-live; gives what it has asked of the API. */
async function undone(command: string): Promise<readonly string[]> {
  const program = inertProgram();
  await program.parseAsync([...wordsOf(command.replace(/^(modosu run undo) [A-Z]+/, `$1 ${OPEN_RUN.id}`)).slice(1)], { from: 'user' });
  const undo = everyCommand(program).find((one) => one.name() === 'undo');
  const asked: string[] = [];
  const client = { get: async () => ({ value: OPEN_RUN }), post: async (path: string) => (asked.push(path), { value: OPEN_RUN }) };
  const context = { client: async () => client } as unknown as CliContext;
  await undoRun(context, { note: () => undefined, data: () => undefined } as unknown as Printer, undo?.args[0] ?? '', undo?.opts() ?? {});
  return asked;
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

  it('tell of the undo of runs that may still be open', () => {
    expect([...new Set(UNDOES.map(([file]) => file))].sort()).toEqual([
      'src/api/runs/run-decisions.controller.ts',
      'src/contracts/error-codes.ts',
      'src/domain/way-back-rules.ts',
    ]);
    for (const file of OF_ENDED_RUNS) expect(HINTS.map(([name, command]) => name === file && command.startsWith(UNDO))).toContain(true);
  });

  it.each(UNDOES)('%s: %s works as long as the run has not gone live', async (_file, command) => {
    expect(await undone(command)).toEqual([`/v1/runs/${OPEN_RUN.id}/cancel`]);
  });

  it('the undo of an open run without a reason would be noticed', async () => {
    await expect(undone('modosu run undo VALUE')).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('a command that is only named is none to be run', async () => understand('modosu backup image'));
});
