import { Option, type Command } from 'commander';
import type { EstateChangesView } from '../../contracts/api/estate-request';
import type { ServerDetailView } from '../../contracts/api/server';
import type { ServerView } from '../../contracts/server';
import { ModosuError } from '../../contracts/errors';
import { PRUNES } from '../../contracts/prune';
import { DEFAULT_KEEP_DAYS, MAX_KEEP_DAYS } from '../../contracts/server';
import { quoted } from '../../contracts/text';
import { RECOVERY_POINT_STATES, type RecoveryPointView } from '../../contracts/recovery-point';
import { idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { parseEstateFile, placedInEstate } from '../estate-file';
import { changesText, decommissionedText, recoveryPointTable, recoveryPointText, serverTable, serverText } from '../output/inventory';
import { messageOf } from '../thrown';
import { addFetchCommand } from './offsite';
import { examples } from './options';

export function addInventoryCommands(program: Command, context: CliContext): void {
  examples(
    program
      .command('apply')
      .description(
        'declare the estate (hypervisors, repositories here and off-site, policies, servers, groups, relations) from a file; shows the difference first',
      )
      .requiredOption('-f, --file <file>', 'estate file (YAML)')
      .option('--dry-run', 'only show the difference')
      .option('--prune', `delete ${PRUNES}`),
    ['modosu apply -f estate.yaml --dry-run', 'modosu apply -f estate.yaml'],
  ).action(async (options: { readonly file: string; readonly dryRun?: boolean; readonly prune?: boolean }, command: Command) => {
    const printer = context.printer(command);
    const content = await readEstate(context, options.file);
    const request = { estate: parseEstateFile(options.file, content), prune: options.prune === true };
    const client = await context.client();
    const asked = client.post<EstateChangesView>('/v1/estate/diff', request);
    const { value: difference, etag } = await asked.catch((error: unknown) => Promise.reject(placedInEstate(options.file, content, error)));
    const changed = difference.changes.some(({ change }) => change === 'create' || change === 'update' || change === 'delete');
    const apply = changed && options.dryRun !== true;
    if (printer.format === 'table') printer.data(difference, () => changesText(difference.changes));
    const { value } = apply ? await client.post<EstateChangesView>('/v1/estate', request, { ifMatch: etag }) : { value: difference };
    if (printer.format !== 'table') printer.data({ applied: apply, changes: value.changes }, () => '');
    printer.note(apply ? 'Applied.' : changed ? 'Dry run: nothing was changed.' : 'Nothing to change.');
  });

  const server = program.command('server').description('the protected servers');
  examples(server.command('list').description('list all servers'), ['modosu server list']).action(async (_options: unknown, command: Command) => {
    const printer = context.printer(command);
    const servers = await context.list<ServerView>(printer, '/v1/servers', {}, Number.MAX_SAFE_INTEGER);
    printer.data(servers, () => serverTable(servers));
    if (servers.length === 0) printer.note('No server is protected yet; declare one with `modosu apply -f estate.yaml`.');
  });
  examples(server.command('show').description('show one server and what its hypervisor says at this moment').argument('<server>', 'name or id of the server'), [
    'modosu server show db01',
  ]).action(async (name: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<ServerDetailView>(`/v1/servers/${serverSegment(name)}`);
    printer.data(value, () => serverText(value, printer, context.io.now()));
  });

  addServiceCommands(server, context);

  const recoveryPoint = program.command('recovery-point').description('what servers can be restored to');
  examples(
    recoveryPoint
      .command('list')
      .description('list recovery points, newest first')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state; left out: all but deleted ones').choices(RECOVERY_POINT_STATES))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu recovery-point list --server db01'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const { server, state } = options;
    const points = await context.list<RecoveryPointView>(printer, '/v1/recovery-points', { server, state }, options.limit);
    printer.data(points, () => recoveryPointTable(points));
  });
  examples(recoveryPoint.command('show').description('show one recovery point').argument('<recovery-point>', 'id of the recovery point'), [
    'modosu recovery-point show rp_01j8…',
  ]).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<RecoveryPointView>(`/v1/recovery-points/${idSegment('rp', id)}`);
    printer.data(value, () => recoveryPointText(value, context.io.now()));
  });
  addFetchCommand(recoveryPoint, context);
  for (const [verb, description, done] of HOLDING) {
    examples(
      recoveryPoint
        .command(verb)
        .description(description)
        .argument('<recovery-point>', 'id of the recovery point')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
      [`modosu recovery-point ${verb} rp_01j8… --reason "${verb === 'hold' ? 'evidence for the audit of 2026' : 'the audit is closed'}"`],
    ).action(async (id: string, options: { readonly reason: string }, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.post<RecoveryPointView>(`/v1/recovery-points/${idSegment('rp', id)}/${verb}`, { reason: options.reason });
      printer.data(value, () => recoveryPointText(value, context.io.now()));
      printer.note(done);
    });
  }
}

interface DecommissionFlags {
  readonly confirm: string;
  readonly reason: string;
  readonly keepDays: number;
}

/** Out of service for good, and back. */
function addServiceCommands(server: Command, context: CliContext): void {
  examples(
    server
      .command('decommission')
      .description('take a server out of service for good: nothing backs it up, and nobody misses that; it can still be restored as long as anything is there')
      .argument('<server>', 'name or id of the server')
      .requiredOption('--confirm <name>', "the server's name, typed again")
      .requiredOption('--reason <text>', 'why; it goes into the audit')
      .option(
        '--keep-days <number>',
        'how long its last recovery points stay protected; after that no rule keeps any of them',
        keepDaysOption,
        DEFAULT_KEEP_DAYS,
      ),
    [
      'modosu server decommission old01 --confirm old01 --reason "replaced by new01"',
      'modosu server decommission old01 --confirm old01 --reason "contract has ended, books are kept for ten years" --keep-days 3653',
    ],
  ).action(async (name: string, { confirm, reason, keepDays }: DecommissionFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<ServerView>(`/v1/servers/${serverSegment(name)}/decommission`, { confirm, reason, keepDays });
    printer.data(value, () => decommissionedText(value));
    printer.note(
      `Decommissioned. What stays, and why: \`modosu retention preview ${value.name}\`; to take it back: \`modosu server recommission ${value.name} --reason TEXT\`.`,
    );
  });
  examples(
    server
      .command('recommission')
      .description('take a decommissioned server back into service: its policy holds again from now on')
      .argument('<server>', 'name or id of the server')
      .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ['modosu server recommission old01 --reason "new01 is not ready"'],
  ).action(async (name: string, options: { readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<ServerView>(`/v1/servers/${serverSegment(name)}/recommission`, { reason: options.reason });
    printer.data(value, () => decommissionedText(value));
    printer.note('In service: its policy holds again from now on.');
  });
}

/** From 1 to 36500. Throws `USAGE`. */
function keepDaysOption(text: string): number {
  const days = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > MAX_KEEP_DAYS) throw new ModosuError('USAGE', `--keep-days takes a whole number from 1 to ${MAX_KEEP_DAYS}, not ${quoted(text)}.`);
  return days;
}

const HOLDING = [
  ['hold', 'let it stay, whatever its policy says, until it is released', 'Held: it stays until it is released.'],
  ['release', 'end a hold: its policy says again how long it stays', 'Released: its policy says how long it stays.'],
] as const;

async function readEstate(context: CliContext, file: string): Promise<Buffer> {
  try {
    return await context.io.readFile(file);
  } catch (error) {
    throw new ModosuError('ESTATE_INVALID', `The estate file ${file} cannot be read: ${messageOf(error)}`, {
      hint: 'Correct the path after -f.',
    });
  }
}
