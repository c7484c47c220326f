import { ModosuError } from '../../contracts/errors';
import { words } from '../../domain/postgresql/words';
import type { DatabaseServer } from './database-server';
import { failureOf } from '../guest-process';
import { insideSpool } from './guest-programs';

/** Removing large files takes a while on slow storage. */
const REMOVE_MS = 600_000;

/**
 * See `Postgresql.makeDirectory`. Nothing that exists is given another owner or another mode, and no link is followed: the account could have put one there.
 */
export async function makeDirectory(server: DatabaseServer, directory: string): Promise<void> {
  const { spoolDirectory } = server.dataSet;
  insideSpool(spoolDirectory, directory, 'direct');
  const { programs } = server;
  const owner = await programs.owner();
  const give = async (path: string): Promise<void> => {
    if (owner !== null) await programs.output(['chown', '-h', '--', `${owner.uid}:${owner.gid}`, path], { asAgent: true });
  };
  const told = await programs.output(['mkdir', '-p', '-v', '-m', '0700', '--', spoolDirectory], { asAgent: true });
  if (told !== '') await give(spoolDirectory);
  const made = await programs.run(['mkdir', '-m', '0700', '--', directory], { asAgent: true });
  if (made.exitCode === 0) return give(directory);
  if (!/File exists/.test(made.stderr)) throw failureOf('mkdir', made, 'AGENT_COMMAND_FAILED');
  const [, uid = '', kind = ''] = /^(\d{1,10}) ([a-z ]+)\n$/.exec(await programs.output(['stat', '-c', '%u %F', '--', directory], { asAgent: true })) ?? [];
  if (kind !== 'directory' || (owner !== null && uid !== owner.uid)) {
    throw new ModosuError('DATA_RESTORE_FAILED', `${words(directory, 200)} in the guest is not a directory of the account that the database programs run as.`);
  }
}

/** See `Postgresql.discard`. */
export async function discardDirectory(server: DatabaseServer, directory: string): Promise<void> {
  insideSpool(server.dataSet.spoolDirectory, directory, 'direct');
  await server.programs.output(['rm', '-rf', '--one-file-system', '--', directory], { asAgent: true, timeoutMs: REMOVE_MS });
}
