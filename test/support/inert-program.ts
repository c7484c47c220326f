import type { Command } from 'commander';
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
