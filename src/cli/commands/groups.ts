import { Option, type Command } from 'commander';
import type { GroupView } from '../../contracts/api/backup-set';
import type { BackupSetView } from '../../contracts/backup-set';
import { ModosuError } from '../../contracts/errors';
import { groupSelector } from '../../contracts/selectors';
import { idSegment, limitOption, type CliContext } from '../context';
import { backupSetTable, backupSetText, groupTable, groupText } from '../output/backup-sets';
import { waitForBackupSet } from '../watch/waiting';
import { examples, waitOptions, withWait, type WaitFlags } from './options';

interface GroupBackupFlags extends WaitFlags {
  readonly mode: string;
  readonly allowCrashConsistent?: boolean;
  readonly reason: string;
}

/** Sets that `group show` lists. */
const LAST_SETS = 5;

/** Servers that are backed up as a set. `backup` is the command that takes recovery points. */
export function addGroupCommands(program: Command, backup: Command, context: CliContext): void {
  examples(
    withWait(
      backup
        .command('group')
        .description('take an image of every server of a group, frozen as close together as can be: all begin, or none')
        .argument('<group>', 'name of the group')
        .addOption(new Option('--mode <mode>', 'online is the only one: a set cannot be taken offline').choices(['online', 'offline']).default('online'))
        .option('--allow-crash-consistent', 'go on with servers whose file systems cannot be frozen; their recovery points then say "crash"')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    ['modosu backup group shop --reason "before the migration" --wait'],
  ).action(async (name: string, options: GroupBackupFlags, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { mode, allowCrashConsistent, reason } = options;
    const { value: set } = await client.post<BackupSetView>(`/v1/groups/${groupSelector(name)}/backups`, { mode, allowCrashConsistent, reason });
    if (options.wait !== true) {
      printer.data(set, () => backupSetText(set));
      return;
    }
    printer.note(`Backup set ${set.id} is accepted. Safe to close: it goes on by itself.`);
    const ended = await waitForBackupSet(context.io, client, set.id, (text) => printer.note(text), waitOptions(options));
    printer.data(ended, () => backupSetText(ended));
    if (ended.state === 'complete') return;
    throw new ModosuError('RUN_FAILED', `Backup set ${ended.id} is ${ended.state}.`, { hint: `See \`modosu backup-set show ${ended.id}\`.` });
  });

  const group = program.command('group').description('servers that are backed up as a set');
  examples(group.command('list').description('list all groups, with the newest set of each'), ['modosu group list']).action(
    async (_options: unknown, command: Command) => {
      const printer = context.printer(command);
      const groups = await context.list<GroupView>(printer, '/v1/groups', {}, Number.MAX_SAFE_INTEGER);
      printer.data(groups, () => groupTable(groups));
      if (groups.length === 0) printer.note('There is no group yet; declare one under "groups" in the estate file.');
    },
  );
  examples(group.command('show').description('show one group and its last sets').argument('<group>', 'name of the group'), ['modosu group show shop']).action(
    async (name: string, _options: unknown, command: Command) => {
      const printer = context.printer(command);
      const client = await context.client();
      const { value } = await client.get<GroupView>(`/v1/groups/${groupSelector(name)}`);
      if (printer.format !== 'table') {
        printer.data(value, () => '');
        return;
      }
      const { value: last } = await client.get<{ readonly items: readonly BackupSetView[] }>('/v1/backup-sets', { group: value.name, limit: LAST_SETS });
      printer.data(value, () => groupText(value, last.items));
    },
  );

  const backupSet = program.command('backup-set').description('recovery points of several servers that were taken together');
  examples(
    backupSet
      .command('list')
      .description('list backup sets, newest first')
      .option('--group <group>', 'only those of this group')
      .option('--limit <number>', 'how many', limitOption, 50),
    ['modosu backup-set list --group shop'],
  ).action(async (options: { readonly group?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const sets = await context.list<BackupSetView>(printer, '/v1/backup-sets', { group: options.group }, options.limit);
    printer.data(sets, () => backupSetTable(sets));
  });
  examples(
    backupSet
      .command('show')
      .description('show one backup set: its servers, their recovery points, and how far these lie apart')
      .argument('<backup-set>', 'id of the backup set'),
    ['modosu backup-set show set_01j8…'],
  ).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<BackupSetView>(`/v1/backup-sets/${idSegment('set', id)}`);
    printer.data(value, () => backupSetText(value));
  });
}
