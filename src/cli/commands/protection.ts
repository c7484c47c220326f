import { Option, type Command } from 'commander';
import { ALERT_STATES, type AlertView } from '../../contracts/alert';
import type { PolicyView } from '../../contracts/api/policy-view';
import { DUE_BACKUP_STATES, type DueBackupView } from '../../contracts/due-backup';
import type { EstateStatus } from '../../contracts/protection-status';
import type { RetentionPreview } from '../../contracts/retention';
import { policySelector } from '../../contracts/selectors';
import { limitOption, serverSegment, type CliContext } from '../context';
import { EXIT } from '../exit-codes';
import { alertTable } from '../output/alerts';
import { dueBackupTable, policyTable, policyText } from '../output/policies';
import { retentionText } from '../output/retention';
import { statusText } from '../output/status';
import { examples } from './options';

/** Whether the estate is protected as promised, by what, and what is kept. */
export function addProtectionCommands(program: Command, context: CliContext): void {
  examples(
    program
      .command('status')
      .description('show whether every server is protected as its policy promises; exit code 0 only when nothing is in breach')
      .option('--breaches', 'only what is in breach'),
    ['modosu status', 'modosu status --output json   # for monitoring: isProtected, breaches'],
  ).action(async (options: { readonly breaches?: boolean }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: status } = await client.get<EstateStatus>('/v1/status');
    const shown = options.breaches === true ? { ...status, servers: status.servers.filter(({ breaches }) => breaches.length > 0) } : status;
    printer.data(shown, () => statusText(shown, printer));
    if (!status.isProtected) context.exitCode = EXIT.failed;
  });

  examples(
    program
      .command('alert')
      .description('what people were told of without looking')
      .command('list')
      .description('list alerts, newest first, with how their messages went')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...ALERT_STATES]))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu alert list --state open'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const alerts = await context.list<AlertView>(printer, '/v1/alerts', { server: options.server, state: options.state }, options.limit);
    printer.data(alerts, () => alertTable(alerts));
  });

  const policy = program.command('policy').description('when servers are backed up, how long that is kept, and what is promised');
  examples(policy.command('list').description('list all policies'), ['modosu policy list']).action(async (_options: unknown, command: Command) => {
    const printer = context.printer(command);
    const policies = await context.list<PolicyView>(printer, '/v1/policies', {}, Number.MAX_SAFE_INTEGER);
    printer.data(policies, () => policyTable(policies));
    if (policies.length === 0) printer.note('There is no policy yet; declare one under "policies" in the estate file.');
  });
  examples(policy.command('show').description('show one policy, its servers and its next times').argument('<policy>', 'name of the policy'), [
    'modosu policy show production',
  ]).action(async (name: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<PolicyView>(`/v1/policies/${policySelector(name)}`);
    printer.data(value, () => policyText(value));
  });

  examples(
    program
      .command('due-backup')
      .description('what the schedules have asked for')
      .command('list')
      .description('list backups that schedules have asked for, newest first, with what they wait for')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...DUE_BACKUP_STATES]))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu due-backup list --state waiting'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const due = await context.list<DueBackupView>(printer, '/v1/due-backups', { server: options.server, state: options.state }, options.limit);
    printer.data(due, () => dueBackupTable(due));
  });

  examples(
    program
      .command('retention')
      .description('which recovery points stay, and why')
      .command('preview')
      .description('show what retention would do now with every recovery point of a server; deletes nothing')
      .argument('<server>', 'name or id of the server')
      .option('--expire-only', 'only those that would go'),
    ['modosu retention preview db01'],
  ).action(async (server: string, options: { readonly expireOnly?: boolean }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<RetentionPreview>(`/v1/servers/${serverSegment(server)}/retention`);
    const shown = options.expireOnly === true ? { ...value, items: value.items.filter(({ verdict }) => verdict === 'expire') } : value;
    printer.data(shown, () => retentionText(shown));
  });
}
