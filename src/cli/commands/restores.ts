import { Option, type Command } from 'commander';
import type { RestorePlanView } from '../../contracts/plan';
import type { RunView } from '../../contracts/run';
import { durationOption, idSegment, serverSegment, type CliContext } from '../context';
import { planText, unmadePlanText } from '../output/plans';
import { examples, waitOptions, withWait, type WaitFlags } from './options';
import { PLAN_TIMEOUT_MS, showMadePlan } from './plans';

interface RestorePlanFlags {
  readonly scenario: string;
  readonly image?: string;
  readonly keepDisk: readonly string[];
  readonly attachOldDisk: readonly string[];
  readonly timeout: number;
}

interface RestoreRunFlags extends WaitFlags {
  readonly reason: string;
  readonly confirm: string;
  readonly hold?: boolean;
}

const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];

export function addRestoreCommands(program: Command, context: CliContext): void {
  const restore = program.command('restore').description('put servers back');
  restore
    .command('plan')
    .description('make a restore plan and show it; changes nothing')
    .argument('<name>', 'name or id of the server')
    .addOption(new Option('--scenario <scenario>', 'server: the whole server, from an image').choices(['server']).makeOptionMandatory())
    .option('--image <id>', 'recovery point to restore; the newest usable one if not given')
    .option('--keep-disk <target>', 'disk with role data that stays as it is now, such as vdb; may be given several times', collect, [])
    .option('--attach-old-disk <target>', 'data disk whose old volume is attached read-only to the restored server, to copy from it; may be given several times', collect, [])
    .option('--timeout <time>', 'how long to wait for the plan', durationOption, PLAN_TIMEOUT_MS)
    .action(async (name: string, options: RestorePlanFlags, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const body = { scenario: options.scenario, recoveryPointId: options.image, keepDisks: options.keepDisk, attachOldDisks: options.attachOldDisk };
      const { value: accepted } = await client.post<RestorePlanView>(`/v1/servers/${serverSegment(name)}/restore-plans`, body);
      await showMadePlan(context, printer, client, accepted.id, options.timeout);
    });

  examples(
    restore.command('show').description('show a plan again, of a restore or of an undo').argument('<plan>', 'id of the plan'),
    ['modosu restore show plan_01j8…'],
  ).action(async (planId: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: plan } = await client.get<RestorePlanView>(`/v1/restore-plans/${idSegment('plan', planId)}`);
    printer.data(plan, () => (plan.body === null ? unmadePlanText(plan, printer) : planText(plan, plan.body, printer, context.io.now())));
  });

  examples(
    withWait(
      restore
        .command('run')
        .description('carry a plan out')
        .argument('<plan>', 'id of the plan')
        .requiredOption('--reason <text>', 'why; it goes into the audit')
        .requiredOption('--confirm <name>', "the server's name, typed again")
        .option('--hold', 'stop before go-live: the server runs with its production network down until `modosu run go-live`'),
    ),
    [
      'modosu restore run plan_01j8… --reason "disk died" --confirm db01 --wait',
      'modosu restore run plan_01j8… --reason "disk died" --confirm db01 --hold --wait   # exit code 7 when it waits for you',
    ],
  ).action(async (planId: string, options: RestoreRunFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { reason, confirm, hold } = options;
    const { value: run } = await client.post<RunView>(`/v1/restore-plans/${idSegment('plan', planId)}/run`, { reason, confirm, hold });
    await context.finish(printer, client, run, options.wait === true, waitOptions(options));
  });
}
