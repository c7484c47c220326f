import type { Command } from 'commander';
import { everyCommand, inertProgram, wordsOf } from '../../test/support/inert-program';

const pathOf = (command: Command): string => (command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`);

const visible = (command: Command): readonly Command[] => command.createHelp().visibleCommands(command);

/** What people can be shown the help of, and carry out. */
const LEAVES: readonly string[] = everyCommand(inertProgram())
  .filter(({ parent }) => parent !== null)
  .filter((command) => command.commands.length === 0 && visible(command.parent as Command).includes(command))
  .map(pathOf);

/** The help of one command, as it is printed. */
async function helpOf(path: string): Promise<string> {
  let printed = '';
  const program = inertProgram((text) => (printed += text));
  await expect(program.parseAsync([...path.split(' ').slice(1), '--help'], { from: 'user' })).rejects.toMatchObject({ code: 'commander.helpDisplayed' });
  return printed;
}

/** Its examples, without what a shell does around them. */
const examplesOf = (help: string): readonly string[] =>
  (/\nExamples?:\n((?: {2}.*\n)+)/.exec(help)?.[1] ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => /modosu [^>)]*/.exec(line)?.[0] ?? line);

describe('the help of every command', () => {
  it('has commands to look at', () => {
    expect(LEAVES.length).toBeGreaterThan(75);
    expect(LEAVES).toEqual(expect.arrayContaining(['modosu up', 'modosu catalog rebuild', 'modosu data-repository renew', 'modosu restore plan']));
  });

  it.each(LEAVES)('%s: is its own, says what it does, and has examples that are understood', async (path) => {
    const help = await helpOf(path);
    expect(help).toMatch(new RegExp(`^Usage: ${path} .*\\n\\n\\S`));
    const examples = examplesOf(help);
    expect(examples).not.toEqual([]);
    for (const example of examples) {
      expect(example).toMatch(new RegExp(`^${path}(?: |$)`));
      await expect(inertProgram().parseAsync(wordsOf(example).slice(1), { from: 'user' })).resolves.toBeDefined();
    }
  });

  it.each(everyCommand(inertProgram()).map((command) => [pathOf(command), command] as const))('%s says what each option and argument is', (path, command) => {
    expect(command.description()).not.toBe('');
    expect(command.options.filter(({ description }) => description === '').map(({ flags }) => flags)).toEqual([]);
    if (LEAVES.includes(path)) {
      expect(command.registeredArguments.filter(({ description }) => description === '').map((argument) => argument.name())).toEqual([]);
    }
  });

  it('an option that is not there would be noticed', async () => {
    await expect(inertProgram().parseAsync(wordsOf('modosu catalog compare --dry').slice(1), { from: 'user' })).rejects.toMatchObject({
      code: 'commander.unknownOption',
    });
  });
});
