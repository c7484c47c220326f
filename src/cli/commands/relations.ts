import type { Command } from 'commander';
import type { PageOf } from '../../contracts/api/common';
import type { JudgementView } from '../../contracts/judgement';
import type { Relation } from '../../contracts/relation';
import type { CliContext } from '../context';
import { EXIT } from '../exit-codes';
import { judgementTable, judgementText, verdictsOf } from '../output/judgements';
import { relationTable } from '../output/relations';
import type { Printer } from '../output/printer';
import { waitForJudgements } from '../watch/judgements';
import { examples, waitOptions, withWait, type WaitFlags } from './options';

const JUDGEMENTS = '/v1/relations/judgements';

/** Which servers need each other, which hold copies of each other's state, and which could come back alone. */
export function addRelationCommands(program: Command, context: CliContext): void {
  const relation = program
    .command('relation')
    .description('which servers need each other, which hold copies of each other’s state, and which of them could come back alone');
  /** There are no pages of these. */
  const all = async <T>(path: string, server?: string): Promise<readonly T[]> => (await (await context.client()).get<PageOf<T>>(path, { server })).value.items;
  const judgements = (server?: string): Promise<readonly JudgementView[]> => all<JudgementView>(JUDGEMENTS, server);
  const show = (printer: Printer, found: readonly JudgementView[], server: string | undefined): void => {
    printer.data(found, () => (server === undefined ? judgementTable(found) : found.map((one) => judgementText(one, printer)).join('\n\n')));
    if (found.length === 0) {
      printer.note(
        'Nothing is judged here: only servers in service are that have a usable image and relations with others (replicates-with, member-of, or any with a profile).',
      );
    }
  };

  examples(
    relation
      .command('list')
      .description('list the relations that the estate declares, each with its verdict of the last night')
      .option('--server <server>', 'only those in which it is the server or a peer'),
    ['modosu relation list --server db01'],
  ).action(async (options: { readonly server?: string }, command: Command) => {
    const printer = context.printer(command);
    const declared = await all<Relation>('/v1/relations', options.server);
    const known = declared.length === 0 ? [] : await judgements();
    const relations = declared.map((one) => ({ ...one, judged: verdictsOf(one, known) }));
    printer.data(relations, () => relationTable(relations));
    if (relations.length === 0) printer.note('There is no relation; declare them under "relations" in the estate file.');
  });

  examples(
    relation
      .command('judgement')
      .description('show which servers could come back alone, as it was found out last; of one server with all findings and their evidence')
      .argument('[server]', 'name or id of the server'),
    ['modosu relation judgement', 'modosu relation judgement db01'],
  ).action(async (server: string | undefined, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    show(printer, await judgements(server), server);
  });

  examples(
    withWait(
      relation
        .command('judge')
        .description(
          'find it out now instead of in the night: peers are asked, nothing is changed; with --wait the exit code is 9 when one could not come back, 1 when that of one could not be found out',
        )
        .argument('[server]', 'name or id of the server; all where it is left out'),
    ),
    ['modosu relation judge db01 --wait', 'modosu relation judge'],
  ).action(async (server: string | undefined, options: WaitFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: asked } = await client.post<PageOf<JudgementView>>(JUDGEMENTS, server === undefined ? {} : { server });
    if (options.wait !== true) {
      show(printer, asked.items, server);
      return;
    }
    if (asked.items.length > 0) {
      printer.note(`${asked.items.length} ${asked.items.length === 1 ? 'server is' : 'servers are'} judged. Safe to close: it goes on by itself.`);
    }
    await waitForJudgements(context.io, client, { path: JUDGEMENTS, server }, (text) => printer.note(text), waitOptions(options));
    const found = await judgements(server);
    show(printer, found, server);
    const unknown = [...new Set([...asked.items, ...found].map(({ serverName }) => serverName))].filter((name) => isUnknown(name, asked.items, found));
    if (unknown.length > 0) {
      printer.note(`Of ${unknown.join(', ')} it could not be found out; see \`modosu relation judgement ${unknown.length === 1 ? unknown[0] : 'NAME'}\`.`);
      context.exitCode = EXIT.failed;
    }
    if (found.some(({ judged }) => judged?.worst === 'block')) context.exitCode = EXIT.planBlocked;
  });
}

/** Also where what is known is what was known before, or the server is judged no more: nothing was found out. */
function isUnknown(name: string, asked: readonly JudgementView[], found: readonly JudgementView[]): boolean {
  const judgedOf = (judgements: readonly JudgementView[]): JudgementView['judged'] => judgements.find(({ serverName }) => serverName === name)?.judged ?? null;
  const judged = judgedOf(found);
  return judged === null || judged.worst === 'unknown' || judged.judgedAt === judgedOf(asked)?.judgedAt;
}
