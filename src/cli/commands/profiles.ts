import type { Command } from 'commander';
import { PROFILE_FILE_ENDING, parseProfileFile } from '../../contracts/api/profile-file';
import type { ProfileSummary, ProfileView } from '../../contracts/api/profile-view';
import { isModosuError, ModosuError } from '../../contracts/errors';
import { profileSelector } from '../../contracts/selectors';
import type { CliContext } from '../context';
import { checkedTable, profileTable, profileText, type CheckedProfile } from '../output/profiles';
import { messageOf } from '../thrown';
import { examples } from './options';

/** What is known about software whose servers hold copies of each other's state. */
export function addProfileCommands(program: Command, context: CliContext): void {
  const profile = program.command('profile').description('consistency profiles: what is asked of servers that hold copies of each other’s state');
  examples(profile.command('list').description('list the profiles that relations can name: the shipped ones and your own'), ['modosu profile list']).action(
    async (_options: unknown, command: Command) => {
      const printer = context.printer(command);
      const profiles = await context.list<ProfileSummary>(printer, '/v1/profiles', {}, Number.MAX_SAFE_INTEGER);
      printer.data(profiles, () => profileTable(profiles));
    },
  );
  examples(profile.command('show').description('show the parameters, markers and rules of a profile').argument('<profile>', 'name of the profile'), [
    'modosu profile show postgresql-replication',
    'modosu profile show clock --output yaml',
  ]).action(async (name: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<ProfileView>(`/v1/profiles/${encodeURIComponent(profileSelector(name))}`);
    printer.data(value, () => profileText(value));
  });
  examples(
    profile
      .command('check')
      .description('check files of profiles on this machine, without a server: each error with file, line and column')
      .argument('<file...>', `files of profiles (NAME${PROFILE_FILE_ENDING})`),
    ['modosu profile check session-key.yaml', 'modosu profile check /etc/modosu/profiles/*.yaml --output json'],
  ).action(async (files: readonly string[], _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const checked: CheckedProfile[] = [];
    for (const file of files) checked.push(await check(context, file));
    printer.data(checked, () => checkedTable(checked));
    const errors = checked.flatMap((one) => one.errors);
    if (errors.length === 0) return;
    const wrong = checked.filter((one) => !one.isValid).length;
    throw new ModosuError('PROFILE_INVALID', `${wrong} of ${checked.length} ${checked.length === 1 ? 'profile is' : 'profiles are'} wrong.`, {
      context: { errors },
    });
  });
}

/** Never rejects for what the file is. */
async function check(context: CliContext, file: string): Promise<CheckedProfile> {
  const wrong = (errors: readonly string[]): CheckedProfile => ({ file, isValid: false, name: null, status: null, errors });
  if (!file.endsWith(PROFILE_FILE_ENDING)) return wrong([`${file}: its name has to end with ${PROFILE_FILE_ENDING}`]);
  let content: Uint8Array;
  try {
    content = await context.io.readFile(file);
  } catch (error) {
    return wrong([`${file}: cannot be read: ${messageOf(error)}`]);
  }
  try {
    const { name, status } = parseProfileFile(file, content);
    return { file, isValid: true, name, status, errors: [] };
  } catch (error) {
    if (!isModosuError(error) || error.code !== 'PROFILE_INVALID') throw error;
    return wrong(error.context['errors'] as readonly string[]);
  }
}
