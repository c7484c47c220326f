import { EXIT } from '../../src/cli/exit-codes';
import { commandsRun, type RunCommand } from '../support/command-ledger';
import { COMMANDS } from '../support/documentation';
import { askedBy, wordsOf, type Asked } from '../support/inert-program';

/** Commands of the documents that only `npm run test:full` runs, and why. */
const ONLY_FULL: ReadonlyMap<string, string> = new Map();

/** They change how an answer looks, how long it is waited for, or what the audit reads: not what is done. */
const OF_PRESENTATION = /^--(?:wait|timeout|reason|limit|output)(?:=|$)/;
/** What was asked for was done, also where a run that it began has ended otherwise, or goes on. */
const CARRIED_OUT: ReadonlySet<number | null> = new Set([EXIT.done, EXIT.runFailed, EXIT.waitingForPerson, EXIT.timedOut, EXIT.planBlocked, EXIT.interrupted]);

const withoutPresentation = ({ command, options }: Asked): Asked => ({ command, options: options.filter((option) => !OF_PRESENTATION.test(option)) });

interface Documented {
  /** As it stands there, without its comment. */
  readonly text: string;
  readonly page: string;
  /** A line to copy. */
  readonly isWhole: boolean;
  readonly asked: Asked;
}

/** Without names of groups of commands. */
async function documented(): Promise<readonly Documented[]> {
  const all = COMMANDS.map(async ({ page, command, isWhole }) => {
    const words = wordsOf(command).filter((word) => word !== '…');
    const asked = await askedBy(words.slice(1));
    return asked === null ? [] : [{ text: words.join(' '), page, isWhole, asked: withoutPresentation(asked) }];
  });
  return (await Promise.all(all)).flat();
}

async function carriedOut(commands: readonly RunCommand[]): Promise<readonly Asked[]> {
  const all = commands.map(async ({ argv, exitCode, answered }) => {
    // With exit code 1, what was asked for and is not as it should be, such as by `modosu doctor`.
    if (!CARRIED_OUT.has(exitCode) && !(exitCode === EXIT.failed && answered)) return [];
    const asked = await askedBy(argv).catch(() => null);
    return asked === null ? [] : [withoutPresentation(asked)];
  });
  return (await Promise.all(all)).flat();
}

/** One run had all its options: of a line to copy, and no other. Values do not count, but for those that choose between a few words. */
const isRun = ({ asked, isWhole }: Documented, runs: readonly Asked[]): boolean =>
  runs.some(
    ({ command, options }) =>
      command === asked.command && asked.options.every((option) => options.includes(option)) && (!isWhole || options.length === asked.options.length),
  );

/** Nothing of it that is not run stays unsaid: each with the pages where it stands. */
function notRun(commands: readonly Documented[], runs: readonly Asked[]): readonly string[] {
  const pages = new Map<string, Set<string>>();
  for (const { text, page } of commands.filter((command) => !isRun(command, runs))) pages.set(text, (pages.get(text) ?? new Set()).add(page));
  return [...pages].map(([text, named]) => `${text} (${[...named].join(', ')})`);
}

const run = (text: string, exitCode: number | null = 0, answered = false): RunCommand => ({ argv: wordsOf(text).slice(1), exitCode, answered });
const stands = async (text: string, isWhole: boolean): Promise<Documented> => ({
  text,
  page: 'README.md',
  isWhole,
  asked: withoutPresentation((await askedBy(wordsOf(text).slice(1))) as Asked),
});

describe('a command of the documents', () => {
  const LINE = 'modosu restore plan NAME --scenario server --keep-disk vdb';

  it.each([
    ['with another value', 'modosu restore plan db01 --keep-disk vdc --scenario server --timeout 30s', 0],
    ['although it was told that the plan blocks', LINE, EXIT.planBlocked],
  ])('is run %s', async (_how, ran, exitCode) => {
    expect(notRun([await stands(LINE, true)], await carriedOut([run(ran, exitCode)]))).toEqual([]);
  });

  it.each([
    ['without its option', 'modosu restore plan NAME --scenario server', 0],
    ['with another option', `${LINE} --no-data`, 0],
    ['with a word that chooses something else', 'modosu restore plan NAME --scenario data --keep-disk vdb', 0],
    ['as another command', 'modosu restore show NAME', 0],
    ['and refused', LINE, EXIT.usage],
    ['and failed', LINE, EXIT.failed],
    ['and ended by a signal', LINE, null],
    ['to see its help', 'modosu restore plan --help', 0],
  ])('is not run %s', async (_how, ran, exitCode) => {
    expect(notRun([await stands(LINE, true)], await carriedOut([run(ran, exitCode)]))).toEqual([`${LINE} (README.md)`]);
  });

  it('that a sentence names may be run with more', async () => {
    expect(notRun([await stands('modosu restore plan', false)], await carriedOut([run(LINE)]))).toEqual([]);
  });

  it('is run when its answer is no', async () => {
    expect(notRun([await stands('modosu doctor', true)], await carriedOut([run('modosu doctor', EXIT.failed, true)]))).toEqual([]);
  });
});

describe('the documents', () => {
  it('have commands to look at', async () => {
    expect((await documented()).filter(({ isWhole }) => isWhole).length).toBeGreaterThan(100);
  });

  const ran = commandsRun();
  if (ran === null) return;

  it('name no command that no test runs', async () => {
    const isFull = process.env['MODOSU_TEST_FULL'] === '1';
    const commands = (await documented()).filter(({ text }) => isFull || !ONLY_FULL.has(text));
    expect(notRun(commands, await carriedOut(ran))).toEqual([]);
  });
});
