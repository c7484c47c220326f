import { Option, type Command } from 'commander';
import type { RunView } from '../../contracts/run';
import { WAY_BACK_STATES, type WayBackView } from '../../contracts/way-back';
import { idSegment, limitOption, type CliContext } from '../context';
import { idSelector } from '../../contracts/selectors';
import { runText } from '../output/runs';
import { wayBackTable } from '../output/way-backs';
import { withAcceptance } from './acceptance';
import { examples, waitOptions, withWait, type WaitFlags } from './options';
import { undoRun, type UndoFlags } from './undo';

interface DecisionFlags extends WaitFlags {
  readonly reason: string;
}

/** What people decide about a restore: go live, undo, confirm. */
export function addDecisionCommands(run: Command, context: CliContext): void {
  examples(
    withWait(
      run
        .command('go-live')
        .description('let a run go on that waits before go-live: the server gets its production network')
        .argument('<run>', 'id of the run')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu run go-live run_01j8… --reason "checked by the DBA" --wait'],
  ).action(async (id: string, options: DecisionFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<RunView>(`/v1/runs/${idSegment('run', id)}/go-live`, { reason: options.reason });
    if (options.wait !== true) {
      printer.data(value, () => runText(value, printer, context.io.now()));
      return;
    }
    printer.note(`The decision is written down. Safe to close: run ${value.id} goes on by itself.`);
    // The workflow may need a moment to hear of it.
    context.conclude(printer, await context.waitFor(printer, client, value.id, { ...waitOptions(options), stopsAt: () => false }));
  });

  examples(
    withWait(
      run
        .command('sign-off')
        .description('say which configuration changes were applied again, and let the run that waits for that go on')
        .argument('<run>', 'id of the run')
        .option('--not-applied <changes...>', 'ids of the changes that are not applied again; all others are')
        .requiredOption('--reason <text>', 'what was done; it goes into the audit'),
    ),
    [
      'modosu run sign-off run_01j8… --reason "playbook app run, checked" --wait',
      'modosu run sign-off run_01j8… --not-applied chg_01j7… --reason "the kernel has to wait for the weekend"',
    ],
  ).action(async (id: string, options: DecisionFlags & { readonly notApplied?: readonly string[] }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const notApplied = (options.notApplied ?? []).map((change) => idSelector('chg', change));
    const { value } = await client.post<RunView>(`/v1/runs/${idSegment('run', id)}/sign-off`, { reason: options.reason, notApplied });
    if (options.wait !== true) {
      printer.data(value, () => runText(value, printer, context.io.now()));
      return;
    }
    printer.note(`The sign-off is written down. Safe to close: run ${value.id} goes on by itself.`);
    context.conclude(
      printer,
      await context.waitFor(printer, client, value.id, { ...waitOptions(options), stopsAt: ({ waitingFor }) => waitingFor === 'go-live' }),
    );
  });

  examples(
    withWait(
      withAcceptance(
        run
          .command('undo')
          .description('take a restore back: an open run is cancelled; for one that has ended a plan is made and shown, and carried out with --plan')
          .argument('<run>', 'id of the run')
          .option('--plan <plan>', 'plan of this undo, as shown before')
          .option('--confirm <name>', "the server's name, typed again; with --plan")
          .option('--reason <text>', 'why; it goes into the audit; not needed for making the plan'),
      ),
    ),
    [
      'modosu run undo run_01j8…                             # of a run that has ended: shows what would be lost, changes nothing',
      'modosu run undo run_01j8… --plan plan_01j9… --confirm db01 --reason "wrong recovery point" --wait',
      'modosu run undo run_01j8… --plan plan_01j9… --confirm db01 --reason "wrong recovery point" --override STANDBY_AHEAD --override-reason "it is rebuilt afterwards"',
      'modosu run undo run_01j8… --reason "not what we need" --wait   # of a run that waits before go-live: nothing is lost',
    ],
  ).action(async (id: string, options: UndoFlags, command: Command) => undoRun(context, context.printer(command), id, options));

  examples(
    withWait(
      run
        .command('confirm')
        .description('delete the volumes that a run has replaced; it cannot be undone afterwards')
        .argument('<run>', 'id of the run')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu run confirm run_01j8… --reason "in production since Monday" --wait'],
  ).action(async (id: string, options: DecisionFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<RunView>(`/v1/runs/${idSegment('run', id)}/confirm`, { reason: options.reason });
    await context.finish(printer, client, value, options.wait === true, waitOptions(options));
  });
}

export function addWayBackCommands(program: Command, context: CliContext): void {
  const wayBack = program.command('way-back').description('what restores have kept of the servers they replaced');
  examples(
    wayBack
      .command('list')
      .description('list ways back, newest first')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...WAY_BACK_STATES]))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu way-back list --state open', 'modosu way-back list --server db01'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const wayBacks = await context.list<WayBackView>(printer, '/v1/way-backs', { server: options.server, state: options.state }, options.limit);
    printer.data(wayBacks, () => wayBackTable(wayBacks));
  });
}
