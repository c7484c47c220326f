import type { Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import type { GenerationView, ShownGeneration, ShownGenerationDiff } from '../../contracts/generation';
import { generationSelector } from '../../contracts/selectors';
import { limitOption, serverSegment, type CliContext } from '../context';
import { definitionText, generationDiffText, generationTable, generationText } from '../output/generations';
import { examples } from './options';

/** Images of a server by their number: what each contains, and in what they differ. */
export function addGenerationCommands(program: Command, context: CliContext): void {
  const generation = program.command('generation').description('images of a server by their number: the changes that each contains, and in what they differ');
  examples(
    generation
      .command('list')
      .description('list the generations of a server, newest first')
      .argument('<server>', 'name of the server')
      .option('--limit <number>', 'how many', limitOption, 50),
    ['modosu generation list db01'],
  ).action(async (server: string, options: { readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const generations = await context.list<GenerationView>(printer, `/v1/servers/${serverSegment(server)}/generations`, {}, options.limit);
    printer.data(generations, () => generationTable(generations));
    if (generations.length === 0) {
      printer.note(
        `No generation: there is no image of server "${server}", none yet or none any more. As long as it is in service, one is taken when the schedule of its policy says so; where no policy images it offline, also when a change is complete; and where its policy images it online, the very first one by itself. To have one of a server in service now: \`modosu backup image ${server} --mode online --reason baseline\` (--mode offline stops the server).`,
      );
    }
  });
  examples(
    generation
      .command('show')
      .description('show one generation: its changes, and what the server was: hardware, packages, services, accounts and more')
      .argument('<server>', 'name of the server')
      .argument('<generation>', 'number of the generation')
      .option('--definition', 'the definition of the server as a whole, without passwords, and nothing else (JSON and YAML: with everything else)'),
    ['modosu generation show db01 4', 'modosu generation show db01 4 -o json', 'modosu generation show db01 4 --definition'],
  ).action(async (server: string, number: string, options: { readonly definition?: true }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const path = `/v1/servers/${serverSegment(server)}/generations/${generationSelector(number)}`;
    const { value } = await client.get<ShownGeneration>(path, options.definition === true ? { definition: 'whole' } : {});
    printer.data(value, () => (options.definition === true ? wholeDefinition(value) : generationText(value, context.io.now())));
  });
  examples(
    generation
      .command('diff')
      .description('show in what two generations differ, from the earlier to the later; also what nobody has registered as a change')
      .argument('<server>', 'name of the server')
      .argument('<generation>', 'number of a generation')
      .argument('<other>', 'number of the other one'),
    ['modosu generation diff db01 3 4'],
  ).action(async (server: string, one: string, other: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const path = `/v1/servers/${serverSegment(server)}/generations/${generationSelector(one)}/diff`;
    const { value } = await client.get<ShownGenerationDiff>(path, { with: generationSelector(other) });
    printer.data(value, () => generationDiffText(value));
  });
}

/** Nothing of it on stdout where there is none: what reads it there takes everything for a definition. */
function wholeDefinition({ definition }: ShownGeneration): string {
  if (definition.state === 'not-read') throw new ModosuError(definition.code, definition.why);
  return definitionText(definition.xml ?? '');
}
