import { Command, CommanderError, Option } from 'commander';
import { isModosuError, ModosuError, toModosuError } from '../contracts/errors';
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
import { addBackupCommands, addRunCommands } from './commands/runs';
import { addOffsiteCommands } from './commands/offsite';
import { addProtectionCommands } from './commands/protection';
import { addVerificationCommands } from './commands/verifications';
import { addTokenCommands } from './commands/tokens';
import { CliContext } from './context';
import { EXIT, exitCodeOf } from './exit-codes';
import { line, processIo, type CliIo } from './io';
import { OUTPUT_FORMATS } from './output/printer';
import { plain } from './output/text';
import { Interrupted } from './watch/waiting';

/** Commands that are roles of the program, not requests to the API: `src/roles/main.ts` carries them out before it asks the CLI. */
const ROLES: readonly (readonly [string, string])[] = [
  ['up', 'run everything on this machine: API, worker, PostgreSQL, Temporal'],
  ['api', 'run the API only'],
  ['worker', 'run a worker only'],
  ['migrate', 'bring the database schema up to date'],
  ['doctor', 'check everything a run needs, and say what to do'],
  ['catalog', 'keep the restore system itself from being lost, and rebuild it: key | copy | copies | rebuild | compare'],
  ['data-repository', 'begin data repositories anew whose storage is lost: renew (--server NAME … | --all) --reason TEXT [--dry-run]'],
  ['support-bundle', 'pack logs, configuration and the newest runs without secrets: [--file PATH]'],
];

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
  for (const [name, description] of ROLES) {
    program
      .command(name)
      .description(description)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new ModosuError('USAGE', `\`${name}\` is a role of the program, not a request to the API.`, { hint: `Start it as \`modosu ${name}\`.` });
      });
  }
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
  const failure = toModosuError(error);
  line(io.stderr, `error: ${failure.code}: ${plain(failure.message)}`);
  const { errors, runId, requestId } = failure.context;
  if (Array.isArray(errors)) for (const text of errors as readonly string[]) line(io.stderr, `  ${plain(text)}`);
  if (typeof runId === 'string') line(io.stderr, `run:   ${plain(runId)}`);
  if (typeof requestId === 'string') line(io.stderr, `request: ${plain(requestId)}`);
  line(io.stderr, `hint:  ${plain(failure.hint)}`);
  if (!isModosuError(error) && io.env['MODOSU_DEBUG'] === '1' && error instanceof Error) line(io.stderr, error.stack ?? '');
  return exitCodeOf(failure.code);
}
