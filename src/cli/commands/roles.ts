import { Option, type Command } from 'commander';
import { ModosuError } from '../../contracts/errors';
import { ROLE_COMMANDS, ROLE_GROUPS, type RoleOption } from '../role-commands';
import { examples, several } from './options';

/** Roles of the program, for help, completion and a wrong call: the program has carried them out before it asks the CLI. */
export function addRoleCommands(program: Command): void {
  const groups = new Map<string, Command>();
  for (const { path, description, givesData, options, examples: lines } of ROLE_COMMANDS) {
    const [first = '', second] = path.split(' ');
    const group = groups.get(first) ?? (second === undefined ? program : groupOf(program, first));
    if (group !== program) groups.set(first, group);
    const command = examples(group.command(second ?? first).description(description), lines);
    if (!givesData) command.configureHelp({ showGlobalOptions: false });
    for (const [name, option] of Object.entries(options)) command.addOption(declared(name, option));
    command.action(() => {
      throw new ModosuError('USAGE', `\`${path}\` is a role of the program, not a request to the API.`, { hint: `Start it as \`modosu ${path}\`.` });
    });
  }
}

/** Without a `help` of its own: a role does not know that word. */
const groupOf = (program: Command, name: string): Command =>
  program
    .command(name)
    .description(ROLE_GROUPS[name] ?? '')
    .helpCommand(false);

function declared(name: string, { short, value, isRepeated, description }: RoleOption): Option {
  const option = new Option(`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`, description);
  return isRepeated === true ? option.argParser(several) : option;
}
