import { Option, type Command } from 'commander';
import type { RestorePlanView } from '../../contracts/plan';
import type { RunView } from '../../contracts/run';
import { ModosuError } from '../../contracts/errors';
import { durationOption, idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { EXIT } from '../exit-codes';
import { blocks, planText } from '../output/plans';
import { runTable, runText } from '../output/runs';
import { waitForPlan } from '../watch/waiting';

interface WaitFlags {
  readonly wait?: boolean;
  readonly timeout?: number;
}

const PLAN_TIMEOUT_MS = 10 * 60_000;
const TIMEOUT_WORDS = 'how long to wait, such as 90s, 5m or 2h; the run goes on afterwards';

const withWait = (command: Command): Command =>
  command.option('--wait', 'wait for the end and show the steps').option('--timeout <time>', TIMEOUT_WORDS, durationOption);

export function addRunCommands(program: Command, context: CliContext): void {
  const backup = program.command('backup').description('take recovery points');
  withWait(
    backup
      .command('image')
      .description('take an image of a server')
      .argument('<name>', 'name or id of the server')
      .addOption(new Option('--mode <mode>', 'offline: the server is shut down, copied, and put back into its power state').choices(['offline']).makeOptionMandatory())
      .requiredOption('--reason <text>', 'why; it goes into the audit'),
  ).action(async (name: string, options: WaitFlags & { readonly mode: string; readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: run } = await client.post<RunView>(`/v1/servers/${serverSegment(name)}/backups`, { kind: 'image', mode: options.mode, reason: options.reason });
    await context.finish(printer, client, run, options.wait === true, { timeoutMs: options.timeout ?? null });
  });

  const restore = program.command('restore').description('put servers back');
  restore
    .command('plan')
    .description('make a restore plan and show it; changes nothing')
    .argument('<name>', 'name or id of the server')
    .addOption(new Option('--scenario <scenario>', 'server: the whole server, from an image').choices(['server']).makeOptionMandatory())
    .option('--image <id>', 'recovery point to restore; the newest usable one if not given')
    .option('--timeout <time>', 'how long to wait for the plan', durationOption, PLAN_TIMEOUT_MS)
    .action(async (name: string, options: { readonly scenario: string; readonly image?: string; readonly timeout: number }, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const body = { scenario: options.scenario, recoveryPointId: options.image };
      const { value: accepted } = await client.post<RestorePlanView>(`/v1/servers/${serverSegment(name)}/restore-plans`, body);
      const plan = await waitForPlan(context.io, client, accepted.id, { timeoutMs: options.timeout });
      if (plan.error !== null) throw ModosuError.fromSummary(plan.error);
      const planned = plan.body;
      if (planned === null) throw new ModosuError('PLAN_FAILED', `Plan ${plan.id} ended without a result.`);
      printer.data(plan, () => planText(plan, planned, printer, context.io.now()));
      if (!blocks(planned)) return;
      printer.note('This plan has blocking findings; it cannot run.');
      context.exitCode = EXIT.planBlocked;
    });
  withWait(
    restore
      .command('run')
      .description('carry a restore plan out')
      .argument('<plan>', 'id of the plan')
      .requiredOption('--reason <text>', 'why; it goes into the audit')
      .requiredOption('--confirm <name>', "the server's name, typed again"),
  ).action(async (planId: string, options: WaitFlags & { readonly reason: string; readonly confirm: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: run } = await client.post<RunView>(`/v1/restore-plans/${idSegment('plan', planId)}/run`, { reason: options.reason, confirm: options.confirm });
    await context.finish(printer, client, run, options.wait === true, { timeoutMs: options.timeout ?? null });
  });

  const run = program.command('run').description('backups and restores under way and past');
  run
    .command('list')
    .description('list runs, newest first')
    .option('--server <name>', 'only those of this server')
    .option('--limit <number>', 'how many', limitOption, 50)
    .action(async (options: { readonly server?: string; readonly limit: number }, command: Command) => {
      const printer = context.printer(command);
      const runs = await context.list<RunView>(printer, '/v1/runs', { server: options.server }, options.limit);
      printer.data(runs, () => runTable(runs));
    });
  run
    .command('show')
    .description('show one run with its steps')
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: unknown, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.get<RunView>(`/v1/runs/${idSegment('run', id)}`);
      printer.data(value, () => runText(value, printer, context.io.now()));
    });
  run
    .command('watch')
    .description('follow a run to its end')
    .argument('<id>', 'id of the run')
    .option('--timeout <time>', TIMEOUT_WORDS, durationOption)
    .action(async (id: string, options: { readonly timeout?: number }, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.get<RunView>(`/v1/runs/${idSegment('run', id)}`);
      await context.watch(printer, client, value.id, { timeoutMs: options.timeout ?? null });
    });
  run
    .command('cancel')
    .description('ask a run to stop and undo what it has changed')
    .argument('<id>', 'id of the run')
    .action(async (id: string, _options: unknown, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.post<RunView>(`/v1/runs/${idSegment('run', id)}/cancel`, undefined);
      printer.data(value, () => runText(value, printer, context.io.now()));
    });
}
