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
  /** The option it belongs to, such as `--recovery-point`; null: an argument. */
  readonly option: string | null;
  /** The command, such as `run cancel`. */
  readonly path: string;
  /** Arguments so far, such as the server. */
  readonly named: readonly string[];
  /** Values of options so far, by long name, such as `--scenario`. */
  readonly given: ReadonlyMap<string, string>;
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
  const given = new Map<string, string>();
  let open: Option | null = null;
  /** Whether one that takes several values has got its first: after that a word with a dash ends it. */
  let isFilled = false;
  let onlyOperands = false;
  for (const word of before) {
    const command = path.at(-1) ?? program;
    if (open !== null && !(isFilled && word.startsWith('-'))) {
      if (word === '=') continue;
      given.set(open.long ?? '', word);
      isFilled = open.variadic;
      if (!isFilled) open = null;
      continue;
    }
    open = null;
    isFilled = false;
    if (!onlyOperands && word === '--') onlyOperands = true;
    else if (!onlyOperands && word.startsWith('-')) {
      const [flag, value] = cutAtEquals(word);
      const option = takesValue(optionOf(path, flag));
      if (option !== null && value !== null) given.set(option.long ?? '', value);
      open = value === null ? option : null;
    } else if (command.commands.length > 0) {
      const next = command.commands.find((candidate) => candidate.name() === word);
      if (next === undefined) return { kind: 'words', candidates: [] };
      path.push(next);
    } else operands.push(word);
  }
  return here(path, { named: operands, given }, isFilled && current.startsWith('-') ? null : open, { flags: !onlyOperands, current });
}

type Before = Pick<WantedValue, 'named' | 'given'>;

function here(
  path: readonly Command[],
  before: Before,
  open: Option | null,
  { flags, current }: { readonly flags: boolean; readonly current: string },
): Wanted {
  const command = path.at(-1) as Command;
  const names = path
    .slice(1)
    .map((part) => part.name())
    .join(' ');
  const ofOption = (option: Option): Wanted =>
    valuesOf(option.argChoices, { placeholder: placeholderOf(option.flags), option: option.long ?? null, path: names, ...before });
  if (open !== null) return ofOption(open);
  if (flags && current.startsWith('-')) {
    const inline = current.includes('=') ? takesValue(optionOf(path, cutAtEquals(current)[0])) : null;
    return inline === null ? { kind: 'words', candidates: flagsOf(path) } : ofOption(inline);
  }
  if (command.commands.length > 0) {
    return {
      kind: 'words',
      candidates: command
        .createHelp()
        .visibleCommands(command)
        .map((part) => ({ value: part.name(), description: part.description() })),
    };
  }
  const argument = argumentAt(command.registeredArguments, before.named.length);
  return argument === undefined
    ? { kind: 'words', candidates: [] }
    : valuesOf(argument.argChoices, { placeholder: argument.name(), option: null, path: names, ...before });
}

const valuesOf = (choices: readonly string[] | undefined, value: WantedValue): Wanted =>
  choices === undefined ? { kind: 'value', value } : { kind: 'words', candidates: choices.map((choice) => ({ value: choice, description: '' })) };

const cutAtEquals = (word: string): readonly [flag: string, value: string | null] => {
  const at = word.indexOf('=');
  return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
};

const takesValue = (option: Option | undefined): Option | null => (option !== undefined && (option.required || option.optional) ? option : null);

/** Options of a command hold for those below it. */
const optionOf = (path: readonly Command[], flag: string): Option | undefined =>
  path.flatMap(({ options }) => options).find(({ short, long }) => short === flag || long === flag);

const flagsOf = (path: readonly Command[]): readonly Candidate[] => {
  const command = path.at(-1) as Command;
  const help = command.createHelp();
  const above = help.showGlobalOptions ? path.slice(0, -1) : [];
  const options = [...help.visibleOptions(command), ...above.flatMap(({ options: inherited }) => inherited.filter(({ hidden }) => !hidden))];
  return [...new Map(options.map(({ long, short, description }) => [long ?? short ?? '', { value: long ?? short ?? '', description }])).values()];
};

const argumentAt = (all: readonly Argument[], index: number): Argument | undefined => all[index] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);

/** `server` of `--server <server>`. */
const placeholderOf = (flags: string): string => /[<[]([^\]>.]+)/.exec(flags)?.[1] ?? '';
