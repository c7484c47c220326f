import { Command, CommanderError, Option } from 'commander';
import { addAuditCommands } from './commands/audit';
import { addChangeCommands } from './commands/changes';
import { addCompletionCommands } from './commands/completion';
import { addExplainCommand } from './commands/explain';
import { addGenerationCommands } from './commands/generations';
import { addGroupCommands } from './commands/groups';
import { addInventoryCommands } from './commands/inventory';
import { addDecisionCommands, addWayBackCommands } from './commands/decisions';
import { addProfileCommands } from './commands/profiles';
import { addRelationCommands } from './commands/relations';
import { addRestoreCommands } from './commands/restores';
import { addRoleCommands } from './commands/roles';
import { addBackupCommands, addRunCommands } from './commands/runs';
import { addOffsiteCommands } from './commands/offsite';
import { addProtectionCommands } from './commands/protection';
import { addVerificationCommands } from './commands/verifications';
import { addTokenCommands } from './commands/tokens';
import { CliContext } from './context';
import { EXIT } from './exit-codes';
import { tellFailure } from './failure';
import { line, processIo, type CliIo } from './io';
import { OUTPUT_FORMATS } from './output/printer';
import { Interrupted } from './watch/waiting';

export interface CliOptions {
  /** Absent: the process's own. */
  readonly io?: Partial<CliIo>;
  /** For `--version`. */
  readonly version?: string;
}

/**
 * Runs one command of the CLI and gives its exit code. `argv` holds the arguments after the program's name. Never rejects and never ends the process.
 */
export async function runCli(argv: readonly string[], { io: given, version }: CliOptions = {}): Promise<number> {
  const io: CliIo = { ...processIo(), ...given };
  const context = new CliContext(io);
  try {
    await buildProgram(context, version).parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return report(io, error);
  }
}

/** The whole command tree; what a command does is not done before it is parsed. */
export function buildProgram(context: CliContext, version: string | undefined): Command {
  const { io } = context;
  const program = new Command('modosu')
    .description('Puts virtual servers back: durable restores with a plan to read first.')
    .addOption(new Option('-o, --output <format>', 'form of the data on standard output').choices(OUTPUT_FORMATS).default('table'))
    .exitOverride()
    .configureOutput({ writeOut: (text) => void io.stdout.write(text), writeErr: (text) => void io.stderr.write(text) })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', HELP);
  if (version !== undefined) program.version(version, '-V, --version', 'show the version');
  addRoleCommands(program);
  addInventoryCommands(program, context);
  addProtectionCommands(program, context);
  addVerificationCommands(program, context);
  addOffsiteCommands(program, context);
  addGroupCommands(program, addBackupCommands(program, context), context);
  addRelationCommands(program, context);
  addProfileCommands(program, context);
  addChangeCommands(program, context);
  addGenerationCommands(program, context);
  addRestoreCommands(program, context);
  addDecisionCommands(addRunCommands(program, context), context);
  addWayBackCommands(program, context);
  addAuditCommands(program, context);
  addExplainCommand(program, context);
  addTokenCommands(program, context);
  addCompletionCommands(program, context);
  return program;
}

const HELP = `
Where and who:
  MODOSU_API_URL     address of the API; else that of the running \`modosu up\`, else http://127.0.0.1:7400
  MODOSU_TOKEN       token, or MODOSU_TOKEN_FILE: a file with it; else the one \`modosu up\` has written
  MODOSU_STATE_DIR   state directory of \`modosu up\` (default /var/lib/modosu)
  NO_COLOR           no colours

Exit codes:
  0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 run failed, 7 waiting for a person, 8 timed out,
  9 plan has blocking findings, 10 API unreachable, 130 interrupted (the run goes on)`;

function report(io: CliIo, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof Interrupted) {
    line(io.stderr, error.message);
    return EXIT.interrupted;
  }
  return tellFailure(io, error);
}
