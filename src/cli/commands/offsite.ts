import { Option, type Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import { TRANSFER_STATES, type OffsiteRepositoryView, type TransferView } from '../../contracts/offsite-copies';
import { idSegment, limitOption, type CliContext } from '../context';
import { offsiteTable, transferTable, transferText } from '../output/offsite';
import { waitForTransfer } from '../watch/waiting';
import { examples, waitOptions, withWait, type WaitFlags } from './options';

/** Not the name of a repository, which `list` shows. */
const TRANSFER_ID = 'id of the transfer, as `modosu offsite transfers` lists it';

/** Copies of recovery points elsewhere, and having them back. */
export function addOffsiteCommands(program: Command, context: CliContext): void {
  const offsite = program.command('offsite').description('copies of recovery points in a second place');
  examples(offsite.command('list').description('list all off-site repositories: whether they are there, when they were last seen, what lies in them'), [
    'modosu offsite list',
  ]).action(async (_options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { items } = (await client.get<{ readonly items: readonly OffsiteRepositoryView[] }>('/v1/offsite')).value;
    printer.data(items, () => offsiteTable(items));
  });

  examples(
    withWait(
      offsite
        .command('copy')
        .description('have a recovery point copied now, with what it builds on')
        .argument('<recovery-point>', 'id of the recovery point')
        .option('--to <offsite>', 'off-site repository; if not given, the one that the policy of its server names')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu offsite copy rp_01j8… --reason "before the move" --wait'],
  ).action(async (id: string, options: WaitFlags & { readonly to?: string; readonly reason: string }, command: Command) => {
    await ask(context, command, `/v1/recovery-points/${idSegment('rp', id)}/copies`, { reason: options.reason, to: options.to ?? null }, options);
  });

  examples(
    offsite
      .command('transfers')
      .description('list what is copied, fetched, checked and removed, newest first')
      .option('--server <server>', 'only those of this server')
      .option('--offsite <offsite>', 'only those to or from this off-site repository')
      .addOption(new Option('--state <state>', 'only those in this state').choices(TRANSFER_STATES))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu offsite transfers --state failed'],
  ).action(async (options: { readonly server?: string; readonly offsite?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const { server, state, offsite: name, limit } = options;
    const found = await context.list<TransferView>(printer, '/v1/offsite/transfers', { server, state, offsite: name }, limit);
    printer.data(found, () => transferTable(found));
  });
  examples(
    offsite
      .command('show')
      .description('show one transfer: what is copied, fetched, checked or removed, and how far it is')
      .argument('<transfer>', TRANSFER_ID),
    ['modosu offsite show trf_01j8…'],
  ).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<TransferView>(`/v1/offsite/transfers/${idSegment('trf', id)}`);
    printer.data(value, () => transferText(value));
  });
  examples(
    offsite
      .command('cancel')
      .description('stop a transfer; what a policy asks for comes again some hours later')
      .argument('<transfer>', TRANSFER_ID)
      .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ['modosu offsite cancel trf_01j8… --reason "the line is needed"'],
  ).action(async (id: string, options: { readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<TransferView>(`/v1/offsite/transfers/${idSegment('trf', id)}/cancel`, { reason: options.reason });
    printer.data(value, () => transferText(value));
    printer.note('What was sent is not sent again.');
  });
}

/** `modosu recovery-point fetch`: stands with the other commands on recovery points. */
export function addFetchCommand(recoveryPoint: Command, context: CliContext): void {
  examples(
    withWait(
      recoveryPoint
        .command('fetch')
        .description('have a recovery point back from its copy, with what it builds on: where it is damaged, lost, or was let go')
        .argument('<recovery-point>', 'id of the recovery point')
        .requiredOption('--from <offsite>', 'off-site repository')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu recovery-point fetch rp_01j8… --from vault --reason "the repository is gone" --wait'],
  ).action(async (id: string, options: WaitFlags & { readonly from: string; readonly reason: string }, command: Command) => {
    await ask(context, command, `/v1/recovery-points/${idSegment('rp', id)}/fetches`, { reason: options.reason, from: options.from }, options);
  });
}

async function ask(context: CliContext, command: Command, path: string, body: object, flags: WaitFlags): Promise<void> {
  const printer = context.printer(command);
  const client = await context.client();
  const { value } = await client.post<TransferView>(path, body);
  if (flags.wait !== true) {
    printer.data(value, () => transferText(value));
    return;
  }
  printer.note(`Transfer ${value.id} is written down. Safe to close: it goes on by itself.`);
  const ended = await waitForTransfer(context.io, client, value.id, (text) => printer.note(text), waitOptions(flags));
  printer.data(ended, () => transferText(ended));
  if (ended.error !== null) throw ModosuError.fromSummary(ended.error);
}
