import { Option, type Command } from 'commander';
import type { ServerDetailView } from '../../contracts/api/server';
import { ModosuError } from '../../contracts/errors';
import { PLAN_STATES, RESTORE_SCENARIOS, type PlanState, type RestorePlanSummary, type RestorePlanView } from '../../contracts/plan';
import type { RunView } from '../../contracts/run';
import type { ApiClient } from '../api-client';
import { durationOption, idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { planTable, planText, unmadePlanText } from '../output/plans';
import { selectionOf, type SelectionFlags } from './data-selection';
import { acceptedOf, withAcceptance, type AcceptanceFlags } from './acceptance';
import { examples, several, waitOptions, withWait, type WaitFlags } from './options';
import { PLAN_TIMEOUT_MS, showMadePlan } from './plans';
import { addRestoreSetCommands } from './restore-sets';

const PLAN_EXAMPLES = [
  'modosu restore plan db01 --scenario server',
  'modosu restore plan db01 --scenario server --recovery-point rp_01j8…',
  'modosu restore plan db01 --scenario server --find-compatible',
  'modosu restore plan db01 --scenario server --from vault',
  'modosu restore plan db01 --scenario server --keep-disk vdb',
  'modosu restore plan db01 --scenario server --attach-old-disk vdb',
  'modosu restore plan db01 --scenario data --data-set shop --table orders --incident-at 2026-03-01T02:10:00Z',
  'modosu restore plan web01 --scenario data --data-set uploads --path /srv/uploads/2026',
];

interface RestorePlanFlags extends SelectionFlags {
  readonly scenario: string;
  readonly keepDisk?: readonly string[];
  readonly attachOldDisk?: readonly string[];
  /** commander: false with --no-data. */
  readonly data: boolean;
  readonly leaveChanges?: true;
  readonly leaveCredentials?: true;
  readonly findCompatible?: true;
  readonly dataSet?: string;
  readonly recoveryPoint?: string;
  readonly from?: string;
  readonly incidentAt?: string;
  readonly timeout: number;
}

/** Fetching a large server takes hours; whoever wants less says so. */
const FETCH_TIMEOUT_MS = 48 * 3_600_000;

function serverPlanRequest(flags: RestorePlanFlags): object {
  const { recoveryPoint, from, data, leaveChanges, leaveCredentials, findCompatible, incidentAt, keepDisk, attachOldDisk, ...others } = flags;
  const misplaced = (['dataSet', 'table', 'schema', 'database', 'path', 'whole', 'replace'] as const).filter((name) => others[name] !== undefined);
  if (misplaced.length > 0) throw new ModosuError('USAGE', `--${dashed(misplaced[0] ?? '')} is for --scenario data.`);
  if (findCompatible && (recoveryPoint !== undefined || from !== undefined)) {
    throw new ModosuError('USAGE', '--find-compatible chooses the recovery point itself, of those that are here: leave --recovery-point and --from out.');
  }
  return {
    scenario: 'server',
    recoveryPointId: recoveryPoint,
    from,
    incidentAt,
    noData: !data,
    leaveChanges,
    leaveCredentials,
    findCompatible,
    keepDisks: keepDisk,
    attachOldDisks: attachOldDisk,
  };
}

async function dataPlanRequest(client: ApiClient, path: string, options: RestorePlanFlags): Promise<object> {
  const { dataSet, recoveryPoint, from, incidentAt } = options;
  const given = (['keepDisk', 'attachOldDisk', 'leaveChanges', 'leaveCredentials', 'findCompatible'] as const).find((name) => options[name] !== undefined);
  const misplaced = given ?? (options.data ? null : 'noData');
  if (misplaced !== null) throw new ModosuError('USAGE', `--${dashed(misplaced)} is for --scenario server.`);
  if (dataSet === undefined) {
    throw new ModosuError('USAGE', 'Name the data set: --data-set NAME.', { hint: 'The card of the server lists them: `modosu server show NAME`.' });
  }
  const { value: server } = await client.get<ServerDetailView>(path);
  const selection = selectionOf(
    options,
    server.protection.dataSets.find(({ name }) => name === dataSet),
  );
  return { scenario: 'data', dataSet, recoveryPointId: recoveryPoint, from, incidentAt, selection };
}

const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

interface RestoreRunFlags extends WaitFlags, AcceptanceFlags {
  readonly reason: string;
  readonly confirm: string;
  readonly hold?: boolean;
}

export function addRestoreCommands(program: Command, context: CliContext): void {
  const restore = program.command('restore').description('put servers back');
  restore
    .command('plan')
    .description('make a restore plan and show it; changes nothing')
    .argument('<server>', 'name or id of the server')
    .addOption(
      new Option('--scenario <scenario>', 'server: the whole server, from an image and the data saved after it; data: files or tables into the running server')
        .choices([...RESTORE_SCENARIOS])
        .makeOptionMandatory(),
    )
    .option(
      '--recovery-point <recovery-point>',
      'what to restore from, an image or data as the scenario says; if not given, the newest usable one from before the incident',
    )
    .option('--from <offsite>', 'fetch it from this off-site repository first, where it is not whole here; the plan takes as long as that')
    .option('--keep-disk <target>', 'server: disk with role data that stays as it is now, such as vdb; may be repeated', several)
    .option(
      '--attach-old-disk <target>',
      'server: disk with role data whose old volume is attached read-only to the restored server, to copy from it; may be repeated',
      several,
    )
    .option('--no-data', 'server: the image alone, without the data saved after it')
    .option('--leave-changes', 'server: do not apply the configuration changes again that are lost, nor wait for people who do')
    .option('--leave-credentials', 'server: leave passwords that were changed since as the image has them')
    .option('--find-compatible', 'server: not the newest recovery point, but the newest that its peers would accept, by what the rules of its relations say')
    .option('--data-set <data-set>', 'data: the data set to restore from')
    .option('--table <name>', 'data: a table, as TABLE or SCHEMA.TABLE; may be repeated', several)
    .option('--schema <name>', 'data: a schema with all its tables; may be repeated', several)
    .option('--database <name>', 'data: the database, where the data set has several')
    .option('--path <path>', 'data: a file or directory; may be repeated', several)
    .option('--whole', 'data: the whole database goes back in time')
    .option('--replace', 'data: replace what exists and differs; without it what exists stays')
    .option('--incident-at <time>', 'when it happened, such as 2026-03-01T02:10:00Z; what is lost is counted up to it')
    .option('--timeout <time>', 'how long to wait for the plan', durationOption, PLAN_TIMEOUT_MS)
    .addHelpText('after', `\nExamples:\n${PLAN_EXAMPLES.map((text) => `  ${text}`).join('\n')}`)
    .action(async (name: string, options: RestorePlanFlags, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const path = `/v1/servers/${serverSegment(name)}`;
      const body = options.scenario === 'data' ? await dataPlanRequest(client, path, options) : serverPlanRequest(options);
      const { value: accepted } = await client.post<RestorePlanView>(`${path}/restore-plans`, body);
      if (options.from !== undefined) {
        printer.note(`What is not whole here is fetched from ${options.from} first; \`modosu offsite transfers --server ${name}\` shows how far it is.`);
      }
      const isLong = options.from !== undefined && command.getOptionValueSource('timeout') === 'default';
      await showMadePlan(context, printer, client, accepted.id, isLong ? FETCH_TIMEOUT_MS : options.timeout);
    });

  examples(
    restore
      .command('list')
      .description('list plans of restores and of undos, newest first')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state; ready: it can be carried out').choices(PLAN_STATES))
      .option('--limit <number>', 'how many', limitOption, 50),
    ['modosu restore list --server db01 --state ready'],
  ).action(async ({ server, state, limit }: { readonly server?: string; readonly state?: PlanState; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const plans = await context.list<RestorePlanSummary>(printer, '/v1/restore-plans', { server, state }, limit);
    printer.data(plans, () => planTable(plans));
  });

  examples(restore.command('show').description('show a plan again, of a restore or of an undo').argument('<plan>', 'id of the plan'), [
    'modosu restore show plan_01j8…',
  ]).action(async (planId: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value: plan } = await client.get<RestorePlanView>(`/v1/restore-plans/${idSegment('plan', planId)}`);
    printer.data(plan, () => (plan.body === null ? unmadePlanText(plan, printer) : planText(plan, plan.body, printer, context.io.now())));
  });

  examples(
    withWait(
      withAcceptance(
        restore
          .command('run')
          .description('carry a plan out')
          .argument('<plan>', 'id of the plan')
          .requiredOption('--reason <text>', 'why; it goes into the audit')
          .requiredOption('--confirm <name>', "the server's name, typed again")
          .option('--hold', 'stop before go-live: the server runs with its production network down until `modosu run go-live`'),
      ),
    ),
    [
      'modosu restore run plan_01j8… --reason "disk died" --confirm db01 --wait',
      'modosu restore run plan_01j8… --reason "disk died" --confirm db01 --hold --wait   # exit code 7 when it waits for you',
      'modosu restore run plan_01j8… --reason "disk died" --confirm db01 --override STANDBY_AHEAD --override-reason "the standby is rebuilt afterwards"',
    ],
  ).action(async (planId: string, options: RestoreRunFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { reason, confirm, hold } = options;
    const { value: run } = await client.post<RunView>(`/v1/restore-plans/${idSegment('plan', planId)}/run`, { reason, confirm, hold, ...acceptedOf(options) });
    await context.finish(printer, client, run, options.wait === true, waitOptions(options));
  });

  addRestoreSetCommands(program, restore, context);
}
