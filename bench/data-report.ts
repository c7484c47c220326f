import { formatBytes } from '../src/contracts/format';
import type { DataSizes } from './data-guest';
import type { DataRound, Pair } from './data-rounds';
import { seconds, stepTable, table, times } from './report';
import { busySeconds, summarise, type Summary } from './statistics';

/** At most so many times what the bare programs take, and so many seconds more. */
export const AIM = { times: 1.2, seconds: 3 };

interface Row {
  readonly what: string;
  readonly modosu: Summary;
  readonly bare: Summary;
}

const limitOf = (bare: Summary): number => AIM.times * bare.median + AIM.seconds;
const safetyOf = ({ modosu: { run } }: Pair): number => busySeconds(run.steps.filter(({ key }) => key === 'safety'));

/** The section about data, from the rounds alone. */
export function dataReport(
  rounds: readonly DataRound[],
  about: { readonly machine: readonly string[]; readonly date: string; readonly sizes: DataSizes },
): string {
  const { files, fileBytes, databaseBytes } = about.sizes;
  const row = (what: string, pick: (round: DataRound) => Pair, without: (pair: Pair) => number = () => 0): Row => ({
    what,
    modosu: summarise(rounds.map((round) => pick(round).modosu.wallSeconds - without(pick(round)))),
    bare: summarise(rounds.map((round) => pick(round).bare)),
  });
  const rows = [
    row('files, backup', (r) => r.files.backup),
    row('files, restore', (r) => r.files.restore),
    row('files, restore without its safety recovery point', (r) => r.files.restore, safetyOf),
    row('database, backup', (r) => r.database.backup),
    row('database, restore', (r) => r.database.restore),
    row('database, restore without its safety recovery point', (r) => r.database.restore, safetyOf),
  ];
  const disturbed = rounds.reduce((sum, round) => sum + round.disturbed, 0);
  const steps = (title: string, pick: (round: DataRound) => Pair): string =>
    stepTable(
      title,
      rounds.map((round) => pick(round).modosu.run.steps),
      null,
    );
  return `## Data of a server

Written by \`npm run bench -- data\` (${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}, ${about.date}).

${about.machine.map((line) => `- ${line}`).join('\n')}

### Method
- One server with PostgreSQL, 512 MiB of memory and one processor, and a qcow2 disk for its data: ${formatBytes(fileBytes)} of random bytes in ${files} files, 100 in a directory; a database with ${Math.round(databaseBytes / 1e6)} MB of random text in rows of 400 characters, with a primary key and one index.
- Each round takes every side once, Modosu first in odd rounds and last in even ones; before each side everything is written back, and nothing of what it will read is in the caches of guest and host.${disturbed > 0 ? ` **${disturbed} of ${rounds.length * 8} sides began although the machine was busy with something else: seconds are too high, and ratios move.**` : ''}
- Both sides run in the same guest and store behind the same REST server (\`rclone serve restic\`), each in a repository of its own. Nothing to be saved is in it before: a file of one line was saved before, so that making the repository is in no time. Ratios are of medians.
- Modosu: from the accepted request to the end of the run, by its own clock.
- Bare, files: \`restic backup\` of the directory, then fsync of the repository; \`restic restore latest\` into an empty directory, then \`sync -f\`. Modosu restores after everything in the directory was deleted.
- Bare, database: \`pg_dump -Fc -Z0\` into a file, \`restic backup\` of it, then fsync of the repository; \`restic restore latest\`, \`createdb\`, \`pg_restore\`, \`ANALYZE\`. Modosu restores the whole database beside the present one, checks it, and exchanges them.
- The bare programs prove nothing: Modosu reads the dump to its end, counts rows, looks for every file, and saves what is there before it restores (\`safety\`).

### Results
Aim: at most ${AIM.times} x the bare programs and ${AIM.seconds} s.

${table(
  ['medians, seconds', 'Modosu', 'bare', 'Modosu against it', 'aim', ''],
  rows.map(({ what, modosu, bare }) => [
    what,
    seconds(modosu.median),
    seconds(bare.median),
    times(modosu.median / bare.median),
    `at most ${seconds(limitOf(bare))}`,
    modosu.median <= limitOf(bare) ? 'met' : '**missed**',
  ]),
)}

### Where the time goes
Medians of the steps; what lies between them is in neither list.

${steps('backup of files', (r) => r.files.backup)}

${steps('restore of files', (r) => r.files.restore)}

${steps('backup of the database', (r) => r.database.backup)}

${steps('restore of the database', (r) => r.database.restore)}
`;
}
