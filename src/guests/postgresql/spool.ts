import { ModosuError } from '../../contracts/errors';
import { words } from '../../domain/postgresql-words';
import type { DatabaseServer } from './database-server';
import { complaintOf, insideSpool } from './guest-programs';

/** Removing large files takes a while on slow storage. */
const REMOVE_MS = 600_000;

/** See `Postgresql.makeDirectory`. Nothing that exists is given another owner or another mode, and no link is followed: the account could have put one there. */
export async function makeDirectory(server: DatabaseServer, directory: string): Promise<void> {
  const { spoolDirectory } = server.dataSet;
  insideSpool(spoolDirectory, directory, 'direct');
  const { programs } = server;
  const parent = spoolDirectory.slice(0, spoolDirectory.replace(/\/+$/, '').lastIndexOf('/'));
  if (parent !== '') await programs.output(['mkdir', '-p', '--', parent], { asAgent: true });
  await makeOwn(server, spoolDirectory);
  const owner = await programs.owner();
  const found = await makeOwn(server, directory);
  if (found.kind !== 'directory' || (owner !== null && found.uid !== owner.uid)) {
    throw new ModosuError('DATA_RESTORE_FAILED', `${words(directory, 200)} in the guest is not a directory of the account that the database programs run as.`);
  }
}

async function makeOwn(server: DatabaseServer, path: string): Promise<{ readonly kind: string; readonly uid: string }> {
  const { programs } = server;
  const made = await programs.run(['mkdir', '-m', '0700', '--', path], { asAgent: true });
  const owner = await programs.owner();
  if (made.exitCode === 0 && owner !== null) await programs.output(['chown', '-h', '--', `${owner.uid}:${owner.gid}`, path], { asAgent: true });
  if (made.exitCode !== 0 && !/File exists/.test(made.stderr)) throw complaintOf('mkdir', made);
  const [, uid = '', kind = ''] = /^(\d{1,10}) ([a-z ]+)\n$/.exec(await programs.output(['stat', '-c', '%u %F', '--', path], { asAgent: true })) ?? [];
  return { kind, uid };
}

/** See `Postgresql.discard`. */
export async function discardDirectory(server: DatabaseServer, directory: string): Promise<void> {
  insideSpool(server.dataSet.spoolDirectory, directory, 'direct');
  await server.programs.output(['rm', '-rf', '--one-file-system', '--', directory], { asAgent: true, timeoutMs: REMOVE_MS });
}
