import type { Argument, Command, Option } from 'commander';

/** One thing that may stand at the cursor. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What belongs at the cursor: words of the program itself, or something that has to be asked for. */
export type Wanted =
  | { readonly kind: 'words'; readonly candidates: readonly Candidate[] }
  /** A value of what the placeholder names, such as `server`. */
  | { readonly kind: 'value'; readonly value: WantedValue };

export interface WantedValue {
  readonly placeholder: string;
  /** The option it belongs to, such as `--image`; null: an argument. */
  readonly option: string | null;
  /** The command, such as `run cancel`. */
  readonly path: string;
  /** Arguments so far, such as the server. */
  readonly named: readonly string[];
}

/**
 * Walks the words in front of the cursor through the program's commands and options.
 *
 * @param before the words between the program's name and the cursor; bash hands `--server=x` over in three pieces
 * @param current the word at the cursor, as far as it was typed
 */
export function wantedAt(program: Command, before: readonly string[], current: string): Wanted {
  const path = [program];
  const operands: string[] = [];
  let open: Option | null = null;
  let onlyOperands = false;
  for (const word of before) {
    const command = path.at(-1) ?? program;
    if (open !== null) {
      if (word !== '=') open = null;
    } else if (!onlyOperands && word === '--') onlyOperands = true;
    else if (!onlyOperands && word.startsWith('-')) open = word.includes('=') ? null : takesValue(optionOf(path, word));
    else if (command.commands.length > 0) {
      const next = command.commands.find((candidate) => candidate.name() === word);
      if (next === undefined) return { kind: 'words', candidates: [] };
      path.push(next);
    } else operands.push(word);
  }
  return here(path, operands, open, onlyOperands ? { flags: false, current } : { flags: true, current });
}

function here(path: readonly Command[], named: readonly string[], open: Option | null, { flags, current }: { readonly flags: boolean; readonly current: string }): Wanted {
  const command = path.at(-1) as Command;
  const names = path.slice(1).map((part) => part.name()).join(' ');
  const ofOption = (option: Option): Wanted => valuesOf(option.argChoices, { placeholder: placeholderOf(option.flags), option: option.long ?? null, path: names, named });
  if (open !== null) return ofOption(open);
  if (flags && current.startsWith('-')) {
    const inline = current.includes('=') ? takesValue(optionOf(path, current.slice(0, current.indexOf('=')))) : null;
    return inline === null ? { kind: 'words', candidates: flagsOf(path) } : ofOption(inline);
  }
  if (command.commands.length > 0) {
    return { kind: 'words', candidates: command.createHelp().visibleCommands(command).map((part) => ({ value: part.name(), description: part.description() })) };
  }
  const argument = argumentAt(command.registeredArguments, named.length);
  return argument === undefined ? { kind: 'words', candidates: [] } : valuesOf(argument.argChoices, { placeholder: argument.name(), option: null, path: names, named });
}

const valuesOf = (choices: readonly string[] | undefined, value: WantedValue): Wanted =>
  choices === undefined ? { kind: 'value', value } : { kind: 'words', candidates: choices.map((choice) => ({ value: choice, description: '' })) };

const takesValue = (option: Option | undefined): Option | null => (option !== undefined && (option.required || option.optional) ? option : null);

/** Options of a command hold for those below it. */
const optionOf = (path: readonly Command[], flag: string): Option | undefined => path.flatMap(({ options }) => options).find(({ short, long }) => short === flag || long === flag);

const flagsOf = (path: readonly Command[]): readonly Candidate[] => {
  const command = path.at(-1) as Command;
  const help = command.createHelp();
  const options = [...help.visibleOptions(command), ...path.slice(0, -1).flatMap(({ options: inherited }) => inherited.filter(({ hidden }) => !hidden))];
  return [...new Map(options.map(({ long, short, description }) => [long ?? short ?? '', { value: long ?? short ?? '', description }])).values()];
};

const argumentAt = (all: readonly Argument[], index: number): Argument | undefined => all[index] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);

/** `server` of `--server <server>`. */
const placeholderOf = (flags: string): string => /[<[]([^\]>.]+)/.exec(flags)?.[1] ?? '';
