import { appendFileSync, readFileSync } from 'node:fs';

/** Names a file in which the commands that tests run are written down; absent where nobody asks afterwards. */
const LEDGER = 'MODOSU_TEST_LEDGER';

export interface RunCommand {
  /** After the program's name. */
  readonly argv: readonly string[];
  /** Null: a signal ended it. */
  readonly exitCode: number | null;
  /** Something was printed for who asked, not only for who watches. */
  readonly answered: boolean;
}

/** One write to the end of the file a command: those of workers beside each other stand one after the other. */
export function writeDown(argv: readonly string[], exitCode: number | null, stdout: string): void {
  const ledger = process.env[LEDGER];
  if (ledger) appendFileSync(ledger, `${JSON.stringify({ argv, exitCode, answered: stdout !== '' } satisfies RunCommand)}\n`);
}

/** Null without a ledger. */
export function commandsRun(): readonly RunCommand[] | null {
  const ledger = process.env[LEDGER];
  if (!ledger) return null;
  return readFileSync(ledger, 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as RunCommand);
}
