import { InvalidArgumentError, Option, type Command } from 'commander';
import { APPLY_TIMEOUT_SECONDS, CHANGE_STATES, type ApplyAgain, type ChangeView } from '../../contracts/change';
import { ModosuError } from '../../contracts/errors';
import { idSegment, limitOption, serverSegment, type CliContext } from '../context';
import { changeTable, changeText } from '../output/changes';
import { takeByHand, waitForChangeImage } from '../watch/change-image';
import { examples, waitOptions, withWait, type WaitFlags } from './options';

interface OpenFlags {
  readonly title: string;
  readonly ticket?: string;
  readonly author?: string;
  readonly applyText?: string;
  readonly applyCommand?: readonly string[];
  readonly applyTimeout: number;
  readonly externalId?: string;
}

function applyAgainOf({ applyText, applyCommand, applyTimeout }: OpenFlags): ApplyAgain | null {
  if (applyText !== undefined && applyCommand !== undefined) {
    throw new ModosuError('USAGE', '--apply-text and --apply-command exclude each other: one of the two says how the change is made again.');
  }
  if (applyText !== undefined) return { kind: 'text', text: applyText };
  const [program, ...rest] = applyCommand ?? [];
  return program === undefined ? null : { kind: 'command', argv: [program, ...rest], timeoutSeconds: applyTimeout };
}

/** A JSON array, so that no shell's rules are needed to tell where an argument ends. */
function argvOption(text: string): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (Array.isArray(value) && value.length > 0 && value.every((part): part is string => typeof part === 'string')) return value;
  throw new InvalidArgumentError('Give a JSON array of program and arguments, such as \'["/usr/bin/apt-get","install","-y","nginx"]\'.');
}

function secondsOption(text: string): number {
  const seconds = Number(text);
  const { min, max } = APPLY_TIMEOUT_SECONDS;
  if (Number.isInteger(seconds) && seconds >= min && seconds <= max) return seconds;
  throw new InvalidArgumentError(`Give whole seconds from ${min} to ${max}.`);
}

/** Of a change that is complete, and that no image contains yet. */
function whenImageComes(change: ChangeView): string {
  const { id, serverName, imageComes } = change;
  if (imageComes === 'by-itself') return `An image is due: see \`modosu due-backup list --server ${serverName}\`, or \`modosu change show ${id}\`.`;
  if (imageComes === 'with-schedule') {
    return `No image is taken because of it: server "${serverName}" is imaged offline, and the next image of its schedule contains the change. To have one now, which stops the server: ${takeByHand(change)}.`;
  }
  if (change.inServer === 'yes') {
    return `No image is taken because of it any more: the run that was to take it has ended without. The next image of server "${serverName}" contains it. To have one now: ${takeByHand(change)}.`;
  }
  return `No image is taken because of it: server "${serverName}" has gone back to a time before it. See \`modosu change show ${id}\`.`;
}

/** What is changed on servers on purpose: after each change an image is taken, and every generation says which it contains. */
export function addChangeCommands(program: Command, context: CliContext): void {
  const change = program
    .command('change')
    .description('configuration changes: register them, so that each is followed by an image, and missed after a restore');
  examples(
    change
      .command('open')
      .description('register a change that is being made')
      .argument('<server>', 'name of the server')
      .requiredOption('--title <text>', 'what is changed, as people say it')
      .option('--ticket <text>', 'where it was asked for and agreed on')
      .option('--author <text>', 'who makes it; the owner of the token where left out')
      .option('--apply-text <text>', 'how people make it again after the server has gone back to a time before it')
      .option('--apply-command <json>', 'or the program in the guest that does, with its arguments, as a JSON array; no secrets', argvOption)
      .option('--apply-timeout <seconds>', 'how long that program may take', secondsOption, APPLY_TIMEOUT_SECONDS.default)
      .option('--external-id <text>', 'the name that a tool has for it: the same again is the same change'),
    [
      'modosu change open db01 --title "Install the LDAP client" --ticket OPS-12',
      'modosu change open db01 --title "Install the LDAP client" --apply-command \'["/usr/bin/apt-get","install","-y","ldap-utils"]\'',
    ],
  ).action(async (server: string, options: OpenFlags, command: Command) => {
    const printer = context.printer(command);
    const { title, ticket = null, author = null, externalId = null } = options;
    const body = { title, ticket, author, externalId, applyAgain: applyAgainOf(options) };
    const client = await context.client();
    const { value } = await client.post<ChangeView>(`/v1/servers/${serverSegment(server)}/changes`, body);
    printer.data(value, () => changeText(value));
    printer.note(`When it is done: \`modosu change complete ${value.id}\`.`);
  });

  examples(
    withWait(
      change
        .command('complete')
        .description(
          'say that a change is done: an image of the server is taken, which is the next generation (offline: with the schedule). --wait: until it is there',
        )
        .argument('<change>', 'id of the change')
        .option('--made-again', 'of one that was begun before the server went back in time: it was made again from the beginning since'),
    ),
    ['modosu change complete chg_01j8… --wait', 'modosu change complete chg_01j8… --made-again'],
  ).action(async (id: string, options: WaitFlags & { readonly madeAgain?: boolean }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<ChangeView>(`/v1/changes/${idSegment('chg', id)}/complete`, options.madeAgain === true ? { madeAgain: true } : {});
    if (options.wait !== true || value.recoveryPointId !== null) {
      printer.data(value, () => changeText(value));
      if (value.recoveryPointId === null) {
        printer.note(whenImageComes(value));
      }
      return;
    }
    if (value.imageComes === 'by-itself') printer.note(`Change ${value.id} is complete, and an image is due. Safe to close: it is taken by itself.`);
    const ended = await waitForChangeImage(context.io, client, value, (text) => printer.note(text), waitOptions(options));
    printer.data(ended, () => changeText(ended));
  });

  examples(
    change
      .command('cancel')
      .description('say that a change was not carried out, or was taken back')
      .argument('<change>', 'id of the change')
      .requiredOption('--reason <text>', 'why; it goes into the audit'),
    ['modosu change cancel chg_01j8… --reason "postponed to next week"'],
  ).action(async (id: string, { reason }: { readonly reason: string }, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.post<ChangeView>(`/v1/changes/${idSegment('chg', id)}/cancel`, { reason });
    printer.data(value, () => changeText(value));
  });

  examples(
    change
      .command('list')
      .description('list changes, newest first')
      .option('--server <server>', 'only those of this server')
      .addOption(new Option('--state <state>', 'only those in this state').choices(CHANGE_STATES))
      .option('--limit <number>', 'how many', limitOption, 100),
    ['modosu change list --server db01', 'modosu change list --state open'],
  ).action(async (options: { readonly server?: string; readonly state?: string; readonly limit: number }, command: Command) => {
    const printer = context.printer(command);
    const changes = await context.list<ChangeView>(printer, '/v1/changes', { server: options.server, state: options.state }, options.limit);
    printer.data(changes, () => changeTable(changes));
  });

  examples(
    change
      .command('show')
      .description('show one change: which generation contains it, and whether the server has it now')
      .argument('<change>', 'id of the change'),
    ['modosu change show chg_01j8…'],
  ).action(async (id: string, _options: unknown, command: Command) => {
    const printer = context.printer(command);
    const client = await context.client();
    const { value } = await client.get<ChangeView>(`/v1/changes/${idSegment('chg', id)}`);
    printer.data(value, () => changeText(value));
  });
}
