import { formatBytes } from '../src/contracts/format';
import { CHANGED_BYTES } from './change';
import type { Side } from './increment-peers';
import { WIDE_DISK_BYTES, type IncrementRound } from './increment-rounds';
import { atLeast, atMost, seconds, stepTable, table, targetTable, times, whose, type Target } from './report';
import { DISK_BYTES, RANDOM_BYTES } from './server';
import { summarise, type Summary } from './statistics';

/** What incremental images may cost. */
const AIM = { timesFasterThanNbd: 1.2, secondsBeyondPush: 1, timesOnTheLargeDisk: 1.3 };

/** The section about incremental images, from the rounds alone. */
export function incrementReport(rounds: readonly IncrementRound[], about: { readonly machine: readonly string[]; readonly date: string }): string {
  const of = (pick: (round: IncrementRound) => Side): { readonly took: Summary; readonly written: Summary } => ({
    took: summarise(rounds.map((round) => pick(round).seconds)),
    written: summarise(rounds.map((round) => pick(round).writtenBytes)),
  });
  const narrow = { modosu: of((r) => r.narrow.modosu), push: of((r) => r.narrow.push), nbd: of((r) => r.narrow.nbd) };
  const wide = { modosu: of((r) => r.wide.modosu), push: of((r) => r.wide.push) };
  const ratio = (a: { readonly took: Summary }, b: { readonly took: Summary }): number => a.took.median / b.took.median;
  const beyond = (a: { readonly took: Summary }, b: { readonly took: Summary }): number => a.took.median - b.took.median;

  const changed = formatBytes(CHANGED_BYTES);
  const [small, large] = [formatBytes(DISK_BYTES), formatBytes(WIDE_DISK_BYTES)];
  const targets: readonly Target[] = [
    atLeast(`incremental of ${changed} against \`virtnbdbackup -l inc\``, ratio(narrow.nbd, narrow.modosu), AIM.timesFasterThanNbd),
    within(`incremental of ${changed} against a bare push`, beyond(narrow.modosu, narrow.push), AIM.secondsBeyondPush),
    atMost(`incremental of a sparse disk of ${large} against that of ${small}`, ratio(wide.modosu, narrow.modosu), AIM.timesOnTheLargeDisk),
  ];
  const row = (what: string, { took, written }: ReturnType<typeof of>, against: string): readonly string[] => [
    what,
    seconds(took.min),
    seconds(took.median),
    formatBytes(written.median),
    against,
  ];
  const disturbed = rounds.reduce((sum, round) => sum + round.disturbed, 0);
  return `## Incremental images

Written by \`npm run bench -- increments\` (${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}, ${about.date}).

${about.machine.map((line) => `- ${line}`).join('\n')}

### Method
- The server of the full images: one qcow2 disk of ${small}, ${formatBytes(RANDOM_BYTES)} of it random data. A second one has the same on a sparse disk of ${large}. Both guests run and are idle.
- Before each side ${changed} of the disk are changed through QEMU, in pieces of 1 MiB all over the random data, with a byte that was not there before; then everything is written back, the disk is dropped from the page cache, memory has been fetched from the host, and the machine has become idle.${disturbed > 0 ? ` **${disturbed} of ${rounds.length * 5} sides began although the machine was busy with something else: seconds are too high, and ratios move.**` : ''}
- Each side has checkpoints of its own on the same disk, and has taken a whole image before, outside the time. The places that change are always the same, so that each finds ${changed} changed since its own last image, and the little that the idle guest writes.
- Each round takes every side once, in this order in odd rounds and the other way round in even ones. An image that holds less than was changed, or far more, does not count: the benchmark ends.
- All sides end with their result on stable storage (fsync). Ratios and differences are of medians.
- Modosu: \`POST /v1/servers/…/backups\` (online) until the run has ended: file systems frozen and thawed, the basis found and its chain checked, every byte of the image hashed, recovery point published and in the catalogue.
- Bare push: \`virsh backup-begin\` with \`<incremental>\` and a new checkpoint, into a file made beforehand, until the job has completed. virtnbdbackup: \`-l inc\` into the directory of its full.

### Results
${table(
  ['incremental, seconds', 'min', 'median', 'written', 'Modosu against it'],
  [
    row('Modosu', narrow.modosu, ''),
    row('bare push', narrow.push, difference(beyond(narrow.modosu, narrow.push))),
    row('virtnbdbackup', narrow.nbd, `${times(ratio(narrow.nbd, narrow.modosu))} faster`),
    row(`Modosu, disk of ${large}`, wide.modosu, ''),
    row(`bare push, disk of ${large}`, wide.push, difference(beyond(wide.modosu, wide.push))),
  ],
)}

### Targets
${targetTable(targets)}

### Where the time goes
Medians of the steps. "Own" is what Modosu itself needs; the rest is copying or checking. What lies between the steps is in neither list.

${steps(`incremental of ${small}`, rounds, (r) => r.narrow)}

${steps(`incremental of ${large}`, rounds, (r) => r.wide)}
`;
}

/** As it stands in a table: seconds more, or fewer. */
const difference = (value: number): string => `${value < 0 ? '-' : '+'}${seconds(Math.abs(value))} s`;

const within = (what: string, value: number, limit: number): Target => ({
  what,
  aim: `within ${limit} s`,
  measured: difference(value),
  met: value <= limit,
});

const steps = (title: string, rounds: readonly IncrementRound[], pick: (round: IncrementRound) => IncrementRound['wide']): string =>
  stepTable(
    title,
    rounds.map((round) => pick(round).modosu.run.steps),
    whose,
  );
