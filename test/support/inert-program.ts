import type { Command, Option } from 'commander';
import { CliContext } from '../../src/cli/context';
import type { CliIo } from '../../src/cli/io';
import { buildProgram } from '../../src/cli/main';

/** A command and all below it. */
export const everyCommand = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(everyCommand)];

/** The program that understands everything and does nothing. What it would print goes to `write`. */
export function inertProgram(write: (text: string) => void = () => undefined): Command {
  const silent = { write: () => undefined };
  const io: CliIo = {
    stdout: silent,
    stderr: silent,
    env: {},
    now: () => new Date(),
    onInterrupt: () => () => undefined,
    readFile: async () => Buffer.from(''),
  };
  const program = buildProgram(new CliContext(io), '0');
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({ writeOut: write, writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
  }
  return program;
}

/** Words as a shell would make them: quotes, and a comment after white space. */
export function wordsOf(command: string): readonly string[] {
  const words = command.replace(/(^|\s)#.*$/, '').match(/"[^"]*"|'[^']*'|[^\s"']+/g) ?? [];
  return words.map((word) => word.replace(/^["']|["']$/g, ''));
}

/** What a command line asks for. */
export interface Asked {
  /** `run confirm`; with an argument that is one of a few words, also that word: `completion bash`. */
  readonly command: string;
  /** By long name; with the value of those that choose between a few words: `--keep-disk`, `--scenario=data`. */
  readonly options: readonly string[];
}

const pathOf = (command: Command): string => (command.parent?.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name());

const said = (command: Command, option: Option): readonly string[] => {
  const name = option.attributeName();
  if (command.getOptionValueSource(name) !== 'cli') return [];
  const value = command.getOptionValue(name) as unknown;
  // `--no-data` and `--data` have one value between them.
  if (option.isBoolean() && option.negate !== (value === false)) return [];
  return [option.argChoices === undefined || typeof value !== 'string' ? (option.long ?? option.flags) : `${option.long}=${value}`];
};

/** `words` come after the program's name; what is missing in them is not missed. Null: they name a group of commands. Throws for what the program does not know. */
export async function askedBy(words: readonly string[]): Promise<Asked | null> {
  const program = inertProgram();
  let asked: Asked | null = null;
  for (const command of everyCommand(program)) {
    for (const option of command.options) [option.required, option.mandatory, option.optional] = [false, false, option.required || option.optional];
    for (const argument of command.registeredArguments) argument.required = false;
    command.hook('preAction', (_, carriedOut) => {
      const words = carriedOut.registeredArguments.flatMap(({ argChoices }, index) => (argChoices === undefined ? [] : (carriedOut.args[index] ?? [])));
      asked = {
        command: [pathOf(carriedOut), ...words].join(' '),
        options: everyCommand(program).flatMap((one) => (one === program || one === carriedOut ? one.options.flatMap((option) => said(one, option)) : [])),
      };
    });
  }
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if ((error as { readonly code?: string }).code !== 'commander.help') throw error;
  }
  return asked;
}
