import type { Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import type { RestorePlanView } from '../../contracts/plan';
import type { RestoreSetView } from '../../contracts/restore-set';
import { groupSelector, serverSelector } from '../../contracts/selectors';
import type { ApiClient } from '../api-client';
import { durationOption, idSegment, limitOption, type CliContext } from '../context';
import { EXIT } from '../exit-codes';
import { blocks } from '../output/plans';
import type { Printer } from '../output/printer';
import { restoreSetTable, restoreSetText, setWaitsForPerson } from '../output/restore-sets';
import { waitForRestoreSet } from '../watch/restore-set';
import { examples, several, waitOptions, withWait, type WaitFlags } from './options';
import { PLAN_TIMEOUT_MS } from './plans';
import { acceptedOf, withAcceptance, type AcceptanceFlags } from './acceptance';

interface PlanSetFlags {
  readonly group?: string;
  readonly incidentAt?: string;
  readonly leaveChanges?: true;
  readonly timeout: number;
}

interface RunSetFlags extends WaitFlags, AcceptanceFlags {
  readonly reason: string;
  readonly confirm: readonly string[];
}

/** Servers that are restored together: `plan-set` and `run-set` of `restore`, and `restore-set`. */
export function addRestoreSetCommands(program: Command, restore: Command, context: CliContext): void {
  examples(
    restore
      .command('plan-set')
      .description('choose recovery points of several servers that agree with each other, and plan their restore; changes nothing')
      .argument('[servers...]', 'names or ids; the first is the one whose data counts most')
      .option('--group <group>', 'all servers of this group, in its order')
      .option('--incident-at <time>', 'when it happened, such as 2026-03-01T02:10:00Z; no recovery point is younger')
      .option('--leave-changes', 'do not apply the configuration changes again that are lost, nor wait for people who do')
      .option('--timeout <time>', 'how long to wait for the plans', durationOption, PLAN_TIMEOUT_MS),
    ['modosu restore plan-set db01 db02', 'modosu restore plan-set --group shop --incident-at 2026-03-01T02:10:00Z'],
  ).action(async (servers: readonly string[], options: PlanSetFlags, command: Command) => {
    const printer = context.printer(command);
    const { group, incidentAt, leaveChanges } = options;
    if ((servers.length === 0) === (group === undefined)) throw new ModosuError('USAGE', 'Name the servers, or a group with --group.');
    const named = group === undefined ? { servers: servers.map(serverSelector) } : { group: groupSelector(group) };
    const client = await context.client();
    const { value: accepted } = await client.post<RestoreSetView>('/v1/restore-sets', { ...named, incidentAt, leaveChanges });
    const isMade = ({ state }: RestoreSetView): boolean => state !== 'planning';
    const set = await waitForRestoreSet(context.io, client, accepted.id, (text) => printer.note(text), isMade, { timeoutMs: options.timeout });
    const plans = await showSet(printer, client, set);
    if (set.state === 'failed') throw new ModosuError('PLAN_FAILED', `Restore set ${set.id} could not be planned: ${set.problem ?? 'see its servers'}`);
    if (!plans.some(({ body }) => body !== null && blocks(body))) return;
    printer.note('A plan of this set has blocking findings.');
    context.exitCode = EXIT.planBlocked;
  });

  examples(
    withWait(
      withAcceptance(
        restore
          .command('run-set')
          .description('carry all plans of a set out: all servers are replaced and wait in quarantine before the first goes live, then one after another does')
          .argument('<restore-set>', 'id of the restore set')
          .requiredOption('--reason <text>', 'why; it goes into the audit')
          .requiredOption('--confirm <name>', 'the name of a server that is restored, typed again; for each of them', several),
      ),
    ),
    ['modosu restore run-set rset_01j8… --reason "both disks died" --confirm db01 --confirm db02 --wait'],
  ).action(async (id: string, options: RunSetFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { reason, confirm } = options;
    const path = `/v1/restore-sets/${idSegment('rset', id)}`;
    const { value: set } = await client.post<RestoreSetView>(`${path}/run`, { reason, confirm, ...acceptedOf(options) });
    if (options.wait !== true) {
      await showSet(printer, client, set);
      return;
    }
    printer.note(`Restore set ${set.id} is accepted. Safe to close: it goes on by itself.`);
    const isOver = (now: RestoreSetView): boolean => now.state !== 'running' || setWaitsForPerson(now);
    const ended = await waitForRestoreSet(context.io, client, set.id, (text) => printer.note(text), isOver, waitOptions(options));
    await showSet(printer, client, ended);
    if (ended.state === 'succeeded') return;
    if (setWaitsForPerson(ended)) {
      context.exitCode = EXIT.waitingForPerson;
      return;
    }
    throw new ModosuError('RUN_FAILED', `Restore set ${ended.id} is ${ended.state}: ${ended.problem ?? ''}`.trim(), {
      hint: `See \`modosu restore-set show ${ended.id}\`.`,
    });
  });

  const restoreSet = program.command('restore-set').description('servers that are restored together');
  examples(restoreSet.command('list').description('list restore sets, newest first').option('--limit <number>', 'how many', limitOption, 50), [
    'modosu restore-set list',
  ]).action(async ({ limit }: { readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const sets = await context.list<RestoreSetView>(printer, '/v1/restore-sets', {}, limit);
    printer.data(sets, () => restoreSetTable(sets));
  });
  examples(
    restoreSet
      .command('show')
      .description('show a restore set: its servers, how their recovery points were chosen, how far it is')
      .argument('<restore-set>', 'id of the restore set'),
    ['modosu restore-set show rset_01j8…'],
  ).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<RestoreSetView>(`/v1/restore-sets/${idSegment('rset', id)}`);
    await showSet(printer, client, value);
  });
}

/** With the findings of its plans, as long as it was not carried out. Gives the plans that it has read. */
async function showSet(printer: Printer, client: ApiClient, set: RestoreSetView): Promise<readonly RestorePlanView[]> {
  const plans: RestorePlanView[] = [];
  if (set.state === 'planned') {
    for (const { planId } of set.members) {
      if (planId !== null) plans.push((await client.get<RestorePlanView>(`/v1/restore-plans/${encodeURIComponent(planId)}`)).value);
    }
  }
  printer.data(set, () => restoreSetText(set, plans, printer));
  return plans;
}
