import { Option, type Command } from 'commander';
import { isFinal, type RunView } from '../../contracts/run';
import { idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { runTable, runText } from '../output/runs';
import { CANCEL_IS_WRITTEN } from './undo';
import { examples, waitOptions, withTimeout, withWait, type WaitFlags } from './options';

interface BackupFlags extends WaitFlags {
  readonly mode: string;
  readonly allowCrashConsistent?: boolean;
  readonly full?: boolean;
  readonly reason: string;
}

/** Gives the command `backup`, so that others can add to it. */
export function addBackupCommands(program: Command, context: CliContext): Command {
  const backup = program.command('backup').description('take recovery points');
  addDataBackup(backup, context);
  examples(
    withWait(
      backup
        .command('image')
        .description('take an image of a server')
        .argument('<server>', 'name or id of the server')
        .addOption(
          new Option(
            '--mode <mode>',
            'online: the server goes on, its file systems are frozen for a moment; offline: it is shut down, copied, and put back into its power state',
          )
            .choices(['offline', 'online'])
            .makeOptionMandatory(),
        )
        .option('--allow-crash-consistent', 'online only: go on when the file systems cannot be frozen; the recovery point then says "crash"')
        .option('--full', 'online only: a whole image, although one that holds only what has changed would do')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    [
      'modosu backup image db01 --mode online --reason "before service pack 2" --wait',
      'modosu backup image db01 --mode online --full --reason "to be carried off-site"',
      'modosu backup image old01 --mode online --allow-crash-consistent --reason "has no guest agent"',
    ],
  ).action(async (name: string, options: BackupFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { mode, allowCrashConsistent, full, reason } = options;
    const { value: run } = await client.post<RunView>(`/v1/servers/${serverSegment(name)}/backups`, {
      kind: 'image',
      mode,
      allowCrashConsistent,
      full,
      reason,
    });
    await context.finish(printer, client, run, options.wait === true, waitOptions(options));
  });
  return backup;
}

function addDataBackup(backup: Command, context: CliContext): void {
  examples(
    withWait(
      backup
        .command('data')
        .description('save the declared data sets of a server, from inside its guest')
        .argument('<server>', 'name or id of the server')
        .option('--data-set <data-set>', 'only this one; may be repeated', (value: string, earlier: readonly string[] = []) => [...earlier, value])
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu backup data db01 --reason "daily" --wait', 'modosu backup data db01 --data-set shop --reason "before the migration" --wait'],
  ).action(async (name: string, options: WaitFlags & { readonly dataSet?: readonly string[]; readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: run } = await client.post<RunView>(`/v1/servers/${serverSegment(name)}/backups`, {
      kind: 'data',
      dataSets: options.dataSet,
      reason: options.reason,
    });
    await context.finish(printer, client, run, options.wait === true, waitOptions(options));
  });
}

/** Gives the command `run`, so that others can add to it. */
export function addRunCommands(program: Command, context: CliContext): Command {
  const run = program.command('run').description('backups and restores under way and past');
  examples(
    run
      .command('list')
      .description('list runs, newest first')
      .option('--server <server>', 'only those of this server')
      .option('--limit <number>', 'how many', limitOption, 50),
    ['modosu run list --server db01'],
  ).action(async (options: { readonly server?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const runs = await context.list<RunView>(printer, '/v1/runs', { server: options.server }, options.limit);
    printer.data(runs, () => runTable(runs));
  });
  examples(run.command('show').description('show one run with its steps').argument('<run>', 'id of the run'), ['modosu run show run_01j8…']).action(
    async (id: string, _options: unknown, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.get<RunView>(`/v1/runs/${idSegment('run', id)}`);
      printer.data(value, () => runText(value, printer, context.io.now()));
    },
  );
  examples(
    withTimeout(run.command('watch').description('follow a run to its end, or until it waits for a person (exit code 7)').argument('<run>', 'id of the run')),
    ['modosu run watch run_01j8…', 'modosu run watch run_01j8… --timeout 2h'],
  ).action(async (id: string, options: WaitFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<RunView>(`/v1/runs/${idSegment('run', id)}`);
    await context.watch(printer, client, value.id, waitOptions(options));
  });
  examples(
    run
      .command('cancel')
      .description('ask a run to stop and undo what it has changed')
      .argument('<run>', 'id of the run')
      .option('--reason <text>', 'why; it goes into the audit'),
    ['modosu run cancel run_01j8… --reason "wrong server"'],
  ).action(async (id: string, { reason }: { readonly reason?: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<RunView>(`/v1/runs/${idSegment('run', id)}/cancel`, { reason });
    if (!isFinal(value.state)) printer.note(CANCEL_IS_WRITTEN);
    printer.data(value, () => runText(value, printer, context.io.now()));
  });
  return run;
}
