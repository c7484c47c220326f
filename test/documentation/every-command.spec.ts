import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EXIT } from '../../src/cli/exit-codes';
import { commandsRun, type RunCommand } from '../support/command-ledger';
import { COMMANDS, pageText, SHELL } from '../support/documentation';
import { askedBy, wordsOf, type Asked } from '../support/inert-program';

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

/** Blocks of other commands than Modosu's, by page, heading and how they begin, and the spec that takes them from there and types them. */
const TYPED: readonly (readonly [page: string, heading: string, spec: string, beginning?: string])[] = [
  ['README.md', 'Your first server', 'test/e2e/backup-and-restore.spec.ts', 'virsh '],
  ['docs/API.md', '', 'test/integration/api-page.spec.ts'],
  ['docs/API.md', 'A tool that tells of what it changes', 'test/integration/api-page.spec.ts'],
  ['docs/DATA-REPOSITORY-FORMAT.md', 'Restoring by hand', 'test/contract/restic-by-hand.spec.ts'],
  ['docs/OFFSITE.md', 'Mending', 'test/contract/restic-by-hand.spec.ts'],
  ['docs/OFFSITE.md', 'Reading a copy with restic alone', 'test/contract/restic-by-hand.spec.ts'],
  ['docs/OFFSITE.md', 'The catalogue beside it', 'test/contract/restic-by-hand.spec.ts'],
  ['docs/OFFSITE.md', 'What somebody has removed', 'test/contract/offsite-repository.s3.spec.ts'],
  ['docs/OPERATIONS.md', 'The OS no longer starts, the data disk is intact', 'test/e2e/salvage.spec.ts'],
  ['docs/REPOSITORY-FORMAT.md', 'Restoring by hand', 'test/contract/restoring-by-hand.libvirt.spec.ts'],
  ['docs/REPOSITORY-FORMAT.md', 'If the marker is lost', 'test/contract/restoring-by-hand.libvirt.spec.ts'],
];
/** Lines that no test runs, by page, as CONTRIBUTING.md says why: `npm …` is whatever begins with `npm `. */
const UNTYPED: readonly (readonly [page: string, beginning: string])[] = [
  ...(/^\| commands that no test runs \|.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(pageText('CONTRIBUTING.md'))?.[1] ?? '').matchAll(/^\| (.*?) \| (.*?) \|/gm),
].flatMap(([, commands = '', pages = '']) =>
  [...commands.matchAll(/`([^`]+)`/g)].flatMap(([, command = '']) => pages.split(', ').map((page) => [page, command.replace(/ …$/, ' ')] as const)),
);

describe('commands of other programs in the documents', () => {
  const others = SHELL.flatMap(({ page, heading, text }) =>
    text
      .split('\n')
      .filter((line) => line !== '' && !/^(?:#|(?:bin\/)?modosu )/.test(line))
      .map((line) => ({ page, heading, text, line })),
  );
  const isTyped = ({ page, heading, text }: (typeof others)[number]): boolean =>
    TYPED.some(([ofPage, ofHeading, , beginning = '']) => ofPage === page && ofHeading === heading && text.startsWith(beginning));
  const isNamed = ({ page, line }: (typeof others)[number]): boolean => UNTYPED.some((one) => one[0] === page && line.startsWith(one[1]));

  it('are typed by a test, or CONTRIBUTING.md says why they are not', () => {
    expect(others.length).toBeGreaterThan(50);
    expect(others.filter((other) => !isTyped(other) && !isNamed(other)).map(({ page, line }) => `${page}: ${line}`)).toEqual([]);
  });

  it.each(TYPED.map(([page, heading, spec]) => [page, heading, spec] as const))('of %s, "%s" are taken from there by %s', (page, heading, spec) => {
    expect(others.some((other) => other.page === page && other.heading === heading)).toBe(true);
    const text = readFileSync(join(__dirname, '../..', spec), 'utf8');
    expect(text).toContain(basename(page));
    expect(text).toContain(heading.startsWith('A tool') ? 'docs/API.md' : heading);
  });

  it.each(UNTYPED)('of %s, CONTRIBUTING.md names none that is not there: %s', (page, beginning) => {
    expect(others.some((other) => other.page === page && other.line.startsWith(beginning))).toBe(true);
  });
});

describe('the documents', () => {
  it('have commands to look at', async () => {
    expect((await documented()).filter(({ isWhole }) => isWhole).length).toBeGreaterThan(100);
  });

  const ran = commandsRun();
  if (ran === null) return;

  it('name no command that no test runs', async () => {
    expect(notRun(await documented(), await carriedOut(ran))).toEqual([]);
  });
});
