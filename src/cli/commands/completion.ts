import { Argument, type Command } from 'commander';
import { withinDeadline } from '../../contracts/deadline';
import { ModosuError } from '../../contracts/errors';
import type { CliContext } from '../context';
import { line } from '../io';
import { plain } from '../output/text';
import { wantedAt, type Candidate } from '../completion/candidates';
import { completionScript, FILES, SHELLS, type Shell } from '../completion/scripts';
import { valuesFor } from '../completion/values';
import { examples } from './options';

/** How long somebody who has pressed the tab key waits for the API. */
const PATIENCE_MS = 2000;

/** What a shell puts on the command line as it is: nothing in it may mean more than itself, wherever it came from. */
const HARMLESS = /^[\w@%+=:,./-]+$/;

/** Placeholders whose values the shell itself knows. */
const PATHS: ReadonlySet<string> = new Set(['file', 'directory']);

export function addCompletionCommands(program: Command, context: CliContext): void {
  examples(
    program
      .command('completion')
      .description('print a script with which the shell completes commands, options, names and ids')
      .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
      .action((shell: Shell) => void context.io.stdout.write(completionScript(shell))),
    ['eval "$(modosu completion bash)"', 'modosu completion zsh > ~/.zfunc/_modosu', 'modosu completion fish > ~/.config/fish/completions/modosu.fish'],
  );
  program
    .command('complete', { hidden: true })
    .description('what may stand at the cursor; for the scripts')
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      for (const { value, description } of await candidatesFor(program, context, words)) {
        line(context.io.stdout, value === FILES ? FILES : `${value}\t${plain(description)}`);
      }
    });
}

async function candidatesFor(program: Command, context: CliContext, words: readonly string[]): Promise<readonly Candidate[]> {
  const [before, last] = [words.slice(0, -1), words.at(-1) ?? ''];
  // bash cuts at "=": the value is a word of its own, or not there yet.
  const current = last === '=' ? '' : last;
  const wanted = wantedAt(program, before, current);
  if (wanted.kind === 'value' && PATHS.has(wanted.value.placeholder)) return [{ value: FILES, description: '' }];
  const inline = current.startsWith('-') && current.includes('=') ? current.slice(0, current.indexOf('=') + 1) : '';
  const all = wanted.kind === 'words' ? wanted.candidates : await orNone(valuesFor(context, wanted.value));
  return all
    .map(({ value, description }) => ({
      value: `${inline && !value.startsWith('-') ? inline : ''}${value}`,
      description,
    }))
    .filter(({ value }) => HARMLESS.test(value) && value.startsWith(current));
}

/** An API that is away, or a token that may not read, must not fill the command line with errors. */
async function orNone(asked: Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
  try {
    return await withinDeadline(asked, PATIENCE_MS, () => new ModosuError('API_UNREACHABLE', 'The API does not answer in time.'));
  } catch {
    return [];
  }
}
