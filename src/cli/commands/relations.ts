import type { Command } from 'commander';
import type { PageOf } from '../../contracts/api/common';
import type { Relation } from '../../contracts/relation';
import type { CliContext } from '../context';
import { relationTable } from '../output/relations';
import { examples } from './options';

/** Which servers need each other, and which hold copies of each other's state. */
export function addRelationCommands(program: Command, context: CliContext): void {
  const relation = program.command('relation').description('which servers need each other, and which hold copies of each other’s state');
  examples(
    relation
      .command('list')
      .description('list the relations that the estate declares')
      .option('--server <server>', 'only those in which it is the server or a peer'),
    ['modosu relation list --server db01'],
  ).action(async (options: { readonly server?: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    // All of them in one answer: it has no pages.
    const { items: relations } = (await client.get<PageOf<Relation>>('/v1/relations', { server: options.server })).value;
    printer.data(relations, () => relationTable(relations));
    if (relations.length === 0) printer.note('There is no relation; declare them under "relations" in the estate file.');
  });
}
