import { Option, type Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import { VERIFICATION_STATES, type VerificationMethod, type VerificationView } from '../../contracts/verification';
import { idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { verificationTable, verificationText } from '../output/verifications';
import { waitForVerification } from '../watch/waiting';
import { examples, waitOptions, withWait, type WaitFlags } from './options';

interface Wanted {
  readonly dataOf?: string;
  readonly bootOf?: string;
  readonly boot?: true;
}

/** Where it is asked for, and how it is to be done. */
function wanted(id: string | undefined, { dataOf, bootOf, boot }: Wanted): { readonly path: string; readonly method: VerificationMethod } {
  const named = [id, dataOf, bootOf].filter((one) => one !== undefined);
  if (named.length !== 1) {
    throw new ModosuError('USAGE', 'Name a recovery point, or a server with --data-of or --boot-of: one of the three.', {
      hint: 'See `modosu verify --help`.',
    });
  }
  if (id !== undefined) return { path: `/v1/recovery-points/${idSegment('rp', id)}`, method: boot === true ? 'boot' : 'checksums' };
  if (boot === true) throw new ModosuError('USAGE', '--boot goes with a recovery point; of a server its newest image is booted with --boot-of.');
  return dataOf === undefined
    ? { path: `/v1/servers/${serverSegment(bootOf ?? '')}`, method: 'boot' }
    : { path: `/v1/servers/${serverSegment(dataOf)}`, method: 'structure' };
}

/** Whether stored recovery points are what was written, and come up. */
export function addVerificationCommands(program: Command, context: CliContext): void {
  examples(
    withWait(
      program
        .command('verify')
        .description('have all bytes of a recovery point, or all data of a server, read again; or an image booted, to see that it comes up')
        .argument('[recovery-point]', 'id of the recovery point')
        .option('--boot', 'instead of reading it, boot the image without any network, wait for its agent, make its health checks, and throw it away')
        .option('--data-of <server>', 'instead: all data of this server')
        .option('--boot-of <server>', 'instead: boot the newest image of this server')
        .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ),
    [
      'modosu verify rp_01j8… --reason "before the migration" --wait',
      'modosu verify --data-of db01 --reason "the storage was mended" --wait',
      'modosu verify --boot-of db01 --reason "does it come up?" --wait',
    ],
  ).action(async (id: string | undefined, options: WaitFlags & Wanted & { readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const { path, method } = wanted(id, options);
    const client = await context.client();
    const { value } = await client.post<VerificationView>(`${path}/verifications`, { reason: options.reason, method });
    if (options.wait !== true) {
      printer.data(value, () => verificationText(value));
      return;
    }
    printer.note(`Verification ${value.id} is written down. Safe to close: it goes on by itself.`);
    const ended = await waitForVerification(context.io, client, value.id, (text) => printer.note(text), waitOptions(options));
    printer.data(ended, () => verificationText(ended));
    if (ended.error !== null) throw ModosuError.fromSummary(ended.error);
  });

  const verification = program.command('verification').description('recovery points that were read again, and what that has found');
  examples(
    verification
      .command('list')
      .description('list verifications, newest first')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...VERIFICATION_STATES]))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu verification list --state failed'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const found = await context.list<VerificationView>(printer, '/v1/verifications', { server: options.server, state: options.state }, options.limit);
    printer.data(found, () => verificationTable(found));
  });
  examples(verification.command('show').description('show one verification').argument('<verification>', 'id of the verification'), [
    'modosu verification show vrf_01j8…',
  ]).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<VerificationView>(`/v1/verifications/${idSegment('vrf', id)}`);
    printer.data(value, () => verificationText(value));
  });
  examples(
    verification
      .command('cancel')
      .description('stop a verification; nothing is known by it then')
      .argument('<verification>', 'id of the verification')
      .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ['modosu verification cancel vrf_01j8… --reason "the storage is needed"'],
  ).action(async (id: string, options: { readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<VerificationView>(`/v1/verifications/${idSegment('vrf', id)}/cancel`, { reason: options.reason });
    printer.data(value, () => verificationText(value));
  });
}
